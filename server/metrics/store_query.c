/* metrics/store_query.c - what happened in a window: one read transaction over metrics.db. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/store_private.h"
#include "metrics/store_read.h"

enum { EVENTS_MAX = 1000 }; /* the newest of a window */
enum { POINTS_MAX = 120 };  /* rows BY_TIME aims at */
enum { FIRST_SUM = 5 };     /* column of sum(count) in rows_sql */

/* ?1, ?2 = window in us, ?3 = route or NULL, ?4 = step in s (BY_TIME).  A row counts when its span touches
 * the window; the plain bound on ts lets SQLite use the index. */
#define WINDOW                                                                                               \
    "span IN " AX_STORE_SPANS                                                                                \
    " AND ts > ?1 / 1000000 - 601 AND (ts + span) * 1000000 > ?1 AND ts < (?2 + 999999) / 1000000"
#define OF_ROUTE "(?3 IS NULL OR r.pattern = ?3 OR r.method || ' ' || r.pattern = ?3)"
#define ROWS(key)                                                                                            \
    "SELECT " key ", r.method, r.pattern, r.handler, s.status, sum(count), sum(bytes_in), sum(bytes_out),"   \
    " sum(queue_us), sum(handler_us), sum(send_us), max(max_us), ax_hist_sum(histogram)"                     \
    " FROM request_stats s JOIN routes r ON r.id = s.route_id WHERE " WINDOW " AND " OF_ROUTE " AND ?4 > 0"  \
    " GROUP BY 1, s.status ORDER BY 1, s.status"

static const char *const rows_sql[] = {
    [AX_BY_ROUTE] = ROWS("s.route_id"),
    [AX_BY_STATUS] = ROWS("s.status"),
    [AX_BY_TIME] = ROWS("s.ts / ?4 * ?4"),
    [AX_BY_WORKER] = ROWS("ifnull(s.worker, -1)"),
};

#define SUM(name) ", ifnull(sum(" #name "), 0)"
#define PEAK(name)                                                                                           \
    ", ifnull(max(" #name "), 0)" /* as they are folded; the last one is of a server that stops */
static const char server_sql[] = "SELECT 0" AX_SAMPLE_MAP(SUM, PEAK) " FROM server_stats WHERE " WINDOW;

static const char events_sql[] = "SELECT ts_us, kind, text FROM (SELECT ts_us, kind, text, rowid AS n FROM "
                                 "events WHERE ts_us >= ?1 AND ts_us < ?2"
                                 " ORDER BY ts_us DESC, rowid DESC LIMIT ?3) ORDER BY ts_us, n";

/* As store_limits.c writes them: "NAME: COUNT requests refused". */
static const char limits_sql[] =
    "SELECT substr(text, 1, instr(text, ':') - 1) AS name, "
    " sum(min(CAST(substr(text, instr(text, ':') + 2) AS INTEGER), 1000000000000))"
    " FROM events WHERE kind = 'limit' AND ts_us >= ?1 AND ts_us < ?2 AND text GLOB '*: [0-9]* refused'"
    " GROUP BY name ORDER BY name LIMIT ?3";

/* By span, newest first: the index ends the search at the first row of the route. */
static const char newest_sql[] =
    "SELECT max(t) FROM (SELECT (SELECT ts FROM request_stats s JOIN routes r ON r.id = s.route_id"
    " WHERE span = column1 AND " OF_ROUTE " ORDER BY ts DESC LIMIT 1) * 1000000 AS t"
    " FROM (VALUES (1), (10), (60), (600)) UNION ALL SELECT (SELECT ts_us FROM requests s JOIN routes r"
    " ON r.id = s.route_id WHERE " OF_ROUTE " ORDER BY ts_us DESC LIMIT 1))";

/* Start of the first row of the window, its widest span. */
static const char range_sql[] = "SELECT min(ts), max(span) FROM request_stats WHERE " WINDOW;

struct sums { /* of one result row or of all */
    uint64_t histogram[AX_HIST_BUCKETS];
    uint64_t queue_us, handler_us, send_us;
};

struct query {
    struct sqlite3 *db;
    const struct ax_stats_query *q;
    struct ax_stats *out;
    struct sums total, row; /* row: of the key at hand */
    int64_t key;            /* of out->rows[nrows - 1] */
    int64_t step_s;
    size_t rows_cap, events_cap;
};

/* ---- one result row */

static char *column_dup(sqlite3_stmt *st, int col)
{
    const unsigned char *text = sqlite3_column_text(st, col);
    return ax_strdup(text ? (const char *)text : "");
}

