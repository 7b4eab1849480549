/* A route's own ceiling: who gets a place, who waits, in which order, over one and over several workers. */
#include "net/admission.h"

#include "net/harness.h"

#define GATED(n) "GET /gated/" n " HTTP/1.1\r\nHost: x\r\n\r\n"
#define HELLO    "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

/* Keeps it until CMD_ANSWER. */
static void keep(struct server *s, struct ax_request *r)
{
    s->later[s->nlater].index = r->index;
    s->later[s->nlater++].gen = r->gen;
}

static void start(struct server *s, uint32_t max, uint32_t queue)
{
    server_init(s);
    s->custom = keep;
    s->gate = max;
    s->queue = queue;
    s->set.timeout_handler_us = -1;
    server_start(s);
}

/* Sent, and the loop has dealt with it. */
static int send_to(struct server *s, const char *request)
{
    int fd = pair_up(s);

    puts_fd(fd, request);
    assert_true(until_read(fd));
    server_command(s, CMD_NONE);
    return fd;
}

static void load_is(struct server *s, uint32_t inflight, uint32_t waiting)
{
    time_t end = time(NULL) + RECEIVE_S;
    uint32_t i, n;

    for (;;) {
        ax_gates_load(ax_site_gates(s->site), 1, &i, &n);
        if (i == inflight && n == waiting)
            return;
        if (time(NULL) > end)
            fail_msg("%u in progress and %u waiting, not %u and %u", i, n, inflight, waiting);
        sched_yield();
    }
}

static void expect_503(int fd, const char *says)
{
    struct response r;

    assert_int_equal(receive(fd, &r, false), 503);
    assert_non_null(strstr(r.head, "Retry-After: 1\r\n"));
    if (!strstr(r.body, "\"limit\":\"max_inflight\"") || !strstr(r.body, says))
        fail_msg("%s", r.body);
    free(r.body);
}

static void test_without_a_line(void **state)
{
    struct server s;

    (void)state;
    start(&s, 2, 0);
    int a = send_to(&s, GATED("a")), b = send_to(&s, GATED("b")), c = send_to(&s, GATED("c"));
    expect_503(c, "too many requests of this route");
    puts_fd(c, HELLO); /* other routes have their own, and the connection goes on */
    expect(c, 200, "Hello World");
    load_is(&s, 2, 0);
    server_command(&s, CMD_ANSWER);
    expect(a, 200, "a");
    expect(b, 200, "b");
    load_is(&s, 0, 0);
    puts_fd(c, GATED("c"));
    assert_true(until_read(c));
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_ANSWER);
    expect(c, 200, "c");
    close(a);
    close(b);
    close(c);
    server_halt(&s);
    assert_int_equal(ax_worker_counters(s.worker)->limited, 1);
    server_free(&s);
}

static void test_in_order_of_arrival(void **state)
{
    static const char *const requests[] = {GATED("a"), GATED("b"), GATED("c"), GATED("d"), GATED("e")};
    int fd[AX_COUNT(requests)];
    struct server s;

    (void)state;
    start(&s, 1, 4);
    for (size_t i = 0; i < AX_COUNT(requests); i++) {
        fd[i] = send_to(&s, requests[i]);
        load_is(&s, 1, (uint32_t)i);
    }
    expect_503(send_to(&s, GATED("f")), "too many");
    for (size_t i = 0; i < AX_COUNT(requests); i++) {
        assert_int_equal(locked(&s, &s.entered), i + 1);
        server_command(&s, CMD_ANSWER);
        expect(fd[i], 200, (char[]){(char)('a' + i), '\0'});
        load_is(&s, i + 1 < AX_COUNT(requests), i + 2 < AX_COUNT(requests) ? (uint32_t)(3 - i) : 0);
        server_command(&s, CMD_NONE); /* the next one was entered */
        server_command(&s, CMD_NONE);
        close(fd[i]);
    }
    load_is(&s, 0, 0);
    server_stop(&s);
}

/* Bodies are read while their requests wait; a refused one's is not waited for. */
static void test_bodies(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    start(&s, 1, 1);
    int a = send_to(&s, GATED("a"));
    int b =
        send_to(&s, "POST /gated/b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(receive(b, &r, true), 100);
    int c =
        send_to(&s, "POST /gated/c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    expect_503(c, "too many");
    expect_close(c);
    int d = send_to(&s, "POST /gated/d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    expect_503(d, "too many");
    puts_fd(d, "xyz" HELLO);
    expect(d, 200, "Hello World");
    server_command(&s, CMD_ANSWER);
    expect(a, 200, "a");
    load_is(&s, 1, 0);
    assert_int_equal(locked(&s, &s.entered), 2); /* b has a place, but not all of its body */
    puts_fd(b, "xyz");
    assert_true(until_read(b));
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_ANSWER);
    expect(b, 200, "b");
    load_is(&s, 0, 0);
    close(a);
    close(b);
    close(c);
    close(d);
    server_stop(&s);
}

static void test_pipelined(void **state)
{
    struct server s;

    (void)state;
    start(&s, 1, 5);
    int a = send_to(&s, GATED("a") GATED("b") HELLO GATED("c"));
    load_is(&s, 1, 1); /* what is behind b waits unread */
    server_command(&s, CMD_ANSWER);
    expect(a, 200, "a");
    load_is(&s, 1, 1);
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_ANSWER);
    expect(a, 200, "b");
    expect(a, 200, "Hello World");
    load_is(&s, 1, 0);
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_ANSWER);
    expect(a, 200, "c");
    close(a);
    server_stop(&s);
}

