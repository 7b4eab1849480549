/* What the reader answers, and from where it can read; the queries of docs/metrics.md too. */
#include "store_fixture.h"

#include <fcntl.h>

/* 600 s: a quarter of the requests fail on worker 1. */
static void fill(struct fix *f)
{
    struct ax_request_record r = {
        .ts_us = FIX_NOW * 1000000LL, .duration_us = 300000, .route = 2, .status = 500};

    r.method_len = ax_record_text(r.method, sizeof r.method, AX_STR("POST"));
    r.path_len = ax_record_text(r.path, sizeof r.path, AX_STR("/b/7"));
    for (unsigned i = 0; i < 600; i++) {
        fix_count(f, 0, 1, 200, 2);
        fix_count(f, 1, 2, i % 2 ? 500 : 201, 1);
        fix_count(f, 0, 0, 404, i == 0 ? 3 : 0);
        if (i % 100 == 0)
            ax_record_request(ax_segment_worker(f->segment, 1), &r);
        ax_count_add(&ax_wstat_counters(ax_segment_worker(f->segment, 0))->cache_hits, 2);
        fix_write_ok(f, FIX_NOW + i);
    }
    assert_int_equal(ax_store_event(f->store, fix_at(FIX_NOW), "start", "started", NULL), 0);
    assert_int_equal(ax_store_event(f->store, fix_at(FIX_NOW + 50), "crash", "the engine died", NULL), 0);
}

static struct ax_stats *ask(const struct fix *f, int64_t since, int64_t until, enum ax_stats_by by,
                            const char *route)
{
    struct ax_stats_query q = {f->path, since * 1000000, until * 1000000, route, by};
    struct ax_stats *s = NULL;

    assert_int_equal(ax_store_query(&q, &s, NULL), 0);
    return s;
}

static void test_by_route(void **state)
{
    struct fix *f = *state;

    fill(f);
    struct ax_stats *s = ask(f, FIX_NOW, FIX_NOW + 600, AX_BY_ROUTE, NULL);
    assert_int_equal(s->nrows, 3);
    assert_int_equal(s->total.requests, 1803);
    assert_int_equal(s->total.errors, 300);
    assert_int_equal(s->total.status[4], 3);
    assert_true(s->total.rps > 3.0 && s->total.rps < 3.01);
    assert_string_equal(s->rows[0].pattern, "/a");
    assert_string_equal(s->rows[0].method, "GET");
    assert_string_equal(s->rows[0].handler, "a.js");
    assert_int_equal(s->rows[0].requests, 1200);
    assert_int_equal(s->rows[0].bytes_out, 120000);
    assert_int_equal(s->rows[0].handler_us, 20);
    assert_int_equal(s->rows[0].queue_us, 1);
    assert_int_equal(s->rows[0].send_us, 3);
    assert_int_equal(s->rows[0].latency.mean, 24);
    assert_int_equal(s->rows[0].latency.p50, 24);
    assert_int_equal(s->rows[0].latency.max, 25);
    assert_null(s->rows[0].key);
    assert_string_equal(s->rows[1].pattern, "/b/:id");
    assert_int_equal(s->rows[1].status[2], 300);
    assert_int_equal(s->rows[1].status[5], 300);
    assert_string_equal(s->rows[2].pattern, "(none)");
    assert_int_equal(s->rows[2].requests, 3);
    assert_int_equal(s->server.cache_hits, 1200);
    assert_int_equal(s->server.rss_bytes, 1000);
    assert_int_equal(s->nevents, 2);
    assert_string_equal(s->events[1].kind, "crash");
    assert_int_equal(s->last_request_us, (FIX_NOW + 599) * 1000000LL);
    ax_stats_free(s);
}

