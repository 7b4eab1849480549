/* Keys by their tables: values, ranges, refusals. */
#include "fixture.h"

#include "config/decode.h"

/* Each text alone (with one good route) makes one problem. */
static void test_one_mistake(void **state)
{
    static const struct mistake t[] = {
        {"version: 2\n", 1, 10, "version must be 1 (found"},
        {"server: 3\n", 1, 9, "server must be a map (found \"3\")"},
        {"server:\n  listen:3000\n", 2, 3,
         "(found \"listen:3000\"): a space belongs after the colon of a key"},
        {"/a: handlers/home.js\n", 1, 1, "unknown key /a: paths stand below routes, indented"},
        {"server:\n", 1, 8, "server has an empty value"},
        {"limits: []\n", 1, 9, "must be a map (found a list)"},
        {"workers: 3\n", 1, 1, "did you mean server.workers"},
        {"server: { limits: {} }\n", 1, 11, "limits stands at the top level"},
        {"qqqqqqqqqq: {}\n", 1, 1, "unknown key qqqqqqqqqq"},
        {"server: { batch: 1.5 }\n", 1, 18, "whole number"},
        {"server: { batch: -1 }\n", 1, 18, "1 to 4096"},
        {"server: { batch: auto }\n", 1, 18, "whole number"},
        {"server: { batch: [1] }\n", 1, 18, "whole number (found a list)"},
        {"server: { workers: 2, min_ready: 3 }\n", 1, 34, "more than server.workers"},
        {"server: { slice: 1us }\n", 1, 18, "unknown unit"},
        {"server: { slice: 2s }\n", 1, 18, "0.050ms to 1s"},
        {"server: { backlog: 65536 }\n", 1, 20, "1 to 65535"},
        {"server: { balance: robin }\n", 1, 20, "must be one of least_connections, round_robin"},
        {"server: { trailing_slash: ignor }\n", 1, 27, "did you mean ignore"},
        {"server: { trusted_proxies: [10.0.0.0/33] }\n", 1, 29, "takes addresses, CIDR"},
        {"server: { trusted_proxies: [\"::1/129\"] }\n", 1, 29, "takes addresses, CIDR"},
        {"server: { trusted_proxies: [a/b] }\n", 1, 29, "takes addresses, CIDR"},
        {"server: { control: { mode: 888 } }\n", 1, 28, "octal"},
        {"server: { node_options: { a: b } }\n", 1, 25, "must be a list (found a map)"},
        {"server: { node_options: [a, [b]] }\n", 1, 29, "found a list"},
        {"server: { node_options: [a, ~] }\n", 1, 29, "empty value"},
        {"server: { listen: [] }\n", 1, 19, "needs an address"},
        {"server: { listen: { unix: a, mod: 0600 } }\n", 1, 30, "did you mean mode"},
        {"server: { listen: { mode: 0600 } }\n", 1, 19, "needs unix"},
        {"server: { listen: [3001, 127.0.0.1:3001] }\n", 1, 26, "same address"},
        {"server: { listen: [unix:a, { unix: a }] }\n", 1, 28, "same address"},
        {"server: { listen: example.com:80 }\n", 1, 19, "IP address"},
        {"server: { listen: 70000 }\n", 1, 19, "0 to 65535"},
        {"limits: { header: 64KiB }\n", 1, 19, "256B to 64KiB-1 (65535 bytes)"},
        {"limits: { header: off }\n", 1, 19, "must be a size"},
        {"limits: { body: 10 MB }\n", 1, 17, "unknown unit"},
        {"limits: { body: 1GiB }\n", 1, 17, "larger than limits.body_memory"},
        {"limits: { body_memory: 512KiB }\n", 1, 24, "larger than limits.body_memory"},
        {"limits: { connections: 0 }\n", 1, 24, "1 to 1000000"},
        {"limits: { heap: 1MiB }\n", 1, 17, "16MiB to 64GiB, or auto"},
        {"limits: { memory: 1MiB }\n", 1, 19, "or off"},
        {"timeouts: { header: 10 }\n", 1, 21, "did you mean 10s"},
        {"timeouts: { header: 0 }\n", 1, 21, "1ms to 30d, or off"},
        {"pools: { prewarm: yes }\n", 1, 19, "true or false"},
        {"cache: { routes: -1 }\n", 1, 18, "0 to 1000000"},
        {"metrics: { requests: some }\n", 1, 22, "one of off, errors, slow, all"},
        {"metrics: { interval: 1ms }\n", 1, 22, "100ms to 1h"},
        {"log: { level: warning }\n", 1, 15, "did you mean warn"},
        {"log: { format: jsn }\n", 1, 16, "did you mean json"},
        {"log: { output: '' }\n", 1, 16, "empty value"},
        {"uploads: { files: many }\n", 1, 19, "whole number"},
        {"env: [a]\n", 1, 6, "must be a map"},
        {"env: a\n", 1, 6, "must be a map (found a text)"},
        {"env: { 1A: b }\n", 1, 8, "no variable name"},
        {"env: { A: }\n", 1, 11, "env.A has an empty value"},
        {"env: { A: [b] }\n", 1, 11, "env.A must be a text"},
        {"errors: { 200: a }\n", 1, 11, "takes 400 to 599"},
        {"errors: { 5xy: a }\n", 1, 11, "takes 400 to 599"},
        {"modules: { a: b }\n", 1, 10, "must be a list"},
        {"modules: [handlers/hme.js]\n", 1, 11, "did you mean handlers/home.js"},
        {"modules: [handlers]\n", 1, 11, "is no file"},
        {"admin: { listen: x }\n", 1, 18, "needs a port"},
        {"admin: {}\n", 1, 8, "needs listen"},
        {"admin: on\n", 1, 8, "a map or off"},
        {"admin: { listen: 3001 }\n", 1, 18, "the same address"},
        {"admin: { listen: [3002, unix:a] }\nserver: { listen: unix:a }\n", 1, 25, "the same address"},
        {"auth: { a: { jwt: { alg: RS256, key: k, kei: x } } }\n", 1, 41, "did you mean key"},
        {"auth: x\n", 1, 7, "must be a map"},
        {"cors: { a: { origins: [\"https://a\"], max_age: 10 } }\n", 1, 47, "needs a unit"},
        {"rules: { /a: { rate_limit: 100 } }\n", 1, 28, "must be a rate"},
        {"rules: { /a: { compress: 1 } }\n", 1, 26, "true, false"},
    };
    struct fixture f;

    (void)state;
    fixture_open(&f);
    assert_mistakes(&f, "", "routes: { /: handlers/home.js }\n", t, AX_COUNT(t));
    fixture_close(&f);
}

