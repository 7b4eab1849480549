#include "net/harness.h"

#include <netinet/tcp.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_answers(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *body;
    } t[] = {
        {GET("/"), 200, "Hello World"},
        {GET("/users/a%20b"), 200, "a%20b"},
        {GET("/written"), 200, "written in place"},
        {GET("/later"), 200, "later"},
        {GET("/nocontent"), 204, ""},
        {GET("/old"), 308, ""},
        {GET("/live"), 200, "{\"status\":\"live\"}"},
        {GET("/ready"), 200, "{\"status\":\"ready\"}"},
        {GET("/missing"), 404, "{\"error\":\"Not Found\",\"path\":\"/missing\"}"},
        {GET("/a/../b"), 400, "{\"error\":\"malformed path\"}"},
        {GET("/dir"), 404, "{\"error\":\"Not Found\",\"path\":\"/dir\"}"},
        {"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", 405, "{\"error\":\"Method Not Allowed\"}"},
        {"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 204, ""},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204, ""},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
         "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
         200, "abcde"},
        {"POST /echo HTTP/1.1\r\nHost: x\r\n\r\n", 200, ""},
        {"POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 404,
         "{\"error\":\"Not Found\",\"path\":\"/missing\"}"},
        {GET("/"), 200, "Hello World"},
    };
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port); /* all on one connection */
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        puts_fd(fd, t[i].request);
        expect(fd, t[i].status, t[i].body);
    }
    close(fd);
    server_stop(&s);
}

static void test_split_at_every_byte(void **state)
{
    static const char two[] =
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        "GET /users/7 HTTP/1.1\r\nHost: x\r\n\r\n";
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    for (size_t cut = 1; cut < sizeof two - 1; cut++) {
        put(fd, two, cut);
        put(fd, two + cut, sizeof two - 1 - cut);
        expect(fd, 200, "abc");
        expect(fd, 200, "7");
    }
    close(fd);
    server_stop(&s);
}

static void test_pipelining_in_order(void **state)
{
    struct server s;
    char all[8192] = "", want[16];
    size_t n = 0;

    (void)state;
    server_init(&s);
    s.set.limit_pipeline = 8; /* reading pauses and resumes */
    server_start(&s);
    int fd = dial(s.port);
    for (int i = 0; i < 60; i++) { /* answers come late and backwards between immediate ones */
        n += (size_t)snprintf(all + n, sizeof all - n, "GET ");
        n += (size_t)snprintf(all + n, sizeof all - n, i % 3 ? "/later/%d" : "/users/%d", i);
        n += (size_t)snprintf(all + n, sizeof all - n, " HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    put(fd, all, n);
    for (int i = 0; i < 60; i++) {
        snprintf(want, sizeof want, "%d", i);
        expect(fd, 200, want);
    }
    close(fd);
    server_stop(&s);
}

static void test_head_and_versions(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd,
            "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /written HTTP/1.1\r\nHost: x\r\n\r\n" GET("/nocontent"));
    assert_int_equal(receive(fd, &r, true), 200);
    assert_int_equal(r.length, 11);
    assert_int_equal(receive(fd, &r, true), 200);
    assert_int_equal(r.length, 16);
    assert_int_equal(receive(fd, &r, true), 204);
    assert_false(r.has_length);
    assert_null(strstr(r.head, "Content-Type"));
    puts_fd(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET("/"));
    assert_int_equal(receive(fd, &r, false), 200);
    assert_non_null(strstr(r.head, "Connection: close"));
    free(r.body);
    expect_close(fd);
    close(fd);
    fd = dial(s.port);
    puts_fd(fd, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(receive(fd, &r, false), 200);
    assert_non_null(strstr(r.head, "Connection: keep-alive"));
    free(r.body);
    puts_fd(fd, "GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(receive(fd, &r, false), 200);
    free(r.body);
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

static void test_big_to_a_slow_reader(void **state)
{
    static const char *const paths[] = {GET("/big"), GET("/copied")};
    static const size_t lengths[] = {BIG, 300000};
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    for (int round = 0; round < 4; round++) { /* two in the pipe before the first is read */
        puts_fd(fd, paths[round % 2]);
        puts_fd(fd, GET("/"));
        assert_int_equal(receive(fd, &r, false), 200);
        assert_int_equal(r.length, lengths[round % 2]);
        assert_memory_equal(r.body, s.big, r.length);
        free(r.body);
        expect(fd, 200, "Hello World");
    }
    close(fd);
    server_halt(&s);
    assert_int_equal(s.released, 2);
    server_free(&s);
}

static void test_limits(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *limit;
    } t[] = {
        {"POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890", 413, "limits.body"},
        {"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n",
         413, "limits.body"},
        {"GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\nHost: "
         "x\r\n\r\n",
         414, "limits.uri"},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\n\r\n", 431, "limits.header_count"},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: "
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r"
         "\n",
         431, "limits.header"},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501, NULL},
        {"GET / HTTP/1.1\r\n\r\n", 400, NULL},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, NULL},
        {"GET / HTTP/1.1\nHost: x\n\n", 400, NULL},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400, NULL},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL},
        {"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", 417, NULL},
    };
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.set.limit_uri = 40;
    s.set.limit_header = 200;
    s.set.limit_header_count = 4;
    server_start(&s);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        int fd = dial(s.port);
        puts_fd(fd, t[i].request);
        assert_int_equal(receive(fd, &r, false), t[i].status);
        if (t[i].limit)
            assert_non_null(strstr(r.body, t[i].limit));
        free(r.body);
        close(fd);
    }
    server_stop(&s);
}

