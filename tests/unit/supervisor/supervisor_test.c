/* The supervisor whole, in a child process, with a stand-in for the engine that speaks its protocol. */
#include "supervisor/supervisor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "metrics/store.h"
#include "supervisor/client.h"
#include "supervisor/fixture.h"

static const char basic[] =
    "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 2 }\n"
    "log: { output: app.log, format: json }\nmetrics: { interval: 100ms }\nroutes: { /: h.js }\n";

struct app {
    char *dir, *script;
    struct ax_manifest *m;
    struct ax_state state;
    pid_t pid;
    FILE *told;    /* what the callbacks said, one a line */
    char url[128]; /* of the first address */
    unsigned port;
    char *const *env; /* NULL = ours */
    bool reloads;     /* the child runs in `dir` and can read the manifest again */
    unsigned fail_at; /* which allocation of ax_serve fails; 0 = none */
};

/* ---- the child */
static void on_listening(void *ctx, const char *url, bool everywhere)
{
    (void)everywhere;
    fprintf(ctx, "listening %s\n", url);
}

static void on_ready(void *ctx)
{
    fprintf(ctx, "ready\n");
    fflush(ctx);
}

static void on_problem(void *ctx, const struct ax_err *err)
{
    fprintf(ctx, "problem %s:%u:%u %s\n", err->file ? err->file : "", err->line, err->col, err->msg);
}

/* As `serve` reads its manifest again; it goes back by ax_manifest_free. */
static int on_read(void *ctx, struct ax_reading *ret,
                   void (*problem)(void *to, const struct ax_err *err, bool warning), void *to)
{
    const char *files[] = {"actix.yaml"};
    struct ax_manifest_input in = {.files = files, .nfiles = 1, .getenv = ax_fx_getenv};
    struct ax_problems problems = {0};
    struct ax_manifest *m = NULL;

    (void)ctx;
    int rc = ax_manifest_load(&in, &m, &problems);
    for (size_t i = 0; i < problems.n; i++)
        problem(to, &problems.v[i].err, problems.v[i].warning);
    ax_problems_fini(&problems);
    *ret = (struct ax_reading){.manifest = m, .owner = m};
    return rc;
}

static void on_release(void *ctx, struct ax_reading *r)
{
    (void)ctx;
    ax_manifest_free(r->owner);
}

static int serve(const struct app *a, FILE *told)
{
    struct ax_serve_options o = {
        .manifest = a->m,
        .state = {.manifest = a->m},
        .engine_js = a->script,
        .environ = a->env ? a->env : environ,
        .listening = on_listening,
        .ready = on_ready,
        .problem = on_problem,
        .read = a->reloads ? on_read : NULL,
        .release = on_release,
        .ctx = told,
    };
    struct ax_serve_result r = {0};
    struct ax_err err = {0};
    ax_fail_alloc_at(a->fail_at);
    int rc = ax_serve(&o, &r, &err);
    ax_fail_alloc_at(0);

    if (err.code)
        fprintf(told, "error %s\n", err.msg);
    fflush(told);
    return rc == 0 ? (r.forced ? 5 : 0) : r.manifest ? 3 : 1;
}

/* ---- the parent */
static void make(struct app *a, const char *yaml)
{
    *a = (struct app){.dir = ax_fx_dir(), .script = realpath("tests/unit/supervisor/engine_stub.js", NULL)};
    assert_non_null(a->script);
    free(ax_fx_file(a->dir, "h.js", ""));
    a->m = ax_fx_manifest(a->dir, yaml);
    struct ax_state_input in = {.manifest = a->m};
    assert_int_equal(ax_state_paths(&in, &a->state, NULL), 0);
}