/* Values that differ from the defaults, the defaults themselves, and the ways to say none. */
static void test_allowed(void **state)
{
    static const char *const texts[] = {
        "server: { isolation: process }\n",
        "server: { isolation: thread }\n",
        "server: { quarantine: { kills: 4 } }\n",
        "server: { quarantine: { kills: 3, within: 60s, for: 5m } }\n",
        "server: { trusted_proxies: [10.0.0.0/8, unix] }\n",
        "server: { trusted_proxies: [] }\n",
        "limits: { memory: 1GiB }\n",
        "limits: { memory: off }\n",
        "limits: { memory: false }\n",
        "timeouts: { stall: 5s }\n",
        "timeouts: { stall: 10s }\n",
        "timeouts: { handler: 20s, stall: 20s }\n",
        "timeouts: { drain: 1m }\n",
        "timeouts: { drain: off }\n",
        "timeouts: { drain: 300s }\n",
        "admin: { listen: 3002 }\n",
        "admin: off\n",
        "admin: false\n",
        "auth: {}\n",
        "cors: {}\n",
        "rules: {}\n",
        "errors: {}\n",
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        char text[400];
        snprintf(text, sizeof text, "%sroutes: { /: handlers/home.js }\n", texts[i]);
        struct loaded l = fixture_load_text(&f, text);
        if (l.rc != 0 || l.p.n != 0)
            fail_msg("%s", text);
        loaded_free(&l);
    }
    fixture_close(&f);
}

static void test_admin(void **state)
{
    static const struct {
        const char *text, *host, *path;
        size_t n;
        unsigned port;
        int mode;
    } t[] = {
        {"", NULL, NULL, 0, 0, 0},
        {"admin: off\n", NULL, NULL, 0, 0, 0},
        {"admin: { listen: 3002 }\n", "127.0.0.1", NULL, 1, 3002, -1},
        {"admin: { listen: \"[::1]:3002\" }\n", "::1", NULL, 1, 3002, -1},
        {"admin: { listen: \"*:0\" }\n", "*", NULL, 1, 0, -1},
        {"admin: { listen: unix:run/admin.sock }\n", NULL, "run/admin.sock", 1, 0, -1},
        {"admin: { listen: { unix: a.sock, mode: 0660, group: staff } }\n", NULL, "a.sock", 1, 0, 0660},
        {"admin: { listen: [127.0.0.1:3002, unix:a.sock] }\n", "127.0.0.1", NULL, 2, 3002, -1},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char text[400];
        snprintf(text, sizeof text, "%sroutes: { /: handlers/home.js }\n", t[i].text);
        struct loaded l = fixture_load_text(&f, text);
        assert_int_equal(l.rc, 0);
        assert_int_equal(l.m->admin.nlisten, t[i].n);
        const struct ax_listen *v = l.m->admin.listen;
        if (t[i].host)
            assert_string_equal(v->host, t[i].host);
        if (t[i].path)
            assert_string_equal(v->path, t[i].path);
        if (t[i].n) {
            assert_int_equal(v->port, t[i].port);
            assert_int_equal(v->mode, t[i].mode);
        }
        loaded_free(&l);
    }
    fixture_close(&f);
}

