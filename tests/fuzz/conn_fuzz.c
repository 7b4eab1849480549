/* Connections.  The input goes into a real worker with a dispatcher in C: in one piece, and in pieces; the
 * responses are the same, the connection ends, and no connection gets a byte of another's: two of them carry
 * a text beside it that nobody else can know.  One thread: a turn of the loop happens where it says so. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "metrics/segment.h"
#include "net/reply.h"
#include "net/worker.h"

enum { WORKERS = 2, LATER_MAX = 4096, TURNS_MAX = 20000, QUIET = 3, TOKEN = 24 };

struct stub {
    struct ax_worker *worker;
    struct ax_segment *segment;
    struct {
        uint32_t index, gen;
    } later[LATER_MAX];
    unsigned nlater;
};

struct bench { /* made once: what one input leaves behind in a worker must not touch the next */
    uv_loop_t loop;
    uv_timer_t alive;
    struct stub stub[WORKERS];
};

/* ---- who answers */

static void answer(struct ax_request *r, unsigned status, struct ax_str body)
{
    ax_reply(r, &(struct ax_reply){.status = status, .content = AX_CONTENT_TEXT, .body = body});
}

static void answer_in_place(struct ax_request *r)
{
    struct ax_reply reply = {.status = 200, .content = AX_CONTENT_TEXT, .body = r->body};
    size_t room;
    char *p = ax_reply_begin(r, &reply, r->body.n, &room);

    if (!p) {
        answer(r, 200, r->body);
        return;
    }
    if (r->body.n)
        memcpy(p, r->body.p, r->body.n);
    ax_reply_end(r, r->body.n);
}

static void release(void *owner)
{
    free(owner);
}

static void answer_lent(struct ax_request *r)
{
    char *copy = exact(r->body.p, r->body.n);
    int rc = ax_reply(r, &(struct ax_reply){.status = 200,
                                            .content = AX_CONTENT_BYTES,
                                            .body = {copy, r->body.n},
                                            .release = release,
                                            .owner = copy});

    AX_ASSERT(rc >= 0);
}

/* Who asked, as the trusted proxy on the other end tells it. */
static void answer_who(struct ax_request *r)
{
    struct ax_str host = ax_request_host(r);
    char text[600];
    int n = snprintf(text, sizeof text, "%s %d %.*s", ax_request_remote(r), ax_request_https(r),
                     (int)(host.n < 400 ? host.n : 400), host.n ? host.p : "");

    answer(r, 200, (struct ax_str){text, (size_t)n});
}

static void enter(struct stub *s, struct ax_request *r)
{
    struct ax_str what = r->site_route->name;

    if (ax_str_eq(what, AX_STR("echo"))) {
        answer(r, 200, r->body);
    } else if (ax_str_eq(what, AX_STR("param"))) {
        answer(r, 200, r->params[0]);
    } else if (ax_str_eq(what, AX_STR("written"))) {
        answer_in_place(r);
    } else if (ax_str_eq(what, AX_STR("lent"))) {
        answer_lent(r);
    } else if (ax_str_eq(what, AX_STR("who"))) {
        answer_who(r);
    } else if (ax_str_eq(what, AX_STR("empty"))) {
        answer(r, 204, AX_STR("not sent"));
    } else if (ax_str_eq(what, AX_STR("later")) && s->nlater < LATER_MAX) {
        s->later[s->nlater].index = r->index;
        s->later[s->nlater++].gen = r->gen;
    } else {
        answer(r, 200, AX_STR("Hello World"));
    }
}

static int run(void *ctx, struct ax_request *const *reqs, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        enter(ctx, reqs[i]);
    return (int)n;
}

/* Last first: the core puts them in order. */
static bool answer_later(struct stub *s)
{
    bool any = s->nlater > 0;

    while (s->nlater) {
        s->nlater--;
        struct ax_request *r = ax_request_get(s->worker, s->later[s->nlater].index, s->later[s->nlater].gen);
        if (r)
            answer(r, 200, r->body.n ? r->body : AX_STR("later"));
    }
    return any;
}

/* ---- the workers: one with the default settings, one with limits that are soon met */

static void add(struct ax_site *site, enum ax_method m, const char *pattern, const char *name)
{
    struct ax_route r = {.method = m,
                         .pattern = ax_str(pattern),
                         .name = ax_str(name),
                         .timeout_us = -1,
                         .body_max = ax_site_settings(site)->limit_body};

    AX_ASSERT(ax_site_add(site, &r, NULL) == 0);
}

