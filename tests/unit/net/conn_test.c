/* One connection and the clock, the drain, the half-closed client, the unread answer. */
#include "net/harness.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/un.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* The server has closed: POLLHUP of a socket pair, whatever is still unread. */
static void until_hup(int fd)
{
    struct pollfd p = {.fd = fd};

    if (poll(&p, 1, RECEIVE_S * 1000) != 1 || !(p.revents & POLLHUP))
        fail_msg("the server does not close");
}

static void test_nothing_behind_close(void **state)
{
    static const char *const t[] = {
        "GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET("/") GET("/"),
        "GET /later HTTP/1.0\r\n\r\n" GET("/") GET("/"),
        "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx" GET("/") GET("/"),
    };
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    for (unsigned i = 0; i < sizeof t / sizeof *t; i++) {
        int fd = pair_up(&s);
        puts_fd(fd, t[i]);
        assert_int_equal(status_of(fd), 200);
        expect_close(fd);
        close(fd);
        assert_int_equal(locked(&s, &s.entered), i + 1); /* a handler behind it never ran */
    }
    server_stop(&s);
}

static void test_idle_with_half_an_empty_line(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.set.timeout_keep_alive_us = 20000;
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, "\r");
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

static void test_slow_body(void **state)
{
    struct server s;
    struct response r = {.head = ""};
    struct pollfd p = {.events = POLLIN};

    (void)state;
    server_init(&s);
    s.set.timeout_body_us = 300000;
    s.set.limit_body_rate = 100000;
    server_start(&s);
    int fd = p.fd = pair_up(&s);
    puts_fd(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    int got = 0;
    for (int i = 0; i < 5000 && !got; i++) { /* never a pause of 300 ms, and far below the rate */
        put(fd, "x", 1);
        got = poll(&p, 1, 10);
    }
    assert_int_equal(receive(fd, &r, false), 408);
    assert_non_null(strstr(r.body, "limits.body_rate"));
    free(r.body);
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

static void test_answer_that_nobody_reads(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.set.timeout_send_us = 30000;
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, GET("/big"));
    until_hup(fd);
    close(fd);
    server_halt(&s);
    assert_int_equal(s.released, 1);
    server_free(&s);
}

/* Reading slowly is no fault as long as there is progress. */
static void test_answer_that_is_read_slowly(void **state)
{
    static char part[65536];
    struct server s;
    struct pollfd none = {.fd = -1};
    size_t total = 0;

    (void)state;
    server_init(&s);
    s.set.timeout_send_us = 500000;
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, GET("/big"));
    shutdown(fd, SHUT_WR);
    for (ssize_t n; (n = recv(fd, part, sizeof part, MSG_WAITALL)) > 0; total += (size_t)n)
        poll(&none, 1, 2); /* a pause of the client, not a wait for the server */
    assert_true(total > BIG);
    close(fd);
    server_stop(&s);
}

static void test_half_closed_while_it_waits(void **state)
{
    struct server s;
    char all[8192], want[16];
    size_t n = 0;

    (void)state;
    server_init(&s);
    s.set.limit_pipeline = 4; /* most of it is not read yet when FIN is seen */
    server_start(&s);
    int fd = dial(s.port);
    for (int i = 0; i < 60; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "GET /%s/%d HTTP/1.1\r\nHost: x\r\n\r\n",
                              i % 3 ? "users" : "later", i);
    put(fd, all, n);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 60; i++) {
        snprintf(want, sizeof want, "%d", i);
        expect(fd, 200, want);
    }
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