static void test_windows(void **state)
{
    static const struct {
        int64_t since, until;
        uint64_t requests, events;
    } t[] = {
        {0, 600, 1803, 2}, {0, 1, 6, 1},      {1, 2, 3, 0},    {10, 20, 30, 0},
        {-50, 0, 0, 0},    {600, 1000, 0, 0}, {50, 60, 30, 1},
    };
    struct fix *f = *state;

    fill(f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_stats *s = ask(f, FIX_NOW + t[i].since, FIX_NOW + t[i].until, AX_BY_ROUTE, NULL);
        assert_int_equal(s->total.requests, t[i].requests);
        assert_int_equal(s->nevents, t[i].events);
        assert_true(s->last_request_us > 0);
        ax_stats_free(s);
    }
}

static void test_by_route_filter(void **state)
{
    static const struct {
        const char *route;
        uint64_t requests;
    } t[] = {{"/a", 1200},      {"GET /a", 1200}, {"POST /a", 0}, {"/b/:id", 600}, {"POST /b/:id", 600},
             {"GET /b/:id", 0}, {"(none)", 3},    {"/b", 0},      {"' OR 1 --", 0}};
    struct fix *f = *state;

    fill(f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_stats *s = ask(f, FIX_NOW, FIX_NOW + 600, AX_BY_ROUTE, t[i].route);
        assert_int_equal(s->total.requests, t[i].requests);
        assert_int_equal(s->nrows, t[i].requests ? 1 : 0);
        ax_stats_free(s);
    }
}

static void test_by_others(void **state)
{
    struct fix *f = *state;

    fill(f);
    struct ax_stats *s = ask(f, FIX_NOW, FIX_NOW + 600, AX_BY_STATUS, NULL);
    assert_int_equal(s->nrows, 3);
    assert_string_equal(s->rows[0].key, "2xx");
    assert_int_equal(s->rows[0].requests, 1500);
    assert_string_equal(s->rows[1].key, "5xx");
    assert_int_equal(s->rows[1].errors, 300);
    assert_string_equal(s->rows[2].key, "4xx");
    ax_stats_free(s);

    s = ask(f, FIX_NOW, FIX_NOW + 600, AX_BY_WORKER, NULL);
    assert_int_equal(s->nrows, 2);
    assert_string_equal(s->rows[0].key, "0");
    assert_int_equal(s->rows[0].requests, 1203);
    ax_stats_free(s);

    s = ask(f, FIX_NOW, FIX_NOW + 600, AX_BY_TIME, NULL);
    assert_int_equal(s->nrows, 60);
    assert_string_equal(s->rows[0].key, "2027-01-15T08:00:00.000Z");
    assert_int_equal(s->rows[0].requests, 33);
    assert_string_equal(s->rows[1].key, "2027-01-15T08:00:10.000Z");
    assert_true(s->rows[1].rps > 2.99 && s->rows[1].rps < 3.01);
    ax_stats_free(s);

    assert_int_equal(ax_store_fold(f->store, fix_at(FIX_NOW + 2000), NULL), 0);
    s = ask(f, FIX_NOW, FIX_NOW + 20, AX_BY_TIME, NULL); /* not finer than what is stored */
    assert_int_equal(s->nrows, 2);
    ax_stats_free(s);
    s = ask(f, FIX_NOW, FIX_NOW + 600, AX_BY_WORKER, NULL);
    assert_int_equal(s->nrows, 1);
    assert_string_equal(s->rows[0].key, "-");
    assert_int_equal(s->rows[0].requests, 1803);
    ax_stats_free(s);
}

static void test_empty(void **state)
{
    struct fix *f = *state;

    for (int by = AX_BY_ROUTE; by <= AX_BY_WORKER; by++) {
        struct ax_stats *s = fix_query(f, (enum ax_stats_by)by, NULL);
        assert_int_equal(s->nrows, 0);
        assert_int_equal(s->total.requests, 0);
        assert_int_equal(s->last_request_us, 0);
        ax_stats_free(s);
    }
    ax_stats_free(NULL);
}

/* ---- where it can read */

