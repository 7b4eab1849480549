#include "supervisor/control.h"

#include <pthread.h>
#include <sys/socket.h>

#include "supervisor/client.h"
#include "supervisor/fixture.h"
#include "supervisor/unixsock.h"

struct server { /* the control socket on a loop of its own thread */
    unsigned reloads;
    uv_loop_t loop;
    struct ax_control *control;
    uv_async_t end, written;
    pthread_t thread;
    struct ax_state state;
    char *dir;
    unsigned stops;
    bool forced;
};

static char *on_status(void *ctx)
{
    (void)ctx;
    return ax_strdup("{\"pid\":1}");
}

static uint64_t on_flush(void *ctx)
{
    struct server *s = ctx;

    uv_async_send(&s->written);
    return 7;
}

static void on_written(uv_async_t *a)
{
    struct server *s = a->data;

    ax_control_flushed(s->control, 6);
    ax_control_flushed(s->control, 8);
    ax_control_flushed(s->control, 9); /* told once */
}

static void finish(struct server *s)
{
    ax_control_close(s->control, s->forced);
    s->control = NULL;
    if (!uv_is_closing((uv_handle_t *)&s->written))
        uv_close((uv_handle_t *)&s->written, NULL);
    if (!uv_is_closing((uv_handle_t *)&s->end))
        uv_close((uv_handle_t *)&s->end, NULL);
}

static void on_stop(void *ctx)
{
    struct server *s = ctx;

    s->stops++;
    s->forced = true;
    finish(s);
}

static void on_end(uv_async_t *a)
{
    finish(a->data);
}

