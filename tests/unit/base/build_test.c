#include "base/build.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"

static bool one_of(const char *value, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(value, list[i]) == 0)
            return true;
    return false;
}

static void test_facts(void **state)
{
    static const char *const kinds[] = {"release", "debug", "asan", "tsan", "cover", "pgo", "pgo-gen"};
    static const char *const marchs[] = {"portable", "native", "x86-64-v2", "x86-64-v3"};
    static const char *const switches[] = {"on", "off", "training"};
    const struct ax_build b = ax_build();

    (void)state;
    assert_string_equal(b.version, AX_VERSION);
    assert_true(one_of(b.kind, kinds, AX_COUNT(kinds)));
    assert_true(one_of(b.march, marchs, AX_COUNT(marchs)));
    assert_true(one_of(b.lto, switches, 2));
    assert_true(one_of(b.pgo, switches, 3));
    assert_true(one_of(b.strip, switches, 2));
    assert_non_null(strstr(b.flags, b.opt));
    assert_true(strncmp(b.compiler, "gcc ", 4) == 0 || strncmp(b.compiler, "clang ", 6) == 0);
}

/* This program is linked to its allocator, so it always has the one that it was built for. */
static void test_allocator(void **state)
{
    const struct ax_build b = ax_build();

    (void)state;
#if defined(AX_ALLOC_JEMALLOC)
    assert_string_equal(b.allocator, "jemalloc");
    assert_non_null(ax_alloc_tunable());
#elif defined(AX_ALLOC_MIMALLOC)
    assert_string_equal(b.allocator, "mimalloc");
    assert_null(ax_alloc_tunable());
#else
    assert_string_equal(b.allocator, "default");
    assert_null(ax_alloc_tunable());
#endif
    assert_string_equal(b.allocator_why, "");
    assert_true(b.allocator_version[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_facts), cmocka_unit_test(test_allocator)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
