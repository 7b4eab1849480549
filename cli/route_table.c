#include "cli/route_table.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "supervisor/explain.h"

/* The manifest's route that a loaded one came from: its own line, else (registered in code) none. */
static const struct ax_manifest_route *origin(const struct ax_manifest *m, const struct ax_check_route *r)
{
    const struct ax_manifest_route *any = NULL;

    for (size_t i = 0; r->file && i < m->nroutes; i++) {
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

/* What answers where no module does. */
static const char *kind_name(enum ax_route_kind kind)
{
    return kind == AX_ROUTE_REDIRECT ? "redirect" : kind == AX_ROUTE_RESPOND ? "respond" : "health";
}

static struct ax_route_row row_of(const struct ax_manifest *m, const struct ax_manifest_route *o)
{
    bool handler = !o || in_javascript(o);
    struct ax_route_row r = {.timeout_us = AX_ROUTE_NO_TIMEOUT, .origin = o};

    if (handler)
        r.timeout_us = o ? o->timeout_us : m->timeouts.handler;
    if (handler && o) {
        r.max_inflight = o->max_inflight;
        r.queue = o->max_inflight ? o->queue : 0;
    }
    return r;
}

static void rows_of_check(const struct ax_manifest *m, const struct ax_check_result *r,
                          struct ax_route_table *t)
{
    for (size_t i = 0; i < r->nroutes; i++) {
        const struct ax_check_route *c = &r->routes[i];
        struct ax_route_row *row = &t->rows[t->n++];
        *row = row_of(m, origin(m, c));
        row->method = c->method;
        row->path = c->pattern;
        row->handler = c->name;
        row->file = c->file;
        row->line = c->line;
        row->col = c->col;
    }
}

static int rows_of_manifest(const struct ax_manifest *m, struct ax_route_table *t, struct ax_err *reterr)
{
    for (size_t i = 0; i < m->nroutes; i++) {
        const struct ax_manifest_route *r = &m->routes[i];
        struct ax_route_row *row = &t->rows[t->n];
        *row = row_of(m, r);
        row->method = r->method;
        row->path = r->pattern;
        row->handler = in_javascript(r) ? r->module : kind_name(r->kind);
        row->file = r->at.file;
        row->line = r->at.line;
        row->col = r->at.col;
        if (r->kind == AX_ROUTE_STATIC || (in_javascript(r) && r->export_name)) {
            row->handler = t->names[t->n] = r->kind == AX_ROUTE_STATIC
                                                ? ax_asprintf("static %s", r->dir)
                                                : ax_asprintf("%s#%s", r->module, r->export_name);
            if (!row->handler)
                return ax_fail(reterr, AX_E_NOMEM, "out of memory");
        }
        t->n++;
    }
    return 0;
}

int ax_route_table_make(const struct ax_manifest *m, const struct ax_check_result *loaded,
                        struct ax_route_table *ret, struct ax_err *reterr)
{
    size_t max = (loaded ? loaded->nroutes : m->nroutes) + 1;
    struct ax_route_table t = {.rows = ax_calloc(max, sizeof *t.rows),
                               .names = ax_calloc(max, sizeof *t.names)};
    int rc = t.rows && t.names ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");

    if (rc == 0 && loaded)
        rows_of_check(m, loaded, &t);
    else if (rc == 0)
        rc = rows_of_manifest(m, &t, reterr);
    if (rc < 0) {
        ax_route_table_fini(&t);
        return rc;
    }
    *ret = t;
    return 0;
}

void ax_route_table_fini(struct ax_route_table *t)
{
    for (size_t i = 0; t->names && i < t->n; i++)
        ax_free(t->names[i]);
    ax_free(t->names);
    ax_free(t->rows);
    *t = (struct ax_route_table){0};
}

struct told {
    const struct ax_route_table *t;
    void (*warn)(void *ctx, const struct ax_route_row *row, const char *text);
    void *ctx;
    size_t n;
};

static void on_warning(void *ctx, size_t route, const char *text)
{
    struct told *to = ctx;

    to->n++;
    if (to->warn)
        to->warn(to->ctx, &to->t->rows[route], text);
}

size_t ax_route_table_lint(const struct ax_route_table *t,
                           void (*warn)(void *ctx, const struct ax_route_row *row, const char *text),
                           void *ctx)
{
    struct ax_explain_route *v = ax_calloc(t->n + 1, sizeof *v);
    struct told to = {t, warn, ctx, 0};

    for (size_t i = 0; v && i < t->n; i++)
        v[i] = (struct ax_explain_route){t->rows[i].method, t->rows[i].path};
    if (v)
        ax_routes_lint(v, t->n, on_warning, &to);
    ax_free(v);
    return to.n;
}
