#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "http/route_cache.h"

static struct ax_router *fixture(void)
{
    static const char *const patterns[] = {"/users/:id", "/users/:id/posts/:post", "/static", "/files/*path",
                                           "/a/:b/c/:d/e/:f/g/:h/i/:j"};
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};

    for (uint32_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (ax_router_add(r, AX_GET, ax_str(patterns[i]), i + 1, &err) < 0)
            fail_msg("%s", err.msg);
    assert_int_equal(ax_router_freeze(r, &err), 0);
    return r;
}

static void test_keeps_what_has_parameters(void **state)
{
    static const struct {
        const char *path;
        bool kept;
    } t[] = {
        {"/users/7", true},
        {"/users/7/posts/8", true},
        {"/files/a/b/c", true},
        {"/files/", true}, /* an empty *rest */
        {"/static", false},
        {"/a/1/c/2/e/3/g/4/i/5", false}, /* more parameters than an entry holds */
        {"/files/0123456789012345678901234567890123456789012345678901234567", false}, /* 65 bytes */
    };
    struct ax_router *r = fixture();
    struct ax_route_cache *c;
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_route_cache_new(100, 1, &c, &err), 0);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_str path = ax_str(t[i].path);
        struct ax_match m, got;
        assert_int_equal(ax_router_match(r, AX_GET, path, &m), AX_FOUND);
        assert_false(ax_route_cache_get(c, AX_GET, path, &got));
        ax_route_cache_put(c, AX_GET, path, &m);
        assert_int_equal(ax_route_cache_get(c, AX_GET, path, &got), t[i].kept);
        assert_false(ax_route_cache_get(c, AX_POST, path, &got)); /* the method is part of the key */
        if (!t[i].kept)
            continue;
        assert_int_equal(got.route, m.route);
        assert_int_equal(got.nparams, m.nparams);
        for (unsigned k = 0; k < m.nparams; k++)
            assert_true(ax_str_eq(got.params[k], m.params[k]));
    }
    ax_route_cache_free(c);
    ax_router_free(r);
}

static void put_user(struct ax_route_cache *c, struct ax_router *r, int id)
{
    char path[32];
    struct ax_match m;
    int n = snprintf(path, sizeof path, "/users/%d", id);
    struct ax_str s = {path, (size_t)n};

    assert_int_equal(ax_router_match(r, AX_GET, s, &m), AX_FOUND);
    ax_route_cache_put(c, AX_GET, s, &m);
}

static bool has_user(struct ax_route_cache *c, int id)
{
    char path[32];
    struct ax_match m;
    int n = snprintf(path, sizeof path, "/users/%d", id);

    return ax_route_cache_get(c, AX_GET, (struct ax_str){path, (size_t)n}, &m);
}

static void test_least_recently_used_leaves(void **state)
{
    struct ax_router *r = fixture();
    struct ax_route_cache *c;
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_route_cache_new(3, 2, &c, &err), 0);
    put_user(c, r, 1);
    put_user(c, r, 2);
    put_user(c, r, 3);
    assert_true(has_user(c, 1)); /* now 2 is the oldest */
    put_user(c, r, 4);
    assert_false(has_user(c, 2));
    assert_true(has_user(c, 1));
    assert_true(has_user(c, 3));
    assert_true(has_user(c, 4));
    assert_int_equal(ax_route_cache_used(c), 3);
    ax_route_cache_free(c);
    ax_router_free(r);
}

/* Random traffic against the router itself, with more paths than entries, so that most are evicted and come
 * back. */
static void test_agrees_with_the_router(void **state)
{
    struct ax_router *r = fixture();
    struct ax_route_cache *c;
    struct ax_err err = {0};
    unsigned hits = 0;

    (void)state;
    srand(7);
    assert_int_equal(ax_route_cache_new(300, 3, &c, &err), 0);
    for (int i = 0; i < 200000; i++) {
        char path[80];
        int id = rand() % 150, n;
        switch (rand() % 3) {
        case 0:
            n = snprintf(path, sizeof path, "/users/%d", id);
            break;
        case 1:
            n = snprintf(path, sizeof path, "/users/%d/posts/%d", id % 10, id);
            break;
        default:
            n = snprintf(path, sizeof path, "/files/%d/%d", id, id % 7);
        }
        struct ax_str s = {path, (size_t)n};
        struct ax_match want, got;
        assert_int_equal(ax_router_match(r, AX_GET, s, &want), AX_FOUND);
        if (!ax_route_cache_get(c, AX_GET, s, &got)) {
            ax_route_cache_put(c, AX_GET, s, &want);
            continue;
        }
        hits++;
        assert_int_equal(got.route, want.route);
        assert_int_equal(got.nparams, want.nparams);
        for (unsigned k = 0; k < want.nparams; k++) {
            assert_ptr_equal(got.params[k].p, want.params[k].p);
            assert_int_equal(got.params[k].n, want.params[k].n);
        }
    }
    assert_true(hits > 1000);
    assert_int_equal(ax_route_cache_used(c), 300);
    ax_route_cache_free(c);
    ax_router_free(r);
}

static void test_rests_where_it_does_not_win(void **state)
{
    struct ax_router *r = fixture();
    struct ax_route_cache *c;
    struct ax_err err = {0};
    int id = 0;

    (void)state;
    assert_int_equal(ax_route_cache_new(10, 5, &c, &err), 0);
    for (int i = 0; i < AX_CACHE_WINDOW; i++) { /* no path comes twice */
        assert_false(has_user(c, id));
        put_user(c, r, id++);
    }
    put_user(c, r, 1);
    assert_false(has_user(c, 1));
    for (int i = 0; i < AX_CACHE_WINDOW * AX_CACHE_REST; i++)
        has_user(c, 1);
    put_user(c, r, 1);
    assert_true(has_user(c, 1));
    ax_route_cache_free(c);
    ax_router_free(r);
}

static void test_no_memory(void **state)
{
    struct ax_route_cache *c;

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_route_cache_new(10, 4, &c, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    struct ax_router *r = fixture();
    put_user(c, r, 1);
    ax_route_cache_free(c);
    assert_int_equal(ax_route_cache_new(1000, 4, &c, &(struct ax_err){0}), 0);
    for (int i = 0; i < 64; i++)
        put_user(c, r, i);
    ax_fail_alloc_at(1); /* growing fails: the oldest makes room */
    put_user(c, r, 64);
    ax_fail_alloc_at(0);
    assert_false(has_user(c, 0));
    assert_true(has_user(c, 64));
    assert_int_equal(ax_route_cache_used(c), 64);
    ax_route_cache_free(c);
    ax_router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_what_has_parameters),
        cmocka_unit_test(test_least_recently_used_leaves),
        cmocka_unit_test(test_agrees_with_the_router),
        cmocka_unit_test(test_rests_where_it_does_not_win),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
