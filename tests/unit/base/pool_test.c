#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/pool.h"

#ifdef AX_POOL_MALLOC
enum { WARM = 0 }; /* every object comes from the allocator, so that a sanitizer sees it end */
#else
enum { WARM = 4 };
#endif

static void test_counts(void **state)
{
    struct ax_pool p;
    struct ax_err err = {0};
    void *obj[10];

    (void)state;
    assert_int_equal(ax_pool_init(&p, "thing", 20, 4, 0, &err), 0);
    assert_int_equal(p.obj_bytes, 32);
    for (unsigned i = 0; i < 10; i++) {
        obj[i] = ax_pool_get(&p);
        assert_non_null(obj[i]);
        assert_int_equal((uintptr_t)obj[i] % 16, 0);
        memset(obj[i], 0xa5, p.obj_bytes);
        assert_int_equal(p.live, i + 1);
    }
    assert_int_equal(ax_pool_high(&p), 10);
    assert_int_equal(p.dry, 10 - WARM);
    for (unsigned i = 0; i < 10; i++)
        ax_pool_put(&p, obj[i]);
    assert_int_equal(p.live, 0);
    assert_int_equal(ax_pool_high(&p), 10);
    obj[0] = ax_pool_get(&p); /* a warm one again */
    assert_int_equal(p.dry, 10 - WARM + (WARM == 0));
    ax_pool_put(&p, obj[0]);
    ax_pool_fini(&p);
}

static void test_objects_differ(void **state)
{
    struct ax_pool p;
    char *obj[9];

    (void)state;
    assert_int_equal(ax_pool_init(&p, "thing", 16, 4, 0, NULL), 0);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < AX_COUNT(obj); i++) {
            obj[i] = ax_pool_get(&p);
            memset(obj[i], (int)i, 16);
        }
        for (unsigned i = 0; i < AX_COUNT(obj); i++)
            for (unsigned k = 0; k < 16; k++)
                assert_int_equal(obj[i][k], i);
        for (unsigned i = 0; i < AX_COUNT(obj); i++)
            ax_pool_put(&p, obj[(i * 4 + (unsigned)round) % AX_COUNT(obj)]);
    }
    ax_pool_fini(&p);
}

static void test_limit(void **state)
{
    struct ax_pool p;

    (void)state;
    assert_int_equal(ax_pool_init(&p, "thing", 8, 1, 2, NULL), 0);
    void *a = ax_pool_get(&p), *b = ax_pool_get(&p);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(ax_pool_get(&p));
    assert_int_equal(p.live, 2);
    ax_pool_put(&p, a);
    a = ax_pool_get(&p);
    assert_non_null(a);
    ax_pool_put(&p, a);
    ax_pool_put(&p, b);
    ax_pool_fini(&p);
}

/* What came from the allocator is kept up to `keep`, handed out again without asking it, and given back. */
static void test_keep_and_trim(void **state)
{
    struct ax_pool p;
    void *obj[12];

    (void)state;
    assert_int_equal(ax_pool_init(&p, "thing", 48, 4, 0, NULL), 0);
    p.keep = 3;
    for (int round = 0; round < 3; round++) {
        uint64_t dry = p.dry;
        for (unsigned i = 0; i < AX_COUNT(obj); i++) {
            obj[i] = ax_pool_get(&p);
            memset(obj[i], (int)i, 48);
        }
        assert_int_equal(p.dry - dry, 12 - WARM - (round == 1 && WARM ? 3 : 0));
        assert_int_equal(p.kept, 0);
        for (unsigned i = 0; i < AX_COUNT(obj); i++)
            ax_pool_put(&p, obj[round == 1 ? AX_COUNT(obj) - 1 - i : i]);
        assert_int_equal(p.kept, WARM ? 3 : 0);
        if (round == 1)
            ax_pool_trim(&p); /* as after the first round: only the chunk is left */
        assert_int_equal(p.kept, round != 1 && WARM ? 3 : 0);
    }
    ax_pool_trim(&p);
    ax_pool_trim(&p);
    uint64_t dry = p.dry;
    for (unsigned i = 0; i < 4; i++)
        obj[i] = ax_pool_get(&p);
    assert_int_equal(p.dry - dry, 4 - WARM);
    for (unsigned i = 0; i < 4; i++)
        ax_pool_put(&p, obj[i]);
    assert_int_equal(ax_pool_high(&p), 12);
    ax_pool_fini(&p);
}

static void test_looks(void **state)
{
    struct ax_pool p;
    void *obj[6];

    (void)state;
    assert_int_equal(ax_pool_init(&p, "thing", 48, 4, 0, NULL), 0);
    for (unsigned i = 0; i < AX_COUNT(obj); i++)
        obj[i] = ax_pool_get(&p);
    for (unsigned i = 1; i < AX_COUNT(obj); i++)
        ax_pool_put(&p, obj[i]);
    assert_false(ax_pool_look(&p)); /* six at once */
    assert_true(ax_pool_look(&p));  /* one */
    assert_int_equal(ax_pool_high(&p), 6);
    ax_pool_put(&p, obj[0]);
    ax_pool_look(&p);
    assert_true(ax_pool_look(&p)); /* none */
    assert_int_equal(ax_pool_high(&p), 6);
    ax_pool_fini(&p);
}

static void test_no_memory(void **state)
{
    struct ax_pool p;
    struct ax_err err = {0};

    (void)state;
    if (WARM) {
        ax_fail_alloc_at(1);
        assert_int_equal(ax_pool_init(&p, "thing", 8, 4, 0, &err), -AX_E_NOMEM);
        assert_int_equal(err.code, AX_E_NOMEM);
        assert_non_null(strstr(err.msg, "thing"));
        assert_int_equal(ax_pool_init(&p, "thing", SIZE_MAX / 2, 4, 0, NULL), -AX_E_NOMEM);
    }
    assert_int_equal(ax_pool_init(&p, "thing", 8, 0, 0, NULL), 0);
    ax_fail_alloc_at(1);
    assert_null(ax_pool_get(&p));
    assert_int_equal(p.live, 0);
    assert_int_equal(p.dry, 0);
    ax_fail_alloc_at(0);
    void *a = ax_pool_get(&p);
    assert_non_null(a);
    ax_pool_put(&p, a);
    ax_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts), cmocka_unit_test(test_objects_differ),
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_keep_and_trim),
        cmocka_unit_test(test_looks),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
