#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/path.h"
#include "tests/unit/http/plain_router.h"

struct route {
    enum ax_method m;
    const char *pattern;
};

/* Route ids are the indexes of `routes`; the last has no pattern. */
static struct ax_router *router_of(const struct route *routes)
{
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};

    assert_non_null(r);
    for (uint32_t i = 0; routes[i].pattern; i++)
        if (ax_router_add(r, routes[i].m, ax_str(routes[i].pattern), i, &err) < 0)
            fail_msg("%s: %s", routes[i].pattern, err.msg);
    if (ax_router_freeze(r, &err) < 0)
        fail_msg("%s", err.msg);
    return r;
}

/* "3 x=1 y=2": route, names and parameters; "404"; "405 GET HEAD". */
static const char *answer(const struct ax_router *r, enum ax_method m, struct ax_str path, char out[512])
{
    struct ax_match got;
    struct ax_str names[AX_ROUTE_PARAMS_MAX];
    char *copy = malloc(path.n ? path.n : 1); /* so that a read past the end is seen */
    int n = 0;

    assert_non_null(copy);
    memcpy(copy, path.p, path.n);
    switch (ax_router_match(r, m, (struct ax_str){copy, path.n}, &got)) {
    case AX_FOUND:
        n = snprintf(out, 512, "%u", got.route);
        assert_int_equal(ax_router_params(r, got.route, names), got.nparams);
        for (unsigned i = 0; i < got.nparams; i++)
            n += snprintf(out + n, 512 - (size_t)n, " %.*s=%.*s", (int)names[i].n, names[i].p,
                          (int)got.params[i].n, got.params[i].p);
        break;
    case AX_NO_METHOD:
        n = snprintf(out, 512, "405");
        for (int i = 0; i < AX_METHODS; i++)
            if (got.allow & 1u << i)
                n += snprintf(out + n, 512 - (size_t)n, " %s", ax_method_name((enum ax_method)i));
        break;
    case AX_NO_PATH:
        snprintf(out, 512, "404");
        break;
    }
    free(copy);
    return out;
}

