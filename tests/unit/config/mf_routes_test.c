/* The forms of a route, what settings reach it, and routes against each other. */
#include "fixture.h"

static void test_forms(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(
        &f, "routes:\n"
            "  /: handlers/home.js\n"
            "  /named: handlers/home.js#show\n"
            "  /users/:id:\n"
            "    GET: handlers/users.js#show\n"
            "    PUT: { handler: handlers/users.js, timeout: 2s, body: 10MiB }\n"
            "    ANY: handlers/home.js\n"
            "  /h: { handler: handlers/home.js, POST: handlers/users.js }\n"
            "  /old: { redirect: /new }\n"
            "  /away: { redirect: \"https://e.example/x\", status: 302 }\n"
            "  /ping: { respond: pong, headers: { Cache-Control: no-store } }\n"
            "  /empty: { respond: '', status: 204 }\n"
            "  /live: { health: live }\n"
            "  /ready: { GET: { health: ready } }\n"
            "  /files/*path: handlers/home.js\n"
            "  /docs/*path: { static: handlers, fallback: home.js, POST: handlers/users.js }\n"
            "  /raw/*path: { GET: { static: handlers, index: off } }\n"
            "  /robots.txt: { static: handlers/home.js }\n"
            "  /app/*rest: { node: handlers/home.js, GET: { node: handlers/users.js#app } }\n");
    print_problems(&l.p);
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.p.n, 0);
    assert_int_equal(l.m->nroutes, 20);
    const struct ax_manifest_route *r = route_of(l.m, "ANY", "/");
    assert_true(r->by_exports);
    assert_string_equal(r->module, "handlers/home.js");
    assert_null(r->export_name);
    assert_int_equal(r->kind, AX_ROUTE_HANDLER);
    assert_int_equal(r->at.line, 2);
    assert_int_equal(r->at.col, 6);
    assert_int_equal(r->path_at.col, 3);
    assert_int_equal(r->timeout_us, 10000000);
    assert_int_equal(r->body_max, 1 << 20);
    assert_string_equal(r->uploads.dir, "static");
    r = route_of(l.m, "GET", "/docs/*path");
    assert_int_equal(r->kind, AX_ROUTE_STATIC);
    assert_string_equal(r->dir, "handlers");
    assert_string_equal(r->index, "index.html");
    assert_string_equal(r->fallback, "home.js");
    r = route_of(l.m, "POST", "/docs/*path");
    assert_int_equal(r->kind, AX_ROUTE_HANDLER);
    r = route_of(l.m, "GET", "/raw/*path");
    assert_null(r->index);
    assert_null(r->fallback);
    r = route_of(l.m, "GET", "/robots.txt");
    assert_int_equal(r->kind, AX_ROUTE_STATIC);
    assert_string_equal(r->dir, "handlers/home.js");
    r = route_of(l.m, "ANY", "/app/*rest");
    assert_int_equal(r->kind, AX_ROUTE_NODE);
    assert_string_equal(r->module, "handlers/home.js");
    assert_null(r->export_name);
    assert_false(r->by_exports);
    r = route_of(l.m, "GET", "/app/*rest");
    assert_int_equal(r->kind, AX_ROUTE_NODE);
    assert_string_equal(r->export_name, "app");
    r = route_of(l.m, "ANY", "/named");
    assert_false(r->by_exports);
    assert_string_equal(r->export_name, "show");
    r = route_of(l.m, "GET", "/users/:id");
    assert_false(r->by_exports);
    assert_string_equal(r->module, "handlers/users.js");
    assert_string_equal(r->export_name, "show");
    r = route_of(l.m, "PUT", "/users/:id");
    assert_int_equal(r->timeout_us, 2000000);
    assert_int_equal(r->body_max, 10 << 20);
    assert_null(r->export_name);
    assert_false(route_of(l.m, "ANY", "/users/:id")->by_exports);
    assert_true(route_of(l.m, "ANY", "/h")->by_exports);
    assert_string_equal(route_of(l.m, "POST", "/h")->module, "handlers/users.js");
    r = route_of(l.m, "ANY", "/old");
    assert_int_equal(r->kind, AX_ROUTE_REDIRECT);
    assert_int_equal(r->status, 308);
    assert_string_equal(r->to, "/new");
    assert_int_equal(route_of(l.m, "ANY", "/away")->status, 302);
    r = route_of(l.m, "ANY", "/ping");
    assert_int_equal(r->kind, AX_ROUTE_RESPOND);
    assert_int_equal(r->status, 200);
    assert_string_equal(r->body, "pong");
    assert_string_equal(r->headers.v[0].key, "cache-control");
    assert_string_equal(r->headers.v[0].value, "no-store");
    assert_string_equal(route_of(l.m, "ANY", "/empty")->body, "");
    assert_int_equal(route_of(l.m, "ANY", "/live")->health, AX_HEALTH_LIVE);
    assert_int_equal(route_of(l.m, "GET", "/ready")->health, AX_HEALTH_READY);
    assert_int_equal(route_of(l.m, "GET", "/ready")->kind, AX_ROUTE_HEALTH);
    loaded_free(&l);
    fixture_close(&f);
}

