/* Times ax_router_match over 10, 500 and 5,000 routes:
 *   gcc -std=c11 -D_GNU_SOURCE -O2 -DNDEBUG -Iserver -o /tmp/router_bench bench/micro/router_bench.c \
 *       server/http/{router,pattern,path,method}.c server/base/{alloc,assert,err,str}.c && /tmp/router_bench
 * A third of the routes each: static, one parameter, two.  The paths of a row are asked for in an order that
 * no branch predictor learns; "same" is one path with a parameter over and over. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "http/path.h"
#include "http/router.h"

enum { PATHS = 4096, ROUNDS = 20, RUNS = 10, TEXT = 64 };

static const char *const kinds[] = {"/api/v1/res%u/list", "/api/v1/users%u/:id",
                                    "/api/v2/team%u/:team/members/:id"};
static const char *const asked[] = {"/api/v1/res%u/list", "/api/v1/users%u/4711",
                                    "/api/v2/team%u/red/members/9b2d-77"};

static struct ax_router *router_of(unsigned routes)
{
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};
    char text[TEXT];

    AX_ASSERT(r != NULL);
    for (unsigned i = 0; i < routes; i++) {
        const char *kind = kinds[i % 3];
        snprintf(text, sizeof text, "%.*s%u%s", (int)(strchr(kind, '%') - kind), kind, i / 3,
                 strchr(kind, '%') + 2);
        if (ax_router_add(r, AX_GET, ax_str(text), i, &err) < 0) {
            fprintf(stderr, "%s\n", err.msg);
            exit(1);
        }
    }
    if (ax_router_freeze(r, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        exit(1);
    }
    return r;
}

/* kind 0..2: that third; 3: unknown paths; 4: a static path with one byte encoded. */
static void fill(char (*paths)[TEXT], unsigned routes, unsigned kind)
{
    uint32_t x = 2463534242u;

    for (unsigned i = 0; i < PATHS; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        const char *form = kind < 3 ? asked[kind] : kind == 3 ? "/api/v1/res%u/lisp" : asked[0];
        const char *mark = strchr(form, '%');
        unsigned n = x % ((routes + 2 - (kind < 3 ? kind : 0)) / 3);
        snprintf(paths[i], TEXT, "%.*s%u%s", (int)(mark - form), form, n, mark + 2);
        if (kind == 4)
            snprintf(paths[i], TEXT, "/api/v1/res%u/%%6Cist", n);
    }
}

/* Nanoseconds per call, of the best of RUNS runs: the others were disturbed. */
static double time_paths(const struct ax_router *r, char (*paths)[TEXT], bool check)
{
    struct ax_str slices[PATHS];
    struct ax_match got;
    int64_t best = INT64_MAX;
    uint64_t sum = 0;

    for (unsigned i = 0; i < PATHS; i++)
        slices[i] = ax_str(paths[i]);
    for (unsigned run = 0; run < RUNS; run++) {
        ax_mono start = ax_mono_now();
        for (unsigned i = 0; i < PATHS * ROUNDS; i++) {
            struct ax_str path = slices[i % PATHS];
            sum += check ? (uint64_t)ax_path_ok(path) : (uint64_t)ax_router_match(r, AX_GET, path, &got);
        }
        int64_t us = ax_mono_now().us - start.us;
        if (us < best)
            best = us;
    }
    __asm__ volatile("" : : "r"(sum)); /* the calls have an effect */
    return (double)best * 1000 / (PATHS * ROUNDS);
}

int main(void)
{
    static char paths[PATHS][TEXT];
    static const unsigned sizes[] = {10, 500, 5000};

    printf("%8s %10s %10s %10s %10s %10s %10s %10s   ns per call\n", "routes", "static", "1 param",
           "2 params", "404", "encoded", "same", "path_ok");
    for (unsigned i = 0; i < AX_COUNT(sizes); i++) {
        struct ax_router *r = router_of(sizes[i]);
        printf("%8u", sizes[i]);
        for (unsigned kind = 0; kind < 5; kind++) {
            fill(paths, sizes[i], kind);
            printf(" %10.1f", time_paths(r, paths, false));
        }
        for (unsigned k = 0; k < PATHS; k++)
            snprintf(paths[k], TEXT, "/api/v1/users0/4711");
        printf(" %10.1f", time_paths(r, paths, false));
        fill(paths, sizes[i], 0);
        printf(" %10.1f\n", time_paths(r, paths, true));
        ax_router_free(r);
    }
    return 0;
}
