/* Buckets: rate, burst, who shares one, what a full table does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/rate_limit.h"

enum { SECOND = 1000000 };

static void test_rate(void **state)
{
    struct ax_rate_table *t = ax_rate_table_new(1);
    struct ax_rate r = ax_rate_of(1, 10, SECOND, 3);
    struct ax_str me = AX_STR("192.0.2.1");
    int64_t now = INT64_C(1000) * SECOND;
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(ax_rate_take(t, &r, me, now), 0);
    assert_int_equal(ax_rate_take(t, &r, me, now), SECOND / 10);
    assert_int_equal(ax_rate_take(t, &r, me, now + SECOND / 20), SECOND / 20);
    assert_int_equal(ax_rate_take(t, &r, me, now + SECOND / 10), 0);
    assert_true(ax_rate_take(t, &r, me, now + SECOND / 10) > 0);
    assert_int_equal(ax_rate_take(t, &r, AX_STR("192.0.2.2"), now), 0);
    struct ax_rate other = ax_rate_of(2, 10, SECOND, 3);
    assert_int_equal(ax_rate_take(t, &other, me, now), 0);
    int taken = 0;
    for (int i = 0; i < 100; i++) /* 10 s at 10/s, asked 10 times a second, and the burst */
        taken += ax_rate_take(t, &r, me, now + 20 * SECOND + i * (SECOND / 10)) == 0;
    assert_int_equal(taken, 100);
    ax_rate_table_free(t);
}

static void test_clients(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } t[] = {
        {"192.0.2.1", "192.0.2.1", true},          {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},   {"2001:db8::1", "2001:db8::ffff:2", true},
        {"2001:db8::1", "2001:db8:0:1::1", false}, {"unix", "unix", true},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_rate_table *table = ax_rate_table_new(1);
        struct ax_rate r = ax_rate_of(1, 1, 3600 * (int64_t)SECOND, 1);
        assert_int_equal(ax_rate_take(table, &r, ax_str(t[i].a), SECOND), 0);
        assert_int_equal(ax_rate_take(table, &r, ax_str(t[i].b), SECOND) > 0, t[i].same);
        ax_rate_table_free(table);
    }
}

/* A flood of others does not set free who was refused for longer. */
static void test_full(void **state)
{
    struct ax_rate_table *t = ax_rate_table_new(1);
    struct ax_rate slow = ax_rate_of(1, 1, 3600 * (int64_t)SECOND, 10), quick = ax_rate_of(2, 1, SECOND, 1);
    int64_t now = SECOND;
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(ax_rate_take(t, &slow, AX_STR("192.0.2.1"), now), 0);
    for (unsigned i = 0; i < 100000; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        (void)ax_rate_take(t, &quick, ax_str(address), now);
    }
    assert_true(ax_rate_take(t, &slow, AX_STR("192.0.2.1"), now) > 0);
    ax_rate_table_free(t);
}

static void test_extremes(void **state)
{
    struct ax_rate_table *t = ax_rate_table_new(UINT64_MAX);
    (void)state;
    assert_int_equal(ax_rate_table_places(t), 1 << 20);
    struct ax_rate rare = ax_rate_of(1, 1, INT64_C(3600) * SECOND, 999999999);
    struct ax_rate often = ax_rate_of(2, 999999999, SECOND, 999999999);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ax_rate_take(t, &rare, AX_STR("192.0.2.1"), INT64_C(1) << 50), 0);
        assert_int_equal(ax_rate_take(t, &often, AX_STR("192.0.2.1"), INT64_C(1) << 50), 0);
    }
    ax_rate_table_free(t);
    ax_fail_alloc_at(1);
    assert_null(ax_rate_table_new(1));
    ax_fail_alloc_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rate), cmocka_unit_test(test_clients),
                                       cmocka_unit_test(test_full), cmocka_unit_test(test_extremes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