static void test_refusals(void **state)
{
    struct fix *f = *state;
    char path[120];
    struct ax_stats_query q = {.path = "/nonexistent/metrics.db", .until_us = 1};
    struct ax_stats *s = NULL;
    struct ax_err err = {0};

    assert_int_equal(ax_store_query(&q, &s, &err), -AX_E_MISSING);
    snprintf(path, sizeof path, "%s/text", f->dir);
    FILE *out = fopen(path, "w");
    fputs("no database, but some text that is long enough to be looked at as one", out);
    fclose(out);
    q.path = path;
    assert_int_equal(ax_store_query(&q, &s, NULL), -AX_E_DB);
    assert_int_equal(truncate(path, 0), 0);
    err = (struct ax_err){0};
    assert_int_equal(ax_store_query(&q, &s, &err), -AX_E_DB);
    assert_non_null(strstr(err.msg, "no metrics database"));
    q.path = f->path;
    fix_exec(f, "PRAGMA user_version = 7");
    err = (struct ax_err){0};
    assert_int_equal(ax_store_query(&q, &s, &err), -AX_E_DB);
    assert_non_null(strstr(err.msg, "newer"));
    assert_null(s);
}

/* As another user, who may write neither the file nor its folder.  Requests found; -1 = not allowed. */
static int64_t ask_as_nobody(const struct fix *f)
{
    struct ax_stats_query q = {f->path, 0, fix_at(FIX_NOW + 10000).us, NULL, AX_BY_ROUTE};
    struct ax_stats *s = NULL;
    struct ax_err err = {0};

    assert_int_equal(setegid(65534), 0);
    assert_int_equal(seteuid(65534), 0);
    int rc = ax_store_query(&q, &s, &err);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(setegid(0), 0);
    if (rc < 0)
        print_message("%s\n", err.msg);
    int64_t n = rc < 0 ? -1 : (int64_t)s->total.requests;
    ax_stats_free(s);
    return n;
}

static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    for (ssize_t n; (n = read(in, buf, sizeof buf)) > 0;)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
}

static void test_read_only(void **state)
{
    struct fix *f = *state;

    if (getuid() != 0)
        skip();
    fill(f);
    chmod(f->dir, 0755);
    chmod(f->path, 0644);
    assert_int_equal(ask_as_nobody(f), 1803); /* while the server runs */
    fix_close(f);
    assert_string_equal(fix_find(f, "metrics.db-"), "");
    assert_int_equal(ask_as_nobody(f), 1803); /* while it is down */
    assert_string_equal(fix_find(f, "metrics.db-"), "");
    assert_int_equal(fix_int(f, "SELECT sum(count) FROM request_stats"), 1803);
}

/* A supervisor that was killed leaves its log; what is in there counts. */
static void test_after_kill(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct fix *f = *state;
    char from[120], to[120], base[96];

    if (getuid() != 0)
        skip();
    fill(f);
    snprintf(base, sizeof base, "%s/killed.db", f->dir);
    for (size_t i = 0; i < AX_COUNT(ends); i++) {
        snprintf(from, sizeof from, "%s%s", f->path, ends[i]);
        snprintf(to, sizeof to, "%s%s", base, ends[i]);
        copy_file(from, to);
    }
    struct fix killed = {.segment = NULL};
    snprintf(killed.path, sizeof killed.path, "%s", base);
    chmod(f->dir, 0755);
    assert_int_equal(ask_as_nobody(&killed), 1803);
    assert_int_equal(fix_int(&killed, "SELECT sum(count) FROM request_stats"), 1803);
}

static void test_odd_path(void **state)
{
    struct fix *f = *state;
    char path[sizeof f->path];

    if (getuid() != 0)
        skip();
    fill(f);
    fix_close(f);
    snprintf(path, sizeof path, "%s/a%%20b?c#d.db", f->dir);
    assert_int_equal(rename(f->path, path), 0);
    memcpy(f->path, path, sizeof path);
    chmod(f->dir, 0755);
    chmod(f->path, 0644);
    assert_int_equal(ask_as_nobody(f), 1803);
}

