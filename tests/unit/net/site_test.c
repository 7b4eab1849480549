#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/site.h"

static struct ax_route route(enum ax_method m, const char *pattern, int64_t timeout_us)
{
    return (struct ax_route){.method = m,
                             .pattern = ax_str(pattern),
                             .name = AX_STR("handlers/a.js"),
                             .headers = AX_STR("A: b\r\n"),
                             .body = AX_STR("pong"),
                             .timeout_us = timeout_us};
}

static struct ax_site *site_new(void)
{
    struct ax_settings s;

    ax_settings_default(&s);
    s.batch = 77;
    return ax_site_new(&s);
}

static void test_routes_are_copied(void **state)
{
    char pattern[] = "/users/:id", name[] = "users.js";
    struct ax_route r = route(AX_GET, pattern, 5);
    struct ax_site *site = site_new();
    struct ax_match m;

    (void)state;
    r.name = ax_str(name);
    assert_int_equal(ax_site_add(site, &r, NULL), 0);
    assert_int_equal(ax_site_freeze(site, NULL), 0);
    memset(pattern, 'x', sizeof pattern - 1);
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(ax_site_routes(site), 1);
    const struct ax_route *got = ax_site_route(site, 1);
    assert_true(ax_str_eq(got->pattern, AX_STR("/users/:id")));
    assert_true(ax_str_eq(got->name, AX_STR("users.js")));
    assert_true(ax_str_eq(got->headers, AX_STR("A: b\r\n")));
    assert_true(ax_str_eq(got->body, AX_STR("pong")));
    assert_null(ax_site_route(site, 0));
    assert_null(ax_site_route(site, 2));
    assert_int_equal(ax_site_settings(site)->batch, 77);
    assert_int_equal(ax_router_match(ax_site_router(site), AX_GET, AX_STR("/users/7"), &m), AX_FOUND);
    assert_int_equal(m.route, 1);
    ax_site_unref(site);
}

static void test_ids_in_order(void **state)
{
    struct ax_site *site = site_new();
    struct ax_match m;
    char pattern[32];

    (void)state;
    for (unsigned i = 1; i <= 100; i++) {
        snprintf(pattern, sizeof pattern, "/p%u", i);
        struct ax_route r = route(AX_GET, pattern, i % 3);
        assert_int_equal(ax_site_add(site, &r, NULL), 0);
    }
    assert_int_equal(ax_site_freeze(site, NULL), 0);
    for (unsigned i = 1; i <= 100; i++) {
        snprintf(pattern, sizeof pattern, "/p%u", i);
        assert_int_equal(ax_router_match(ax_site_router(site), AX_GET, ax_str(pattern), &m), AX_FOUND);
        assert_int_equal(m.route, i);
    }
    ax_site_unref(site);
}

static void test_duplicates(void **state)
{
    static const struct {
        enum ax_method m;
        const char *pattern;
        int rc;
    } t[] = {
        {AX_GET, "/a/:b", 0},
        {AX_POST, "/a/:b", 0},
        {AX_GET, "/a/:b", -AX_E_DUPLICATE},
        {AX_GET, "/a/b", 0},
        {AX_ANY, "/a/b", 0},
        {AX_ANY, "/a/b", -AX_E_DUPLICATE},
        {AX_GET, "no-slash", -AX_E_SYNTAX},
    };
    struct ax_site *site = site_new();
    unsigned added = 0;

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {0};
        struct ax_route r = route(t[i].m, t[i].pattern, 0);
        assert_int_equal(ax_site_add(site, &r, &err), t[i].rc);
        assert_int_equal(-(int)err.code, t[i].rc);
        added += t[i].rc == 0;
        assert_int_equal(ax_site_routes(site), added); /* a refused route takes no id */
    }
    assert_int_equal(ax_site_freeze(site, NULL), 0);
    ax_site_unref(site);
}

