#include "net/site.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "net/admission.h"
#include "net/static.h"

enum {
    SITE_MAGIC = 0x51735e01,
    TIMEOUTS_MAX = 256,
    RATE_CLIENTS = 4 /* buckets for each connection there may be */
};

struct ax_site {
    uint32_t magic;
    atomic_uint refs;
    bool frozen;
    struct ax_settings settings;
    struct ax_router *router;
    struct ax_route *routes; /* id - 1 is the index */
    unsigned nroutes, cap;
    int64_t timeouts[TIMEOUTS_MAX];
    unsigned ntimeouts;
    struct ax_proxies proxies;
    struct ax_gates *gates;       /* OWNED; NULL until frozen */
    struct ax_mime *mime;         /* OWNED; NULL until frozen, and where no route has files */
    struct ax_policies *policies; /* OWNED; NULL = none */
    struct ax_arena arena;        /* the routes' strings */
};

struct ax_site *ax_site_new(const struct ax_settings *s)
{
    struct ax_site *site = ax_calloc(1, sizeof *site);

    if (!site)
        return NULL;
    *site = (struct ax_site){.magic = SITE_MAGIC, .refs = 1, .settings = *s, .router = ax_router_new()};
    ax_arena_init(&site->arena, NULL, 0, SIZE_MAX);
    if (!site->router) {
        ax_free(site);
        return NULL;
    }
    return site;
}

struct ax_site *ax_site_ref(struct ax_site *site)
{
    AX_ASSERT(site->magic == SITE_MAGIC);
    atomic_fetch_add_explicit(&site->refs, 1, memory_order_relaxed);
    return site;
}

void ax_site_unref(struct ax_site *site)
{
    if (!site || atomic_fetch_sub_explicit(&site->refs, 1, memory_order_acq_rel) > 1)
        return;
    ax_router_free(site->router);
    ax_proxies_fini(&site->proxies);
    ax_gates_free(site->gates);
    ax_policies_free(site->policies);
    ax_mime_free(site->mime);
    ax_arena_reset(&site->arena);
    ax_free(site->routes);
    site->magic = 0;
    ax_free(site);
}

static bool copy(struct ax_site *site, struct ax_str *s)
{
    const char *p = ax_arena_dup(&site->arena, *s);

    s->p = p;
    return p != NULL;
}

/* As text for system calls. */
static bool copy_text(struct ax_site *site, struct ax_str *s)
{
    char *p = ax_arena_alloc(&site->arena, s->n + 1);

    if (!p)
        return false;
    if (s->n)
        memcpy(p, s->p, s->n);
    p[s->n] = '\0';
    s->p = p;
    return true;
}

static bool grow(struct ax_site *site)
{
    unsigned cap = site->cap ? site->cap * 2 : 16;

    if (site->nroutes < site->cap)
        return true;
    struct ax_route *v = ax_realloc(site->routes, cap * sizeof *v);
    if (!v)
        return false;
    site->routes = v;
    site->cap = cap;
    return true;
}

int ax_site_add(struct ax_site *site, const struct ax_route *route, struct ax_err *reterr)
{
    struct ax_route r = *route;

    AX_ASSERT(!site->frozen);
    if (!grow(site) || !copy(site, &r.pattern) || !copy(site, &r.name) || !copy(site, &r.headers) ||
        !copy(site, &r.body) || !copy_text(site, &r.folder) || !copy_text(site, &r.index) ||
        !copy_text(site, &r.fallback))
        return ax_fail(reterr, AX_E_NOMEM, "no memory for a route");
    if (r.kind == AX_SITE_FILES && r.method != AX_GET)
        return ax_fail(reterr, AX_E_RANGE, "files are answered for GET and HEAD only");
    r.rest = memmem(r.pattern.p, r.pattern.n, "/*", 2) != NULL;
    r.typed = ax_static_has_type(r.headers);
    int rc = ax_policies_of(site->policies, r.use, &r.policy, reterr);
    if (rc < 0)
        return rc;
    rc = ax_router_add(site->router, r.method, r.pattern, site->nroutes + 1, reterr);
    if (rc < 0)
        return rc;
    site->routes[site->nroutes++] = r;
    return 0;
}

int ax_site_police(struct ax_site *site, const struct ax_policy_spec *spec, int *ret_bad,
                   struct ax_err *reterr)
{
    int64_t clients = site->settings.limit_connections;

    AX_ASSERT(!site->frozen && !site->policies);
    return ax_policies_new(spec, clients > 0 ? (uint64_t)clients * RATE_CLIENTS : 0, &site->policies, ret_bad,
                           reterr);
}

