/* tests/unit/http/plain_router.h - a matcher that is too simple to be wrong: it tries every pattern.  The
 * router is held against it, with random routes (router_test.c) and with what a fuzzer makes up. */
#ifndef AX_TESTS_PLAIN_ROUTER_H
#define AX_TESTS_PLAIN_ROUTER_H

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "http/path.h"
#include "http/router.h"

enum { PLAIN_KINDS = AX_ROUTE_SEGMENTS_MAX + 1 };

struct plain_route { /* its id is its place in the array */
    enum ax_method m;
    struct ax_str pattern;
};

/* The first segment, without its slash; s goes on behind it. */
static inline struct ax_str plain_cut(struct ax_str *s)
{
    const char *slash = memchr(s->p + 1, '/', s->n - 1);
    struct ax_str seg = {s->p + 1, slash ? (size_t)(slash - s->p) - 1 : s->n - 1};

    s->p += seg.n + 1;
    s->n -= seg.n + 1;
    return seg;
}

static inline bool plain_same(struct ax_str a, struct ax_str b)
{
    char *da = malloc(a.n + 1), *db = malloc(b.n + 1);

    AX_ASSERT(da && db);
    size_t na = ax_path_decode(a, da), nb = ax_path_decode(b, db);
    bool same = na == nb && memcmp(da, db, na) == 0;
    free(da);
    free(db);
    return same;
}

/* When the pattern matches: the kind of each segment, '1' static, '2' parameter, '3' rest: the lesser of two
 * such strings is the stronger pattern. */
static inline bool plain_fits(struct ax_str pattern, struct ax_str path, char kinds[PLAIN_KINDS],
                              struct ax_match *ret)
{
    unsigned n = 0;

    ret->nparams = 0;
    while (pattern.n) {
        struct ax_str seg = plain_cut(&pattern);
        if (path.n == 0)
            return false;
        if (seg.n && seg.p[0] == '*') {
            kinds[n++] = '3';
            ret->params[ret->nparams++] = (struct ax_str){path.p + 1, path.n - 1};
            path.n = 0;
            break;
        }
        struct ax_str got = plain_cut(&path);
        bool param = seg.n && seg.p[0] == ':';
        if (param ? got.n == 0 : !plain_same(seg, got))
            return false;
        if (param)
            ret->params[ret->nparams++] = got;
        kinds[n++] = param ? '2' : '1';
    }
    kinds[n] = '\0';
    return path.n == 0;
}

static inline enum ax_found plain_match(const struct plain_route *routes, unsigned n, enum ax_method m,
                                        struct ax_str path, struct ax_match *ret)
{
    static const uint8_t all = (1u << AX_METHODS) - 1;
    char best[PLAIN_KINDS] = "9", kinds[PLAIN_KINDS];
    int route[AX_METHODS + 1];
    struct ax_match got;

    ret->allow = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!plain_fits(routes[i].pattern, path, kinds, &got) || strcmp(kinds, best) > 0)
            continue;
        if (strcmp(kinds, best) < 0) {
            memcpy(best, kinds, sizeof best);
            *ret = got;
            ret->allow = 1u << AX_OPTIONS;
            memset(route, -1, sizeof route);
        }
        enum ax_method own = routes[i].m;
        route[own] = (int)i;
        ret->allow |= own == AX_ANY ? all : (uint8_t)(1u << own | (own == AX_GET) << AX_HEAD);
    }
    if (best[0] == '9')
        return AX_NO_PATH;
    int found = route[m];
    if (found < 0 && m == AX_HEAD)
        found = route[AX_GET];
    if (found < 0)
        found = route[AX_ANY];
    ret->route = (uint32_t)found;
    return found < 0 ? AX_NO_METHOD : AX_FOUND;
}

#endif