static void test_paths(void **state)
{
    static const struct route routes[] = {
        {AX_GET, "/"},                     /* 0 */
        {AX_GET, "/users"},                /* 1 */
        {AX_GET, "/users/:id"},            /* 2 */
        {AX_GET, "/users/me"},             /* 3 */
        {AX_GET, "/users/:id/posts"},      /* 4 */
        {AX_GET, "/files/*path"},          /* 5 */
        {AX_GET, "/a/:x/c"},               /* 6 */
        {AX_GET, "/a/b/d"},                /* 7 */
        {AX_GET, "/a/b/:y/e"},             /* 8 */
        {AX_GET, "/a/*rest"},              /* 9 */
        {AX_GET, "/a/"},                   /* 10 */
        {AX_GET, "/x//y"},                 /* 11 */
        {AX_GET, "/v1/users:batch"},       /* 12 */
        {AX_GET, "/caf%C3%A9"},            /* 13 */
        {AX_GET, "/in a/%7Etilde"},        /* 14 */
        {AX_GET, "/s/a%2Fb"},              /* 15 */
        {AX_GET, "/s/a/b"},                /* 16 */
        {AX_GET, "/p%25"},                 /* 17 */
        {AX_GET, "/w/*"},                  /* 18 */
        {AX_GET, "/:a/:b/:c/:d_e"},        /* 19 */
        {AX_GET, "/k/:one/x/:two/*three"}, /* 20 */
        {AX_GET, "/dir/:name/"},           /* 21 */
        {AX_GET, "/us"},                   /* 22 */
        {0},
    };
    static const struct {
        const char *path, *want;
    } t[] = {
        {"/", "0"},
        {"", "404"},
        {"*", "404"},
        {"//", "404"},
        {"/users", "1"},
        {"/users/", "404"},
        {"/Users", "404"},
        {"/user", "404"},
        {"/userss", "404"},
        {"/us", "22"},
        {"/u", "404"},
        {"/users/7", "2 id=7"},
        {"/users/me", "3"},
        {"/users/mex", "2 id=mex"},
        {"/users/m", "2 id=m"},
        {"/users/7/", "404"},
        {"/users//posts", "404"},
        {"/users/7/posts", "4 id=7"},
        {"/users/me/posts", "4 id=me"},
        {"/users/a%2Fb", "2 id=a%2Fb"},
        {"/users/a%2fb/posts", "4 id=a%2fb"},
        {"/users/%6De", "3"},
        {"/%75sers/7", "2 id=7"},
        {"/users%2F7", "404"},
        {"/files", "404"},
        {"/files/", "5 path="},
        {"/files//", "5 path=/"},
        {"/files/a/b.txt", "5 path=a/b.txt"},
        {"/files/%41", "5 path=%41"},
        {"/a", "404"},
        {"/a/", "10"},
        {"/a/b", "9 rest=b"},
        {"/a/b/c", "6 x=b"},
        {"/a/b/d", "7"},
        {"/a/b/d/e", "8 y=d"},
        {"/a/b/d/f", "9 rest=b/d/f"},
        {"/a/b/", "9 rest=b/"},
        {"/a//c", "9 rest=/c"},
        {"/a/q/c", "6 x=q"},
        {"/a/q/d", "9 rest=q/d"},
        {"/x//y", "11"},
        {"/x/y", "404"},
        {"/x///y", "404"},
        {"/v1/users:batch", "12"},
        {"/v1/users%3Abatch", "12"},
        {"/caf%C3%A9", "13"},
        {"/caf%c3%a9", "13"},
        {"/caf\xc3\xa9", "13"},
        {"/%63af\xc3%a9", "13"},
        {"/cafe", "404"},
        {"/in%20a/~tilde", "14"},
        {"/in%20a/%7etilde", "14"},
        {"/s/a%2fb", "15"},
        {"/s/a%2Fb", "15"},
        {"/s/a/b", "16"},
        {"/p%25", "17"},
        {"/p%2525", "404"},
        {"/p%", "17"}, /* refused before it comes here; must not read past the end */
        {"/p%zz", "404"},
        {"/w/", "18 *="},
        {"/w/x/y", "18 *=x/y"},
        {"/1/2/3/4", "19 a=1 b=2 c=3 d_e=4"},
        {"/k/1/x/2/3/4", "20 one=1 two=2 three=3/4"},
        {"/k/1/x/2/", "20 one=1 two=2 three="},
        {"/k/1/x/2", "19 a=k b=1 c=x d_e=2"}, /* back from behind a parameter */
        {"/dir/n/", "21 name=n"},
        {"/dir/n", "404"},
    };
    struct ax_router *r = router_of(routes);
    char got[512];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (strcmp(answer(r, AX_GET, ax_str(t[i].path), got), t[i].want) != 0)
            fail_msg("%s: %s, not %s", t[i].path, got, t[i].want);
    ax_router_free(r);
}

