#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/alloc.h"

static void test_allocates(void **state)
{
    (void)state;
    char *a = ax_malloc(0), *b = ax_calloc(0, 8), *c = ax_strdup("abc"), *d = ax_strndup("abcdef", 3);
    char *e = ax_asprintf("%s-%d", "x", 42);
    assert_non_null(a);
    assert_non_null(b);
    assert_string_equal(c, "abc");
    assert_string_equal(d, "abc");
    assert_string_equal(e, "x-42");
    a = ax_realloc(a, 100);
    assert_non_null(a);
    uint64_t *z = ax_calloc(100, sizeof *z);
    for (int i = 0; i < 100; i++)
        assert_true(z[i] == 0);
    ax_free(a);
    ax_free(b);
    ax_free(c);
    ax_free(d);
    ax_free(e);
    ax_free(z);
    ax_free(NULL);
}

static void test_fails_the_nth_once(void **state)
{
    (void)state;
    ax_fail_alloc_at(2);
    void *a = ax_malloc(1), *b = ax_malloc(1), *c = ax_malloc(1);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    ax_fail_alloc_at(1);
    assert_null(ax_calloc(1, 1));
    ax_fail_alloc_at(1);
    assert_null(ax_realloc(c, 100)); /* c is still there */
    ax_fail_alloc_at(1);
    assert_null(ax_strdup("x"));
    ax_fail_alloc_at(1);
    assert_null(ax_strndup("x", 1));
    ax_fail_alloc_at(1);
    assert_null(ax_asprintf("%d", 1));
    ax_fail_alloc_at(1);
    ax_fail_alloc_at(0); /* off again */
    void *d = ax_malloc(1);
    assert_non_null(d);
    ax_free(a);
    ax_free(c);
    ax_free(d);
}

static void *allocate(void *arg)
{
    (void)arg;
    return ax_malloc(1);
}

static void test_other_threads_are_spared(void **state)
{
    pthread_t t;
    void *p;

    (void)state;
    ax_fail_alloc_at(1);
    pthread_create(&t, NULL, allocate, NULL);
    pthread_join(t, &p);
    assert_non_null(p);
    assert_null(ax_malloc(1));
    ax_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocates),
        cmocka_unit_test(test_fails_the_nth_once),
        cmocka_unit_test(test_other_threads_are_spared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