/* What came before a body that FIN cuts short is answered, the request itself is counted as aborted. */
static void test_half_closed_within_a_body(void **state)
{
    static const struct {
        const char *text;
        unsigned answers[4]; /* up to 0 */
    } t[] = {
        {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", {0}},
        {GET("/") GET("/later") "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", {200, 200}},
        {GET("/later") "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", {200}},
        {GET("/big") "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nab", {200}},
        {"POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", {404}},
        {GET("/later") "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab", {200, 404}},
    };
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        int fd = pair_up(&s);
        puts_fd(fd, t[i].text);
        shutdown(fd, SHUT_WR);
        for (const unsigned *want = t[i].answers; *want; want++) {
            struct response r = {.head = ""};
            assert_int_equal(receive(fd, &r, false), *want);
            free(r.body);
        }
        expect_close(fd);
        close(fd);
    }
    until_connections(&s, 0);
    server_stop(&s);
}

static void test_client_resets(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/silent") GET("/big"));
    until_connections(&s, 1);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd); /* RST */
    until_connections(&s, 0);
    assert_int_equal(ask(s.port, GET("/")), 200);
    server_stop(&s);
}

static void test_lame_duck(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int old = dial(s.port);
    puts_fd(old, GET("/"));
    expect(old, 200, "Hello World");
    server_command(&s, CMD_LAME_DUCK);
    assert_int_equal(ask(s.port, GET("/ready")), 503); /* still accepts, and says that it is not ready */
    assert_int_equal(ask(s.port, GET("/live")), 200);
    puts_fd(old, GET("/"));
    assert_int_equal(receive(old, &r, false), 200);
    assert_non_null(strstr(r.head, "Connection: close"));
    free(r.body);
    expect_close(old);
    close(old);
    server_stop(&s);
}

/* What the kernel held when the drain began is answered. */
static void test_drain_answers_what_has_come(void **state)
{
    enum { N = 40 };
    struct server s;
    int fd[N];

    (void)state;
    server_init(&s);
    server_start(&s);
    for (int i = 0; i < N; i++) {
        fd[i] = pair_up(&s);
        puts_fd(fd[i], GET("/later"));
    }
    server_command(&s, CMD_DRAIN);
    for (int i = 0; i < N; i++) {
        assert_int_equal(status_of(fd[i]), 200);
        expect_close(fd[i]);
        close(fd[i]);
    }
    server_join(&s);
    assert_true(s.drained);
}

/* A reader so slow that its socket is not writable within timeouts.send is not one that does not read. */
static void test_slow_reader(void **state)
{
    enum { PIECES = 4, PIECE = 40000 }; /* less than what makes a Unix socket writable again */
    static char piece[PIECE];
    struct server s;
    size_t got = 0;

    (void)state;
    server_init(&s);
    s.set.timeout_send_us = 600000;
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, GET("/big"));
    assert_true(until_read(fd));
    for (int i = 0; i < PIECES; i++) {
        poll(NULL, 0, 300);
        ssize_t n = recv(fd, piece, PIECE, MSG_WAITALL);
        assert_int_equal(n, PIECE);
        got += (size_t)n;
    }
    for (ssize_t n = 1; got < BIG && n > 0; got += (size_t)n)
        n = recv(fd, piece, PIECE, 0);
    assert_true(got >= BIG);
    close(fd);

    fd = pair_up(&s);
    puts_fd(fd, GET("/big"));
    until_hup(fd); /* one that does not read */
    close(fd);
    server_stop(&s);
}

/* Half a head is no request in progress: it must not hold the drain for timeouts.header. */
static void test_drain_with_half_a_head(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.set.timeout_header_us = -1;
    server_start(&s);
    int fd = pair_up(&s), behind = pair_up(&s);
    puts_fd(fd, "GET / HT");
    puts_fd(behind, "GET /later/1 HTTP/1.1\r\nHost: x\r\n\r\nGET / HT");
    assert_true(until_read(fd) && until_read(behind));
    server_command(&s, CMD_DRAIN);
    assert_int_equal(status_of(behind), 200);
    expect_close(behind);
    expect_close(fd);
    close(fd);
    close(behind);
    server_join(&s);
    assert_true(s.drained);
}