static void start(struct app *a, const char *mode)
{
    int ends[2];

    setenv("STUB", mode, 1);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(NULL);
    a->pid = fork();
    if (a->pid == 0) {
        close(ends[0]);
        alarm(60); /* a test that hangs must not hang others */
        if (a->reloads && chdir(a->dir) < 0)
            exit(99);
        FILE *told = fdopen(ends[1], "w");
        int code = serve(a, told);
        fclose(told);
        exit(code); /* not _exit: the sanitizer looks for leaks */
    }
    close(ends[1]);
    a->told = fdopen(ends[0], "r");
}

static bool heard(struct app *a, char *line, size_t size)
{
    if (!fgets(line, (int)size, a->told))
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

static void await_ready(struct app *a)
{
    char line[512];

    while (heard(a, line, sizeof line)) {
        if (sscanf(line, "listening %127s", a->url) == 1 && strncmp(a->url, "http", 4) == 0)
            a->port = (unsigned)strtoul(strrchr(a->url, ':') + 1, NULL, 10);
        if (strcmp(line, "ready") == 0)
            return;
    }
    fail_msg("it did not start: %s", line);
}

static int wait_exit(struct app *a)
{
    int status;

    assert_int_equal(waitpid(a->pid, &status, 0), a->pid);
    fclose(a->told);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void clean(struct app *a)
{
    ax_state_fini(&a->state);
    ax_manifest_free(a->m);
    ax_fx_remove(a->dir);
    free(a->dir);
    free(a->script);
}

static int connect_to(unsigned port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static int ask(unsigned port, const char *path)
{
    char head[256];
    int fd = connect_to(port);

    assert_true(fd >= 0);
    int n = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(send(fd, head, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

/* The body; OWNED, "" when the connection was cut. */
static char *body_of(int fd)
{
    size_t n = 0, cap = 1 << 20;
    char *all = malloc(cap);
    ssize_t k;

    while ((k = recv(fd, all + n, cap - 1 - n, 0)) > 0)
        n += (size_t)k;
    close(fd);
    all[n] = '\0';
    char *body = strstr(all, "\r\n\r\n"), *copy = strdup(body ? body + 4 : "");
    free(all);
    return copy;
}

static char *get(struct app *a, const char *path)
{
    return body_of(ask(a->port, path));
}

static json_t *status_of(struct app *a)
{
    char *text = NULL;
    struct ax_err err = {0};

    ax_client_status(&a->state, &text, &err);
    assert_string_equal(err.msg, "");
    json_t *o = json_loads(text, 0, NULL);
    assert_non_null(o);
    ax_free(text);
    return o;
}

static pid_t engine_pid(struct app *a)
{
    json_t *o = status_of(a);
    pid_t pid = (pid_t)json_integer_value(json_object_get(json_object_get(o, "engine"), "pid"));

    json_decref(o);
    return pid;
}

static void await_gone(pid_t pid)
{
    struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};

    if (p.fd < 0)
        return; /* already */
    assert_int_equal(poll(&p, 1, 20000), 1);
    close(p.fd);
}

static char *log_of(struct app *a, const char *name)
{
    char path[512], *text = calloc(1, 65536);

    snprintf(path, sizeof path, "%s/%s", a->dir, name);
    FILE *f = fopen(path, "r");
    if (f) {
        size_t n = fread(text, 1, 65535, f);
        text[n] = '\0';
        fclose(f);
    }
    return text;
}

static unsigned events_of(struct app *a, const char *kind)
{
    int64_t now = ax_wall_now().us, hour = INT64_C(3600000000);
    struct ax_stats_query q = {
        .path = a->state.database, .since_us = now - hour, .until_us = now + hour, .by = AX_BY_ROUTE};
    struct ax_stats *s = NULL;
    unsigned n = 0;

    assert_int_equal(ax_store_query(&q, &s, NULL), 0);
    for (size_t i = 0; i < s->nevents; i++)
        n += strcmp(s->events[i].kind, kind) == 0;
    ax_stats_free(s);
    return n;
}

static uint64_t restarts_of(struct app *a)
{
    int64_t now = ax_wall_now().us, hour = INT64_C(3600000000);
    struct ax_stats_query q = {
        .path = a->state.database, .since_us = now - hour, .until_us = now + hour, .by = AX_BY_ROUTE};
    struct ax_stats *s = NULL;

    assert_int_equal(ax_store_query(&q, &s, NULL), 0);
    uint64_t n = s->server.worker_restarts;
    ax_stats_free(s);
    return n;
}

/* ---- the tests */
static void test_life(void **state)
{
    struct app a;
    bool forced = true;
    struct ax_err err = {0};

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    char *body = get(&a, "/");
    assert_memory_equal(body, "pid ", 4);
    free(body);
    free(get(&a, "/event"));
    json_t *o = status_of(&a);
    assert_string_equal(json_string_value(json_object_get(o, "state")), "running");
    assert_int_equal(json_integer_value(json_object_get(o, "pid")), a.pid);
    assert_int_equal(json_array_size(json_object_get(o, "workers")), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "addresses"), 0)), a.url);
    assert_true(json_integer_value(json_object_get(o, "memory")) > 1000000);
    json_decref(o);
    assert_int_equal(ax_client_stop(&a.state, &forced, &err), 0);
    assert_false(forced);
    assert_int_equal(wait_exit(&a), 0);
    assert_int_equal(ax_state_holder(&a.state), 0);
    assert_int_equal(access(a.state.pid_file, F_OK), -1);
    assert_int_equal(access(a.state.socket, F_OK), -1);
    assert_int_equal(connect_to(a.port), -1);
    assert_int_equal(events_of(&a, "start"), 1);
    assert_int_equal(events_of(&a, "limit"), 1);
    assert_int_equal(events_of(&a, "stop"), 1);
    clean(&a);
}

static void test_what_the_engine_gets(void **state)
{
    struct app a;

    (void)state;
    make(&a, basic);
    start(&a, "garbage"); /* lines that are no messages harm nobody */
    await_ready(&a);
    char *text = get(&a, "/env");
    json_t *o = json_loads(text, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(o, "NODE_ENV")), "production");
    json_decref(o);
    free(text);
    text = get(&a, "/plan");
    o = json_loads(text, 0, NULL);
    json_t *l = json_array_get(json_object_get(o, "listen"), 0);
    assert_int_equal(json_integer_value(json_object_get(l, "fd")), 3);
    assert_string_equal(json_string_value(json_object_get(l, "url")), a.url);
    assert_int_equal(json_integer_value(json_object_get(o, "segmentFd")), 4);
    assert_int_equal(json_integer_value(json_object_get(o, "workers")), 2);
    json_decref(o);
    free(text);
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    text = log_of(&a, "app.log");
    assert_non_null(strstr(text, "the engine sent what is no message: garbage"));
    free(text);
    clean(&a);
}

static void test_crash(void **state)
{
    struct app a;

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    for (int i = 0; i < 3; i++) { /* at once, after 100 ms, after 200 ms */
        pid_t before = engine_pid(&a);
        free(get(&a, "/crash"));
        char *body = get(&a, "/"); /* never refused: waits in the socket of the supervisor */
        assert_memory_equal(body, "pid ", 4);
        assert_int_not_equal(strtol(body + 4, NULL, 10), before);
        free(body);
    }
    json_t *o = status_of(&a);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "engine"), "restarts")), 3);
    assert_int_equal(json_integer_value(json_object_get(o, "generation")), 1);
    json_decref(o);
    kill(a.pid, SIGINT);
    assert_int_equal(wait_exit(&a), 0);
    assert_int_equal(events_of(&a, "crash"), 3);
    assert_int_equal(events_of(&a, "restart"), 3);
    clean(&a);
}