static void test_settings(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l =
        fixture_load_text(&f, "routes:\n" /* before the keys whose values are their defaults */
                              "  /a:\n"
                              "    timeout: off\n"
                              "    body: 5\n"
                              "    headers: { X-A: path, x-b: path }\n"
                              "    uploads: { files: 3, keep: false }\n"
                              "    stream: false\n"
                              "    compress: false\n"
                              "    max_inflight: 0\n"
                              "    queue: 0\n"
                              "    auth: off\n"
                              "    cors: false\n"
                              "    rate_limit: off\n"
                              "    use: []\n"
                              "    GET: handlers/home.js\n"
                              "    POST: { handler: handlers/home.js, stream: true, use: [handlers/home.js], "
                              "timeout: 1s, headers: { x-a: post, x-c: post },\n"
                              "            uploads: { files: 4 } }\n"
                              "  /b: handlers/home.js\n"
                              "  /big: { handler: handlers/home.js, stream: true, body: 2GiB }\n"
                              "timeouts: { handler: 3s }\n"
                              "limits: { body: 7 }\n"
                              "uploads: { dir: up }\n");
    print_problems(&l.p);
    assert_int_equal(l.rc, 0);
    const struct ax_manifest_route *get = route_of(l.m, "GET", "/a"), *post = route_of(l.m, "POST", "/a");
    assert_true(get->timeout_us == AX_OFF);
    assert_int_equal(get->body_max, 5);
    assert_int_equal(get->headers.n, 2);
    assert_string_equal(get->headers.v[0].value, "path");
    assert_int_equal(get->uploads.files, 3);
    assert_false(get->uploads.keep);
    assert_string_equal(get->uploads.dir, "up");
    assert_int_equal(post->timeout_us, 1000000);
    assert_false(get->stream);
    assert_true(post->stream);
    assert_int_equal(get->policy.use.n, 0);
    assert_int_equal(post->policy.use.n, 1);
    assert_string_equal(post->policy.use.v[0].file, "handlers/home.js");
    assert_int_equal(post->policy.use.v[0].at.col, 60);
    assert_int_equal(post->body_max, 5);
    assert_int_equal(post->headers.n, 3);
    assert_string_equal(post->headers.v[0].value, "post");
    assert_string_equal(post->headers.v[1].value, "path");
    assert_int_equal(post->uploads.files, 4);
    assert_false(post->uploads.keep);
    assert_int_equal(route_of(l.m, "ANY", "/b")->timeout_us, 3000000);
    assert_int_equal(route_of(l.m, "ANY", "/b")->body_max, 7);
    loaded_free(&l);
    fixture_close(&f);
}

/* Lines below `routes:`, which is line 1. */
static void test_max_inflight(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(&f, "routes:\n"
                                            "  /a: { max_inflight: 2, queue: 5, GET: handlers/home.js,\n"
                                            "        POST: handlers/home.js,\n"
                                            "        PUT: { handler: handlers/home.js, max_inflight: 1 } }\n"
                                            "  /b: { handler: handlers/home.js, max_inflight: 2 }\n"
                                            "  /c: handlers/home.js\n");
    assert_int_equal(l.rc, 0);
    const struct ax_manifest_route *r = l.m->routes;
    assert_int_equal(l.m->nroutes, 5);
    static const struct {
        int64_t max, queue;
    } want[] = {{2, 5}, {2, 5}, {1, 5}, {2, 0}, {0, 0}};
    for (size_t i = 0; i < AX_COUNT(want); i++) {
        assert_int_equal(r[i].max_inflight, want[i].max);
        assert_int_equal(r[i].queue, want[i].queue);
        for (size_t k = 0; k < i; k++) /* what a path says for all its METHODs is one number for all */
            assert_int_equal(r[i].inflight_group == r[k].inflight_group, k == 0 && i == 1);
    }
    loaded_free(&l);
    fixture_close(&f);
}

