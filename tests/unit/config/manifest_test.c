/* ax_manifest_load as a whole: files, overlays, variables, every error in one run, and memory that runs out.
 */
#include "fixture.h"

static void test_defaults(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(&f, "routes: { /: handlers/home.js }\n");
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.p.n, 0);
    const struct ax_manifest *m = l.m;
    assert_string_equal(m->root, f.dir);
    assert_string_equal(m->file, f.files[2]);
    assert_int_equal(m->version, 1);
    assert_int_equal(m->server.nlisten, 1);
    assert_int_equal(m->server.listen[0].port, 3001);
    assert_true(m->server.listen[0].port_only);
    assert_int_equal(m->server.workers, AX_AUTO);
    assert_int_equal(m->server.isolation, AX_ISOLATION_THREAD);
    assert_int_equal(m->server.balance, AX_LEAST_CONNECTIONS);
    assert_int_equal(m->server.batch, 256);
    assert_int_equal(m->server.slice_us, 1000);
    assert_int_equal(m->server.min_ready, 1);
    assert_int_equal(m->server.quarantine.kills, 3);
    assert_int_equal(m->server.quarantine.within_us, 60000000);
    assert_int_equal(m->server.quarantine.for_us, 300000000);
    assert_int_equal(m->server.trailing_slash, AX_TRAILING_STRICT);
    assert_int_equal(m->server.trusted_proxies.n, 0);
    assert_int_equal(m->server.backlog, 511);
    assert_string_equal(m->server.state, ".actix");
    assert_false(m->server.state_given);
    assert_int_equal(m->server.control.mode, 0600);
    assert_null(m->server.control.group);
    assert_string_equal(m->server.node, "node");
    assert_int_equal(m->server.node_options.n, 0);
    assert_int_equal(m->limits.header, 16384);
    assert_int_equal(m->limits.header_count, 100);
    assert_int_equal(m->limits.uri, 8192);
    assert_int_equal(m->limits.body, 1 << 20);
    assert_int_equal(m->limits.body_memory, 256 << 20);
    assert_int_equal(m->limits.body_rate, 1024);
    assert_int_equal(m->limits.connections, 10000);
    assert_int_equal(m->limits.inflight, 10000);
    assert_int_equal(m->limits.pipeline, 64);
    assert_int_equal(m->limits.output, 1 << 20);
    assert_int_equal(m->limits.heap, AX_AUTO);
    assert_true(m->limits.memory == AX_OFF);
    assert_int_equal(m->timeouts.header, 10000000);
    assert_int_equal(m->timeouts.body, 30000000);
    assert_int_equal(m->timeouts.handler, 10000000);
    assert_int_equal(m->timeouts.stall, 10000000);
    assert_int_equal(m->timeouts.keep_alive, 65000000);
    assert_int_equal(m->timeouts.send, 30000000);
    assert_int_equal(m->timeouts.startup, 30000000);
    assert_int_equal(m->timeouts.shutdown, 10000000);
    assert_int_equal(m->timeouts.lame_duck, 0);
    assert_int_equal(m->timeouts.drain, 300000000);
    assert_int_equal(m->pools.requests, 1000);
    assert_int_equal(m->pools.connections, 256);
    assert_true(m->pools.prewarm);
    assert_int_equal(m->cache.routes, 10000);
    assert_string_equal(m->metrics.database, "metrics.db");
    assert_int_equal(m->metrics.interval_us, 1000000);
    assert_int_equal(m->metrics.retention_us, INT64_C(604800000000));
    assert_int_equal(m->metrics.size, 256 << 20);
    assert_int_equal(m->metrics.requests, AX_RECORD_ERRORS);
    assert_int_equal(m->metrics.slow_us, 250000);
    assert_string_equal(m->log.output, "stderr");
    assert_null(m->log.access);
    assert_string_equal(m->log.format, "auto");
    assert_string_equal(m->log.level, "info");
    assert_string_equal(m->uploads.dir, "static");
    assert_true(m->uploads.keep);
    assert_int_equal(m->uploads.file, 10 << 20);
    assert_int_equal(m->uploads.files, 20);
    assert_int_equal(m->uploads.fields, 200);
    assert_int_equal(m->uploads.field, 65536);
    assert_int_equal(m->nmodules + m->env.n + m->errors.n, 0);
    loaded_free(&l);
    fixture_close(&f);
}

