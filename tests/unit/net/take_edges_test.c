/* Taking over at moments when little is as it should be: connections about to close, answers without their
 * bodies, no memory, no room for a file, nobody to go to. */
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include "net/mailbox.h"
#include "net/parcel.h"
#include "net/take.h"
#include "net/team.h"

/* ---- a request that has its answer, and whose body nobody has kept */

static int spinning_with(struct team *t, const char *behind)
{
    int fd = join(t, 0);

    server_command(&t->s[0], CMD_HOLD);
    puts_fd(fd, GET("/") GET("/spin"));
    puts_fd(fd, behind);
    server_go_on(&t->s[0]);
    until_spinning(&t->s[0]);
    return fd;
}

/* Its body's bytes are not there any more, and must not be looked for in what comes next: the connection ends
 * before it. */
static void test_body_dropped_behind(void **state)
{
    static const char *const cases[] = {
        GET("/users/7") "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n12345678" GET(
            "/users/8"),
        GET("/users/7") "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\n123",
        GET("/users/7") "POST /missing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n0\r\n\r\n" GET("/users/8"),
        GET("/users/7") "POST /missing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na",
        GET("/users/7") "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct team t;
        team_start(&t, 2);
        int fd = spinning_with(&t, cases[i]);
        expect(fd, 200, "Hello World");
        assert_int_equal(status_of(fd), 504);
        expect(fd, 200, "7");
        expect_close(fd);
        close(fd);
        until_connections(&t.s[1], 0);
        team_stop(&t, 2);
    }
}

/* ---- a connection that was closed in the turn in which the worker got stuck */

static void answer_and_fail(struct server *s, struct ax_request *r)
{
    struct ax_request *first, *second;

    if (ax_str_eq(r->params[0], AX_STR("keep"))) {
        s->later[s->nlater].index = r->index;
        s->later[s->nlater++].gen = r->gen;
        return;
    }
    first = ax_request_get(s->worker, s->later[0].index, s->later[0].gen);
    second = ax_request_get(s->worker, s->later[1].index, s->later[1].gen);
    answer(first, 200, AX_STR("is to be written"));
    ax_fail_alloc_at(1);
    answer(second, 200, (struct ax_str){s->big, 300000}); /* no memory: its connection closes */
    ax_fail_alloc_at(0);
    s->nlater = 0;
    answer(r, 200, AX_STR("done"));
}

static void test_closed_with_output(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 2);
    t.s[0].custom = answer_and_fail;
    int closing = join(&t, 0), spinning = join(&t, 0);
    puts_fd(closing, GET("/custom/keep") GET("/custom/keep"));
    until_entered(&t.s[0], 2);
    server_command(&t.s[0], CMD_HOLD);
    puts_fd(spinning, GET("/custom/go") GET("/spin"));
    server_go_on(&t.s[0]);
    expect(spinning, 200, "done");
    assert_int_equal(status_of(spinning), 504);
    expect_close(closing);
    close(closing);
    close(spinning);
    team_stop(&t, 2);
}

/* ---- a client that has closed its half */

static void test_half_closed(void **state)
{
    struct team t;
    time_t end = time(NULL) + RECEIVE_S;

    (void)state;
    team_start(&t, 2);
    int fd = join(&t, 0);
    puts_fd(fd, GET("/silent"));
    until_entered(&t.s[0], 1);
    shutdown(fd, SHUT_WR);
    while (!locked(&t.s[0], &t.s[0].gone_client) && time(NULL) < end)
        sched_yield();
    int spinning = spinning_with(&t, "");
    assert_int_equal(status_of(fd), 502);
    expect_close(fd);
    close(fd);
    close(spinning);
    team_stop(&t, 2);
}

/* ---- without memory */

static void take_by_hand(struct team *t, struct ax_list *parcels, int dead, unsigned fail_at)
{
    struct ax_worker *w = t->s[0].worker;
    struct ax_worker_front *front = (struct ax_worker_front *)w;
    struct ax_engine_event ev = {.kind = AX_EV_TAKEN, .why = AX_TAKE_STALL};
    uint32_t js = AX_OWNER_JS;

    while (!__atomic_compare_exchange_n(&front->owner, &js, AX_OWNER_TAKEN, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED))
        js = AX_OWNER_JS;
    ax_engine_unregister(t->engine, w);
    ax_fail_alloc_at(fail_at);
    ax_take(w, dead, parcels, &ev);
    ax_fail_alloc_at(0);
    __atomic_store_n(&front->owner, AX_OWNER_DONE, __ATOMIC_RELEASE);
}

/* What cannot be moved is closed, by whoever may: nothing of the worker's loop is touched, nothing is lost
 * twice. */
