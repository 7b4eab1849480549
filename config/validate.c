#include "config/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/pattern.h"
#include "config/mf_arena.h"
#include "config/mf_file.h"
#include "config/mf_policy.h"
#include "config/problems.h"

/* Value of section.key, NULL when the file does not give it. */
static const struct ax_node *given(const struct ax_mf *d, const char *section, const char *key)
{
    const struct ax_node *s = ax_node_get(d->root, section);

    return s ? ax_node_get(s, key) : NULL;
}

/* The place of the one of two keys that is there. */
static const struct ax_place *either(const struct ax_mf *d, const char *section, const char *a, const char *b)
{
    const struct ax_node *n = given(d, section, a);

    if (!n)
        n = given(d, section, b);
    return n ? &n->at : &d->root->at;
}

/* ---- keys */

static void check_server(struct ax_mf *d)
{
    struct ax_manifest *m = d->m;

    m->server.state_given = given(d, "server", "state") != NULL;
    if (m->server.workers != AX_AUTO && m->server.min_ready > m->server.workers)
        ax_problem(d->p, AX_E_RANGE, either(d, "server", "min_ready", "workers"),
                   "server.min_ready is %d, more than server.workers, %d", m->server.min_ready,
                   m->server.workers);
}

static void check_queue(struct ax_mf *d, const struct ax_manifest_route *r)
{
    if (r->queue && !r->max_inflight)
        ax_problem_warn(d->p, &r->at, "%.100s %s: queue means nothing without max_inflight", r->pattern,
                        r->method);
}

/* Its bodies are never whole in memory. */
static bool is_streamed(const struct ax_manifest_route *r)
{
    return r->stream || r->kind == AX_ROUTE_NODE;
}

static void check_limits(struct ax_mf *d)
{
    const struct ax_manifest *m = d->m;

    if (m->limits.uri > m->limits.header)
        ax_problem_warn(
            d->p, either(d, "limits", "uri", "header"),
            "limits.uri is larger than limits.header, which holds the whole head: it is never reached");
    if (m->limits.body > m->limits.body_memory)
        ax_problem(d->p, AX_E_RANGE, either(d, "limits", "body", "body_memory"),
                   "limits.body is larger than limits.body_memory: no such body could be buffered");
    for (size_t i = 0; i < m->nroutes; i++)
        check_queue(d, &m->routes[i]);
    for (size_t i = 0; i < m->nroutes; i++)
        if (!is_streamed(&m->routes[i]) && m->routes[i].body_max > m->limits.body_memory &&
            m->routes[i].body_max != m->limits.body)
            ax_problem(d->p, AX_E_RANGE, &m->routes[i].at,
                       "%.100s %s: body is larger than limits.body_memory: no such body could be buffered",
                       m->routes[i].pattern, m->routes[i].method);
}

/* `stall` follows `handler`; where that is off, JavaScript still has its own default. */
static void check_timeouts(struct ax_mf *d)
{
    struct ax_manifest *m = d->m;
    const struct ax_node *stall = given(d, "timeouts", "stall");
    int64_t handler = m->timeouts.handler;

    if (m->timeouts.lame_duck == AX_OFF)
        m->timeouts.lame_duck = 0;
    if (!stall && handler != AX_OFF)
        m->timeouts.stall = handler;
}

static bool same_address(const struct ax_listen *a, const struct ax_listen *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == AX_LISTEN_UNIX)
        return strcmp(a->path, b->path) == 0;
    return a->port != 0 && a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* The app and its admin pages cannot both listen there; told here, the message names both. */
static void check_admin(struct ax_mf *d)
{
    const struct ax_manifest *m = d->m;

    for (size_t i = 0; i < m->admin.nlisten; i++)
        for (size_t j = 0; j < m->server.nlisten; j++)
            if (same_address(&m->admin.listen[i], &m->server.listen[j]))
                ax_problem(d->p, AX_E_DUPLICATE, &m->admin.listen[i].at,
                           "admin.listen and server.listen name the same address");
}

/* ---- routes */

struct entry {
    const char *shape;
    const struct ax_manifest_route *route;
};

static int by_shape(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int c = strcmp(x->shape, y->shape);

    if (c == 0)
        c = strcmp(x->route->method, y->route->method);
    if (c == 0)
        c = x->route < y->route ? -1 : 1;
    return c;
}

static bool same_method(const struct entry *a, const struct entry *b)
{
    return strcmp(a->shape, b->shape) == 0 && strcmp(a->route->method, b->route->method) == 0;
}

static void report_twins(struct ax_mf *d, const struct entry *first, const struct entry *second)
{
    const struct ax_manifest_route *a = first->route, *b = second->route;

    ax_problem(d->p, AX_E_DUPLICATE, &b->path_at, "%s %.120s answers the same paths as %.120s in line %u",
               b->method, b->pattern, a->pattern, a->path_at.line);
}

/* e[0..n) are the routes of one shape: an ANY beside all seven methods has nothing left. */
static void check_any(struct ax_mf *d, const struct entry *e, size_t n)
{
    size_t methods = 0;
    const struct ax_manifest_route *any = NULL;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(e[i].route->method, "ANY") == 0)
            any = e[i].route;
        else if (i == 0 || !same_method(&e[i - 1], &e[i]))
            methods++;
    }
    size_t all = 0;
    while (ax_method_names[all + 1])
        all++;
    if (any && methods == all)
        ax_problem_warn(d->p, &any->at, "ANY of %.120s never answers: every method has its own handler",
                        any->pattern);
}