static void test_ten_mistakes(void **state)
{
    static const char text[] = "version: 1\n"                                         /* 1 */
                               "sever: {}\n"                                          /* 2 */
                               "server:\n"                                            /* 3 */
                               "  listen: *:3001\n"                                   /* 4 */
                               "  workers: 0\n"                                       /* 5 */
                               "limits: { header: 1MiB, uri: ${NOPE} }\n"             /* 6 */
                               "timeouts:\n"                                          /* 7 */
                               "  header: 10\n"                                       /* 8 */
                               "  header: 20s\n"                                      /* 9 */
                               "routes:\n"                                            /* 10 */
                               "  users: handlers/home.js\n"                          /* 11 */
                               "  /a/:x/:x: handlers/home.js\n"                       /* 12 */
                               "  /b: handlers/hme.js\n"                              /* 13 */
                               "  /c:\n"                                              /* 14 */
                               "    GET: { handler: handlers/home.js, timout: 2s }\n" /* 15 */
                               "  /d:\n"                                              /* 16 */
                               "log: [x]\n";                                          /* 17 */
    static const struct {
        unsigned line, col;
        const char *says;
    } t[] = {
        {2, 1, "did you mean server"},
        {4, 11, "quote it"},
        {5, 12, "1 to 1024"},
        {6, 19, "64KiB-1"},
        {6, 30, "quote it"},
        {8, 11, "needs a unit"},
        {9, 3, "given twice"},
        {11, 3, "did you mean /users"},
        {12, 3, "twice"},
        {13, 7, "did you mean handlers/home.js"},
        {15, 39, "did you mean timeout"},
        {16, 6, "empty value"},
        {17, 6, "must be a map"},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(&f, text);
    assert_true(l.rc < 0);
    assert_null(l.m);
    if (l.p.n != AX_COUNT(t))
        print_problems(&l.p);
    assert_int_equal(l.p.n, AX_COUNT(t));
    assert_int_equal(l.p.errors, AX_COUNT(t));
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const struct ax_err *e = &l.p.v[i].err;
        assert_string_equal(e->file, f.files[2]);
        if (e->line != t[i].line || e->col != t[i].col || !strstr(e->msg, t[i].says))
            fail_msg("wanted %u:%u %s, got %u:%u %s", t[i].line, t[i].col, t[i].says, e->line, e->col,
                     e->msg);
    }
    loaded_free(&l);
    fixture_close(&f);
}

static void test_overlays(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    const char *files[3];
    files[0] = fixture_text(&f, "a.yaml",
                            "server: { listen: \"${UNSET}\", workers: 2, node_options: [a, b] }\n"
                            "routes:\n  /u: { GET: handlers/users.js }\n  /x: handlers/home.js\n");
    files[1] = fixture_text(
        &f, "b.yaml",
        "server: { listen: 4000, node_options: [c] }\nlog: { level: debug }\n"
        "routes:\n  /u: { POST: handlers/home.js }\n  /x: { respond: x }\n  /y: handlers/home.js\n");
    files[2] = fixture_text(&f, "c.yaml", "log: { level: warn }\n");
    struct loaded l = fixture_load(files, 3);
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.m->server.listen[0].port, 4000);
    assert_string_equal(l.m->server.listen[0].at.file, files[1]);
    assert_int_equal(l.m->server.workers, 2);
    assert_int_equal(l.m->server.node_options.n, 1);
    assert_string_equal(l.m->log.level, "warn");
    assert_int_equal(l.m->nroutes, 4);
    assert_string_equal(l.m->routes[1].method, "POST");
    assert_int_equal(l.m->routes[2].kind, AX_ROUTE_RESPOND);
    assert_string_equal(l.m->routes[3].pattern, "/y");
    assert_string_equal(l.m->file, files[0]);
    loaded_free(&l);

    /* problems in the order of the files, then of their lines; an overlay may be empty */
    fixture_text(&f, "a.yaml", "server: { workers: x, nod: y }\n");
    fixture_text(&f, "b.yaml", "\nlimits: { body: y }\n");
    fixture_text(&f, "c.yaml", "# nothing\n");
    l = fixture_load(files, 3);
    assert_int_equal(l.rc, -AX_E_TYPE);
    assert_int_equal(l.p.n, 3);
    assert_string_equal(l.p.v[0].err.file, files[0]);
    assert_int_equal(l.p.v[1].err.col, 23);
    assert_string_equal(l.p.v[2].err.file, files[1]);
    loaded_free(&l);

    /* one file that is no map, another that is missing: both are told */
    fixture_text(&f, "b.yaml", "- a\n- b\n");
    files[2] = "/nonexistent/c.yaml";
    l = fixture_load(files, 3);
    assert_int_equal(l.p.n, 4);
    assert_non_null(strstr(l.p.v[0].err.msg, "cannot read /nonexistent/c.yaml"));
    assert_non_null(strstr(l.p.v[3].err.msg, "a manifest is a map"));
    loaded_free(&l);
    fixture_close(&f);
}

