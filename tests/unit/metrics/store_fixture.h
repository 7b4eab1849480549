/* A folder of its own for each test, a segment with three routes, and a second handle to look into the file.
 */
#ifndef AX_TESTS_STORE_FIXTURE_H
#define AX_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/store.h"
#include "metrics/store_sql.h"

#define FIX_NOW 1800000000 /* unix seconds, a multiple of 600 */

struct fix {
    char dir[64], path[96];
    struct ax_segment *segment;
    struct ax_source *source;
    struct ax_store *store;
};

static inline ax_wall fix_at(int64_t seconds)
{
    return (ax_wall){seconds * 1000000};
}

static inline struct ax_segment *fix_segment(unsigned workers)
{
    const struct ax_route_name names[] = {{AX_STR("GET"), AX_STR("/a"), AX_STR("a.js")},
                                          {AX_STR("POST"), AX_STR("/b/:id"), AX_STR("b.js#make")},
                                          {AX_STR("GET"), AX_STR("/b/:id"), AX_STR("b.js#show")}};
    struct ax_segment *s = NULL;

    assert_int_equal(ax_segment_private(workers, 16, &s, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, names, AX_COUNT(names), NULL), 0);
    return s;
}

static inline struct ax_store *fix_open_with(const char *path, int64_t retention_us, int64_t max_bytes)
{
    struct ax_store_options o = {path, retention_us, max_bytes};
    struct ax_store *st = NULL;
    struct ax_err err = {0};

    if (ax_store_open(&o, &st, &err) < 0)
        fail_msg("open: %s", err.msg);
    return st;
}

static inline struct ax_store *fix_open(const char *path)
{
    return fix_open_with(path, INT64_MAX, INT64_MAX);
}

static inline int fix_setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);

    snprintf(f->dir, sizeof f->dir, "/tmp/actix-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/metrics.db", f->dir);
    f->segment = fix_segment(2);
    f->source = ax_source_new(f->segment);
    f->store = fix_open(f->path);
    *state = f;
    return 0;
}

static inline void fix_close(struct fix *f)
{
    ax_store_close(f->store);
    f->store = NULL;
}

static inline void fix_reopen(struct fix *f, int64_t retention_us, int64_t max_bytes)
{
    fix_close(f);
    f->store = fix_open_with(f->path, retention_us, max_bytes);
}

static inline int fix_teardown(void **state)
{
    struct fix *f = *state;
    char name[400];

    fix_close(f);
    ax_source_free(f->source);
    ax_segment_free(f->segment);
    chmod(f->dir, 0700);
    DIR *d = opendir(f->dir);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(name, sizeof name, "%s/%s", f->dir, e->d_name);
        unlink(name);
    }
    closedir(d);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* First file of the folder whose name starts so; "" when there is none. */
static inline const char *fix_find(const struct fix *f, const char *prefix)
{
    static char found[300];
    DIR *d = opendir(f->dir);

    found[0] = '\0';
    for (struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && !strstr(e->d_name, "-wal"))
            snprintf(found, sizeof found, "%s", e->d_name);
    closedir(d);
    return found;
}

static inline void fix_count(struct fix *f, unsigned worker, uint32_t route, unsigned status, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        ax_count_request(ax_segment_worker(f->segment, worker), route, status, 10, 100, 1, 20 + i % 1000, 3);
}

static inline int fix_write(struct fix *f, int64_t seconds)
{
    struct ax_server_sample sample = {1000, 10, 0};
    return ax_store_write(f->store, &f->source, 1, &sample, fix_at(seconds), NULL);
}

static inline void fix_write_ok(struct fix *f, int64_t seconds)
{
    assert_int_equal(fix_write(f, seconds), 0);
}

/* Through a handle of its own, as another program would see it. */
static inline int64_t fix_int(const struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;
    int64_t v = -2;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    int rc = ax_sql_int(db, sql, &v);
    if (rc != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
    return v;
}

static inline void fix_exec(const struct fix *f, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    int rc = ax_sql_exec(db, sql);
    if (rc != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static inline struct ax_stats *fix_query(const struct fix *f, enum ax_stats_by by, const char *route)
{
    struct ax_stats_query q = {f->path, 0, fix_at(FIX_NOW + 100000000).us, route, by};
    struct ax_stats *s = NULL;
    struct ax_err err = {0};

    if (ax_store_query(&q, &s, &err) < 0)
        fail_msg("query: %s", err.msg);
    return s;
}

#define FIX_TEST(t) cmocka_unit_test_setup_teardown(t, fix_setup, fix_teardown)

#endif
