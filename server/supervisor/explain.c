#include "supervisor/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "http/path.h"
#include "http/router.h"

static enum ax_method method_of(const struct ax_explain_route *r)
{
    return strcmp(r->method, "ANY") == 0 ? AX_ANY : ax_method_parse(ax_str(r->method));
}

static int nomem(struct ax_err *reterr)
{
    return ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

/* The routes from..to of the table; with `any` under every method. */
static int build(const struct ax_explain_route *routes, size_t from, size_t to, bool any,
                 struct ax_router **ret, struct ax_err *reterr)
{
    struct ax_router *r = ax_router_new();
    int rc = r ? 0 : nomem(reterr);

    for (size_t i = from; rc == 0 && i < to; i++)
        rc = ax_router_add(r, any ? AX_ANY : method_of(&routes[i]), ax_str(routes[i].pattern), (uint32_t)i,
                           reterr);
    if (rc == 0)
        rc = ax_router_freeze(r, reterr);
    if (rc < 0) {
        ax_router_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* ---- what is said of the answer */
static void allow_text(uint8_t allow, char *out, size_t size)
{
    size_t used = 0;
    unsigned set = allow | 1u << AX_OPTIONS;

    if (set & 1u << AX_GET)
        set |= 1u << AX_HEAD;
    for (unsigned m = 0; m < AX_METHODS && used < size; m++)
        if (set & 1u << m)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
                                     ax_method_name((enum ax_method)m));
}

static char *copy_n(struct ax_str s)
{
    return ax_asprintf("%.*s", (int)s.n, s.n ? s.p : "");
}

static char *decoded(struct ax_str s)
{
    char *out = ax_malloc(s.n + 1);

    if (out)
        out[ax_path_decode(s, out)] = '\0';
    return out;
}

static int take_params(const struct ax_router *r, const struct ax_match *m, struct ax_explain *e,
                       struct ax_err *reterr)
{
    struct ax_str names[AX_ROUTE_PARAMS_MAX];
    unsigned n = ax_router_params(r, m->route, names);

    if (n == 0)
        return 0;
    e->params = ax_calloc(n, sizeof *e->params);
    if (!e->params)
        return nomem(reterr);
    for (e->nparams = 0; e->nparams < n && e->nparams < m->nparams; e->nparams++) {
        struct ax_explain_param *p = &e->params[e->nparams];
        p->name = copy_n(names[e->nparams]);
        p->value = decoded(m->params[e->nparams]);
        if (!p->name || !p->value) {
            e->nparams++;
            return nomem(reterr);
        }
    }
    return 0;
}

/* ---- the other routes that the path matches */
static bool matches_alone(const struct ax_explain_route *routes, size_t i, struct ax_str path, int *rc,
                          struct ax_err *reterr)
{
    struct ax_router *one = NULL;
    struct ax_match m;

    *rc = build(routes, i, i + 1, true, &one, reterr);
    bool found = *rc == 0 && ax_router_match(one, AX_GET, path, &m) == AX_FOUND;
    ax_router_free(one);
    return found;
}

/* Patterns that differ only in names answer the same paths. */
static bool same_shape(const char *a, const char *b)
{
    for (;; a++, b++) {
        if (*a != *b)
            return false;
        if (*a == '\0')
            return true;
        if (a[0] == '/' && (a[1] == ':' || a[1] == '*') && a[1] == b[1]) {
            a += strcspn(a + 1, "/");
            b += strcspn(b + 1, "/");
        }
    }
}

static enum ax_explain_lost why_lost(const struct ax_explain_route *routes, size_t i, const char *best,
                                     enum ax_method m)
{
    if (best && !same_shape(routes[i].pattern, best))
        return AX_LOST_WEAKER;
    enum ax_method own = method_of(&routes[i]);
    return own == AX_ANY || (m == AX_HEAD && own == AX_GET) ? AX_LOST_ANY : AX_LOST_METHOD;
}

/* `best`: the pattern that won, for this method or another; NULL = none. */
static int take_lost(const struct ax_explain_route *routes, size_t n, enum ax_method m, struct ax_str path,
                     const char *best, struct ax_explain *e, struct ax_err *reterr)
{
    int rc = 0;

    e->lost = ax_calloc(n + 1, sizeof *e->lost);
    if (!e->lost)
        return nomem(reterr);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (e->verdict == AX_EXPLAIN_ROUTE && i == e->route)
            continue;
        if (matches_alone(routes, i, path, &rc, reterr))
            e->lost[e->nlost++] = (struct ax_explain_candidate){i, why_lost(routes, i, best, m)};
    }
    return rc;
}

/* The pattern that the path is decided at, whatever the method: without one for it, the answer is 405. */
static int best_pattern(const struct ax_explain_route *routes, size_t n, struct ax_str path, const char **ret,
                        struct ax_err *reterr)
{
    struct ax_router *r = ax_router_new();
    struct ax_match m;
    int rc = r ? 0 : nomem(reterr);

    *ret = NULL;
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        rc = ax_router_add(r, AX_ANY, ax_str(routes[i].pattern), (uint32_t)i, NULL);
        if (rc == -AX_E_DUPLICATE)
            rc = 0;
        else if (rc < 0)
            ax_fail(reterr, (enum ax_code) - rc, "%s %s cannot be routed", routes[i].method,
                    routes[i].pattern);
    }
    if (rc == 0)
        rc = ax_router_freeze(r, reterr);
    if (rc == 0 && ax_router_match(r, AX_GET, path, &m) == AX_FOUND)
        *ret = routes[m.route].pattern;
    ax_router_free(r);
    return rc;
}

