/* metrics/store_write.c - all that waits, in one transaction. */
#include <string.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/store_private.h"

/* No true number is beyond 2^53 (in microseconds: 285 years).  One from a spoiled segment may be, and would
 * make SQLite's sum() overflow, which is an error. */
static void bind_u64(sqlite3_stmt *q, int at, uint64_t v)
{
    const uint64_t most = (uint64_t)1 << 53;
    sqlite3_bind_int64(q, at, (int64_t)(v < most ? v : most));
}

/* An empty text is NULL. */
static void bind_text(sqlite3_stmt *q, int at, const char *p, size_t n)
{
    if (n)
        sqlite3_bind_text(q, at, p, (int)n, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, at);
}

static int finish(sqlite3_stmt *q)
{
    sqlite3_step(q);
    return sqlite3_reset(q); /* the precise code, SQLITE_OK after success */
}

/* ---- rows */

static int find_route(struct ax_store *st, enum ax_store_insert which, const struct ax_store_route *r,
                      int64_t *ret)
{
    sqlite3_stmt *q = st->inserts[which];

    sqlite3_bind_text(q, 1, r->method, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 2, r->pattern, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, r->handler, -1, SQLITE_STATIC);
    if (sqlite3_step(q) == SQLITE_ROW)
        *ret = sqlite3_column_int64(q, 0);
    return sqlite3_reset(q);
}

/* The same name has the same id for as long as the file lives. */
static int route_id(struct ax_store *st, uint32_t index, int64_t *ret)
{
    struct ax_store_route *r = &st->routes[index];
    int64_t unused, id = -1;

    if (r->id < 0) {
        int rc = find_route(st, AX_INSERT_ROUTE, r, &unused);
        if (rc == SQLITE_OK)
            rc = find_route(st, AX_FIND_ROUTE, r, &id);
        if (rc != SQLITE_OK)
            return rc;
        r->id = id;
    }
    *ret = r->id;
    return SQLITE_OK;
}

static int write_row(struct ax_store *st, int64_t ts, const struct ax_store_row *row)
{
    sqlite3_stmt *q = st->inserts[AX_INSERT_ROW];
    int64_t id;
    int rc = route_id(st, row->route, &id);

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(q, 1, ts);
    sqlite3_bind_int64(q, 2, id);
    sqlite3_bind_int64(q, 3, row->status);
    sqlite3_bind_int64(q, 4, row->worker);
    bind_u64(q, 5, row->count);
    bind_u64(q, 6, row->bytes_in);
    bind_u64(q, 7, row->bytes_out);
    bind_u64(q, 8, row->queue_us);
    bind_u64(q, 9, row->handler_us);
    bind_u64(q, 10, row->send_us);
    bind_u64(q, 11, row->max_us);
    sqlite3_bind_blob(q, 12, row->histogram, (int)row->histogram_n, SQLITE_STATIC);
    return finish(q);
}

static int write_record(struct ax_store *st, const struct ax_store_record *rec)
{
    sqlite3_stmt *q = st->inserts[AX_INSERT_RECORD];
    const struct ax_request_record *r = &rec->r;
    int64_t id;
    int rc = route_id(st, rec->route, &id);

    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(q, 1, r->ts_us);
    bind_text(q, 2, r->id, r->id_len);
    sqlite3_bind_text(q, 3, r->method_len ? r->method : "-", r->method_len ? r->method_len : 1,
                      SQLITE_STATIC);
    sqlite3_bind_text(q, 4, r->path, r->path_len, SQLITE_STATIC);
    sqlite3_bind_int64(q, 5, id);
    sqlite3_bind_int64(q, 6, r->status);
    bind_u64(q, 7, r->duration_us);
    bind_u64(q, 8, r->bytes_in);
    bind_u64(q, 9, r->bytes_out);
    sqlite3_bind_int64(q, 10, rec->worker);
    bind_text(q, 11, r->remote, r->remote_len);
    bind_text(q, 12, r->error, r->error_len);
    return finish(q);
}

static int write_sample(struct ax_store *st, int64_t ts, const struct ax_store_sample *s)
{
    sqlite3_stmt *q = st->inserts[AX_INSERT_SAMPLE];
    int at = 1;

    sqlite3_bind_int64(q, at, ts);
#define COLUMN(name) bind_u64(q, ++at, s->name);
    AX_SAMPLE_MAP(COLUMN, COLUMN)
#undef COLUMN
    return finish(q);
}

static int write_batch(struct ax_store *st, const struct ax_store_batch *b)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < b->nrows && rc == SQLITE_OK; i++)
        rc = write_row(st, b->ts, &b->rows[i]);
    for (size_t i = 0; i < b->nrecords && rc == SQLITE_OK; i++)
        rc = write_record(st, &b->records[i]);
    if (b->has_sample && rc == SQLITE_OK)
        rc = write_sample(st, b->ts, &b->sample);
    return rc;
}

