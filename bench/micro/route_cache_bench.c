/* Does the route cache beat the router?  A lookup over 10, 500 and 5,000 routes with one or two parameters:
 * with the router alone, with a cache that holds all 4,096 paths (hits), and with one that holds half of them
 * and so none when it is asked (a lookup, the router, and keeping the result). */
#include "bench.h"
#include "http/route_cache.h"

enum { PATHS = 4096, TEXT = 64, SEED = 42 };

struct lookup {
    const struct ax_router *router;
    struct ax_route_cache *cache;
    struct ax_str path[PATHS];
    char text[PATHS][TEXT];
};

static struct ax_router *router_of(unsigned routes)
{
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};
    char text[TEXT];

    AX_ASSERT(r != NULL);
    for (unsigned i = 0; i < routes; i++) {
        snprintf(text, sizeof text, i % 2 ? "/api/v1/thing%u/:id" : "/api/v1/thing%u/:id/part/:part", i);
        ax_bench_must(ax_router_add(r, AX_GET, ax_str(text), i + 1, &err), &err);
    }
    ax_bench_must(ax_router_freeze(r, &err), &err);
    return r;
}

static void fill(struct lookup *l, unsigned routes)
{
    uint32_t state = AX_BENCH_SEED;

    for (unsigned i = 0; i < PATHS; i++) {
        unsigned k = ax_bench_next(&state) % routes, id = ax_bench_next(&state) % 100000;
        snprintf(l->text[i], TEXT, k % 2 ? "/api/v1/thing%u/%u" : "/api/v1/thing%u/%u/part/7", k, id);
        l->path[i] = ax_str(l->text[i]);
    }
}

static void by_router(void *arg, unsigned n)
{
    const struct lookup *l = arg;
    struct ax_match m;

    for (unsigned i = 0; i < n; i++) {
        ax_router_match(l->router, AX_GET, l->path[i % PATHS], &m);
        AX_BENCH_USE(&m);
    }
}

static void by_cache(void *arg, unsigned n)
{
    const struct lookup *l = arg;
    struct ax_match m;

    for (unsigned i = 0; i < n; i++) {
        struct ax_str path = l->path[i % PATHS];
        if (!ax_route_cache_get(l->cache, AX_GET, path, &m)) {
            ax_router_match(l->router, AX_GET, path, &m);
            ax_route_cache_put(l->cache, AX_GET, path, &m);
        }
        AX_BENCH_USE(&m);
    }
}

static void cached_row(const struct ax_bench *b, struct lookup *l, unsigned entries, const char *name)
{
    struct ax_err err = {0};

    ax_bench_must(ax_route_cache_new(entries, SEED, &l->cache, &err), &err);
    by_cache(l, PATHS); /* fills it */
    ax_bench_row(b, name, by_cache, l);
    ax_route_cache_free(l->cache);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {10, 500, 5000};
    struct ax_bench b = ax_bench_init(argc, argv, "route_cache");
    struct lookup *l = calloc(1, sizeof *l);

    AX_ASSERT(l != NULL);
    for (unsigned i = 0; i < AX_COUNT(sizes); i++) {
        struct ax_router *r = router_of(sizes[i]);
        char name[AX_BENCH_NAME];
        l->router = r;
        fill(l, sizes[i]);
        snprintf(name, sizeof name, "%u routes, router alone", sizes[i]);
        ax_bench_row(&b, name, by_router, l);
        snprintf(name, sizeof name, "%u routes, all hits", sizes[i]);
        cached_row(&b, l, 10000, name);
        snprintf(name, sizeof name, "%u routes, no hits", sizes[i]);
        cached_row(&b, l, PATHS / 2, name);
        ax_router_free(r);
    }
    free(l);
    return 0;
}
