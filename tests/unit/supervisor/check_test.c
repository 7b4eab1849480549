#include "supervisor/check.h"

#include "supervisor/fixture.h"

static struct ax_manifest *load(const char *dir)
{
    free(ax_fx_file(dir, "h.js", ""));
    return ax_fx_manifest(dir,
                          "version: 1\nserver: { node_options: [--no-warnings] }\nroutes: { /: h.js }\n");
}

static int run(const struct ax_manifest *m, const char *dir, const char *js, int64_t timeout_us,
               struct ax_check_result *r, struct ax_err *err)
{
    char *script = ax_fx_file(dir, "check.js", js);
    int rc = ax_check_run(m, &(struct ax_check_options){script, timeout_us}, r, err);

    free(script);
    return rc;
}

static void test_result(void **state)
{
    static const char js[] =
        "const fs = require('fs'); const plan = JSON.parse(fs.readFileSync(+process.argv[3], 'utf8'));\n"
        "fs.writeSync(3, JSON.stringify({ errors: [{ message: process.env.ACTIX_CHECK }, "
        "{ at: plan.routes[0].at, message: 'bad' }],\n"
        "  routes: [{ method: 'GET', pattern: plan.routes[0].pattern, name: process.argv[2], at: "
        "plan.routes[0].at },\n"
        "           { method: 'PUT', pattern: '/code', name: 'x' }] }) + '\\n');\n"
        "setInterval(() => 0, 1000); fs.closeSync(3);\n"; /* it need not end by itself */
    char *dir = ax_fx_dir();
    struct ax_manifest *m = load(dir);
    struct ax_check_result r;
    struct ax_err err = {0};

    (void)state;
    int rc = run(m, dir, js, 0, &r, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    assert_int_equal(r.nerrors, 2);
    assert_null(r.errors[0].file);
    assert_string_equal(r.errors[0].message, "1");
    assert_int_equal(r.errors[1].line, 3);
    assert_string_equal(r.errors[1].message, "bad");
    assert_int_equal(r.nroutes, 2);
    assert_string_equal(r.routes[0].pattern, "/");
    assert_string_equal(r.routes[0].name, "--plan-fd");
    assert_int_equal(r.routes[0].line, 3);
    assert_null(r.routes[1].file);
    ax_check_result_free(&r);
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

/* One that never comes back, and one that ends it all: known by what was said before. */
static void test_last_word(void **state)
{
    static const struct {
        const char *js, *want;
        int64_t timeout_us;
    } t[] = {
        {"process.exit(0)", "loading h.js ends the process", 0},
        {"for (;;);", "loading h.js takes longer than 1 s", 1000000},
    };
    static const char head[] =
        "const fs = require('fs'); const plan = JSON.parse(fs.readFileSync(+process.argv[3], 'utf8'));\n"
        "const say = (o) => fs.writeSync(3, JSON.stringify(o) + '\\n');\n"
        "say({ loading: 'a.js', errors: [] });\n"
        "say({ loading: 'h.js', at: plan.routes[0].at, errors: [{ message: 'bad' }] });\n";
    char *dir = ax_fx_dir();
    struct ax_manifest *m = load(dir);

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_check_result r;
        struct ax_err err = {0};
        char *js = ax_asprintf("%s%s", head, t[i].js);
        assert_int_equal(run(m, dir, js, t[i].timeout_us, &r, &err), 0);
        assert_int_equal(r.nerrors, 2);
        assert_string_equal(r.errors[0].message, "bad");
        assert_string_equal(r.errors[1].message, t[i].want);
        assert_int_equal(r.errors[1].line, 3);
        assert_int_equal(r.nroutes, 0);
        ax_check_result_free(&r);
        ax_free(js);
    }
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

static void test_failures(void **state)
{
    static const struct {
        const char *js;
        int64_t timeout_us;
        int want;
    } t[] = {
        {"process.exit(1)", 0, -AX_E_PROTO},
        {"require('fs').writeSync(3, '[1]\\n')", 0, -AX_E_PROTO},
        {"require('fs').writeSync(3, '{\"errors\":[]}')", 0, -AX_E_PROTO}, /* no end of line: cut off */
        {"for (;;);", 300000, -AX_E_LIMIT},
    };
    char *dir = ax_fx_dir(), none[] = "no-such-node";
    struct ax_manifest *m = load(dir);
    struct ax_check_result r;

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {0};
        assert_int_equal(run(m, dir, t[i].js, t[i].timeout_us, &r, &err), t[i].want);
        assert_int_equal(err.code, -t[i].want);
    }
    m->server.node = none;
    assert_int_equal(run(m, dir, "", 0, &r, NULL), -AX_E_MISSING);
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

static void test_nomem(void **state)
{
    char *dir = ax_fx_dir();
    struct ax_manifest *m = load(dir);

    (void)state;
    /* before a Node is started: each try costs one afterwards */
    for (unsigned n = 1; n < 8; n++) {
        struct ax_err err = {0};
        struct ax_check_result r;
        ax_fail_alloc_at(n);
        assert_int_equal(ax_check_run(m, NULL, &r, &err) < 0, 1);
        ax_fail_alloc_at(0);
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_last_word),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
