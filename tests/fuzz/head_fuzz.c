/* Request heads: the pieces in which one comes change nothing; what is accepted keeps the strict rules,
 * judged here by slow and separate means, and is read by llhttp as the same request. */
#include <llhttp.h>
#include <strings.h>

#include "fuzz.h"
#include "http/head.h"

enum { FIELDS_MAX = 100 };

struct reading {
    enum ax_scan rc;
    size_t len;
    bool ok;
    char *copy;
    struct ax_arena arena;
    struct ax_head head;
    struct ax_refusal why;
    _Alignas(16) char first[512];
};

static void parse(struct reading *r, const char *p, const struct ax_head_limits *l,
                  const struct ax_head_lines *lines)
{
    if (r->rc != AX_SCAN_DONE)
        return;
    r->copy = exact(p, r->len);
    r->ok = ax_head_parse_lines(r->copy, r->len, l, lines, &r->arena, &r->head, &r->why);
}

static void read_whole(struct reading *r, const char *p, size_t n, const struct ax_head_limits *l)
{
    struct ax_head_lines lines;
    struct ax_scanner s = {0};

    *r = (struct reading){0};
    ax_arena_init(&r->arena, r->first, sizeof r->first, 1 << 20);
    r->rc = ax_head_scan_lines(&s, p, n, l, &r->len, &lines, &r->why);
    parse(r, p, l, &lines);
}

static void read_pieces(struct reading *r, const char *p, size_t n, const struct ax_head_limits *l,
                        struct dice *d)
{
    struct ax_scanner s = {0};
    size_t at = 0;

    *r = (struct reading){0};
    ax_arena_init(&r->arena, r->first, sizeof r->first, 1 << 20);
    do {
        at = at < n ? next_cut(d, at, n) : n;
        char *sofar = exact(p, at);
        r->rc = ax_head_scan(&s, sofar, at, l, &r->len, &r->why);
        free(sofar);
    } while (r->rc == AX_SCAN_MORE && at < n);
    parse(r, p, l, NULL);
}

static void done(struct reading *r)
{
    ax_arena_reset(&r->arena);
    free(r->copy);
}

static void same(const struct reading *a, const struct reading *b)
{
    AX_ASSERT(a->rc == b->rc);
    AX_ASSERT(a->rc != AX_SCAN_DONE || a->len == b->len);
    AX_ASSERT(a->ok == b->ok);
    if (a->rc == AX_SCAN_REFUSED || (a->rc == AX_SCAN_DONE && !a->ok)) {
        AX_ASSERT(a->why.status == b->why.status && a->why.limit == b->why.limit && a->why.text);
        AX_ASSERT(a->why.status >= 400 && a->why.status < 600);
    }
    if (!a->ok)
        return;
    AX_ASSERT(a->head.nfields == b->head.nfields && a->head.known == b->head.known);
    AX_ASSERT(a->head.content_length == b->head.content_length && a->head.chunked == b->head.chunked);
    AX_ASSERT(a->head.keep_alive == b->head.keep_alive && a->head.method == b->head.method);
    AX_ASSERT(memcmp(&a->head.path, &b->head.path, sizeof a->head.path) == 0);
    if (a->head.nfields)
        AX_ASSERT(memcmp(a->head.fields, b->head.fields, a->head.nfields * sizeof *a->head.fields) == 0);
}

/* ---- the rules, one at a time */

static void check_lines(const char *p, size_t n)
{
    AX_ASSERT(n >= 4 && memcmp(p + n - 4, "\r\n\r\n", 4) == 0);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '\n')
            AX_ASSERT(i > 0 && p[i - 1] == '\r');
        else if (c == '\r')
            AX_ASSERT(i + 1 < n && p[i + 1] == '\n');
        else
            AX_ASSERT((c >= 0x20 && c != 0x7f) || c == '\t');
        if (i > 0 && p[i - 1] == '\n')
            AX_ASSERT(c != ' ' && c != '\t' && c != ':');
    }
}

/* Counts the lines of that name, straight from the bytes. */
static unsigned lines_of(const char *p, size_t n, const char *name)
{
    size_t len = strlen(name);
    unsigned count = 0;

    for (size_t i = 1; i + len < n; i++)
        count += p[i - 1] == '\n' && strncasecmp(p + i, name, len) == 0 && p[i + len] == ':';
    return count;
}

