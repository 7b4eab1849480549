/* metrics/store_sql.h - small helpers over one SQLite handle, for store*.c only. */
#ifndef AX_METRICS_STORE_SQL_H
#define AX_METRICS_STORE_SQL_H

#include <stdint.h>

#include "base/err.h"

struct sqlite3; /* store*.c include sqlite3.h themselves */
struct sqlite3_stmt;

/* user_version this program writes, and application_id ("actx"), by which it knows its own files. */
enum { AX_STORE_SCHEMA = 1, AX_STORE_APPLICATION = 0x61637478 };

/* The steps of folding (docs/metrics.md): rows of `span` seconds live for `for_s` seconds, then they are
 * folded into the next span; the last lives up to the retention. */
struct ax_store_step {
    int span, for_s;
};
enum { AX_STORE_STEPS = 4 };
extern const struct ax_store_step ax_store_steps[AX_STORE_STEPS];
#define AX_STORE_SPANS "(1, 10, 60, 600)" /* the same, for SQL: lets SQLite use the index on (span, ts) */

/* Columns of server_stats after ts and span.  C = counter, a difference, folded by sum; G = gauge, folded by
 * max. */
#define AX_SAMPLE_MAP(C, G)                                                                                  \
    G(rss_bytes)                                                                                             \
    C(cpu_us)                                                                                                \
    G(connections)                                                                                           \
    G(inflight)                                                                                              \
    C(accepted)                                                                                              \
    G(pool_high)                                                                                             \
    C(pool_dry)                                                                                              \
    C(cache_hits)                                                                                            \
    C(cache_misses)                                                                                          \
    C(late_sends)                                                                                            \
    C(worker_restarts)                                                                                       \
    C(dropped)

/* Records what SQLite said about `what`; rc is its result code, kept in reterr->os.  Returns -AX_E_DB. */
int ax_sql_fail(struct sqlite3 *db, int rc, const char *what, struct ax_err *reterr);
/* Runs statements without results (rows are skipped).  SQLite's extended result code. */
int ax_sql_exec(struct sqlite3 *db, const char *sql);
/* As ax_sql_exec; each `?1`, `?2` ... of each statement is bound to args[0..n). */
int ax_sql_run(struct sqlite3 *db, const char *sql, const int64_t *args, unsigned n);
/* The first column of the first row; NULL counts as -1. */
int ax_sql_int(struct sqlite3 *db, const char *sql, int64_t *ret);
/* ax_hist_sum(blob): an aggregate that adds histograms.  A blob that is none adds nothing. */
int ax_sql_functions(struct sqlite3 *db);

#endif
