/* auth, cors, rules, compress and errors: what they become, and every bad value at its place. */
#include "fixture.h"

#include "config/diff.h"
#include "config/mf_policy.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static void assert_text(const char *got, const char *want)
{
    if (!want)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static struct loaded load_good(struct fixture *f, const char *text)
{
    struct loaded l = fixture_load_text(f, text);

    if (l.rc < 0)
        print_problems(&l.p);
    assert_int_equal(l.rc, 0);
    return l;
}

static void test_rules(void **state)
{
    static const char text[] =
        "auth: { api: { bearer: { token: t } }, staff: { basic: staff } }\n"
        "cors: { web: { origins: [\"https://a.example\"] } }\n"
        "rules:\n"
        "  /: { cors: web, headers: { x-a: 1, x-b: 1 } }\n"
        "  /api: { auth: api, rate_limit: 5/s, compress: true, headers: { x-b: 2 } }\n"
        "  /api/open/: { auth: off, compress: { types: [text/html, image/*], min: 2KiB } }\n"
        "routes:\n"
        "  /: handlers/home.js\n"
        "  /apix: handlers/home.js\n"
        "  /api: handlers/home.js\n"
        "  /api/:id: { auth: staff, GET: handlers/home.js, PUT: { handler: handlers/home.js, rate_limit: 1/m "
        "} }\n"
        "  /api/open/x: { handler: handlers/home.js, cors: off, headers: { x-a: 3 } }\n"
        "  /%61pi/y: handlers/home.js\n";
    static const struct {
        const char *method, *pattern, *auth, *cors, *rate;
        bool compress;
    } t[] = {
        {"ANY", "/", NULL, "web", NULL, false},           {"ANY", "/apix", NULL, "web", NULL, false},
        {"ANY", "/api", "api", "web", "5/s", true},       {"GET", "/api/:id", "staff", "web", "5/s", true},
        {"PUT", "/api/:id", "staff", "web", "1/m", true}, {"ANY", "/api/open/x", NULL, NULL, "5/s", true},
        {"ANY", "/%61pi/y", "api", "web", "5/s", true},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    fixture_text(&f, "staff", "");
    struct loaded l = load_good(&f, text);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const struct ax_policies_of *p = &route_of(l.m, t[i].method, t[i].pattern)->policy;
        assert_text(p->auth, t[i].auth);
        assert_text(p->cors, t[i].cors);
        assert_text(p->rate_limit, t[i].rate);
        assert_int_equal(p->compress.on, t[i].compress);
    }
    const struct ax_manifest_route *api = route_of(l.m, "ANY", "/api"),
                                   *open = route_of(l.m, "ANY", "/api/open/x");
    assert_ptr_equal(api->policy.rate_limit, open->policy.rate_limit); /* one bucket */
    assert_int_equal(api->headers.n, 2);
    assert_string_equal(api->headers.v[1].value, "2");
    assert_string_equal(open->headers.v[0].value, "3");
    assert_int_equal(open->policy.compress.min, 2048);
    assert_int_equal(open->policy.compress.types.n, 2);
    assert_int_equal(api->policy.compress.min, 1024);
    assert_string_equal(l.m->rules[0].prefix, "/api/open");
    assert_string_equal(l.m->rules[2].prefix, "");
    assert_string_equal(l.m->rules[0].policy.cors, "web");
    loaded_free(&l);
    fixture_close(&f);
}

static void test_auth(void **state)
{
    static const char text[] =
        "auth:\n"
        "  a: { basic: users }\n"
        "  b: { bearer: { token_file: users } }\n"
        "  c: { jwt: { alg: RS256, key_file: users, audience: x, issuer: y, scope: \"r w\", leeway: 30s } }\n"
        "  d: { jwt: { alg: HS256, secret: " SECRET " } }\n"
        "errors: { 404: users, 5xx: users }\n"
        "routes: { /: handlers/home.js }\n";
    struct fixture f;
    (void)state;
    fixture_open(&f);
    fixture_text(&f, "users", "");
    struct loaded l = load_good(&f, text);
    assert_int_equal(l.m->nauths, 4);
    assert_int_equal(l.m->auths[0].kind, AX_AUTH_BASIC);
    assert_string_equal(l.m->auths[0].basic, "users");
    assert_int_equal(l.m->auths[1].kind, AX_AUTH_BEARER);
    assert_string_equal(l.m->auths[1].token_file, "users");
    assert_int_equal(l.m->auths[2].kind, AX_AUTH_JWT);
    assert_int_equal(l.m->auths[2].leeway_us, 30000000);
    assert_string_equal(l.m->auths[2].scope, "r w");
    assert_string_equal(l.m->auths[3].secret, SECRET);
    assert_int_equal(l.m->errors.n, 2);
    loaded_free(&l);
    fixture_close(&f);
}

/* Each text alone (with one good route) makes one problem. */
static void test_one_mistake(void **state)
{
    static const struct mistake t[] = {
        {"auth: x\n", 1, 7, "auth must be a map"},
        {"auth: { a: x }\n", 1, 12, "auth.a must be a map"},
        {"auth: { a: {} }\n", 1, 12, "needs one of basic, bearer and jwt"},
        {"auth: { a: { basic: home, bearer: { token: x } } }\n", 1, 12, "needs one of basic"},
        {"auth: { a: { basic: none } }\n", 1, 21, "auth.a.basic: no file none"},
        {"auth: { a: { basic: handlers } }\n", 1, 21, "auth.a.basic: no regular file: handlers"},
        {"auth: { a: { basic: [] } }\n", 1, 21, "must be a text"},
        {"auth: { a: { bsic: home } }\n", 1, 14, "did you mean basic"},
        {"auth: { a: { bearer: {} } }\n", 1, 22, "needs token_file or token"},
        {"auth: { a: { bearer: { token: a, token_file: home } } }\n", 1, 34, "give one of them"},
        {"auth: { a: { bearer: { token_file: none } } }\n", 1, 36, "auth.a.bearer.token_file: no file none"},
        {"auth: { a: { bearer: { token: '' } } }\n", 1, 31, "empty value"},
        {"auth: { a: { bearer: t } }\n", 1, 22, "must be a map"},
        {"auth: { a: { jwt: { key_file: home } } }\n", 1, 19, "needs alg"},
        {"auth: { a: { jwt: { alg: none, key_file: home } } }\n", 1, 26, "one of HS256, RS256"},
        {"auth: { a: { jwt: { alg: RS512, key_file: home } } }\n", 1, 26, "one of HS256, RS256"},
        {"auth: { a: { jwt: { alg: RS256 } } }\n", 1, 19, "needs key_file or key"},
        {"auth: { a: { jwt: { alg: HS256 } } }\n", 1, 19, "needs secret_file or secret"},
        {"auth: { a: { jwt: { alg: RS256, key_file: home, secret_file: home } } }\n", 1, 49, "alg: HS256"},
        {"auth: { a: { jwt: { alg: HS256, secret_file: home, key_file: home } } }\n", 1, 52, "alg: RS256"},
        {"auth: { a: { jwt: { alg: HS256, secret: short } } }\n", 1, 41, "32 bytes or more"},
        {"auth: { a: { jwt: { alg: RS256, key_file: none } } }\n", 1, 43, "no file none"},
        {"auth: { a: { jwt: { alg: RS256, key_file: home, leeway: 1h } } }\n", 1, 57, "0 to 10m"},
        {"auth: { a: { jwt: { alg: RS256, key_file: home, leeway: 5 } } }\n", 1, 57, "needs a unit"},
        {"cors: { a: {} }\n", 1, 12, "cors.a needs origins"},
        {"cors: { a: { origins: [] } }\n", 1, 23, "needs an origin"},
        {"cors: { a: { origins: [\"*\"], credentials: true } }\n", 1, 24, "does not go with credentials"},
        {"cors: { a: { origins: [\"https://a\", \"*\"] } }\n", 1, 37, "stands alone"},
        {"cors: { a: { origins: [a.example] } }\n", 1, 24, "scheme://host"},
        {"cors: { a: { origins: [\"https://a.example/\"] } }\n", 1, 24, "without a path"},
        {"cors: { a: { origins: [\"https://*.example\"] } }\n", 1, 24, "scheme://host"},
        {"cors: { a: { origins: [\"https://A.example\"] } }\n", 1, 24, "lower case"},
        {"cors: { a: { origins: [\"null\"] } }\n", 1, 24, "scheme://host"},
        {"cors: { a: { origins: [\"https://a\"], methods: [\"G T\"] } }\n", 1, 48, "no name of HTTP"},
        {"cors: { a: { origins: [\"https://a\"], headers: [\"a:b\"] } }\n", 1, 48, "no name of HTTP"},
        {"cors: { a: { origins: [\"https://a\"], credentials: true, headers: [\"*\"] } }\n", 1, 67,
         "name them"},
        {"cors: { a: { origins: [\"https://a\"], credentials: 1 } }\n", 1, 51, "true or false"},
        {"cors: { a: { origins: [\"https://a\"], max_age: 8d } }\n", 1, 47, "0 to 7d"},
        {"rules: { api: {} }\n", 1, 10, "starts with /"},
        {"rules: { /a/:b: {} }\n", 1, 10, "no parameters"},
        {"rules: { \"/a/*\": {} }\n", 1, 10, "no parameters"},
        {"rules: { /a: x }\n", 1, 14, "must be a map"},
        {"rules: { /a: {}, /a/: {} }\n", 1, 18, "stands in line 1 already"},
        {"rules: { /a: { auth: nobody } }\n", 1, 22, "there is no auth named \"nobody\""},
        {"rules: { /a: { cors: web } }\n", 1, 22, "there is no cors named \"web\""},
        {"rules: { /a: { rate_limit: fast } }\n", 1, 28, "a rate such as 100/s"},
        {"rules: { /a: { rate_limit: 0/s } }\n", 1, 28, "a rate such as 100/s"},
        {"rules: { /a: { rate_limit: 5/s burst 0 } }\n", 1, 28, "a rate such as 100/s"},
        {"rules: { /a: { compress: gzip } }\n", 1, 26, "true, false, or a map"},
        {"rules: { /a: { compress: { min: x } } }\n", 1, 33, "size"},
        {"rules: { /a: { compress: { types: [html] } } }\n", 1, 36, "content types such as"},
        {"rules: { /a: { compress: { level: 3 } } }\n", 1, 28, "unknown key"},
        {"rules: { /a: { headers: { \"a b\": c } } }\n", 1, 27, "no header name"},
        {"rules: { /a: { timeout: 1s } }\n", 1, 16, "unknown key"},
        {"errors: { 404: none.html }\n", 1, 16, "errors.404: no file none.html"},
        {"errors: { 404: handlers }\n", 1, 16, "no regular file"},
        {"errors: { 200: home }\n", 1, 11, "takes 400 to 599"},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    fixture_text(&f, "home", "");
    assert_mistakes(&f, "", "routes: { /: handlers/home.js }\n", t, AX_COUNT(t));
    fixture_close(&f);
}

static void test_route_mistakes(void **state)
{
    static const struct mistake t[] = {
        {"routes: { /: { handler: handlers/home.js, auth: aip } }\n", 2, 49, "did you mean api?"},
        {"routes: { /: { GET: { handler: handlers/home.js, cors: x } } }\n", 2, 56, "no cors named \"x\""},
        {"routes: { /: { handler: handlers/home.js, rate_limit: [] } }\n", 2, 55, "a rate such as"},
        {"routes: { /: { handler: handlers/home.js, compress: 3 } }\n", 2, 53, "true, false"},
        {"routes: { /: { handler: handlers/home.js, auth: '' } }\n", 2, 49, "empty value"},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    assert_mistakes(&f, "auth: { api: { bearer: { token: t } } }\n", "", t, AX_COUNT(t));
    struct loaded l = fixture_load_text(&f, "auth: { api: { bearer: { token: t } } }\n"
                                            "rules: { /a/b: { auth: api } }\n"
                                            "routes: { /a/:x: handlers/home.js, /c/*y: handlers/home.js }\n");
    assert_int_equal(l.rc, 0);
    assert_one_problem(&l.p, 3, 11, "also answers paths below /a/b");
    loaded_free(&l);
    fixture_close(&f);
}

static void test_rate(void **state)
{
    static const struct {
        const char *text;
        int64_t n, unit, burst;
    } t[] = {
        {"100/s", 100, 1000000, 100},
        {"5/m burst 2", 5, 60000000, 2},
        {"999999999/h", 999999999, INT64_C(3600000000), 999999999},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        int64_t n, unit, burst;
        ax_rate_parse(t[i].text, &n, &unit, &burst);
        assert_int_equal(n, t[i].n);
        assert_int_equal(unit, t[i].unit);
        assert_int_equal(burst, t[i].burst);
    }
}

struct lines {
    char text[2000];
};

static void keep(void *ctx, bool restart, const char *text)
{
    struct lines *l = ctx;

    assert_false(restart);
    size_t n = strlen(l->text);
    snprintf(l->text + n, sizeof l->text - n, "%s\n", text);
}

/* A reload tells names, never what they hold. */
static void test_diff(void **state)
{
    struct fixture f;
    struct lines lines = {.text = ""};
    (void)state;
    fixture_open(&f);
    struct loaded a =
        load_good(&f, "auth: { x: { bearer: { token: hush } }, y: { bearer: { token: hush } } }\n"
                      "cors: { w: { origins: [\"https://a\"] } }\n"
                      "routes: { /: { handler: handlers/home.js, auth: x, compress: true } }\n");
    struct loaded b =
        load_good(&f, "auth: { x: { bearer: { token: hash } }, z: { bearer: { token: hush } } }\n"
                      "cors: { w: { origins: [\"https://b\"] } }\n"
                      "rules: { /: { rate_limit: 3/s } }\n"
                      "routes: { /: { handler: handlers/home.js, auth: z } }\n");
    ax_manifest_diff(a.m, b.m, keep, &lines);
    assert_string_equal(lines.text, "auth: ~ x\nauth: - y\nauth: + z\ncors: ~ w\n"
                                    "routes: ANY /: auth: x -> z\nroutes: ANY /: rate_limit: off -> 3/s\n"
                                    "routes: ANY /: compress\n");
    loaded_free(&a);
    loaded_free(&b);
    fixture_close(&f);
}

static void test_memory(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    const char *file = fixture_text(&f, "actix.yaml",
                                    "auth: { x: { bearer: { token: hush } } }\n"
                                    "cors: { w: { origins: [\"https://a\"] } }\n"
                                    "rules: { /: { rate_limit: 3/s, headers: { a: b } }, /a: { auth: x } }\n"
                                    "routes: { /a: { handler: handlers/home.js, compress: { min: 1 } } }\n");
    for (unsigned n = 1;; n++) {
        ax_fail_alloc_at(n);
        struct loaded l = fixture_load(&file, 1);
        ax_fail_alloc_at(0);
        int rc = l.rc;
        loaded_free(&l);
        if (rc == 0)
            break;
        assert_int_equal(rc, -AX_E_NOMEM);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),       cmocka_unit_test(test_auth),
        cmocka_unit_test(test_one_mistake), cmocka_unit_test(test_route_mistakes),
        cmocka_unit_test(test_rate),        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
