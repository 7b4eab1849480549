#include "http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/target.h"

#define H   "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define END "\r\n"
/* A literal with its length: heads may hold NUL. */
#define S(lit) lit, sizeof(lit) - 1

static const struct ax_head_limits limits = {.bytes = 4096, .uri = 256, .fields = 20};

/* One run over bytes that come in the pieces a test wants. */
struct run {
    char *copy; /* exactly as long as the head, so that a sanitizer sees a read beyond it */
    size_t len;
    struct ax_arena arena;
    _Alignas(16) char inline_bytes[128];
    struct ax_head head;
    struct ax_refusal why;
    bool ok;
};

/* Gives the scanner first `cut` bytes, then `step` more at a time; each look at a copy of just these bytes.
 */
static enum ax_scan scan(const char *p, size_t n, size_t cut, size_t step, const struct ax_head_limits *l,
                         size_t *ret_len, struct ax_refusal *why)
{
    struct ax_scanner s = {0};
    enum ax_scan rc = AX_SCAN_MORE;

    for (size_t have = cut; rc == AX_SCAN_MORE; have = have + step < n ? have + step : n) {
        char *bytes = malloc(have ? have : 1);
        assert_non_null(bytes);
        memcpy(bytes, p, have);
        rc = ax_head_scan(&s, bytes, have, l, ret_len, why);
        free(bytes);
        if (have == n)
            break;
    }
    return rc;
}

static bool run_pieces(struct run *r, const char *p, size_t n, size_t cut, size_t step,
                       const struct ax_head_limits *l)
{
    memset(r, 0, sizeof *r);
    enum ax_scan rc = scan(p, n, cut, step, l, &r->len, &r->why);
    ax_arena_init(&r->arena, r->inline_bytes, sizeof r->inline_bytes, 65536);
    if (rc == AX_SCAN_MORE)
        r->why = (struct ax_refusal){0, NULL, "incomplete"};
    if (rc != AX_SCAN_DONE)
        return false;
    r->copy = malloc(r->len);
    assert_non_null(r->copy);
    memcpy(r->copy, p, r->len);
    r->ok = ax_head_parse(r->copy, r->len, l, &r->arena, &r->head, &r->why);
    return r->ok;
}

static void end(struct run *r)
{
    ax_arena_reset(&r->arena);
    free(r->copy);
}

static void assert_same(const char *p, const struct run *a, const struct run *b)
{
    if (a->ok != b->ok || (!a->ok && a->why.status != b->why.status) || a->len != b->len)
        fail_msg("%s: %d %u %zu, and in pieces %d %u %zu (%s, %s)", p, a->ok, a->ok ? 0 : a->why.status,
                 a->len, b->ok, b->ok ? 0 : b->why.status, b->len, a->ok ? "" : a->why.text,
                 b->ok ? "" : b->why.text);
    if (!a->ok) {
        assert_true(a->why.limit == b->why.limit || strcmp(a->why.limit, b->why.limit) == 0);
        return;
    }
    assert_int_equal(a->head.nfields, b->head.nfields);
    assert_memory_equal(a->head.fields, b->head.fields, a->head.nfields * sizeof *a->head.fields);
}

/* Byte by byte, and cut at every position: the same as in one piece. */
static void every_cut(const char *p, size_t n, const struct run *whole, const struct ax_head_limits *l)
{
    struct run r;

    run_pieces(&r, p, n, 0, 1, l);
    assert_same(p, whole, &r);
    end(&r);
    for (size_t cut = 1; cut < n; cut++) {
        run_pieces(&r, p, n, cut, n, l);
        assert_same(p, whole, &r);
        end(&r);
    }
}

static void assert_refused(const char *p, size_t n, unsigned status, const char *limit,
                           const struct ax_head_limits *l)
{
    struct run r;

    if (run_pieces(&r, p, n, n, 1, l))
        fail_msg("accepted: %s", p);
    if (r.why.status != status)
        fail_msg("%u (%s) instead of %u: %s", r.why.status, r.why.text, status, p);
    assert_true(limit ? r.why.limit && strcmp(r.why.limit, limit) == 0 : !r.why.limit);
    assert_true(status == 0 || (r.why.text && *r.why.text));
    every_cut(p, n, &r, l);
    end(&r);
}

