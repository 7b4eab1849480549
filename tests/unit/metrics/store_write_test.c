/* From the segment into the file: exact, in order, and late rather than never. */
#include "store_fixture.h"

#include <sys/mount.h>
#include <time.h>

#include "metrics/store_private.h"

static int64_t now_ms(void)
{
    return ax_mono_now().us / 1000;
}

static void test_exact(void **state)
{
    static const struct {
        unsigned worker;
        uint32_t route;
        unsigned status, times;
        const char *sql;
    } t[] = {
        {0, 1, 200, 5,
         "SELECT sum(count) FROM request_stats s JOIN routes r ON r.id = route_id WHERE pattern = '/a'"},
        {1, 2, 201, 7, "SELECT sum(count) FROM request_stats WHERE status = 2 AND worker = 1"},
        {1, 2, 500, 3, "SELECT sum(count) FROM request_stats WHERE status = 5"},
        {0, 0, 404, 11, "SELECT sum(count) FROM request_stats WHERE route_id = 0 AND status = 4"},
        {0, 3, 0, 13, "SELECT sum(count) FROM request_stats WHERE status = 0"},
    };
    struct fix *f = *state;

    for (size_t i = 0; i < AX_COUNT(t); i++)
        fix_count(f, t[i].worker, t[i].route, t[i].status, t[i].times);
    fix_write_ok(f, FIX_NOW);
    fix_write_ok(f, FIX_NOW + 1); /* nothing new: nothing twice */
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_int_equal(fix_int(f, t[i].sql), t[i].times);
    assert_int_equal(fix_int(f, "SELECT sum(bytes_in) FROM request_stats"), 390);
    assert_int_equal(fix_int(f, "SELECT sum(bytes_out) FROM request_stats"), 3900);
    assert_int_equal(fix_int(f, "SELECT sum(send_us) FROM request_stats"), 3 * 39);
    assert_int_equal(fix_int(f, "SELECT max(max_us) FROM request_stats"), 1 + 20 + 12 + 3);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM request_stats WHERE ts <> 1800000000 OR span <> 1"), 0);
}

static void test_differences(void **state)
{
    struct fix *f = *state;

    for (unsigned i = 1; i <= 20; i++) {
        fix_count(f, i % 2, 1, 200, i);
        fix_write_ok(f, FIX_NOW + i);
    }
    assert_int_equal(fix_int(f, "SELECT count(*) FROM request_stats WHERE count = ts - 1800000000"), 20);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 210);
    struct ax_stats *s = fix_query(f, AX_BY_ROUTE, NULL);
    assert_int_equal(s->total.requests, 210);
    ax_stats_free(s);
}

/* The largest of an interval, also when it is not the largest of all. */
static void test_interval_max(void **state)
{
    static const uint64_t us[] = {1000, 1000000, 2000, 50, 1000000};
    struct fix *f = *state;
    char sql[200];

    for (size_t i = 0; i < AX_COUNT(us); i++) {
        ax_count_request(ax_segment_worker(f->segment, 0), 1, 200, 0, 0, 0, us[i], 0);
        fix_write_ok(f, FIX_NOW + (int64_t)i);
        snprintf(sql, sizeof sql, "SELECT abs(max_us - %llu) * 50 <= %llu FROM request_stats WHERE ts = %lld",
                 (unsigned long long)us[i], (unsigned long long)us[i], (long long)FIX_NOW + (long long)i);
        assert_int_equal(fix_int(f, sql), 1);
    }
}

/* An engine that died and the one that replaced it, in one write; both have a worker 0. */
static void test_two_engines(void **state)
{
    struct fix *f = *state;
    struct ax_segment *other = fix_segment(1);
    struct ax_source *sources[] = {f->source, ax_source_new(other)};
    struct ax_server_sample sample = {0};

    ax_wstat_counters(ax_segment_worker(f->segment, 0))->connections = 5;
    ax_wstat_counters(ax_segment_worker(f->segment, 0))->accepted = 9;
    ax_wstat_counters(ax_segment_worker(other, 0))->connections = 3;
    ax_wstat_counters(ax_segment_worker(other, 0))->accepted = 4;
    fix_count(f, 0, 1, 200, 10);
    for (unsigned i = 0; i < 32; i++)
        ax_count_request(ax_segment_worker(other, 0), 1, 200, 0, 0, 0, 1, 0);
    ax_source_end(f->source);
    assert_int_equal(ax_store_write(f->store, sources, 2, &sample, fix_at(FIX_NOW), NULL), 0);
    assert_int_equal(fix_int(f, "SELECT count FROM request_stats"), 42);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM request_stats"), 1);
    assert_int_equal(fix_int(f, "SELECT connections FROM server_stats"), 3);
    assert_int_equal(fix_int(f, "SELECT accepted FROM server_stats"), 13);
    ax_source_free(sources[1]);
    ax_segment_free(other);
}

