/* Our reading of request heads against strict llhttp's: random and damaged heads, one seed for each, printed
 * on failure.  AX_SEED=N starts elsewhere, AX_CASES=N runs more. */
#include "http/head.h"

#include <llhttp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"

enum { HEAD_ROOM = 4096, FIELDS_MAX = 64, CASES = 300000 };

static const struct ax_head_limits limits = {.bytes = HEAD_ROOM, .uri = HEAD_ROOM, .fields = FIELDS_MAX};

/* ---- what llhttp finds */

struct found {
    struct ax_str url, name[FIELDS_MAX], value[FIELDS_MAX];
    unsigned fields;
    bool complete;
};

/* One call or more a part, the bytes one behind the other. */
static void extend(struct ax_str *s, const char *at, size_t n)
{
    if (!s->p)
        s->p = at;
    s->n = (size_t)(at + n - s->p);
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    extend(&((struct found *)p->data)->url, at, n);
    return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t n)
{
    struct found *f = p->data;

    if (f->fields == FIELDS_MAX)
        return HPE_USER;
    extend(&f->name[f->fields], at, n);
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct found *f = p->data;

    if (f->fields == FIELDS_MAX)
        return HPE_USER;
    extend(&f->value[f->fields], at, n);
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

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_complete,
};

static bool llhttp_takes(llhttp_t *p, struct found *f, const char *bytes, size_t n)
{
    memset(f, 0, sizeof *f);
    llhttp_init(p, HTTP_REQUEST, &settings);
    p->data = f;
    llhttp_execute(p, bytes, n);
    return f->complete;
}

/* Strict is a compile-time macro of llhttp, off by default: the build must have set it. */
static void test_llhttp_is_strict(void **state)
{
    static const char good[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                      bad[] = "GET / HTTP/1.1\r\nHost: a\r\n\rX";
    struct found f;
    llhttp_t p;

    (void)state;
    assert_true(llhttp_takes(&p, &f, good, sizeof good - 1));
    assert_false(llhttp_takes(&p, &f, bad, sizeof bad - 1));
}

/* ---- random heads */

static uint64_t next_random(uint64_t *x) /* splitmix64 */
{
    uint64_t z = *x += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static size_t below(uint64_t *x, size_t n)
{
    return (size_t)(next_random(x) % n);
}

static const char *const seeds[] = {
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /users/42?tab=posts HTTP/1.1\r\nHost: 127.0.0.1:3001\r\nUser-Agent: wrk/4.2\r\nAccept: */*\r\n"
    "Connection: keep-alive\r\nX-Request-Id: 0123456789abcdef\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.0.0\r\n"
    "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nCookie: a=b; c=\"d\"\r\n\r\n",
    "POST /u?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "PUT http://b:81/u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: "
    "close\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.0\r\nConnection: keep-alive\r\nX: \r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nhost:a\r\nvia:1.1 b\r\n\r\n",
    "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
};

static const char *const parts[] = {
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    ":",
    "?",
    "#",
    "*",
    "/",
    "@",
    ",",
    "\x80",
    "\xff",
    "\x7f",
    "\x01",
    "\r\n\r\n",
    "GET",
    "OPTIONS",
    "CONNECT",
    "PRI",
    "TRACE",
    "PURGE",
    "SOURCE",
    "http://a:1/",
    "https://[::1]?q",
    "a:443",
    "HTTP/1.0",
    "HTTP/2.0",
    "Content-Length: 5\r\n",
    "Content-Length:\r\n",
    "content-length: 5 \t\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked, gzip\r\n",
    "Transfer-Encoding: \r\n chunked\r\n",
    "Expect: 100-continue\r\n",
    "Expect: x\r\n",
    "Connection: close\r\n",
    "Connection: Keep-Alive, x\r\n",
    "Host: b:8\r\n",
    "X\r\n",
    "Y :z\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    "Z: \t v \t \r\n",
    "abcdefghijklmnopqrstuvwxyz-01: 1\r\n",
};

static size_t put(char *p, size_t n, size_t at, size_t over, const char *text)
{
    size_t m = strlen(text);

    if (n - over + m > HEAD_ROOM)
        return n;
    memmove(p + at + m, p + at + over, n - at - over);
    memcpy(p + at, text, m);
    return n - over + m;
}

static size_t damage_once(char *p, size_t n, uint64_t *x)
{
    const char *part = parts[below(x, AX_COUNT(parts))];
    size_t at = below(x, n), over = 1 + below(x, 6);
    const char *line = memchr(p + at, '\n', n - at), *space = memchr(p, ' ', n);

    switch (below(x, 6)) {
    case 0:
        p[at] = (char)next_random(x);
        return n;
    case 1:
        return put(p, n, at, 0, part);
    case 2:
        return put(p, n, at, over < n - at ? over : 0, "");
    case 3: /* at the start of a line */
        return line ? put(p, n, (size_t)(line + 1 - p), 0, part) : n;
    case 4: /* in the place of the method */
        return space ? put(p, n, 0, (size_t)(space - p), part) : n;
    default: /* of the target's first bytes */
        return space && n - (size_t)(space - p) > 8 ? put(p, n, (size_t)(space + 1 - p), below(x, 3), part)
                                                    : n;
    }
}

static size_t make(char *p, uint64_t seed)
{
    const char *base = seeds[below(&seed, AX_COUNT(seeds))];
    size_t n = strlen(base);

    memcpy(p, base, n);
    for (size_t times = below(&seed, 4); times > 0; times--)
        n = damage_once(p, n, &seed);
    return n;
}

/* ---- what we find */

struct ours {
    char *copy; /* of just the head's bytes */
    size_t len;
    enum ax_scan rc;
    bool ok;
    struct ax_arena arena;
    struct ax_head head;
    struct ax_refusal why;
    _Alignas(16) char inline_bytes[1024]; /* last: not cleared */
};

/* In one piece (cut 0) with the lines that the scanner finds, in two without. */
static void read_ours(struct ours *o, const char *p, size_t n, size_t cut)
{
    struct ax_head_lines lines;
    struct ax_scanner s = {0};

    memset(o, 0, offsetof(struct ours, inline_bytes));
    ax_arena_init(&o->arena, o->inline_bytes, sizeof o->inline_bytes, 65536);
    if (cut)
        o->rc = ax_head_scan(&s, p, cut, &limits, &o->len, &o->why);
    if (o->rc == AX_SCAN_MORE)
        o->rc = cut ? ax_head_scan(&s, p, n, &limits, &o->len, &o->why)
                    : ax_head_scan_lines(&s, p, n, &limits, &o->len, &lines, &o->why);
    if (o->rc != AX_SCAN_DONE)
        return;
    o->copy = malloc(o->len);
    assert_non_null(o->copy);
    memcpy(o->copy, p, o->len);
    o->ok = ax_head_parse_lines(o->copy, o->len, &limits, cut ? NULL : &lines, &o->arena, &o->head, &o->why);
}

static void end(struct ours *o)
{
    ax_arena_reset(&o->arena);
    free(o->copy);
}

/* ---- the comparison */

#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            fail_msg("seed %llu: %s:\n%.*s", (unsigned long long)seed, #x, (int)n, p);                       \
    } while (0)

