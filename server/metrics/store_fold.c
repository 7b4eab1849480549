/* metrics/store_fold.c - keeps the file small: old rows become coarse, too old ones go, and so does what is
 * over the ceiling. */
#include <stdio.h>

#include <sqlite3.h>

#include "base/assert.h"
#include "metrics/store_private.h"

enum { EXPIRE_EVERY_S = 10 };
#define HOUR_US INT64_C(3600000000)
enum { SPARE_PAGES = 64 }; /* free pages that are left in the file for the next rows */
enum {
    TRIM_ROUNDS = 300
}; /* each takes a sixteenth of the time that is left: enough for years down to a second */

#define SUM(name)  ", sum(" #name ")"
#define MAX(name)  ", max(" #name ")"
#define NAME(name) ", " #name
#define SPANS      "(VALUES (1), (10), (60), (600))"

/* ?1 = from this span, ?2 = to this, ?3 = rows that start before this second; a multiple of ?2. */
static const char fold_sql[] =
    "INSERT INTO request_stats(ts, span, route_id, status, worker, count, bytes_in, bytes_out, queue_us, "
    "handler_us,"
    " send_us, max_us, histogram)"
    " SELECT ts / ?2 * ?2, ?2, route_id, status, NULL, sum(count), sum(bytes_in), sum(bytes_out), "
    "sum(queue_us),"
    " sum(handler_us), sum(send_us), max(max_us), ax_hist_sum(histogram)"
    " FROM request_stats WHERE span = ?1 AND ts < ?3 GROUP BY ts / ?2, route_id, status;"
    "DELETE FROM request_stats WHERE span = ?1 AND ts < ?3;"
    "INSERT INTO server_stats(ts, span" AX_SAMPLE_MAP(
        NAME, NAME) ")"
                    " SELECT ts / ?2 * ?2, ?2" AX_SAMPLE_MAP(
                        SUM, MAX) " FROM server_stats WHERE span = ?1 AND ts < ?3 GROUP BY ts / ?2;"
                                  "DELETE FROM server_stats WHERE span = ?1 AND ts < ?3;";

/* ?1 = rows that start before this second. */
static const char drop_sql[] = "DELETE FROM request_stats WHERE span IN " AX_STORE_SPANS " AND ts < ?1;"
                               "DELETE FROM server_stats WHERE span IN " AX_STORE_SPANS " AND ts < ?1;"
                               "DELETE FROM requests WHERE ts_us < ?1 * 1000000;"
                               "DELETE FROM events WHERE ts_us < ?1 * 1000000;";

static const char oldest_sql[] =
    "SELECT min(t) FROM (SELECT (SELECT min(ts) FROM request_stats WHERE span = column1) AS t FROM " SPANS
    " UNION ALL SELECT (SELECT min(ts) FROM server_stats WHERE span = column1) FROM " SPANS
    " UNION ALL SELECT min(ts_us) / 1000000 FROM requests UNION ALL SELECT min(ts_us) / 1000000 FROM events)";

/* ---- folding */

struct work { /* what is due now; cut 0 = nothing */
    int64_t fold[AX_STORE_STEPS], expire;
};

/* A whole target span is folded at once, so it gets one row per series. */
static bool find_work(const struct ax_store *st, int64_t now_s, struct work *w)
{
    bool any = false;

    *w = (struct work){0};
    for (unsigned i = 0; i + 1 < AX_STORE_STEPS; i++) {
        int to = ax_store_steps[i + 1].span;
        int64_t cut = (now_s - ax_store_steps[i].for_s) / to * to;
        if (cut > 0 && cut != st->folded_s[i]) {
            w->fold[i] = cut;
            any = true;
        }
    }
    if (st->retention_us / 1000000 < now_s && st->mono.us >= st->expire_at.us &&
        (now_s - st->expired_s >= EXPIRE_EVERY_S || now_s < st->expired_s)) {
        w->expire = now_s - st->retention_us / 1000000;
        any = true;
    }
    return any;
}

static int do_work(struct ax_store *st, const struct work *w)
{
    int rc = SQLITE_OK;

    for (unsigned i = 0; i + 1 < AX_STORE_STEPS && rc == SQLITE_OK; i++) {
        const int64_t args[] = {ax_store_steps[i].span, ax_store_steps[i + 1].span, w->fold[i]};
        if (w->fold[i])
            rc = ax_sql_run(st->db, fold_sql, args, AX_COUNT(args));
    }
    if (w->expire && rc == SQLITE_OK)
        rc = ax_sql_run(st->db, drop_sql, &w->expire, 1);
    return rc;
}

static int in_transaction(struct ax_store *st, const struct work *w)
{
    int rc = ax_sql_exec(st->db, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK)
        rc = do_work(st, w);
    if (rc == SQLITE_OK)
        rc = ax_sql_exec(st->db, "COMMIT");
    return rc;
}

/* ---- the file's size */

struct pages {
    int64_t all, spare, bytes; /* bytes of one */
};