static int write_event(struct ax_store *st, const struct ax_store_event *e)
{
    sqlite3_stmt *q = st->inserts[AX_INSERT_EVENT];

    sqlite3_bind_int64(q, 1, e->ts_us);
    sqlite3_bind_text(q, 2, e->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, e->text, -1, SQLITE_STATIC);
    return finish(q);
}

/* ---- the transaction */

static int write_all(struct ax_store *st)
{
    int rc = ax_sql_exec(st->db, "BEGIN IMMEDIATE");

    for (const struct ax_store_batch *b = st->first; b && rc == SQLITE_OK; b = b->next)
        rc = write_batch(st, b);
    for (const struct ax_store_event *e = st->first_event; e && rc == SQLITE_OK; e = e->next)
        rc = write_event(st, e);
    if (rc == SQLITE_OK)
        rc = ax_sql_exec(st->db, "COMMIT");
    return rc;
}

static bool is_corrupt(int rc)
{
    return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB;
}

int ax_store_failed(struct ax_store *st, int sql_rc, const char *what, struct ax_err *reterr)
{
    int rc = ax_sql_fail(st->db, sql_rc, what, reterr);

    if (!sqlite3_get_autocommit(st->db))
        ax_sql_exec(st->db, "ROLLBACK"); /* fails only where SQLite has rolled back by itself */
    for (size_t i = 1; i < st->nroutes; i++)
        st->routes[i].id = -1; /* may not have been committed */
    if (is_corrupt(sql_rc))
        (void)ax_store_corrupt_aside(st, reterr); /* the first failure is the one to tell */
    return rc;
}

static int write_once(struct ax_store *st, bool *ret_renewed, struct ax_err *reterr)
{
    int rc = ax_store_ready(st, reterr);

    if (rc < 0)
        return rc;
    int sql_rc = write_all(st);
    if (sql_rc == SQLITE_OK)
        return 0;
    rc = ax_store_failed(st, sql_rc, "metrics wait, the database cannot be written", reterr);
    *ret_renewed = is_corrupt(sql_rc) && !st->db;
    return rc;
}

int ax_store_flush(struct ax_store *st, struct ax_err *reterr)
{
    struct ax_err err = {0};
    bool renewed = false, twice;

    if (!st->first && !st->first_event)
        return 0;
    int rc = write_once(st, &renewed, &err);
    if (rc < 0 && renewed) { /* what waits goes into the file that takes the place of the corrupt one */
        err = (struct ax_err){0};
        rc = write_once(st, &twice, &err);
    }
    if (rc < 0) {
        if (reterr && reterr->code == AX_OK)
            *reterr = err;
        return rc;
    }
    ax_store_free_batches(st);
    ax_store_free_events(st);
    return 0;
}

int ax_store_write(struct ax_store *st, struct ax_source *const *sources, unsigned n,
                   const struct ax_server_sample *sample, ax_wall now, struct ax_err *reterr)
{
    AX_ASSERT(st->magic == AX_STORE_MAGIC);
    int taken = ax_store_take(st, sources, n, sample, now.us / 1000000, reterr);
    int rc = ax_store_flush(st, reterr);

    return rc < 0 ? rc : taken;
}

/* ---- events */

static void free_event(struct ax_store_event *e)
{
    ax_free(e->kind);
    ax_free(e->text);
    ax_free(e);
}

void ax_store_free_events(struct ax_store *st)
{
    while (st->first_event) {
        struct ax_store_event *e = st->first_event;
        st->first_event = e->next;
        free_event(e);
    }
    st->last_event = NULL;
    st->nevents = 0;
}

int ax_store_queue_event(struct ax_store *st, ax_wall now, const char *kind, const char *text,
                         struct ax_err *reterr)
{
    if (st->nevents >= AX_STORE_EVENTS_MAX) {
        st->held.dropped++;
        return ax_fail(reterr, AX_E_LIMIT, "%d events wait already, one was dropped", AX_STORE_EVENTS_MAX);
    }
    struct ax_store_event *e = ax_calloc(1, sizeof *e);
    if (e) {
        e->ts_us = now.us;
        e->kind = ax_strdup(kind);
        e->text = ax_strdup(text);
    }
    if (!e || !e->kind || !e->text) {
        if (e)
            free_event(e);
        st->held.dropped++;
        return ax_fail(reterr, AX_E_NOMEM, "no memory for an event");
    }
    if (st->last_event)
        st->last_event->next = e;
    else
        st->first_event = e;
    st->last_event = e;
    st->nevents++;
    return 0;
}

int ax_store_event(struct ax_store *st, ax_wall now, const char *kind, const char *text,
                   struct ax_err *reterr)
{
    AX_ASSERT(st->magic == AX_STORE_MAGIC);
    int rc = ax_store_queue_event(st, now, kind, text, reterr);

    return rc < 0 ? rc : ax_store_flush(st, reterr);
}
