/* The engine: several workers, each a loop on its own thread; balance, shared ceilings, coming and going. */
#include "net/harness.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { WORKERS_MAX = 4 };

struct cluster {
    struct ax_engine_options o;
    struct ax_engine *engine;
    struct server s[WORKERS_MAX];
    unsigned running[WORKERS_MAX];
    int listen_fd;
    unsigned port;
};

/* Options may be changed before cluster_start. */
static void cluster_init(struct cluster *c, unsigned workers)
{
    memset(c, 0, sizeof *c);
    c->o = (struct ax_engine_options){.workers = workers,
                                      .limit_connections = -1,
                                      .limit_inflight = -1,
                                      .limit_body_memory = -1,
                                      .min_ready = 1};
    for (unsigned i = 0; i < workers; i++) {
        server_init(&c->s[i]);
        c->s[i].id = i;
    }
}

static void cluster_start(struct cluster *c)
{
    struct ax_err err = {0};

    c->listen_fd = listen_socket(&c->port);
    c->o.fds = &c->listen_fd;
    c->o.nfds = 1;
    assert_int_equal(ax_engine_new(&c->o, &c->engine, &err), 0);
    for (unsigned i = 0; i < c->o.workers; i++) {
        c->s[i].engine = c->engine;
        server_start(&c->s[i]);
        server_command(&c->s[i], CMD_NONE); /* it has registered */
        c->running[i] = 1;
    }
}

static void cluster_stop(struct cluster *c)
{
    for (unsigned i = 0; i < c->o.workers; i++)
        if (c->running[i])
            server_stop(&c->s[i]);
    ax_engine_free(c->engine);
    close(c->listen_fd);
}

static unsigned all_connections(struct cluster *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->o.workers; i++)
        n += ax_worker_load(c->s[i].worker).connections;
    return n;
}

static unsigned all_inflight(struct cluster *c)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->o.workers; i++)
        n += ax_worker_load(c->s[i].worker).inflight;
    return n;
}

/* 0 or the error. */
static int try_to_connect(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int os = connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 ? errno : 0;

    close(fd);
    return os;
}

static int dial_and_ask(struct cluster *c)
{
    int fd = dial(c->port);

    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World");
    return fd;
}

static void test_balance(void **state)
{
    static const enum ax_balance_by by[] = {AX_BY_LEAST_CONNECTIONS, AX_BY_ROUND_ROBIN, AX_BY_LEAST_INFLIGHT};
    enum { N = 40 };

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        struct cluster c;
        int fd[N];
        cluster_init(&c, 4);
        c.o.balance = by[k];
        cluster_start(&c);
        for (int i = 0; i < N; i++)
            fd[i] = dial_and_ask(&c);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(ax_worker_load(c.s[i].worker).connections, N / 4);
        for (int i = 0; i < N; i++)
            close(fd[i]);
        cluster_stop(&c);
    }
}

/* All at once: what is on its way to a worker counts as its load. */
static void test_balance_of_a_burst(void **state)
{
    enum { N = 120 };
    struct cluster c;
    int fd[N];

    (void)state;
    cluster_init(&c, 3);
    cluster_start(&c);
    for (int i = 0; i < N; i++)
        fd[i] = dial(c.port);
    for (int i = 0; i < N; i++)
        puts_fd(fd[i], GET("/"));
    for (int i = 0; i < N; i++)
        expect(fd[i], 200, "Hello World");
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = ax_worker_load(c.s[i].worker).connections;
        assert_in_range(n, N / 3 - 6, N / 3 + 6);
    }
    for (int i = 0; i < N; i++)
        close(fd[i]);
    cluster_stop(&c);
}

static void test_least_inflight_goes_round_the_busy_one(void **state)
{
    struct cluster c;
    int busy[6], fd[6];

    (void)state;
    cluster_init(&c, 2);
    c.o.balance = AX_BY_LEAST_INFLIGHT;
    cluster_start(&c);
    for (int i = 0; i < 6; i++) { /* six requests that never end, handed to worker 0 */
        busy[i] = pair_up(&c.s[0]);
        puts_fd(busy[i], GET("/silent"));
    }
    time_t end = time(NULL) + RECEIVE_S;
    while (ax_worker_load(c.s[0].worker).inflight < 6 && time(NULL) < end)
        sched_yield();
    for (int i = 0; i < 6; i++)
        fd[i] = dial_and_ask(&c);
    assert_int_equal(ax_worker_load(c.s[1].worker).connections, 6);
    for (int i = 0; i < 6; i++) {
        close(busy[i]);
        close(fd[i]);
    }
    cluster_stop(&c);
}