static void test_methods(void **state)
{
    static const struct route routes[] = {
        {AX_GET, "/g"},          /* 0 */
        {AX_POST, "/g"},         /* 1 */
        {AX_ANY, "/any"},        /* 2 */
        {AX_GET, "/any"},        /* 3 */
        {AX_HEAD, "/head"},      /* 4 */
        {AX_GET, "/head"},       /* 5 */
        {AX_POST, "/post"},      /* 6 */
        {AX_OPTIONS, "/opt"},    /* 7 */
        {AX_ANY, "/all"},        /* 8 */
        {AX_POST, "/u/me"},      /* 9 */
        {AX_GET, "/u/:id"},      /* 10 */
        {AX_DELETE, "/u/:name"}, /* 11 */
        {AX_HEAD, "/honly"},     /* 12 */
        {AX_ANY, "/u/*rest"},    /* 13 */
        {0},
    };
    static const struct {
        enum ax_method m;
        const char *path, *want;
    } t[] = {
        {AX_GET, "/g", "0"},
        {AX_POST, "/g", "1"},
        {AX_HEAD, "/g", "0"},
        {AX_PUT, "/g", "405 GET HEAD POST OPTIONS"},
        {AX_OPTIONS, "/g", "405 GET HEAD POST OPTIONS"},
        {AX_OTHER_METHOD, "/g", "405 GET HEAD POST OPTIONS"},
        {AX_UNKNOWN_METHOD, "/g", "405 GET HEAD POST OPTIONS"},
        {AX_ANY, "/g", "405 GET HEAD POST OPTIONS"},
        {AX_GET, "/any", "3"},
        {AX_HEAD, "/any", "3"}, /* GET before ANY */
        {AX_POST, "/any", "2"},
        {AX_OPTIONS, "/any", "2"},
        {AX_OTHER_METHOD, "/any", "405 GET HEAD POST PUT PATCH DELETE OPTIONS"},
        {AX_HEAD, "/all", "8"},
        {AX_HEAD, "/head", "4"},
        {AX_GET, "/head", "5"},
        {AX_GET, "/honly", "405 HEAD OPTIONS"},
        {AX_HEAD, "/post", "405 POST OPTIONS"},
        {AX_OPTIONS, "/opt", "7"},
        {AX_GET, "/opt", "405 OPTIONS"},
        {AX_POST, "/u/me", "9"},
        {AX_GET, "/u/me", "405 POST OPTIONS"}, /* the strongest path decides, not /u/:id */
        {AX_GET, "/u/1", "10 id=1"},
        {AX_DELETE, "/u/1", "11 name=1"}, /* names are those of the route */
        {AX_PUT, "/u/1", "405 GET HEAD DELETE OPTIONS"},
        {AX_PUT, "/u/1/2", "13 rest=1/2"},
        {AX_OPTIONS, "/none", "404"},
        {AX_UNKNOWN_METHOD, "/none", "404"},
    };
    struct ax_router *r = router_of(routes);
    char got[512];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (strcmp(answer(r, t[i].m, ax_str(t[i].path), got), t[i].want) != 0)
            fail_msg("%s %s: %s, not %s", ax_method_name(t[i].m), t[i].path, got, t[i].want);
    ax_router_free(r);
}