static void test_listen(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(&f, "server:\n"
                                            "  listen:\n"
                                            "    - 3001\n"
                                            "    - 127.0.0.1:0\n"
                                            "    - 127.0.0.1:0\n"
                                            "    - localhost:3002\n"
                                            "    - \"*:3003\"\n"
                                            "    - \"[::1]:3004\"\n"
                                            "    - unix:a.sock\n"
                                            "    - { unix: b.sock, mode: 0660, group: www-data }\n");
    assert_int_equal(l.rc, 0);
    const struct ax_listen *v = l.m->server.listen;
    assert_int_equal(l.m->server.nlisten, 8);
    assert_true(v[0].port_only);
    assert_string_equal(v[3].host, "localhost");
    assert_string_equal(v[4].host, "*");
    assert_string_equal(v[5].host, "::1");
    assert_string_equal(v[6].path, "a.sock");
    assert_int_equal(v[6].mode, -1);
    assert_string_equal(v[7].path, "b.sock");
    assert_int_equal(v[7].mode, 0660);
    assert_string_equal(v[7].group, "www-data");
    assert_int_equal(v[7].kind, AX_LISTEN_UNIX);
    assert_int_equal(v[7].at.line, 10);
    loaded_free(&l);

    l = fixture_load_text(&f, "server: { listen: { unix: b.sock } }\n");
    assert_int_equal(l.m->server.nlisten, 1);
    loaded_free(&l);
    l = fixture_load_text(&f, "server: { listen: \"80, [::]:80\" }\n");
    assert_int_equal(l.m->server.nlisten, 2);
    loaded_free(&l);
    fixture_close(&f);
}

static void test_values(void **state)
{
    struct fixture f;
    (void)state;
    fixture_open(&f);
    struct loaded l = fixture_load_text(
        &f, "server: { workers: 4, balance: round_robin, slice: 2ms, trailing_slash: redirect, state: s,\n"
            "          control: { mode: 0o660, group: g }, node_options: [--a, \"b c\"] }\n"
            "limits: { header: 65535, heap: 64MiB, body: 0, body_rate: 0 }\n"
            "timeouts: { handler: off, keep_alive: false, lame_duck: off, shutdown: 0 }\n"
            "metrics: { database: off, requests: off }\n"
            "log: { access: a.log, format: combined, level: error }\n"
            "pools: { prewarm: false }\n"
            "uploads: { keep: false, file: 1.5KiB }\n"
            "modules: [handlers/home.js]\n"
            "env: { A: 1, B: '' }\n"
            "routes: { /: handlers/home.js }\n");
    print_problems(&l.p);
    assert_int_equal(l.rc, 0);
    const struct ax_manifest *m = l.m;
    assert_int_equal(m->server.workers, 4);
    assert_int_equal(m->server.balance, AX_ROUND_ROBIN);
    assert_int_equal(m->server.slice_us, 2000);
    assert_int_equal(m->server.trailing_slash, AX_TRAILING_REDIRECT);
    assert_true(m->server.state_given);
    assert_int_equal(m->server.control.mode, 0660);
    assert_string_equal(m->server.control.group, "g");
    assert_string_equal(m->server.node_options.v[1], "b c");
    assert_int_equal(m->limits.header, 65535);
    assert_int_equal(m->limits.heap, 64 << 20);
    assert_int_equal(m->limits.body, 0);
    assert_true(m->timeouts.handler == AX_OFF && m->timeouts.keep_alive == AX_OFF);
    assert_int_equal(m->timeouts.lame_duck, 0);
    assert_int_equal(m->timeouts.shutdown, 0);
    assert_int_equal(m->timeouts.stall, 10000000);
    assert_null(m->metrics.database);
    assert_int_equal(m->metrics.requests, AX_RECORD_OFF);
    assert_string_equal(m->log.access, "a.log");
    assert_string_equal(m->log.format, "combined");
    assert_false(m->pools.prewarm);
    assert_false(m->uploads.keep);
    assert_int_equal(m->uploads.file, 1536);
    assert_string_equal(m->modules[0].file, "handlers/home.js");
    assert_int_equal(m->modules[0].at.line, 9);
    assert_string_equal(m->env.v[1].key, "B");
    assert_true(m->routes[0].timeout_us == AX_OFF);
    assert_int_equal(m->routes[0].body_max, 0);
    loaded_free(&l);

    l = fixture_load_text(&f, "timeouts: { handler: 3s }\nmetrics: { requests: false }\n");
    assert_int_equal(l.m->timeouts.stall, 3000000);
    assert_int_equal(l.m->metrics.requests, AX_RECORD_OFF);
    loaded_free(&l);
    fixture_close(&f);
}

/* Every row is usable: named, explained, and its default passes its own check. */
static void check_rows(const struct ax_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        assert_non_null(t->v[i].help);
        assert_ptr_equal(ax_table_find(t, t->v[i].key), &t->v[i]);
        if (t->v[i].map)
            check_rows(t->v[i].map);
    }
}

static void test_tables(void **state)
{
    (void)state;
    check_rows(&ax_table_manifest);
    check_rows(&ax_table_route);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_mistake), cmocka_unit_test(test_allowed), cmocka_unit_test(test_listen),
        cmocka_unit_test(test_admin),       cmocka_unit_test(test_values),  cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