static void start(struct bench *b, struct stub *s, unsigned id)
{
    struct ax_settings set;
    struct ax_err err = {0};

    ax_settings_default(&set);
    set.pool_requests = set.pool_connections = 2;
    set.timeout_header_us = set.timeout_body_us = set.timeout_handler_us = set.timeout_send_us = -1;
    set.cache_routes = 16;
    if (id) {
        set.limit_header = 512;
        set.limit_header_count = 6;
        set.limit_uri = 64;
        set.limit_body = 48;
        set.limit_pipeline = 3;
        set.limit_output = 600;
        set.batch = 2;
        set.trailing_slash = AX_SLASH_REDIRECT;
    }
    struct ax_site *site = ax_site_new(&set);
    AX_ASSERT(site);
    add(site, AX_GET, "/", "hello");
    add(site, AX_POST, "/echo", "echo");
    add(site, AX_ANY, "/written", "written");
    add(site, AX_POST, "/lent", "lent");
    add(site, AX_ANY, "/later", "later");
    add(site, AX_GET, "/users/:id", "param");
    add(site, AX_GET, "/files/*rest", "param");
    add(site, AX_GET, "/nocontent", "empty");
    add(site, AX_ANY, "/who", "who");
    AX_ASSERT(!id || ax_site_trust(site, AX_STR("unix"), NULL) == 0);
    struct ax_route fixed = {.kind = AX_SITE_FIXED,
                             .method = AX_GET,
                             .pattern = AX_STR("/old"),
                             .status = 308,
                             .name = AX_STR("redirect"),
                             .headers = AX_STR("Location: /\r\n"),
                             .timeout_us = -1};
    AX_ASSERT(ax_site_add(site, &fixed, NULL) == 0 && ax_site_freeze(site, NULL) == 0);
    AX_ASSERT(ax_segment_private(1, 64, &s->segment, NULL) == 0 &&
              ax_site_publish(site, s->segment, NULL) == 0);
    struct ax_worker_options o = {.loop = &b->loop,
                                  .site = site,
                                  .dispatch = {.ctx = s, .run = run},
                                  .stat = ax_segment_worker(s->segment, 0),
                                  .id = id};
    AX_ASSERT(ax_worker_new(&o, &s->worker, &err) == 0);
    ax_site_unref(site);
}

static struct bench *bench(void)
{
    static struct bench *b;

    if (b)
        return b;
    b = calloc(1, sizeof *b);
    AX_ASSERT(b && uv_loop_init(&b->loop) == 0);
    uv_timer_init(&b->loop, &b->alive);
    uv_timer_start(&b->alive, (uv_timer_cb)abort, (uint64_t)1 << 40,
                   0); /* turns happen without connections, too */
    for (unsigned i = 0; i < WORKERS; i++)
        start(b, &b->stub[i], i);
    return b;
}

/* ---- a client */

struct client {
    int fd;
    bool ended; /* the server has closed */
    struct ax_buf in;
};

static void dial(struct client *c, struct stub *s)
{
    int pair[2];

    AX_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    *c = (struct client){.fd = pair[0], .in = AX_BUF_INIT(FUZZ_OUT_MAX)};
    AX_ASSERT(ax_worker_adopt(s->worker, pair[1]) == 0);
}

/* Reads what there is; true when that was something. */
static bool take(struct client *c)
{
    bool any = false;
    char p[8192];

    while (!c->ended) {
        ssize_t n = recv(c->fd, p, sizeof p, 0);
        if (n < 0 && errno == EAGAIN)
            break;
        any = true;
        c->ended = n <= 0;
        if (n > 0)
            ax_buf_add(&c->in, p, (size_t)n);
    }
    return any;
}

/* Turns until nothing moves any more. */
static void settle(struct bench *b, struct stub *s, struct client *c)
{
    int left = 0, before = -1;

    for (int turn = 0, quiet = 0; quiet < QUIET; turn++) {
        AX_ASSERT(turn < TURNS_MAX);
        uv_run(&b->loop, UV_RUN_NOWAIT);
        bool moved = take(c);
        ioctl(c->fd, SIOCOUTQ, &left);
        moved = moved || left != before;
        before = left;
        if (moved)
            quiet = 0;
        else if (++quiet == QUIET && answer_later(s))
            quiet = 0;
    }
}

static void say(struct bench *b, struct stub *s, struct client *c, const char *p, size_t n)
{
    for (int tries = 0; n && !c->ended && tries < 64;) {
        ssize_t k = send(c->fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && errno != EAGAIN)
            return; /* it has closed: what it said is read later */
        tries += k <= 0;
        p += k > 0 ? k : 0;
        n -= k > 0 ? (size_t)k : 0;
        settle(b, s, c);
    }
}

/* A half-closed client is answered, then closed. */
static void hang_up(struct bench *b, struct stub *s, struct client *c)
{
    shutdown(c->fd, SHUT_WR);
    settle(b, s, c);
    AX_ASSERT(c->ended);
    close(c->fd);
}

/* ---- what is compared */