static void test_patterns(void **state)
{
    static const struct {
        struct ax_str pattern;
        int want;
    } t[] = {
        {AX_STR("/"), 0},
        {AX_STR("/a/:b/*c"), 0},
        {AX_STR("/:a_b_C9"), 0},
        {AX_STR("/:_/*_1"), 0},
        {AX_STR("/:a-b"), -AX_E_SYNTAX},
        {AX_STR("/:1"), -AX_E_SYNTAX},
        {AX_STR("/*2"), -AX_E_SYNTAX},
        {AX_STR("/:gr\xc3\xb6\xc3\x9f"
                "e"),
         -AX_E_SYNTAX},
        {AX_STR("/*"), 0},
        {AX_STR("/a//b/"), 0},
        {AX_STR("/.well-known/x"), 0},
        {AX_STR("/%2A/%3f"), 0},
        {AX_STR(""), -AX_E_SYNTAX},
        {AX_STR("a"), -AX_E_SYNTAX},
        {AX_STR("*"), -AX_E_SYNTAX},
        {AX_STR("/:"), -AX_E_SYNTAX},
        {AX_STR("/a/:/b"), -AX_E_SYNTAX},
        {AX_STR("/:a.json"), -AX_E_SYNTAX},
        {AX_STR("/:a:b"), -AX_E_SYNTAX},
        {AX_STR("/:a?"), -AX_E_SYNTAX},
        {AX_STR("/:a(\\d+)"), -AX_E_SYNTAX},
        {AX_STR("/:a\xff"), -AX_E_SYNTAX},
        {AX_STR("/:a/:a"), -AX_E_DUPLICATE},
        {AX_STR("/:a/*a"), -AX_E_DUPLICATE},
        {AX_STR("/*a/b"), -AX_E_SYNTAX},
        {AX_STR("/*a/"), -AX_E_SYNTAX},
        {AX_STR("/a*"), -AX_E_SYNTAX},
        {AX_STR("/**"), -AX_E_SYNTAX},
        {AX_STR("/a?b"), -AX_E_SYNTAX},
        {AX_STR("/a#b"), -AX_E_SYNTAX},
        {AX_STR("/a\nb"), -AX_E_SYNTAX},
        {AX_STR("/a\x01"), -AX_E_SYNTAX},
        {AX_STR("/a\0b"), -AX_E_SYNTAX},
        {AX_STR("/%01"), -AX_E_SYNTAX},
        {AX_STR("/%00"), -AX_E_SYNTAX},
        {AX_STR("/%"), -AX_E_SYNTAX},
        {AX_STR("/%4"), -AX_E_SYNTAX},
        {AX_STR("/%zz"), -AX_E_SYNTAX},
        {AX_STR("/%ff"), -AX_E_SYNTAX},
        {AX_STR("/."), -AX_E_SYNTAX},
        {AX_STR("/a/../b"), -AX_E_SYNTAX},
        {AX_STR("/a/%2e%2E"), -AX_E_SYNTAX},
        {AX_STR("/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/*p"), 0},
        {AX_STR("/:a/:b/:c/:d/:e/:f/:g/:h/:i/:j/:k/:l/:m/:n/:o/:p/:q"), -AX_E_LIMIT},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {0};
        if (ax_pattern_check(t[i].pattern, &err) != t[i].want || (int)err.code != -t[i].want)
            fail_msg("%.*s: %d %s", (int)t[i].pattern.n, t[i].pattern.p, (int)err.code, err.msg);
        assert_int_equal(t[i].want == 0, err.msg[0] == '\0');
    }
}

static void test_limits(void **state)
{
    static char text[AX_ROUTE_PATTERN_MAX + 1];
    char got[512];
    struct ax_router *r = ax_router_new();

    (void)state;
    assert_non_null(r);
    memset(text, 'a', sizeof text);
    text[0] = '/';
    struct ax_str longest = {text, AX_ROUTE_PATTERN_MAX};
    assert_int_equal(ax_router_add(r, AX_GET, longest, 1, NULL), 0);
    assert_int_equal(ax_router_add(r, AX_GET, (struct ax_str){text, sizeof text}, 2, NULL), -AX_E_LIMIT);
    char deep[2 * AX_ROUTE_SEGMENTS_MAX + 2];
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = i % 2 ? 'a' : '/';
    struct ax_str deepest = {deep, sizeof deep - 2};
    assert_int_equal(ax_router_add(r, AX_GET, deepest, 3, NULL), 0);
    assert_int_equal(ax_router_add(r, AX_GET, (struct ax_str){deep, sizeof deep}, 4, NULL), -AX_E_LIMIT);
    assert_int_equal(ax_router_add(r, AX_OTHER_METHOD, AX_STR("/x"), 5, NULL), -AX_E_RANGE);
    assert_int_equal(ax_router_freeze(r, NULL), 0);
    assert_string_equal(answer(r, AX_GET, longest, got), "1");
    assert_string_equal(answer(r, AX_GET, (struct ax_str){text, sizeof text}, got), "404");
    assert_string_equal(answer(r, AX_GET, deepest, got), "3");
    assert_string_equal(answer(r, AX_GET, (struct ax_str){deep, sizeof deep}, got), "404");
    ax_router_free(r);
}