/* A reader never stops the writer, nor the other way round. */
static void test_beside_writer(void **state)
{
    struct fix *f = *state;
    sqlite3 *db = NULL;
    int64_t seen;

    fill(f);
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(ax_sql_exec(db, "BEGIN; SELECT count(*) FROM request_stats"), SQLITE_OK);
    fix_count(f, 0, 1, 200, 1);
    fix_write_ok(f, FIX_NOW + 700);
    assert_int_equal(ax_store_fold(f->store, fix_at(FIX_NOW + 100000), NULL), 0);
    assert_int_equal(ax_sql_int(db, "SELECT sum(count) FROM request_stats", &seen), SQLITE_OK);
    assert_int_equal(seen, 1803);
    sqlite3_close(db);
    struct ax_stats *s = fix_query(f, AX_BY_ROUTE, NULL);
    assert_int_equal(s->total.requests, 1804);
    ax_stats_free(s);
}

static void test_no_memory(void **state)
{
    struct fix *f = *state;
    struct ax_stats *s = NULL;

    fix_count(f, 0, 1, 200, 1);
    fix_count(f, 0, 2, 200, 1);
    fix_write_ok(f, FIX_NOW);
    assert_int_equal(ax_store_event(f->store, fix_at(FIX_NOW), "start", "x", NULL), 0);
    for (int by = AX_BY_ROUTE; by <= AX_BY_WORKER; by++) {
        struct ax_stats_query q = {f->path, 0, fix_at(FIX_NOW + 10).us, NULL, (enum ax_stats_by)by};
        for (unsigned n = 1;; n++) {
            struct ax_err err = {0};
            ax_fail_alloc_at(n);
            int rc = ax_store_query(&q, &s, &err);
            ax_fail_alloc_at(0);
            if (rc == 0)
                break;
            assert_int_equal(err.code, AX_E_NOMEM);
            assert_null(s);
        }
        ax_stats_free(s);
        s = NULL;
    }
}

/* ---- docs/metrics.md: every ```sql block runs and finds something */

static void run_block(const struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    unsigned statements = 0;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    while (*sql) {
        if (sqlite3_prepare_v2(db, sql, -1, &st, &sql) != SQLITE_OK)
            fail_msg("%s in: %s", sqlite3_errmsg(db), sql);
        if (st) {
            statements++;
            if (sqlite3_step(st) != SQLITE_ROW)
                fail_msg("no row from: %s", sqlite3_sql(st));
        }
        sqlite3_finalize(st);
    }
    assert_true(statements > 0);
    sqlite3_close(db);
}

/* Tests run in the root of the tree. */
static char *read_doc(void)
{
    FILE *in = fopen("docs/metrics.md", "r");
    char *text = calloc(1, 65536);

    assert_non_null(in);
    size_t n = fread(text, 1, 65535, in);
    fclose(in);
    text[n] = '\0';
    return text;
}

static void test_docs(void **state)
{
    struct fix *f = *state;
    char *doc = read_doc();
    unsigned blocks = 0;

    fill(f);
    fix_exec(f, "UPDATE request_stats SET ts = ts - 1800000000 + unixepoch() - 1200;"
                "UPDATE requests SET ts_us = ts_us - 1800000000000000 + (unixepoch() - 1200) * 1000000;"
                "UPDATE server_stats SET ts = ts - 1800000000 + unixepoch() - 1200;"
                "UPDATE events SET ts_us = ts_us - 1800000000000000 + (unixepoch() - 1200) * 1000000");
    for (char *at = doc; (at = strstr(at, "```sql\n"));) {
        at += strlen("```sql\n");
        char *end = strstr(at, "```");
        assert_non_null(end);
        *end = '\0';
        run_block(f, at);
        at = end + 1;
        blocks++;
    }
    assert_true(blocks >= 5);
    free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIX_TEST(test_by_route),      FIX_TEST(test_windows),    FIX_TEST(test_by_route_filter),
        FIX_TEST(test_by_others),     FIX_TEST(test_empty),      FIX_TEST(test_refusals),
        FIX_TEST(test_read_only),     FIX_TEST(test_after_kill), FIX_TEST(test_odd_path),
        FIX_TEST(test_beside_writer), FIX_TEST(test_no_memory),  FIX_TEST(test_docs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
