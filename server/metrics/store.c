/* metrics/store.c - the life of metrics.db: open, look at, set aside, migrate, close. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/store_private.h"

enum { BUSY_MS = 50 };             /* how long one write waits for somebody else's lock */
enum { CHECKED_BYTES = 32 << 20 }; /* files up to this size are checked whole at start (about 0.1 s) */
enum { SUFFIX_MAX = 64 };

enum verdict { USABLE, NEWER, CORRUPT, FOREIGN, UNKNOWN /* could not be looked at */ };

#define COLUMN(name) ", " #name " INTEGER NOT NULL"

/* migrations[v] leads from user_version v to v + 1. */
static const char *const migrations[AX_STORE_SCHEMA] = {
    "CREATE TABLE routes(id INTEGER PRIMARY KEY, method TEXT NOT NULL, pattern TEXT NOT NULL, handler TEXT "
    "NOT NULL,"
    " UNIQUE(method, pattern, handler));"
    "INSERT INTO routes VALUES(0, '-', '(none)', '-');"
    "CREATE TABLE request_stats(ts INTEGER NOT NULL, span INTEGER NOT NULL,"
    " route_id INTEGER NOT NULL REFERENCES routes(id), status INTEGER NOT NULL, worker INTEGER,"
    " count INTEGER NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, queue_us INTEGER NOT "
    "NULL,"
    " handler_us INTEGER NOT NULL, send_us INTEGER NOT NULL, max_us INTEGER NOT NULL, histogram BLOB NOT "
    "NULL);"
    "CREATE INDEX request_stats_time ON request_stats(span, ts);"
    "CREATE TABLE requests(ts_us INTEGER NOT NULL, id TEXT, method TEXT NOT NULL, path TEXT NOT NULL,"
    " route_id INTEGER NOT NULL REFERENCES routes(id), status INTEGER NOT NULL, duration_us INTEGER NOT NULL,"
    " bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, worker INTEGER NOT NULL, remote TEXT, error "
    "TEXT);"
    "CREATE INDEX requests_time ON requests(ts_us);"
    "CREATE TABLE server_stats(ts INTEGER NOT NULL, span INTEGER NOT NULL" AX_SAMPLE_MAP(
        COLUMN, COLUMN) ");"
                        "CREATE INDEX server_stats_time ON server_stats(span, ts);"
                        "CREATE TABLE events(ts_us INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);"
                        "CREATE INDEX events_time ON events(ts_us);",
};
#undef COLUMN

#define COLUMN(name) ", " #name
#define MARK(name)   ", ?"
static const char *const insert_sql[AX_INSERTS] = {
    [AX_INSERT_ROW] =
        "INSERT INTO request_stats(ts, span, route_id, status, worker, count, bytes_in, bytes_out,"
        " queue_us, handler_us, send_us, max_us, histogram)"
        " VALUES(?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [AX_INSERT_RECORD] =
        "INSERT INTO requests(ts_us, id, method, path, route_id, status, duration_us, bytes_in,"
        " bytes_out, worker, remote, error) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [AX_INSERT_SAMPLE] = "INSERT INTO server_stats(ts, span" AX_SAMPLE_MAP(
        COLUMN, COLUMN) ")"
                        " VALUES(?, 1" AX_SAMPLE_MAP(MARK, MARK) ")",
    [AX_INSERT_EVENT] = "INSERT INTO events(ts_us, kind, text) VALUES(?, ?, ?)",
    [AX_INSERT_ROUTE] = "INSERT OR IGNORE INTO routes(method, pattern, handler) VALUES(?, ?, ?)",
    [AX_FIND_ROUTE] = "SELECT id FROM routes WHERE method = ? AND pattern = ? AND handler = ?",
};
#undef MARK
#undef COLUMN

void ax_store_shut(struct ax_store *st)
{
    for (unsigned i = 0; i < AX_INSERTS; i++) {
        sqlite3_finalize(st->inserts[i]);
        st->inserts[i] = NULL;
    }
    sqlite3_close(st->db);
    st->db = NULL;
    for (size_t i = 1; i < st->nroutes; i++)
        st->routes[i].id = -1;
}