/* ---- the decision, as server/net/intake.c makes it */
struct question {
    const struct ax_router *router;
    enum ax_trailing trailing;
    enum ax_method method;
    struct ax_str path, query; /* query: with its '?' */
};

static int toggled(struct ax_str path, char **ret, struct ax_err *reterr)
{
    bool slash = path.p[path.n - 1] == '/';

    *ret = ax_asprintf("%.*s%s", (int)(path.n - slash), path.p, slash ? "" : "/");
    return *ret ? 0 : nomem(reterr);
}

static int other_slash(const struct question *q, struct ax_explain *e, struct ax_err *reterr)
{
    struct ax_match m;
    char *other = NULL;
    int rc = 0;

    e->verdict = AX_EXPLAIN_NO_PATH;
    e->status = 404;
    if (q->trailing == AX_TRAILING_STRICT || q->path.n <= 1)
        return 0;
    rc = toggled(q->path, &other, reterr);
    if (rc == 0 && ax_router_match(q->router, q->method, ax_str(other), &m) == AX_FOUND) {
        bool redirect = q->trailing == AX_TRAILING_REDIRECT;
        e->verdict = redirect ? AX_EXPLAIN_REDIRECT : AX_EXPLAIN_ROUTE;
        e->status = redirect ? 308 : 0;
        e->other_slash = !redirect;
        e->route = m.route;
        rc = redirect ? 0 : take_params(q->router, &m, e, reterr);
        if (redirect && !(e->location = ax_asprintf("%s%.*s", other, (int)q->query.n, q->query.p)))
            rc = nomem(reterr);
    }
    ax_free(other);
    return rc;
}

static int decide(const struct question *q, struct ax_explain *e, struct ax_err *reterr)
{
    struct ax_match m;

    if (!ax_path_ok(q->path)) {
        e->verdict = AX_EXPLAIN_MALFORMED;
        e->status = 400;
        return 0;
    }
    if (q->method == AX_UNKNOWN_METHOD) {
        e->verdict = AX_EXPLAIN_BAD_METHOD;
        e->status = 501;
        return 0;
    }
    switch (ax_router_match(q->router, q->method, q->path, &m)) {
    case AX_FOUND:
        e->verdict = AX_EXPLAIN_ROUTE;
        e->route = m.route;
        return take_params(q->router, &m, e, reterr);
    case AX_NO_METHOD:
        e->verdict = q->method == AX_OPTIONS ? AX_EXPLAIN_OPTIONS : AX_EXPLAIN_NO_METHOD;
        e->status = q->method == AX_OPTIONS ? 204 : 405;
        allow_text(m.allow, e->allow, sizeof e->allow);
        return 0;
    case AX_NO_PATH:
        break;
    }
    return other_slash(q, e, reterr);
}

int ax_explain(const struct ax_explain_route *routes, size_t n, enum ax_trailing trailing, const char *method,
               const char *target, struct ax_explain *ret, struct ax_err *reterr)
{
    struct ax_explain e = {.verdict = AX_EXPLAIN_NO_PATH};
    struct ax_router *router = NULL;
    const char *best = NULL;
    size_t path = strcspn(target, "?");
    int rc = build(routes, 0, n, false, &router, reterr);

    if (rc < 0)
        return rc;
    struct question q = {
        router, trailing, ax_method_parse(ax_str(method)), {target, path}, ax_str(target + path)};
    rc = decide(&q, &e, reterr);
    if (rc == 0 && e.verdict != AX_EXPLAIN_MALFORMED)
        rc = best_pattern(routes, n, q.path, &best, reterr);
    if (rc == 0 && e.verdict != AX_EXPLAIN_MALFORMED)
        rc = take_lost(routes, n, q.method, q.path, best, &e, reterr);
    ax_router_free(router);
    if (rc < 0) {
        ax_explain_fini(&e);
        return rc;
    }
    *ret = e;
    return 0;
}

void ax_explain_fini(struct ax_explain *e)
{
    for (size_t i = 0; i < e->nparams; i++) {
        ax_free(e->params[i].name);
        ax_free(e->params[i].value);
    }
    ax_free(e->params);
    ax_free(e->lost);
    ax_free(e->location);
    *e = (struct ax_explain){0};
}
