#include "supervisor/dirs.h"

#include <limits.h>

#include "supervisor/fixture.h"

static void test_dirs(void **state)
{
    char exe[PATH_MAX], want[PATH_MAX + 32];
    struct ax_dirs d;

    (void)state;
    assert_int_equal(ax_install_dirs(&d, NULL), 0);
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    for (int i = 0; i < 2; i++) /* two levels up */
        *strrchr(exe, '/') = '\0';
    snprintf(want, sizeof want, "%s/lib/actix", exe);
    assert_string_equal(d.lib, want);
    snprintf(want, sizeof want, "%s/share/actix", exe);
    assert_string_equal(d.share, want);
    ax_install_dirs_fini(&d);
    for (unsigned k = 1; k <= 2; k++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(k);
        assert_int_equal(ax_install_dirs(&d, &err), -AX_E_NOMEM);
        ax_fail_alloc_at(0);
    }
}

static void test_join(void **state)
{
    char *p = ax_path_join("/a", "b");

    (void)state;
    assert_string_equal(p, "/a/b");
    ax_free(p);
    p = ax_path_join("/a", "/b");
    assert_string_equal(p, "/b");
    ax_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_dirs), cmocka_unit_test(test_join)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