static void test_no_memory(void **state)
{
    enum { ALLOCS = 24 };
    int dead[2];

    (void)state;
    assert_int_equal(pipe2(dead, O_CLOEXEC), 0);
    for (unsigned fail_at = 1; fail_at <= ALLOCS; fail_at++) {
        struct team t;
        struct ax_list parcels;
        ax_list_init(&parcels);
        team_init(&t, -1, -1);
        start_worker(&t, 0);
        int awaiting = join(&t, 0), half = join(&t, 0);
        puts_fd(awaiting, GET("/silent"));
        until_entered(&t.s[0], 1);
        puts_fd(half, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
        assert_true(until_read(half));
        int spinning = spinning_with(&t, GET("/users/7"));
        take_by_hand(&t, &parcels, dead[0], fail_at);
        unsigned moved = 0;
        AX_LIST_EACH(it, &parcels)
        {
            ax_parcel_free(AX_LIST_ENTRY(it, struct ax_parcel, node));
            ax_engine_put_connection(t.engine);
            moved++;
        }
        assert_true(moved >= 2);
        for (unsigned i = 0; i < 3; i++) { /* each was counted out once */
            int fd = i == 0 ? awaiting : i == 1 ? half : spinning;
            close(fd);
        }
        team_stop(&t, 1);
    }
    close(dead[0]);
    close(dead[1]);
}

/* ---- one parcel that cannot be sent */

static void test_parcel_too_large_to_write(void **state)
{
    enum { MUCH = 200000 };
    struct rlimit old, none;
    struct ax_err err = {0};
    struct team from, to;
    int box[2][2];
    char *body = calloc(1, MUCH);

    (void)state;
    memset(body, 'b', MUCH);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ax_mailbox_pair(&box[i][0], &box[i][1], &err), 0);
    team_start_with(&from, 1, box[0][0]);
    team_start_with(&to, 1, box[1][0]);
    assert_int_equal(ax_mailbox_send_heir(box[0][1], box[1][1], &err), 0);
    int large = join(&from, 0), idle = join(&from, 0);
    puts_fd(large, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n");
    put(large, body, MUCH);
    assert_true(until_read(large));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    none = old;
    none.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int spinning = spinning_with(&from, GET("/users/7"));
    expect(spinning, 200, "Hello World");
    assert_int_equal(status_of(spinning), 504);
    expect(spinning, 200, "7");
    puts_fd(idle, GET("/users/1"));
    expect(idle, 200, "1");
    expect_close(large);
    setrlimit(RLIMIT_FSIZE, &old);
    int all[] = {large, idle, spinning};
    for (unsigned i = 0; i < 3; i++)
        close(all[i]);
    team_stop(&from, 1);
    team_stop(&to, 1);
    close(box[0][1]);
    close(box[1][1]);
    free(body);
}

/* What cannot leave the process goes on in it, while there is a worker. */
static void test_chunked_beside_an_heir(void **state)
{
    enum { PATIENT_STALL_US = 600000 };
    struct ax_err err = {0};
    struct team t;
    int box[2][2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ax_mailbox_pair(&box[i][0], &box[i][1], &err), 0);
    team_make(&t, (struct ax_engine_options){
                      .workers = WORKERS_MAX, .stall_us = PATIENT_STALL_US, .mailbox_fd = box[0][0]});
    start_worker(&t, 0);
    start_worker(&t, 1); /* must not be taken for one that stands still itself */
    assert_int_equal(ax_mailbox_send_heir(box[0][1], box[1][1], &err), 0);
    int fd = join(&t, 0);
    puts_fd(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabc");
    assert_true(until_read(fd));
    int spinning = spinning_with(&t, "");
    await_event(&t, AX_EV_TAKEN);
    puts_fd(fd, "def\r\n0\r\n\r\n");
    expect(fd, 200, "abcdef");
    close(fd);
    close(spinning);
    team_stop(&t, 2);
    close(box[0][1]);
    close(box[1][0]);
    close(box[1][1]);
}

/* ---- nobody to go to */

/* What is answered need not wait until somebody takes the connection. */
static void test_answered_at_once(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 1);
    int fd = spinning_with(&t, GET("/users/7"));
    expect(fd, 200, "Hello World");
    assert_int_equal(status_of(fd), 504);
    start_worker(&t, 1);
    expect(fd, 200, "7");
    close(fd);
    team_stop(&t, 2);
}

/* Clients that the kernel has let in belong to whoever serves, not to a worker that was taken over. */
static void test_queued_clients(void **state)
{
    struct team t;
    unsigned port;
    int listener = listen_socket(&port);
    struct pollfd p = {.fd = listener, .events = POLLIN};

    (void)state;
    team_init(&t, STALL_US, listener);
    start_worker(&t, 0);
    int fd = spinning_with(&t, "");
    await_event(&t, AX_EV_TAKEN);
    int queued = dial(port);
    puts_fd(queued, GET("/users/7"));
    ax_engine_set_stopping(t.engine);
    ax_engine_stop_accepting(t.engine);
    end_spin(&t.s[0]);
    server_stop(&t.s[0]);
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(p.revents, POLLIN);
    close(queued);
    close(fd);
    close(listener);
    ax_engine_free(t.engine);
    pthread_mutex_destroy(&t.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_dropped_behind), cmocka_unit_test(test_closed_with_output),
        cmocka_unit_test(test_no_memory),           cmocka_unit_test(test_parcel_too_large_to_write),
        cmocka_unit_test(test_half_closed),         cmocka_unit_test(test_chunked_beside_an_heir),
        cmocka_unit_test(test_answered_at_once),    cmocka_unit_test(test_queued_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
