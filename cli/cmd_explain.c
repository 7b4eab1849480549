/* `actix explain METHOD PATH`: which route would answer, and why; nothing is sent. */
#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/route_table.h"
#include "supervisor/check.h"
#include "supervisor/explain.h"

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"load", 0, AX_OPT_FLAG, NULL,
     "load the handlers, to see their exports; --no-load only reads the manifest", AX_OPT_NEGATABLE, NULL},
    AX_OPT_JSON,
    AX_OPT_END,
};

struct view {
    const struct ax_args *args;
    const struct ax_manifest *m;
    const struct ax_route_table *table;
    const struct ax_explain *e;
    const char *method, *target;
};

/* ---- in words */
static const char *const lost_text[] = {
    [AX_LOST_METHOD] = "answers another method",
    [AX_LOST_ANY] = "a route for the method itself goes before it",
    [AX_LOST_WEAKER] = "a more specific pattern goes before it: static beats :param beats *rest",
};
static const char *const lost_names[] = {
    [AX_LOST_METHOD] = "method", [AX_LOST_ANY] = "any", [AX_LOST_WEAKER] = "weaker"};
static const char *const verdict_names[] = {
    [AX_EXPLAIN_ROUTE] = "route",          [AX_EXPLAIN_REDIRECT] = "redirect",
    [AX_EXPLAIN_OPTIONS] = "options",      [AX_EXPLAIN_MALFORMED] = "malformed",
    [AX_EXPLAIN_NO_PATH] = "no_path",      [AX_EXPLAIN_NO_METHOD] = "no_method",
    [AX_EXPLAIN_BAD_METHOD] = "bad_method"};