static void test_start_fails(void **state)
{
    static const struct {
        const char *mode, *yaml;
        int code;
        const char *first;
    } t[] = {
        {"failed", basic, 1, "problem :0:0 two reasons"},
        {"place", basic, 3, "problem actix.yaml:3:6 no such file"},
        {"die", basic, 1, "error the app did not start: its Node exited with code 7 before it was ready"},
        {"mute",
         "version: 1\nserver: { listen: 0, workers: 1 }\ntimeouts: { startup: 100ms }\nroutes: { /: h.js }\n",
         1, "error the app was not ready within timeouts.startup (100 ms)"},
        {"normal", "version: 1\nserver: { node: no-such-node }\nroutes: { /: h.js }\n", 1,
         "error cannot find no-such-node in PATH: install Node.js 18.19 or later, or set server.node"},
        {"normal", "version: 1\nserver: { listen: \"192.0.2.1:1\" }\nroutes: { /: h.js }\n", 1,
         "error cannot listen"},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct app a;
        char line[512] = "";
        make(&a, t[i].yaml);
        start(&a, t[i].mode);
        assert_true(heard(&a, line, sizeof line));
        assert_memory_equal(line, t[i].first, strlen(t[i].first));
        assert_int_equal(wait_exit(&a), t[i].code);
        assert_int_equal(ax_state_holder(&a.state), 0);
        assert_int_equal(access(a.state.socket, F_OK), -1);
        clean(&a);
    }
}

