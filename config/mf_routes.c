#include "config/mf_routes.h"

#include <stdio.h>
#include <string.h>

#include "base/pattern.h"
#include "config/mf_arena.h"
#include "config/mf_policy.h"
#include "config/problems.h"

enum { STATUS_REDIRECT = 308, STATUS_RESPOND = 200 };

/* One path, or one METHOD of it, while it is read. */
struct reading {
    struct ax_mf *d;
    const struct ax_node *path; /* its key is the pattern */
    const char *method;
    bool whole_path; /* the path's own map or module, not a METHOD's */
    char name[AX_NAME_MAX];
    struct ax_route_keys keys;
    unsigned inflight_group;
    const struct ax_node *answer; /* the member that says who answers */
};

static bool is_method(const char *key)
{
    for (size_t i = 0; ax_method_names[i]; i++)
        if (strcmp(ax_method_names[i], key) == 0)
            return true;
    return false;
}

static void push(struct ax_mf *d, const struct ax_manifest_route *r)
{
    struct ax_manifest_route *v = ax_mf_grow(d->arena, d->m->routes, d->m->nroutes, sizeof *v);

    if (!v)
        return;
    d->m->routes = v;
    v[d->m->nroutes++] = *r;
}

/* "file#export"; the last '#' counts, since an export's name has none. */
static bool split_module(struct ax_mf *d, const char *text, const struct ax_place *at, const char *name,
                         struct ax_manifest_route *r)
{
    const char *hash = strrchr(text, '#');

    if (hash == text || (hash && hash[1] == '\0')) {
        ax_problem(d->p, AX_E_SYNTAX, at, "%s: a handler is a module or module#export (found \"%.80s\")",
                   name, text);
        return false;
    }
    r->module = ax_mf_strndup(d->arena, text, hash ? (size_t)(hash - text) : strlen(text));
    r->export_name = hash ? ax_mf_strdup(d->arena, hash + 1) : NULL;
    return r->module != NULL;
}

static struct ax_manifest_route new_route(const struct reading *x, const struct ax_node *value)
{
    const struct ax_route_keys *k = &x->keys;

    return (struct ax_manifest_route){
        .pattern = ax_mf_strdup(x->d->arena, x->path->key->text),
        .method = ax_mf_strdup(x->d->arena, x->method),
        .timeout_us = k->timeout_us,
        .body_max = k->body_max,
        .max_inflight = k->max_inflight,
        .inflight_group = x->inflight_group,
        .queue = k->queue,
        .stream = k->stream,
        .headers = k->headers,
        .uploads = k->uploads,
        .policy = k->policy,
        .at = value->at,
        .path_at = x->path->key->at,
    };
}

static void push_module(const struct reading *x, enum ax_route_kind kind, const char *text,
                        const struct ax_node *value)
{
    struct ax_manifest_route r = new_route(x, value);

    r.kind = kind;
    if (!split_module(x->d, text, &value->at, x->name, &r))
        return;
    r.by_exports = kind == AX_ROUTE_HANDLER && x->whole_path && !r.export_name;
    push(x->d, &r);
}

/* ---- the map form */

static const struct ax_place *key_place(const struct ax_node *map, const char *key)
{
    const struct ax_node *n = ax_node_get(map, key);

    return n ? &n->key->at : &map->at;
}

static void check_redirect(const struct reading *x, const struct ax_node *map)
{
    const struct ax_route_keys *k = &x->keys;
    int s = k->status;

    if (s && s != 301 && s != 302 && s != 303 && s != 307 && s != 308)
        ax_problem(x->d->p, AX_E_RANGE, &ax_node_get(map, "status")->at,
                   "%s status of a redirect must be 301, 302, 303, 307 or 308 (found %d)", x->name, s);
    for (const char *c = k->redirect; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            ax_problem(x->d->p, AX_E_SYNTAX, &x->answer->at,
                       "%s redirect: a target cannot hold blanks or line breaks", x->name);
            return;
        }
    if (strcmp(k->redirect, x->path->key->text) == 0)
        ax_problem(x->d->p, AX_E_SYNTAX, &x->answer->at, "%s redirects to itself", x->name);
}

