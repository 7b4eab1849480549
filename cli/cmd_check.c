/* `actix check`: parses and validates the manifest, and loads every handler in a throw-away Node. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/check_plan.h"
#include "cli/print.h"
#include "cli/route_table.h"
#include "supervisor/check.h"

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"load", 0, AX_OPT_FLAG, NULL, "load the handlers too; --no-load only reads the manifest",
     AX_OPT_NEGATABLE, NULL},
    {"strict", 0, AX_OPT_FLAG, NULL, "take warnings for errors", 0, NULL},
    {"plan", 0, AX_OPT_FLAG, NULL, "print what an engine is told, as JSON, instead; for actix-js/test",
     AX_OPT_NO_ENV, NULL},
    AX_OPT_JSON,
    AX_OPT_END,
};

/* One thing to say about the app, from the manifest or from its handlers. */
struct finding {
    const char *file; /* BORROWED; NULL = about no place */
    unsigned line, col;
    const char *message; /* BORROWED */
    bool warning;
    size_t order; /* as found: keeps what has the same place in order */
};
struct findings {
    struct finding *v; /* OWNED */
    size_t n, errors;
};

static bool same_line(const struct finding *a, const struct finding *b)
{
    return a->file && b->file && a->line == b->line && strcmp(a->file, b->file) == 0;
}

/* What the manifest's own check has already said of a line (a file that is missing) is not said again by
 * Node. */
static bool known(const struct findings *f, const struct finding *x)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->v[i].warning && same_line(&f->v[i], x))
            return true;
    return false;
}

static void add(struct findings *f, struct finding x)
{
    x.order = f->n;
    f->v[f->n++] = x;
    f->errors += !x.warning;
}

static int by_place(const void *pa, const void *pb)
{
    const struct finding *a = pa, *b = pb;
    int c = a->file && b->file ? strcmp(a->file, b->file) : (a->file ? -1 : b->file ? 1 : 0);

    if (c)
        return c;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->col != b->col)
        return a->col < b->col ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Routes that hide each other, once the manifest and every handler are right: before that the table is not
 * whole. */
struct hidden {
    struct ax_err *v; /* OWNED */
    size_t n, cap;
};

static void on_hidden(void *ctx, const struct ax_route_row *row, const char *text)
{
    struct hidden *h = ctx;

    if (h->n < h->cap)
        ax_fail_at(&h->v[h->n++], AX_E_STATE, row->file, row->line, row->col, "%s", text);
}

static void find_hidden(const struct ax_manifest *m, const struct ax_check_result *loaded, struct hidden *ret)
{
    struct ax_route_table table;

    if (ax_route_table_make(m, loaded, &table, NULL) < 0)
        return;
    ret->cap = ax_route_table_lint(&table, NULL, NULL);
    ret->v = ax_calloc(ret->cap + 1, sizeof *ret->v);
    if (ret->v)
        ax_route_table_lint(&table, on_hidden, ret);
    ax_route_table_fini(&table);
}

static int collect(const struct ax_problems *p, const struct ax_check_result *r, const struct hidden *h,
                   bool strict, struct findings *ret)
{
    size_t from_manifest;

    ret->v = ax_calloc(p->n + r->nerrors + h->n + 1, sizeof *ret->v);
    if (!ret->v) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct ax_problem *x = &p->v[i];
        add(ret, (struct finding){x->err.line ? x->err.file : NULL, x->err.line, x->err.col, x->err.msg,
                                  x->warning && !strict, 0});
    }
    from_manifest = ret->n;
    for (size_t i = 0; i < r->nerrors; i++) {
        const struct ax_check_error *e = &r->errors[i];
        struct finding x = {e->file, e->line, e->col, e->message, false, 0};
        struct findings manifest = {ret->v, from_manifest, 0};
        if (!known(&manifest, &x))
            add(ret, x);
    }
    for (size_t i = 0; i < h->n; i++)
        add(ret, (struct finding){h->v[i].file, h->v[i].line, h->v[i].col, h->v[i].msg, !strict, 0});
    qsort(ret->v, ret->n, sizeof *ret->v, by_place);
    return AX_EXIT_OK;
}