static void line(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void line(const char *name, const char *fmt, ...)
{
    va_list ap;

    printf("  %-9s ", name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static const struct ax_route_row *winner(const struct view *v)
{
    bool has = v->e->verdict == AX_EXPLAIN_ROUTE || v->e->verdict == AX_EXPLAIN_REDIRECT;

    return has ? &v->table->rows[v->e->route] : NULL;
}

static void print_route(const struct ax_route_row *r)
{
    if (r->file)
        line("route", "%s %s (%s:%u:%u)", r->method, r->path, r->file, r->line, r->col);
    else
        line("route", "%s %s (registered in code)", r->method, r->path);
    line("handler", "%s", r->handler);
}

static const char *why(const struct view *v, const struct ax_route_row *r)
{
    if (v->e->other_slash)
        return "the path with its last slash toggled matches (server.trailing_slash: ignore)";
    if (strcmp(v->method, r->method) == 0)
        return v->e->nlost ? "the most specific pattern that matches, with this method" : "the only match";
    if (strcmp(r->method, "ANY") == 0)
        return "the route answers every method";
    return "GET answers HEAD; the body is dropped";
}

static void print_status(const struct view *v)
{
    const struct ax_explain *e = v->e;

    switch (e->verdict) {
    case AX_EXPLAIN_ROUTE:
        return;
    case AX_EXPLAIN_REDIRECT:
        line("answer", "308 to %s (server.trailing_slash: redirect)", e->location);
        return;
    case AX_EXPLAIN_OPTIONS:
        line("answer", "204 with Allow: %s; no route has OPTIONS here", e->allow);
        return;
    case AX_EXPLAIN_MALFORMED:
        line("answer", "400: the path is malformed, or has a '.' or '..' segment");
        return;
    case AX_EXPLAIN_NO_PATH:
        line("answer", "404: no route has this path");
        return;
    case AX_EXPLAIN_NO_METHOD:
        line("answer", "405 with Allow: %s", e->allow);
        return;
    case AX_EXPLAIN_BAD_METHOD:
        line("answer", "501: no such method");
        return;
    }
}

static const char *size_text(char out[AX_SHORT_MAX], int64_t bytes)
{
    return bytes == AX_OFF ? "off" : ax_short_bytes(out, (uint64_t)bytes);
}

static int64_t body_of(const struct view *v, const struct ax_route_row *r)
{
    return r->origin ? r->origin->body_max : v->m->limits.body;
}

static void print_limits(const struct view *v, const struct ax_route_row *r)
{
    char text[AX_SHORT_MAX];

    if (r->timeout_us == AX_ROUTE_NO_TIMEOUT)
        return;
    line("timeout", "%s", ax_short_duration(text, r->timeout_us));
    line("body", "%s at most", size_text(text, body_of(v, r)));
    if (r->max_inflight)
        line("inflight", "%" PRId64 " at once, %" PRId64 " more may wait", r->max_inflight, r->queue);
}

/* ---- policy: what a rule or the route itself says */
/* The rule that counts for the route: the longest prefix of its pattern. */
static const struct ax_rule *rule_of(const struct view *v, const struct ax_route_row *r)
{
    for (size_t i = 0; i < v->m->nrules; i++) {
        const struct ax_rule *rule = &v->m->rules[i];
        size_t n = strlen(rule->prefix);
        if (strncmp(r->path, rule->prefix, n) == 0 && (r->path[n] == '/' || r->path[n] == '\0'))
            return rule;
    }
    return NULL;
}

/* Routes that are registered in code have what the rules say. */
static struct ax_policies_of policy_of(const struct view *v, const struct ax_route_row *r)
{
    const struct ax_rule *rule = r->origin ? NULL : rule_of(v, r);

    return r->origin ? r->origin->policy : rule ? rule->policy : (struct ax_policies_of){0};
}

static void print_policy(const struct view *v, const struct ax_route_row *r)
{
    const struct ax_rule *rule = rule_of(v, r);
    struct ax_policies_of p = policy_of(v, r);

    if (p.auth)
        line("auth", "%s", p.auth);
    if (p.cors)
        line("cors", "%s", p.cors);
    if (p.rate_limit)
        line("rate", "%s", p.rate_limit);
    if (p.compress.on)
        line("compress", "on");
    for (size_t i = 0; i < p.use.n; i++)
        line(i ? "" : "use", "%s", p.use.v[i].file);
    if (r->origin && r->origin->stream)
        line("stream", "the handler reads the body as it comes");
    if (rule)
        line("rule", "%s (%s:%u:%u)", rule->prefix[0] ? rule->prefix : "/", rule->at.file, rule->at.line,
             rule->at.col);
}

static json_t *policy_json(const struct view *v, const struct ax_route_row *r)
{
    const struct ax_rule *rule = rule_of(v, r);
    struct ax_policies_of p = policy_of(v, r);
    json_t *use = json_array();

    for (size_t i = 0; i < p.use.n; i++)
        json_array_append_new(use, json_string(p.use.v[i].file));
    json_t *from =
        rule ? json_pack("{s:s, s:s, s:i, s:i}", "prefix", rule->prefix[0] ? rule->prefix : "/", "file",
                         rule->at.file, "line", (int)rule->at.line, "col", (int)rule->at.col)
             : json_null();
    return json_pack("{s:s?, s:s?, s:s?, s:b, s:o, s:b, s:o}", "auth", p.auth, "cors", p.cors, "rate_limit",
                     p.rate_limit, "compress", p.compress.on, "use", use, "stream",
                     r->origin && r->origin->stream, "rule", from);
}

static void print_lost(const struct view *v)
{
    for (size_t i = 0; i < v->e->nlost; i++) {
        const struct ax_explain_candidate *c = &v->e->lost[i];
        const struct ax_route_row *r = &v->table->rows[c->route];
        line(i ? "" : "not", "%s %s: %s", r->method, r->path, lost_text[c->lost]);
    }
}

static void print_view(const struct view *v)
{
    const struct ax_route_row *r = winner(v);

    printf("%s %s\n", v->method, v->target);
    print_status(v);
    if (r)
        print_route(r);
    if (r && v->e->verdict == AX_EXPLAIN_ROUTE)
        line("why", "%s", why(v, r));
    for (size_t i = 0; i < v->e->nparams; i++)
        line(i ? "" : "params", "%s = \"%s\"", v->e->params[i].name, v->e->params[i].value);
    if (r && v->e->verdict == AX_EXPLAIN_ROUTE)
        print_limits(v, r);
    if (r && v->e->verdict == AX_EXPLAIN_ROUTE)
        print_policy(v, r);
    print_lost(v);
}

/* ---- as JSON */
static json_t *row_json(const struct ax_route_row *r)
{
    return json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o}", "method", r->method, "path", r->path, "handler",
                     r->handler, "file", r->file, "line", r->file ? json_integer(r->line) : json_null(),
                     "col", r->file ? json_integer(r->col) : json_null());
}

static json_t *limits_json(const struct view *v, const struct ax_route_row *r)
{
    json_t *o = json_object();
    int64_t body = body_of(v, r);

    if (r->timeout_us == AX_ROUTE_NO_TIMEOUT)
        return o;
    json_object_set_new(o, "timeout_ms",
                        r->timeout_us == AX_OFF ? json_null() : json_real((double)r->timeout_us / 1e3));
    json_object_set_new(o, "body", body == AX_OFF ? json_null() : json_integer(body));
    if (r->max_inflight) {
        json_object_set_new(o, "max_inflight", json_integer(r->max_inflight));
        json_object_set_new(o, "queue", json_integer(r->queue));
    }
    return o;
}

static json_t *lost_json(const struct view *v)
{
    json_t *a = json_array();

    for (size_t i = 0; i < v->e->nlost; i++) {
        const struct ax_explain_candidate *c = &v->e->lost[i];
        json_t *o = row_json(&v->table->rows[c->route]);
        json_object_set_new(o, "why", json_string(lost_names[c->lost]));
        json_array_append_new(a, o);
    }
    return a;
}

static int print_json(const struct view *v)
{
    const struct ax_explain *e = v->e;
    const struct ax_route_row *r = winner(v);
    json_t *o = json_pack("{s:s, s:s, s:s}", "method", v->method, "target", v->target, "verdict",
                          verdict_names[e->verdict]);
    json_t *params = json_object();

    for (size_t i = 0; i < e->nparams; i++)
        json_object_set_new(params, e->params[i].name, json_string(e->params[i].value));
    json_object_set_new(o, "status", e->status ? json_integer(e->status) : json_null());
    json_object_set_new(o, "route", r ? row_json(r) : json_null());
    json_object_set_new(o, "params", params);
    json_object_set_new(o, "limits", r ? limits_json(v, r) : json_null());
    json_object_set_new(o, "policy", r ? policy_json(v, r) : json_null());
    if (e->location)
        json_object_set_new(o, "location", json_string(e->location));
    if (e->allow[0])
        json_object_set_new(o, "allow", json_string(e->allow));
    json_object_set_new(o, "rejected", lost_json(v));
    return ax_print_json(o);
}

/* ---- the command */
/* The app answers, or sends elsewhere; what the server refuses by itself is a failure for scripts. */
static int code_of(const struct ax_explain *e)
{
    return e->status < 400 ? AX_EXIT_OK : AX_EXIT_FAILED;
}

static int explain(const struct ax_args *args, const struct ax_manifest *m, const struct ax_route_table *t)
{
    struct ax_explain_route *routes = ax_calloc(t->n + 1, sizeof *routes);
    struct ax_explain e;
    struct ax_err err = {0};
    char method[32];

    if (!routes) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    for (size_t i = 0; i < t->n; i++)
        routes[i] = (struct ax_explain_route){t->rows[i].method, t->rows[i].path};
    snprintf(method, sizeof method, "%s", args->operands[0]);
    for (char *p = method; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    int rc = ax_explain(routes, t->n, m->server.trailing_slash, method, args->operands[1], &e, &err);
    ax_free(routes);
    if (rc < 0)
        return ax_say_err(&err, AX_EXIT_FAILED);
    struct view v = {args, m, t, &e, method, args->operands[1]};
    int code = code_of(&e), printed = AX_EXIT_OK;
    if (ax_args_flag(args, "json", false))
        printed = print_json(&v);
    else
        print_view(&v);
    ax_explain_fini(&e);
    return code == AX_EXIT_OK ? printed : code;
}

static int explain_run(struct ax_args *args)
{
    struct ax_app app;
    struct ax_check_result loaded = {0};
    struct ax_route_table table = {0};
    struct ax_err err = {0};
    bool load = ax_args_flag(args, "load", true);

    if (args->operands[1][0] != '/')
        return ax_usage(args, "a path starts with / (found '%s')", args->operands[1]);
    int code = ax_app_load(args, &app);
    if (code == AX_EXIT_OK && load && ax_check_run(app.manifest, NULL, &loaded, &err) < 0)
        code = ax_say_err(&err, AX_EXIT_FAILED);
    for (size_t i = 0; i < loaded.nerrors; i++) {
        fprintf(stderr, "%s:%u:%u: %s\n", loaded.errors[i].file ? loaded.errors[i].file : app.manifest->file,
                loaded.errors[i].line, loaded.errors[i].col, loaded.errors[i].message);
        code = AX_EXIT_MANIFEST;
    }
    if (code == AX_EXIT_OK && ax_route_table_make(app.manifest, load ? &loaded : NULL, &table, &err) < 0)
        code = ax_say_err(&err, AX_EXIT_FAILED);
    if (code == AX_EXIT_OK)
        code = explain(args, app.manifest, &table);
    ax_route_table_fini(&table);
    ax_check_result_free(&loaded);
    ax_app_fini(&app);
    return code;
}

const struct ax_cmd ax_cmd_explain = {
    .name = "explain",
    .summary = "tell which route would answer, and why",
    .options = options,
    .run = explain_run,
    .operands = "METHOD PATH",
    .min_operands = 2,
    .max_operands = 2,
    .about =
        "Nothing is sent.  The exit code is 0 when the app would answer, also with a redirect, and 1 when\n"
        "the server would refuse: 400, 404, 405, 501.\n"};
