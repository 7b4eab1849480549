/* `actix stats`: what happened, out of metrics.db; needs no running server. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/stats_out.h"
#include "cli/when.h"
#include "supervisor/client.h"

#define WINDOW_US (INT64_C(3600) * 1000000) /* without --since: the last hour */

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"db", 0, AX_OPT_VALUE, "FILE", "read this database instead of the app's", 0, NULL},
    {"since", 0, AX_OPT_VALUE, "TIME", "start of the window; 1h when not given", 0, NULL},
    {"until", 0, AX_OPT_VALUE, "TIME", "end of the window; now when not given", 0, NULL},
    {"route", 0, AX_OPT_VALUE, "ROUTE", "only this pattern, or \"METHOD pattern\"", 0, NULL},
    {"by", 0, AX_OPT_VALUE, "WHAT", "a row for each route, status, time or worker", 0, ax_by_names},
    {"utc", 0, AX_OPT_FLAG, NULL, "read and show times in UTC", 0, NULL},
    {"csv", 0, AX_OPT_FLAG, NULL, "print the rows as CSV", 0, NULL},
    AX_OPT_JSON,
    {"plot", 0, AX_OPT_FLAG, NULL, "draw the window", AX_OPT_LATER, NULL},
    {"watch", 0, AX_OPT_FLAG, NULL, "show it again and again", AX_OPT_LATER, NULL},
    {"html", 0, AX_OPT_VALUE, "FILE", "write a report", AX_OPT_LATER, NULL},
    AX_OPT_END,
};

static int by_of(const struct ax_args *args)
{
    const char *by = ax_args_value(args, "by");

    for (int i = 0; by && ax_by_names[i]; i++)
        if (strcmp(by, ax_by_names[i]) == 0)
            return i;
    return by ? -1 : AX_BY_ROUTE;
}

static int window(const struct ax_args *args, struct ax_stats_query *q, int64_t now_us, bool utc)
{
    const char *since = ax_args_value(args, "since"), *until = ax_args_value(args, "until");
    struct ax_err err = {0};

    q->until_us = now_us;
    if (until && ax_when_parse(until, &(struct ax_when){now_us, utc, true}, &q->until_us, &err) < 0)
        return ax_usage(args, "--until: %s", err.msg);
    if (q->until_us > now_us)
        q->until_us = now_us; /* rates are of time that has passed */
    q->since_us = q->until_us - WINDOW_US;
    if (since && ax_when_parse(since, &(struct ax_when){now_us, utc, false}, &q->since_us, &err) < 0)
        return ax_usage(args, "--since: %s", err.msg);
    if (q->since_us >= q->until_us)
        return ax_usage(args, "--since (%s) is not before --until (%s)", since ? since : "an hour earlier",
                        until ? until : "now");
    return AX_EXIT_OK;
}

/* A manifest that is broken at the moment must not hide what happened: look where the state is by default.
 * Where the state was named, a missing manifest is nothing to speak of. */
static int default_database(const struct ax_args *args, struct ax_app *app, struct ax_state *ret)
{
    bool missing = app->problems.n == 1 && app->problems.v[0].err.code == AX_E_MISSING;
    bool named = ax_app_state_named(args);
    int code = ax_app_state_bare(args, ret);

    if (code != AX_EXIT_OK || (named && missing))
        return code;
    if (named || (ret->database && access(ret->database, F_OK) == 0)) {
        ax_say("the manifest cannot be read ('actix check' tells why); showing %s", ret->database);
        return AX_EXIT_OK;
    }
    ax_state_fini(ret);
    ax_app_print_problems(&app->problems);
    return AX_EXIT_MANIFEST;
}