static void test_timeouts_are_shared(void **state)
{
    static const int64_t us[] = {10, 20, 10, -1, 20, -1};
    static const unsigned index[] = {0, 1, 0, 2, 1, 2};
    struct ax_site *site = site_new();
    const int64_t *distinct;
    char pattern[32];

    (void)state;
    for (unsigned i = 0; i < AX_COUNT(us); i++) {
        snprintf(pattern, sizeof pattern, "/%u", i);
        struct ax_route r = route(AX_GET, pattern, us[i]);
        assert_int_equal(ax_site_add(site, &r, NULL), 0);
    }
    assert_int_equal(ax_site_freeze(site, NULL), 0);
    assert_int_equal(ax_site_timeouts(site, &distinct), 3);
    for (unsigned i = 0; i < AX_COUNT(us); i++) {
        assert_int_equal(ax_site_route(site, i + 1)->timeout_index, index[i]);
        assert_true(distinct[index[i]] == us[i]);
    }
    ax_site_unref(site);
}

static void test_too_many_timeouts(void **state)
{
    struct ax_err err = {0};
    struct ax_site *site = site_new();
    char pattern[32];

    (void)state;
    for (unsigned i = 0; i < 257; i++) {
        snprintf(pattern, sizeof pattern, "/%u", i);
        struct ax_route r = route(AX_GET, pattern, i + 1);
        assert_int_equal(ax_site_add(site, &r, NULL), 0);
    }
    assert_int_equal(ax_site_freeze(site, &err), -AX_E_LIMIT);
    assert_non_null(strstr(err.msg, "256"));
    ax_site_unref(site);
}

static void test_references(void **state)
{
    struct ax_site *site = site_new();

    (void)state;
    assert_ptr_equal(ax_site_ref(site), site);
    ax_site_unref(site);
    assert_int_equal(ax_site_routes(site), 0); /* still there */
    ax_site_unref(site);
    ax_site_unref(NULL);
}

static void test_publish(void **state)
{
    struct ax_site *site = site_new();
    struct ax_segment *seg;
    struct ax_route_name name;
    struct ax_route r = route(AX_POST, "/a", 1);
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_site_add(site, &r, NULL), 0);
    assert_int_equal(ax_site_freeze(site, NULL), 0);
    assert_int_equal(ax_segment_private(1, 8, &seg, NULL), 0);
    ax_fail_alloc_at(1);
    assert_int_equal(ax_site_publish(site, seg, &err), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    assert_int_equal(ax_site_publish(site, seg, NULL), 0);
    assert_int_equal(ax_site_publish(site, seg, NULL), 0); /* each worker of an engine does */
    assert_true(ax_segment_route(seg, 1, &name));
    assert_true(ax_str_eq(name.method, AX_STR("POST")));
    assert_true(ax_str_eq(name.pattern, AX_STR("/a")));
    assert_true(ax_str_eq(name.handler, AX_STR("handlers/a.js")));
    ax_segment_free(seg);
    ax_site_unref(site);
}

static int build(struct ax_site **ret, struct ax_err *err)
{
    struct ax_site *site = site_new();
    char pattern[64];
    int rc = 0;

    if (!site)
        return ax_fail(err, AX_E_NOMEM, "no memory");
    for (unsigned i = 0; i < 40 && rc == 0; i++) {
        snprintf(pattern, sizeof pattern, i % 2 ? "/a/%u/:x" : "/b/%u/*rest", i);
        struct ax_route r = route((enum ax_method)(i % 4), pattern, i);
        rc = ax_site_add(site, &r, err);
    }
    if (rc == 0)
        rc = ax_site_freeze(site, err);
    if (rc < 0) {
        ax_site_unref(site);
        return rc;
    }
    *ret = site;
    return 0;
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        struct ax_site *site = NULL;
        ax_fail_alloc_at(n);
        int rc = build(&site, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            assert_true(n > 5);
            ax_site_unref(site);
            break;
        }
        assert_int_equal(err.code, AX_E_NOMEM);
        assert_true(n < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes_are_copied), cmocka_unit_test(test_ids_in_order),
        cmocka_unit_test(test_duplicates),        cmocka_unit_test(test_timeouts_are_shared),
        cmocka_unit_test(test_too_many_timeouts), cmocka_unit_test(test_references),
        cmocka_unit_test(test_publish),           cmocka_unit_test(test_each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