/* ---- setting aside */

/* A free name: the plain one, or with the time behind it when an older one is there. */
static char *aside_name(const char *path, const char *suffix)
{
    char *name = ax_asprintf("%s.%s", path, suffix);

    if (name && access(name, F_OK) == 0) {
        ax_free(name);
        name = ax_asprintf("%s.%s.%lld", path, suffix, (long long)(ax_wall_now().us));
    }
    return name;
}

static int rename_if_there(const char *from, const char *to)
{
    return rename(from, to) < 0 && errno != ENOENT ? errno : 0;
}

/* The log may hold committed rows, so it goes with its database. */
static int move(const char *path, const char *to, struct ax_err *reterr)
{
    char *from_wal = ax_asprintf("%s-wal", path), *to_wal = ax_asprintf("%s-wal", to);
    char *shm = ax_asprintf("%s-shm", path);
    int rc = 0, os = 0;

    if (!from_wal || !to_wal || !shm) {
        rc = ax_fail(reterr, AX_E_NOMEM, "no memory to set %s aside", path);
        goto out;
    }
    os = rename_if_there(path, to);
    if (os == 0)
        os = rename_if_there(from_wal, to_wal);
    if (os == 0)
        unlink(shm); /* an index of the log, made anew by whoever opens it */
    else
        rc = ax_fail_os(reterr, os, "cannot set the database %s aside", path);
out:
    ax_free(from_wal);
    ax_free(to_wal);
    ax_free(shm);
    return rc;
}

static int say_aside(struct ax_store *st, struct ax_err *reterr)
{
    char *text = ax_asprintf("the metrics database could not be used and was set aside as %s", st->set_aside);

    if (!text)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for an event");
    int rc = ax_store_queue_event(st, ax_wall_now(), "start", text, reterr);
    ax_free(text);
    return rc;
}

static int put_aside(struct ax_store *st, const char *suffix, struct ax_err *reterr)
{
    ax_store_shut(st);
    if (!st->path)
        return 0;
    char *to = aside_name(st->path, suffix);
    if (!to)
        return ax_fail(reterr, AX_E_NOMEM, "no memory to set %s aside", st->path);
    int rc = move(st->path, to, reterr);
    if (rc < 0) {
        ax_free(to);
        return rc;
    }
    ax_free(st->set_aside);
    st->set_aside = to;
    return say_aside(st, reterr);
}

int ax_store_corrupt_aside(struct ax_store *st, struct ax_err *reterr)
{
    char suffix[SUFFIX_MAX];
    time_t now = (time_t)(ax_wall_now().us / 1000000);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(suffix, sizeof suffix, "corrupt-%Y%m%dT%H%M%SZ", &tm);
    return put_aside(st, suffix, reterr);
}

/* ---- opening */