static void test_interpolation(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    fixture_text(&f, ".env", "DB=x y\nPORT=1\nEMPTY=2\n");
    struct loaded l =
        fixture_load_text(&f, "x-a: ${NOBODY}\n"
                              "server:\n"
                              "  listen: ${PORT}\n"
                              "  workers: ${NOBODY:-3}\n"
                              "  node_options: ${LIST}\n"
                              "  node: '${EMPTY:-n}$$x$y$'\n"
                              "env: { A: \"[${DB}]\", B: \"$${DB}\", C: \"${EMPTY}\", D: \"${NOBODY:-}\" }\n"
                              "log: { access: \"${NOBODY:-off}\" }\n"
                              "modules: \"${NOBODY:-}\"\n"
                              "routes: { /: handlers/home.js }\n");
    print_problems(&l.p);
    assert_int_equal(l.rc, 0);
    assert_int_equal(l.m->server.listen[0].port, 4002); /* the environment before .env */
    assert_int_equal(l.m->server.workers, 3);
    assert_int_equal(l.m->server.node_options.n, 2);
    assert_string_equal(l.m->server.node_options.v[1], "--b");
    assert_string_equal(l.m->server.node, "n$x$y$");
    assert_string_equal(l.m->env.v[0].value, "[x y]");
    assert_string_equal(l.m->env.v[1].value, "${DB}");
    assert_string_equal(l.m->env.v[2].value, "");
    assert_string_equal(l.m->env.v[3].value, "");
    assert_int_equal(l.m->nmodules, 0);
    assert_null(l.m->log.access);
    assert_int_equal(ax_manifest_dotenv(l.m)->n, 3);
    assert_string_equal(ax_manifest_dotenv(l.m)->v[0].value, "x y");
    loaded_free(&l);
    fixture_close(&f);
}

static void test_interpolation_mistakes(void **state)
{
    static const struct {
        const char *text;
        unsigned line, col;
        const char *says;
    } t[] = {
        {"server: { node: \"${NOBODY}\" }\nroutes: { /: handlers/home.js }\n", 1, 17, "NOBODY is not set"},
        {"log: { output: \"${A\" }\n", 1, 16, "without a closing }"},
        {"log: { output: \"${}\" }\n", 1, 16, "no variable name"},
        {"log: { output: \"${1A}\" }\n", 1, 16, "no variable name"},
        {"log: { output: \"${A-b}\" }\n", 1, 16, "no variable name"},
        {"log: { output: \"${A:-${B}}\" }\n", 1, 16, "cannot hold another"},
        {"env: { \"${A}\": b }\nroutes: { /: handlers/home.js }\n", 1, 8, "not in keys"},
        {"server: { workers: \"${LIST}\" }\n", 1, 20, "whole number"},
        {"server: { node: \"${EMPTY}\" }\n", 1, 17, "empty value"},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct loaded l = fixture_load_text(&f, t[i].text);
        assert_true(l.rc < 0);
        if (i == 6)
            l.p.n = 1; /* and "no variable name", at the same place */
        assert_one_problem(&l.p, t[i].line, t[i].col, t[i].says);
        loaded_free(&l);
    }
    fixture_close(&f);
}

static void test_too_long_a_value(void **state)
{
    enum { TIMES = 40, LENGTH = 30000 };
    struct fixture f;
    char *env = malloc(LENGTH + 16);
    char text[TIMES * 8 + 64] = "log: { output: \"";
    (void)state;
    assert_non_null(env);
    fixture_open(&f);
    int n = snprintf(env, 16, "BIG=");
    memset(env + n, 'x', LENGTH);
    fixture_file(&f, ".env", env, (size_t)n + LENGTH);
    free(env);
    size_t used = strlen(text);
    for (int i = 0; i < TIMES; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "${BIG}");
    snprintf(text + used, sizeof text - used, "\" }\n");
    struct loaded l = fixture_load_text(&f, text);
    assert_int_equal(l.rc, -AX_E_LIMIT);
    assert_one_problem(&l.p, 1, 16, "longer than 1024 KiB");
    loaded_free(&l);
    fixture_close(&f);
}

static void test_discovery(void **state)
{
    struct fixture f;
    char old[4096];
    (void)state;
    fixture_open(&f);
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(f.dir), 0);
    struct loaded l = fixture_load(NULL, 0);
    assert_int_equal(l.rc, -AX_E_MISSING);
    assert_int_equal(l.p.n, 1);
    assert_non_null(strstr(l.p.v[0].err.msg, "/actix.yaml"));
    assert_non_null(strstr(l.p.v[0].err.msg, "/actix.yml"));
    assert_non_null(strstr(l.p.v[0].err.msg, f.dir));
    loaded_free(&l);
    fixture_text(&f, "actix.yml", "server: { workers: 7 }\n");
    l = fixture_load(NULL, 0);
    assert_int_equal(l.rc, 0);
    assert_string_equal(l.m->file, "actix.yml");
    assert_string_equal(l.m->root, f.dir);
    loaded_free(&l);
    fixture_text(&f, "actix.yaml", "server: { workers: 8 }\n");
    l = fixture_load(NULL, 0);
    assert_int_equal(l.m->server.workers, 8);
    loaded_free(&l);
    assert_int_equal(chdir(old), 0);
    fixture_close(&f);
}