/* Whoever leaves gives up its place in the line; a client that closed only its half is told. */
static void test_who_leaves(void **state)
{
    struct server s;

    (void)state;
    start(&s, 1, 2);
    int a = send_to(&s, GATED("a")), b = send_to(&s, GATED("b")), c = send_to(&s, GATED("c"));
    load_is(&s, 1, 2);
    close(b);
    load_is(&s, 1, 1);
    int d = send_to(&s, "POST /gated/d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    load_is(&s, 1, 2);
    close(d); /* within its body */
    load_is(&s, 1, 1);
    int e = send_to(&s, GATED("e"));
    assert_int_equal(shutdown(e, SHUT_WR), 0);
    expect_503(e, "closed while it waited");
    expect_close(e);
    close(e);
    close(a); /* in progress: its place is kept until its handler answers */
    server_command(&s, CMD_NONE);
    load_is(&s, 1, 1);
    server_command(&s, CMD_ANSWER);
    load_is(&s, 1, 0);
    server_command(&s, CMD_NONE);
    server_command(&s, CMD_ANSWER);
    expect(c, 200, "c");
    load_is(&s, 0, 0);
    close(c);
    server_stop(&s);
}

static void test_waits_no_longer_than_the_timeout(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.custom = keep;
    s.gate = 1;
    s.queue = 2;
    s.gate_timeout = 200000; /* us: a, b and c are sent within it */
    server_start(&s);
    int a = send_to(&s, GATED("a")), b = send_to(&s, GATED("b"));
    int c = send_to(&s, "POST /gated/c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    assert_int_equal(status_of(a), 504); /* which lets b go on, or b has waited too long just now */
    int first = status_of(b);
    assert_true(first == 503 || first == 504);
    if (first == 503) /* then c may have been let in instead, and waits for its body */
        puts_fd(c, "xyz" HELLO);
    int st = status_of(c);
    assert_true(st == 503 || st == (first == 503 ? 504 : 408));
    if (first == 504)
        puts_fd(c, "xyz" HELLO);
    expect(c, 200, "Hello World");
    load_is(&s, 0, 0);
    close(a);
    close(b);
    close(c);
    server_stop(&s);
}

/* ---- several workers of one site */

enum { WORKERS = 3 };

static void start_all(struct server s[WORKERS], uint32_t max, uint32_t queue)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        server_init(&s[i]);
        s[i].custom = keep;
        s[i].id = i;
        s[i].gate = max;
        s[i].queue = queue;
        s[i].share = i ? &s[0] : NULL;
        server_prepare(&s[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        struct ax_err err = {0};
        s[i].listen_fd = listen_socket(&s[i].port);
        assert_int_equal(ax_worker_listen(s[i].worker, s[i].listen_fd, &err), 0);
        server_run(&s[i]);
    }
}

static void test_over_all_workers(void **state)
{
    /* who comes at which worker; a place that comes free anywhere is of the one who has waited longest */
    static const unsigned at[] = {0, 1, 2, 1, 0, 2, 2, 1};
    struct server s[WORKERS];
    int fd[AX_COUNT(at)];

    (void)state;
    start_all(s, 1, 7);
    for (size_t i = 0; i < AX_COUNT(at); i++) {
        fd[i] = send_to(&s[at[i]], GATED("x"));
        load_is(&s[0], 1, (uint32_t)i);
    }
    expect_503(send_to(&s[2], GATED("x")), "too many");
    for (size_t i = 0; i < AX_COUNT(at); i++) {
        struct server *who = &s[at[i]];
        time_t end = time(NULL) + RECEIVE_S;
        unsigned before = 0;
        for (size_t k = 0; k <= i; k++)
            before += at[k] == at[i];
        while (locked(who, &who->entered) < before && time(NULL) <= end)
            sched_yield();
        assert_int_equal(locked(who, &who->entered), before);
        server_command(who, CMD_NONE);
        server_command(who, CMD_ANSWER);
        expect(fd[i], 200, "x");
        close(fd[i]);
    }
    load_is(&s[0], 0, 0);
    for (unsigned i = WORKERS; i-- > 0;)
        server_stop(&s[i]);
}

/* A worker that closes gives back what its requests had, and what was granted to them. */
static void test_a_worker_closes(void **state)
{
    struct server s[WORKERS];

    (void)state;
    start_all(s, 1, 4);
    int a = send_to(&s[1], GATED("a")), b = send_to(&s[1], GATED("b")), c = send_to(&s[2], GATED("c"));
    load_is(&s[0], 1, 2);
    server_stop(&s[1]);
    load_is(&s[0], 1, 0); /* c's */
    server_command(&s[2], CMD_NONE);
    server_command(&s[2], CMD_ANSWER);
    expect(c, 200, "c");
    load_is(&s[0], 0, 0);
    close(a);
    close(b);
    close(c);
    server_stop(&s[2]);
    server_stop(&s[0]);
}

static void test_no_memory(void **state)
{
    (void)state;
    ax_fail_alloc_at(1);
    assert_null(ax_gates_new(3));
    ax_fail_alloc_at(0);
    ax_gates_free(NULL);
    struct ax_gates *g = ax_gates_new(0);
    assert_non_null(g);
    ax_gates_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_line),   cmocka_unit_test(test_in_order_of_arrival),
        cmocka_unit_test(test_bodies),           cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_who_leaves),       cmocka_unit_test(test_waits_no_longer_than_the_timeout),
        cmocka_unit_test(test_over_all_workers), cmocka_unit_test(test_a_worker_closes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
