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

/* Only a build with jemalloc has one: ax_alloc_tunable. */
static void test_tunable(void **state)
{
    static const struct {
        const char *set, *want; /* with %s: where ours goes */
    } t[] = {
        {NULL, "%s"},
        {"GLIBC_TUNABLES=glibc.malloc.check=0", "glibc.malloc.check=0:%s"},
        {"GLIBC_TUNABLES=a=1:glibc.rtld.optional_static_tls=9", "a=1:glibc.rtld.optional_static_tls=9"},
    };
    const char *tunable = ax_alloc_tunable();

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char set[80] = "", want[160], *ours[] = {set, NULL}, root[] = ".";
        struct ax_manifest m = {.root = root};
        struct ax_env e;
        if (t[i].set)
            snprintf(set, sizeof set, "%s", t[i].set);
        assert_int_equal(ax_env_make(&m, ours, NULL, &e, NULL), 0);
        const char *found = ax_env_get(&e, "GLIBC_TUNABLES"), *hole = strstr(t[i].want, "%s");
        if (!tunable) {
            assert_true(found ? t[i].set && strcmp(found, strchr(set, '=') + 1) == 0 : !t[i].set);
        } else {
            snprintf(want, sizeof want, "%.*s%s", hole ? (int)(hole - t[i].want) : (int)strlen(t[i].want),
                     t[i].want, hole ? tunable : "");
            assert_string_equal(found, want);
        }
        ax_env_fini(&e);
    }
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_tunable),
                                       cmocka_unit_test(test_nomem)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