/* Ids outlive the server, also when the routes of a new generation come in another order. */
static void test_stable_routes(void **state)
{
    const struct ax_route_name names[] = {{AX_STR("GET"), AX_STR("/new"), AX_STR("n.js")},
                                          {AX_STR("GET"), AX_STR("/b/:id"), AX_STR("b.js#show")},
                                          {AX_STR("GET"), AX_STR("/a"), AX_STR("a.js")}};
    struct fix *f = *state;
    struct ax_segment *s = NULL;

    fix_count(f, 0, 1, 200, 1);
    fix_count(f, 0, 3, 200, 1);
    fix_write_ok(f, FIX_NOW);
    int64_t a = fix_int(f, "SELECT id FROM routes WHERE pattern = '/a'");
    int64_t b = fix_int(f, "SELECT id FROM routes WHERE handler = 'b.js#show'");
    fix_reopen(f, INT64_MAX, INT64_MAX);
    assert_int_equal(ax_segment_private(1, 3, &s, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, names, 3, NULL), 0);
    struct ax_source *src = ax_source_new(s);
    for (uint32_t route = 1; route <= 3; route++)
        ax_count_request(ax_segment_worker(s, 0), route, 200, 0, 0, 0, 0, 0);
    assert_int_equal(ax_store_write(f->store, &src, 1, NULL, fix_at(FIX_NOW + 1), NULL), 0);
    assert_int_equal(fix_int(f, "SELECT id FROM routes WHERE pattern = '/a'"), a);
    assert_int_equal(fix_int(f, "SELECT id FROM routes WHERE handler = 'b.js#show'"), b);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM routes"), 4);
    assert_int_equal(
        fix_int(f, "SELECT min(n) FROM (SELECT sum(count) n FROM request_stats s JOIN routes r ON r.id ="
                   " s.route_id WHERE pattern <> '/new' GROUP BY r.id)"),
        2);
    ax_source_free(src);
    ax_segment_free(s);
}

/* Counted before the engine has named its routes, or with a number that has no name. */
static void test_unnamed_routes(void **state)
{
    struct fix *f = *state;
    struct ax_segment *s = NULL;
    const struct ax_route_name name = {AX_STR("GET"), AX_STR("/late"), AX_STR("l.js")};

    assert_int_equal(ax_segment_private(1, 4, &s, NULL), 0);
    struct ax_source *src = ax_source_new(s);
    ax_count_request(ax_segment_worker(s, 0), 1, 200, 0, 0, 0, 0, 0);
    assert_int_equal(ax_store_write(f->store, &src, 1, NULL, fix_at(FIX_NOW), NULL), 0);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats WHERE route_id = 0"), 1);
    assert_int_equal(ax_segment_set_routes(s, &name, 1, NULL), 0);
    ax_count_request(ax_segment_worker(s, 0), 1, 200, 0, 0, 0, 0, 0);
    ax_count_request(ax_segment_worker(s, 0), 3, 200, 0, 0, 0, 0, 0);
    assert_int_equal(ax_store_write(f->store, &src, 1, NULL, fix_at(FIX_NOW + 1), NULL), 0);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats WHERE route_id = 0"), 2);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats s JOIN routes r ON r.id = s.route_id"
                                " WHERE pattern = '/late'"),
                     1);
    ax_source_free(src);
    ax_segment_free(s);
}

static void test_records(void **state)
{
    struct fix *f = *state;
    struct ax_request_record r = {
        .ts_us = FIX_NOW * 1000000LL + 5, .duration_us = 77, .route = 2, .status = 500};

    r.method_len = ax_record_text(r.method, sizeof r.method, AX_STR("POST"));
    r.path_len = ax_record_text(r.path, sizeof r.path, AX_STR("/b/7"));
    r.id_len = ax_record_text(r.id, sizeof r.id, AX_STR("abc"));
    r.remote_len = ax_record_text(r.remote, sizeof r.remote, AX_STR("127.0.0.1"));
    r.error_len = ax_record_text(r.error, sizeof r.error, AX_STR("thrown"));
    ax_record_request(ax_segment_worker(f->segment, 1), &r);
    r = (struct ax_request_record){.route = 99};
    ax_record_request(ax_segment_worker(f->segment, 0), &r);
    fix_write_ok(f, FIX_NOW);
    assert_int_equal(
        fix_int(f, "SELECT count(*) FROM requests q JOIN routes r ON r.id = q.route_id WHERE q.ts_us ="
                   " 1800000000000005 AND q.id = 'abc' AND q.method = 'POST' AND q.path = '/b/7' AND"
                   " r.handler = 'b.js#make' AND status = 500 AND duration_us = 77 AND worker = 1 AND"
                   " remote = '127.0.0.1' AND error = 'thrown'"),
        1);
    assert_int_equal(
        fix_int(f, "SELECT count(*) FROM requests WHERE route_id = 0 AND method = '-' AND path = '' AND"
                   " id IS NULL AND remote IS NULL AND error IS NULL"),
        1);
}