/* Keys that mean something only beside one kind of answer. */
static void check_company(const struct reading *x, const struct ax_node *map)
{
    const char *answer = x->answer ? x->answer->key->text : "";
    bool files = strcmp(answer, "static") == 0;
    bool status = strcmp(answer, "redirect") == 0 || strcmp(answer, "respond") == 0;

    if (ax_node_get(map, "status") && !status)
        ax_problem(x->d->p, AX_E_SYNTAX, key_place(map, "status"),
                   "%s status stands with redirect or respond only", x->name);
    for (int i = 0; i < 2 && !files; i++) {
        const char *key = i ? "fallback" : "index";
        if (ax_node_get(map, key))
            ax_problem(x->d->p, AX_E_SYNTAX, key_place(map, key), "%s %s stands with static only", x->name,
                       key);
    }
}

/* A plain path below a folder: nothing that ends elsewhere, and nothing that is never served. */
static bool is_below(const char *name)
{
    for (const char *at = name; *at; at += *at == '/') {
        size_t n = strcspn(at, "/");
        if (n == 0 || *at == '.')
            return false;
        at += n;
        if (*at == '/' && at[1] == '\0')
            return false;
    }
    return *name != '\0';
}

/* `name`, or NULL when it is not one. */
static char *below(const struct reading *x, const struct ax_node *map, const char *key, char *name)
{
    const struct ax_node *n = ax_node_get(map, key);

    if (!n || !name)
        return name;
    if (!strstr(x->path->key->text, "/*"))
        ax_problem(x->d->p, AX_E_SYNTAX, &n->key->at, "%s %s: only a path that ends in *name has one",
                   x->name, key);
    else if (!is_below(name))
        ax_problem(x->d->p, AX_E_SYNTAX, &n->at,
                   "%s %s must name a file below the folder of static, and no dot file (found \"%.60s\")",
                   x->name, key, name);
    else
        return name;
    return NULL;
}

/* Files are for GET, and HEAD with it; a path may have a handler for POST beside them. */
static void push_files(const struct reading *x, const struct ax_node *map, struct ax_manifest_route *r)
{
    const struct ax_route_keys *k = &x->keys;
    const struct ax_node *fallback = ax_node_get(map, "fallback");

    if (!x->whole_path && strcmp(x->method, "GET") != 0) {
        ax_problem(x->d->p, AX_E_SYNTAX, &x->answer->key->at,
                   "%s: static answers GET and HEAD: write it under GET, or for the whole path", x->name);
        return;
    }
    r->kind = AX_ROUTE_STATIC;
    r->method = ax_mf_strdup(x->d->arena, "GET");
    r->dir = k->static_dir;
    r->index = below(x, map, "index", k->index);
    r->fallback = below(x, map, "fallback", k->fallback);
    r->fallback_at = fallback ? fallback->at : r->at;
    push(x->d, r);
}

static void push_answer(const struct reading *x, const struct ax_node *map)
{
    const struct ax_route_keys *k = &x->keys;
    const char *answer = x->answer->key->text;

    if (k->handler || k->node) {
        push_module(x, k->node ? AX_ROUTE_NODE : AX_ROUTE_HANDLER, k->node ? k->node : k->handler, x->answer);
        return;
    }
    struct ax_manifest_route r = new_route(x, x->answer);
    if (k->static_dir) {
        push_files(x, map, &r);
        return;
    }
    if (k->redirect) {
        check_redirect(x, map);
        r.kind = AX_ROUTE_REDIRECT;
        r.to = k->redirect;
        r.status = k->status ? k->status : STATUS_REDIRECT;
    } else if (k->respond) {
        r.kind = AX_ROUTE_RESPOND;
        r.body = k->respond;
        r.status = k->status ? k->status : STATUS_RESPOND;
        if ((r.status == 204 || r.status == 304) && *r.body)
            ax_problem_warn(x->d->p, &x->answer->at, "%s: a %d has no body, so this text is never sent",
                            x->name, r.status);
    } else if (strcmp(answer, "health") == 0) {
        r.kind = AX_ROUTE_HEALTH;
        r.health = k->health;
    } else {
        return; /* reported: a value of a wrong type, or not supported yet */
    }
    push(x->d, &r);
}

static void set_answer(struct reading *x, const struct ax_node *n)
{
    if (x->answer)
        ax_problem(x->d->p, AX_E_DUPLICATE, &n->key->at,
                   "%s: only one of handler, static, redirect, respond, node and "
                   "health may answer; %s stands in line %u",
                   x->name, x->answer->key->text, x->answer->key->at.line);
    else
        x->answer = n;
}