/* Without Date lines, ids and interim responses: they depend on when it was read. */
static void plain(const struct ax_buf *in, struct ax_buf *out)
{
    struct ax_str cont = AX_STR("HTTP/1.1 100 Continue\r\n\r\n");
    struct ax_str date = AX_STR("\r\nDate: "), id = AX_STR("\r\nX-Request-Id: ");

    for (size_t i = 0; i < in->n;) {
        struct ax_str rest = {in->p + i, in->n - i};
        if (ax_str_has_prefix(rest, cont)) {
            i += cont.n;
        } else if (ax_str_has_prefix(rest, date) && rest.n > date.n + AX_HTTP_DATE_LEN) {
            i += date.n + AX_HTTP_DATE_LEN;
        } else if (ax_str_has_prefix(rest, id) && rest.n > id.n + AX_ID_LEN) {
            i += id.n + AX_ID_LEN;
        } else {
            ax_buf_addc(out, in->p[i++]);
        }
    }
}

/* A conversation beside the one that is tested: all of it at once, or a part before and a part after. */
struct canary {
    struct client client;
    char token[TOKEN + 1], text[160];
    size_t n;
};

static void canary_of(struct canary *k, struct dice *d, struct stub *s, const char *path)
{
    for (unsigned i = 0; i < TOKEN; i++)
        k->token[i] = (char)('a' + roll(d, 26));
    k->token[TOKEN] = '\0';
    k->n = (size_t)snprintf(k->text, sizeof k->text,
                            "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %u\r\n\r\n%s", path, "canary",
                            (unsigned)TOKEN, k->token);
    dial(&k->client, s);
}

static void check_canary(struct bench *b, struct stub *s, struct canary *k)
{
    struct ax_str in = ax_buf_str(&k->client.in);

    if (!ax_str_has_prefix(in, AX_STR("HTTP/1.1 200 OK\r\n")))
        fprintf(stderr, "---- beside it, for\n%.*s\n%.*s\n----\n", (int)k->n, k->text, (int)in.n,
                in.n ? in.p : "");
    AX_ASSERT(ax_str_has_prefix(in, AX_STR("HTTP/1.1 200 OK\r\n")));
    AX_ASSERT(in.n > TOKEN + 4 && memcmp(in.p + in.n - TOKEN - 4, "\r\n\r\n", 4) == 0);
    AX_ASSERT(memcmp(in.p + in.n - TOKEN, k->token, TOKEN) == 0);
    hang_up(b, s, &k->client);
    ax_buf_fini(&k->client.in);
}

static void converse(struct bench *b, struct stub *s, const char *p, size_t n, struct dice *cuts,
                     struct dice *d, struct ax_buf *out)
{
    static const char *const paths[] = {"/echo", "/later", "/written", "/lent"};
    struct canary before, around;
    struct client c;

    canary_of(&before, d, s, paths[roll(d, 4)]);
    canary_of(&around, d, s, paths[roll(d, 4)]);
    say(b, s, &before.client, before.text, before.n);
    size_t half = 1 + roll(d, around.n - 1);
    say(b, s, &around.client, around.text, half);
    dial(&c, s);
    for (size_t at = 0, pieces = 0; at < n; pieces++) {
        size_t end = cuts && pieces < FUZZ_CUTS_MAX ? next_cut(cuts, at, n) : n;
        char *piece = exact(p + at, end - at);
        say(b, s, &c, piece, end - at);
        free(piece);
        at = end;
    }
    hang_up(b, s, &c);
    say(b, s, &around.client, around.text + half, around.n - half);
    check_canary(b, s, &before);
    check_canary(b, s, &around);
    AX_ASSERT(!c.in.n ||
              (!memmem(c.in.p, c.in.n, before.token, TOKEN) && !memmem(c.in.p, c.in.n, around.token, TOKEN)));
    plain(&c.in, out);
    ax_buf_fini(&c.in);
    while (ax_worker_load(s->worker).connections)
        uv_run(&b->loop, UV_RUN_NOWAIT);
    AX_ASSERT(ax_worker_load(s->worker).inflight == 0);
}

static void differ(const struct ax_buf *a, const struct ax_buf *b)
{
    if (ax_str_eq(ax_buf_str(a), ax_buf_str(b)))
        return;
    fprintf(stderr, "---- whole\n%.*s\n---- in pieces\n%.*s\n----\n", (int)a->n, a->p ? a->p : "", (int)b->n,
            b->p ? b->p : "");
    AX_ASSERT(!"the pieces in which the input came changed the responses");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n), cuts = d;
    struct bench *b = bench();
    struct stub *s = &b->stub[roll(&d, WORKERS)];
    struct ax_buf whole = AX_BUF_INIT(FUZZ_OUT_MAX), pieces = AX_BUF_INIT(FUZZ_OUT_MAX);

    converse(b, s, (const char *)data, n, NULL, &d, &whole);
    converse(b, s, (const char *)data, n, &cuts, &d, &pieces);
    differ(&whole, &pieces);
    ax_buf_fini(&whole);
    ax_buf_fini(&pieces);
    return 0;
}
