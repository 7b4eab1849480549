/* The admin listener on a loop of the test's own; clients are real sockets, their answers are waited for on
 * the same loop. */
#include "supervisor/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "metrics/totals.h"
#include "supervisor/fixture.h"

#define HOUR_US INT64_C(3600000000)

struct fix {
    char *dir;
    uv_loop_t loop;
    struct ax_log log;
    struct ax_writer *writer;
    struct ax_admin *admin;
    struct ax_admin_facts facts;
    struct ax_segment *segment; /* OWNED by the writer */
    unsigned nurls, port;
    char url[4][160];
};

static void on_facts(void *ctx, struct ax_admin_facts *ret)
{
    *ret = ((struct fix *)ctx)->facts;
}

static void on_url(void *ctx, const char *url)
{
    struct fix *f = ctx;

    assert_true(f->nurls < AX_COUNT(f->url));
    snprintf(f->url[f->nurls++], sizeof f->url[0], "%s", url);
}

/* The addresses of now. */
static void urls(struct fix *f)
{
    f->nurls = f->port = 0;
    ax_admin_each(f->admin, on_url, f);
    for (unsigned i = 0; i < f->nurls && !f->port; i++)
        if (strncmp(f->url[i], "http", 4) == 0)
            f->port = (unsigned)strtoul(strrchr(f->url[i], ':') + 1, NULL, 10);
}

static void open_fix(struct fix *f)
{
    struct ax_writer_options w = {.store = {.path = NULL, .retention_us = INT64_MAX, .max_bytes = INT64_MAX},
                                  .interval_us = HOUR_US,
                                  .log = &f->log};

    *f = (struct fix){.dir = ax_fx_dir(), .log = {.fd = -1}};
    f->facts = (struct ax_admin_facts){.ready = 2, .min_ready = 1, .stall_us = HOUR_US};
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(ax_writer_start(&w, &f->writer, NULL), 0);
}

static int make(struct fix *f, struct ax_err *reterr)
{
    struct ax_admin_options o = {
        .loop = &f->loop, .writer = f->writer, .log = &f->log, .facts = on_facts, .ctx = f};

    return ax_admin_new(&o, &f->admin, reterr);
}

static int prepare(struct fix *f, const struct ax_listen *l, size_t n, struct ax_err *reterr)
{
    struct ax_manifest m = {.root = f->dir};
    struct ax_listen copy[4];

    for (size_t i = 0; i < n; i++)
        copy[i] = l[i];
    m.admin.listen = copy;
    m.admin.nlisten = n;
    return ax_admin_prepare(f->admin, &m, reterr);
}