/* Where we refuse what llhttp takes: each rule by its words, and its place. */
static const char *const stricter[] = {
    "line ends in a bare LF",                           /* RFC 9112, 2.2: a server may take it */
    "CR that is not followed by LF",                    /* 2.2; behind the target llhttp skips it */
    "malformed request line",                           /* 3: one space between the parts */
    "unknown method",                                   /* RTSP's and ICE's, M-SEARCH, PURGE: 501 */
    "malformed HTTP version",                           /* RTSP/1.0, ICE/1.0 */
    "request line without an HTTP version",             /* HTTP/0.9 */
    "HTTP version not supported",                       /* 2.0 */
    "header line starts with white space",              /* 5.2: obs-fold; 2.2 */
    "header field without a name",                      /* 5.1 */
    "fragment in the request target",                   /* 3.2 */
    "only OPTIONS may ask for *",                       /* 3.2.4 */
    "request target is neither a path nor an http URI", /* 3.2 */
    "malformed authority in the request target",        /* RFC 9110, 4.2 */
    "CONNECT wants host and port",                      /* 3.2.3 */
    "Host is missing",
    "more than one Host",
    "malformed Host", /* 3.2 */
    "Transfer-Encoding under HTTP/1.0",
    "more than one Transfer-Encoding",
    "Transfer-Encoding is not chunked",
    "Transfer-Encoding and Content-Length together", /* 6.1: with an empty coding */
    "transfer coding not supported",                 /* 6.1: gzip, chunked */
    "expectation not supported",                     /* RFC 9110, 10.1.1 */
};

static void check_refused(const char *p, size_t n, uint64_t seed, const struct ours *o, bool *seen)
{
    size_t i = 0;

    CHECK(o->rc != AX_SCAN_MORE);
    while (i < AX_COUNT(stricter) && strcmp(stricter[i], o->why.text) != 0)
        i++;
    if (i == AX_COUNT(stricter))
        fail_msg("seed %llu: llhttp takes it, we say \"%s\":\n%.*s", (unsigned long long)seed, o->why.text,
                 (int)n, p);
    seen[i] = true;
}

static bool same(const struct ax_head *h, struct ax_span s, struct ax_str theirs)
{
    return ax_str_eq(ax_head_str(h, s), ax_str_trim(theirs));
}