struct refused {
    const char *p;
    size_t n;
    unsigned status;
};

static void assert_all_refused(const struct refused *t, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_refused(t[i].p, t[i].n, t[i].status, NULL, &limits);
}

/* What strict llhttp 8.1.0 lets through, one by one. */
static void test_llhttp_lets_through(void **state)
{
    static const struct refused t[] = {
        {S("GET / HTTP/1.1\n" H END), 400},     /* LF after the request line */
        {S(GET "\n"), 400},                     /* CR LF LF as the end */
        {S("\nGET / HTTP/1.1\r\n" H END), 400}, /* leading LF */
        {S("\rGET / HTTP/1.1\r\n" H END), 400}, /* leading CR */
        {S(GET "X: a\r\n b\r\n" END), 400},     /* obs-fold */
        {S(GET "X: a\r\n\tb\r\n" END), 400},
        {S(GET "Transfer-Encoding:\r\n chunked\r\n" END), 400},
        {S(GET "Content-Length:\r\n 5\r\n" END), 400},
        {S(GET ": x\r\n" END), 400},                /* no field name */
        {S(GET "Transfer-Encoding:\r\n" END), 400}, /* empty Transfer-Encoding */
        {S(GET "Transfer-Encoding: \t\r\n" END), 400},
        {S(GET "Transfer-Encoding: gzip, chunked\r\n" END), 501},
        {S("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n" END), 400}, /* under 1.0 */
        {S("GET / HTTP/1.1\r\n" END), 400},                                     /* no Host */
        {S(GET "Host: a\r\n" END), 400},                                        /* two Hosts */
        {S("GET  / HTTP/1.1\r\n" H END), 400},                                  /* two spaces */
        {S("GET /  HTTP/1.1\r\n" H END), 400},
        {S("GET /\r\n" END), 400}, /* HTTP/0.9 */
        {S("GET /\r\n"), 400},
        {S("GET / HTTP/0.9\r\n" H END), 505},
        {S("GET / HTTP/2.0\r\n" H END), 505},
        {S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
        {S("OPTIONS / RTSP/1.0\r\n" H END), 400},
        {S("SOURCE / ICE/1.0\r\n" H END), 400},
        {S("GET /a#b HTTP/1.1\r\n" H END), 400}, /* fragment */
    };
    (void)state;
    assert_all_refused(t, AX_COUNT(t));
}

static void test_lines(void **state)
{
    static const struct refused t[] = {
        {S(GET "\r\rX"), 400},
        {S(GET "X: a\rb\r\n" END), 400},
        {S(GET "X: a\nY: b\r\n" END), 400},
        {S(GET "X: a\r\r\n" END), 400},
        {S(GET "X: a\0b\r\n" END), 400},
        {S(GET "X: a\x01\r\n" END), 400},
        {S(GET "X: a\x7f\r\n" END), 400},
        {S("GET /\0 HTTP/1.1\r\n" H END), 400},
        {S("GET /\t HTTP/1.1\r\n" H END), 400},
        {S("GET /\x7f HTTP/1.1\r\n" H END), 400},
        {S("GET\t/ HTTP/1.1\r\n" H END), 400},
        {S("GET /a b HTTP/1.1\r\n" H END), 400},
        {S("GET / HTTP/1.1 \r\n" H END), 400},
        {S("GET / HTTP/1.1\t\r\n" H END), 400},
        {S("GET / HTTP/1.10\r\n" H END), 400},
        {S("GET / HTTP/11\r\n" H END), 400},
        {S("GET / http/1.1\r\n" H END), 400},
        {S("GET / HTTP/1.x\r\n" H END), 400},
        {S("GET / HTTP/1.2\r\n" H END), 505},
        {S("GET / HTTP/3.0\r\n" H END), 505},
        {S(" GET / HTTP/1.1\r\n" H END), 400},
        {S("GET HTTP/1.1\r\n" H END), 400},
        {S("GET  HTTP/1.1\r\n" H END), 400},
        {S("\r\nGET / HTTP/1.1\r\n" H END), 400}, /* the caller skips empty lines */
        {S("\x16\x03\x01\x02"), 400},             /* TLS to the plain port */
        {S(" X: a"), 400},
        {S("GET / HTTP/1.1\r\n"
           " X: a"),
         400}, /* as soon as it can be told */
        {S("GET / HTTP/1.1\r\n"
           ":"),
         400},
        {S("GET / HTTP/1.1\r\n"
           "X: a\n"),
         400},
        {S(GET "X : a\r\n" END), 400},
        {S(GET "X\t: a\r\n" END), 400},
        {S(GET "Transfer-Encoding : chunked\r\n" END), 400},
        {S(GET "X Y: a\r\n" END), 400},
        {S(GET "X\r\n" END), 400},
        {S(GET "X@: a\r\n" END), 400},
        {S(GET "X\x80: a\r\n" END), 400},
        {S(GET "\"X\": a\r\n" END), 400},
    };
    (void)state;
    assert_all_refused(t, AX_COUNT(t));
}

static void test_incomplete(void **state)
{
    static const char *const t[] = {"",  "G",     "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n",
                                    GET, GET "\r"};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_refused(t[i], strlen(t[i]), 0, NULL, &limits);
}

static void test_methods(void **state)
{
    static const struct {
        const char *name;
        enum ax_method m;
        unsigned status; /* 0 = passes */
    } t[] = {
        {"GET", AX_GET, 0},
        {"HEAD", AX_HEAD, 0},
        {"POST", AX_POST, 0},
        {"PUT", AX_PUT, 0},
        {"PATCH", AX_PATCH, 0},
        {"DELETE", AX_DELETE, 0},
        {"OPTIONS", AX_OPTIONS, 0},
        {"TRACE", AX_OTHER_METHOD, 0},
        {"PROPFIND", AX_OTHER_METHOD, 0},
        {"MKACTIVITY", AX_OTHER_METHOD, 0},
        {"PRI", 0, 400}, /* the start of HTTP/2's preface */
        {"get", 0, 501},
        {"GETX", 0, 501},
        {"GE", 0, 501},
        {"BREW", 0, 501},
        {"PURGE", 0, 501},
        {"SOURCE", 0, 501},
        {"DESCRIBE", 0, 501},
        {"M-SEARCH", 0, 501},
        {"ANY", 0, 501},
        {"G@T", 0, 400},
        {"@", 0, 400},
        {"G\xc3\xa4T", 0, 400},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char head[64];
        struct run r;
        int n = snprintf(head, sizeof head, "%s / HTTP/1.1\r\n" H END, t[i].name);
        if (t[i].status) {
            assert_refused(head, (size_t)n, t[i].status, NULL, &limits);
            continue;
        }
        assert_true(run_pieces(&r, head, (size_t)n, (size_t)n, 1, &limits));
        assert_int_equal(r.head.method, t[i].m);
        assert_true(ax_str_eq(ax_head_str(&r.head, r.head.method_name), ax_str(t[i].name)));
        every_cut(head, (size_t)n, &r, &limits);
        end(&r);
    }
}

static void assert_span(const struct ax_head *h, struct ax_span s, const char *want)
{
    if (!ax_str_eq(ax_head_str(h, s), ax_str(want)))
        fail_msg("%.*s: \"%.*s\" instead of \"%s\"", h->target.n, h->base + h->target.off, s.n,
                 h->base + s.off, want);
}

static void test_targets(void **state)
{
    static const struct {
        const char *method, *target, *path, *query, *host; /* path NULL: 400; query NULL: none */
    } t[] = {
        {"GET", "/", "/", NULL, "a"},
        {"GET", "/?", "/", "", "a"},
        {"GET", "/a/b?c=d?e&f=%20", "/a/b", "c=d?e&f=%20", "a"},
        {"GET", "//x//", "//x//", NULL, "a"},
        {"GET", "/%zz", "/%zz", NULL, "a"}, /* path.c's */
        {"GET", "/\xc3\xa4?\xff", "/\xc3\xa4", "\xff", "a"},
        {"GET", "/{}|^`\"<>\\[]", "/{}|^`\"<>\\[]", NULL, "a"},
        {"GET", "/@:;,'()!$&*+=~", "/@:;,'()!$&*+=~", NULL, "a"},
        {"GET", "http://b.c/d?e", "/d", "e", "b.c"},
        {"GET", "HTTP://b:81", "/", NULL, "b:81"},
        {"GET", "https://b:81?q", "/", "q", "b:81"},
        {"GET", "http://[::1]:80/x", "/x", NULL, "[::1]:80"},
        {"GET", "http://b/\xc3\xa4", "/\xc3\xa4", NULL, "b"},
        {"OPTIONS", "*", "*", NULL, "a"},
        {"OPTIONS", "http://b", "/", NULL, "b"},
        {"CONNECT", "b:443", "", NULL, "b:443"},
        {"CONNECT", "[::1]:443", "", NULL, "[::1]:443"},
        {"GET", "*", NULL, NULL, NULL},
        {"OPTIONS", "*?", NULL, NULL, NULL},
        {"OPTIONS", "**", NULL, NULL, NULL},
        {"GET", "a/b", NULL, NULL, NULL},
        {"GET", "?a", NULL, NULL, NULL},
        {"GET", "b:443", NULL, NULL, NULL},
        {"GET", "ftp://b/", NULL, NULL, NULL},
        {"GET", "http:/b", NULL, NULL, NULL},
        {"GET", "http://", NULL, NULL, NULL},
        {"GET", "http:///x", NULL, NULL, NULL},
        {"GET", "http://:80/", NULL, NULL, NULL},
        {"GET", "http://u@b/", NULL, NULL, NULL},
        {"GET", "http://b:8x/", NULL, NULL, NULL},
        {"GET", "http://b\xc3\xa4/", NULL, NULL, NULL},
        {"GET", "http://b\\c/", NULL, NULL, NULL},
        {"GET", "/#", NULL, NULL, NULL},
        {"GET", "/?a#b", NULL, NULL, NULL},
        {"CONNECT", "/", NULL, NULL, NULL},
        {"CONNECT", "b", NULL, NULL, NULL},
        {"CONNECT", "b:", NULL, NULL, NULL},
        {"CONNECT", ":443", NULL, NULL, NULL},
        {"CONNECT", "http://b:1/", NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char head[128];
        struct run r;
        int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n" H END, t[i].method, t[i].target);
        if (!t[i].path) {
            assert_refused(head, (size_t)n, 400, NULL, &limits);
            continue;
        }
        if (!run_pieces(&r, head, (size_t)n, (size_t)n, 1, &limits))
            fail_msg("%s: %s", head, r.why.text);
        assert_span(&r.head, r.head.target, t[i].target);
        assert_span(&r.head, r.head.path, t[i].path);
        assert_span(&r.head, r.head.query, t[i].query ? t[i].query : "");
        assert_span(&r.head, r.head.host, t[i].host);
        assert_int_equal(r.head.has_query, t[i].query != NULL);
        assert_int_equal(r.head.asterisk, strcmp(t[i].method, "OPTIONS") == 0);
        every_cut(head, (size_t)n, &r, &limits);
        end(&r);
    }
}

static void test_authorities(void **state)
{
    static const struct {
        const char *s;
        bool ok;
    } t[] = {
        {"", true},
        {"a", true},
        {"A-b_c.d~", true},
        {"127.0.0.1:3001", true},
        {"a:", true},
        {"a%20b", true},
        {"[::1]", true},
        {"[::ffff:1.2.3.4]:1", true},
        {"[v1.a:b]", true},
        {"a:80:80", false},
        {"a:b", false},
        {"a b", false},
        {"a/b", false},
        {"u@a", false},
        {"a?", false},
        {"a,b", true},
        {"a%2", false},
        {"a%zz", false},
        {"[::1", false},
        {"::1", false},
        {"[]", false},
        {"[::1]x", false},
        {"[1]", false},
        {"[::1%25eth0]", false},
        {"[v.a]", false},
        {"[v1.]", false},
        {"[v1.@]", false},
        {"a\\b", false},
        {"<a>", false},
        {"a\xc3\xa4", false},
        {"[1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19]", false},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_authority_ok(ax_str(t[i].s)) != t[i].ok)
            fail_msg("%s", t[i].s);
}

/* Whoever was found well-formed before makes nobody else so. */
static void test_host_seen(void **state)
{
    static char just[AX_HOST_SEEN_MAX + 1], longer[AX_HOST_SEEN_MAX + 2];
    const char *t[] = {"", "a.b:80", "a.b:80", "a.b/80", "a.b:8", "a.b:80", "a.b:8x",
                       "", just,     longer,   longer,   "u@h",   just,     "A.b:80"};
    struct ax_host_seen seen = {0};
    struct ax_head_limits l = limits;

    (void)state;
    memset(just, 'h', sizeof just - 1);
    memset(longer, 'h', sizeof longer - 1);
    l.host_seen = &seen;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char head[256];
        struct run r;
        size_t n = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", t[i]);
        bool ok = run_pieces(&r, head, n, n, 1, &l);
        if (ok != ax_authority_ok(ax_str(t[i])))
            fail_msg("%zu: %s", i, t[i]);
        end(&r);
    }
    assert_int_equal(seen.n, strlen("A.b:80"));
}

static void test_fields(void **state)
{
    static const struct refused t[] = {
        {S("GET / HTTP/1.1\r\nHost: a b\r\n" END), 400},
        {S("GET / HTTP/1.1\r\nHost: a, b\r\n" END), 400},
        {S("GET / HTTP/1.1\r\nHost: http://a\r\n" END), 400},
        {S("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n" END), 400},
        {S("GET http://b/ HTTP/1.1\r\n" END), 400},
        {S("GET http://b/ HTTP/1.1\r\nHost: a@\r\n" END), 400},
        {S(GET "Content-Length:\r\n" END), 400},
        {S(GET "Content-Length: +5\r\n" END), 400},
        {S(GET "Content-Length: -5\r\n" END), 400},
        {S(GET "Content-Length: 0x5\r\n" END), 400},
        {S(GET "Content-Length: 5 5\r\n" END), 400},
        {S(GET "Content-Length: 5 \t\r\n" END), 400},
        {S(GET "Content-Length: 5, 5\r\n" END), 400},
        {S(GET "Content-Length: 5\r\nContent-Length: 5\r\n" END), 400},
        {S(GET "Content-Length: 5\r\ncontent-length: 6\r\n" END), 400},
        {S(GET "Content-Length: 18446744073709551616\r\n" END), 400},
        {S(GET "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END), 400},
        {S("GET / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: chunked, chunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: chunked, gzip\r\n" END), 400},
        {S(GET "Transfer-Encoding: gzip\r\n" END), 400},
        {S(GET "Transfer-Encoding: identity\r\n" END), 400},
        {S(GET "Transfer-Encoding: xchunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: chunked;a=b\r\n" END), 400},
        {S(GET "Transfer-Encoding: , chunked\r\n" END), 400},
        {S(GET "Transfer-Encoding: \"chunked\"\r\n" END), 400},
        {S(GET "Expect: 200-ok\r\n" END), 417},
        {S(GET "Expect:\r\n" END), 417},
        {S(GET "Expect: 100-continue, x\r\n" END), 417},
    };
    (void)state;
    assert_all_refused(t, AX_COUNT(t));
}

struct accepted {
    const char *p;
    size_t n;
    uint64_t length;
    bool keep_alive, chunked, expect;
    uint8_t minor;
};

static void test_accepted(void **state)
{
    static const struct accepted t[] = {
        {S(GET END), 0, true, false, false, 1},
        {S("GET / HTTP/1.1\r\nHost:\r\n" END), 0, true, false, false, 1},
        {S("GET / HTTP/1.1\r\nhOST:a\r\n" END), 0, true, false, false, 1},
        {S("GET / HTTP/1.1\r\nHost: \t a \t \r\n" END), 0, true, false, false, 1},
        {S("GET / HTTP/1.0\r\n" END), 0, false, false, false, 0},
        {S("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" END), 0, true, false, false, 0},
        {S("GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n" END), 0, false, false, false, 0},
        {S("GET / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" END), 3, false, false, false, 0},
        {S(GET "Connection: close\r\n" END), 0, false, false, false, 1},
        {S(GET "Connection: x, CLOSE\r\n" END), 0, false, false, false, 1},
        {S(GET "Connection: x\r\nConnection: close\r\n" END), 0, false, false, false, 1},
        {S(GET "Connection: closed\r\n" END), 0, true, false, false, 1},
        {S(GET "Connection:\r\n" END), 0, true, false, false, 1},
        {S(GET "Connection: ,,\r\n" END), 0, true, false, false, 1},
        {S(GET "Content-Length: 0\r\n" END), 0, true, false, false, 1},
        {S(GET "Content-Length:   00012 \r\n" END), 12, true, false, false, 1},
        {S(GET "Content-Length: 18446744073709551615\r\n" END), UINT64_MAX, true, false, false, 1},
        {S(GET "transfer-encoding: CHUNKED\r\n" END), 0, true, true, false, 1},
        {S(GET "Transfer-Encoding: chunked \t\r\nExpect: 100-Continue\r\n" END), 0, true, true, true, 1},
        {S(GET "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" END), 0,
         true, false, false, 1},
        {S(GET "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n" END), 2, true, false,
         false, 1},
        {S(GET "Connection: Upgrade\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n" END), 0, true, true,
         false, 1},
        {S("CONNECT a:1 HTTP/1.1\r\n" H END), 0, true, false, false, 1},
        {S(GET "X:\r\nY: \r\nZ:z\r\n!#$%&'*+-.^_`|~09az: \"\x80\xff\" \t x\r\n" END), 0, true, false, false,
         1},
        {S(GET "Accept: */*\r\n" END "GET /next"), 0, true, false, false, 1}, /* pipelined */
        {S(GET END "\n\0"), 0, true, false, false, 1},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct run r;
        if (!run_pieces(&r, t[i].p, t[i].n, t[i].n, 1, &limits))
            fail_msg("refused (%u %s): %s", r.why.status, r.why.text, t[i].p);
        assert_int_equal(r.len, (size_t)(strstr(t[i].p, "\r\n\r\n") + 4 - t[i].p));
        assert_int_equal(r.head.bytes, r.len);
        assert_true(r.head.content_length == t[i].length);
        assert_int_equal(r.head.keep_alive, t[i].keep_alive);
        assert_int_equal(r.head.chunked, t[i].chunked);
        assert_int_equal(r.head.expect_continue, t[i].expect);
        assert_int_equal(r.head.minor, t[i].minor);
        every_cut(t[i].p, t[i].n, &r, &limits);
        end(&r);
    }
}

static void test_field_lookup(void **state)
{
    static const char head[] = GET "X: 1\r\nx: 2\r\nEmpty:\r\nLast: \tv w\t\r\n" END;
    struct run r;

    (void)state;
    assert_true(run_pieces(&r, head, sizeof head - 1, sizeof head - 1, 1, &limits));
    assert_int_equal(r.head.nfields, 5);
    assert_true(ax_str_eq(ax_head_field(&r.head, AX_STR("x")), AX_STR("1")));
    assert_true(ax_str_eq(ax_head_field(&r.head, AX_STR("LAST")), AX_STR("v w")));
    assert_non_null(ax_head_field(&r.head, AX_STR("empty")).p);
    assert_int_equal(ax_head_field(&r.head, AX_STR("empty")).n, 0);
    assert_null(ax_head_field(&r.head, AX_STR("none")).p);
    assert_null(ax_head_field(&r.head, AX_STR("")).p);
    end(&r);
}

static void test_known_lookup(void **state)
{
    static const char head[] = GET "COOKIE: a\r\ncookie: b\r\nAccept:\r\nX-Else: 1\r\n" END;
    struct run r;

    (void)state;
    assert_true(run_pieces(&r, head, sizeof head - 1, sizeof head - 1, 1, &limits));
    assert_true(ax_str_eq(ax_head_known(&r.head, AX_FIELD_COOKIE), AX_STR("a")));
    assert_true(ax_str_eq(ax_head_known(&r.head, AX_FIELD_HOST), AX_STR("a")));
    assert_non_null(ax_head_known(&r.head, AX_FIELD_ACCEPT).p);
    assert_int_equal(ax_head_known(&r.head, AX_FIELD_ACCEPT).n, 0);
    assert_null(ax_head_known(&r.head, AX_FIELD_OTHER).p);
    for (unsigned id = 1; id < AX_FIELD_NAMES; id++) {
        struct ax_str name = ax_field_name_str((enum ax_field_name)id);
        struct ax_str a = ax_head_known(&r.head, (enum ax_field_name)id), b = ax_head_field(&r.head, name);
        assert_true(a.p == b.p && a.n == b.n);
    }
    end(&r);
}

/* A head with a target of `uri` bytes, `fields` fields and, where it is longer than that makes it, `bytes` in
 * all. */
static size_t build(char *out, size_t room, unsigned uri, unsigned fields, size_t bytes)
{
    size_t n = (size_t)snprintf(out, room, "GET /");

    memset(out + n, 'u', uri - 1);
    n += uri - 1;
    n += (size_t)snprintf(out + n, room - n, " HTTP/1.1\r\nHost: a");
    for (unsigned i = 1; i < fields; i++)
        n += (size_t)snprintf(out + n, room - n, "\r\nF%u: x", i);
    for (; n + 4 < bytes; n++)
        out[n] = 'v';
    return n + (size_t)snprintf(out + n, room - n, "\r\n\r\n");
}

static void test_limits(void **state)
{
    static const struct {
        unsigned uri, fields;
        size_t bytes;
        unsigned status;
        const char *limit;
    } t[] = {
        {256, 1, 0, 0, NULL},
        {257, 1, 0, 414, "limits.uri"},
        {3000, 30, 5000, 414, "limits.uri"}, /* the first one met */
        {1, 20, 0, 0, NULL},
        {1, 21, 0, 431, "limits.header_count"},
        {1, 30, 5000, 431, "limits.header_count"},
        {1, 1, 4096, 0, NULL},
        {1, 1, 4097, 431, "limits.header"},
        {1, 20, 5000, 431, "limits.header"},
    };
    char head[8192];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t n = build(head, sizeof head, t[i].uri, t[i].fields, t[i].bytes);
        struct run r;
        if (t[i].status) {
            assert_refused(head, n, t[i].status, t[i].limit, &limits);
            continue;
        }
        if (!run_pieces(&r, head, n, n, 1, &limits))
            fail_msg("%zu: %u %s", i, r.why.status, r.why.text);
        assert_int_equal(r.head.nfields, t[i].fields);
        every_cut(head, n, &r, &limits);
        end(&r);
    }
}

/* A line that never ends is refused as soon as it is over. */
static void test_limits_before_the_end(void **state)
{
    static const struct ax_head_limits small_head = {.bytes = 64, .uri = 4096, .fields = 20},
                                       huge = {.bytes = 1 << 20, .uri = 1 << 20, .fields = 100};
    static const struct {
        const char *start;
        unsigned status;
        const char *limit;
        size_t at; /* bytes with which it is refused, and not with one less */
        const struct ax_head_limits *l;
    } t[] = {
        {"GET /", 414, "limits.uri", 4 + 257, &limits},
        {"GETX", 431, "limits.header", 4097, &limits},
        {"GET / HTTP/1.1\r\nX: ", 431, "limits.header", 4097, &limits},
        {"GET / HTTP/1.1\r\nX", 431, "limits.header", 4097, &limits},
        {"GET /", 431, "limits.header", 65, &small_head},
        {"GET / HTTP/1.1\r\nX: ", 431, "limits.header", 65536, &huge}, /* spans are 16 bit */
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t n = 1 << 17, start = strlen(t[i].start), len;
        struct ax_refusal why;
        char *p = malloc(n);
        assert_non_null(p);
        memset(p, 'x', n);
        memcpy(p, t[i].start, start);
        assert_int_equal(scan(p, t[i].at - 1, t[i].at - 1, 1, t[i].l, &len, &why), AX_SCAN_MORE);
        assert_int_equal(scan(p, t[i].at, t[i].at, 1, t[i].l, &len, &why), AX_SCAN_REFUSED);
        assert_int_equal(why.status, t[i].status);
        assert_string_equal(why.limit, t[i].limit);
        assert_int_equal(scan(p, n, n, 1, t[i].l, &len, &why), AX_SCAN_REFUSED);
        assert_int_equal(why.status, t[i].status);
        free(p);
    }
}

static void test_out_of_memory(void **state)
{
    char head[4096];
    size_t n = build(head, sizeof head, 1, 20, 0); /* more than the inline bytes of a run hold */
    unsigned failed = 0;

    (void)state;
    for (unsigned at = 1;; at++) {
        struct run r;
        ax_fail_alloc_at(at);
        bool ok = run_pieces(&r, head, n, n, 1, &limits);
        ax_fail_alloc_at(0);
        if (!ok)
            assert_int_equal(r.why.status, 503);
        failed += !ok;
        end(&r);
        if (ok)
            break;
    }
    assert_true(failed > 0);
}

/* ---- thousands of damaged heads: whole and in pieces the same, and what is accepted is what a plain reading
 * says */

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static size_t damage(char *p, size_t n, size_t room, uint32_t *x)
{
    static const char bytes[] = "\r\n\0 \t:/?#@,;=%*\x7f\x80\xff"
                                "1aZGHPT.0-_[]";
    unsigned times = 1 + next_random(x) % 3;

    while (times--) {
        size_t at = next_random(x) % n, k = 1 + next_random(x) % 8;
        switch (next_random(x) % 4) {
        case 0:
            p[at] = bytes[next_random(x) % (sizeof bytes - 1)];
            break;
        case 1: /* insert */
            if (n < room) {
                memmove(p + at + 1, p + at, n - at);
                p[at] = bytes[next_random(x) % (sizeof bytes - 1)];
                n++;
            }
            break;
        case 2: /* remove */
            k = k < n - at ? k : n - at - 1;
            memmove(p + at, p + at + k, n - at - k);
            n -= k;
            break;
        default: /* repeat */
            if (n + k <= room && at + k <= n) {
                memmove(p + at + k, p + at, n - at);
                n += k;
            }
            break;
        }
    }
    return n;
}

static struct ax_str plain_line(const char **p, const char *stop)
{
    const char *start = *p;

    while (*p + 1 < stop && !((*p)[0] == '\r' && (*p)[1] == '\n'))
        ++*p;
    struct ax_str line = {start, (size_t)(*p - start)};
    *p += 2;
    return line;
}

static void assert_plain_reading(const struct ax_head *h)
{
    const char *p = h->base, *stop = h->base + h->bytes;
    struct ax_str line = plain_line(&p, stop);

    assert_int_equal(line.n, (size_t)h->method_name.n + h->target.n + 10);
    for (unsigned i = 0; i < h->nfields; i++) {
        line = plain_line(&p, stop);
        const char *colon = memchr(line.p, ':', line.n);
        assert_non_null(colon);
        struct ax_str name = {line.p, (size_t)(colon - line.p)};
        struct ax_str value = ax_str_trim((struct ax_str){colon + 1, line.n - name.n - 1});
        assert_true(ax_str_eq(name, ax_head_str(h, h->fields[i].name)));
        assert_true(ax_str_eq(value, ax_head_str(h, h->fields[i].value)));
    }
    assert_int_equal(plain_line(&p, stop).n, 0);
    assert_ptr_equal(p, stop);
}

static void test_damaged(void **state)
{
    static const char *const seeds[] = {
        GET "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\nCookie: a=b; c=d\r\n" END,
        "POST /u?x=1 HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n" END "hello",
        "PUT http://b:81/u HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nConnection: close\r\n" END
        "0\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\nX: \r\n" END,
        "GET /ws HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n" END,
    };
    uint32_t x = 2463534242u;
    unsigned accepted = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        char p[512];
        const char *seed = seeds[i % AX_COUNT(seeds)];
        size_t n = strlen(seed);
        struct run whole, pieces;
        memcpy(p, seed, n);
        n = damage(p, n, sizeof p, &x);
        run_pieces(&whole, p, n, n, 1, &limits);
        run_pieces(&pieces, p, n, next_random(&x) % n, 1 + next_random(&x) % 9, &limits);
        assert_same(seed, &whole, &pieces);
        if (whole.ok) {
            accepted++;
            assert_plain_reading(&whole.head);
        }
        end(&whole);
        end(&pieces);
    }
    assert_true(accepted > 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llhttp_lets_through),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_authorities),
        cmocka_unit_test(test_host_seen),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_field_lookup),
        cmocka_unit_test(test_known_lookup),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limits_before_the_end),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