static void test_second(void **state)
{
    struct app a, b;
    char line[512], want[64];

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    b = a;
    start(&b, "normal");
    assert_true(heard(&b, line, sizeof line));
    snprintf(want, sizeof want, "already being served, by process %ld", (long)a.pid);
    assert_non_null(strstr(line, want));
    assert_int_equal(wait_exit(&b), 1);
    char *body = get(&a, "/"); /* the first is not disturbed */
    assert_memory_equal(body, "pid ", 4);
    free(body);
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    clean(&a);
}

static void test_drain(void **state)
{
    struct app a;

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    int fd = ask(a.port, "/slow");
    free(get(&a, "/")); /* so the slow one has arrived */
    kill(a.pid, SIGTERM);
    char *body = body_of(fd);
    assert_string_equal(body, "slow");
    free(body);
    assert_int_equal(wait_exit(&a), 0);
    clean(&a);
}

static void test_forced(void **state)
{
    struct app a;
    bool forced = false;

    (void)state;
    make(&a, "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 1 }\ntimeouts: { shutdown: 700ms }\n"
             "log: { output: app.log, format: json }\nroutes: { /: h.js }\n");
    start(&a, "stubborn");
    await_ready(&a);
    pid_t engine = engine_pid(&a);
    assert_int_equal(ax_client_stop(&a.state, &forced, NULL), 0);
    assert_true(forced);
    assert_int_equal(wait_exit(&a), 5);
    await_gone(engine);
    char *log = log_of(&a, "app.log");
    assert_non_null(strstr(log, "waiting for the engine to end"));
    assert_non_null(strstr(log, "the engine is killed"));
    free(log);
    clean(&a);
}

/* An engine that had nothing to do and dies while it stops: nothing was cut off. */
static void test_dies_at_stop(void **state)
{
    struct app a;
    bool forced = true;

    (void)state;
    make(&a, "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 1 }\n"
             "log: { output: app.log, format: json }\nroutes: { /: h.js }\n");
    start(&a, "crash");
    await_ready(&a);
    assert_int_equal(ax_client_stop(&a.state, &forced, NULL), 0);
    assert_false(forced);
    assert_int_equal(wait_exit(&a), 0);
    char *log = log_of(&a, "app.log");
    assert_non_null(strstr(log, "while it stopped, with 0 requests in progress"));
    free(log);
    clean(&a);
}

static void test_second_int(void **state)
{
    struct app a;

    (void)state;
    make(&a, "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 1 }\ntimeouts: { shutdown: off, "
             "lame_duck: 1h }\n"
             "log: { output: app.log }\nroutes: { /: h.js }\n");
    start(&a, "stubborn");
    await_ready(&a);
    kill(a.pid, SIGINT);
    kill(a.pid, SIGINT); /* an echo: nothing happens */
    ax_mono first = ax_mono_now();
    bool stopping = false;
    while (!stopping || ax_mono_now().us - first.us < 100000) {
        json_t *o = status_of(&a);
        stopping = strcmp(json_string_value(json_object_get(o, "state")), "stopping") == 0;
        json_decref(o);
    }
    kill(a.pid, SIGINT);
    assert_int_equal(wait_exit(&a), 5);
    clean(&a);
}