static json_t *to_json(const struct findings *f, bool warnings)
{
    json_t *a = json_array();

    for (size_t i = 0; i < f->n; i++) {
        const struct finding *x = &f->v[i];
        json_t *o;

        if (x->warning != warnings)
            continue;
        o = json_object();
        json_object_set_new(o, "file", x->file ? json_string(x->file) : json_null());
        json_object_set_new(o, "line", x->file ? json_integer(x->line) : json_null());
        json_object_set_new(o, "col", x->file ? json_integer(x->col) : json_null());
        json_object_set_new(o, "message", json_string(x->message));
        json_array_append_new(a, o);
    }
    return a;
}

static void print_findings(const struct findings *f)
{
    for (size_t i = 0; i < f->n; i++) {
        const struct finding *x = &f->v[i];
        const char *kind = x->warning ? "warning: " : "";

        if (x->file)
            fprintf(stderr, "%s:%u:%u: %s%s\n", x->file, x->line, x->col, kind, x->message);
        else
            ax_say("%s%s", kind, x->message);
    }
}

static int report(const struct ax_args *args, const struct ax_app *app, const struct findings *f,
                  size_t nroutes)
{
    int code = f->errors ? AX_EXIT_MANIFEST : AX_EXIT_OK;

    if (ax_args_flag(args, "json", false)) {
        json_t *o = json_object();
        json_object_set_new(o, "ok", json_boolean(code == AX_EXIT_OK));
        json_object_set_new(o, "errors", to_json(f, false));
        json_object_set_new(o, "warnings", to_json(f, true));
        int printed = ax_print_json(o);
        return code == AX_EXIT_OK ? printed : code;
    }
    print_findings(f);
    if (code == AX_EXIT_OK)
        printf("%s: ok, %zu route%s%s\n", app->manifest->file, nroutes, nroutes == 1 ? "" : "s",
               ax_args_flag(args, "load", true) ? ", every handler loads" : " (handlers not loaded)");
    return code;
}

static int plan_run(const struct ax_args *args)
{
    struct ax_app app;
    int code = ax_app_load(args, &app);

    if (code == AX_EXIT_OK)
        code = ax_check_plan_print(app.manifest);
    ax_app_fini(&app);
    return code;
}

static int check_run(struct ax_args *args)
{
    if (ax_args_flag(args, "plan", false))
        return plan_run(args);

    struct ax_app app;
    struct ax_check_result loaded = {0};
    struct findings found = {0};
    struct hidden hidden = {0};
    struct ax_err err = {0};
    bool load = ax_args_flag(args, "load", true);
    int code = ax_app_read_broken(args, &app);

    if (code == AX_EXIT_USAGE || code == AX_EXIT_FAILED)
        goto done;
    if (load && app.manifest && ax_check_run(app.manifest, NULL, &loaded, &err) < 0) {
        ax_app_print_problems(&app.problems);
        code = ax_say_err(&err, code == AX_EXIT_OK ? AX_EXIT_FAILED : code);
        goto done;
    }
    if (app.manifest && app.problems.errors == 0 && loaded.nerrors == 0)
        find_hidden(app.manifest, load ? &loaded : NULL, &hidden);
    code = collect(&app.problems, &loaded, &hidden, ax_args_flag(args, "strict", false), &found);
    if (code == AX_EXIT_OK)
        code = report(args, &app, &found, load || !app.manifest ? loaded.nroutes : app.manifest->nroutes);
done:
    ax_free(found.v);
    ax_free(hidden.v);
    ax_check_result_free(&loaded);
    ax_app_fini(&app);
    return code;
}

const struct ax_cmd ax_cmd_check = {.name = "check",
                                    .summary = "validate the manifest and load every handler",
                                    .options = options,
                                    .run = check_run};