static void check_rules(const struct reading *r)
{
    const struct ax_head *h = &r->head;
    unsigned te = lines_of(r->copy, r->len, "transfer-encoding");
    unsigned cl = lines_of(r->copy, r->len, "content-length");
    unsigned host = lines_of(r->copy, r->len, "host");

    check_lines(r->copy, r->len);
    AX_ASSERT(h->minor <= 1);
    AX_ASSERT(te <= 1 && cl <= 1 && te + cl <= 1);
    AX_ASSERT(host == 1 || (host == 0 && h->minor == 0));
    AX_ASSERT(h->chunked == (te == 1) && (!te || h->minor == 1));
    AX_ASSERT(cl || h->content_length == 0);
    AX_ASSERT(!memchr(r->copy + h->target.off, '#', h->target.n));
    AX_ASSERT(!memchr(r->copy + h->target.off, ' ', h->target.n));
    for (unsigned i = 0; i < h->nfields; i++) {
        struct ax_str name = ax_head_str(h, h->fields[i].name), value = ax_head_str(h, h->fields[i].value);
        AX_ASSERT(within(name, r->copy, r->len) && within(value, r->copy, r->len) && name.n);
        AX_ASSERT(!memchr(name.p, ' ', name.n) && name.p[name.n] == ':');
        AX_ASSERT(ax_str_eq(value, ax_str_trim(value)));
        AX_ASSERT(h->fields[i].id == ax_field_name_of(name));
    }
    struct ax_str path = ax_head_str(h, h->path), query = ax_head_str(h, h->query);
    AX_ASSERT(within(path, r->copy, r->len) && within(query, r->copy, r->len));
    AX_ASSERT(within(ax_head_str(h, h->host), r->copy, r->len));
    AX_ASSERT(path.n == 0 || path.p[0] == '/' || h->asterisk || h->method >= AX_METHODS);
}

/* ---- llhttp's reading */

struct found {
    size_t url_off, url_n;
    const char *base;
    unsigned fields;
    bool complete;
};

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct found *f = p->data;

    if (!f->url_n)
        f->url_off = (size_t)(at - f->base);
    f->url_n += n;
    return 0;
}

static int on_value_complete(llhttp_t *p)
{
    ((struct found *)p->data)->fields++;
    return 0;
}

static int on_complete(llhttp_t *p)
{
    ((struct found *)p->data)->complete = true;
    return HPE_PAUSED;
}

/* llhttp refuses bytes above ASCII in a target, which path.c judges: it is shown letters there. */
static void check_llhttp(const struct reading *r)
{
    static const llhttp_settings_t settings = {
        .on_url = on_url, .on_header_value_complete = on_value_complete, .on_headers_complete = on_complete};
    char *shown = exact(r->copy, r->len);
    struct found f = {.base = shown};
    const struct ax_head *h = &r->head;
    llhttp_t p;

    for (size_t i = h->target.off; i < (size_t)h->target.off + h->target.n; i++)
        if ((unsigned char)shown[i] >= 0x80)
            shown[i] = 'x';
    llhttp_init(&p, HTTP_REQUEST, &settings);
    p.data = &f;
    llhttp_execute(&p, shown, r->len);
    AX_ASSERT(f.complete);
    AX_ASSERT(f.url_off == h->target.off && f.url_n == h->target.n);
    AX_ASSERT(f.fields == h->nfields);
    AX_ASSERT(p.http_major == 1 && p.http_minor == h->minor);
    AX_ASSERT(h->chunked || p.content_length == h->content_length);
    /* HT behind a value is white space (RFC 9110, 5.5); llhttp takes it for a part of it */
    AX_ASSERT(h->chunked == ((p.flags & F_CHUNKED) != 0) || memchr(shown, '\t', r->len));
    free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct ax_head_limits all[] = {{.bytes = 16384, .uri = 8192, .fields = FIELDS_MAX},
                                                {.bytes = 96, .uri = 24, .fields = 3},
                                                {.bytes = 65535, .uri = 65535, .fields = 1000}};
    static struct ax_host_seen seen; /* by all inputs */
    struct dice d = dice_of(data, n);
    const struct ax_head_limits *l = &all[roll(&d, 3)];
    struct reading whole, pieces;
    const char *p = (const char *)data;

    read_whole(&whole, p, n, l);
    for (int i = 0; i < 3; i++) {
        read_pieces(&pieces, p, n, l, &d);
        same(&whole, &pieces);
        done(&pieces);
    }
    struct ax_head_limits remembering = *l;
    remembering.host_seen = &seen;
    read_whole(&pieces, p, n, &remembering);
    same(&whole, &pieces);
    done(&pieces);
    if (whole.ok) {
        AX_ASSERT(whole.len <= l->bytes && whole.head.nfields <= l->fields && whole.head.target.n <= l->uri);
        check_rules(&whole);
        check_llhttp(&whole);
    }
    done(&whole);
    return 0;
}
