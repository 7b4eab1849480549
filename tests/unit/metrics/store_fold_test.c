/* Old rows become coarse without losing a count, and the file stays small. */
#include "store_fixture.h"

#include "metrics/store_private.h"

static void fold(struct fix *f, int64_t seconds)
{
    struct ax_err err = {0};

    if (ax_store_fold(f->store, fix_at(seconds), &err) < 0)
        fail_msg("fold: %s", err.msg);
}

/* Everything that a fold must not change. */
struct totals {
    int64_t count, bytes, us, max, p50, p99, accepted;
};

static struct totals totals_of(const struct fix *f)
{
    struct ax_stats *s = fix_query(f, AX_BY_ROUTE, NULL);
    struct totals t = {
        .count = (int64_t)s->total.requests,
        .bytes = (int64_t)(s->total.bytes_in + s->total.bytes_out),
        .us = fix_int(f, "SELECT sum(queue_us) + sum(handler_us) + sum(send_us) FROM request_stats"),
        .max = (int64_t)s->total.latency.max,
        .p50 = (int64_t)s->total.latency.p50,
        .p99 = (int64_t)s->total.latency.p99,
        .accepted = (int64_t)s->server.accepted};
    ax_stats_free(s);
    return t;
}

static int64_t rows(const struct fix *f, int span)
{
    char sql[100];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM request_stats WHERE span = %d", span);
    return fix_int(f, sql);
}

static void fill(struct fix *f, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        fix_count(f, i % 2, 1 + i % 3, i % 5 ? 200 : 500, 1 + i % 30);
        ax_count_add(&ax_wstat_counters(ax_segment_worker(f->segment, 0))->accepted, 1);
        ax_count_set(&ax_wstat_counters(ax_segment_worker(f->segment, 0))->connections, i % 50);
        fix_write_ok(f, FIX_NOW + i);
    }
}

static void test_steps(void **state)
{
    static const struct {
        int64_t after; /* seconds */
        int64_t has[AX_STORE_STEPS], not_has[AX_STORE_STEPS];
    } t[] = {
        {60, {1}, {10, 60, 600}},
        {300 + 610, {10}, {1, 60, 600}},
        {300 + 3 * 3600 + 60, {60}, {1, 10, 600}},
        {300 + 48 * 3600 + 600, {600}, {1, 10, 60}},
        {300 + 400 * 86400, {600}, {1, 10, 60}},
    };
    struct fix *f = *state;

    fill(f, 300);
    struct totals before = totals_of(f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        fold(f, FIX_NOW + t[i].after);
        struct totals after = totals_of(f);
        assert_memory_equal(&before, &after, sizeof before);
        for (unsigned k = 0; k < AX_STORE_STEPS; k++) {
            assert_true(!t[i].has[k] || rows(f, (int)t[i].has[k]) > 0);
            assert_true(!t[i].not_has[k] || rows(f, (int)t[i].not_has[k]) == 0);
        }
    }
    assert_int_equal(fix_int(f, "SELECT count(*) FROM request_stats"), 6); /* 3 routes, 2 classes, one span */
    assert_int_equal(fix_int(f, "SELECT count(*) FROM request_stats WHERE ts % span <> 0 OR worker NOT NULL"),
                     0);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM server_stats"), 1);
    assert_int_equal(fix_int(f, "SELECT connections FROM server_stats"), 49);
}

/* Second by second, as the server does it. */
static void test_running(void **state)
{
    struct fix *f = *state;
    int64_t sent = 0;

    for (int64_t i = 0; i < 2000; i++) {
        fix_count(f, 0, 1, 200, 1);
        sent++;
        fix_write_ok(f, FIX_NOW + i);
        fold(f, FIX_NOW + i);
    }
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), sent);
    assert_in_range(rows(f, 1), 600, 610);
    assert_in_range(rows(f, 10), 139, 140);
    assert_int_equal(
        fix_int(f, "SELECT count(*) FROM (SELECT 1 FROM request_stats GROUP BY ts, span, route_id, status,"
                   " worker HAVING count(*) > 1)"),
        0);
}

static void test_nothing_to_do(void **state)
{
    struct fix *f = *state;

    fold(f, FIX_NOW);
    fold(f, FIX_NOW + 1);
    fold(f, FIX_NOW - 100000); /* the clock was set back */
    fold(f, 5);
    fix_count(f, 0, 1, 200, 1);
    fix_write_ok(f, FIX_NOW);
    fold(f, FIX_NOW);
    assert_int_equal(rows(f, 1), 1);
}

static void test_retention(void **state)
{
    struct fix *f = *state;
    struct ax_request_record r = {.ts_us = FIX_NOW * 1000000LL, .status = 500};

    fix_reopen(f, 3600 * 1000000LL, INT64_MAX);
    fix_count(f, 0, 1, 200, 10);
    ax_record_request(ax_segment_worker(f->segment, 0), &r);
    fix_write_ok(f, FIX_NOW);
    assert_int_equal(ax_store_event(f->store, fix_at(FIX_NOW), "start", "x", NULL), 0);
    fold(f, FIX_NOW + 3599);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 10);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM requests"), 1);
    fix_count(f, 0, 1, 200, 5);
    fix_write_ok(f, FIX_NOW + 3599);
    fold(f, FIX_NOW + 3620);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 5);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM requests"), 0);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM events"), 0);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM server_stats"), 1);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM routes"), 2); /* names stay */
}