/* Nothing happens: one sample in ten seconds, none lost from the sums. */
static void test_quiet(void **state)
{
    struct fix *f = *state;

    for (int64_t i = 0; i < 30; i++)
        fix_write_ok(f, FIX_NOW + i);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM server_stats"), 3);
    fix_count(f, 0, 1, 200, 1);
    fix_write_ok(f, FIX_NOW + 30);
    assert_int_equal(fix_int(f, "SELECT sum(cpu_us) FROM server_stats"), 310);
    ax_count_set(&ax_wstat_counters(ax_segment_worker(f->segment, 0))->connections, 4);
    fix_write_ok(f, FIX_NOW + 31);
    assert_int_equal(fix_int(f, "SELECT connections FROM server_stats ORDER BY ts DESC LIMIT 1"), 4);
}

static sqlite3 *lock(const struct fix *f)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(ax_sql_exec(db, "BEGIN EXCLUSIVE; DELETE FROM events"), SQLITE_OK);
    return db;
}

static void unlock(sqlite3 *db)
{
    assert_int_equal(ax_sql_exec(db, "ROLLBACK"), SQLITE_OK);
    sqlite3_close(db);
}

static void test_locked(void **state)
{
    struct fix *f = *state;
    struct ax_err err = {0};

    fix_write_ok(f, FIX_NOW);
    sqlite3 *db = lock(f);
    int64_t start = now_ms();
    for (int64_t i = 1; i <= 5; i++) {
        fix_count(f, 0, 1, 200, 10);
        assert_int_equal(fix_write(f, FIX_NOW + i), -AX_E_DB);
    }
    assert_int_equal(ax_store_event(f->store, fix_at(FIX_NOW + 6), "start", "hello", &err), -AX_E_DB);
    assert_int_equal(err.os & 0xff, SQLITE_BUSY);
    assert_true(now_ms() - start < 3000);
    assert_int_equal(ax_store_waiting(f->store), 6);
    unlock(db);
    fix_write_ok(f, FIX_NOW + 7);
    assert_int_equal(ax_store_waiting(f->store), 0);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 50);
    assert_int_equal(fix_int(f, "SELECT count(DISTINCT ts) FROM request_stats"),
                     5); /* each at its own second */
    assert_int_equal(fix_int(f, "SELECT count(*) FROM events WHERE kind = 'start' AND text = 'hello'"), 1);
}

/* A new route whose row was rolled back gets its id later. */
static void test_failed_route(void **state)
{
    struct fix *f = *state;

    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        ax_sql_exec(db, "CREATE TRIGGER no BEFORE INSERT ON request_stats BEGIN SELECT raise(ABORT, 'no');"
                        " END"),
        SQLITE_OK);
    fix_count(f, 0, 1, 200, 1);
    assert_int_equal(fix_write(f, FIX_NOW), -AX_E_DB);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM routes"), 1);
    assert_int_equal(ax_sql_exec(db, "DROP TRIGGER no"), SQLITE_OK);
    sqlite3_close(db);
    fix_write_ok(f, FIX_NOW + 1);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats s JOIN routes r ON r.id = s.route_id"),
                     1);
}