static void test_one_mistake(void **state)
{
    static const struct mistake t[] = {
        {"  a: handlers/home.js\n", 2, 3, "did you mean /a"},
        {"  /a/:x/:x: handlers/home.js\n", 2, 3, "twice"},
        {"  /a/*x/b: handlers/home.js\n", 2, 3, "last segment"},
        {"  /a/../b: handlers/home.js\n", 2, 3, "segment"},
        {"  /a: handlers/home.js\n  /a: handlers/users.js\n", 3, 3, "given twice"},
        {"  /a/:x: handlers/home.js\n  /a/:y: handlers/users.js\n", 3, 3, "same paths as /a/:x in line 2"},
        {"  /a/:x: { GET: handlers/home.js }\n  /a/:y: { GET: handlers/users.js }\n", 3, 3,
         "GET /a/:y answers"},
        {"  /caf\xc3\xa9: handlers/home.js\n  /caf%C3%A9: handlers/home.js\n", 3, 3, "same paths"},
        {"  /a: [x]\n", 2, 7, "must be a module"},
        {"  /a:\n", 2, 6, "empty value"},
        {"  /a: ''\n", 2, 7, "empty value"},
        {"  /a: {}\n", 2, 3, "says nobody who answers"},
        {"  /a: { timeout: 1s }\n", 2, 3, "says nobody who answers"},
        {"  /a: { GET: {} }\n", 2, 9, "/a GET says nobody who answers"},
        {"  /a: { GET: ~ }\n", 2, 14, "/a GET has an empty value"},
        {"  /a: { GET: [x] }\n", 2, 14, "must be a module or a map"},
        {"  /a: { get: handlers/home.js }\n", 2, 9, "did you mean GET"},
        {"  /a: { TRACE: handlers/home.js }\n", 2, 9, "TRACE never reaches a handler"},
        {"  /a: { CONNECT: handlers/home.js }\n", 2, 9, "CONNECT never reaches"},
        {"  /a: { GET: { POST: handlers/home.js, handler: handlers/home.js } }\n", 2, 16,
         "unknown key /a GET POST"},
        {"  /a: { handlr: handlers/home.js }\n", 2, 9, "did you mean handler"},
        {"  /a: { handler: handlers/home.js, workers: 3 }\n", 2, 36, "unknown key /a workers"},
        {"  /a: { handler: handlers/home.js, respond: x }\n", 2, 36, "only one of"},
        {"  /a: handlers/home.js#\n", 2, 7, "module#export"},
        {"  /a: \"#show\"\n", 2, 7, "module#export"},
        {"  /a: handlers/hom.js\n", 2, 7, "no file handlers/hom.js, did you mean handlers/home.js?"},
        {"  /a: handlers/home\n", 2, 7, "did you mean handlers/home.js?"},
        {"  /a: handlers/home.js/x\n", 2, 7, "no file"},
        {"  /a: nowhere/far.js\n", 2, 7, "no file nowhere/far.js in /"},
        {"  /a: /nonexistent/far.js\n", 2, 7, "no file /nonexistent/far.js"},
        {"  /a: handlers\n", 2, 7, "is no file"},
        {"  /a: { handler: handlers/home.js, status: 200 }\n", 2, 36, "with redirect or respond only"},
        {"  /a: { handler: handlers/home.js, index: x }\n", 2, 36, "with static only"},
        {"  /a: { GET: { respond: x, fallback: x } }\n", 2, 28, "with static only"},
        {"  /a: { redirect: /b, status: 200 }\n", 2, 31, "301, 302, 303, 307 or 308"},
        {"  /a: { respond: x, status: 99 }\n", 2, 29, "200 to 599"},
        {"  /a: { redirect: /a }\n", 2, 19, "redirects to itself"},
        {"  /a: { redirect: \"/b\\r\\nx: y\" }\n", 2, 19, "line breaks"},
        {"  /a: { redirect: [x] }\n", 2, 19, "must be a text"},
        {"  /a: { health: up }\n", 2, 17, "one of live, ready"},
        {"  /a: { respond: ~ }\n", 2, 18, "empty value"},
        {"  /a: { handler: handlers/home.js, timeout: 5 }\n", 2, 45, "/a timeout: a time needs a unit"},
        {"  /a: { handler: handlers/home.js, body: off }\n", 2, 42, "must be a size"},
        {"  /a: { handler: handlers/home.js, body: 1GiB }\n", 2, 18, "larger than limits.body_memory"},
        {"  /a: { respond: x, headers: { \"a b\": c } }\n", 2, 32, "no header name"},
        {"  /a: { respond: x, headers: { \"\\u00e9\": c } }\n", 2, 32, "no header name"},
        {"  /a: { respond: x, headers: { Content-Length: 3 } }\n", 2, 32, "belongs to the server"},
        {"  /a: { respond: x, headers: { x-a: \"b\\nc\" } }\n", 2, 37, "line break"},
        {"  /a: { respond: x, headers: { x-a: b, X-A: c } }\n", 2, 40, "x-a is given twice"},
        {"  /a: { respond: x, headers: x }\n", 2, 30, "must be a map"},
        {"  /a: { respond: x, uploads: { fils: 3 } }\n", 2, 32, "did you mean file"},
        {"  /a: { static: handlers }\n", 2, 17, "the path must end in *name, as in /a/*path"},
        {"  /a: { static: robots.txt }\n", 2, 17, "no file robots.txt"},
        {"  /a: { static: handlers/home.js, index: x }\n", 2, 35, "only a path that ends in *name"},
        {"  /a: { static: handlers/home.js, fallback: x }\n", 2, 35, "only a path that ends in *name"},
        {"  /a/*p: { static: handlerz }\n", 2, 20, "no folder handlerz, did you mean handlers?"},
        {"  /a/*p: { static: handlers/home.js }\n", 2, 20, "handlers/home.js is no folder"},
        {"  /a/*p: { static: handlers/home.js/x }\n", 2, 20, "no folder handlers/home.js/x"},
        {"  /a/*p: { static: [x] }\n", 2, 20, "static must be a text"},
        {"  /a/*p: { static: ~ }\n", 2, 20, "empty value"},
        {"  /a/*p: { static: '' }\n", 2, 20, "empty value"},
        {"  /a/*p: { static: handlers, status: 200 }\n", 2, 30, "redirect or respond only"},
        {"  /a/*p: { static: handlers, handler: handlers/home.js }\n", 2, 30, "only one of"},
        {"  /a/*p: { static: handlers, GET: handlers/home.js }\n", 2, 3, "answers the same paths"},
        {"  /a/*p: { POST: { static: handlers } }\n", 2, 20, "static answers GET and HEAD"},
        {"  /a/*p: { ANY: { static: handlers } }\n", 2, 19, "static answers GET and HEAD"},
        {"  /a/*p: { static: handlers, index: ../x }\n", 2, 37, "a file below the folder of static"},
        {"  /a/*p: { static: handlers, index: /x }\n", 2, 37, "a file below the folder of static"},
        {"  /a/*p: { static: handlers, index: x/ }\n", 2, 37, "a file below the folder of static"},
        {"  /a/*p: { static: handlers, index: x//y }\n", 2, 37, "a file below the folder of static"},
        {"  /a/*p: { static: handlers, index: .x }\n", 2, 37, "no dot file"},
        {"  /a/*p: { static: handlers, index: [x] }\n", 2, 37, "index must be a text"},
        {"  /a/*p: { static: handlers, fallback: x/../y }\n", 2, 40, "a file below the folder of static"},
        {"  /a/*p: { static: handlers, fallback: '' }\n", 2, 40, "empty value"},
        {"  /a/*p: { static: handlers, fallback: no.html }\n", 2, 40, "no file handlers/no.html"},
        {"  /a: { node: x.js }\n", 2, 15, "no file x.js"},
        {"  /a: { node: [x.js] }\n", 2, 15, "/a node must be a text"},
        {"  /a: { node: ~ }\n", 2, 15, "empty value"},
        {"  /a: { node: '' }\n", 2, 15, "empty value"},
        {"  /a: { node: \"#app\" }\n", 2, 15, "a module or module#export"},
        {"  /a: { node: handlers/home.js# }\n", 2, 15, "a module or module#export"},
        {"  /a: { node: handlers/home.js, handler: handlers/home.js }\n", 2, 33, "only one of"},
        {"  /a: { node: handlers/home.js, status: 200 }\n", 2, 33, "redirect or respond only"},
        {"  /a: { GET: { node: handlers/none.js } }\n", 2, 22, "no file handlers/none.js"},
        {"  /a: { handler: handlers/home.js, stream: 1 }\n", 2, 44, "stream must be true or false"},
        {"  /a: { handler: handlers/home.js, use: [x.js] }\n", 2, 42, "no file x.js"},
        {"  /a: { handler: handlers/home.js, use: [handlers/home.js, \"\"] }\n", 2, 60, "empty value"},
        {"  /a: { handler: handlers/home.js, use: { a: b } }\n", 2, 41, "use must be a list"},
        {"  /a: { handler: handlers/home.js, use: x.js }\n", 2, 41, "no file x.js"},
        {"  /a: { handler: handlers/home.js, max_inflight: -1 }\n", 2, 50, "must be 0 to 1000000"},
        {"  /a: { handler: handlers/home.js, max_inflight: 1000001 }\n", 2, 50, "must be 0 to 1000000"},
        {"  /a: { GET: { handler: handlers/home.js, queue: off } }\n", 2, 50, "must be a whole number"},
    };
    struct fixture f;

    (void)state;
    fixture_open(&f);
    assert_mistakes(&f, "routes:\n", "", t, AX_COUNT(t));
    fixture_close(&f);
}