/* The clock leaps by hours and comes back: nothing was too old.  One that stays where it is, is believed. */
static void test_clock_leaps(void **state)
{
    struct fix *f = *state;

    fix_reopen(f, 3600 * 1000000LL, INT64_MAX);
    fix_count(f, 0, 1, 200, 10);
    fix_write_ok(f, FIX_NOW);
    fold(f, FIX_NOW);
    fix_count(f, 0, 1, 200, 5);
    fix_write_ok(f, FIX_NOW + 10 * 3600);
    fold(f, FIX_NOW + 10 * 3600);
    fold(f, FIX_NOW + 10 * 3600 + 30);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 15);
    fix_count(f, 0, 1, 200, 3);
    fix_write_ok(f, FIX_NOW - 5 * 3600); /* too far back */
    fold(f, FIX_NOW - 5 * 3600);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 18);
    fold(f, FIX_NOW + 1); /* set right: a leap again */
    fold(f, FIX_NOW + 60);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 18);
    f->store->expire_at.us = 0; /* an hour later */
    fold(f, FIX_NOW + 90);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 15);
}

/* Many different histograms and records until the file would pass its ceiling. */
static void test_ceiling(void **state)
{
    const int64_t ceiling = 512 * 1024;
    struct fix *f = *state;
    struct ax_request_record r = {.status = 500};
    struct stat sb;
    off_t most = 0;

    fix_reopen(f, INT64_MAX, ceiling);
    r.path_len = AX_RECORD_PATH;
    memset(r.path, 'p', sizeof r.path);
    for (int64_t i = 0; i < 1500; i++) {
        fix_count(f, i % 2, 1 + (uint32_t)i % 3, 200, 40);
        r.ts_us = (FIX_NOW + i) * 1000000;
        for (unsigned k = 0; k < 4; k++)
            ax_record_request(ax_segment_worker(f->segment, 0), &r);
        fix_write_ok(f, FIX_NOW + i);
        fold(f, FIX_NOW + i);
        assert_int_equal(stat(f->path, &sb), 0);
        most = sb.st_size > most ? sb.st_size : most;
    }
    assert_true(most <= ceiling + ceiling / 8);
    assert_true(fix_int(f, "SELECT count(*) FROM events WHERE kind = 'limit' AND text LIKE 'metrics.size%'") >
                0);
    assert_true(fix_int(f, "SELECT count(*) FROM events WHERE kind = 'limit'") < 100);
    /* The newest are there, the oldest are not. */
    assert_int_equal(fix_int(f, "SELECT count(*) FROM requests WHERE ts_us >= 1800001499000000"), 4);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM requests WHERE ts_us < 1800000100000000"), 0);
    assert_true(fix_int(f, "SELECT count(*) FROM request_stats WHERE span = 1") > 50);
}

/* A lower ceiling than before: the file really shrinks. */
static void test_shrinks(void **state)
{
    struct fix *f = *state;
    struct ax_request_record r = {.status = 500, .path_len = AX_RECORD_PATH};
    struct stat before, after;

    memset(r.path, 'p', sizeof r.path);
    for (int64_t i = 0; i < 20; i++) {
        r.ts_us = (FIX_NOW + i) * 1000000;
        for (unsigned k = 0; k < AX_RING_RECORDS; k++)
            ax_record_request(ax_segment_worker(f->segment, 0), &r);
        fix_write_ok(f, FIX_NOW + i);
    }
    fix_reopen(f, INT64_MAX, 1 << 20);
    assert_int_equal(stat(f->path, &before), 0);
    fold(f, FIX_NOW + 30);
    assert_int_equal(stat(f->path, &after), 0);
    assert_true(before.st_size > 5 << 20);
    assert_true(after.st_size <= 1 << 20);
    assert_true(fix_int(f, "SELECT count(*) FROM requests") > 1000);
}

static void test_locked(void **state)
{
    struct fix *f = *state;
    sqlite3 *db = NULL;

    fill(f, 20);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(ax_sql_exec(db, "BEGIN EXCLUSIVE; DELETE FROM events"), SQLITE_OK);
    assert_int_equal(ax_store_fold(f->store, fix_at(FIX_NOW + 700), NULL), -AX_E_DB);
    assert_int_equal(ax_sql_exec(db, "ROLLBACK"), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(rows(f, 10), 0);
    fold(f, FIX_NOW + 700); /* what was not done is still due */
    assert_int_equal(rows(f, 1), 0);
}

/* A histogram that somebody has spoiled costs itself, not the folding. */
static void test_spoiled_histogram(void **state)
{
    struct fix *f = *state;

    fill(f, 20);
    int64_t count = fix_int(f, "SELECT sum(count) FROM request_stats");
    fix_exec(f, "UPDATE request_stats SET histogram = x'ffff' WHERE ts = 1800000003");
    fold(f, FIX_NOW + 700);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), count);
    ax_stats_free(fix_query(f, AX_BY_ROUTE, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIX_TEST(test_steps),     FIX_TEST(test_running),     FIX_TEST(test_nothing_to_do),
        FIX_TEST(test_retention), FIX_TEST(test_clock_leaps), FIX_TEST(test_ceiling),
        FIX_TEST(test_shrinks),   FIX_TEST(test_locked),      FIX_TEST(test_spoiled_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
