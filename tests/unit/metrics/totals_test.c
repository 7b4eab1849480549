#include "metrics/totals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"

static struct ax_segment *segment(unsigned workers)
{
    const struct ax_route_name names[] = {{AX_STR("GET"), AX_STR("/a"), AX_STR("a.js")},
                                          {AX_STR("POST"), AX_STR("/a"), AX_STR("a.js")},
                                          {AX_STR("GET"), AX_STR("/b/:id"), AX_STR("b.js")}};
    struct ax_segment *s = NULL;

    assert_int_equal(ax_segment_private(workers, 8, &s, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, names, AX_COUNT(names), NULL), 0);
    return s;
}

static struct ax_totals *totals(void)
{
    struct ax_totals *t = NULL;

    assert_int_equal(ax_totals_new(&t, NULL), 0);
    return t;
}

static void count(struct ax_segment *s, unsigned worker, uint32_t route, unsigned status, uint64_t us)
{
    ax_count_request(ax_segment_worker(s, worker), route, status, 10, 20, 1, us - 1, 0);
}

static const struct ax_total *find(const struct ax_totals *t, const char *method, const char *pattern,
                                   unsigned class)
{
    const struct ax_total *found = NULL;

    for (unsigned i = 0; i < ax_totals_count(t); i++) {
        const struct ax_total *one = ax_totals_at(t, i);
        if (one->status_class != class || strcmp(one->method, method) != 0 ||
            strcmp(one->pattern, pattern) != 0)
            continue;
        assert_null(found); /* each once */
        found = one;
    }
    return found;
}

static uint64_t all(const struct ax_totals *t)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ax_totals_count(t); i++)
        n += ax_totals_at(t, i)->count;
    return n;
}

/* A duration lands below its bound; at a bound the error is half a bucket of ours. */
static void test_bounds(void **state)
{
    static const struct {
        uint64_t us;
        unsigned bucket;
    } t[] = {
        {1, 0},        {4900, 0},      {5100, 1},      {9800, 1},         {10200, 2},        {24500, 2},
        {49000, 3},    {74000, 4},     {98000, 5},     {102000, 6},       {245000, 6},       {490000, 7},
        {735000, 8},   {980000, 9},    {1020000, 10},  {2450000, 10},     {4900000, 11},     {7350000, 12},
        {9800000, 13}, {10200000, 14}, {60000000, 14}, {4000000000u, 14}, {8000000000u, 14},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_segment *s = segment(1);
        struct ax_totals *sums = totals();
        assert_int_equal(ax_totals_add(sums, s, NULL), 0);
        count(s, 0, 1, 200, t[i].us);
        assert_int_equal(ax_totals_take(sums, NULL), 0);
        const struct ax_total *one = find(sums, "GET", "/a", 2);
        assert_non_null(one);
        for (unsigned b = 0; b <= AX_TOTALS_BOUNDS; b++)
            if (one->bucket[b] != (b == t[i].bucket))
                fail_msg("%llu us: %llu in bucket %u", (unsigned long long)t[i].us,
                         (unsigned long long)one->bucket[b], b);
        ax_totals_free(sums);
        ax_segment_free(s);
    }
}

/* Every bucket of ours whose middle is within a bound counts below it, and the middle is 1.6 % off at most.
 */
static void test_error(void **state)
{
    (void)state;
    for (unsigned i = 0; i < AX_TOTALS_BOUNDS; i++) {
        unsigned b = ax_hist_bucket(ax_totals_bound_us[i]);
        double low = (double)ax_hist_lower(b), high = (double)ax_hist_lower(b + 1);
        assert_true((high - low) / 2 / low <= 0.016);
    }
}