/* *ret is OWNED by the caller (ax_free). */
static int find_database(const struct ax_args *args, char **ret)
{
    const char *db = ax_args_value(args, "db");
    struct ax_app app;
    struct ax_state state = {0};

    if (db) {
        *ret = ax_strdup(db);
        if (!*ret)
            ax_say("out of memory");
        return *ret ? AX_EXIT_OK : AX_EXIT_FAILED;
    }
    int code = ax_app_read(args, &app);
    if (code == AX_EXIT_OK)
        code = ax_app_state(&app, args, &state);
    else if (code == AX_EXIT_MANIFEST)
        code = default_database(args, &app, &state);
    if (code == AX_EXIT_OK && !state.database) {
        ax_say("metrics.database is off in %s: what is counted is not kept", app.manifest->file);
        code = AX_EXIT_FAILED;
    }
    /* What a running instance has counted and not written yet is asked for; who may not ask, or asks in vain,
     * sees all but the last moment. */
    if (code == AX_EXIT_OK)
        ax_client_flush(&state, NULL);
    *ret = state.database;
    state.database = NULL;
    ax_state_fini(&state);
    ax_app_fini(&app);
    return code;
}

static int failed(const struct ax_args *args, const struct ax_stats_query *q, const struct ax_err *err)
{
    if (err->code != AX_E_MISSING)
        return ax_say_err(err, AX_EXIT_FAILED);
    ax_say("no metrics database at %s%s", q->path,
           ax_args_value(args, "db") ? "" : ": nothing has been served with this state folder yet");
    return AX_EXIT_FAILED;
}

static int print(struct ax_stats_view *v)
{
    if (ax_args_flag(v->args, "json", false))
        return ax_stats_print_json(v);
    if (ax_args_flag(v->args, "csv", false))
        return ax_stats_print_csv(v);
    return ax_stats_print(v);
}

static int query_and_print(const struct ax_args *args, struct ax_stats_query *q, int by, int64_t now_us)
{
    struct ax_stats *routes = NULL, *rows = NULL;
    struct ax_err err = {0};
    int code;

    q->by = AX_BY_ROUTE;
    int rc = ax_store_query(q, &routes, &err);
    if (rc == 0 && by != AX_BY_ROUTE) {
        q->by = (unsigned)by;
        rc = ax_store_query(q, &rows, &err);
    }
    if (rc == 0) {
        struct ax_stats_view v = {.routes = routes,
                                  .rows = rows ? rows : routes,
                                  .by = by,
                                  .utc = ax_args_flag(args, "utc", false),
                                  .now_us = now_us,
                                  .args = args};
        code = print(&v);
    } else {
        code = failed(args, q, &err);
    }
    ax_stats_free(rows);
    ax_stats_free(routes);
    return code;
}

static int stats_run(struct ax_args *args)
{
    struct ax_stats_query q = {.route = ax_args_value(args, "route")};
    int64_t now_us = ax_wall_now().us;
    int by = by_of(args);
    char *db = NULL;

    if (by < 0)
        return ax_usage(args, "ACTIX_BY must be one of route, status, time, worker (found '%s')",
                        ax_args_value(args, "by"));
    if (ax_args_flag(args, "json", false) && ax_args_flag(args, "csv", false))
        return ax_usage(args, "--json and --csv exclude each other");
    int code = window(args, &q, now_us, ax_args_flag(args, "utc", false));
    if (code == AX_EXIT_OK)
        code = find_database(args, &db);
    /* What the instance has just written may belong to a second that had not begun then. */
    if (code == AX_EXIT_OK) {
        now_us = ax_wall_now().us;
        code = window(args, &q, now_us, ax_args_flag(args, "utc", false));
    }
    if (code == AX_EXIT_OK) {
        q.path = db;
        code = query_and_print(args, &q, by, now_us);
    }
    ax_free(db);
    return code;
}

const struct ax_cmd ax_cmd_stats = {
    .name = "stats",
    .summary = "tell what happened: requests, errors, latency",
    .options = options,
    .run = stats_run,
    .about = "TIME is 1h (that long ago), 14:00 (the last time the clock showed that), 2026-11-22,\n"
             "\"2026-11-22 14:00\" or RFC 3339.  A date alone as --until includes that day.\n",
};
