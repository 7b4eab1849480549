/* `actix routes`: the route table, with what modules export and register in code. */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/print.h"
#include "supervisor/check.h"

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"load", 0, AX_OPT_FLAG, NULL,
     "load the handlers, to see their exports; --no-load only reads the manifest", AX_OPT_NEGATABLE, NULL},
    AX_OPT_JSON,
    AX_OPT_END,
};

enum { NO_TIMEOUT = -1 }; /* answered without JavaScript: nothing to time */

struct row {
    const char *method, *path, *handler; /* BORROWED */
    const char *file;                    /* BORROWED; NULL = registered in code */
    unsigned line;
    int64_t timeout_us;
    int64_t max_inflight, queue; /* 0 = none */
};

/* The manifest's route that a loaded one came from: its own line, else (registered in code) none. */
static const struct ax_manifest_route *origin(const struct ax_manifest *m, const struct ax_check_route *r)
{
    const struct ax_manifest_route *any = NULL;

    for (size_t i = 0; i < m->nroutes; i++) {
        const struct ax_manifest_route *o = &m->routes[i];
        if (strcmp(o->pattern, r->pattern) != 0)
            continue;
        if (strcmp(o->method, r->method) == 0)
            return o;
        if (o->by_exports || strcmp(o->method, "ANY") == 0)
            any = o;
    }
    return any;
}

static bool in_javascript(const struct ax_manifest_route *r)
{
    return r->kind == AX_ROUTE_HANDLER || r->kind == AX_ROUTE_NODE;
}

static int64_t timeout_of(const struct ax_manifest_route *r)
{
    return in_javascript(r) ? r->timeout_us : NO_TIMEOUT;
}

static int64_t inflight_of(const struct ax_manifest_route *r)
{
    return r && in_javascript(r) ? r->max_inflight : 0;
}

static int64_t queue_of(const struct ax_manifest_route *r)
{
    return inflight_of(r) ? r->queue : 0;
}

static size_t rows_of_check(const struct ax_manifest *m, const struct ax_check_result *r, struct row *ret)
{
    for (size_t i = 0; i < r->nroutes; i++) {
        const struct ax_check_route *c = &r->routes[i];
        const struct ax_manifest_route *o = origin(m, c);
        ret[i] = (struct row){c->method,      c->pattern, c->name,
                              c->file,        c->line,    o ? timeout_of(o) : m->timeouts.handler,
                              inflight_of(o), queue_of(o)};
    }
    return r->nroutes;
}

/* Without loading: what the manifest says.  A handler's name is put together in *ret_names, OWNED by the
 * caller. */
static size_t rows_of_manifest(const struct ax_manifest *m, struct row *ret, char **ret_names)
{
    static const char *const kinds[] = {
        [AX_ROUTE_REDIRECT] = "redirect", [AX_ROUTE_RESPOND] = "respond", [AX_ROUTE_HEALTH] = "health"};

    for (size_t i = 0; i < m->nroutes; i++) {
        const struct ax_manifest_route *r = &m->routes[i];
        const char *name = in_javascript(r) ? r->module : kinds[r->kind];

        if (in_javascript(r) && r->export_name) {
            ret_names[i] = ax_asprintf("%s#%s", r->module, r->export_name);
            name = ret_names[i] ? ret_names[i] : name;
        }
        ret[i] = (struct row){r->method,  r->pattern,    name,           r->at.file,
                              r->at.line, timeout_of(r), inflight_of(r), queue_of(r)};
    }
    return m->nroutes;
}

static json_t *timeout_json(int64_t us)
{
    if (us == AX_OFF || us == NO_TIMEOUT)
        return json_null();
    return us % 1000 ? json_real((double)us / 1e3) : json_integer(us / 1000);
}

static int print_json(const struct row *rows, size_t n)
{
    json_t *a = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct row *r = &rows[i];
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
    return ax_print_json(json_pack("{s:o}", "routes", a));
}

static bool any_limited(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (rows[i].max_inflight)
            return true;
    return false;
}

/* "10" or, where more may wait, "10+50". */
static void inflight_cell(struct ax_table *t, const struct row *r)
{
    if (!r->max_inflight)
        ax_table_cell(t, "-");
    else if (r->queue)
        ax_table_cell(t, "%jd+%jd", (intmax_t)r->max_inflight, (intmax_t)r->queue);
    else
        ax_table_cell(t, "%jd", (intmax_t)r->max_inflight);
}

static int print_table(const struct ax_args *args, const struct row *rows, size_t n)
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
            t, "%s", rows[i].timeout_us == NO_TIMEOUT ? "-" : ax_short_duration(timeout, rows[i].timeout_us));
        if (limited)
            inflight_cell(t, &rows[i]);
    }
    return ax_table_print(t, args);
}

static int print_rows(const struct ax_args *args, const struct ax_manifest *m,
                      const struct ax_check_result *loaded)
{
    size_t max = (loaded ? loaded->nroutes : m->nroutes) + 1, n;
    struct row *rows = ax_calloc(max, sizeof *rows);
    char **names = ax_calloc(max, sizeof *names);
    int code = AX_EXIT_FAILED;

    if (rows && names) {
        n = loaded ? rows_of_check(m, loaded, rows) : rows_of_manifest(m, rows, names);
        code = ax_args_flag(args, "json", false) ? print_json(rows, n) : print_table(args, rows, n);
    } else {
        ax_say("out of memory");
    }
    for (size_t i = 0; names && i < max; i++)
        ax_free(names[i]);
    ax_free(names);
    ax_free(rows);
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
    code = print_rows(args, app.manifest, load ? &loaded : NULL);
    if (code == AX_EXIT_OK && loaded.nerrors)
        code = AX_EXIT_MANIFEST;
done:
    ax_check_result_free(&loaded);
    ax_app_fini(&app);
    return code;
}

const struct ax_cmd ax_cmd_routes = {
    .name = "routes", .summary = "print the route table", .options = options, .run = routes_run};
