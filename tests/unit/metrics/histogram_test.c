#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/err.h"
#include "metrics/histogram.h"

static uint64_t middle(unsigned b)
{
    uint64_t lower = ax_hist_lower(b);
    return lower + (ax_hist_lower(b + 1) - lower - 1) / 2;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Buckets tile 0..2^32 without gap or overlap. */
static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(ax_hist_lower(0), 0);
    assert_int_equal(ax_hist_lower(AX_HIST_BUCKETS), (uint64_t)1 << 32);
    for (unsigned b = 0; b < AX_HIST_BUCKETS; b++) {
        uint64_t lower = ax_hist_lower(b), next = ax_hist_lower(b + 1);
        assert_true(lower < next);
        assert_int_equal(ax_hist_bucket(lower), b);
        assert_int_equal(ax_hist_bucket(next - 1), b);
        if (b + 1 < AX_HIST_BUCKETS)
            assert_int_equal(ax_hist_bucket(next), b + 1);
    }
    assert_int_equal(ax_hist_bucket(UINT32_MAX), AX_HIST_BUCKETS - 1);
    assert_int_equal(ax_hist_bucket((uint64_t)1 << 32), AX_HIST_BUCKETS - 1);
    assert_int_equal(ax_hist_bucket(UINT64_MAX), AX_HIST_BUCKETS - 1);
}

/* At most 2 % off from 1 us to 1 h: every bucket's two ends, and a dense walk. */
static void test_error(void **state)
{
    const uint64_t hour = 3600000000u;

    (void)state;
    for (unsigned b = 1; b < AX_HIST_BUCKETS; b++) {
        uint64_t ends[] = {ax_hist_lower(b), ax_hist_lower(b + 1) - 1};
        for (unsigned i = 0; i < AX_COUNT(ends); i++)
            assert_true(distance(middle(b), ends[i]) * 50 <= ends[i]);
    }
    for (uint64_t us = 1; us <= hour; us += 1 + us / 997)
        assert_true(distance(middle(ax_hist_bucket(us)), us) * 50 <= us);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void test_quantiles(void **state)
{
    static const double quantiles[] = {0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1};
    enum { VALUES = 10000 };
    static uint64_t values[VALUES];
    uint64_t seed = 7;

    (void)state;
    for (unsigned range = 4; range <= 31; range += 3) {
        uint64_t counts[AX_HIST_BUCKETS] = {0};
        for (unsigned i = 0; i < VALUES; i++) {
            values[i] = 1 + (next_random(&seed) & (((uint64_t)1 << range) - 1));
            counts[ax_hist_bucket(values[i])]++;
        }
        qsort(values, VALUES, sizeof *values, by_value);
        for (unsigned i = 0; i < AX_COUNT(quantiles); i++) {
            double exact = quantiles[i] * VALUES;
            size_t rank = (size_t)exact + ((double)(size_t)exact < exact);
            uint64_t want = values[rank ? rank - 1 : 0];
            assert_true(distance(ax_hist_quantile(counts, quantiles[i]), want) * 50 <= want);
        }
    }
}

static void test_quantile_edges(void **state)
{
    uint64_t counts[AX_HIST_BUCKETS] = {0};

    (void)state;
    assert_int_equal(ax_hist_quantile(counts, 0.5), 0);
    counts[10] = 1;
    assert_int_equal(ax_hist_quantile(counts, -1), 10);
    assert_int_equal(ax_hist_quantile(counts, 7), 10);
    assert_int_equal(ax_hist_quantile(counts, __builtin_nan("")), 10);
    counts[20] = 1;
    assert_int_equal(ax_hist_quantile(counts, 0.5), 10);
    assert_int_equal(ax_hist_quantile(counts, 0.51), 20);
}

static void test_round_trip(void **state)
{
    static uint8_t blob[AX_HIST_BLOB_MAX];
    uint64_t seed = 11;

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        uint64_t counts[AX_HIST_BUCKETS] = {0}, twice[AX_HIST_BUCKETS] = {0};
        for (unsigned i = 0; i < round * 5; i++)
            counts[next_random(&seed) % AX_HIST_BUCKETS] = next_random(&seed) >> (seed % 31);
        size_t n = ax_hist_encode(counts, blob);
        assert_int_equal(ax_hist_decode_add(blob, n, twice), 0);
        assert_memory_equal(counts, twice, sizeof counts);
        assert_int_equal(ax_hist_decode_add(blob, n, twice), 0);
        for (unsigned b = 0; b < AX_HIST_BUCKETS; b++)
            assert_int_equal(twice[b], 2 * counts[b]);
    }
}

static void test_largest_blob(void **state)
{
    static uint8_t blob[AX_HIST_BLOB_MAX];
    uint64_t counts[AX_HIST_BUCKETS], back[AX_HIST_BUCKETS] = {0};

    (void)state;
    for (unsigned b = 0; b < AX_HIST_BUCKETS; b++)
        counts[b] = UINT64_MAX;
    size_t n = ax_hist_encode(counts, blob);
    assert_true(n <= AX_HIST_BLOB_MAX);
    assert_int_equal(ax_hist_decode_add(blob, n, back), 0);
    assert_memory_equal(counts, back, sizeof counts);
}

static void test_malformed(void **state)
{
    static const struct {
        uint8_t p[16];
        size_t n;
    } bad[] = {
        {{5}, 1},                                                           /* no count */
        {{0x85}, 1},                                                        /* gap does not end */
        {{5, 0x80}, 2},                                                     /* count does not end */
        {{5, 0}, 2},                                                        /* count 0 */
        {{5, 1, 0, 1}, 4},                                                  /* the same bucket twice */
        {{0x80, 7, 1}, 3},                                                  /* bucket 896 */
        {{0xff, 6, 1, 1, 1}, 5},                                            /* 895, then 896 */
        {{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}, 11}, /* count of 65 bits */
        {{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 1}, 12},
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}, 11}, /* gap 2^64 - 1 */
    };
    uint64_t counts[AX_HIST_BUCKETS] = {0};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        assert_int_equal(ax_hist_decode_add(bad[i].p, bad[i].n, counts), -AX_E_SYNTAX);
    memset(counts, 0, sizeof counts);
    assert_int_equal(ax_hist_decode_add(NULL, 0, counts), 0);
    assert_int_equal(ax_hist_decode_add((const uint8_t[]){0xff, 6, 1}, 3, counts), 0);
    assert_int_equal(counts[AX_HIST_BUCKETS - 1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_error),
        cmocka_unit_test(test_quantiles),  cmocka_unit_test(test_quantile_edges),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_largest_blob),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
