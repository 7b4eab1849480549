/* The life of the file: made, kept, set aside, refused. */
#include "store_fixture.h"

#include <fcntl.h>

static void test_schema(void **state)
{
    static const struct {
        const char *table, *columns;
    } t[] = {
        {"routes", "id,method,pattern,handler"},
        {"request_stats",
         "ts,span,route_id,status,worker,count,bytes_in,bytes_out,queue_us,handler_us,send_us,max_us,"
         "histogram"},
        {"requests",
         "ts_us,id,method,path,route_id,status,duration_us,bytes_in,bytes_out,worker,remote,error"},
        {"server_stats",
         "ts,span,rss_bytes,cpu_us,connections,inflight,accepted,pool_high,pool_dry,cache_hits,"
         "cache_misses,late_sends,worker_restarts,dropped"},
        {"events", "ts_us,kind,text"},
    };
    struct fix *f = *state;
    char sql[700];

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        snprintf(sql, sizeof sql, "SELECT (SELECT group_concat(name) FROM pragma_table_info('%s')) = '%s'",
                 t[i].table, t[i].columns);
        assert_int_equal(fix_int(f, sql), 1);
    }
    assert_int_equal(fix_int(f, "PRAGMA user_version"), AX_STORE_SCHEMA);
    assert_int_equal(fix_int(f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    assert_int_equal(fix_int(f, "SELECT id FROM routes WHERE pattern = '(none)' AND method = '-'"), 0);
    assert_null(ax_store_set_aside(f->store));
}

static void test_reopen_keeps(void **state)
{
    struct fix *f = *state;

    fix_count(f, 0, 1, 200, 7);
    fix_write_ok(f, FIX_NOW);
    fix_reopen(f, INT64_MAX, INT64_MAX);
    assert_null(ax_store_set_aside(f->store));
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 7);
    fix_close(f);
    assert_string_equal(fix_find(f, "metrics.db-"), ""); /* a clean stop leaves one file */
}

static void expect_aside(struct fix *f, const char *prefix)
{
    f->store = fix_open(f->path);
    assert_non_null(ax_store_set_aside(f->store));
    assert_string_not_equal(fix_find(f, prefix), "");
    assert_non_null(strstr(ax_store_set_aside(f->store), fix_find(f, prefix)));
    fix_count(f, 0, 1, 200, 3);
    fix_write_ok(f, FIX_NOW + 1);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 3);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM events WHERE text LIKE '%set aside as%'"), 1);
}

static void test_newer(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    fix_exec(f, "PRAGMA user_version = 3");
    expect_aside(f, "metrics.db.v3");
}

static void test_newer_twice(void **state)
{
    struct fix *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        fix_close(f);
        fix_exec(f, "PRAGMA user_version = 3");
        f->store = fix_open(f->path);
    }
    assert_string_not_equal(fix_find(f, "metrics.db.v3."), "");
}

static void test_newer_without_our_mark(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    unlink(f->path);
    fix_exec(f, "CREATE TABLE request_stats(x); PRAGMA user_version = 99");
    expect_aside(f, "metrics.db.v99");
}

static void spoil(const char *path, off_t at, size_t n)
{
    int fd = open(path, O_WRONLY);
    char junk[64];

    memset(junk, 0x5a, sizeof junk);
    for (; n; n -= n < sizeof junk ? n : sizeof junk, at += sizeof junk)
        assert_true(pwrite(fd, junk, n < sizeof junk ? n : sizeof junk, at) > 0);
    close(fd);
}

static void test_corrupt_head(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    spoil(f->path, 0, 100);
    expect_aside(f, "metrics.db.corrupt-");
}

static void test_corrupt_page(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    spoil(f->path, 4096, 8192);
    expect_aside(f, "metrics.db.corrupt-");
}

static void test_no_database_at_all(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    FILE *out = fopen(f->path, "w");
    for (unsigned i = 0; i < 1000; i++)
        fputs("this is a text\n", out);
    fclose(out);
    expect_aside(f, "metrics.db.corrupt-");
}

static void test_wrong_tables(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    fix_exec(f, "ALTER TABLE request_stats RENAME COLUMN send_us TO other");
    expect_aside(f, "metrics.db.corrupt-");
}

/* Corrupted under a running server: what waits goes into the new file. */
static void test_corrupt_while_open(void **state)
{
    struct fix *f = *state;

    for (unsigned i = 0; i < 50; i++) {
        fix_count(f, 0, 1, 200, 1);
        fix_write_ok(f, FIX_NOW + i);
    }
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(ax_sql_exec(db, "PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE; INSERT INTO events "
                                     "VALUES(1, 'start', 'x'); COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"),
                     SQLITE_OK);
    sqlite3_close(db);
    spoil(f->path, 4096, 4096 * 9);
    fix_count(f, 0, 1, 200, 5);
    fix_write_ok(f, FIX_NOW + 100);
    assert_int_equal(ax_store_waiting(f->store), 0);
    assert_non_null(strstr(ax_store_set_aside(f->store), ".corrupt-"));
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 5);
}

