#include "http/head_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "http/head.h"

static const struct ax_head_limits limits = {.bytes = 8192, .uri = 256, .fields = 200};

/* A head of that many fields of different lengths, so that lines end at every place of a step. */
static size_t build(char *out, size_t room, unsigned fields)
{
    static const char filler[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    size_t n = (size_t)snprintf(out, room, "GET / HTTP/1.1\r\nHost: a\r\n");

    for (unsigned i = 1; i < fields; i++)
        n += (size_t)snprintf(out + n, room - n, "F%u: %.*s:\r\n", i, (int)(i * 7 % 53), filler);
    return n + (size_t)snprintf(out + n, room - n, "\r\n");
}

static char *exact(const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1);

    assert_non_null(copy);
    memcpy(copy, p, n);
    return copy;
}

/* Every line once, in turns of at most AX_HEAD_LINES, where memchr finds it. */
static void test_places(void **state)
{
    static const unsigned counts[] = {1, 2, 31, 32, 33, 64, 65, 100};
    char head[8192];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(counts); i++) {
        size_t n = build(head, sizeof head, counts[i]), at = 16;
        struct ax_head_lines lines = {.whole = false, .next = 16};
        char *p = exact(head, n);
        unsigned seen = 0;
        while (!lines.whole) {
            ax_head_find_lines(p, lines.next, n, &lines);
            assert_int_equal(lines.start, at);
            for (unsigned k = 0; k < lines.n; k++, seen++) {
                assert_int_equal(lines.line[k].colon, (const char *)memchr(p + at, ':', n - at) - p);
                assert_int_equal(lines.line[k].end, (const char *)memchr(p + at, '\r', n - at) - p);
                at = lines.line[k].end + 2u;
            }
            assert_true(lines.whole || lines.n == AX_HEAD_LINES);
        }
        assert_int_equal(seen, counts[i]);
        assert_int_equal(lines.next, n);
        free(p);
    }
}

/* Of a part there is no more than its whole lines, and nothing behind it is read. */
static void test_parts(void **state)
{
    char head[8192];
    size_t n = build(head, sizeof head, 20);

    (void)state;
    for (size_t have = 16; have < n; have++) {
        struct ax_head_lines lines;
        char *p = exact(head, have);
        ax_head_find_lines(p, 16, have, &lines);
        assert_false(lines.whole);
        assert_true(lines.next <= have);
        assert_memory_equal(p + lines.next - 2, "\r\n", 2);
        assert_true(lines.n <= 20);
        free(p);
    }
}

static void test_stops(void **state)
{
    static const char *const t[] = {
        ": v\r\n",     " a: v\r\n",   "\ta: v\r\n",  "a : v\r\n",  "a\t: v\r\n",   "a\r\n", "a: v\n",
        "a: v\rx\r\n", "a: \x01\r\n", "a: \x7f\r\n", "a\n: v\r\n", "a\r\n: v\r\n", "\n",    "\r",
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char head[128];
        struct ax_head_lines lines;
        size_t n = (size_t)snprintf(head, sizeof head, "Host: a\r\n%s\r\n\r\n", t[i]);
        char *p = exact(head, n);
        ax_head_find_lines(p, 0, n, &lines);
        if (lines.whole || lines.n > 1 + (t[i][1] == '\r'))
            fail_msg("%zu: %u lines, whole %d", i, lines.n, lines.whole);
        free(p);
    }
}

/* With its lines, and without them, a head reads the same; also one that has more than a turn finds. */
static void test_parse_both_ways(void **state)
{
    char head[8192];

    (void)state;
    for (unsigned fields = 1; fields < 110; fields++) {
        size_t n = build(head, sizeof head, fields), len;
        _Alignas(16) char bytes[2][4096];
        struct ax_scanner s = {0};
        struct ax_head_lines lines;
        struct ax_refusal why;
        struct ax_arena a[2];
        struct ax_head h[2];
        char *p = exact(head, n);
        for (unsigned i = 0; i < 2; i++)
            ax_arena_init(&a[i], bytes[i], sizeof bytes[i], 65536);
        assert_int_equal(ax_head_scan_lines(&s, p, n, &limits, &len, &lines, &why), AX_SCAN_DONE);
        assert_int_equal(len, n);
        assert_int_equal(lines.whole, fields <= AX_HEAD_LINES);
        assert_true(ax_head_parse_lines(p, n, &limits, &lines, &a[0], &h[0], &why));
        assert_true(ax_head_parse(p, n, &limits, &a[1], &h[1], &why));
        assert_int_equal(h[0].nfields, fields);
        assert_int_equal(h[1].nfields, fields);
        assert_memory_equal(h[0].fields, h[1].fields, fields * sizeof *h[0].fields);
        assert_true(h[0].known == h[1].known);
        for (unsigned i = 0; i < 2; i++)
            ax_arena_reset(&a[i]);
        free(p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_parse_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
