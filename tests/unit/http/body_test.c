#include "http/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/buf.h"

#define S(lit) lit, sizeof(lit) - 1

struct got {
    struct ax_buf content;
    size_t used;
    size_t room; /* sink takes no more than that */
    enum ax_body_result rc;
};

static bool take(void *ctx, const char *p, size_t n)
{
    struct got *g = ctx;

    assert_true(n > 0);
    if (g->content.n + n > g->room)
        return false;
    assert_true(ax_buf_add(&g->content, p, n));
    return true;
}

/* First `cut` bytes, then `step` at a time, each piece in memory of its own. */
static void feed(struct got *g, const struct ax_head *h, const char *p, size_t n, size_t cut, size_t step,
                 size_t room)
{
    struct ax_body_reader b;

    *g = (struct got){.content = AX_BUF_INIT(1 << 20), .room = room};
    ax_body_begin(&b, h);
    for (size_t at = 0, k = cut;; k = step < n - at ? step : n - at) {
        size_t used;
        char *piece = malloc(k ? k : 1);
        assert_non_null(piece);
        memcpy(piece, p + at, k);
        g->rc = ax_body_feed(&b, piece, k, &used, take, g);
        free(piece);
        assert_true(used <= k);
        g->used += used;
        at += k;
        if (g->rc != AX_BODY_MORE)
            break;
        assert_int_equal(used, k);
        if (at == n)
            break;
    }
    if (g->rc == AX_BODY_DONE) { /* what follows is the next message's */
        size_t used = 1;
        assert_int_equal(ax_body_feed(&b, "x", 1, &used, take, g), AX_BODY_DONE);
        assert_int_equal(used, 0);
    }
}

static void assert_same(const char *p, const struct got *a, const struct got *b)
{
    if (a->rc != b->rc || (a->rc == AX_BODY_DONE && a->used != b->used))
        fail_msg("%s: %d %zu, and in pieces %d %zu", p, a->rc, a->used, b->rc, b->used);
    if (a->rc == AX_BODY_DONE || a->rc == AX_BODY_MORE)
        assert_true(ax_str_eq(ax_buf_str(&a->content), ax_buf_str(&b->content)));
}

static void every_cut(const struct ax_head *h, const char *p, size_t n, const struct got *whole, size_t room)
{
    struct got g;

    for (size_t cut = 0; cut < n; cut++) {
        feed(&g, h, p, n, cut, cut ? n : 1, room);
        assert_same(p, whole, &g);
        ax_buf_fini(&g.content);
    }
}

static const struct ax_head chunked = {.chunked = true, .minor = 1};