static void test_adding(void **state)
{
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};
    struct ax_str names[AX_ROUTE_PARAMS_MAX];
    char got[512];

    (void)state;
    assert_non_null(r);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/a/:x"), 4000000000u, &err), 0);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/a/:y"), 2, &err), -AX_E_DUPLICATE);
    assert_string_equal(err.msg, "route GET /a/:y is there already, as /a/:x");
    assert_int_equal(ax_router_add(r, AX_POST, AX_STR("/a/:y"), 7, &err), 0);
    assert_int_equal(ax_router_add(r, AX_ANY, AX_STR("/a/:z"), 7, &err), 0);
    assert_int_equal(ax_router_add(r, AX_ANY, AX_STR("/%61/:z"), 8, NULL), -AX_E_DUPLICATE);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/a/*z"), 3, NULL), 0);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/a/*y"), 5, NULL), -AX_E_DUPLICATE);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/a/z"), 0, NULL), 0);
    assert_int_equal(ax_router_freeze(r, NULL), 0);
    assert_int_equal(ax_router_freeze(r, NULL), -AX_E_STATE);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/b"), 9, NULL), -AX_E_STATE);
    assert_string_equal(answer(r, AX_GET, AX_STR("/a/1"), got), "4000000000 x=1");
    assert_string_equal(answer(r, AX_POST, AX_STR("/a/1"), got), "7 y=1");
    assert_string_equal(answer(r, AX_PUT, AX_STR("/a/1"), got), "7 y=1");
    assert_string_equal(answer(r, AX_GET, AX_STR("/a/1/"), got), "3 z=1/");
    assert_int_equal(ax_router_params(r, 2, names), 0);
    assert_int_equal(ax_router_params(r, 1000, names), 0);
    ax_router_free(r);
    ax_router_free(NULL);
}

static void test_empty(void **state)
{
    struct ax_router *r = ax_router_new();
    char got[512];

    (void)state;
    assert_non_null(r);
    assert_int_equal(ax_router_freeze(r, NULL), 0);
    assert_string_equal(answer(r, AX_GET, AX_STR("/"), got), "404");
    assert_string_equal(answer(r, AX_GET, AX_STR(""), got), "404");
    ax_router_free(r);
}

/* A static pattern with any one byte changed, dropped or doubled is another path (style, 3.3). */
static void test_near_misses(void **state)
{
    static const struct route routes[] = {
        {AX_GET, "/hello"},
        {AX_GET, "/help"},
        {AX_GET, "/users/list/all"},
        {AX_GET, "/x/:id/edit"},
        {AX_GET, "/user"},
        {AX_GET, "/z/longer-than-eight-bytes"},
        {0},
    };
    static const char *const paths[] = {"/hello",    "/help", "/users/list/all",
                                        "/x/5/edit", "/user", "/z/longer-than-eight-bytes"};
    struct ax_router *r = router_of(routes);
    char path[64], got[512], want[8];

    (void)state;
    for (unsigned i = 0; i < AX_COUNT(paths); i++) {
        size_t n = strlen(paths[i]);
        snprintf(want, sizeof want, "%u", i);
        for (size_t at = 0; at < n; at++)
            for (unsigned c = 1; c < 256; c++) {
                if (c == (unsigned char)paths[i][at] || (i == 3 && at == 3) || c == '%')
                    continue;
                memcpy(path, paths[i], n);
                path[at] = (char)c;
                assert_string_equal(answer(r, AX_GET, (struct ax_str){path, n}, got), "404");
            }
        for (size_t at = 0; at < n; at++) {
            memcpy(path, paths[i], at);
            memcpy(path + at, paths[i] + at + 1, n - at - 1);
            assert_string_equal(answer(r, AX_GET, (struct ax_str){path, n - 1}, got), "404");
            assert_string_equal(answer(r, AX_GET, (struct ax_str){paths[i], at}, got),
                                at == 5 && i == 2 ? "4" : "404");
        }
        memcpy(path, paths[i], n);
        path[n] = path[n - 1];
        assert_string_equal(answer(r, AX_GET, (struct ax_str){path, n + 1}, got), "404");
    }
    ax_router_free(r);
}

/* Every one of 2^12 mixtures of static and parameter, and a path that fails only at the end: each node is
 * tried once, so this ends at once; a rest at the top is then what answers. */
