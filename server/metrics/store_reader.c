/* metrics/store_reader.c - opens metrics.db for reading, also where the reader may write nothing.
 *   server running, or killed: the log and its index are there; SQLite reads them, without write access too.
 *   server down: it has removed them.  SQLite would make an index anew; where it may not, nobody writes the
 * file either, so it is opened as immutable. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "metrics/store_private.h"
#include "metrics/store_read.h"

enum { BUSY_MS = 2000 }; /* a writer's recovery or checkpoint is over by then */
enum { URI_MAX = 16 * 1024 };

static int probe(struct sqlite3 *db, int64_t *version, int64_t *tables)
{
    int rc = ax_sql_int(db, "PRAGMA user_version", version);
    return rc == SQLITE_OK
               ? ax_sql_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'request_stats'", tables)
               : rc;
}

static int open_once(const char *name, int flags, struct sqlite3 **ret, int64_t *version, int64_t *tables)
{
    int rc = sqlite3_open_v2(name, ret, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(*ret, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(*ret, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = ax_sql_functions(*ret);
    return rc == SQLITE_OK ? probe(*ret, version, tables) : rc;
}

/* "file:PATH?immutable=1", with what has a meaning in a URI escaped (sqlite.org/uri.html). */
static char *immutable_uri(const char *path)
{
    struct ax_buf b = AX_BUF_INIT(URI_MAX);

    ax_buf_adds(&b, "file:");
    for (const char *p = path; *p; p++)
        if (strchr("%?#", *p))
            ax_buf_addf(&b, "%%%02X", (unsigned char)*p);
        else
            ax_buf_addc(&b, *p);
    ax_buf_adds(&b, "?immutable=1");
    const char *s = b.failed ? NULL : ax_buf_cstr(&b);
    char *uri = s ? ax_strdup(s) : NULL;
    ax_buf_fini(&b);
    return uri;
}

/* Committed rows may lie in the log; without it the file is an older truth. */
static bool log_is_empty(const char *path)
{
    struct stat sb;
    char *wal = ax_asprintf("%s-wal", path);
    bool empty = wal && ((stat(wal, &sb) < 0 && errno == ENOENT) || sb.st_size == 0);

    ax_free(wal);
    return empty;
}

static int open_reader(const char *path, struct sqlite3 **ret, struct ax_err *reterr)
{
    int64_t version = 0, tables = 0;
    int rc = open_once(path, 0, ret, &version, &tables), primary = rc & 0xff;

    if ((primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY) && log_is_empty(path)) {
        char *uri = immutable_uri(path);
        if (!uri)
            return ax_fail(reterr, AX_E_NOMEM, "no memory to read metrics");
        sqlite3_close(*ret);
        *ret = NULL;
        rc = open_once(uri, SQLITE_OPEN_URI, ret, &version, &tables);
        ax_free(uri);
    }
    if (rc != SQLITE_OK)
        return ax_sql_fail(*ret, rc, path, reterr);
    if (version > AX_STORE_SCHEMA)
        return ax_fail(reterr, AX_E_DB, "%s was written by a newer version (schema %lld, this one reads %d)",
                       path, (long long)version, AX_STORE_SCHEMA);
    if (tables == 0)
        return ax_fail(reterr, AX_E_DB, "%s is no metrics database", path);
    return 0;
}

int ax_store_query(const struct ax_stats_query *q, struct ax_stats **ret, struct ax_err *reterr)
{
    struct sqlite3 *db = NULL;
    struct stat sb;

    if (stat(q->path, &sb) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return ax_fail(reterr, AX_E_MISSING, "there is no metrics database %s", q->path);
        return ax_fail(reterr, AX_E_DB, "%s: %s", q->path, strerror(errno));
    }
    int rc = open_reader(q->path, &db, reterr);
    if (rc == 0)
        rc = ax_store_read(db, q, ret, reterr);
    sqlite3_close(db);
    return rc;
}

int ax_store_query_live(struct ax_store *st, const struct ax_stats_query *q, struct ax_stats **ret,
                        struct ax_err *reterr)
{
    int rc = ax_store_ready(st, reterr);

    return rc < 0 ? rc : ax_store_read(st->db, q, ret, reterr);
}