static void test_engines_come_and_go(void **state)
{
    struct ax_segment *one = segment(2), *two = segment(1);
    struct ax_totals *t = totals();

    (void)state;
    count(one, 0, 1, 200, 1000); /* before it is added */
    assert_int_equal(ax_totals_add(t, one, NULL), 0);
    count(one, 1, 1, 201, 2000);
    count(one, 1, 2, 500, 3000);
    count(one, 1, 0, 404, 4);
    assert_int_equal(ax_totals_take(t, NULL), 0);
    assert_int_equal(find(t, "GET", "/a", 2)->count, 2);
    assert_int_equal(find(t, "GET", "/a", 2)->queue_us, 2);
    assert_int_equal(find(t, "GET", "/a", 2)->handler_us, 2998);
    assert_int_equal(find(t, "GET", "/a", 2)->bytes_out, 40);
    assert_int_equal(find(t, "POST", "/a", 5)->count, 1);
    assert_int_equal(find(t, "-", "(none)", 4)->count, 1);

    count(one, 0, 3, 200, 5); /* and then it dies */
    assert_int_equal(ax_totals_add(t, two, NULL), 0);
    assert_int_equal(ax_totals_drop(t, one, NULL), 0);
    assert_int_equal(ax_totals_drop(t, one, NULL), 0); /* unknown by now */
    ax_segment_free(one);
    count(two, 0, 1, 200, 1000);
    assert_int_equal(ax_totals_take(t, NULL), 0);
    assert_int_equal(ax_totals_take(t, NULL), 0); /* nothing twice */
    assert_int_equal(find(t, "GET", "/a", 2)->count, 3);
    assert_int_equal(find(t, "GET", "/b/:id", 2)->count, 1);
    assert_int_equal(all(t), 6);
    ax_totals_free(t);
    ax_segment_free(two);
}

static void test_counters_and_gauges(void **state)
{
    struct ax_segment *one = segment(2), *two = segment(1);
    struct ax_totals *t = totals();
    struct ax_counters *a = ax_wstat_counters(ax_segment_worker(one, 0)),
                       *b = ax_wstat_counters(ax_segment_worker(one, 1)),
                       *c = ax_wstat_counters(ax_segment_worker(two, 0));

    (void)state;
    assert_int_equal(ax_totals_add(t, one, NULL), 0);
    assert_int_equal(ax_totals_add(t, two, NULL), 0);
    ax_count_add(&a->accepted, 3);
    ax_count_add(&b->accepted, 4);
    ax_count_add(&c->accepted, 5);
    ax_count_set(&a->connections, 2);
    ax_count_set(&c->connections, 1);
    ax_count_set(&a->pool_high, 7);
    ax_count_set(&b->pool_high, 9);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(ax_totals_take(t, NULL), 0);
        assert_int_equal(ax_totals_counters(t)->accepted, 12);
        assert_int_equal(ax_totals_counters(t)->connections, 3);
        assert_int_equal(ax_totals_counters(t)->pool_high, 9);
    }
    ax_count_add(&a->accepted, 1);
    assert_int_equal(ax_totals_drop(t, one, NULL), 0);
    ax_count_set(&c->accepted, 2); /* spoiled: it fell */
    assert_int_equal(ax_totals_take(t, NULL), 0);
    assert_int_equal(ax_totals_counters(t)->accepted, 13);
    assert_int_equal(ax_totals_counters(t)->connections, 1);
    assert_int_equal(ax_totals_counters(t)->pool_high, 0);
    ax_totals_free(t);
    ax_segment_free(one);
    ax_segment_free(two);
}

static void test_moved(void **state)
{
    struct ax_segment *one = segment(2), *two = segment(1);
    struct ax_totals *t = totals();

    (void)state;
    assert_false(ax_totals_moved(t));
    assert_int_equal(ax_totals_add(t, one, NULL), 0);
    assert_int_equal(ax_totals_add(t, two, NULL), 0);
    assert_false(ax_totals_moved(t)); /* none has begun */
    ax_count_add(&ax_wstat_counters(ax_segment_worker(one, 1))->turns, 1);
    assert_true(ax_totals_moved(t));
    assert_int_equal(ax_totals_take(t, NULL), 0); /* has no say in it */
    assert_false(ax_totals_moved(t));
    ax_count_add(&ax_wstat_counters(ax_segment_worker(one, 0))->turns, 1);
    ax_count_add(&ax_wstat_counters(ax_segment_worker(two, 0))->turns, 1);
    assert_true(ax_totals_moved(t));
    assert_false(ax_totals_moved(t));
    ax_totals_free(t);
    ax_segment_free(one);
    ax_segment_free(two);
}

