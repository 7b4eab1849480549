#include "supervisor/explain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"

static const struct ax_explain_route table[] = {
    {"GET", "/users/:id"},    /* 0 */
    {"PUT", "/users/:id"},    /* 1 */
    {"GET", "/users/me"},     /* 2 */
    {"ANY", "/files/*p"},     /* 3 */
    {"POST", "/files/:name"}, /* 4 */
    {"ANY", "/a"},            /* 5 */
    {"GET", "/a"},            /* 6 */
};

static void test_verdicts(void **state)
{
    static const struct {
        const char *method, *target;
        enum ax_trailing trailing;
        enum ax_explain_verdict verdict;
        unsigned status;
        size_t route, nlost;
        const char *param, *allow, *location;
    } t[] = {
        {"GET", "/users/7", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 0, 1, "7", "", NULL},
        {"GET", "/users/a%20b?x=1", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 0, 1, "a b", "", NULL},
        {"HEAD", "/users/7", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 0, 1, "7", "", NULL},
        {"GET", "/users/me", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 2, 2, NULL, "", NULL},
        {"PUT", "/users/me", AX_TRAILING_STRICT, AX_EXPLAIN_NO_METHOD, 405, 0, 3, NULL, "GET, HEAD, OPTIONS",
         NULL},
        {"OPTIONS", "/users/9", AX_TRAILING_STRICT, AX_EXPLAIN_OPTIONS, 204, 0, 2, NULL,
         "GET, HEAD, PUT, OPTIONS", NULL},
        {"GET", "/users/9/", AX_TRAILING_STRICT, AX_EXPLAIN_NO_PATH, 404, 0, 0, NULL, "", NULL},
        {"GET", "/users/9/?q=1", AX_TRAILING_REDIRECT, AX_EXPLAIN_REDIRECT, 308, 0, 0, NULL, "",
         "/users/9?q=1"},
        {"GET", "/users/9/", AX_TRAILING_IGNORE, AX_EXPLAIN_ROUTE, 0, 0, 0, "9", "", NULL},
        {"GET", "/files/", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 3, 0, "", "", NULL},
        {"POST", "/files/a", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 4, 1, "a", "", NULL},
        {"GET", "/a", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 6, 1, NULL, "", NULL},
        {"PATCH", "/a", AX_TRAILING_STRICT, AX_EXPLAIN_ROUTE, 0, 5, 1, NULL, "", NULL},
        {"GET", "/a/../b", AX_TRAILING_STRICT, AX_EXPLAIN_MALFORMED, 400, 0, 0, NULL, "", NULL},
        {"BREW", "/a", AX_TRAILING_STRICT, AX_EXPLAIN_BAD_METHOD, 501, 0, 2, NULL, "", NULL},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_explain e;
        assert_int_equal(
            ax_explain(table, AX_COUNT(table), t[i].trailing, t[i].method, t[i].target, &e, NULL), 0);
        assert_int_equal(e.verdict, t[i].verdict);
        assert_int_equal(e.status, t[i].status);
        if (e.verdict == AX_EXPLAIN_ROUTE)
            assert_int_equal(e.route, t[i].route);
        assert_int_equal(e.nlost, t[i].nlost);
        assert_string_equal(e.allow, t[i].allow);
        assert_int_equal(e.nparams, t[i].param ? 1 : 0);
        if (t[i].param)
            assert_string_equal(e.params[0].value, t[i].param);
        assert_true(!e.location == !t[i].location);
        if (e.location)
            assert_string_equal(e.location, t[i].location);
        ax_explain_fini(&e);
    }
}

static void test_why_lost(void **state)
{
    struct ax_explain e;

    (void)state;
    assert_int_equal(ax_explain(table, AX_COUNT(table), AX_TRAILING_STRICT, "GET", "/users/me", &e, NULL), 0);
    assert_int_equal(e.lost[0].route, 0);
    assert_int_equal(e.lost[0].lost, AX_LOST_WEAKER);
    ax_explain_fini(&e);
    assert_int_equal(ax_explain(table, AX_COUNT(table), AX_TRAILING_STRICT, "GET", "/a", &e, NULL), 0);
    assert_int_equal(e.lost[0].lost, AX_LOST_ANY);
    ax_explain_fini(&e);
    assert_int_equal(ax_explain(table, AX_COUNT(table), AX_TRAILING_STRICT, "GET", "/users/7", &e, NULL), 0);
    assert_int_equal(e.lost[0].lost, AX_LOST_METHOD);
    ax_explain_fini(&e);
}

static void test_nomem(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_explain e;
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_explain(table, AX_COUNT(table), AX_TRAILING_REDIRECT, "GET", "/users/7", &e, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            ax_explain_fini(&e);
            break;
        }
        assert_int_equal(rc, -AX_E_NOMEM);
    }
}

static void count(void *ctx, size_t route, const char *text)
{
    size_t *seen = ctx;

    assert_non_null(strstr(text, seen[0] == 1 ? "unreachable" : "shadowed"));
    seen[1] = route;
    seen[2]++;
}

static void test_lint(void **state)
{
    static const struct ax_explain_route any[] = {{"GET", "/"},     {"HEAD", "/"},  {"POST", "/"},
                                                  {"PUT", "/"},     {"PATCH", "/"}, {"DELETE", "/"},
                                                  {"OPTIONS", "/"}, {"ANY", "/"}};
    static const struct {
        struct ax_explain_route v[2];
        size_t warnings;
    } t[] = {
        {{{"PUT", "/u/:id"}, {"GET", "/u/me"}}, 1},
        {{{"GET", "/u/:id"}, {"GET", "/u/me"}}, 0},
        {{{"GET", "/u/:id"}, {"ANY", "/u/me"}}, 0},
        {{{"ANY", "/u/:id/x"}, {"GET", "/u/me/:y"}}, 0}, /* neither is the narrower one */
        {{{"POST", "/*p"}, {"GET", "/u/me"}}, 0},        /* a fallback, on purpose */
        {{{"PUT", "/u/:id"}, {"GET", "/u/:name"}}, 0},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t seen[3] = {0};
        ax_routes_lint(t[i].v, 2, count, seen);
        assert_int_equal(seen[2], t[i].warnings);
    }
    size_t seen[3] = {1, 0, 0};
    ax_routes_lint(any, AX_COUNT(any), count, seen);
    assert_int_equal(seen[1], 7);
    assert_int_equal(seen[2], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_why_lost),
        cmocka_unit_test(test_nomem),
        cmocka_unit_test(test_lint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