/* Who had an answer is closed at once; who has just connected gets the time that a first request needs. */
static void test_drain_awaits_first_requests(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int served = pair_up(&s), fresh = pair_up(&s), silent = pair_up(&s);
    puts_fd(served, GET("/"));
    assert_int_equal(status_of(served), 200);
    server_command(&s, CMD_DRAIN);
    expect_close(served);
    puts_fd(fresh, GET("/"));
    assert_int_equal(receive(fresh, &r, false), 200);
    assert_non_null(strstr(r.head, "Connection: close"));
    free(r.body);
    expect_close(fresh);
    expect_close(silent);
    close(served);
    close(fresh);
    close(silent);
    server_join(&s);
    assert_true(s.drained);
}

/* An answer given before the drain and still on its way does not keep the connection for timeouts.keep_alive.
 */
static void test_drain_with_output_left(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = pair_up(&s), empty_line = pair_up(&s);
    puts_fd(fd, GET("/big"));
    assert_true(until_read(fd));
    puts_fd(empty_line, "\r\n");
    server_command(&s, CMD_DRAIN);
    assert_int_equal(receive(fd, &r, false), 200);
    assert_int_equal(r.length, BIG);
    free(r.body);
    expect_close(fd);
    expect_close(empty_line);
    close(fd);
    close(empty_line);
    server_join(&s);
    assert_true(s.drained);
}

static const char *const in_progress[] = {
    "",
    "\r",
    "GET / HTT",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc",
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc",
    GET("/silent"),
    GET("/silent") GET("/") GET("/missing") GET("/copied") "GET / HTTP/9.9\r\n\r\n",
    GET("/silent") GET("/silent") GET("/silent") GET("/silent") GET("/") "GET /",
    GET("/big") GET("/big"),
    GET("/copied") GET("/big") GET("/silent"),
    "BREW / HTTP/1.1\r\n\r\n",
    GET("/later"),
};
enum { STATES = sizeof in_progress / sizeof *in_progress };

/* Closing with a connection in every state: nothing leaks, nothing is touched after its end. */
static void test_close_with_everything_in_progress(void **state)
{
    struct server s;
    int fd[STATES];

    (void)state;
    for (int round = 0; round < 2; round++) {
        server_init(&s);
        s.set.limit_pipeline = 4;
        server_start(&s);
        for (int i = 0; i < STATES; i++) {
            fd[i] = pair_up(&s);
            puts_fd(fd[i], in_progress[i]);
            if (round && i != 10) /* the last one of `blocked` stays unread */
                assert_true(until_read(fd[i]));
        }
        server_halt(&s);
        for (int i = 0; i < STATES; i++)
            close(fd[i]);
        server_free(&s);
    }
}

static void test_clients_leave_in_every_state(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.set.limit_pipeline = 4;
    server_start(&s);
    for (int i = 0; i < 3 * STATES; i++) {
        if (strstr(in_progress[i % STATES], "/silent"))
            continue; /* its answer is waited for, for ever */
        int fd = pair_up(&s);
        puts_fd(fd, in_progress[i % STATES]);
        if (i / STATES == 1)
            until_read(fd);
        if (i / STATES == 2)
            shutdown(fd, SHUT_WR);
        close(fd);
    }
    until_connections(&s, 0);
    assert_int_equal(ask(s.port, GET("/")), 200);
    server_stop(&s);
}

/* Whoever answers says that it is dying: nothing more is read, and the worker can still be closed. */
static void test_dying_dispatcher(void **state)
{
    struct server s;
    struct timespec used;
    clockid_t clock;

    (void)state;
    server_init(&s);
    s.dying = true;
    server_start(&s);
    int a = pair_up(&s), b = pair_up(&s);
    puts_fd(a, GET("/") GET("/live"));
    assert_true(until_read(a));
    puts_fd(b, GET("/"));
    poll(NULL, 0, 200); /* time in which the loop has nothing to do */
    assert_int_equal(pthread_getcpuclockid(s.thread, &clock), 0);
    clock_gettime(clock, &used);
    assert_true(used.tv_sec == 0 && used.tv_nsec < 20000000);
    server_stop(&s);
    expect_close(a);
    close(a);
    close(b);
}