static void *run(void *arg)
{
    struct server *s = arg;

    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* Tells two lines and ends; the second time it is not possible. */
static int on_reload(void *ctx, struct ax_err *reterr)
{
    struct server *s = ctx;

    if (s->reloads++)
        return ax_fail(reterr, AX_E_STATE, "not \"now\"");
    ax_control_reloading(s->control, ax_strdup("{\"note\":\"a\"}"), false);
    ax_control_reloading(s->control, ax_strdup("{\"reloaded\":true}"), true);
    ax_control_reloading(s->control, ax_strdup("nobody waits"), true);
    return 0;
}

static void start(struct server *s, unsigned idle_ms)
{
    char root[] = "/";
    struct ax_err err = {0};

    *s = (struct server){.dir = ax_fx_dir()};
    struct ax_manifest m = {.root = root};
    struct ax_state_input in = {.option = s->dir, .manifest = &m};
    assert_int_equal(ax_state_paths(&in, &s->state, NULL), 0);
    uv_loop_init(&s->loop);
    uv_async_init(&s->loop, &s->end, on_end);
    uv_async_init(&s->loop, &s->written, on_written);
    s->end.data = s->written.data = s;
    struct ax_control_options o = {&s->loop,  s->state.socket, 0600,      NULL,     NULL, idle_ms,
                                   on_status, on_stop,         on_reload, on_flush, s};
    int rc = ax_control_open(&o, &s->control, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    pthread_create(&s->thread, NULL, run, s);
}

static void stop(struct server *s)
{
    if (s->stops == 0)
        uv_async_send(&s->end);
    pthread_join(s->thread, NULL);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_int_equal(access(s->state.socket, F_OK), -1);
    ax_state_fini(&s->state);
    ax_fx_remove(s->dir);
    free(s->dir);
}

/* Sends, ends its own side, and reads all that comes until the other side closes. */
static void talk(struct server *s, const char *text, size_t n, char *out, size_t size)
{
    int fd = ax_unix_connect(s->state.socket, NULL);
    size_t got = 0;
    ssize_t k;

    assert_true(fd >= 0);
    send(fd, text, n, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while ((k = recv(fd, out + got, size - 1 - got, 0)) > 0)
        got += (size_t)k;
    out[got] = '\0';
    close(fd);
}

static void test_answers(void **state)
{
    static char long_line[AX_CONTROL_LINE_MAX + 1];
    static const char zeros[32];
    struct server s;
    char out[4096];

    memset(long_line, 'x', sizeof long_line);
    struct {
        const char *text;
        size_t n;
        const char *want;
    } t[] = {
        {"{\"command\":\"status\"}\n", 0, "{\"pid\":1}\n"},
        {"{\"command\":\"status\"}\n{\"command\":\"status\"}\n", 0, "{\"pid\":1}\n{\"pid\":1}\n"},
        {"{\"command\":\"flush\"}\n", 0, "{\"ok\":true}\n"},
        {"{\"command\":\"flush\"}\n{\"command\":\"status\"}\n", 0, "{\"pid\":1}\n{\"ok\":true}\n"},
        {"{\"command\":\"reload\"}\n", 0, "{\"note\":\"a\"}\n{\"reloaded\":true}\n"},
        {"{\"command\":\"reload\"}\n", 0, "{\"error\":\"not \\\"now\\\"\"}\n"},
        {"{\"command\":\"dance\"}\n", 0, "{\"error\":\"unknown command\"}\n"},
        {"garbage\n{\"command\":\"status\"}\n", 0,
         "{\"error\":\"one JSON object a line is wanted, with a command\"}\n"},
        {"{\"command\":7}\n", 0, "{\"error\":\"one JSON object a line is wanted, with a command\"}\n"},
        {"\n", 0, "{\"error\":\"one JSON object a line is wanted, with a command\"}\n"},
        {zeros, sizeof zeros, ""},
        {"", 0, ""},
        {"{\"command\":\"status\"}", 0, ""}, /* no end of line: no command */
        {long_line, sizeof long_line, "{\"error\":\"the line is too long\"}\n"},
    };
    (void)state;
    start(&s, 0);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        talk(&s, t[i].text, t[i].n ? t[i].n : strlen(t[i].text), out, sizeof out);
        assert_string_equal(out, t[i].want);
    }
    stop(&s);
}

static void test_stop_is_told(void **state)
{
    struct server s;
    char out[256], want[256];

    (void)state;
    start(&s, 0);
    talk(&s, "{\"command\":\"stop\"}\n", 19, out, sizeof out);
    snprintf(want, sizeof want, "{\"ok\":true,\"pid\":%ld}\n{\"stopped\":true,\"forced\":true}\n",
             (long)getpid());
    assert_string_equal(out, want);
    stop(&s);
    assert_int_equal(s.stops, 1);
}

/* A client that says nothing is dropped; one more than there may be, too; others are served meanwhile. */
static void test_silent(void **state)
{
    struct server s;
    int fds[AX_CONTROL_CLIENTS_MAX + 1];
    char byte, *answer = NULL;

    (void)state;
    start(&s, 1000); /* ms; who speaks has as long */
    for (unsigned i = 0; i < AX_COUNT(fds); i++)
        fds[i] = ax_unix_connect(s.state.socket, NULL);
    for (unsigned i = 0; i < AX_COUNT(fds); i++) {
        assert_int_equal(recv(fds[i], &byte, 1, 0), 0);
        close(fds[i]);
    }
    assert_int_equal(ax_client_status(&s.state, &answer, NULL), 0);
    assert_string_equal(answer, "{\"pid\":1}");
    ax_free(answer);
    assert_int_equal(ax_client_flush(&s.state, NULL), 0);
    stop(&s);
}

static void test_client_without_server(void **state)
{
    struct server s;
    struct ax_state_lock l;
    struct ax_err err = {0};
    char *answer;
    bool forced;

    (void)state;
    start(&s, 0);
    struct ax_state st = s.state;
    s.state = (struct ax_state){.socket = ax_strdup(st.socket)};
    stop(&s);
    assert_int_equal(ax_client_status(&st, &answer, &err), -AX_E_MISSING);
    assert_int_equal(ax_client_stop(&st, &forced, NULL), -AX_E_MISSING);
    assert_int_equal(ax_client_flush(&st, NULL), -AX_E_MISSING);
    /* one that holds the lock and has no socket: it is there, and cannot be reached */
    assert_int_equal(ax_state_take(&st, NULL, NULL, &l, NULL), 0);
    err = (struct ax_err){0};
    assert_int_equal(ax_client_status(&st, &answer, &err), -AX_E_STATE);
    assert_non_null(strstr(err.msg, "cannot be reached"));
    ax_state_release(&l);
    ax_fx_remove(st.dir);
    ax_state_fini(&st);
}

static void test_open_fails(void **state)
{
    char *dir = ax_fx_dir(), *path = ax_fx_file(dir, "file", "");
    struct ax_control *c;
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    struct ax_control_options o = {&loop,     path,    0600,      NULL,     NULL, 0,
                                   on_status, on_stop, on_reload, on_flush, NULL};
    assert_int_equal(ax_control_open(&o, &c, NULL), -AX_E_BUSY);
    unlink(path);
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_control_open(&o, &c, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    ax_control_close(c, false);
    ax_control_close(NULL, false);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(path);
    ax_fx_remove(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),    cmocka_unit_test(test_stop_is_told),
        cmocka_unit_test(test_silent),     cmocka_unit_test(test_client_without_server),
        cmocka_unit_test(test_open_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