static void test_refused_behind_a_late_answer(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/later/1") GET("/later/2") "GET / HTTP/9.9\r\nHost: x\r\n\r\n" GET("/"));
    expect(fd, 200, "1");
    expect(fd, 200, "2");
    assert_int_equal(status_of(fd), 505);
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

static void test_handler_timeout(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/never") GET("/"));
    assert_int_equal(status_of(fd), 504);
    expect(fd, 200, "Hello World");
    close(fd);
    server_command(&s, CMD_CLOSE);
    server_join(&s);
    assert_int_equal(s.gone_timeout, 1);
}

/* One line for both, since they come within a second. */
static void test_handler_timeout_is_logged(void **state)
{
    struct server s;
    struct ax_err err = {0};
    char path[] = "/tmp/actix-log-XXXXXX", text[2048];

    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    server_init(&s);
    assert_int_equal(ax_log_open(&s.log, path, AX_LOG_JSON, AX_LOG_INFO, &err), 0);
    server_start(&s);
    int c = dial(s.port);
    puts_fd(c, GET("/never") GET("/never"));
    assert_int_equal(status_of(c), 504);
    assert_int_equal(status_of(c), 504);
    close(c);
    server_stop(&s);
    ax_log_close(&s.log);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "\"level\":\"warn\""));
    assert_non_null(strstr(text, "\"route\":\"/never\""));
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
    close(fd);
    unlink(path);
}

static void test_connection_timeouts(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.set.timeout_header_us = s.set.timeout_body_us = 30000;
    s.set.timeout_keep_alive_us = 30000;
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, "GET / HTT");
    assert_int_equal(status_of(fd), 408);
    expect_close(fd);
    close(fd);
    fd = dial(s.port);
    puts_fd(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
    assert_int_equal(status_of(fd), 408);
    expect_close(fd);
    close(fd);
    fd = dial(s.port);
    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World");
    expect_close(fd); /* idle */
    close(fd);
    server_stop(&s);
}

static void test_client_gone(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/silent"));
    int other = dial(s.port);
    puts_fd(other, GET("/"));
    expect(other, 200, "Hello World"); /* the first was entered by now or will be with it */
    close(fd);
    for (;;) { /* until the server has seen it */
        puts_fd(other, GET("/"));
        expect(other, 200, "Hello World");
        pthread_mutex_lock(&s.lock);
        unsigned gone = s.gone_client;
        pthread_mutex_unlock(&s.lock);
        if (gone)
            break;
    }
    close(other);
    server_stop(&s);
    assert_int_equal(s.gone_client, 1);
}