static void close_admin(struct fix *f)
{
    ax_admin_close(f->admin);
    f->admin = NULL;
    uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void close_fix(struct fix *f)
{
    close_admin(f);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    ax_writer_stop(f->writer);
    ax_fx_remove(f->dir);
    free(f->dir);
}

static void start(struct fix *f)
{
    const struct ax_listen l = {.host = (char[]){"127.0.0.1"}, .mode = -1};

    open_fix(f);
    assert_int_equal(make(f, NULL), 0);
    assert_int_equal(prepare(f, &l, 1, NULL), 0);
    ax_admin_commit(f->admin);
    urls(f);
}

static void add_segment(struct fix *f)
{
    assert_int_equal(ax_segment_private(1, 8, &f->segment, NULL), 0);
    assert_int_equal(ax_writer_add(f->writer, f->segment, getpid(), NULL), 0);
}

static int dial(const struct fix *f)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)f->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Sends one request; what came back until the server closed, NUL-terminated; OWNED: free. */
static char *ask(struct fix *f, const char *method, const char *path)
{
    enum { ANSWER = 1 << 16 };
    char *all = calloc(1, ANSWER);
    char head[200];
    size_t n = 0;
    ssize_t got;
    int fd = dial(f);

    assert_non_null(all);
    int len =
        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", method, path);
    assert_int_equal(send(fd, head, (size_t)len, MSG_NOSIGNAL), len);
    while ((got = recv(fd, all + n, ANSWER - 1 - n, 0)) != 0) {
        if (got > 0)
            n += (size_t)got;
        else
            uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    close(fd);
    return all;
}

static void expect(struct fix *f, const char *path, unsigned status, const char *says)
{
    char *got = ask(f, "GET", path), line[32];

    snprintf(line, sizeof line, "HTTP/1.1 %u ", status);
    if (strncmp(got, line, strlen(line)) != 0 || !strstr(got, says))
        fail_msg("%s: not %u %s: %s", path, status, says, got);
    free(got);
}

static void test_ready(void **state)
{
    static const struct {
        bool starting, stopping;
        unsigned ready, min_ready, status;
        const char *says;
    } t[] = {
        {false, false, 1, 1, 200, "{\"status\":\"ready\"}"},
        {false, false, 3, 2, 200, "{\"status\":\"ready\"}"},
        {false, false, 0, 1, 503, "0 of the 1 workers"},
        {false, false, 1, 2, 503, "1 of the 2 workers"},
        {true, false, 0, 1, 503, "{\"error\":\"starting\"}"},
        {false, true, 2, 1, 503, "{\"error\":\"stopping\"}"},
    };
    struct fix f;

    (void)state;
    start(&f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        f.facts = (struct ax_admin_facts){.starting = t[i].starting,
                                          .stopping = t[i].stopping,
                                          .ready = t[i].ready,
                                          .min_ready = t[i].min_ready,
                                          .stall_us = HOUR_US};
        expect(&f, "/health/ready", t[i].status, t[i].says);
    }
    close_fix(&f);
}

/* One microsecond of patience: whatever does not move right now is dead. */
static void test_live(void **state)
{
    struct fix f;

    (void)state;
    start(&f);
    f.facts.stall_us = 1;
    f.facts.starting = true;
    expect(&f, "/health/live", 200, "{\"status\":\"live\"}");
    f.facts.starting = false;
    expect(&f, "/health/live", 503, "no engine runs");
    add_segment(&f);
    expect(&f, "/health/live", 503, "no worker has moved");
    f.facts.stall_us = HOUR_US; /* its patience begins when it last moved, or the page opened */
    expect(&f, "/health/live", 200, "live");
    f.facts.stall_us = AX_OFF; /* nothing is known of loops: an engine is enough */
    expect(&f, "/health/live", 200, "live");
    ax_writer_drop(f.writer, f.segment);
    f.facts.stall_us = 1;
    expect(&f, "/health/live", 503, "no engine runs");
    close_fix(&f);
}

static void test_metrics(void **state)
{
    struct fix f;

    (void)state;
    start(&f);
    add_segment(&f);
    ax_count_request(ax_segment_worker(f.segment, 0), AX_ROUTE_NONE, 404, 1, 2, 3, 4, 5);
    ax_writer_restarted(f.writer, 2);
    f.facts.engine_restarts = 3;
    expect(&f, "/metrics", 200,
           "duration_seconds_count{http_request_method=\"_OTHER\",http_route=\"(none)\",http_response_status_"
           "class="
           "\"4xx\"} 1\n");
    expect(&f, "/metrics", 200, "\nactix_engine_restarts_total 3\n");
    expect(&f, "/metrics", 200, "\nactix_worker_restarts_total 2\n");
    expect(&f, "/metrics", 200, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
    ax_count_request(ax_segment_worker(f.segment, 0), AX_ROUTE_NONE, 404, 1, 2, 3, 4, 5);
    ax_writer_drop(f.writer, f.segment); /* the engine has gone, and another comes */
    add_segment(&f);
    ax_count_request(ax_segment_worker(f.segment, 0), AX_ROUTE_NONE, 404, 1, 2, 3, 4, 5);
    expect(&f, "/metrics", 200, "http_response_status_class=\"4xx\"} 3\n");
    expect(&f, "/", 404, "{\"error\":\"Not Found\",\"path\":\"/\"}");
    char *got = ask(&f, "POST", "/metrics");
    assert_int_equal(strncmp(got, "HTTP/1.1 405 ", 13), 0);
    free(got);
    got = ask(&f, "HEAD", "/metrics");
    assert_int_equal(strncmp(got, "HTTP/1.1 200 ", 13), 0);
    assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
    free(got);
    close_fix(&f);
}

/* What a reload does: new addresses beside the old ones, then one of them goes. */
static void test_addresses(void **state)
{
    char host[] = "127.0.0.1", path[] = "admin.sock";
    const struct ax_listen tcp = {.host = host, .mode = -1},
                           un = {.kind = AX_LISTEN_UNIX, .path = path, .mode = 0600}, both[] = {tcp, un},
                           none = {.host = (char[]){"192.0.2.1"}, .port = 1, .mode = -1}, bad[] = {un, none};
    struct fix f;
    struct ax_err err = {0};

    (void)state;
    start(&f);
    unsigned port = f.port;
    assert_int_equal(prepare(&f, both, 2, NULL), 0);
    urls(&f);
    assert_int_equal(f.nurls, 2);
    ax_admin_cancel(f.admin);
    urls(&f);
    assert_int_equal(f.nurls, 1);
    assert_int_equal(prepare(&f, bad, 2, &err), -AX_E_SYS);
    assert_non_null(strstr(err.msg, "cannot listen on 192.0.2.1:1"));
    urls(&f);
    assert_int_equal(f.nurls, 1);
    assert_int_equal(prepare(&f, both, 2, NULL), 0);
    ax_admin_commit(f.admin);
    urls(&f);
    assert_int_equal(f.nurls, 2);
    assert_int_equal(f.port, port); /* the same socket */
    expect(&f, "/health/ready", 200, "ready");
    char *sock = ax_asprintf("%s/admin.sock", f.dir);
    assert_int_equal(access(sock, F_OK), 0);
    assert_int_equal(prepare(&f, &tcp, 1, NULL), 0);
    ax_admin_commit(f.admin);
    assert_int_equal(access(sock, F_OK), -1);
    ax_free(sock);
    expect(&f, "/health/ready", 200, "ready");
    assert_int_equal(prepare(&f, NULL, 0, NULL), 0); /* off */
    ax_admin_commit(f.admin);
    urls(&f);
    assert_int_equal(f.nurls, 0);
    add_segment(&f);                                 /* of which nobody is told any more */
    assert_int_equal(prepare(&f, &tcp, 1, NULL), 0); /* and on again */
    ax_admin_commit(f.admin);
    urls(&f);
    expect(&f, "/metrics", 200, "actix_ready 1\n");
    close_fix(&f);
}

/* More pages than may wait for readers: refused, until they are gone. */
static void test_readers_that_do_not_read(void **state)
{
    enum { DEAF = 12, PIPELINE = 40, ROUTES = 60 };
    static const char get[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char pattern[ROUTES + 1] = "////////////////////////////////////////////////////////////";
    struct ax_route_name names[ROUTES];
    int fd[DEAF], small = 4096;
    struct fix f;

    (void)state;
    start(&f);
    assert_int_equal(ax_segment_private(1, ROUTES, &f.segment, NULL), 0);
    for (unsigned i = 0; i < ROUTES; i++)
        names[i] = (struct ax_route_name){AX_STR("GET"), {pattern, i + 1}, AX_STR("h.js")};
    assert_int_equal(ax_segment_set_routes(f.segment, names, ROUTES, NULL), 0);
    for (unsigned i = 1; i <= ROUTES; i++)
        ax_count_request(ax_segment_worker(f.segment, 0), i, 200, 1, 2, 3, 4, 5);
    assert_int_equal(ax_writer_add(f.writer, f.segment, getpid(), NULL), 0);
    for (unsigned i = 0; i < DEAF; i++) {
        fd[i] = dial(&f);
        assert_int_equal(setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    }
    for (unsigned k = 0; k < PIPELINE; k++)
        for (unsigned i = 0; i < DEAF; i++) {
            ssize_t sent = send(fd[i], get, sizeof get - 1, MSG_NOSIGNAL);
            assert_true(sent == (ssize_t)sizeof get - 1 || errno == EAGAIN);
            uv_run(&f.loop, UV_RUN_NOWAIT);
        }
    expect(&f, "/metrics", 503, "too many readers of /metrics");
    expect(&f, "/health/ready", 200, "ready");
    for (unsigned i = 0; i < DEAF; i++)
        close(fd[i]);
    for (unsigned i = 0; i < 1000; i++)
        uv_run(&f.loop, UV_RUN_NOWAIT);
    expect(&f, "/metrics", 200, "# TYPE http_server_request_duration_seconds histogram\n");
    close_fix(&f);
}

static void test_no_memory(void **state)
{
    char path[] = "admin.sock";
    const struct ax_listen un = {.kind = AX_LISTEN_UNIX, .path = path, .mode = 0600};

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        struct fix f;
        open_fix(&f);
        add_segment(&f);
        ax_fail_alloc_at(n);
        int rc = make(&f, &err);
        if (rc == 0)
            rc = prepare(&f, &un, 1, &err);
        ax_fail_alloc_at(0);
        if (rc < 0)
            assert_int_equal(err.code, AX_E_NOMEM);
        close_fix(&f);
        if (rc == 0)
            break;
    }
    ax_admin_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_live),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_readers_that_do_not_read),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