static char *key_text(enum ax_stats_by by, int64_t key)
{
    char time[AX_RFC3339_LEN + 1];

    switch (by) {
    case AX_BY_STATUS:
        return key > 0 ? ax_asprintf("%lldxx", (long long)key) : ax_strdup("other");
    case AX_BY_WORKER:
        return key >= 0 ? ax_asprintf("%lld", (long long)key) : ax_strdup("-");
    default:
        ax_rfc3339(time, (ax_wall){key * 1000000});
        return ax_strdup(time);
    }
}

static void free_row(struct ax_stats_row *r)
{
    ax_free(r->key);
    ax_free(r->method);
    ax_free(r->pattern);
    ax_free(r->handler);
}

static int name_row(const struct query *x, sqlite3_stmt *st, struct ax_stats_row *r)
{
    if (x->q->by != AX_BY_ROUTE) {
        r->key = key_text(x->q->by, sqlite3_column_int64(st, 0));
        return r->key ? 0 : -AX_E_NOMEM;
    }
    r->method = column_dup(st, 1);
    r->pattern = column_dup(st, 2);
    r->handler = column_dup(st, 3);
    return r->method && r->pattern && r->handler ? 0 : -AX_E_NOMEM;
}

static int new_row(struct query *x, sqlite3_stmt *st)
{
    struct ax_stats *out = x->out;

    if (out->nrows == x->rows_cap) {
        size_t cap = x->rows_cap ? 2 * x->rows_cap : 16;
        struct ax_stats_row *grown = ax_realloc(out->rows, cap * sizeof *grown);
        if (!grown)
            return -AX_E_NOMEM;
        out->rows = grown;
        x->rows_cap = cap;
    }
    struct ax_stats_row *r = &out->rows[out->nrows];
    *r = (struct ax_stats_row){0};
    out->nrows++; /* now ax_stats_free sees it */
    x->key = sqlite3_column_int64(st, 0);
    memset(&x->row, 0, sizeof x->row);
    return name_row(x, st, r);
}

static int add(sqlite3_stmt *st, struct ax_stats_row *r, struct sums *s)
{
    const int c = FIRST_SUM;
    int status = sqlite3_column_int(st, 4);
    uint64_t count = (uint64_t)sqlite3_column_int64(st, c), max = (uint64_t)sqlite3_column_int64(st, c + 6);

    r->requests += count;
    r->status[status >= 0 && status < AX_STATUS_CLASSES ? status : 0] += count;
    r->errors += status == 5 ? count : 0;
    r->bytes_in += (uint64_t)sqlite3_column_int64(st, c + 1);
    r->bytes_out += (uint64_t)sqlite3_column_int64(st, c + 2);
    s->queue_us += (uint64_t)sqlite3_column_int64(st, c + 3);
    s->handler_us += (uint64_t)sqlite3_column_int64(st, c + 4);
    s->send_us += (uint64_t)sqlite3_column_int64(st, c + 5);
    if (max > r->latency.max)
        r->latency.max = max;
    const uint8_t *blob = sqlite3_column_blob(st, c + 7);
    return ax_hist_decode_add(blob, (size_t)sqlite3_column_bytes(st, c + 7), s->histogram);
}

static uint64_t quantile(const struct ax_stats_row *r, const struct sums *s, double q)
{
    uint64_t v = ax_hist_quantile(s->histogram, q);
    return v < r->latency.max ? v
                              : r->latency.max; /* the middle of a bucket may lie beyond its largest value */
}

static void close_row(struct ax_stats_row *r, const struct sums *s, double seconds)
{
    r->rps = seconds > 0 ? (double)r->requests / seconds : 0;
    if (r->requests == 0)
        return;
    r->latency.mean = (s->queue_us + s->handler_us + s->send_us) / r->requests;
    r->latency.p50 = quantile(r, s, 0.5);
    r->latency.p90 = quantile(r, s, 0.9);
    r->latency.p99 = quantile(r, s, 0.99);
    r->queue_us = s->queue_us / r->requests;
    r->handler_us = s->handler_us / r->requests;
    r->send_us = s->send_us / r->requests;
}

static double window_s(const struct ax_stats *s)
{
    return (double)(s->until_us - s->since_us) / 1e6;
}

/* ---- the queries */

static int bind_window(const struct query *x, sqlite3_stmt *st)
{
    int rc = sqlite3_bind_int64(st, 1, x->out->since_us);
    return rc == SQLITE_OK ? sqlite3_bind_int64(st, 2, x->out->until_us) : rc;
}

static int prepare(const struct query *x, const char *sql, sqlite3_stmt **ret, struct ax_err *reterr)
{
    int rc = sqlite3_prepare_v2(x->db, sql, -1, ret, NULL);

    if (rc == SQLITE_OK)
        rc = bind_window(x, *ret);
    return rc == SQLITE_OK ? 0 : ax_sql_fail(x->db, rc, "metrics cannot be read", reterr);
}