static void decode_members(struct reading *x, const struct ax_node *map)
{
    for (struct ax_node *n = map->first; n; n = n->next) {
        const char *key = n->key->text;
        const struct ax_field *f = ax_table_find(&ax_table_route, key);
        if (x->whole_path && is_method(key))
            continue;
        if (f && (f->flags & AX_F_ANSWER))
            set_answer(x, n);
        if (f)
            ax_decode_field(x->d, f, &x->keys, n, x->name);
        if (ax_policy_is_name(key))
            ax_policy_check_name(x->d, n, x->name);
        if (f)
            continue;
        if (strcmp(key, "TRACE") == 0 || strcmp(key, "CONNECT") == 0)
            ax_problem(x->d->p, AX_E_UNKNOWN, &n->key->at, "%s: %s never reaches a handler", x->name, key);
        else
            ax_unknown_key(x->d, &ax_table_route, x->whole_path ? ax_method_names : NULL, n, x->name);
    }
}

static bool bad_value(struct reading *x, const struct ax_node *value, const char *want)
{
    if (value->kind == AX_NODE_SCALAR && !ax_node_is_null(value) && value->text[0])
        return false;
    if (value->kind != AX_NODE_MAP)
        ax_scalar(x->d, value, x->name, want, false);
    return value->kind != AX_NODE_MAP;
}

static void decode_method(const struct reading *path, struct ax_node *value)
{
    struct reading x = *path;
    size_t errors = path->d->p->errors;

    x.method = value->key->text;
    x.whole_path = false;
    x.answer = NULL;
    x.keys.handler = x.keys.static_dir = x.keys.redirect = x.keys.respond = x.keys.node = NULL;
    x.keys.status = 0;
    snprintf(x.name, sizeof x.name, "%.150s %s", path->path->key->text, x.method);
    if (bad_value(&x, value, "a module or a map"))
        return;
    if (value->kind == AX_NODE_SCALAR) {
        push_module(&x, AX_ROUTE_HANDLER, value->text, value);
        return;
    }
    if (ax_node_get(value, "max_inflight") || ax_node_get(value, "queue"))
        x.inflight_group = ++x.d->inflight_groups;
    decode_members(&x, value);
    check_company(&x, value);
    if (x.answer)
        push_answer(&x, value);
    else if (x.d->p->errors == errors)
        ax_problem(x.d->p, AX_E_MISSING, &value->key->at, "%s says nobody who answers: give it a handler",
                   x.name);
}

static void decode_path_map(struct reading *x, struct ax_node *value)
{
    size_t errors = x->d->p->errors;
    bool methods = false;

    decode_members(x, value);
    check_company(x, value);
    if (x->answer)
        push_answer(x, value);
    for (struct ax_node *n = value->first; n; n = n->next)
        if (is_method(n->key->text)) {
            decode_method(x, n);
            methods = true;
        }
    if (!x->answer && !methods && x->d->p->errors == errors)
        ax_problem(x->d->p, AX_E_MISSING, &x->path->key->at,
                   "%s says nobody who answers: give it a METHOD, or one of "
                   "handler, static, redirect, respond, node and health",
                   x->name);
}

static void decode_path(struct ax_mf *d, struct ax_node *value)
{
    struct reading x = {
        .d = d, .path = value, .method = "ANY", .whole_path = true, .inflight_group = ++d->inflight_groups};
    struct ax_err err = {0};

    snprintf(x.name, sizeof x.name, "%.150s", value->key->text);
    if (ax_pattern_check(ax_str(value->key->text), &err) < 0)
        ax_problem(d->p, err.code, &value->key->at, "%s: %s", x.name, err.msg);
    ax_decode_defaults(d, &ax_table_route, &x.keys);
    x.keys.timeout_us = d->m->timeouts.handler;
    x.keys.body_max = d->m->limits.body;
    x.keys.uploads = d->m->uploads;
    ax_policy_inherit(d, value->key, &x.keys);
    if (bad_value(&x, value, "a module, or a map of METHODs and settings"))
        return;
    if (value->kind == AX_NODE_SCALAR)
        push_module(&x, AX_ROUTE_HANDLER, value->text, value);
    else
        decode_path_map(&x, value);
}

void ax_decode_routes(struct ax_mf *d)
{
    struct ax_node *routes = d->routes;

    if (!routes)
        return;
    if (routes->kind != AX_NODE_MAP) {
        if (ax_scalar(d, routes, "routes", "a map of paths", false))
            ax_problem(d->p, AX_E_TYPE, &routes->at, "routes must be a map of paths (found \"%.60s\")",
                       routes->text);
        return;
    }
    for (struct ax_node *n = routes->first; n; n = n->next)
        decode_path(d, n);
}
