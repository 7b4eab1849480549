/* Who the client is behind proxies.  Input: a line for a field value, then one that is read as an address and
 * as a trusted block.  What stands before the client in a list, which anybody could have written, changes
 * nothing; what the nearest proxy wrote behind it always counts. */
#include "fuzz.h"
#include "http/forwarded.h"

enum { HEAD_MAX = 20000 };

static const struct ax_head_limits limits = {.bytes = HEAD_MAX, .uri = 8192, .fields = 100};

struct world {
    struct ax_proxies trusted;
    struct ax_addr peer;
};

struct answer {
    bool read; /* the head was one */
    struct ax_addr client;
    enum ax_proto proto;
    char host[256];
};

static bool same_addr(const struct ax_addr *a, const struct ax_addr *b)
{
    return a->kind == b->kind && (a->kind != AX_ADDR_IP || memcmp(a->ip, b->ip, sizeof a->ip) == 0);
}

/* `lines` are field lines with their CRLF. */
static struct answer ask(const struct world *w, const struct ax_buf *lines)
{
    struct ax_buf text = AX_BUF_INIT(HEAD_MAX);
    struct answer a = {0};
    struct ax_scanner s = {0};
    struct ax_refusal why;
    struct ax_arena arena;
    struct ax_head h;
    size_t len = 0;

    ax_arena_init(&arena, NULL, 0, 1 << 20);
    ax_buf_adds(&text, "GET / HTTP/1.1\r\nHost: own\r\n");
    ax_buf_add(&text, lines->p, lines->n);
    ax_buf_adds(&text, "\r\n");
    char *copy = exact(text.p, text.n);
    if (!text.failed && ax_head_scan(&s, copy, text.n, &limits, &len, &why) == AX_SCAN_DONE &&
        len == text.n && ax_head_parse(copy, len, &limits, &arena, &h, &why)) {
        struct ax_forwarded f = {0};
        ax_forwarded_read(&h, &w->trusted, &w->peer, &f);
        AX_ASSERT(f.client.kind != AX_ADDR_NONE);
        AX_ASSERT(f.host.n == 0 || within(f.host, copy, len));
        struct ax_str id = ax_forwarded_id(&h);
        AX_ASSERT(id.n <= AX_REQUEST_ID_MAX && (id.n == 0 || within(id, copy, len)));
        a = (struct answer){.read = true, .client = f.client, .proto = f.proto};
        snprintf(a.host, sizeof a.host, "%.*s", (int)f.host.n, f.host.n ? f.host.p : "");
    }
    free(copy);
    ax_buf_fini(&text);
    ax_arena_reset(&arena);
    return a;
}

static struct answer ask_list(const struct world *w, const char *name, const char *before,
                              struct ax_str value, const char *behind)
{
    struct ax_buf lines = AX_BUF_INIT(HEAD_MAX);

    ax_buf_addf(&lines, "%s: %s", name, before);
    ax_buf_add(&lines, value.p, value.n);
    ax_buf_addf(&lines, "%s\r\n", behind);
    struct answer a = ask(w, &lines);
    ax_buf_fini(&lines);
    return a;
}

static void check_list(const struct world *w, const char *name, struct ax_str value, const char *forged,
                       const char *real)
{
    struct ax_addr eight;
    struct answer plain = ask_list(w, name, "", value, "");

    if (!plain.read)
        return;
    AX_ASSERT(ax_addr_parse(AX_STR("8.8.8.8"), &eight));
    struct answer behind = ask_list(w, name, "", value, real);
    AX_ASSERT(!behind.read || same_addr(&behind.client, &eight));
    if (ax_proxies_trust(&w->trusted, &plain.client))
        return; /* all of it was written by trusted ones, or the walk ended early */
    struct answer before = ask_list(w, name, forged, value, "");
    AX_ASSERT(before.read && same_addr(&before.client, &plain.client));
    AX_ASSERT(before.proto == plain.proto && strcmp(before.host, plain.host) == 0);
}

static void check_addr(struct ax_str text)
{
    struct ax_addr a, again;
    char out[AX_ADDR_TEXT];

    if (!ax_addr_parse(text, &a))
        return;
    AX_ASSERT(a.kind == AX_ADDR_IP);
    ax_addr_text(&a, out);
    AX_ASSERT(ax_addr_parse(ax_str(out), &again) && same_addr(&a, &again));
}

static void check_block(struct ax_str text)
{
    struct ax_proxies p = {0};
    struct ax_err err = {0};
    struct ax_addr a;
    int rc = ax_proxies_add(&p, text, &err);
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    struct ax_str base = {text.p, slash ? (size_t)(slash - text.p) : text.n};

    AX_ASSERT(rc == 0 ? err.code == AX_OK : err.msg[0] != '\0');
    if (rc == 0 && ax_addr_parse(base, &a))
        AX_ASSERT(ax_proxies_trust(&p, &a)); /* a block holds its own address */
    AX_ASSERT(rc < 0 || ax_proxies_any(&p));
    ax_proxies_fini(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ax_str rest = {(const char *)data, n}, value = {"", 0}, other = {"", 0};
    struct world w = {0};

    next_line(&rest, &value);
    next_line(&rest, &other);
    AX_ASSERT(ax_proxies_add(&w.trusted, AX_STR("10.0.0.0/8"), NULL) == 0);
    AX_ASSERT(ax_proxies_add(&w.trusted, AX_STR("fd00::/8"), NULL) == 0);
    AX_ASSERT(ax_addr_parse(AX_STR("10.0.0.1"), &w.peer));
    char *v = exact(value.p, value.n), *o = exact(other.p, other.n);
    value.p = v;
    other.p = o;
    check_list(&w, "X-Forwarded-For", value, "9.9.9.9, ", ", 8.8.8.8");
    check_list(&w, "Forwarded", value, "for=9.9.9.9;host=forged;proto=https, ", ", for=8.8.8.8");
    struct ax_buf lines = AX_BUF_INIT(HEAD_MAX);
    ax_buf_add(&lines, value.p, value.n); /* any lines: no promise but those in ask() */
    ax_buf_adds(&lines, "\r\n");
    ask(&w, &lines);
    ax_buf_fini(&lines);
    check_addr(other);
    check_block(other);
    free(v);
    free(o);
    ax_proxies_fini(&w.trusted);
    return 0;
}