/* rm metrics.db while the server runs: the next write makes a new file. */
static void test_removed_while_open(void **state)
{
    struct fix *f = *state;
    char log[128];

    fix_count(f, 0, 2, 200, 4);
    fix_write_ok(f, FIX_NOW);
    unlink(f->path);
    snprintf(log, sizeof log, "%s-wal", f->path);
    unlink(log);
    snprintf(log, sizeof log, "%s-shm", f->path);
    unlink(log);
    fix_count(f, 0, 2, 200, 6);
    fix_write_ok(f, FIX_NOW + 1);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 6);
    assert_int_equal(fix_int(f, "SELECT count(*) FROM routes"), 2);
}

static void test_refused(void **state)
{
    struct fix *f = *state;
    struct ax_store *st = NULL;
    struct ax_err err = {0};
    struct ax_store_options o = {"/nonexistent/metrics.db", INT64_MAX, INT64_MAX};

    assert_int_equal(ax_store_open(&o, &st, &err), -AX_E_DB);
    assert_non_null(strstr(err.msg, "/nonexistent/metrics.db"));
    fix_close(f);
    unlink(f->path);
    fix_exec(f, "CREATE TABLE customers(name); INSERT INTO customers VALUES('x')");
    o.path = f->path;
    err = (struct ax_err){0};
    assert_int_equal(ax_store_open(&o, &st, &err), -AX_E_DB);
    assert_non_null(strstr(err.msg, "another program"));
    assert_int_equal(fix_int(f, "SELECT count(*) FROM customers"), 1);
    assert_null(st);
}

static void test_empty_file(void **state)
{
    struct fix *f = *state;

    fix_close(f);
    assert_int_equal(truncate(f->path, 0), 0);
    f->store = fix_open(f->path);
    assert_null(ax_store_set_aside(f->store));
    fix_count(f, 0, 1, 200, 1);
    fix_write_ok(f, FIX_NOW);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 1);
}

/* Somebody holds the file when the server starts: it starts, and writes later. */
static void test_locked_at_open(void **state)
{
    struct fix *f = *state;
    sqlite3 *db = NULL;

    fix_close(f);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(ax_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM events"),
                     SQLITE_OK);
    f->store = fix_open(f->path);
    fix_count(f, 0, 1, 200, 9);
    assert_int_equal(fix_write(f, FIX_NOW), -AX_E_DB);
    assert_int_equal(ax_store_fold(f->store, fix_at(FIX_NOW), NULL), -AX_E_DB);
    assert_int_equal(ax_store_waiting(f->store), 1);
    assert_int_equal(ax_sql_exec(db, "ROLLBACK"), SQLITE_OK);
    sqlite3_close(db);
    fix_write_ok(f, FIX_NOW + 1);
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 9);
}

static void test_in_memory(void **state)
{
    struct fix *f = *state;
    struct ax_store *st = fix_open(NULL);
    struct ax_stats_query q = {NULL, 0, fix_at(FIX_NOW + 10).us, NULL, AX_BY_ROUTE};
    struct ax_stats *got = NULL;

    fix_count(f, 1, 3, 503, 11);
    assert_int_equal(ax_store_write(st, &f->source, 1, NULL, fix_at(FIX_NOW), NULL), 0);
    assert_int_equal(ax_store_fold(st, fix_at(FIX_NOW + 100000), NULL), 0);
    assert_int_equal(ax_store_query_live(st, &q, &got, NULL), 0);
    assert_int_equal(got->total.errors, 11);
    ax_stats_free(got);
    ax_store_close(st);
}

static void test_no_memory(void **state)
{
    struct fix *f = *state;
    struct ax_store_options o = {f->path, INT64_MAX, INT64_MAX};
    struct ax_store *st = NULL;
    struct ax_source *src = NULL;

    fix_close(f);
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_store_open(&o, &st, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
        assert_null(st);
    }
    ax_store_close(st);
    for (unsigned n = 1; !src; n++) {
        ax_fail_alloc_at(n);
        src = ax_source_new(f->segment);
        ax_fail_alloc_at(0);
    }
    ax_source_free(src);
    ax_source_free(NULL);
    ax_store_close(NULL);
}

static void test_no_memory_aside(void **state)
{
    struct fix *f = *state;
    struct ax_store_options o = {f->path, INT64_MAX, INT64_MAX};

    fix_close(f);
    for (unsigned n = 1; !f->store; n++) {
        struct ax_err err = {0};
        if (fix_find(f, "metrics.db.v7")[0] == '\0')
            fix_exec(f, "PRAGMA user_version = 7");
        ax_fail_alloc_at(n);
        int rc = ax_store_open(&o, &f->store, &err);
        ax_fail_alloc_at(0);
        if (rc < 0)
            assert_int_equal(err.code, AX_E_NOMEM);
        assert_true((rc == 0) == (f->store != NULL));
    }
    assert_string_not_equal(fix_find(f, "metrics.db.v7"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIX_TEST(test_schema),
        FIX_TEST(test_reopen_keeps),
        FIX_TEST(test_newer),
        FIX_TEST(test_newer_twice),
        FIX_TEST(test_newer_without_our_mark),
        FIX_TEST(test_corrupt_head),
        FIX_TEST(test_corrupt_page),
        FIX_TEST(test_no_database_at_all),
        FIX_TEST(test_wrong_tables),
        FIX_TEST(test_corrupt_while_open),
        FIX_TEST(test_removed_while_open),
        FIX_TEST(test_refused),
        FIX_TEST(test_empty_file),
        FIX_TEST(test_locked_at_open),
        FIX_TEST(test_in_memory),
        FIX_TEST(test_no_memory),
        FIX_TEST(test_no_memory_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