static void test_unreadable(void **state)
{
    const char *missing = "/nonexistent/actix.yaml";
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load(&missing, 1);
    assert_int_equal(l.rc, -AX_E_SYS);
    assert_one_problem(&l.p, 0, 0, "cannot read /nonexistent/actix.yaml");
    loaded_free(&l);
    const char *folder = f.dir;
    l = fixture_load(&folder, 1);
    assert_int_equal(l.rc, -AX_E_SYS);
    assert_one_problem(&l.p, 0, 0, "cannot read");
    loaded_free(&l);
    const char *bad = fixture_text(&f, "bad.yaml", "]");
    l = fixture_load(&bad, 1);
    assert_int_equal(l.rc, -AX_E_SYNTAX);
    loaded_free(&l);
    /* a folder where .env should be */
    char env[100];
    snprintf(env, sizeof env, "%s/.env", f.dir);
    assert_int_equal(mkdir(env, 0700), 0);
    l = fixture_load_text(&f, "routes: { /: handlers/home.js }\n");
    assert_int_equal(l.rc, -AX_E_SYS);
    assert_one_problem(&l.p, 0, 0, ".env");
    loaded_free(&l);
    rmdir(env);
    ax_manifest_free(NULL);
    fixture_close(&f);
}

/* A manifest that passes through every constructor, and one that passes through every message. */
static void test_no_memory(void **state)
{
    static const char *const texts[] = {
        "x-c: &c { timeout: 2s, headers: { X-A: b, x-b: \"${LIST}\" } }\n"
        "server: { listen: [3001, \"[::1]:80\", { unix: s, group: g }], node_options: \"${LIST}\", state: s "
        "}\n"
        "modules: [handlers/home.js, handlers/users.js]\n"
        "env: { A: b, C: \"${PORT}\" }\n"
        "uploads: { dir: up }\n"
        "routes:\n"
        "  /: handlers/home.js\n"
        "  /u/:id: { headers: { x-c: d }, GET: handlers/users.js#show, PUT: { handler: handlers/users.js, "
        "<<: *c } }\n"
        "  /old: { redirect: /new }\n"
        "  /ping: { respond: pong }\n"
        "  /h: { health: live }\n",
        "sever: 1\nserver: { listen: *:1, workers: 0, listn: 2 }\nroutes: { /a: handlers/hom.js, b: c, /e: "
        "}\n"
        "auth: { x: { basic: f } }\ncors: { w: { origins: [a] } }\nadmin: { listen: 3 }\nrules: { /a: { use: "
        "[x] } }\n"
        "a: b: c\n",
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    char env[3000];
    for (size_t n = 0, i = 0; i < 60; i++)
        n += (size_t)snprintf(env + n, sizeof env - n, "NAME_%zu=\"a value of some length %zu\"\n", i, i);
    fixture_text(&f, ".env", env);
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        const char *file = fixture_text(&f, "actix.yaml", texts[i]);
        unsigned n = 1;
        for (;; n++) {
            ax_fail_alloc_at(n);
            struct loaded l = fixture_load(&file, 1);
            ax_fail_alloc_at(0);
            bool hit = l.rc == -AX_E_NOMEM;
            assert_true(hit || l.rc == (i == 0 ? 0 : -AX_E_UNKNOWN));
            assert_true(!hit || !l.m);
            loaded_free(&l);
            if (!hit)
                break;
        }
        assert_true(n > 8);
    }
    fixture_close(&f);
}

static void test_no_memory_discovering(void **state)
{
    struct fixture f;
    char old[4096];
    (void)state;
    fixture_open(&f);
    assert_non_null(getcwd(old, sizeof old));
    assert_int_equal(chdir(f.dir), 0);
    ax_fail_alloc_at(1);
    struct loaded l = fixture_load(NULL, 0);
    ax_fail_alloc_at(0);
    assert_int_equal(l.rc, -AX_E_NOMEM);
    loaded_free(&l);
    assert_int_equal(chdir(old), 0);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_ten_mistakes),
        cmocka_unit_test(test_overlays),
        cmocka_unit_test(test_interpolation),
        cmocka_unit_test(test_interpolation_mistakes),
        cmocka_unit_test(test_too_long_a_value),
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_no_memory_discovering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
