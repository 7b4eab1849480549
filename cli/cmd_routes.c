/* `actix routes`: the route table, with what modules export and register in code. */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/route_table.h"
#include "supervisor/check.h"

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"load", 0, AX_OPT_FLAG, NULL,
     "load the handlers, to see their exports; --no-load only reads the manifest", AX_OPT_NEGATABLE, NULL},
    AX_OPT_JSON,
    AX_OPT_END,
};

static json_t *timeout_json(int64_t us)
{
    if (us == AX_OFF || us == AX_ROUTE_NO_TIMEOUT)
        return json_null();
    return us % 1000 ? json_real((double)us / 1e3) : json_integer(us / 1000);
}

static void add_warning(void *ctx, const struct ax_route_row *r, const char *text)
{
    json_t *o = json_object();

    json_object_set_new(o, "file", r->file ? json_string(r->file) : json_null());
    json_object_set_new(o, "line", r->file ? json_integer(r->line) : json_null());
    json_object_set_new(o, "col", r->file ? json_integer(r->col) : json_null());
    json_object_set_new(o, "message", json_string(text));
    json_array_append_new(ctx, o);
}

static void print_warning(void *ctx, const struct ax_route_row *r, const char *text)
{
    (void)ctx;
    if (r->file)
        fprintf(stderr, "%s:%u:%u: warning: %s\n", r->file, r->line, r->col, text);
    else
        ax_say("warning: %s", text);
}

static int print_json(const struct ax_route_table *t)
{
    const struct ax_route_row *rows = t->rows;
    json_t *a = json_array(), *warnings = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct ax_route_row *r = &rows[i];
        json_t *o = json_pack("{s:s, s:s, s:s}", "method", r->method, "path", r->path, "handler", r->handler);
        json_object_set_new(o, "timeout_ms", timeout_json(r->timeout_us));
        if (r->max_inflight) {
            json_object_set_new(o, "max_inflight", json_integer(r->max_inflight));
            json_object_set_new(o, "queue", json_integer(r->queue));
        }
        json_object_set_new(o, "file", r->file ? json_string(r->file) : json_null());
        json_object_set_new(o, "line", r->file ? json_integer(r->line) : json_null());
        json_array_append_new(a, o);
    }
    ax_route_table_lint(t, add_warning, warnings);
    return ax_print_json(json_pack("{s:o, s:o}", "routes", a, "warnings", warnings));
}

static bool any_limited(const struct ax_route_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].max_inflight)
            return true;
    return false;
}

/* "10" or, where more may wait, "10+50". */
static void inflight_cell(struct ax_table *t, const struct ax_route_row *r)
{
    if (!r->max_inflight)
        ax_table_cell(t, "-");
    else if (r->queue)
        ax_table_cell(t, "%jd+%jd", (intmax_t)r->max_inflight, (intmax_t)r->queue);
    else
        ax_table_cell(t, "%jd", (intmax_t)r->max_inflight);
}

static int print_table(const struct ax_args *args, const struct ax_route_row *rows, size_t n)
{
    struct ax_table *t;
    char timeout[AX_SHORT_MAX];
    bool limited = any_limited(rows, n);

    if (n == 0) {
        puts("no routes");
        return AX_EXIT_OK;
    }
    t = ax_table_new();
    ax_table_column(t, "METHOD", 0);
    ax_table_column(t, "PATH", 0);
    ax_table_column(t, "HANDLER", 0);
    ax_table_column(t, "TIMEOUT", AX_COL_RIGHT);
    if (limited)
        ax_table_column(t, "INFLIGHT", AX_COL_RIGHT);
    for (size_t i = 0; i < n; i++) {
        ax_table_row(t);
        ax_table_cell(t, "%s", rows[i].method);
        ax_table_cell(t, "%s", rows[i].path);
        ax_table_cell(t, "%s", rows[i].handler);
        ax_table_cell(
            t, "%s",
            rows[i].timeout_us == AX_ROUTE_NO_TIMEOUT ? "-" : ax_short_duration(timeout, rows[i].timeout_us));
        if (limited)
            inflight_cell(t, &rows[i]);
    }
    return ax_table_print(t, args);
}

/* The table goes to stdout, what is odd about it to stderr. */
static int print_rows(const struct ax_args *args, const struct ax_route_table *t)
{
    if (ax_args_flag(args, "json", false))
        return print_json(t);
    int code = print_table(args, t->rows, t->n);
    fflush(stdout);
    ax_route_table_lint(t, print_warning, NULL);
    return code;
}

static void print_load_errors(const struct ax_check_result *r)
{
    for (size_t i = 0; i < r->nerrors; i++) {
        const struct ax_check_error *e = &r->errors[i];

        if (e->file)
            fprintf(stderr, "%s:%u:%u: %s\n", e->file, e->line, e->col, e->message);
        else
            ax_say("%s", e->message);
    }
}

static int routes_run(struct ax_args *args)
{
    struct ax_app app;
    struct ax_check_result loaded = {0};
    struct ax_route_table table = {0};
    struct ax_err err = {0};
    bool load = ax_args_flag(args, "load", true);
    int code = ax_app_load(args, &app);

    if (code != AX_EXIT_OK)
        goto done;
    if (load && ax_check_run(app.manifest, NULL, &loaded, &err) < 0) {
        code = ax_say_err(&err, AX_EXIT_FAILED);
        goto done;
    }
    print_load_errors(&loaded);
    if (ax_route_table_make(app.manifest, load ? &loaded : NULL, &table, &err) < 0)
        code = ax_say_err(&err, AX_EXIT_FAILED);
    else
        code = print_rows(args, &table);
    if (code == AX_EXIT_OK && loaded.nerrors)
        code = AX_EXIT_MANIFEST;
done:
    ax_route_table_fini(&table);
    ax_check_result_free(&loaded);
    ax_app_fini(&app);
    return code;
}

const struct ax_cmd ax_cmd_routes = {
    .name = "routes", .summary = "print the route table", .options = options, .run = routes_run};