/* At the ceiling the connection that is idle longest makes room, wherever it is. */
static void longest_idle_first(unsigned workers)
{
    struct cluster c;
    int fd[4];

    cluster_init(&c, workers);
    c.o.limit_connections = 4;
    cluster_start(&c);
    for (int i = 0; i < 4; i++)
        fd[i] = dial_and_ask(&c);
    puts_fd(fd[0], GET("/")); /* now fd[1] is idle longest */
    expect(fd[0], 200, "Hello World");
    puts_fd(fd[2], GET("/silent")); /* busy: never closed */
    int fifth = dial_and_ask(&c);
    expect_close(fd[1]);
    assert_int_equal(all_connections(&c), 4); /* one for one */
    int sixth = dial_and_ask(&c);
    expect_close(fd[3]);
    assert_int_equal(all_connections(&c), 4); /* one for one */
    int seventh = dial_and_ask(&c);
    expect_close(fd[0]);
    assert_int_equal(all_connections(&c), 4); /* one for one */
    for (int i = 0; i < 4; i++)
        close(fd[i]);
    close(fifth);
    close(sixth);
    close(seventh);
    cluster_stop(&c);
}

static void test_longest_idle_first(void **state)
{
    (void)state;
    longest_idle_first(1); /* the worker listens itself */
    longest_idle_first(3); /* the accept thread hands over */
}

/* With all of them busy accepting pauses; it goes on as soon as one becomes idle or ends. */
static void pauses_and_resumes(unsigned workers)
{
    struct cluster c;
    int fd[2], waiting[3];

    cluster_init(&c, workers);
    c.o.limit_connections = 2;
    cluster_start(&c);
    for (int i = 0; i < 2; i++) {
        fd[i] = dial(c.port);
        puts_fd(fd[i], GET("/later") GET("/later") GET("/later"));
    }
    for (int i = 0; i < 3; i++) {
        waiting[i] = dial(c.port); /* the kernel takes it, nobody accepts it yet */
        puts_fd(waiting[i], GET("/later"));
    }
    for (int i = 0; i < 3; i++) {
        expect(waiting[i], 200, "later");
        assert_true(all_connections(&c) <= 2);
        close(waiting[i]);
    }
    close(fd[0]);
    close(fd[1]);
    cluster_stop(&c);
}

static void test_pauses_and_resumes(void **state)
{
    (void)state;
    pauses_and_resumes(1);
    pauses_and_resumes(2);
}

/* A newcomer gets the place that is made for it at once, not after the accept thread's pause of 20 ms. */
static void test_no_pause_where_there_is_room(void **state)
{
    enum { PLACES = 100, NEW = 60, MOST_US = NEW * 20000 / 2 };
    struct cluster c;
    int fd[PLACES + NEW];

    (void)state;
    cluster_init(&c, 2);
    c.o.limit_connections = PLACES;
    cluster_start(&c);
    int64_t began = 0;
    for (int i = 0; i < PLACES + NEW; i++) {
        if (i == PLACES)
            began = ax_mono_now().us;
        fd[i] = dial_and_ask(&c);
    }
    assert_true(ax_mono_now().us - began < MOST_US);
    for (int i = 0; i < PLACES + NEW; i++)
        close(fd[i]);
    cluster_stop(&c);
}

/* No descriptor left: an idle connection goes first, and with none accepting is tried again after a moment.
 */