/* Locked for an hour: memory stays bounded, counts stay exact, only the seconds become coarse. */
static void test_bounded(void **state)
{
    struct fix *f = *state;
    size_t most = 0;
    const unsigned seconds = 3600;
    struct ax_request_record r = {.status = 500};

    sqlite3 *db = lock(f);
    sqlite3_busy_timeout(f->store->db, 0); /* the hour need not pass */
    for (unsigned i = 0; i < seconds; i++) {
        fix_count(f, i % 2, i % 4, 200, 1 + i % 7);
        for (unsigned k = 0; k < 10; k++)
            ax_record_request(ax_segment_worker(f->segment, 0), &r);
        assert_int_equal(fix_write(f, FIX_NOW + i), -AX_E_DB);
        most = f->store->bytes > most ? f->store->bytes : most;
    }
    assert_true(ax_store_waiting(f->store) <= AX_STORE_BATCHES_MAX);
    assert_true(f->store->nrecords <= AX_STORE_RECORDS_MAX + AX_RING_RECORDS);
    assert_true(most <= AX_STORE_WAITING_MAX + (1 << 20));
    for (unsigned i = 0; i <= AX_STORE_EVENTS_MAX; i++) {
        int rc = ax_store_event(f->store, fix_at(FIX_NOW), "stall", "x", NULL);
        assert_int_equal(rc, i < AX_STORE_EVENTS_MAX ? -AX_E_DB : -AX_E_LIMIT);
    }
    unlock(db);
    fix_write_ok(f, FIX_NOW + seconds);
    uint64_t want = 0;
    for (unsigned i = 0; i < seconds; i++)
        want += 1 + i % 7;
    struct ax_stats *s = fix_query(f, AX_BY_ROUTE, NULL);
    assert_int_equal(s->total.requests, want);
    struct ax_counters c;
    ax_segment_read_counters(f->segment, 0, &c);
    assert_int_equal(s->server.dropped, c.dropped + 1); /* records that found no room, and one event */
    ax_stats_free(s);
    /* Each was written, or counted as dropped, or fills the ring for the next write. */
    fix_write_ok(f, FIX_NOW + seconds + 1);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM requests") + (int64_t)c.dropped, 10 * seconds);
    assert_int_equal(f->store->bytes, 0);
}

/* A full disk: the same as locked.  By SQLite's own page limit. */
static void test_full(void **state)
{
    struct fix *f = *state;
    int64_t pages = 0;
    char sql[80];

    fix_write_ok(f, FIX_NOW);
    assert_int_equal(ax_sql_int(f->store->db, "PRAGMA page_count", &pages), SQLITE_OK);
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld", (long long)pages);
    assert_int_equal(ax_sql_exec(f->store->db, sql), SQLITE_OK);
    int rc = 0;
    unsigned sent = 0;
    for (int64_t i = 1; i < 500 && rc == 0; i++) {
        fix_count(f, 0, 1, 200, 100);
        sent += 100;
        rc = fix_write(f, FIX_NOW + i);
    }
    assert_int_equal(rc, -AX_E_DB);
    assert_true(ax_store_waiting(f->store) > 0);
    assert_int_equal(ax_sql_exec(f->store->db, "PRAGMA max_page_count = 100000"), SQLITE_OK);
    fix_write_ok(f, FIX_NOW + 500);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), sent);
}

/* A really full disk, where a small one may be mounted. */
static void test_full_disk(void **state)
{
    struct fix *f = *state;
    char path[120], filler[120];
    int rc = 0;
    uint64_t sent = 0;

    if (mount("tmpfs", f->dir, "tmpfs", 0, "size=512k") < 0)
        skip();
    snprintf(path, sizeof path, "%s/full.db", f->dir);
    snprintf(filler, sizeof filler, "%s/filler", f->dir);
    struct ax_store *st = fix_open(path);
    FILE *out = fopen(filler, "w");
    for (unsigned i = 0; i < 1 << 20; i++)
        if (fputc('x', out) == EOF)
            break;
    fclose(out);
    for (int64_t i = 0; i < 500 && rc == 0; i++) {
        fix_count(f, 0, 1, 200, 100);
        sent += 100;
        rc = ax_store_write(st, &f->source, 1, NULL, fix_at(FIX_NOW + i), NULL);
    }
    unlink(filler);
    int after = ax_store_write(st, &f->source, 1, NULL, fix_at(FIX_NOW + 500), NULL);
    struct ax_stats_query q = {path, 0, fix_at(FIX_NOW + 1000).us, NULL, AX_BY_ROUTE};
    struct ax_stats *s = NULL;
    int asked = ax_store_query(&q, &s, NULL);
    uint64_t got = s ? s->total.requests : 0;
    ax_stats_free(s);
    ax_store_close(st);
    umount(f->dir);
    assert_int_equal(rc, -AX_E_DB);
    assert_int_equal(after, 0);
    assert_int_equal(asked, 0);
    assert_int_equal(got, sent);
}

/* No allocation that fails loses a count. */
static void test_no_memory(void **state)
{
    struct fix *f = *state;
    unsigned sent = 0;

    for (unsigned n = 1; n < 60; n++) {
        fix_count(f, n % 2, n % 4, 200 + 100 * (n % 4), 3);
        sent += 3;
        ax_fail_alloc_at(n % 20 + 1);
        (void)fix_write(f, FIX_NOW + n);
        ax_fail_alloc_at(0);
    }
    fix_write_ok(f, FIX_NOW + 100);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), sent);
}