static char *shape_of(struct ax_mf *d, const struct ax_manifest_route *r)
{
    struct ax_pattern p;

    if (!r->pattern || !r->method)
        return NULL;
    if (ax_pattern_parse(&p, ax_str(r->pattern), NULL) < 0)
        return ax_mf_strdup(d->tmp,
                            r->pattern); /* reported already; two of the same text are one key's values */
    bool ignored = d->m->server.trailing_slash == AX_TRAILING_IGNORE && p.n > 1 && p.shape[p.n - 1] == '/';
    return ax_mf_strndup(d->tmp, p.shape, p.n - ignored);
}

static void check_shapes(struct ax_mf *d)
{
    size_t n = d->m->nroutes;
    struct entry *e = ax_mf_alloc(d->tmp, n * sizeof *e);

    for (size_t i = 0; e && i < n; i++) {
        e[i] = (struct entry){.shape = shape_of(d, &d->m->routes[i]), .route = &d->m->routes[i]};
        if (!e[i].shape)
            return;
    }
    if (!e || n == 0)
        return;
    qsort(e, n, sizeof *e, by_shape);
    size_t first = 0;
    for (size_t i = 1; i <= n; i++) {
        if (i < n && same_method(&e[i - 1], &e[i]))
            report_twins(d, &e[i - 1], &e[i]);
        if (i == n || strcmp(e[first].shape, e[i].shape) != 0) {
            check_any(d, e + first, i - first);
            first = i;
        }
    }
}

/* ---- files */

static void report_missing(struct ax_mf *d, const char *what, const char *file, const struct ax_place *at)
{
    const char *near = ax_file_nearest(d->tmp, d->m->root, file);

    if (near)
        ax_problem(d->p, AX_E_MISSING, at, "no %s %.150s, did you mean %.150s?", what, file, near);
    else
        ax_problem(d->p, AX_E_MISSING, at, "no %s %.150s in %.150s", what, file, d->m->root);
}

static void check_module(struct ax_mf *d, const char *file, const struct ax_place *at)
{
    char *full = ax_file_join(d->tmp, d->m->root, file);
    int why = full ? ax_file_check(full) : 0;

    if (why == 0)
        return;
    if (why != ENOENT && why != ENOTDIR)
        ax_problem(d->p, AX_E_SYS, at, "%.150s: %s", file, why == EISDIR ? "is no file" : strerror(why));
    else
        report_missing(d, "file", file, at);
}

/* A path that ends in *name has a folder, any other one a file. */
static void check_static(struct ax_mf *d, const struct ax_manifest_route *r)
{
    char *full = ax_file_join(d->tmp, d->m->root, r->dir);
    int why = full ? ax_file_check(full) : 0;
    bool many = r->pattern && strstr(r->pattern, "/*");

    if (!full)
        return;
    if (why == ENOENT || why == ENOTDIR)
        report_missing(d, many ? "folder" : "file", r->dir, &r->at);
    else if (why && why != EISDIR)
        ax_problem(d->p, AX_E_SYS, &r->at, "%.150s: %s", r->dir, strerror(why));
    else if (many && !ax_file_is_folder(full))
        ax_problem(d->p, AX_E_TYPE, &r->at, "%.150s is no folder", r->dir);
    else if (!many && why)
        ax_problem(d->p, AX_E_TYPE, &r->at,
                   "%.150s is no file; for a folder the path must end in *name, as in %.100s%s*path", r->dir,
                   r->pattern, r->pattern[strlen(r->pattern) - 1] == '/' ? "" : "/");
    else if (many && r->fallback && (full = ax_file_join(d->tmp, r->dir, r->fallback)))
        check_module(d, full, &r->fallback_at);
}

static void check_modules(struct ax_mf *d, const struct ax_modules *l)
{
    for (size_t i = 0; i < l->n; i++)
        check_module(d, l->v[i].file, &l->v[i].at);
}

static void check_files(struct ax_mf *d)
{
    check_modules(d, &(struct ax_modules){d->m->modules, d->m->nmodules});
    for (size_t i = 0; i < d->m->nrules; i++)
        check_modules(d, &d->m->rules[i].policy.use);
    for (size_t i = 0; i < d->m->nroutes; i++) {
        if (d->m->routes[i].module)
            check_module(d, d->m->routes[i].module, &d->m->routes[i].at);
        else if (d->m->routes[i].kind == AX_ROUTE_STATIC)
            check_static(d, &d->m->routes[i]);
        check_modules(d, &d->m->routes[i].policy.use);
    }
}

static void check_empty(struct ax_mf *d)
{
    bool written = d->routes && d->routes->kind != AX_NODE_BAD && d->routes->count;

    if (d->m->nroutes == 0 && d->m->nmodules == 0 && !written && d->p->errors == 0)
        ax_problem_warn(d->p, &d->root->at, "no routes and no modules: every request is answered 404");
}

void ax_validate(struct ax_mf *d)
{
    check_server(d);
    check_limits(d);
    check_timeouts(d);
    check_admin(d);
    check_shapes(d);
    check_files(d);
    ax_policy_validate(d);
    check_empty(d);
}
