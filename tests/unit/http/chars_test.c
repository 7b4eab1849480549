#include "http/chars.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/str.h"

static const enum ax_find kinds[] = {AX_FIND_CONTROL, AX_FIND_CR, AX_FIND_COLON, AX_FIND_SPACE,
                                     AX_FIND_TARGET};

/* The search is compiled for a constant kind, as everywhere. */
static const char *search(const char *start, const char *p, const char *end, enum ax_find what)
{
    switch (what) {
    case AX_FIND_CONTROL:
        return ax_find(start, p, end, AX_FIND_CONTROL);
    case AX_FIND_CR:
        return ax_find(start, p, end, AX_FIND_CR);
    case AX_FIND_COLON:
        return ax_find(start, p, end, AX_FIND_COLON);
    case AX_FIND_SPACE:
        return ax_find(start, p, end, AX_FIND_SPACE);
    case AX_FIND_TARGET:
        return ax_find(start, p, end, AX_FIND_TARGET);
    }
    return NULL;
}

static void assert_block(const char *p, enum ax_find what)
{
    unsigned want = 0;

    for (unsigned i = 0; i < AX_BLOCK; i++)
        want |= (unsigned)ax_is(p[i], what) << i;
    if (ax_mask_words(p, what) != want)
        fail_msg("words: kind %d: %04x instead of %04x", (int)what, ax_mask_words(p, what), want);
#ifdef __SSE2__
    if (ax_mask_sse2(p, what) != want)
        fail_msg("SSE2: kind %d: %04x instead of %04x", (int)what, ax_mask_sse2(p, what), want);
#endif
}

/* Every byte in every place, among bytes that are next to those that are looked for. */
static void test_blocks(void **state)
{
    static const unsigned char around[] = {'a', 0, 0x80, 0xff, 0x1f, '\t', 0x21, ':', '\r', 0x8d, 0xa0};

    (void)state;
    for (size_t k = 0; k < AX_COUNT(kinds); k++)
        for (size_t a = 0; a < sizeof around; a++)
            for (unsigned at = 0; at < AX_BLOCK; at++)
                for (unsigned c = 0; c < 256; c++) {
                    char p[AX_BLOCK];
                    memset(p, around[a], sizeof p);
                    p[at] = (char)c;
                    assert_block(p, kinds[k]);
                }
}

static void test_random_blocks(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        char p[AX_BLOCK];
        for (unsigned k = 0; k < AX_BLOCK; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            p[k] = (char)(x >> 32) & (x >> 60 ? 0x3f : 0xff);
        }
        assert_block(p, kinds[i % AX_COUNT(kinds)]);
    }
}

/* Each length, start and place of the byte, in a copy of just these bytes: a sanitizer sees a read beyond. */
static void test_find(void **state)
{
    static const char looked_for[] = {'\n', '\r', ':', ' ', '#'};

    (void)state;
    for (size_t n = 0; n <= 50; n++) {
        char *p = malloc(n ? n : 1);
        assert_non_null(p);
        for (size_t k = 0; k < AX_COUNT(kinds); k++)
            for (size_t from = 0; from <= n; from++)
                for (size_t at = 0; at <= n; at++) {
                    memset(p, 'a', n);
                    if (at < n)
                        p[at] = looked_for[k];
                    const char *want = at >= from ? p + at : p + n;
                    assert_ptr_equal(search(p, p + from, p + n, kinds[k]), want);
                    assert_ptr_equal(search(p + from, p + from, p + n, kinds[k]), want);
                }
        free(p);
    }
}

static void test_find_control(void **state)
{
    static const char text[] = "a value of more than sixteen bytes,\twith HT and \x80\xff";

    (void)state;
    assert_ptr_equal(ax_find_control(text, sizeof text - 1), text + sizeof text - 1);
    assert_ptr_equal(ax_find_control(text, sizeof text), text + sizeof text - 1);
    assert_ptr_equal(ax_find_control(text, 0), text);
}

/* Any one byte changed to any other, for lengths around the words of the comparison. */
static void test_same_nocase(void **state)
{
    static const char lower[] = "keep-alive-100-continue-xyz";

    (void)state;
    for (size_t n = 0; n < sizeof lower; n++) {
        char *p = malloc(n ? n : 1);
        assert_non_null(p);
        memcpy(p, lower, n);
        assert_true(ax_same_nocase(p, lower, n));
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                p[at] = (char)c;
                assert_int_equal(ax_same_nocase(p, lower, n), ax_lower((char)c) == lower[at]);
            }
            p[at] = lower[at];
        }
        free(p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),      cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_find),        cmocka_unit_test(test_find_control),
        cmocka_unit_test(test_same_nocase),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