static void test_no_map(void **state)
{
    static const char *const texts[] = {"routes: x\n", "routes: [x]\n", "routes:\n"};
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct loaded l = fixture_load_text(&f, texts[i]);
        assert_true(l.rc < 0);
        assert_int_equal(l.p.n, 1);
        loaded_free(&l);
    }
    fixture_close(&f);
}

static void test_warnings(void **state)
{
    static const struct {
        const char *text;
        unsigned line, col;
        const char *says;
    } t[] = {
        {"server: {}\n", 1, 1, "no routes and no modules"},
        {"limits: { uri: 32KiB }\nmodules: [handlers/home.js]\n", 1, 16, "larger than limits.header"},
        {"limits: { header: 4KiB }\nmodules: [handlers/home.js]\n", 1, 19, "larger than limits.header"},
        {"routes: { /a: { respond: x, status: 204 } }\n", 1, 26, "has no body"},
        {"routes: { /a: { handler: handlers/home.js, queue: 3 } }\n", 1, 26, "queue means nothing"},
        {"x-h: &h handlers/home.js\n"
         "routes: { /a: { GET: *h, HEAD: *h, POST: *h, PUT: *h, PATCH: *h, DELETE: *h, OPTIONS: *h,\n"
         "  handler: handlers/users.js } }\n",
         3, 12, "never answers"},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct loaded l = fixture_load_text(&f, t[i].text);
        assert_int_equal(l.rc, 0);
        assert_int_equal(l.p.errors, 0);
        assert_one_problem(&l.p, t[i].line, t[i].col, t[i].says);
        assert_true(l.p.v[0].warning);
        loaded_free(&l);
    }
    fixture_close(&f);
}

