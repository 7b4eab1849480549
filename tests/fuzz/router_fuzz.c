/* Routes and paths.  Input: lines "M/pattern" (M: a letter for the method), an empty line, then lines
 * "M/path". The router answers as a matcher that tries every pattern, and the cache as the router. */
#include "fuzz.h"
#include "http/route_cache.h"
#include "tests/unit/http/plain_router.h"

enum { SET_MAX = 24, PATHS_MAX = 32 };

struct set {
    struct plain_route routes[SET_MAX];
    unsigned n;
};

/* ---- both */

static void same(const struct ax_match *a, const struct ax_match *b)
{
    AX_ASSERT(a->route == b->route && a->nparams == b->nparams);
    for (unsigned i = 0; i < a->nparams; i++)
        AX_ASSERT(a->params[i].n == b->params[i].n &&
                  (a->params[i].n == 0 || a->params[i].p == b->params[i].p));
}

static void check(const struct ax_router *r, struct ax_route_cache *c, const struct set *s, enum ax_method m,
                  struct ax_str text)
{
    char *copy = exact(text.p, text.n);
    struct ax_str path = {copy, text.n};
    struct ax_match got = {0}, want = {0}, kept = {0};

    if (ax_path_ok(path)) {
        enum ax_found f = ax_router_match(r, m, path, &got);
        AX_ASSERT(f == plain_match(s->routes, s->n, m, path, &want));
        if (f == AX_FOUND) {
            struct ax_str names[AX_ROUTE_PARAMS_MAX];
            same(&got, &want);
            AX_ASSERT(ax_router_params(r, got.route, names) == got.nparams);
            if (ax_route_cache_get(c, m, path, &kept))
                same(&got, &kept);
            ax_route_cache_put(c, m, path, &got);
            if (ax_route_cache_get(c, m, path, &kept))
                same(&got, &kept);
        } else if (f == AX_NO_METHOD) {
            AX_ASSERT(got.allow == want.allow);
        } else {
            AX_ASSERT(!ax_route_cache_get(c, m, path, &kept));
        }
    }
    free(copy);
}

static enum ax_method method_of(char c)
{
    return (enum ax_method)((unsigned char)c % (AX_ANY + 1));
}

static void add(struct ax_router *r, struct set *s, struct ax_str line)
{
    struct ax_str pattern = {line.p + 1, line.n - 1};
    struct ax_err err = {0};
    char *copy = exact(pattern.p, pattern.n);
    int checked = ax_pattern_check((struct ax_str){copy, pattern.n}, NULL);
    int rc = ax_router_add(r, method_of(line.p[0]), (struct ax_str){copy, pattern.n}, s->n, &err);

    free(copy);
    AX_ASSERT(checked < 0 ? rc == checked : rc == 0 || rc == -AX_E_DUPLICATE);
    AX_ASSERT((rc == 0) == (err.code == AX_OK) && (rc == 0 || err.msg[0]));
    if (rc < 0)
        return;
    s->routes[s->n++] = (struct plain_route){method_of(line.p[0]), pattern};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ax_str rest = {(const char *)data, n}, line;
    struct ax_router *r = ax_router_new();
    struct ax_route_cache *cache = NULL;
    struct set s = {.n = 0};

    AX_ASSERT(r && ax_route_cache_new(4, n, &cache, NULL) == 0);
    while (next_line(&rest, &line) && line.n)
        if (s.n < SET_MAX)
            add(r, &s, line);
    AX_ASSERT(ax_router_freeze(r, NULL) == 0);
    for (int i = 0; i < PATHS_MAX && next_line(&rest, &line); i++)
        if (line.n)
            check(r, cache, &s, (enum ax_method)((unsigned char)line.p[0] % AX_METHODS),
                  (struct ax_str){line.p + 1, line.n - 1});
    ax_route_cache_free(cache);
    ax_router_free(r);
    return 0;
}
