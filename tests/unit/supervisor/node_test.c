#include "supervisor/node.h"

#include "supervisor/fixture.h"

static char *script(const char *dir, const char *name, const char *says)
{
    char text[256];

    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", says);
    char *path = ax_fx_file(dir, name, text);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static void test_version(void **state)
{
    static const struct {
        const char *says;
        int want;
        const char *part;
    } t[] = {
        {"echo v18.19.0", 0, ""},
        {"echo v22.1.0", 0, ""},
        {"echo v20.0.0-nightly", 0, ""},
        {"echo v18.18.2", -AX_E_UNSUPPORTED, "is Node 18.18.2, which is too old: 18.19 or later is needed"},
        {"echo v4.9.1", -AX_E_UNSUPPORTED, "4.9.1"},
        {"echo hello", -AX_E_UNSUPPORTED, "is no Node"},
        {"exit 1", -AX_E_UNSUPPORTED, "is no Node"},
        {"yes v", -AX_E_UNSUPPORTED, "is no Node"},
    };
    char *dir = ax_fx_dir(), path[] = "PATH=/bin:/usr/bin";
    char *v[] = {path, NULL};
    struct ax_env env = {.v = v, .n = 1};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char *node = script(dir, "node", t[i].says);
        struct ax_err err = {0};
        assert_int_equal(ax_node_check(node, &env, &err), t[i].want);
        assert_non_null(strstr(err.msg, t[i].part));
        free(node);
    }
    assert_int_equal(ax_node_check("/no/such", &env, NULL), -AX_E_SYS);
    ax_fx_remove(dir);
    free(dir);
}

static void test_find(void **state)
{
    char *dir = ax_fx_dir(), *node = script(dir, "anode", ""), *path = NULL;
    char name[] = "anode", rel[] = "./anode", gone[] = "./gone", none[] = "no-such-node";
    struct ax_manifest m = {.root = dir, .server.node = name};
    struct ax_err err = {0};

    (void)state;
    assert_true(asprintf(&path, "PATH=/nowhere::%s", dir) > 0);
    char *v[] = {path, NULL};
    struct ax_env env = {.v = v, .n = 1};
    char *got = ax_node_find(&m, &env, NULL);
    assert_string_equal(got, node);
    ax_free(got);
    m.server.node = rel;
    got = ax_node_find(&m, &env, NULL);
    assert_int_equal(access(got, X_OK), 0);
    ax_free(got);
    m.server.node = gone;
    assert_null(ax_node_find(&m, &env, &err));
    assert_int_equal(err.code, AX_E_MISSING);
    m.server.node = none;
    err = (struct ax_err){0};
    assert_null(ax_node_find(&m, &env, &err));
    assert_non_null(strstr(err.msg, "cannot find no-such-node in PATH"));
    m.server.node = name;
    for (unsigned n = 1;; n++) {
        err = (struct ax_err){0};
        ax_fail_alloc_at(n);
        got = ax_node_find(&m, &env, &err);
        ax_fail_alloc_at(0);
        if (got)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    ax_free(got);
    free(path);
    free(node);
    ax_fx_remove(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_version), cmocka_unit_test(test_find)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
