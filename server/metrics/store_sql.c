#include "metrics/store_sql.h"

#include <stddef.h>

#include <sqlite3.h>

#include "metrics/histogram.h"

const struct ax_store_step ax_store_steps[AX_STORE_STEPS] = {
    {1, 10 * 60},
    {10, 3 * 3600},
    {60, 48 * 3600},
    {600, 0},
};

int ax_sql_fail(struct sqlite3 *db, int rc, const char *what, struct ax_err *reterr)
{
    const char *text = db && sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    int first = reterr && reterr->code == AX_OK;

    ax_fail(reterr, AX_E_DB, "%s: %s", what, text);
    if (first)
        reterr->os = rc;
    return -(int)AX_E_DB;
}

int ax_sql_exec(struct sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int run_one(struct sqlite3_stmt *st, const int64_t *args, unsigned n)
{
    int rc = SQLITE_OK;
    int wanted = sqlite3_bind_parameter_count(st);

    for (unsigned i = 0; i < n && (int)i < wanted && rc == SQLITE_OK; i++)
        rc = sqlite3_bind_int64(st, (int)i + 1, args[i]);
    while (rc == SQLITE_OK) {
        int step = sqlite3_step(st);
        if (step == SQLITE_DONE)
            break;
        rc = step == SQLITE_ROW ? SQLITE_OK : step;
    }
    return rc;
}

int ax_sql_run(struct sqlite3 *db, const char *sql, const int64_t *args, unsigned n)
{
    while (*sql) {
        struct sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(db, sql, -1, &st, &sql);
        if (rc == SQLITE_OK && st)
            rc = run_one(st, args, n);
        sqlite3_finalize(st);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

int ax_sql_int(struct sqlite3 *db, const char *sql, int64_t *ret)
{
    struct sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            *ret = sqlite3_column_type(st, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(st, 0);
            rc = SQLITE_OK;
        } else if (rc == SQLITE_DONE) {
            *ret = -1;
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(st);
    return rc;
}

/* ---- ax_hist_sum */

static void hist_step(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    uint64_t scratch[AX_HIST_BUCKETS] = {0};
    const uint8_t *blob = sqlite3_value_blob(argv[0]);
    size_t n = (size_t)sqlite3_value_bytes(argv[0]);

    (void)argc;
    uint64_t *sum = sqlite3_aggregate_context(ctx, sizeof scratch);
    if (!sum) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    if (ax_hist_decode_add(blob, n, scratch) == 0)
        (void)ax_hist_decode_add(blob, n, sum); /* was just seen to be well-formed */
}

static void hist_final(sqlite3_context *ctx)
{
    uint64_t *sum = sqlite3_aggregate_context(ctx, 0);
    uint8_t blob[AX_HIST_BLOB_MAX];

    if (sum)
        sqlite3_result_blob(ctx, blob, (int)ax_hist_encode(sum, blob), SQLITE_TRANSIENT);
    else
        sqlite3_result_zeroblob(ctx, 0);
}

int ax_sql_functions(struct sqlite3 *db)
{
    return sqlite3_create_function_v2(db, "ax_hist_sum", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, NULL,
                                      hist_step, hist_final, NULL);
}