static void test_killed_supervisor(void **state)
{
    struct app a;

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    pid_t engine = engine_pid(&a);
    kill(a.pid, SIGKILL);
    assert_int_equal(wait_exit(&a), 128 + SIGKILL);
    await_gone(engine);
    start(&a, "normal"); /* stale socket, lock and pid file do not matter */
    await_ready(&a);
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    clean(&a);
}

static void test_logs(void **state)
{
    struct app a;
    char from[512], to[512];

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    kill(a.pid, SIGHUP);
    json_decref(status_of(&a));
    snprintf(from, sizeof from, "%s/app.log", a.dir);
    snprintf(to, sizeof to, "%s/app.log.1", a.dir);
    char *log;
    while (log = log_of(&a, "app.log"), !strstr(log, "cannot reload now: reload is not possible here")) {
        free(log);
        json_decref(status_of(&a)); /* one turn of its loop */
    }
    free(log);
    assert_int_equal(rename(from, to), 0);
    kill(a.pid, SIGUSR1);
    while (access(from, F_OK) < 0)
        json_decref(status_of(&a));
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    clean(&a);
}

/* The default folder cannot be used: served all the same.  One that was asked for: not. */
static void test_unusable_state(void **state)
{
    struct app a;
    char line[512];

    (void)state;
    make(&a, basic);
    free(ax_fx_file(a.dir, ".actix", "in the way"));
    start(&a, "normal");
    await_ready(&a);
    char *body = get(&a, "/"), *log = log_of(&a, "app.log");
    assert_memory_equal(body, "pid ", 4);
    assert_non_null(strstr(log, "running without metrics database and control socket"));
    free(body);
    free(log);
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    clean(&a);

    make(&a, "version: 1\nserver: { state: h.js/below }\nroutes: { /: h.js }\n");
    start(&a, "normal");
    assert_true(heard(&a, line, sizeof line));
    assert_memory_equal(line, "error cannot make the state folder", 34);
    assert_int_equal(wait_exit(&a), 1);
    clean(&a);
}

/* ---- generations */
struct told {
    char lines[2048];
};

static void on_told(void *ctx, const char *text)
{
    struct told *t = ctx;
    size_t n = strlen(t->lines);

    snprintf(t->lines + n, sizeof t->lines - n, "%s\n", text);
}

static void on_change(void *ctx, bool restart, const char *text)
{
    on_told(ctx, restart ? "restart:" : "change:");
    on_told(ctx, text);
}

static void on_reload_problem(void *ctx, const struct ax_err *err, bool warning)
{
    assert_false(warning);
    on_told(ctx, err->msg);
}

/* The code that ax_client_reload returns; what was told is in *told. */
static int reload(struct app *a, const char *yaml, struct told *told, struct ax_err *err)
{
    struct ax_client_reload r = {on_told, on_change, on_reload_problem, told};
    unsigned generation = 0;

    *told = (struct told){""};
    *err = (struct ax_err){0};
    free(ax_fx_file(a->dir, "actix.yaml", yaml));
    int rc = ax_client_reload(&a->state, &r, &generation, err);
    if (rc == 0)
        assert_true(generation > 1);
    return rc;
}

static int64_t status_number(struct app *a, const char *key)
{
    json_t *o = status_of(a);
    json_t *v = json_object_get(o, key);
    int64_t n = json_is_array(v) ? (int64_t)json_array_size(v) : json_integer_value(v);

    json_decref(o);
    return n;
}

