/* Routes and paths.  Input: lines "M/pattern" (M: a letter for the method), an empty line, then lines
 * "M/path". The router answers as a matcher that tries every pattern, and the cache as the router. */
#include "fuzz.h"
#include "http/path.h"
#include "http/route_cache.h"
#include "http/router.h"

enum { SET_MAX = 24, PATHS_MAX = 32, KINDS = AX_ROUTE_SEGMENTS_MAX + 1 };

struct set {
    struct ax_str pattern[SET_MAX];
    enum ax_method method[SET_MAX];
    unsigned n;
};

/* ---- the slow matcher */

static struct ax_str cut(struct ax_str *s)
{
    const char *slash = memchr(s->p + 1, '/', s->n - 1);
    struct ax_str seg = {s->p + 1, slash ? (size_t)(slash - s->p) - 1 : s->n - 1};

    s->p += seg.n + 1;
    s->n -= seg.n + 1;
    return seg;
}

static bool same_decoded(struct ax_str a, struct ax_str b)
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
static bool fits(struct ax_str pattern, struct ax_str path, char kinds[KINDS], struct ax_match *ret)
{
    unsigned n = 0;

    ret->nparams = 0;
    while (pattern.n) {
        struct ax_str seg = cut(&pattern);
        if (path.n == 0)
            return false;
        if (seg.n && seg.p[0] == '*') {
            kinds[n++] = '3';
            ret->params[ret->nparams++] = (struct ax_str){path.p + 1, path.n - 1};
            path.n = 0;
            break;
        }
        struct ax_str got = cut(&path);
        bool param = seg.n && seg.p[0] == ':';
        if (param ? got.n == 0 : !same_decoded(seg, got))
            return false;
        if (param)
            ret->params[ret->nparams++] = got;
        kinds[n++] = param ? '2' : '1';
    }
    kinds[n] = '\0';
    return path.n == 0;
}

static enum ax_found slow_match(const struct set *s, enum ax_method m, struct ax_str path,
                                struct ax_match *ret)
{
    static const uint8_t all = (1u << AX_METHODS) - 1;
    char best[KINDS] = "9", kinds[KINDS];
    int route[AX_METHODS + 1];
    struct ax_match got;

    for (unsigned i = 0; i < s->n; i++) {
        if (!fits(s->pattern[i], path, kinds, &got) || strcmp(kinds, best) > 0)
            continue;
        if (strcmp(kinds, best) < 0) {
            memcpy(best, kinds, sizeof best);
            *ret = got;
            ret->allow = 1u << AX_OPTIONS;
            memset(route, -1, sizeof route);
        }
        enum ax_method own = s->method[i];
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
        AX_ASSERT(f == slow_match(s, m, path, &want));
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
    s->pattern[s->n] = pattern;
    s->method[s->n++] = method_of(line.p[0]);
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