static void test_chunked(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        const char *want;
        size_t want_n, left; /* bytes that are not this message's */
    } t[] = {
        {S("0\r\n\r\n"), S(""), 0},
        {S("5\r\nhello\r\n0\r\n\r\n"), S("hello"), 0},
        {S("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"), S("hello world"), 0},
        {S("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"), S("01234567890123456789"), 0},
        {S("0005\r\nhello\r\n000\r\n\r\n"), S("hello"), 0},
        {S("5\r\n\r\n\0\n\r\r\n0\r\n\r\n"), S("\r\n\0\n\r"), 0},
        {S("3\r\n0\r\n\r\n0\r\n\r\n"), S("0\r\n"), 0},
        {S("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), S("hello"), 16},
        {S("0\r\n\r\n0\r\n\r\n"), S(""), 5},
        {S("0\r\n\r\n\r\n"), S(""), 2},
        {S("5;a=b\r\nhello\r\n0;c\r\n\r\n"), S("hello"), 0},
        {S("5;a=\"b c\"\r\nhello\r\n0\r\n\r\n"), S("hello"), 0},
        {S("5;a=\"b\\\"; 0\" ; c\r\nhello\r\n0\r\n\r\n"), S("hello"), 0}, /* quoted-pair */
        {S("5;=\xff;;\r\nhello\r\n0\r\n\r\n"), S("hello"), 0},            /* whatever it is, it is dropped */
        {S("5 \t;a=b\r\nhello\r\n0 ;\r\n\r\n"), S("hello"), 0},           /* BWS: RFC 9112, 7.1.1 */
        {S("0\r\nX: a\r\n\r\n"), S(""), 0},
        {S("1\r\nx\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\nGET"), S("x"), 3},
        {S("1\r\nx\r\n0\r\nConnection: Upgrade\r\nUpgrade: x\r\nX:\r\n\r\n"), S("x"), 0},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct got g;
        feed(&g, &chunked, t[i].p, t[i].n, t[i].n, 1, 1 << 20);
        if (g.rc != AX_BODY_DONE || g.used != t[i].n - t[i].left)
            fail_msg("%d, %zu of %zu: %s", g.rc, g.used, t[i].n, t[i].p);
        assert_true(ax_str_eq(ax_buf_str(&g.content), (struct ax_str){t[i].want, t[i].want_n}));
        every_cut(&chunked, t[i].p, t[i].n, &g, 1 << 20);
        ax_buf_fini(&g.content);
    }
}

static void test_chunked_refused(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } t[] = {
        {S("\r\n")},
        {S("x\r\n")},
        {S("5\nhello\r\n0\r\n\r\n")}, /* bare LF after the size */
        {S("5\rhello")},              /* bare CR */
        {S("5\r\r\n")},
        {S("5\r\nhello\n0\r\n\r\n")},    /* data without CR */
        {S("5\r\nhello0\r\n\r\n")},      /* data without CRLF */
        {S("5\r\nhellox\r\n0\r\n\r\n")}, /* more data than said */
        {S("5\r\nhell\r\n0\r\n\r\n")},   /* less */
        {S("5\r\nhello\rx")},
        {S("5\r\nhello\r\n\r\n")}, /* no size */
        {S("5\r\nhello\r\n;a\r\n")},
        {S(" 5\r\nhello\r\n")},
        {S("5 \r\nhello\r\n")},
        {S("5 a;b\r\nhello\r\n")},
        {S(" ;a=b\r\nhello\r\n")},
        {S("5 0;a\r\nhello\r\n")},
        {S("5\t\r\nhello\r\n")},
        {S("0x5\r\nhello\r\n")},
        {S("+5\r\n")},
        {S("-5\r\n")},
        {S("5,5\r\n")},
        {S("5;a\nhello\r\n")}, /* bare LF in an extension */
        {S("5;a\rb\r\nhello\r\n")},
        {S("5;a=\"\n\"\r\nhello\r\n")},
        {S("5;a=\0\r\nhello\r\n")},
        {S("10000000000000000\r\n")}, /* 2^64 */
        {S("00000000000000005\r\n")}, /* more digits than a size has */
        {S("0\n\n")},
        {S("0\r\n\n")},
        {S("0\r\n\rx")},
        {S("0\r\nX: a\n\r\n")},
        {S("0\r\nX: a\rb\r\n\r\n")},
        {S("0\r\nX: a\r\n b\r\n\r\n")}, /* folded trailer */
        {S("0\r\n X: a\r\n\r\n")},
        {S("0\r\nX : a\r\n\r\n")},
        {S("0\r\n: a\r\n\r\n")},
        {S("0\r\nX\r\n\r\n")},
        {S("0\r\nX: \x01\r\n\r\n")},
        {S("0\r\nGET / HTTP/1.1\r\n\r\n")},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct got g;
        feed(&g, &chunked, t[i].p, t[i].n, t[i].n, 1, 1 << 20);
        if (g.rc != AX_BODY_REFUSED)
            fail_msg("%d: %s", g.rc, t[i].p);
        every_cut(&chunked, t[i].p, t[i].n, &g, 1 << 20);
        ax_buf_fini(&g.content);
    }
}

static void test_incomplete(void **state)
{
    static const char whole[] = "5;a=b\r\nhello\r\n0\r\nX: a\r\n\r\n";

    (void)state;
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        struct got g;
        feed(&g, &chunked, whole, n, n, 1, 1 << 20);
        assert_int_equal(g.rc, AX_BODY_MORE);
        assert_int_equal(g.used, n);
        every_cut(&chunked, whole, n, &g, 1 << 20);
        ax_buf_fini(&g.content);
    }
}

/* Extensions and trailers are counted together; sizes and data are not. */
static void test_extra_ceiling(void **state)
{
    static const struct {
        unsigned extensions, trailer;
        enum ax_body_result want;
    } t[] = {
        {AX_CHUNK_EXTRA_MAX, 0, AX_BODY_DONE},
        {AX_CHUNK_EXTRA_MAX + 1, 0, AX_BODY_REFUSED},
        {0, AX_CHUNK_EXTRA_MAX, AX_BODY_DONE},
        {0, AX_CHUNK_EXTRA_MAX + 1, AX_BODY_REFUSED},
        {AX_CHUNK_EXTRA_MAX / 2, AX_CHUNK_EXTRA_MAX / 2, AX_BODY_DONE},
        {AX_CHUNK_EXTRA_MAX / 2, AX_CHUNK_EXTRA_MAX / 2 + 1, AX_BODY_REFUSED},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_buf b = AX_BUF_INIT(1 << 20);
        struct got g;
        unsigned ext = t[i].extensions;
        for (unsigned k; ext; ext -= k) { /* in many chunks, each with a piece */
            k = ext > 1000 ? 1000 : ext;
            ax_buf_addf(&b, "1;%0*d\r\nx\r\n", (int)k, 0);
        }
        ax_buf_adds(&b, "0\r\n");
        if (t[i].trailer)
            ax_buf_addf(&b, "X:%0*d\r\n", (int)t[i].trailer - 2, 0);
        ax_buf_adds(&b, "\r\n");
        assert_false(b.failed);
        feed(&g, &chunked, b.p, b.n, b.n, 1, 1 << 20);
        if (g.rc != t[i].want)
            fail_msg("%zu: %d", i, g.rc);
        ax_buf_fini(&g.content);
        feed(&g, &chunked, b.p, b.n, 7, 7, 1 << 20);
        assert_int_equal(g.rc, t[i].want);
        ax_buf_fini(&g.content);
        ax_buf_fini(&b);
    }
}

