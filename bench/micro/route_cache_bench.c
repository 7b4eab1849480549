/* Does the route cache beat the router?  ns per lookup over 10, 500 and 5,000 routes with one or two
 * parameters, for paths that repeat (hits), and for paths that never do (a lookup, the router, and keeping
 * the result).
 *
 *   gcc -O2 -std=gnu11 -Iserver -o /tmp/route_cache_bench bench/micro/route_cache_bench.c \
 *       server/http/{route_cache,router,pattern,path,method}.c server/base/{err,str,alloc,assert}.c &&
 * /tmp/route_cache_bench
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "http/route_cache.h"

enum { LOOKUPS = 2000000, PATHS = 4096, ROUNDS = 5 };

static char paths[PATHS][64];
static struct ax_str slices[PATHS];
static volatile uint32_t sink;

static struct ax_router *make_router(unsigned routes)
{
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};
    char p[64];

    for (unsigned i = 0; i < routes; i++) {
        int n = snprintf(p, sizeof p, i % 2 ? "/api/v1/thing%u/:id" : "/api/v1/thing%u/:id/part/:part", i);
        if (ax_router_add(r, AX_GET, (struct ax_str){p, (size_t)n}, i + 1, &err) < 0)
            exit(1);
    }
    ax_router_freeze(r, &err);
    return r;
}

static void make_paths(unsigned routes)
{
    for (unsigned i = 0; i < PATHS; i++) {
        unsigned k = (unsigned)rand() % routes;
        int n = snprintf(paths[i], sizeof paths[i],
                         k % 2 ? "/api/v1/thing%u/%d" : "/api/v1/thing%u/%d/part/7", k, rand() % 100000);
        slices[i] = (struct ax_str){paths[i], (size_t)n};
    }
}

static double ns_router(const struct ax_router *r)
{
    struct ax_match m;
    ax_mono t = ax_mono_now();

    for (unsigned i = 0; i < LOOKUPS; i++) {
        ax_router_match(r, AX_GET, slices[i % PATHS], &m);
        sink = m.route;
    }
    return (double)(ax_mono_now().us - t.us) * 1000 / LOOKUPS;
}

static double ns_cache(const struct ax_router *r, unsigned entries)
{
    struct ax_route_cache *c;
    struct ax_err err = {0};
    struct ax_match m;

    if (ax_route_cache_new(entries, 42, &c, &err) < 0)
        exit(1);
    ax_mono t = {0};
    for (unsigned i = 0; i < LOOKUPS + PATHS; i++) {
        if (i == PATHS)
            t = ax_mono_now(); /* warm */
        struct ax_str s = slices[i % PATHS];
        if (!ax_route_cache_get(c, AX_GET, s, &m)) {
            ax_router_match(r, AX_GET, s, &m);
            ax_route_cache_put(c, AX_GET, s, &m);
        }
        sink = m.route;
    }
    double ns = (double)(ax_mono_now().us - t.us) * 1000 / LOOKUPS;
    ax_route_cache_free(c);
    return ns;
}

int main(void)
{
    static const unsigned sizes[] = {10, 500, 5000};

    printf("%8s %10s %12s %12s\n", "routes", "router ns", "all hits ns", "no hits ns");
    for (unsigned i = 0; i < 3; i++) {
        struct ax_router *r = make_router(sizes[i]);
        double best[3] = {1e9, 1e9, 1e9};
        make_paths(sizes[i]);
        for (unsigned k = 0; k < ROUNDS; k++) {
            const double now[3] = {ns_router(r), ns_cache(r, 10000), ns_cache(r, PATHS / 2)};
            for (unsigned j = 0; j < 3; j++)
                best[j] = now[j] < best[j] ? now[j] : best[j];
        }
        printf("%8u %10.1f %12.1f %12.1f\n", sizes[i], best[0], best[1], best[2]);
        ax_router_free(r);
    }
    return 0;
}
