/* Bodies of every size and in every cut: what they hold is what was added, and every byte of memory is
 * counted and comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "net/internal.h"

enum { MEMORY = 1 << 20, KIB = 1024 };

struct fixture {
    struct ax_worker *w;
    struct ax_request *r;
    struct ax_route route;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct ax_engine_options o = {
        .workers = 1, .limit_connections = -1, .limit_inflight = -1, .limit_body_memory = MEMORY};

    f->w = calloc(1, sizeof *f->w);
    f->r = calloc(1, sizeof *f->r);
    f->r->worker = f->w;
    f->r->site_route = &f->route;
    f->r->head.chunked = true; /* of no known length */
    f->route.body_max = MEMORY;
    *state = f;
    return ax_engine_new(&o, &f->w->engine, NULL) < 0 || ax_body_store_init(&f->w->bodies, true, NULL) < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ax_body_store_fini(&f->w->bodies);
    ax_engine_free(f->w->engine);
    free(f->r);
    free(f->w);
    free(f);
    return 0;
}

/* What limits.body_memory has left is `bytes`, exactly. */
static void assert_left(struct fixture *f, int64_t bytes)
{
    assert_false(ax_engine_take_memory(f->w->engine, bytes + 1));
    assert_true(ax_engine_take_memory(f->w->engine, bytes));
    ax_engine_put_memory(f->w->engine, bytes);
}

static char byte_at(size_t i)
{
    return (char)(i * 31 + i / 4096);
}

/* Adds up to n bytes in all, `step` at a time. */
static bool fill(struct fixture *f, size_t n, size_t step)
{
    static char part[70000];

    while (f->r->body.n < n) {
        size_t k = n - f->r->body.n < step ? n - f->r->body.n : step;
        for (size_t i = 0; i < k; i++)
            part[i] = byte_at(f->r->body.n + i);
        if (!ax_body_add(f->r, part, k))
            return false;
    }
    return true;
}

static void assert_filled(const struct fixture *f, size_t n)
{
    assert_int_equal(f->r->body.n, n);
    for (size_t i = 0; i < n; i++)
        if (f->r->body.p[i] != byte_at(i))
            fail_msg("byte %zu of %zu", i, n);
}

static void test_sizes(void **state)
{
    static const struct {
        size_t n, step, max, held;
    } t[] = {
        {1, 1, MEMORY, 4 * KIB},           {4096, 4096, MEMORY, 4 * KIB},    {4097, 4096, MEMORY, 16 * KIB},
        {16384, 100, MEMORY, 16 * KIB},    {16385, 16385, MEMORY, 64 * KIB}, {65536, 65536, MEMORY, 64 * KIB},
        {65537, 65536, MEMORY, 128 * KIB}, {65537, 65536, 65537, 65537}, /* never more than the route lets in
                                                                          */
        {200000, 7001, 300000, 256 * KIB}, {300000, 7001, 300000, 300000},   {MEMORY, 65536, MEMORY, MEMORY},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        f->route.body_max = (int64_t)t[i].max;
        assert_true(fill(f, t[i].n, t[i].step));
        assert_filled(f, t[i].n);
        assert_int_equal(f->r->body_cap, t[i].held);
        assert_left(f, MEMORY - (int64_t)t[i].held);
        ax_body_drop(f->r);
        ax_body_drop(f->r);
        assert_int_equal(f->r->body.n, 0);
        assert_left(f, MEMORY);
    }
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        assert_int_equal(f->w->bodies.pool[i].live, 0);
}

/* At the ceiling the body is as before, and what others give back can be taken. */
static void test_ceiling(void **state)
{
    struct fixture *f = *state;

    assert_true(ax_engine_take_memory(f->w->engine, MEMORY - 20 * KIB));
    assert_true(fill(f, 16384, 4096));
    assert_false(fill(f, 16385, 1));
    assert_filled(f, 16384);
    assert_left(f, 4 * KIB);
    ax_engine_put_memory(f->w->engine, MEMORY - 20 * KIB);
    assert_true(fill(f, 16385, 1));
    assert_filled(f, 16385);
    ax_body_drop(f->r);
    assert_left(f, MEMORY);
}

static void test_no_memory(void **state)
{
    struct fixture *f = *state;

    for (unsigned n = 1;; n++) {
        ax_fail_alloc_at(n);
        bool ok = fill(f, 500000, 50000);
        ax_fail_alloc_at(0);
        assert_filled(f, f->r->body.n);
        assert_left(f, MEMORY - (int64_t)f->r->body_cap);
        ax_body_drop(f->r);
        if (ok)
            break;
    }
    assert_left(f, MEMORY);
}

static void test_init_without_memory(void **state)
{
    struct ax_body_store s;

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_body_store_init(&s, true, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, -AX_E_NOMEM);
    }
#ifndef AX_POOL_MALLOC
    size_t stock = 0;
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        stock += s.pool[i].warm_bytes + s.pool[i].keep * s.pool[i].obj_bytes;
    assert_int_equal(stock, AX_BODY_STOCK);
#endif
    ax_body_store_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test(test_init_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
