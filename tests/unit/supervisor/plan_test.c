#include "supervisor/plan.h"

#include <fcntl.h>
#include <jansson.h>

#include "supervisor/fixture.h"

static const char yaml[] =
    "version: 1\n"
    "server: { listen: \"127.0.0.1:0\", workers: 3, balance: round_robin, min_ready: 2, trusted_proxies: "
    "[10.0.0.0/8, unix] }\n"
    "limits: { heap: 100MiB, body: 2KiB }\n"
    "timeouts: { handler: 2s, send: off, shutdown: off }\n"
    "log: { output: logs/a.log, access: stdout, level: warn }\n"
    "modules: [m.js]\n"
    "routes:\n"
    "  /: h.js\n"
    "  /u/:id:\n"
    "    GET: h.js#show\n"
    "    PUT: { handler: h.js#update, timeout: off, body: 10KiB, max_inflight: 8, queue: 9 }\n"
    "  /old: { redirect: /new, status: 301 }\n"
    "  /ping: { respond: pong, headers: { cache-control: no-store } }\n"
    "  /healthz: { health: live }\n"
    "  /app/*rest: { node: \"h.js#app\" }\n";

static struct ax_manifest *load(char **ret_dir)
{
    *ret_dir = ax_fx_dir();
    free(ax_fx_file(*ret_dir, "h.js", ""));
    free(ax_fx_file(*ret_dir, "m.js", ""));
    return ax_fx_manifest(*ret_dir, yaml);
}

static struct ax_plan_input input(const struct ax_manifest *m, const struct ax_sockets *s)
{
    return (struct ax_plan_input){.manifest = m,
                                  .generation = 4,
                                  .workers = ax_plan_workers(m, 0),
                                  .connections = 77,
                                  .format = AX_LOG_JSON,
                                  .access_format = AX_LOG_COMBINED,
                                  .sockets = s,
                                  .first_fd = 3,
                                  .segment_fd = 5};
}

static const json_t *at(const json_t *o, const char *path)
{
    char key[64];

    while (*path) {
        size_t n = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        o = json_is_array(o) ? json_array_get(o, strtoul(key, NULL, 10)) : json_object_get(o, key);
        path += n + (path[n] == '.');
    }
    return o;
}