static void test_counted(void **state)
{
    static const struct {
        uint64_t length;
        const char *p;
        enum ax_body_result want;
        size_t used;
    } t[] = {
        {0, "", AX_BODY_DONE, 0},           {0, "GET", AX_BODY_DONE, 0},  {5, "hello", AX_BODY_DONE, 5},
        {5, "helloGET", AX_BODY_DONE, 5},   {5, "hell", AX_BODY_MORE, 4}, {5, "", AX_BODY_MORE, 0},
        {UINT64_MAX, "x", AX_BODY_MORE, 1},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_head h = {.content_length = t[i].length, .minor = 1};
        struct got g;
        size_t n = strlen(t[i].p);
        feed(&g, &h, t[i].p, n, n, 1, 1 << 20);
        assert_int_equal(g.rc, t[i].want);
        assert_int_equal(g.used, t[i].used);
        assert_true(ax_str_eq(ax_buf_str(&g.content), (struct ax_str){t[i].p, t[i].used}));
        every_cut(&h, t[i].p, n, &g, 1 << 20);
        ax_buf_fini(&g.content);
    }
}

static void test_full(void **state)
{
    static const char in[] = "5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n";
    static const struct ax_head counted = {.content_length = 10, .minor = 1};
    struct ax_body_reader b;
    struct got g;
    size_t used;

    (void)state;
    feed(&g, &chunked, in, sizeof in - 1, sizeof in - 1, 1, 9);
    assert_int_equal(g.rc, AX_BODY_FULL);
    every_cut(&chunked, in, sizeof in - 1, &g, 9);
    ax_buf_fini(&g.content);
    feed(&g, &counted, "helloworld", 10, 4, 4, 9);
    assert_int_equal(g.rc, AX_BODY_FULL);
    ax_buf_fini(&g.content);

    g = (struct got){.content = AX_BUF_INIT(100)}; /* nothing more comes out of it */
    ax_body_begin(&b, &chunked);
    assert_int_equal(ax_body_feed(&b, in, sizeof in - 1, &used, take, &g), AX_BODY_FULL);
    assert_int_equal(ax_body_feed(&b, in, sizeof in - 1, &used, take, &g), AX_BODY_REFUSED);
    ax_body_begin(&b, &chunked);
    assert_int_equal(ax_body_feed(&b, "x", 1, &used, take, &g), AX_BODY_REFUSED);
    assert_int_equal(ax_body_feed(&b, in, sizeof in - 1, &used, take, &g), AX_BODY_REFUSED);
    assert_int_equal(g.content.n, 0);
}

/* The reader lies in a slot that may be copied between two reads. */
static void test_moved(void **state)
{
    struct ax_body_reader a, b;
    struct got g = {.content = AX_BUF_INIT(100), .room = 100};
    size_t used;

    (void)state;
    ax_body_begin(&a, &chunked);
    assert_int_equal(ax_body_feed(&a, "5\r\nhe", 5, &used, take, &g), AX_BODY_MORE);
    b = a;
    memset(&a, 0xff, sizeof a);
    assert_int_equal(ax_body_feed(&b, "llo\r\n0\r\n\r\n", 10, &used, take, &g), AX_BODY_DONE);
    assert_true(ax_str_eq(ax_buf_str(&g.content), AX_STR("hello")));
    ax_buf_fini(&g.content);
}

/* Any content in chunks of any size, read in pieces of any size. */
static void test_round_trip(void **state)
{
    char content[3000];
    uint32_t x = 12345;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct ax_buf b = AX_BUF_INIT(1 << 20);
        struct got g;
        for (size_t k = 0; k < sizeof content; k++)
            content[k] = (char)((x = x * 1664525u + 1013904223u) >> 24);
        for (size_t at = 0, k; at < sizeof content; at += k) {
            k = 1 + (x = x * 1664525u + 1013904223u) % 700;
            k = k < sizeof content - at ? k : sizeof content - at;
            ax_buf_addf(&b, "%zx\r\n", k);
            ax_buf_add(&b, content + at, k);
            ax_buf_adds(&b, "\r\n");
        }
        ax_buf_adds(&b, "0\r\n\r\nGET");
        feed(&g, &chunked, b.p, b.n, 1 + i, 1 + i % 50, sizeof content);
        assert_int_equal(g.rc, AX_BODY_DONE);
        assert_int_equal(g.used, b.n - 3);
        assert_int_equal(g.content.n, sizeof content);
        assert_memory_equal(g.content.p, content, sizeof content);
        ax_buf_fini(&g.content);
        ax_buf_fini(&b);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunked),    cmocka_unit_test(test_chunked_refused),
        cmocka_unit_test(test_incomplete), cmocka_unit_test(test_extra_ceiling),
        cmocka_unit_test(test_counted),    cmocka_unit_test(test_full),
        cmocka_unit_test(test_moved),      cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