static void test_expect_continue(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(receive(fd, &r, false), 100);
    puts_fd(fd, "ok");
    expect(fd, 200, "ok");
    puts_fd(fd, "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(status_of(fd), 413);
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

static void test_inflight_ceiling(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.set.limit_inflight = 2;
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/later/1") GET("/later/2") GET("/later/3") GET("/live"));
    expect(fd, 200, "1");
    expect(fd, 200, "2");
    assert_int_equal(receive(fd, &r, false), 503);
    assert_non_null(strstr(r.head, "Retry-After: "));
    assert_non_null(strstr(r.body, "limits.inflight"));
    free(r.body);
    assert_int_equal(status_of(fd), 200);
    close(fd);
    server_stop(&s);
}

/* A request whose body is still coming is in progress too. */
static void test_inflight_counts_bodies(void **state)
{
    static const char half[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe";
    struct server s;

    (void)state;
    server_init(&s);
    s.set.limit_inflight = 2;
    server_start(&s);
    int a = pair_up(&s), b = pair_up(&s), c = pair_up(&s);
    puts_fd(a, half);
    assert_true(until_read(a));
    puts_fd(b, half);
    assert_true(until_read(b));
    puts_fd(c, GET("/"));
    assert_int_equal(status_of(c), 503);
    puts_fd(a, "llo");
    expect(a, 200, "hello");
    puts_fd(c, GET("/"));
    expect(c, 200, "Hello World");
    close(b); /* ends before its body is whole, and gives its place back */
    puts_fd(a, half);
    assert_true(until_read(a));
    for (int st = 503; st == 503;) {
        puts_fd(c, GET("/"));
        st = status_of(c);
        assert_true(st == 200 || st == 503);
    }
    close(a);
    close(c);
    server_stop(&s);
}

static void test_partial_batches(void **state)
{
    struct server s;
    char all[8192];
    size_t n = 0;
    char want[16];

    (void)state;
    server_init(&s);
    s.enter_at_most = 3;
    s.set.batch = 16;
    s.set.slice_us = 0;
    server_start(&s);
    int fd = dial(s.port);
    for (int i = 0; i < 50; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "GET /users/%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
    put(fd, all, n);
    for (int i = 0; i < 50; i++) {
        snprintf(want, sizeof want, "%d", i);
        expect(fd, 200, want);
    }
    close(fd);
    server_stop(&s);
    assert_true(s.batches >= 50 / 3);
    assert_true(s.largest_batch <= 16);
}

static void test_drain(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int idle = dial(s.port), busy = dial(s.port);
    puts_fd(idle, GET("/"));
    expect(idle, 200, "Hello World");
    puts_fd(busy, GET("/later"));
    server_command(&s, CMD_DRAIN);
    assert_int_equal(receive(busy, &r, false), 200);
    free(r.body);
    expect_close(idle);
    close(idle);
    close(busy);
    server_join(&s);
    assert_true(s.drained);
}

static void test_trailing_slash(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.set.trailing_slash = 2;
    server_start(&s);
    assert_int_equal(ask(s.port, GET("/dir")), 200);
    assert_int_equal(ask(s.port, GET("/users/7/")), 200);
    server_stop(&s);
    server_init(&s);
    s.set.trailing_slash = 1;
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/dir?a=b"));
    assert_int_equal(receive(fd, &r, false), 308);
    assert_non_null(strstr(r.head, "Location: /dir/?a=b\r\n"));
    close(fd);
    server_stop(&s);
}

static void test_counts(void **state)
{
    struct server s;
    struct ax_series series;
    struct ax_request_record rec;
    uint64_t total = 0;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    for (int i = 0; i < 10; i++) {
        puts_fd(fd, GET("/"));
        expect(fd, 200, "Hello World");
    }
    puts_fd(fd, GET("/nothing"));
    assert_int_equal(status_of(fd), 404);
    close(fd);
    server_halt(&s);
    for (unsigned i = 0; i < ax_segment_series_count(s.segment, 0); i++) {
        ax_segment_read_series(s.segment, 0, i, &series);
        total += series.count;
        if (series.route == 1)
            assert_int_equal(series.count, 10);
    }
    assert_int_equal(total, 11);
    unsigned records = 0;
    while (ax_segment_take_record(s.segment, 0, &rec))
        records++;
    assert_int_equal(records, 11);
    server_free(&s);
}

static void on_loop_closed(void *ctx)
{
    *(bool *)ctx = true;
}

/* A failed call leaves nothing behind: neither memory nor a handle on the loop. */
static void test_each_allocation_fails(void **state)
{
    struct server s;
    bool closed = false;

    (void)state;
    server_init(&s);
    s.gate = 1;
    server_site(&s);
    uv_loop_init(&s.loop);
    struct ax_worker_options o = {
        .loop = &s.loop, .site = s.site, .dispatch = {&s, stub_run, stub_gone}, .stat = s.stat};
    for (unsigned n = 1; !s.worker; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_worker_new(&o, &s.worker, &err);
        ax_fail_alloc_at(0);
        if (rc < 0) {
            assert_int_equal(err.code, AX_E_NOMEM);
            assert_null(s.worker);
            assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
        } else {
            assert_true(n > 3);
        }
    }
    assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0); /* unref'ed: nothing listens */
    ax_worker_close(s.worker, on_loop_closed, &closed);
    assert_int_equal(ax_worker_adopt(s.worker, dup(0)), -AX_E_STATE);
    assert_false(ax_worker_give(s.worker, -1)); /* its inbox is closed */
    assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
    assert_true(closed);
    server_free(&s);
}

static void test_too_many_addresses(void **state)
{
    struct server s;
    struct ax_err err = {0};
    unsigned port;
    int fd[17], no_delay = 0;
    socklen_t len = sizeof no_delay;

    (void)state;
    server_init(&s);
    server_prepare(&s);
    for (int i = 0; i < 17; i++) {
        fd[i] = listen_socket(&port);
        assert_int_equal(ax_worker_listen(s.worker, fd[i], &err), i < 16 ? 0 : -AX_E_LIMIT);
    }
    assert_int_equal(getsockopt(fd[0], IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
    assert_true(no_delay);
    ax_worker_close(s.worker, on_closed_all, &s);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    server_free(&s);
    for (int i = 0; i < 17; i++)
        close(fd[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_split_at_every_byte),
        cmocka_unit_test(test_pipelining_in_order),
        cmocka_unit_test(test_head_and_versions),
        cmocka_unit_test(test_big_to_a_slow_reader),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_refused_behind_a_late_answer),
        cmocka_unit_test(test_handler_timeout),
        cmocka_unit_test(test_handler_timeout_is_logged),
        cmocka_unit_test(test_connection_timeouts),
        cmocka_unit_test(test_client_gone),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_inflight_ceiling),
        cmocka_unit_test(test_inflight_counts_bodies),
        cmocka_unit_test(test_partial_batches),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_trailing_slash),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_too_many_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