static void test_backtracking(void **state)
{
    enum { DEPTH = 12 };
    struct ax_router *r = ax_router_new();
    char text[8 * DEPTH], got[512];
    int n;

    (void)state;
    assert_non_null(r);
    for (uint32_t i = 0; i < 1u << DEPTH; i++) {
        n = 0;
        for (unsigned k = 0; k < DEPTH; k++)
            n += i & 1u << k ? snprintf(text + n, sizeof text - (size_t)n, "/a")
                             : snprintf(text + n, sizeof text - (size_t)n, "/:p%u", k);
        snprintf(text + n, sizeof text - (size_t)n, "/z");
        assert_int_equal(ax_router_add(r, AX_GET, ax_str(text), i, NULL), 0);
    }
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/*rest"), 1u << DEPTH, NULL), 0);
    assert_int_equal(ax_router_freeze(r, NULL), 0);
    assert_string_equal(answer(r, AX_GET, AX_STR("/a/a/a/a/a/a/a/a/a/a/a/a/z"), got), "4095");
    assert_string_equal(answer(r, AX_GET, AX_STR("/a/a/a/a/a/a/a/a/a/a/a/b/z"), got), "2047 p11=b");
    assert_string_equal(answer(r, AX_GET, AX_STR("/a/a/a/a/a/a/a/a/a/a/a/a/y"), got),
                        "4096 rest=a/a/a/a/a/a/a/a/a/a/a/a/y");
    ax_router_free(r);
}

/* ---- against a matcher that is too simple to be wrong */

enum { SETS = 10000, SET_MAX = 12, PATHS = 8, SEGMENTS = 5 };

static uint32_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return (uint32_t)(*x >> 32);
}

static void random_path(uint64_t *x, const char *const *from, unsigned nfrom, const char *last, char out[64])
{
    unsigned n = 1 + next_random(x) % SEGMENTS;
    int at = 0;

    for (unsigned i = 0; i < n; i++) {
        const char *seg = from[next_random(x) % nfrom];
        if (last && i + 1 == n && next_random(x) % 4 == 0)
            seg = last;
        at += snprintf(out + at, 64 - (size_t)at, *seg == ':' ? "/%s%u" : "/%s", seg, i);
    }
}

struct set {
    struct plain_route routes[SET_MAX];
    char text[SET_MAX][64];
    unsigned n;
};

static struct ax_router *random_set(uint64_t *x, struct set *s)
{
    static const char *const pieces[] = {"a",     "ab",   "abc", "b",  "",   "%61b",
                                         "a%2Fb", "a%2f", "ba",  ":p", ":p", ":q"};
    struct ax_router *r = ax_router_new();
    unsigned want = 1 + next_random(x) % SET_MAX;

    assert_non_null(r);
    s->n = 0;
    for (unsigned i = 0; i < want; i++) {
        struct plain_route *t = &s->routes[s->n];
        random_path(x, pieces, AX_COUNT(pieces), "*r", s->text[s->n]);
        t->pattern = ax_str(s->text[s->n]);
        t->m = (enum ax_method)(next_random(x) % (AX_ANY + 1));
        int rc = ax_router_add(r, t->m, t->pattern, s->n, NULL);
        assert_true(rc == 0 || rc == -AX_E_DUPLICATE);
        s->n += rc == 0;
    }
    assert_int_equal(ax_router_freeze(r, NULL), 0);
    return r;
}

/* A path made after a pattern, so that it nearly fits. */
static void path_like(uint64_t *x, const char *pattern, const char *const *from, unsigned nfrom, char out[64])
{
    struct ax_str rest = ax_str(pattern);
    int at = 0;

    while (rest.n) {
        struct ax_str seg = plain_cut(&rest);
        bool keep = (seg.n == 0 || (seg.p[0] != ':' && seg.p[0] != '*')) && next_random(x) % 8;
        const char *other = from[next_random(x) % nfrom];
        at += keep ? snprintf(out + at, 64 - (size_t)at, "/%.*s", (int)seg.n, seg.p)
                   : snprintf(out + at, 64 - (size_t)at, "/%s", other);
    }
}

