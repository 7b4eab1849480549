/* Refusals by name: in a worker's counters, as events, and added up again by the reader. */
#include "metrics/limits.h"

#include "metrics/store_fixture.h"

static void test_names(void **state)
{
    static const struct {
        const char *name;
        int limit; /* -1 = not counted */
    } t[] = {
        {"limits.header", AX_LIMIT_limited_header},
        {"limits.header_count", AX_LIMIT_limited_header_count},
        {"limits.body", AX_LIMIT_limited_body},
        {"limits.body_memory", AX_LIMIT_limited_body_memory},
        {"max_inflight", AX_LIMIT_limited_max_inflight},
        {"uploads.file", AX_LIMIT_limited_uploads},
        {"uploads.fields", AX_LIMIT_limited_uploads},
        {"timeouts.header", AX_LIMIT_limited_header_time},
        {"timeouts.handler", -1},
        {"timeouts.stall", -1},
        {"limits", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_counters c = {0};
        ax_count_limit(&c, t[i].name);
        assert_int_equal(c.limited, t[i].limit >= 0);
        for (unsigned k = 0; k < AX_LIMITS; k++)
            assert_int_equal(ax_limit_count(&c, k), (int)k == t[i].limit);
    }
}

static void refuse(struct fix *f, unsigned worker, const char *limit, unsigned times)
{
    while (times-- > 0)
        ax_count_limit(ax_wstat_counters(ax_segment_worker(f->segment, worker)), limit);
}

static struct ax_stats *ask(const struct fix *f, int64_t since)
{
    const struct ax_stats_query q = {.path = f->path, .since_us = since * 1000000, .until_us = INT64_MAX};
    struct ax_stats *s = NULL;
    struct ax_err err = {0};

    if (ax_store_query(&q, &s, &err) < 0)
        fail_msg("%s", err.msg);
    return s;
}

static void write_at(struct fix *f, int64_t second)
{
    struct ax_err err = {0};

    if (ax_store_write(f->store, &f->source, 1, NULL, fix_at(second), &err) < 0)
        fail_msg("%s", err.msg);
}

static void test_events(void **state)
{
    struct fix *f = *state;

    write_at(f, FIX_NOW); /* nothing was refused: nothing is said */
    refuse(f, 0, "limits.inflight", 2);
    refuse(f, 1, "limits.inflight", 1);
    refuse(f, 1, "max_inflight", 1);
    write_at(f, FIX_NOW + 1);
    refuse(f, 0, "limits.inflight", 4);
    write_at(f, FIX_NOW + 1); /* a second time in the second: later */
    struct ax_stats *s = ask(f, FIX_NOW);
    assert_int_equal(s->nevents, 2);
    assert_string_equal(s->events[0].kind, "limit");
    assert_string_equal(s->events[0].text, "limits.inflight: 3 requests refused");
    assert_string_equal(s->events[1].text, "max_inflight: 1 request refused");
    ax_stats_free(s);
    ax_store_close(f->store); /* takes no more, but tells what it has */
    f->store = fix_open(f->path);
    ax_store_event(f->store, fix_at(FIX_NOW + 3), "limit", "odd: text", NULL);
    s = ask(f, FIX_NOW);
    assert_int_equal(s->nevents, 4);
    assert_int_equal(s->nlimits, 2);
    assert_string_equal(s->limits[0].name, "limits.inflight");
    assert_int_equal(s->limits[0].refused, 7);
    assert_string_equal(s->limits[1].name, "max_inflight");
    assert_int_equal(s->limits[1].refused, 1);
    ax_stats_free(s);
    s = ask(f, FIX_NOW + 2);
    assert_int_equal(s->nlimits, 1);
    assert_int_equal(s->limits[0].refused, 4);
    ax_stats_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_events, fix_setup, fix_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