/* An engine that wrote over its segment spoils its own figures, not the store. */
static void test_scribbled_segment(void **state)
{
    struct fix *f = *state;
    struct ax_series *series = (void *)(uintptr_t)ax_segment_series(f->segment, 0, 0);

    fix_count(f, 0, 1, 200, 4);
    memset(series, 0xff, 3 * sizeof *series);
    memset(ax_wstat_counters(ax_segment_worker(f->segment, 0)), 0xff, sizeof(struct ax_counters));
    fix_write_ok(f, FIX_NOW);
    memset(series, 0, 3 * sizeof *series);
    memset(ax_wstat_counters(ax_segment_worker(f->segment, 0)), 0, sizeof(struct ax_counters));
    fix_count(f, 0, 0, 200, 1);
    fix_write_ok(f, FIX_NOW + 1);
    assert_int_equal(ax_store_fold(f->store, fix_at(FIX_NOW + 5000), NULL), 0);
    struct ax_stats *s = fix_query(f, AX_BY_ROUTE, "/a");
    assert_int_equal(s->total.requests, 4);
    ax_stats_free(s);
    ax_stats_free(fix_query(f, AX_BY_STATUS, NULL));
}

static void test_close_writes(void **state)
{
    struct fix *f = *state;

    sqlite3 *db = lock(f);
    fix_count(f, 0, 1, 200, 8);
    assert_int_equal(fix_write(f, FIX_NOW), -AX_E_DB);
    unlock(db);
    fix_close(f);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 8);
}

/* One process writes down how far it has counted, and the next goes on from there: exact. */
static void test_over_to_another(void **state)
{
    struct fix *f = *state;
    struct ax_segment *notes = NULL, *other = fix_segment(1);
    struct ax_source *next = ax_source_new(f->segment);
    struct ax_err err = {0};
    int fd = -1;

    fix_count(f, 0, 1, 200, 5);
    fix_count(f, 1, 2, 500, 3);
    fix_write_ok(f, FIX_NOW);
    assert_int_equal(ax_segment_like(f->segment, &notes, &fd, &err), 0);
    assert_int_equal(ax_source_save(f->source, notes, &err), 0);
    assert_int_equal(ax_source_save(f->source, other, &err), -AX_E_PROTO);
    fix_count(f, 0, 1, 200, 2);
    fix_count(f, 1, 3, 200, 1);
    assert_int_equal(ax_source_load(next, other, NULL), -AX_E_PROTO);
    assert_int_equal(ax_source_load(next, notes, NULL), 0);
    ax_source_free(f->source);
    f->source = next;
    fix_reopen(f, INT64_MAX, INT64_MAX);
    fix_write_ok(f, FIX_NOW + 1);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 11);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats WHERE ts = 1800000001"), 3);
    close(fd);
    ax_segment_free(notes);
    ax_segment_free(other);
}

static void test_no_memory_for_notes(void **state)
{
    struct fix *f = *state;
    struct ax_segment *notes = NULL;
    int fd = -1, rc = -1;

    fix_count(f, 0, 1, 200, 5);
    fix_write_ok(f, FIX_NOW);
    assert_int_equal(ax_segment_like(f->segment, &notes, &fd, NULL), 0);
    assert_int_equal(ax_source_save(f->source, notes, NULL), 0);
    for (unsigned n = 1; rc < 0; n++) {
        struct ax_err err = {0};
        struct ax_source *next = ax_source_new(f->segment);
        ax_fail_alloc_at(n);
        rc = ax_source_load(next, notes, &err);
        ax_fail_alloc_at(0);
        assert_int_equal(err.code, rc < 0 ? AX_E_NOMEM : AX_OK);
        ax_source_free(next);
    }
    close(fd);
    ax_segment_free(notes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIX_TEST(test_exact),           FIX_TEST(test_differences),
        FIX_TEST(test_interval_max),    FIX_TEST(test_two_engines),
        FIX_TEST(test_stable_routes),   FIX_TEST(test_unnamed_routes),
        FIX_TEST(test_records),         FIX_TEST(test_quiet),
        FIX_TEST(test_locked),          FIX_TEST(test_failed_route),
        FIX_TEST(test_bounded),         FIX_TEST(test_full),
        FIX_TEST(test_full_disk),       FIX_TEST(test_no_memory),
        FIX_TEST(test_close_writes),    FIX_TEST(test_scribbled_segment),
        FIX_TEST(test_over_to_another), FIX_TEST(test_no_memory_for_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