struct ax_policies *ax_site_policies(const struct ax_site *site)
{
    return site->policies;
}

int ax_site_trust(struct ax_site *site, struct ax_str proxy, struct ax_err *reterr)
{
    AX_ASSERT(!site->frozen);
    return ax_proxies_add(&site->proxies, proxy, reterr);
}

static int index_timeout(struct ax_site *site, struct ax_route *r, struct ax_err *reterr)
{
    unsigned i = 0;

    while (i < site->ntimeouts && site->timeouts[i] != r->timeout_us)
        i++;
    if (i == TIMEOUTS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "more than %d different handler timeouts", TIMEOUTS_MAX);
    if (i == site->ntimeouts)
        site->timeouts[site->ntimeouts++] = r->timeout_us;
    r->timeout_index = i;
    return 0;
}

/* Of a route before the i-th that is in the same group; 0 = none. */
static unsigned gate_of_group(const struct ax_site *site, unsigned i)
{
    uint32_t group = site->routes[i].group;

    for (unsigned k = i; group && k-- > 0;)
        if (site->routes[k].group == group && site->routes[k].gate)
            return site->routes[k].gate;
    return 0;
}

static int make_gates(struct ax_site *site, struct ax_err *reterr)
{
    unsigned n = 0;

    for (unsigned i = 0; i < site->nroutes; i++) {
        struct ax_route *r = &site->routes[i];
        if (r->kind != AX_SITE_JS || !r->max_inflight)
            continue;
        r->gate = gate_of_group(site, i);
        if (!r->gate)
            r->gate = ++n;
    }
    site->gates = ax_gates_new(n);
    if (!site->gates)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the routes' limits");
    for (unsigned i = 0; i < site->nroutes; i++)
        if (site->routes[i].gate)
            ax_gates_set(site->gates, site->routes[i].gate, site->routes[i].max_inflight,
                         site->routes[i].queue);
    return 0;
}

static int read_mime(struct ax_site *site, struct ax_err *reterr)
{
    for (unsigned i = 0; i < site->nroutes && !site->mime; i++)
        if (site->routes[i].kind == AX_SITE_FILES) {
            int rc = ax_static_mime(&site->mime, reterr);
            if (rc < 0)
                return rc;
        }
    return 0;
}

int ax_site_freeze(struct ax_site *site, struct ax_err *reterr)
{
    for (unsigned i = 0; i < site->nroutes; i++) {
        int rc = index_timeout(site, &site->routes[i], reterr);
        if (rc < 0)
            return rc;
    }
    int rc = make_gates(site, reterr);
    if (rc == 0)
        rc = read_mime(site, reterr);
    if (rc == 0)
        rc = ax_router_freeze(site->router, reterr);
    if (rc == 0)
        site->frozen = true;
    return rc;
}

const struct ax_settings *ax_site_settings(const struct ax_site *site)
{
    return &site->settings;
}

const struct ax_router *ax_site_router(const struct ax_site *site)
{
    return site->router;
}

const struct ax_proxies *ax_site_proxies(const struct ax_site *site)
{
    return ax_proxies_any(&site->proxies) ? &site->proxies : NULL;
}

const struct ax_mime *ax_site_mime(const struct ax_site *site)
{
    return site->mime;
}

unsigned ax_site_routes(const struct ax_site *site)
{
    return site->nroutes;
}

const struct ax_route *ax_site_route(const struct ax_site *site, uint32_t id)
{
    return id >= 1 && id <= site->nroutes ? &site->routes[id - 1] : NULL;
}

struct ax_gates *ax_site_gates(const struct ax_site *site)
{
    return site->gates;
}

unsigned ax_site_timeouts(const struct ax_site *site, const int64_t **ret_us)
{
    *ret_us = site->timeouts;
    return site->ntimeouts;
}

int ax_site_publish(const struct ax_site *site, struct ax_segment *seg, struct ax_err *reterr)
{
    struct ax_route_name *names = ax_calloc(site->nroutes, sizeof *names);

    if (!names)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for route names");
    for (unsigned i = 0; i < site->nroutes; i++) {
        const struct ax_route *r = &site->routes[i];
        names[i] = (struct ax_route_name){
            .method = ax_str(ax_method_name(r->method)), .pattern = r->pattern, .handler = r->name};
    }
    int rc = ax_segment_set_routes(seg, names, site->nroutes, reterr);
    ax_free(names);
    return rc;
}