/* 1 = a row, 0 = no more, else an error. */
static int next(const struct query *x, sqlite3_stmt *st, struct ax_err *reterr)
{
    int rc = sqlite3_step(st);

    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : ax_sql_fail(x->db, rc, "metrics cannot be read", reterr);
}

/* A step that gives at most POINTS_MAX rows and into which the widest span of the window fits whole. */
static int64_t choose_step(int64_t seconds, int64_t widest)
{
    static const int64_t steps[] = {1, 10, 60, 600, 3600, 6 * 3600, 86400};

    for (unsigned i = 0; i < AX_COUNT(steps); i++)
        if (steps[i] >= widest && seconds / steps[i] <= POINTS_MAX)
            return steps[i];
    return 7 * 86400;
}

/* A window without a start begins with its first row. */
static int read_range(struct query *x, struct ax_err *reterr)
{
    sqlite3_stmt *st = NULL;
    int rc = prepare(x, range_sql, &st, reterr);

    if (rc == 0)
        rc = next(x, st, reterr);
    if (rc == 1) {
        int64_t first_us = sqlite3_column_int64(st, 0) * 1000000;
        if (x->out->since_us <= 0)
            x->out->since_us = first_us > 0 ? first_us : x->out->until_us;
        int64_t from = first_us > x->out->since_us ? first_us : x->out->since_us;
        x->step_s = choose_step((x->out->until_us - from) / 1000000, sqlite3_column_int64(st, 1));
        rc = 0;
    }
    sqlite3_finalize(st);
    return rc;
}

static int take_row(struct query *x, sqlite3_stmt *st, double seconds)
{
    struct ax_stats *out = x->out;

    if (out->nrows == 0 || sqlite3_column_int64(st, 0) != x->key) {
        if (out->nrows)
            close_row(&out->rows[out->nrows - 1], &x->row, seconds);
        int rc = new_row(x, st);
        if (rc < 0)
            return rc;
    }
    int rc = add(st, &out->total, &x->total);
    return rc < 0 ? rc : add(st, &out->rows[out->nrows - 1], &x->row);
}

static int read_rows(struct query *x, struct ax_err *reterr)
{
    struct ax_stats *out = x->out;
    double seconds = x->q->by == AX_BY_TIME ? (double)x->step_s : window_s(out);
    sqlite3_stmt *st = NULL;
    int rc = prepare(x, rows_sql[x->q->by], &st, reterr), more;

    if (rc < 0)
        goto out;
    if (x->q->route)
        sqlite3_bind_text(st, 3, x->q->route, -1, SQLITE_STATIC);
    sqlite3_bind_int64(st, 4, x->step_s);
    while ((more = next(x, st, reterr)) == 1) {
        rc = take_row(x, st, seconds);
        if (rc < 0) {
            ax_fail(reterr, (enum ax_code) - rc, "metrics cannot be read: %s",
                    ax_code_text((enum ax_code) - rc));
            goto out;
        }
    }
    rc = more;
    if (out->nrows)
        close_row(&out->rows[out->nrows - 1], &x->row, seconds);
    close_row(&out->total, &x->total, window_s(out));
out:
    sqlite3_finalize(st);
    return rc;
}

static int read_server(struct query *x, struct ax_err *reterr)
{
    sqlite3_stmt *st = NULL;
    int rc = prepare(x, server_sql, &st, reterr), col = 0;

    if (rc == 0)
        rc = next(x, st, reterr);
    if (rc == 1) {
#define COLUMN(name) x->out->server.name = (uint64_t)sqlite3_column_int64(st, ++col);
        AX_SAMPLE_MAP(COLUMN, COLUMN)
#undef COLUMN
        rc = 0;
    }
    sqlite3_finalize(st);
    return rc;
}

static int new_event(struct query *x, sqlite3_stmt *st)
{
    struct ax_stats *out = x->out;

    if (out->nevents == x->events_cap) {
        size_t cap = x->events_cap ? 2 * x->events_cap : 16;
        struct ax_stats_event *grown = ax_realloc(out->events, cap * sizeof *grown);
        if (!grown)
            return -AX_E_NOMEM;
        out->events = grown;
        x->events_cap = cap;
    }
    struct ax_stats_event *e = &out->events[out->nevents++];
    *e = (struct ax_stats_event){sqlite3_column_int64(st, 0), column_dup(st, 1), column_dup(st, 2)};
    return e->kind && e->text ? 0 : -AX_E_NOMEM;
}