static void check_accepted(const char *p, size_t n, uint64_t seed, const struct ours *o,
                           const llhttp_t *parser, const struct found *f)
{
    const struct ax_head *h = &o->head;
    struct ax_str method = ax_str(llhttp_method_name((llhttp_method_t)parser->method));
    uint64_t known = 0;
    /* HT behind a value is white space (RFC 9110, 5.5); llhttp takes it for a part of `chunked` and `close`
     */
    bool ht = memchr(o->copy, '\t', o->len) != NULL;

    CHECK(ax_str_eq(ax_head_str(h, h->method_name), method));
    CHECK(h->target.n == f->url.n && h->target.off == (size_t)(f->url.p - p));
    CHECK(h->minor == parser->http_minor && parser->http_major == 1);
    CHECK(h->chunked == ((parser->flags & F_CHUNKED) != 0) || ht);
    CHECK(h->chunked || h->content_length == parser->content_length);
    CHECK(!h->keep_alive || llhttp_should_keep_alive(parser) || ht);
    CHECK(h->nfields == f->fields);
    for (unsigned i = 0; i < f->fields; i++) {
        CHECK(same(h, h->fields[i].name, f->name[i]));
        CHECK(same(h, h->fields[i].value, f->value[i]));
        CHECK(h->fields[i].id == ax_field_name_of(f->name[i]));
        known |= 1ull << h->fields[i].id;
    }
    CHECK(h->known == known);
}

/* llhttp refuses bytes >= 0x80 in a target; whether they may be there is path.c's to say.  It is shown
 * another letter in their place. */
static void show(char *out, const char *p, size_t n, const struct ours *o)
{
    memcpy(out, p, n);
    if (o->ok)
        for (size_t i = o->head.target.off, stop = i + o->head.target.n; i < stop; i++)
            if ((unsigned char)out[i] >= 0x80)
                out[i] = 'x';
}

static bool compare(const char *p, size_t n, uint64_t seed, bool *seen)
{
    char shown[HEAD_ROOM];
    struct found f;
    struct ours o;
    llhttp_t parser;

    read_ours(&o, p, n, 0);
    show(shown, p, n, &o);
    bool theirs = llhttp_takes(&parser, &f, shown, n);
    if (o.ok) {
        CHECK(theirs);
        for (unsigned i = 0; i < f.fields; i++) { /* the same places in what we have read */
            f.name[i].p = p + (f.name[i].p - shown);
            f.value[i].p = f.value[i].p ? p + (f.value[i].p - shown) : p;
        }
        f.url.p = p + (f.url.p - shown);
        check_accepted(p, n, seed, &o, &parser, &f);
    } else if (theirs) {
        check_refused(p, n, seed, &o, seen);
    }
    end(&o);
    return o.ok;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *s = getenv(name);

    return s ? strtoull(s, NULL, 10) : otherwise;
}

static void test_against_llhttp(void **state)
{
    uint64_t first = number("AX_SEED", 1), cases = number("AX_CASES", CASES);
    bool seen[AX_COUNT(stricter)] = {false};
    unsigned accepted = 0, rules = 0;

    (void)state;
    for (uint64_t seed = first; seed < first + cases; seed++) {
        char p[HEAD_ROOM], *exact;
        size_t n = make(p, seed);
        exact = malloc(n ? n : 1);
        assert_non_null(exact);
        memcpy(exact, p, n);
        accepted += compare(exact, n, seed, seen);
        free(exact);
    }
    for (size_t i = 0; i < AX_COUNT(stricter); i++)
        rules += seen[i];
    if (cases >= CASES) { /* or the heads are not what they were */
        assert_true(accepted > cases / 10);
        assert_true(rules > AX_COUNT(stricter) * 3 / 4);
    }
}

/* ---- cuts: the same result however a head comes in two reads */

static void assert_cut(const char *p, size_t n, const struct ours *whole, size_t cut)
{
    const uint64_t seed = cut;
    struct ours o;

    read_ours(&o, p, n, cut);
    CHECK(o.rc == whole->rc && o.len == whole->len && o.ok == whole->ok);
    CHECK(o.why.status == whole->why.status && o.why.limit == whole->why.limit);
    if (o.ok) {
        CHECK(o.head.nfields == whole->head.nfields && o.head.known == whole->head.known);
        CHECK(memcmp(o.head.fields, whole->head.fields, o.head.nfields * sizeof *o.head.fields) == 0);
    }
    end(&o);
}

static void test_cuts(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        char p[HEAD_ROOM];
        size_t n = i < AX_COUNT(seeds) ? strlen(seeds[i]) : make(p, i);
        struct ours whole;
        if (i < AX_COUNT(seeds))
            memcpy(p, seeds[i], n);
        read_ours(&whole, p, n, 0);
        for (size_t cut = 1; cut < n; cut++)
            assert_cut(p, n, &whole, cut);
        end(&whole);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llhttp_is_strict),
        cmocka_unit_test(test_against_llhttp),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