static void test_trailing_slash(void **state)
{
    static const char routes[] =
        "routes: { /a: handlers/home.js, /a/: handlers/users.js, /: handlers/home.js }\n";
    struct fixture f;
    char text[200];
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(&f, routes);
    assert_int_equal(l.rc, 0);
    loaded_free(&l);
    snprintf(text, sizeof text, "server: { trailing_slash: ignore }\n%s", routes);
    l = fixture_load_text(&f, text);
    assert_int_equal(l.rc, -AX_E_DUPLICATE);
    assert_one_problem(&l.p, 2, 33, "answers the same paths as /a");
    loaded_free(&l);
    fixture_close(&f);
}

static void test_many(void **state)
{
    enum { ROUTES = 3000 };
    struct fixture f;
    char *text = malloc(ROUTES * 64);
    (void)state;
    assert_non_null(text);
    size_t n = (size_t)snprintf(text, 64, "routes:\n");
    fixture_open(&f);
    for (int i = 0; i < ROUTES; i++)
        n += (size_t)snprintf(text + n, 64, "  /r%d/:id: { GET: handlers/home.js }\n", i);
    struct loaded l = fixture_load_text(&f, text);
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.m->nroutes, ROUTES);
    loaded_free(&l);
    free(text);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),          cmocka_unit_test(test_settings),
        cmocka_unit_test(test_max_inflight),   cmocka_unit_test(test_one_mistake),
        cmocka_unit_test(test_no_map),         cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_trailing_slash), cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