static int read_events(struct query *x, struct ax_err *reterr)
{
    sqlite3_stmt *st = NULL;
    int rc = prepare(x, events_sql, &st, reterr), more;

    if (rc < 0)
        goto out;
    sqlite3_bind_int64(st, 3, EVENTS_MAX);
    while ((more = next(x, st, reterr)) == 1)
        if ((rc = new_event(x, st)) < 0) {
            ax_fail(reterr, AX_E_NOMEM, "no memory for the events");
            goto out;
        }
    rc = more;
out:
    sqlite3_finalize(st);
    return rc;
}

static int read_limits(struct query *x, struct ax_err *reterr)
{
    struct ax_stats *out = x->out;
    sqlite3_stmt *st = NULL;
    int rc = prepare(x, limits_sql, &st, reterr), more;

    if (rc < 0)
        goto out;
    out->limits = ax_calloc(AX_LIMITS, sizeof *out->limits);
    if (!out->limits)
        goto no_memory;
    sqlite3_bind_int64(st, 3, AX_LIMITS);
    while ((more = next(x, st, reterr)) == 1) {
        struct ax_stats_limit *l = &out->limits[out->nlimits++];
        *l = (struct ax_stats_limit){column_dup(st, 0), (uint64_t)sqlite3_column_int64(st, 1)};
        if (!l->name)
            goto no_memory;
    }
    rc = more;
    goto out;
no_memory:
    rc = ax_fail(reterr, AX_E_NOMEM, "no memory for the limits");
out:
    sqlite3_finalize(st);
    return rc;
}

static int more_requests_first(const void *a, const void *b)
{
    const struct ax_stats_row *x = a, *y = b;

    if (x->requests != y->requests)
        return x->requests > y->requests ? -1 : 1;
    int order = strcmp(x->pattern ? x->pattern : x->key, y->pattern ? y->pattern : y->key);
    return order || !x->method ? order : strcmp(x->method, y->method);
}

static int read_newest(struct query *x, struct ax_err *reterr)
{
    sqlite3_stmt *st = NULL;
    int rc = prepare(x, newest_sql, &st, reterr);

    if (rc == 0 && sqlite3_bind_text(st, 3, x->q->route, -1, SQLITE_STATIC) != SQLITE_OK)
        rc = ax_sql_fail(x->db, SQLITE_NOMEM, "metrics cannot be read", reterr);
    if (rc == 0)
        rc = next(x, st, reterr);
    if (rc == 1) {
        x->out->last_request_us = sqlite3_column_int64(st, 0); /* NULL counts as 0 */
        rc = 0;
    }
    sqlite3_finalize(st);
    return rc;
}

static int read_all(struct query *x, struct ax_err *reterr)
{
    int rc = read_range(x, reterr);

    if (rc == 0)
        rc = read_rows(x, reterr);
    if (rc == 0)
        rc = read_server(x, reterr);
    if (rc == 0)
        rc = read_events(x, reterr);
    if (rc == 0)
        rc = read_limits(x, reterr);
    if (rc == 0)
        rc = read_newest(x, reterr);
    if (rc < 0)
        return rc;
    if (x->q->by != AX_BY_TIME && x->out->nrows)
        qsort(x->out->rows, x->out->nrows, sizeof *x->out->rows, more_requests_first);
    return 0;
}

int ax_store_read(struct sqlite3 *db, const struct ax_stats_query *q, struct ax_stats **ret,
                  struct ax_err *reterr)
{
    struct query *x = ax_calloc(1, sizeof *x);
    struct ax_stats *out = ax_calloc(1, sizeof *out);
    int rc;

    if (!x || !out) {
        rc = ax_fail(reterr, AX_E_NOMEM, "no memory to read metrics");
        goto fail;
    }
    out->since_us = q->since_us;
    out->until_us = q->until_us;
    *x = (struct query){.db = db, .q = q, .out = out, .step_s = 1};
    int sql_rc = ax_sql_exec(db, "BEGIN"); /* all of it at one moment */
    if (sql_rc != SQLITE_OK) {
        rc = ax_sql_fail(db, sql_rc, "metrics cannot be read", reterr);
        goto fail;
    }
    rc = read_all(x, reterr);
    ax_sql_exec(db, "ROLLBACK"); /* nothing was written */
    if (rc < 0)
        goto fail;
    ax_free(x);
    *ret = out;
    return 0;
fail:
    ax_free(x);
    ax_stats_free(out);
    return rc;
}

void ax_stats_free(struct ax_stats *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nrows; i++)
        free_row(&s->rows[i]);
    for (size_t i = 0; i < s->nevents; i++) {
        ax_free(s->events[i].kind);
        ax_free(s->events[i].text);
    }
    for (size_t i = 0; i < s->nlimits; i++)
        ax_free(s->limits[i].name);
    ax_free(s->rows);
    ax_free(s->limits);
    ax_free(s->events);
    ax_free(s);
}
