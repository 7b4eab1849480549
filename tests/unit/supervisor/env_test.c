#include "supervisor/env.h"

#include "supervisor/fixture.h"

static char a[] = "A=ours", empty[] = "EMPTY=", path[] = "PATH=/bin", listen_fds[] = "LISTEN_FDS=2",
            notify[] = "NOTIFY_SOCKET=/x", odd[] = "odd";

static void test_order(void **state)
{
    char *ours[] = {a, empty, path, listen_fds, notify, odd, NULL};
    char *dir = ax_fx_dir();
    struct ax_env e;

    (void)state;
    free(ax_fx_file(dir, "h.js", ""));
    free(ax_fx_file(dir, ".env", "A=dotenv\nB=dotenv\nEMPTY=dotenv\n"));
    struct ax_manifest *m =
        ax_fx_manifest(dir, "version: 1\nenv: { A: m, B: m, C: m, NODE_ENV: test }\nroutes: { /: h.js }\n");
    assert_int_equal(ax_env_make(m, ours, "A=extra", &e, NULL), 0);
    assert_string_equal(ax_env_get(&e, "A"), "extra");
    ax_env_fini(&e);
    assert_int_equal(ax_env_make(m, ours, NULL, &e, NULL), 0);
    assert_string_equal(ax_env_get(&e, "A"), "ours");
    assert_string_equal(ax_env_get(&e, "B"), "dotenv");
    assert_string_equal(ax_env_get(&e, "C"), "m");
    assert_string_equal(ax_env_get(&e, "EMPTY"), "");
    assert_string_equal(ax_env_get(&e, "NODE_ENV"), "test");
    assert_null(ax_env_get(&e, "LISTEN_FDS"));
    assert_null(ax_env_get(&e, "NOTIFY_SOCKET"));
    assert_null(ax_env_get(&e, "odd"));
    assert_null(e.v[e.n]);
    ax_env_fini(&e);
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

static void test_nomem(void **state)
{
    char *ours[] = {a, path, NULL};
    struct ax_manifest m = {.root = path};

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        struct ax_env e;
        ax_fail_alloc_at(n);
        int rc = ax_env_make(&m, ours, NULL, &e, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            assert_string_equal(ax_env_get(&e, "NODE_ENV"), "production");
            ax_env_fini(&e);
            break;
        }
        assert_int_equal(err.code, AX_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_nomem)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