/* Generations with ever new routes: the sums stay exact, the names have a ceiling. */
static void test_ceiling(void **state)
{
    enum { ROUTES = 1024, GENERATIONS = AX_TOTALS_SERIES_MAX / ROUTES + 2 };
    struct ax_totals *t = totals();

    (void)state;
    for (unsigned g = 0; g < GENERATIONS; g++) {
        static char text[ROUTES][32];
        struct ax_route_name names[ROUTES];
        struct ax_segment *s = NULL;
        assert_int_equal(ax_segment_private(1, ROUTES, &s, NULL), 0);
        for (unsigned i = 0; i < ROUTES; i++) {
            snprintf(text[i], sizeof text[i], "/%u/%u", g, i);
            names[i] = (struct ax_route_name){AX_STR("GET"), ax_str(text[i]), AX_STR("h.js")};
        }
        assert_int_equal(ax_segment_set_routes(s, names, ROUTES, NULL), 0);
        assert_int_equal(ax_totals_add(t, s, NULL), 0);
        for (unsigned i = 1; i <= ROUTES; i++)
            count(s, 0, i, 200, 10);
        assert_int_equal(ax_totals_drop(t, s, NULL), 0);
        ax_segment_free(s);
    }
    assert_int_equal(ax_totals_count(t), AX_TOTALS_SERIES_MAX + 1);
    assert_int_equal(find(t, "-", "(other)", 2)->count, 2 * ROUTES);
    assert_int_equal(all(t), GENERATIONS * ROUTES);
    ax_totals_free(t);
}

static void fill(struct ax_segment *s)
{
    for (unsigned worker = 0; worker < 2; worker++)
        for (uint32_t route = 0; route < 4; route++)
            count(s, worker, route, 200 + 100 * worker, 10 + route);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_segment *s = segment(2);
        struct ax_totals *t = NULL;
        struct ax_err err = {0};
        fill(s);
        ax_fail_alloc_at(n);
        int rc = ax_totals_new(&t, &err);
        if (rc == 0)
            rc = ax_totals_add(t, s, &err);
        bool added = rc == 0;
        if (added)
            rc = ax_totals_take(t, &err);
        ax_fail_alloc_at(0);
        if (rc < 0)
            assert_int_equal(err.code, AX_E_NOMEM);
        if (added) { /* what was left comes with the next take, once */
            assert_int_equal(ax_totals_take(t, NULL), 0);
            assert_int_equal(all(t), 8);
        }
        ax_totals_free(t);
        ax_segment_free(s);
        if (rc == 0)
            break;
    }
    ax_totals_free(NULL);
}

/* One process hands its sums to the next, which reads the same segment from its beginning. */
static void test_over_to_another(void **state)
{
    struct ax_segment *living = segment(1), *gone = segment(1);
    struct ax_totals *before = totals(), *after = totals();
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_totals_add(before, living, &err), 0);
    assert_int_equal(ax_totals_add(before, gone, &err), 0);
    count(living, 0, 1, 200, 3000);
    count(living, 0, 2, 500, 30000);
    count(gone, 0, 1, 200, 300000);
    ax_count_add(&ax_wstat_counters(ax_segment_worker(living, 0))->accepted, 2);
    ax_count_add(&ax_wstat_counters(ax_segment_worker(gone, 0))->accepted, 3);
    assert_int_equal(ax_totals_drop(before, gone, &err), 0);
    assert_int_equal(ax_totals_take(before, &err), 0);
    ax_totals_rewind(before);
    assert_int_equal(all(before), 1);
    for (unsigned i = 0; i < ax_totals_count(before); i++)
        assert_int_equal(ax_totals_seed(after, ax_totals_at(before, i), &err), 0);
    ax_totals_seed_counters(after, ax_totals_counters(before));
    assert_int_equal(ax_totals_counters(after)->accepted, 3);
    assert_int_equal(ax_totals_add(after, living, &err), 0);
    count(living, 0, 1, 200, 3000); /* between the two */
    assert_int_equal(ax_totals_take(after, &err), 0);
    assert_int_equal(all(after), 4);
    assert_int_equal(find(after, "GET", "/a", 2)->count, 3);
    assert_int_equal(find(after, "GET", "/a", 2)->bytes_in, 30);
    assert_int_equal(ax_totals_counters(after)->accepted, 5);
    /* the first one goes on all the same: nothing is lost to it */
    assert_int_equal(ax_totals_take(before, &err), 0);
    assert_int_equal(all(before), 4);
    ax_totals_free(before);
    ax_totals_free(after);
    ax_segment_free(living);
    ax_segment_free(gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_engines_come_and_go),
        cmocka_unit_test(test_counters_and_gauges),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_over_to_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