static void test_against_naive(void **state)
{
    static const char *const pieces[] = {"a",    "ab",    "abc", "b",      "",  "%61",
                                         "a%62", "a%2Fb", "ba",  "%61%2f", "c", "a%2F"};
    uint64_t x = 88172645463325252u;
    unsigned seen[3] = {0};

    (void)state;
    for (unsigned i = 0; i < SETS; i++) {
        struct set s;
        struct ax_router *r = random_set(&x, &s);
        for (unsigned k = 0; k < PATHS; k++) {
            struct ax_match got = {0}, want = {0};
            char path[64];
            if (k % 2)
                random_path(&x, pieces, AX_COUNT(pieces), NULL, path);
            else
                path_like(&x, s.text[next_random(&x) % s.n], pieces, AX_COUNT(pieces), path);
            enum ax_method m = (enum ax_method)(next_random(&x) % AX_METHODS);
            enum ax_found f = ax_router_match(r, m, ax_str(path), &got);
            if (f != plain_match(s.routes, s.n, m, ax_str(path), &want) ||
                (f == AX_FOUND && got.route != want.route) || (f == AX_NO_METHOD && got.allow != want.allow))
                fail_msg("set %u: %s %s", i, ax_method_name(m), path);
            seen[f]++;
            if (f != AX_FOUND)
                continue;
            assert_int_equal(got.nparams, want.nparams);
            for (unsigned p = 0; p < got.nparams; p++) {
                assert_ptr_equal(got.params[p].p, want.params[p].p);
                assert_int_equal(got.params[p].n, want.params[p].n);
            }
        }
        ax_router_free(r);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_true(seen[i] > SETS); /* the pieces are such that each answer is common */
}

/* ---- memory */

static int build(struct ax_router **ret, struct ax_err *err)
{
    struct ax_router *r = ax_router_new();
    char text[32];
    int rc = r ? 0 : ax_fail(err, AX_E_NOMEM, "out of memory");

    for (uint32_t i = 0; rc == 0 && i < 40; i++) {
        snprintf(text, sizeof text, "/%u/:id", i / 2);
        rc = ax_router_add(r, i % 2 ? AX_GET : AX_POST, ax_str(text), i, err);
    }
    if (rc == 0)
        rc = ax_router_freeze(r, err);
    if (rc < 0) {
        ax_router_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

static void test_out_of_memory(void **state)
{
    struct ax_router *r = NULL;
    char got[512];

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = build(&r, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, -AX_E_NOMEM);
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    assert_string_equal(answer(r, AX_GET, AX_STR("/19/x"), got), "39 id=x");
    ax_router_free(r);
}

/* An add that failed has changed nothing and may be repeated; so has a freeze. */
static void test_try_again(void **state)
{
    struct ax_router *r = ax_router_new();
    char got[512];
    unsigned failed = 0;

    (void)state;
    assert_non_null(r);
    for (unsigned n = 1; n < 8; n++) {
        ax_fail_alloc_at(n);
        int rc = ax_router_add(r, AX_GET, AX_STR("/a/:x"), 1, NULL);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        failed++;
    }
    assert_true(failed >= 2);
    assert_int_equal(ax_router_add(r, AX_GET, AX_STR("/a/:x"), 1, NULL), -AX_E_DUPLICATE);
    for (unsigned n = 1; n <= 3; n++) {
        ax_fail_alloc_at(n);
        assert_int_equal(ax_router_freeze(r, NULL), -AX_E_NOMEM);
        ax_fail_alloc_at(0);
    }
    assert_int_equal(ax_router_freeze(r, NULL), 0);
    assert_string_equal(answer(r, AX_GET, AX_STR("/a/1"), got), "1 x=1");
    ax_router_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),         cmocka_unit_test(test_methods),
        cmocka_unit_test(test_patterns),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_adding),        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_near_misses),   cmocka_unit_test(test_backtracking),
        cmocka_unit_test(test_against_naive), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_try_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