/* 0 while none was started again. */
static size_t ready_after_restart(struct app *a)
{
    json_t *o = status_of(a), *e;
    size_t i, n = 0;

    if (json_integer_value(json_object_get(json_object_get(o, "engine"), "restarts")))
        json_array_foreach(json_object_get(o, "engines"), i, e) n +=
            strcmp(json_string_value(json_object_get(e, "state")), "ready") == 0;
    json_decref(o);
    return n;
}

static const char changed[] =
    "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 2, state: .actix }\n"
    "log: { output: other.log, format: json }\nmetrics: { interval: 200ms }\ntimeouts: { handler: 3s }\n"
    "routes: { /: h.js }\n";

static void test_reload(void **state)
{
    struct app a;
    struct told told;
    struct ax_err err;

    (void)state;
    make(&a, basic);
    a.reloads = true;
    start(&a, "normal");
    await_ready(&a);
    pid_t before = engine_pid(&a);
    assert_int_equal(reload(&a, changed, &told, &err), 0);
    assert_non_null(strstr(told.lines, "change:\nlog.output: app.log -> other.log\n"));
    assert_non_null(strstr(told.lines, "change:\ntimeouts.handler: 10s -> 3s\n"));
    await_gone(before);
    char *body = get(&a, "/plan");
    json_t *plan = json_loads(body, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(plan, "generation")), 2);
    assert_true(json_is_true(json_object_get(plan, "hold")));
    assert_true(json_is_false(json_object_get(plan, "first")));
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(plan, "settings"), "timeout_handler_us")),
        3000000);
    json_decref(plan);
    free(body);
    char *log = log_of(&a, "other.log");
    assert_non_null(strstr(log, "generation 2 serves"));
    free(log);

    assert_int_equal(reload(&a, "version: 1\nnonsense: 1\nroutes: { /: h.js }\n", &told, &err), -AX_E_SYNTAX);
    assert_string_equal(told.lines, "unknown key nonsense\n");
    assert_int_equal(status_number(&a, "generation"), 2);
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    assert_int_equal(events_of(&a, "reload"), 2);
    clean(&a);
}

static void test_reload_fails(void **state)
{
    static const struct {
        const char *mode, *why;
    } t[] = {
        {"failed", "two reasons"},
        {"place", "no such file"},
        {"die", "the new engine exited with code 7 before it was ready"},
        {"mute", "the app was not ready within timeouts.startup (300 ms)"},
    };
    static const char yaml[] =
        "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 1 }\n"
        "log: { output: app.log }\ntimeouts: { startup: 300ms }\nroutes: { /: h.js }\n";

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct app a;
        struct told told;
        struct ax_err err;
        make(&a, basic);
        a.reloads = true;
        setenv("STUB_NEXT", t[i].mode, 1);
        start(&a, "normal");
        unsetenv("STUB_NEXT");
        await_ready(&a);
        pid_t before = engine_pid(&a);
        assert_int_equal(reload(&a, yaml, &told, &err), -AX_E_STATE);
        assert_string_equal(err.msg, t[i].why);
        assert_int_equal(engine_pid(&a), before);
        assert_int_equal(status_number(&a, "generation"), 1);
        char *body = get(&a, "/");
        assert_memory_equal(body, "pid ", 4);
        free(body);
        kill(a.pid, SIGTERM);
        assert_int_equal(wait_exit(&a), 0);
        clean(&a);
    }
}