static void no_descriptor_left(unsigned workers)
{
    struct cluster c;
    struct rlimit old, low;

    cluster_init(&c, workers);
    cluster_start(&c);
    int idle = dial_and_ask(&c);
    int next = dial(c.port); /* accepted only once a descriptor is free */
    puts_fd(next, GET("/later"));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(status_of(next), 200);
    int probe = dup(0);
    low = old;
    low.rlim_cur = (rlim_t)probe + 1; /* room for one more, which the client's own socket takes */
    close(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int fd = dial_and_ask(&c);
    setrlimit(RLIMIT_NOFILE, &old);
    expect_close(idle);
    close(idle);
    close(next);
    close(fd);
    cluster_stop(&c);
}

static void test_no_descriptor_left(void **state)
{
    (void)state;
    no_descriptor_left(1);
    no_descriptor_left(2);
}

static void nothing_to_give_up(unsigned workers)
{
    struct cluster c;
    struct rlimit old, low;

    cluster_init(&c, workers);
    cluster_start(&c);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    int probe = dup(0);
    low = old;
    low.rlim_cur = (rlim_t)probe + 1;
    close(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int fd = dial(c.port);
    puts_fd(fd, GET("/"));
    setrlimit(RLIMIT_NOFILE, &old); /* nothing tells the server: it has to try again */
    expect(fd, 200, "Hello World");
    close(fd);
    cluster_stop(&c);
}

static void test_no_descriptor_and_nothing_to_give_up(void **state)
{
    (void)state;
    nothing_to_give_up(1);
    nothing_to_give_up(2);
}

static void test_inflight_over_all_workers(void **state)
{
    enum { LIMIT = 6 };
    struct cluster c;
    struct response r;
    int fd[LIMIT], more[2];

    (void)state;
    cluster_init(&c, 2);
    c.o.limit_inflight = LIMIT;
    cluster_start(&c);
    for (int i = 0; i < LIMIT; i++) {
        fd[i] = pair_up(&c.s[i % 3 == 0]); /* two of them to the other worker */
        puts_fd(fd[i], GET("/silent"));
        assert_true(until_read(fd[i]));
        server_command(&c.s[i % 3 == 0], CMD_NONE);
    }
    for (int i = 0; i < 2; i++)
        more[i] = pair_up(&c.s[i]);
    for (int i = 0; i < 8; i++) {
        puts_fd(more[i % 2], GET("/"));
        assert_int_equal(receive(more[i % 2], &r, false), 503);
        assert_non_null(strstr(r.head, "Retry-After: "));
        assert_non_null(strstr(r.body, "limits.inflight"));
        free(r.body);
        puts_fd(more[i % 2], GET("/live")); /* what needs no JavaScript is still answered */
        assert_int_equal(status_of(more[i % 2]), 200);
    }
    for (int i = 0; i < LIMIT; i++)
        close(fd[i]);
    close(more[0]);
    close(more[1]);
    cluster_stop(&c);
}

/* Requests whose body never became whole give their place back. */
/* A low ceiling is not dealt out: it holds to the request also when one worker has them all. */
static void test_inflight_of_one_worker(void **state)
{
    enum { LIMIT = 6 };
    struct cluster c;
    int fd[LIMIT];

    (void)state;
    cluster_init(&c, 2);
    c.o.limit_inflight = LIMIT;
    cluster_start(&c);
    for (int i = 0; i < LIMIT; i++) {
        fd[i] = pair_up(&c.s[0]);
        puts_fd(fd[i], GET("/silent"));
        assert_true(until_read(fd[i]));
        server_command(&c.s[0], CMD_NONE);
    }
    assert_int_equal(ax_worker_load(c.s[0].worker).inflight, LIMIT);
    for (int i = 0; i < 2; i++) {
        int more = pair_up(&c.s[i]);
        puts_fd(more, GET("/"));
        assert_int_equal(status_of(more), 503);
        close(more);
    }
    for (int i = 0; i < LIMIT; i++)
        close(fd[i]);
    cluster_stop(&c);
}

static void test_inflight_is_given_back(void **state)
{
    static const char *const t[] = {
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n01234567890123456789",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    struct cluster c;

    (void)state;
    cluster_init(&c, 2);
    c.o.limit_inflight = 1; /* no shares: every place comes from the engine */
    cluster_start(&c);
    for (int i = 0; i < 12; i++) {
        int fd = pair_up(&c.s[0]);
        puts_fd(fd, t[i % 3]);
        shutdown(fd, SHUT_WR);
        while (status_of(fd) > 0)
            ;
        close(fd);
        until_connections(&c.s[0], 0);
    }
    int fd = pair_up(&c.s[1]);
    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World");
    close(fd);
    cluster_stop(&c);
}

static void test_body_memory(void **state)
{
    static char part[60000];
    struct cluster c;
    struct response r;

    (void)state;
    memset(part, 'x', sizeof part);
    cluster_init(&c, 2);
    c.o.limit_body_memory = 100000;
    cluster_start(&c);
    for (int round = 0; round < 3; round++) { /* what was taken comes back each time */
        int a = pair_up(&c.s[0]), b = pair_up(&c.s[1]);
        puts_fd(a, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
        put(a, part, sizeof part - 1);
        assert_true(until_read(a));
        server_command(&c.s[0], CMD_NONE); /* the loop has gone round: what it read is counted */
        puts_fd(b, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n");
        send(b, part, sizeof part, MSG_NOSIGNAL);
        assert_int_equal(receive(b, &r, false), 503);
        assert_non_null(strstr(r.head, "Retry-After: "));
        assert_non_null(strstr(r.body, "limits.body_memory"));
        free(r.body);
        close(b);
        put(a, "x", 1);
        assert_int_equal(receive(a, &r, false), 200);
        assert_int_equal(r.length, sizeof part);
        free(r.body);
        close(a);
        until_connections(&c.s[0], 0);
        until_connections(&c.s[1], 0);
    }
    cluster_stop(&c);
}

struct hammer {
    struct cluster *c;
    pthread_t thread;
    unsigned answered, closed, wrong;
    bool stop; /* relaxed atomic */
};

static void *hammer_run(void *arg)
{
    struct hammer *h = arg;

    while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
        int fd = dial(h->c->port);
        puts_fd(fd, GET("/"));
        int st = status_of(fd);
        h->answered += st == 200;
        h->closed += st == 0; /* an idle connection may be closed at any time (RFC 9112, 9.3) */
        h->wrong += st != 200 && st != 0;
        close(fd);
    }
    return NULL;
}

/* Workers leave while connections arrive: the others take them. */
static void test_workers_leave(void **state)
{
    struct cluster c;
    struct hammer h = {.c = &c};

    (void)state;
    cluster_init(&c, 3);
    cluster_start(&c);
    assert_int_equal(pthread_create(&h.thread, NULL, hammer_run, &h), 0);
    for (unsigned i = 0; i < 2; i++) {
        unsigned before = locked(&c.s[2], &c.s[2].entered);
        server_command(&c.s[i], CMD_DRAIN);
        server_join(&c.s[i]);
        assert_true(c.s[i].drained);
        c.running[i] = 0;
        while (locked(&c.s[2], &c.s[2].entered) < before + 20)
            sched_yield();
    }
    __atomic_store_n(&h.stop, true, __ATOMIC_RELAXED);
    pthread_join(h.thread, NULL);
    assert_int_equal(h.wrong, 0);
    assert_true(h.answered >= 40);
    assert_true(h.closed <= 4); /* at most what was between accept and drain */
    cluster_stop(&c);
}

/* Nobody to serve: connections wait in the kernel for a worker. */
static void test_worker_comes_late(void **state)
{
    struct cluster c;
    struct ax_err err = {0};

    (void)state;
    cluster_init(&c, 2);
    c.o.min_ready = 2;
    c.listen_fd = listen_socket(&c.port);
    c.o.fds = &c.listen_fd;
    c.o.nfds = 1;
    assert_int_equal(ax_engine_new(&c.o, &c.engine, &err), 0);
    assert_false(ax_engine_ready(c.engine));
    int fd = dial(c.port);
    puts_fd(fd, GET("/ready"));
    c.s[0].engine = c.s[1].engine = c.engine;
    server_start(&c.s[0]);
    assert_int_equal(status_of(fd), 503); /* one of two is not enough */
    server_start(&c.s[1]);
    server_command(&c.s[1], CMD_NONE);
    assert_true(ax_engine_ready(c.engine));
    puts_fd(fd, GET("/ready"));
    assert_int_equal(status_of(fd), 200);
    ax_engine_set_stopping(c.engine);
    assert_false(ax_engine_ready(c.engine));
    puts_fd(fd, GET("/ready"));
    assert_int_equal(status_of(fd), 503);
    ax_engine_stop_accepting(c.engine);
    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World"); /* those that are there stay */
    close(fd);
    c.running[0] = c.running[1] = 1;
    cluster_stop(&c);
}

/* Who has connected in time is served, who comes later is refused at once and does not wait for the others to
 * end. */
static void test_stop_refuses_at_once(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct cluster c;
        cluster_init(&c, workers);
        cluster_start(&c);
        int silent = dial(c.port);
        puts_fd(silent, GET("/silent"));
        while (all_inflight(&c) == 0)
            sched_yield();
        int queued = dial(c.port);
        puts_fd(queued, GET("/"));
        ax_engine_set_stopping(c.engine);
        ax_engine_stop_accepting(c.engine);
        for (unsigned i = 0; i < workers; i++)
            server_command(&c.s[i], CMD_DRAIN);
        expect(queued, 200, "Hello World");
        assert_int_equal(try_to_connect(c.port), ECONNREFUSED);
        close(queued);
        for (unsigned i = 0; i < workers; i++) {
            if (ax_worker_load(c.s[i].worker).inflight)
                continue; /* it waits for an answer that never comes */
            server_join(&c.s[i]);
            c.running[i] = 0;
        }
        close(silent);
        cluster_stop(&c);
    }
}

/* A new engine accepts beside this one: from the moment this one has stopped, it alone gets the clients. */
static void test_stop_leaves_all_to_the_heir(void **state)
{
    enum { CLIENTS = 30, PATIENCE_MS = 5000 };

    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct cluster c;
        cluster_init(&c, workers);
        cluster_start(&c);
        struct pollfd heir = {.fd = fcntl(c.listen_fd, F_DUPFD_CLOEXEC, 0), .events = POLLIN};
        int before = dial_and_ask(&c);
        ax_engine_stop_accepting(c.engine);
        for (int i = 0; i < CLIENTS; i++) {
            int client = dial(c.port);
            assert_int_equal(poll(&heir, 1, PATIENCE_MS), 1);
            int got = accept4(heir.fd, NULL, NULL, SOCK_CLOEXEC);
            assert_true(got >= 0);
            close(got);
            close(client);
        }
        puts_fd(before, GET("/"));
        expect(before, 200, "Hello World");
        close(before);
        close(heir.fd);
        cluster_stop(&c);
    }
}

static void test_each_allocation_fails(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_engine_options o = {.workers = 4, .min_ready = 1};
        struct ax_engine *e = NULL;
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_engine_new(&o, &e, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            assert_true(n >= 3);
            ax_engine_free(e);
            break;
        }
        assert_int_equal(rc, -AX_E_NOMEM);
        assert_int_equal(err.code, AX_E_NOMEM);
        assert_null(e);
    }
    ax_engine_free(NULL);
}

static void test_no_delay_is_inherited(void **state)
{
    struct ax_engine *e;
    struct ax_err err = {0};
    unsigned port;
    int fd = listen_socket(&port), on = 0;
    socklen_t len = sizeof on;

    (void)state;
    const struct ax_engine_options o = {.workers = 2, .fds = &fd, .nfds = 1};
    assert_int_equal(ax_engine_new(&o, &e, &err), 0);
    int client = dial(port), accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_true(on);
    ax_engine_free(e);
    close(client);
    close(accepted);
    close(fd);
}

static void test_refused_options(void **state)
{
    int fds[17] = {0};
    struct ax_engine_options many = {.workers = 1, .fds = fds, .nfds = 17},
                             bad = {.workers = 1, .fds = fds, .nfds = 1};
    struct ax_engine *e;
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_engine_new(&many, &e, &err), -AX_E_LIMIT);
    fds[0] = -1;
    err = (struct ax_err){0};
    assert_int_equal(ax_engine_new(&bad, &e, &err), -AX_E_SYS);
    assert_int_equal(err.os, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_balance),
        cmocka_unit_test(test_balance_of_a_burst),
        cmocka_unit_test(test_least_inflight_goes_round_the_busy_one),
        cmocka_unit_test(test_longest_idle_first),
        cmocka_unit_test(test_pauses_and_resumes),
        cmocka_unit_test(test_no_pause_where_there_is_room),
        cmocka_unit_test(test_no_descriptor_left),
        cmocka_unit_test(test_no_descriptor_and_nothing_to_give_up),
        cmocka_unit_test(test_inflight_over_all_workers),
        cmocka_unit_test(test_inflight_of_one_worker),
        cmocka_unit_test(test_inflight_is_given_back),
        cmocka_unit_test(test_body_memory),
        cmocka_unit_test(test_workers_leave),
        cmocka_unit_test(test_worker_comes_late),
        cmocka_unit_test(test_stop_refuses_at_once),
        cmocka_unit_test(test_stop_leaves_all_to_the_heir),
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_no_delay_is_inherited),
        cmocka_unit_test(test_refused_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