static bool is_corrupt(int rc)
{
    int primary = rc & 0xff;
    return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

static bool check_passes(struct sqlite3 *db, int *ret_rc)
{
    struct sqlite3_stmt *st = NULL;
    bool ok = false;

    *ret_rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (*ret_rc == SQLITE_OK) {
        int step = sqlite3_step(st);
        *ret_rc = step == SQLITE_ROW ? SQLITE_OK : step;
        if (step == SQLITE_ROW) {
            const unsigned char *text = sqlite3_column_text(st, 0);
            ok = text && strcmp((const char *)text, "ok") == 0;
        }
    }
    sqlite3_finalize(st);
    return ok;
}

/* Reads only: a file that is not ours stays as it is. */
static enum verdict look_at(struct ax_store *st, int64_t file_bytes, int64_t *ret_version, int *ret_rc)
{
    int64_t application = 0, tables = 0;
    int rc = ax_sql_int(st->db, "PRAGMA user_version", ret_version);

    if (rc == SQLITE_OK)
        rc = ax_sql_int(st->db, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = ax_sql_int(st->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc == SQLITE_OK && *ret_version > AX_STORE_SCHEMA)
        return NEWER;
    if (rc == SQLITE_OK && tables > 0 && application != AX_STORE_APPLICATION)
        return FOREIGN;
    if (rc == SQLITE_OK && tables > 0 && file_bytes <= CHECKED_BYTES && !check_passes(st->db, &rc) &&
        rc == SQLITE_OK)
        return CORRUPT;
    *ret_rc = rc;
    if (rc != SQLITE_OK)
        return is_corrupt(rc) ? CORRUPT : UNKNOWN;
    if (tables == 0)
        *ret_version = 0;
    return USABLE;
}

static int open_handle(struct ax_store *st)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(st->path ? st->path : ":memory:", &st->db, flags, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(st->db, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(st->db, BUSY_MS);
    return rc == SQLITE_OK ? ax_sql_functions(st->db) : rc;
}

/* The log is kept to an eighth of the ceiling, so that file and log together stay near it. */
static int configure(struct ax_store *st)
{
    enum { PAGE_BYTES = 4096, LOG_PAGES = 1000, LOG_PAGES_MIN = 16 };
    char sql[400];
    int64_t pages = st->max_bytes / 8 / PAGE_BYTES;

    pages = pages > LOG_PAGES ? LOG_PAGES : pages < LOG_PAGES_MIN ? LOG_PAGES_MIN : pages;
    snprintf(sql, sizeof sql,
             "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
             "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048; PRAGMA wal_autocheckpoint = %lld;"
             "PRAGMA journal_size_limit = %lld",
             (long long)pages, (long long)(pages * PAGE_BYTES));
    return ax_sql_exec(st->db, sql);
}

static int migrate(struct ax_store *st, int64_t version)
{
    char sql[120];
    int rc = SQLITE_OK;

    for (; version < AX_STORE_SCHEMA && rc == SQLITE_OK; version++) {
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %lld; COMMIT",
                 AX_STORE_APPLICATION, (long long)version + 1);
        rc = ax_sql_exec(st->db, "BEGIN IMMEDIATE");
        if (rc == SQLITE_OK)
            rc = ax_sql_exec(st->db, migrations[version]);
        if (rc == SQLITE_OK)
            rc = ax_sql_exec(st->db, sql);
    }
    return rc;
}

static int prepare(struct ax_store *st)
{
    for (unsigned i = 0; i < AX_INSERTS; i++) {
        int rc =
            sqlite3_prepare_v3(st->db, insert_sql[i], -1, SQLITE_PREPARE_PERSISTENT, &st->inserts[i], NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static void remember_file(struct ax_store *st)
{
    struct stat sb;

    if (st->path && stat(st->path, &sb) == 0) {
        st->dev = sb.st_dev;
        st->ino = sb.st_ino;
    }
}

static int make_usable(struct ax_store *st, int64_t version)
{
    int rc = configure(st);

    if (rc == SQLITE_OK)
        rc = migrate(st, version);
    if (rc == SQLITE_OK)
        rc = prepare(st);
    if (rc == SQLITE_OK)
        remember_file(st);
    return rc;
}

/* One try.  *ret_rc is SQLite's code; `again` is set when a file was put aside and a new one can be made. */
static int try_open(struct ax_store *st, bool *again, struct ax_err *reterr)
{
    char suffix[SUFFIX_MAX];
    struct stat sb;
    int64_t version = 0;
    int64_t bytes = st->path && stat(st->path, &sb) == 0 ? (int64_t)sb.st_size : 0;
    int rc = open_handle(st);

    enum verdict v = rc == SQLITE_OK ? look_at(st, bytes, &version, &rc) : UNKNOWN;
    if (v == USABLE)
        rc = make_usable(st, version);
    if (v == USABLE && rc == SQLITE_OK)
        return 0;
    if (v == FOREIGN) {
        ax_store_shut(st);
        return ax_fail(reterr, AX_E_DB,
                       "%s is a database of another program; name another file in metrics.database",
                       st->path);
    }
    if (v == NEWER) {
        snprintf(suffix, sizeof suffix, "v%lld", (long long)version);
        *again = true;
        return put_aside(st, suffix, reterr);
    }
    /* SQLITE_ERROR from prepare: our tables are not what they should be. */
    if (v == CORRUPT || is_corrupt(rc) || (v == USABLE && rc == SQLITE_ERROR)) {
        *again = true;
        return ax_store_corrupt_aside(st, reterr);
    }
    ax_sql_fail(st->db, rc, st->path ? st->path : "metrics in memory", reterr);
    ax_store_shut(st);
    return -(int)AX_E_DB;
}

static bool was_removed(const struct ax_store *st)
{
    struct stat sb;

    return st->path && (stat(st->path, &sb) < 0 || sb.st_dev != st->dev || sb.st_ino != st->ino);
}

int ax_store_ready(struct ax_store *st, struct ax_err *reterr)
{
    bool again = false;

    if (st->db && !was_removed(st))
        return 0;
    if (st->db)
        ax_store_shut(st);
    int rc = try_open(st, &again, reterr);
    if (rc == 0 && again) {
        again = false;
        rc = try_open(st, &again, reterr);
        if (rc == 0 && again)
            rc = ax_fail(reterr, AX_E_DB, "%s: a new database cannot be used either", st->path);
    }
    return rc;
}

/* ---- the store */

static bool passes_by_itself(const struct ax_err *e)
{
    int primary = e->os & 0xff;
    return e->code == AX_E_DB && (primary == SQLITE_BUSY || primary == SQLITE_LOCKED ||
                                  primary == SQLITE_FULL || primary == SQLITE_IOERR);
}

void ax_store_limits(struct ax_store *st, int64_t retention_us, int64_t max_bytes)
{
    st->retention_us = retention_us;
    st->max_bytes = max_bytes < AX_STORE_BYTES_MIN ? AX_STORE_BYTES_MIN : max_bytes;
}

static int fill(struct ax_store *st, const struct ax_store_options *o, struct ax_err *reterr)
{
    struct ax_route_name none = {AX_STR("-"), AX_STR("(none)"), AX_STR("-")};

    st->magic = AX_STORE_MAGIC;
    ax_store_limits(st, o->retention_us, o->max_bytes);
    if (o->path && !(st->path = ax_strdup(o->path)))
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the metrics store");
    if (ax_store_route_index(st, &none) < 0)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the metrics store");
    st->routes[0].id = AX_ROUTE_NONE;
    return 0;
}

static void free_store(struct ax_store *st)
{
    ax_store_shut(st);
    ax_store_free_batches(st);
    ax_store_free_events(st);
    for (size_t i = 0; i < st->nroutes; i++) {
        ax_free(st->routes[i].method);
        ax_free(st->routes[i].pattern);
        ax_free(st->routes[i].handler);
    }
    ax_free(st->routes);
    ax_free(st->set_aside);
    ax_free(st->path);
    st->magic = 0;
    ax_free(st);
}

int ax_store_open(const struct ax_store_options *o, struct ax_store **ret, struct ax_err *reterr)
{
    struct ax_err err = {0};
    struct ax_store *st = ax_calloc(1, sizeof *st);

    if (!st)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the metrics store");
    int rc = fill(st, o, &err);
    if (rc == 0)
        rc = ax_store_ready(st, &err);
    if (rc < 0 && !passes_by_itself(&err)) {
        if (reterr && reterr->code == AX_OK)
            *reterr = err;
        free_store(st);
        return rc;
    }
    if (st->set_aside)
        (void)ax_store_flush(st, NULL); /* the event that says so; kept and written later if not now */
    *ret = st;
    return 0;
}

void ax_store_close(struct ax_store *st)
{
    if (!st)
        return;
    AX_ASSERT(st->magic == AX_STORE_MAGIC);
    if (st->limited_s) /* what its last second has left */
        (void)ax_store_put_limits(st, st->limited_s + 1, NULL);
    (void)ax_store_flush(st, NULL); /* nobody is left to keep what cannot be written */
    free_store(st);
}

const char *ax_store_set_aside(const struct ax_store *st)
{
    return st->set_aside;
}

unsigned ax_store_waiting(const struct ax_store *st)
{
    return st->nbatches + st->nevents;
}