static void answers(unsigned family, const struct sockaddr *addr, socklen_t len, const char *remote)
{
    struct server s;
    struct ax_err err = {0};
    struct sockaddr_storage at;
    socklen_t n = sizeof at;
    struct timeval t = {.tv_sec = RECEIVE_S};

    server_init(&s);
    int l = socket((int)family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(l, addr, len) < 0) { /* a machine without IPv6 */
        assert_int_equal(family, AF_INET6);
        close(l);
        free(s.big);
        return;
    }
    assert_int_equal(listen(l, 16), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&at, &n), 0);
    server_prepare(&s);
    assert_int_equal(ax_worker_listen(s.worker, l, &err), 0);
    server_run(&s);
    int fd = socket((int)family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, n), 0);
    puts_fd(fd, GET("/remote"));
    expect(fd, 200, remote);
    close(fd);
    server_stop(&s);
    close(l);
}

static void test_address_families(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un un = {.sun_family = AF_UNIX}; /* no name: the kernel gives an abstract one */
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    answers(AF_INET, (struct sockaddr *)&in, sizeof in, "127.0.0.1");
    answers(AF_INET6, (struct sockaddr *)&in6, sizeof in6, "::1");
    answers(AF_UNIX, (struct sockaddr *)&un, sizeof(sa_family_t), "unix");
}

static void test_trace_and_connect(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    assert_int_equal(ask(s.port, "TRACE /any HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_int_equal(ask(s.port, "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_int_equal(ask(s.port, "DELETE /any HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    server_stop(&s);
    assert_int_equal(s.entered, 1);
}

/* Every allocation of the loop thread fails once, while each kind of request is served.  Whatever the client
 * then sees, the server goes on and nothing leaks. */
static void test_each_allocation_fails(void **state)
{
    static const char *const t[] = {
        GET("/"),
        GET("/later"),
        GET("/big"),
        GET("/copied"),
        GET("/missing"),
        "PUT / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /dir?a HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        GET("/later") GET("/copied") GET("/missing") GET("/big"),
        "BREW / HTTP/1.1\r\n\r\n",
    };
    static char sink[65536];
    struct server s;

    (void)state;
    server_init(&s);
    s.set.pool_prewarm = 0;
    s.set.trailing_slash = 1;
    server_start(&s);
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        for (unsigned n = 1; n <= 14; n++) {
            s.fail_at = n;
            server_command(&s, CMD_FAIL);
            int fd = pair_up(&s);
            send(fd, t[i], strlen(t[i]), MSG_NOSIGNAL);
            shutdown(fd, SHUT_WR);
            while (recv(fd, sink, sizeof sink, 0) > 0)
                ;
            close(fd);
            s.fail_at = 0;
            server_command(&s, CMD_FAIL);
        }
    }
    until_connections(&s, 0);
    assert_int_equal(ask(s.port, GET("/")), 200);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_behind_close),
        cmocka_unit_test(test_idle_with_half_an_empty_line),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_answer_that_nobody_reads),
        cmocka_unit_test(test_answer_that_is_read_slowly),
        cmocka_unit_test(test_half_closed_while_it_waits),
        cmocka_unit_test(test_half_closed_within_a_body),
        cmocka_unit_test(test_client_resets),
        cmocka_unit_test(test_lame_duck),
        cmocka_unit_test(test_drain_answers_what_has_come),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_drain_with_half_a_head),
        cmocka_unit_test(test_drain_awaits_first_requests),
        cmocka_unit_test(test_drain_with_output_left),
        cmocka_unit_test(test_close_with_everything_in_progress),
        cmocka_unit_test(test_clients_leave_in_every_state),
        cmocka_unit_test(test_dying_dispatcher),
        cmocka_unit_test(test_address_families),
        cmocka_unit_test(test_trace_and_connect),
        cmocka_unit_test(test_each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