static void test_text(void **state)
{
    static const struct {
        const char *path, *want;
        int64_t number;
    } t[] = {
        {"generation", NULL, 4},
        {"workers", NULL, 3},
        {"balance", "round_robin", 0},
        {"minReady", NULL, 2},
        {"heapMb", NULL, 100},
        {"startup_us", NULL, 30000000},
        {"shutdown_us", NULL, -1},
        {"drain_us", NULL, 300000000},
        {"trustedProxies.0", "10.0.0.0/8", 0},
        {"trustedProxies.1", "unix", 0},
        {"settings.limit_body", NULL, 2048},
        {"settings.limit_connections", NULL, 77},
        {"settings.timeout_handler_us", NULL, 2000000},
        {"settings.timeout_send_us", NULL, -1},
        {"settings.log_level", NULL, 1},
        {"settings.access_format", NULL, 2},
        {"settings.record_slow_us", NULL, 250000},
        {"log.format", "json", 0},
        {"log.access", "stdout", 0},
        {"log.accessFormat", "combined", 0},
        {"routes.0.kind", "handler", 0},
        {"routes.0.method", "ANY", 0},
        {"routes.0.name", "h.js", 0},
        {"routes.0.timeout_us", NULL, 2000000},
        {"routes.1.method", "GET", 0},
        {"routes.1.pattern", "/u/:id", 0},
        {"routes.1.export", "show", 0},
        {"routes.1.name", "h.js#show", 0},
        {"routes.1.at.line", NULL, 10},
        {"routes.2.timeout_us", NULL, -1},
        {"routes.2.body_max", NULL, 10240},
        {"routes.2.max_inflight", NULL, 8},
        {"routes.2.queue", NULL, 9},
        {"routes.1.max_inflight", NULL, 0},
        {"routes.3.kind", "fixed", 0},
        {"routes.3.name", "redirect", 0},
        {"routes.3.status", NULL, 301},
        {"routes.3.headers", "location: /new\r\n", 0},
        {"routes.4.name", "respond", 0},
        {"routes.4.body", "pong", 0},
        {"routes.4.headers", "cache-control: no-store\r\n", 0},
        {"routes.5.kind", "health", 0},
        {"routes.5.health", "live", 0},
        {"routes.6.kind", "node", 0},
        {"routes.6.name", "h.js#app", 0},
        {"routes.6.export", "app", 0},
        {"listen.0.fd", NULL, 3},
        {"listen.1.fd", NULL, 4},
        {"listen.1.url", "unix:/b", 0},
        {"segmentFd", NULL, 5},
    };
    char *dir, a[] = "http://127.0.0.1:1", b[] = "unix:/b";
    struct ax_manifest *m = load(&dir);
    struct ax_sockets s = {.v = {{.fd = 8, .url = a}, {.fd = 9, .url = b}}, .n = 2};
    struct ax_plan_input in = input(m, &s);

    (void)state;
    char *text = ax_plan_text(&in, NULL);
    assert_non_null(text);
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const json_t *v = at(o, t[i].path);
        if (t[i].want ? !json_is_string(v) || strcmp(json_string_value(v), t[i].want) != 0
                      : !json_is_integer(v) || json_integer_value(v) != t[i].number)
            fail_msg("%s: %s", t[i].path, text);
    }
    assert_true(json_is_true(at(o, "routes.0.byExports")));
    assert_null(at(o, "routes.1.byExports"));
    assert_null(at(o, "routes.6.byExports"));
    assert_true(json_is_true(at(o, "routes.6.stream")));
    assert_int_equal(json_string_value(at(o, "log.output"))[0], '/');
    assert_int_equal(json_string_value(at(o, "modules.0.file"))[0], '/');
    assert_int_equal(json_string_value(at(o, "routes.0.module"))[0], '/');
    assert_int_equal(json_string_value(at(o, "uploads.dir"))[0], '/');
    json_decref(o);
    ax_free(text);
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

static void test_memfd(void **state)
{
    char *dir, buf[64];
    struct ax_manifest *m = load(&dir);
    struct ax_plan_input in = input(m, NULL);

    (void)state;
    int fd = ax_plan_memfd(&in, NULL);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, buf, 1), 1); /* from its start */
    assert_int_equal(buf[0], '{');
    assert_int_equal(pwrite(fd, "x", 1, 0), -1); /* sealed */
    close(fd);
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        fd = ax_plan_memfd(&in, &err);
        ax_fail_alloc_at(0);
        if (fd >= 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    close(fd);
    ax_manifest_free(m);
    ax_fx_remove(dir);
    free(dir);
}

static void test_words(void **state)
{
    char root[] = "/r";
    struct ax_manifest m = {.root = root, .server.workers = 5};
    static const struct {
        const char *output, *want;
    } t[] = {{"stderr", "stderr"}, {"stdout", "stdout"}, {"off", "off"},
             {NULL, "off"},        {"/a", "/a"},         {"a", "/r/a"}};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char *got = ax_log_target(&m, t[i].output);
        assert_string_equal(got, t[i].want);
        ax_free(got);
    }
    assert_int_equal(ax_log_level_of("debug"), AX_LOG_DEBUG);
    assert_int_equal(ax_log_level_of("?"), AX_LOG_INFO);
    assert_int_equal(ax_log_format_of("combined"), AX_LOG_COMBINED);
    assert_int_equal(ax_log_format_of(NULL), AX_LOG_AUTO);
    assert_int_equal(ax_plan_workers(&m, 0), 5);
    assert_int_equal(ax_plan_workers(&m, 2), 2);
    m.server.workers = AX_AUTO;
    assert_true(ax_plan_workers(&m, 0) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_memfd),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
