#include "supervisor/flights.h"

#include "supervisor/fixture.h"

static const struct ax_route_name names[] = {{AX_STR("GET"), AX_STR("/a"), AX_STR("a.js")},
                                             {AX_STR("POST"), AX_STR("/b"), AX_STR("b.js")}};

static struct ax_segment *segment(void)
{
    struct ax_segment *s = NULL;

    assert_int_equal(ax_segment_private(2, 4, &s, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, names, 2, NULL), 0);
    return s;
}

static void test_text(void **state)
{
    struct ax_segment *s = segment();
    struct ax_buf b = AX_BUF_INIT(4096);
    struct ax_route_name one;

    (void)state;
    assert_int_equal(ax_flights_text(s, &b), 0);
    assert_int_equal(b.n, 0);
    assert_false(ax_flights_one_route(s, &one));
    ax_flight_begin(ax_segment_worker(s, 0), 3, 1, "aaaaaaaaaaaaaaaa");
    assert_true(ax_flights_one_route(s, &one));
    assert_true(ax_str_eq(one.pattern, AX_STR("/a")));
    ax_flight_begin(ax_segment_worker(s, 1), 0, 2, "bbbbbbbbbbbbbbbb");
    assert_false(ax_flights_one_route(s, &one));
    assert_int_equal(ax_flights_text(s, &b), 2);
    assert_string_equal(ax_buf_cstr(&b), "GET /a (aaaaaaaaaaaaaaaa), POST /b (bbbbbbbbbbbbbbbb)");
    ax_buf_clear(&b);
    for (uint32_t i = 10; i < 25; i++)
        ax_flight_begin(ax_segment_worker(s, 1), i, 2, "cccccccccccccccc");
    assert_int_equal(ax_flights_text(s, &b), 17);
    const char *text = ax_buf_cstr(&b);
    assert_string_equal(text + b.n - 11, " and 7 more");
    assert_int_equal(ax_flights_text(NULL, &b), 0);
    ax_buf_fini(&b);
    ax_segment_free(s);
}

static void test_tally(void **state)
{
    struct ax_segment *s = segment();
    struct ax_flights_tally t = {.n = 0};
    struct ax_buf b = AX_BUF_INIT(4096);

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        ax_flight_begin(ax_segment_worker(s, 0), i, 1, "aaaaaaaaaaaaaaaa");
    ax_flight_begin(ax_segment_worker(s, 1), 0, 2, "bbbbbbbbbbbbbbbb");
    ax_flights_count(s, &t);
    t.others = 2;
    ax_flights_tally_text(&t, &b);
    assert_string_equal(ax_buf_cstr(&b), "GET /a: 3, POST /b: 1, others: 2");
    ax_buf_fini(&b);
    ax_segment_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_tally)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