static int count_pages(struct sqlite3 *db, struct pages *p)
{
    int rc = ax_sql_int(db, "PRAGMA page_count", &p->all);

    if (rc == SQLITE_OK)
        rc = ax_sql_int(db, "PRAGMA freelist_count", &p->spare);
    return rc == SQLITE_OK ? ax_sql_int(db, "PRAGMA page_size", &p->bytes) : rc;
}

static int64_t used_bytes(const struct pages *p)
{
    return (p->all - p->spare) * p->bytes;
}

/* Drops the oldest sixteenth of time until a tenth of the ceiling is free.  *ret_cut is the first second that
 * is left; 0 = nothing was dropped. */
static int trim_rows(struct ax_store *st, int64_t now_s, int64_t *ret_cut)
{
    const int64_t want = st->max_bytes / 10 * 9;
    struct pages p;
    int64_t oldest;
    int rc = SQLITE_OK;

    for (unsigned round = 0; round < TRIM_ROUNDS && rc == SQLITE_OK; round++) {
        rc = count_pages(st->db, &p);
        if (rc == SQLITE_OK && used_bytes(&p) > want)
            rc = ax_sql_int(st->db, oldest_sql, &oldest);
        if (rc != SQLITE_OK || used_bytes(&p) <= want || oldest < 0)
            break;
        int64_t step = now_s > oldest ? (now_s - oldest) / 16 : 0;
        *ret_cut = oldest + (step > 1 ? step : 1);
        rc = ax_sql_run(st->db, drop_sql, ret_cut, 1);
    }
    return rc;
}

static int say_trimmed(struct ax_store *st, ax_wall now, int64_t cut_s)
{
    char text[200], cut[AX_RFC3339_LEN + 1];
    sqlite3_stmt *q = st->inserts[AX_INSERT_EVENT];

    ax_rfc3339(cut, (ax_wall){cut_s * 1000000});
    snprintf(text, sizeof text, "metrics.size: rows before %s were dropped to stay below %lld bytes", cut,
             (long long)st->max_bytes);
    sqlite3_bind_int64(q, 1, now.us);
    sqlite3_bind_text(q, 2, "limit", -1, SQLITE_STATIC);
    sqlite3_bind_text(q, 3, text, -1, SQLITE_TRANSIENT);
    sqlite3_step(q);
    return sqlite3_reset(q);
}

static int trim(struct ax_store *st, ax_wall now)
{
    int64_t cut = 0;
    int rc = ax_sql_exec(st->db, "BEGIN IMMEDIATE");

    if (rc == SQLITE_OK)
        rc = trim_rows(st, now.us / 1000000, &cut);
    if (rc == SQLITE_OK && cut)
        rc = say_trimmed(st, now, cut);
    if (rc == SQLITE_OK)
        rc = ax_sql_exec(st->db, "COMMIT");
    return rc;
}

/* Gives free pages back to the file system once they are many; the log is cut with them. */
static int shrink(struct ax_store *st)
{
    struct pages p;
    int rc = count_pages(st->db, &p);

    if (rc != SQLITE_OK || p.spare <= SPARE_PAGES ||
        (p.spare < p.all / 4 && p.all * p.bytes <= st->max_bytes))
        return rc;
    rc = ax_sql_exec(st->db, "PRAGMA incremental_vacuum");
    if (rc == SQLITE_OK)
        rc = ax_sql_exec(st->db,
                         "PRAGMA wal_checkpoint(TRUNCATE)"); /* a reader only delays it: a row, no error */
    return rc;
}

static int keep_size(struct ax_store *st, ax_wall now)
{
    struct pages p;
    int rc = count_pages(st->db, &p);

    if (rc == SQLITE_OK && used_bytes(&p) > st->max_bytes)
        rc = trim(st, now);
    return rc == SQLITE_OK ? shrink(st) : rc;
}

/* A wall clock that leaps forward by an hour or more may be set right again soon: what it makes too old is
 * kept for an hour, since rows that are gone do not come back. */
static void watch_clock(struct ax_store *st, ax_wall now)
{
    ax_mono mono = ax_mono_now();

    if (st->wall.us && (now.us - st->wall.us) - (mono.us - st->mono.us) >= HOUR_US)
        st->expire_at.us = mono.us + HOUR_US;
    st->wall = now;
    st->mono = mono;
}

int ax_store_fold(struct ax_store *st, ax_wall now, struct ax_err *reterr)
{
    struct work w;

    AX_ASSERT(st->magic == AX_STORE_MAGIC);
    watch_clock(st, now);
    int rc = ax_store_ready(st, reterr);
    if (rc < 0)
        return rc;
    bool due = find_work(st, now.us / 1000000, &w);
    int sql_rc = due ? in_transaction(st, &w) : SQLITE_OK;
    if (sql_rc == SQLITE_OK && due) {
        for (unsigned i = 0; i < AX_STORE_STEPS; i++)
            st->folded_s[i] = w.fold[i] ? w.fold[i] : st->folded_s[i];
        st->expired_s = w.expire ? now.us / 1000000 : st->expired_s;
    }
    if (sql_rc == SQLITE_OK)
        sql_rc = keep_size(st, now);
    if (sql_rc == SQLITE_OK)
        return 0;
    return ax_store_failed(st, sql_rc, "old metrics cannot be folded", reterr);
}