/* Each worker a process: as many engines, before and after; and from there back to one. */
static void test_processes(void **state)
{
    static const char processes[] = "version: 1\nserver: { listen: \"127.0.0.1:0\", workers: 3, isolation: "
                                    "process }\nlog: { output: app.log }\nroutes: { /: h.js }\n";
    struct app a;
    struct told told;
    struct ax_err err;

    (void)state;
    make(&a, processes);
    a.reloads = true;
    start(&a, "normal");
    await_ready(&a);
    assert_int_equal(status_number(&a, "engines"), 3);
    assert_int_equal(status_number(&a, "workers"), 3);
    free(get(&a, "/crash"));
    while (ready_after_restart(&a) != 3)
        ;
    assert_int_equal(reload(&a, processes, &told, &err), 0);
    assert_string_equal(told.lines, "nothing changed in the manifest: the code is loaded anew\n");
    while (status_number(&a, "engines") != 3)
        ;
    assert_int_equal(reload(&a, basic, &told, &err), 0);
    while (status_number(&a, "engines") != 1)
        ;
    assert_int_equal(status_number(&a, "workers"), 2);
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    assert_int_equal(restarts_of(&a), 1); /* the one that crashed; those of a reload are no restarts */
    clean(&a);
}

static void test_renew_and_quarantine(void **state)
{
    struct app a;

    (void)state;
    make(&a, basic);
    start(&a, "normal");
    await_ready(&a);
    pid_t before = engine_pid(&a);
    free(get(&a, "/renew"));
    await_gone(before);
    assert_int_not_equal(engine_pid(&a), before);
    assert_int_equal(status_number(&a, "generation"), 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(status_number(&a, "quarantined"), 0);
        free(get(&a, "/killed"));
    }
    while (status_number(&a, "quarantined") != 1)
        ;
    kill(a.pid, SIGTERM);
    assert_int_equal(wait_exit(&a), 0);
    assert_int_equal(events_of(&a, "quarantine"), 1);
    clean(&a);
}

/* Each allocation up to readiness fails once: a clean end with a sentence, and (exit) no leak.  Some are
 * dispensable: then it runs, and is stopped. */
static void test_nomem(void **state)
{
    struct app a;
    char path[4096], mode[] = "STUB=normal";
    unsigned failures = 0, good = 0;

    (void)state;
    make(&a, basic);
    snprintf(path, sizeof path, "PATH=%s", getenv("PATH"));
    for (unsigned n = 1; good < 8; n++) {
        char *env[] = {path, mode, NULL}, line[512] = "";
        a.env = env;
        a.fail_at = n;
        start(&a, "normal");
        assert_true(heard(&a, line, sizeof line));
        if (strncmp(line, "listening", 9) == 0) {
            good++;
            kill(a.pid, SIGTERM);
            int code = wait_exit(&a);
            assert_true(code == 0 || code == 5);
        } else {
            failures++;
            good = 0;
            if (!strstr(line, "memory") && !strstr(line, "before it was ready"))
                fail_msg("allocation %u: %s", n, line);
            assert_int_equal(wait_exit(&a), 1);
        }
        assert_int_equal(ax_state_holder(&a.state), 0);
    }
    assert_true(failures > 20);
    clean(&a);
}

static void test_fit_connections(void **state)
{
    (void)state;
    assert_int_equal(ax_fit_connections(10000, 20000, 4), 10000);
    assert_int_equal(ax_fit_connections(10000, 1024, 2), 1024 - 64 - 64);
    assert_int_equal(ax_fit_connections(10000, 10, 2), 16);
    assert_int_equal(ax_fit_connections(8, 10, 2), 8);
    assert_true(ax_fit_connections(AX_OFF, 10, 2) == AX_OFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),       cmocka_unit_test(test_what_the_engine_gets),
        cmocka_unit_test(test_crash),      cmocka_unit_test(test_start_fails),
        cmocka_unit_test(test_second),     cmocka_unit_test(test_drain),
        cmocka_unit_test(test_forced),     cmocka_unit_test(test_dies_at_stop),
        cmocka_unit_test(test_second_int), cmocka_unit_test(test_killed_supervisor),
        cmocka_unit_test(test_logs),       cmocka_unit_test(test_unusable_state),
        cmocka_unit_test(test_reload),     cmocka_unit_test(test_reload_fails),
        cmocka_unit_test(test_processes),  cmocka_unit_test(test_renew_and_quarantine),
        cmocka_unit_test(test_nomem),      cmocka_unit_test(test_fit_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
