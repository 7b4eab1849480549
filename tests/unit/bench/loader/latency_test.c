#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/loader/latency.c"

/* Each duration comes back within 1 %, up to the last bucket. */
static void test_error(void **state)
{
    static struct ax_latency l;

    (void)state;
    for (uint64_t ns = 0; ns < 1ull << AX_LATENCY_TOP_BITS; ns += 1 + ns / 97) {
        uint64_t middle = middle_of(bucket_of(ns)), off = middle > ns ? middle - ns : ns - middle;
        assert_true(off * 100 <= ns);
        assert_true(bucket_of(ns) < AX_LATENCY_BUCKETS);
    }
    ax_latency_add(&l, INT64_MAX);
    assert_int_equal(l.count[AX_LATENCY_BUCKETS - 1], 1);
    assert_int_equal(l.max_ns, INT64_MAX);
}

static void test_quantiles(void **state)
{
    static struct ax_latency a, b, empty;
    static const struct {
        double q;
        uint64_t ns;
    } table[] = {{0, 1000}, {0.5, 500000}, {0.9, 900000}, {0.99, 990000}, {0.999, 999000}, {1, 1000000}};

    (void)state;
    for (int64_t i = 1; i <= 1000; i++)
        ax_latency_add(i % 2 ? &a : &b, i * 1000);
    ax_latency_merge(&a, &b);
    assert_int_equal(a.samples, 1000);
    assert_int_equal(a.max_ns, 1000000);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_in_range(ax_latency_quantile(&a, table[i].q), table[i].ns * 99 / 100, table[i].ns * 101 / 100);
    assert_in_range(ax_latency_quantile(&a, 1), 1, a.max_ns);
    assert_int_equal(ax_latency_quantile(&empty, 0.5), 0);
    ax_latency_add(&empty, -5); /* a clock that went back: as if no time had passed */
    assert_int_equal(empty.max_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_quantiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
