#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdbool.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"

static void test_own_block_first(void **state)
{
    _Alignas(16) char first[64];
    struct ax_arena a;

    (void)state;
    ax_arena_init(&a, first, sizeof first, 10000);
    char *p = ax_arena_alloc(&a, 1), *q = ax_arena_alloc(&a, 9);
    assert_ptr_equal(p, first);
    assert_ptr_equal(q, first + 8);
    char *r = ax_arena_alloc(&a, 40); /* just fits */
    assert_ptr_equal(r, first + 24);
    assert_int_equal(a.extra, 0);
    char *s = ax_arena_alloc(&a, 1);
    assert_true(s < first || s >= first + sizeof first);
    assert_int_equal((uintptr_t)s % 8, 0);
    memset(s, 'x', 1);
    assert_true(a.extra > 0);
    ax_arena_reset(&a);
    assert_int_equal(a.extra, 0);
    assert_ptr_equal(ax_arena_alloc(&a, 8), first);
    ax_arena_reset(&a);
}

static void test_ceiling_is_sticky(void **state)
{
    _Alignas(16) char first[16];
    struct ax_arena a;

    (void)state;
    ax_arena_init(&a, first, sizeof first, 100);
    assert_non_null(ax_arena_alloc(&a, 16));
    assert_non_null(ax_arena_alloc(&a, 96));
    assert_true(a.extra <= 100); /* never more than the ceiling, not even for the rest of a block */
    assert_null(ax_arena_alloc(&a, 16));
    assert_true(a.failed);
    assert_null(ax_arena_alloc(&a, 16));
    ax_arena_reset(&a);
    assert_false(a.failed);
    assert_null(ax_arena_alloc(&a, 117));
    ax_arena_reset(&a);
}

static void test_overflow(void **state)
{
    static const size_t sizes[] = {SIZE_MAX,     SIZE_MAX - 1, SIZE_MAX - 6,
                                   SIZE_MAX - 7, SIZE_MAX - 8, SIZE_MAX / 2};
    _Alignas(16) char first[16];
    struct ax_arena a;

    (void)state;
    for (size_t i = 0; i < AX_COUNT(sizes); i++) {
        ax_arena_init(&a, first, sizeof first, 100000);
        assert_null(ax_arena_alloc(&a, sizes[i]));
        assert_true(a.failed);
        ax_arena_reset(&a);
    }
}

static void test_no_block_of_its_own(void **state)
{
    struct ax_arena a;

    (void)state;
    ax_arena_init(&a, NULL, 0, SIZE_MAX);
    assert_non_null(ax_arena_dup(&a, AX_STR(""))); /* NULL would mean: no memory */
    char *p = ax_arena_dup(&a, AX_STR("a\0b"));
    assert_memory_equal(p, "a\0b", 3);
    char *big = ax_arena_alloc(&a, 100000);
    memset(big, 'x', 100000);
    assert_memory_equal(p, "a\0b", 3);
    ax_arena_reset(&a);
}

static void test_no_memory(void **state)
{
    struct ax_arena a;

    (void)state;
    ax_arena_init(&a, NULL, 0, 10000);
    ax_fail_alloc_at(1);
    assert_null(ax_arena_dup(&a, AX_STR("abc")));
    assert_true(a.failed);
    assert_null(ax_arena_alloc(&a, 1)); /* sticky, though there is memory now */
    ax_arena_reset(&a);
    assert_non_null(ax_arena_alloc(&a, 1));
    ax_arena_reset(&a);
}

/* Many objects of many sizes: none overlaps another. */
static void test_many(void **state)
{
    _Alignas(16) char first[1536];
    struct ax_arena a;
    char *p[300];

    (void)state;
    ax_arena_init(&a, first, sizeof first, 1 << 20);
    for (unsigned i = 0; i < 300; i++) {
        p[i] = ax_arena_alloc(&a, i * 7 % 500);
        assert_non_null(p[i]);
        memset(p[i], (int)(i & 0xff), i * 7 % 500);
    }
    for (unsigned i = 0; i < 300; i++)
        for (unsigned k = 0; k < i * 7 % 500; k++)
            assert_int_equal((unsigned char)p[i][k], i & 0xff);
    ax_arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_block_first), cmocka_unit_test(test_ceiling_is_sticky),
        cmocka_unit_test(test_overflow),        cmocka_unit_test(test_no_block_of_its_own),
        cmocka_unit_test(test_no_memory),       cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
