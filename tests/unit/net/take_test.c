/* Taking over from a worker that stands still, and passing connections on: real workers on threads of their
 * own, a C stub that spins in the place of JavaScript. */
#include "net/mailbox.h"
#include "net/team.h"

/* One connection in every state there is, on a worker that then stands still. */
struct scene {
    int idle, awaiting, spinning, behind, half_head, half_body, half_chunked, dropping, answered, closing,
        gone;
};

static struct scene set_up(struct team *t, unsigned id)
{
    struct server *s = &t->s[id];
    struct scene c = {.idle = join(t, id),
                      .awaiting = join(t, id),
                      .spinning = join(t, id),
                      .behind = join(t, id),
                      .half_head = join(t, id),
                      .half_body = join(t, id),
                      .half_chunked = join(t, id),
                      .dropping = join(t, id),
                      .answered = join(t, id),
                      .closing = join(t, id),
                      .gone = join(t, id)};

    puts_fd(c.idle, GET("/"));
    expect(c.idle, 200, "Hello World");
    puts_fd(c.awaiting, GET("/silent"));
    puts_fd(c.gone, GET("/silent"));
    until_entered(s, 3);
    close(c.gone);
    puts_fd(c.half_head, "GET / HTTP/1.1\r\nHo");
    puts_fd(c.half_body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234");
    puts_fd(c.half_chunked, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabc");
    puts_fd(c.dropping, "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nxxx");
    assert_int_equal(status_of(c.dropping), 404);
    assert_true(until_read(c.half_head) && until_read(c.half_body) && until_read(c.half_chunked));
    server_command(s, CMD_HOLD);
    puts_fd(c.answered, GET("/") GET("/missing"));
    puts_fd(c.spinning,
            GET("/") GET("/spin") GET("/users/7")
                GET("/missing") "POST /echo HTTP/1.1\r\nHost: x\r\n"
                                "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    puts_fd(c.behind, GET("/users/8"));
    puts_fd(c.closing, "GET /users/9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    server_go_on(s);
    until_spinning(s);
    return c;
}

static void expect_all(struct scene *c, int spun)
{
    expect(c->spinning, 200, "Hello World");
    assert_int_equal(status_of(c->spinning), spun);
    expect(c->spinning, 200, "7");
    assert_int_equal(status_of(c->spinning), 404);
    expect(c->spinning, 200, "abcde");
    assert_int_equal(status_of(c->awaiting), 502);
    expect(c->answered, 200, "Hello World");
    assert_int_equal(status_of(c->answered), 404);
    expect(c->behind, 200, "8");
    expect(c->closing, 200, "9");
    expect_close(c->closing);
    puts_fd(c->half_head, "st: x\r\n\r\n");
    expect(c->half_head, 200, "Hello World");
    puts_fd(c->half_body, "56789");
    expect(c->half_body, 200, "0123456789");
    puts_fd(c->half_chunked, "def\r\n1\r\ng\r\n0\r\n\r\n");
    expect(c->half_chunked, 200, "abcdefg");
    puts_fd(c->dropping, "xxxxx" GET("/users/1"));
    expect(c->dropping, 200, "1");
}

static void go_on_and_close(struct scene *c)
{
    int alive[] = {c->idle,      c->awaiting,     c->spinning, c->behind,  c->half_head,
                   c->half_body, c->half_chunked, c->dropping, c->answered};

    for (unsigned i = 0; i < sizeof alive / sizeof *alive; i++) {
        puts_fd(alive[i], GET("/users/again"));
        expect(alive[i], 200, "again");
        close(alive[i]);
    }
    close(c->closing);
}

static void check_event(const struct ax_engine_event *ev, enum ax_take_why why)
{
    assert_int_equal(ev->worker, 0);
    assert_int_equal(ev->why, why);
    assert_int_equal(ev->answered_504, why == AX_TAKE_STALL ? 1 : 0);
    assert_int_equal(ev->answered_504 + ev->answered_502,
                     3); /* spinning, awaiting, and gone: a FIN alone ends no request */
    assert_true(ev->route > 0 && strlen(ev->id) == AX_ID_LEN);
    assert_true(ev->moved >= 10);
}

/* While its handler still spins, everybody else goes on with the other worker. */
static void test_stall(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 2);
    struct scene c = set_up(&t, 0);
    expect_all(&c, 504);
    struct ax_engine_event ev = await_event(&t, AX_EV_TAKEN);
    check_event(&ev, AX_TAKE_STALL);
    assert_true(ax_worker_taken(t.s[0].worker));
    go_on_and_close(&c);
    until_connections(&t.s[1], 0);
    team_stop(&t, 2);
}

/* With nobody else they wait for the one that comes in its place. */
static void test_stall_of_the_only_one(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 1);
    struct scene c = set_up(&t, 0);
    struct ax_engine_event ev = await_event(&t, AX_EV_TAKEN);
    check_event(&ev, AX_TAKE_STALL);
    start_worker(&t, 1);
    expect_all(&c, 504);
    go_on_and_close(&c);
    team_stop(&t, 2);
}

/* Each request is counted once, by whoever has answered it. */
static void test_counts(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 2);
    struct scene c = set_up(&t, 0);
    expect_all(&c, 504);
    go_on_and_close(&c);
    until_connections(&t.s[1], 0);
    struct ax_counters a, b;
    ax_segment_read_counters(t.s[0].segment, 0, &a);
    ax_segment_read_counters(t.s[1].segment, 0, &b);
    /* answered: idle 1, awaiting 1, spinning 5, answered 2, behind 1, closing 1, half ones 3, dropping 2,
     * nine again, and the one whose client has gone */
    assert_int_equal(a.requests + b.requests, 1 + 1 + 5 + 2 + 1 + 1 + 3 + 2 + 9 + 1);
    assert_int_equal(a.inflight, 0);
    assert_int_equal(a.connections, 0);
    assert_int_equal(a.timeouts, 1);
    team_stop(&t, 2);
}

/* A thread that will never come back: what the handler of SIGABRT does. */
static void test_abort(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 2);
    struct scene c = set_up(&t, 0);
    while (!ax_engine_abort(t.engine, t.s[0].worker)) /* it may be within a turn of its own */
        sched_yield();
    struct ax_engine_event ev = await_event(&t, AX_EV_TAKEN);
    check_event(&ev, AX_TAKE_ABORT);
    expect_all(&c, 502);
    go_on_and_close(&c);
    until_connections(&t.s[1], 0);
    team_stop(&t, 2);
}

/* It comes back just when the watchdog loses patience: one of them has it, never both and never none. */
static void test_back_in_the_nick_of_time(void **state)
{
    enum { TIMES = 12, STEP_US = 1500 };

    (void)state;
    for (int i = 0; i < TIMES; i++) {
        struct team t;
        struct timespec until = {.tv_nsec = (STALL_US + (i - TIMES / 2) * STEP_US) * 1000L}, now;
        team_start(&t, 2);
        int fd = join(&t, 0), idle = join(&t, 0);
        puts_fd(fd, GET("/spin"));
        until_spinning(&t.s[0]);
        clock_gettime(CLOCK_MONOTONIC, &now);
        until.tv_sec = now.tv_sec + (until.tv_nsec + now.tv_nsec) / 1000000000;
        until.tv_nsec = (until.tv_nsec + now.tv_nsec) % 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        end_spin(&t.s[0]);
        int status = status_of(fd);
        assert_true(status == 200 || status == 504);
        for (int again = 0; again < 2; again++) {
            puts_fd(again ? idle : fd, GET("/users/1"));
            expect(again ? idle : fd, 200, "1");
        }
        close(fd);
        close(idle);
        team_stop(&t, 2);
    }
}

/* A loop that sleeps, or works on, is left alone. */
static void test_no_stall(void **state)
{
    struct team t;
    struct timespec until, now;

    (void)state;
    team_start(&t, 2);
    int fd = join(&t, 0);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1;
    do {
        puts_fd(fd, GET("/"));
        expect(fd, 200, "Hello World");
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec));
    assert_int_equal(t.nevents, 0);
    close(fd);
    team_stop(&t, 2);
}

static void on_silent(uv_timer_t *timer)
{
    struct server *s = timer->data;

    if (!ax_worker_enter(s->worker))
        return;
    answer(ax_request_get(s->worker, s->silent.index, s->silent.gen), 200, AX_STR("at last"));
    ax_worker_leave(s->worker);
}

static void answer_silent(struct server *s)
{
    s->on_custom_timer = on_silent;
    server_command(s, CMD_TIMER);
}

/* Nothing is closed: idle ones at once, busy ones after their answer. */
static void test_retire(void **state)
{
    struct team t;

    (void)state;
    team_start(&t, 2);
    int idle = join(&t, 0), half = join(&t, 0), busy = join(&t, 0);
    puts_fd(idle, GET("/"));
    expect(idle, 200, "Hello World");
    puts_fd(half, "GET / HTTP/1.1\r\nHo");
    puts_fd(busy, GET("/silent"));
    until_entered(&t.s[0], 2);
    assert_true(until_read(half));
    server_command(&t.s[0], CMD_RETIRE);
    puts_fd(idle, GET("/users/1"));
    expect(idle, 200, "1");
    puts_fd(half, "st: x\r\n\r\n");
    expect(half, 200, "Hello World");
    until_connections(&t.s[1], 2);
    answer_silent(&t.s[0]);
    expect(busy, 200, "at last");
    puts_fd(busy, GET("/users/2"));
    expect(busy, 200, "2");
    pthread_join(t.s[0].thread, NULL);
    assert_true(t.s[0].drained);
    server_free(&t.s[0]);
    close(idle);
    close(half);
    close(busy);
    server_stop(&t.s[1]);
    ax_engine_free(t.engine);
    pthread_mutex_destroy(&t.lock);
}

/* From engine to engine, through a mailbox. */
static void test_heir(void **state)
{
    struct team old, new;
    struct ax_err err = {0};
    int box[2][2];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ax_mailbox_pair(&box[i][0], &box[i][1], &err), 0);
    team_start_with(&old, 1, box[0][0]);
    team_start_with(&new, 1, box[1][0]);
    int idle = join(&old, 0), half = join(&old, 0), busy = join(&old, 0), many = join(&old, 0);
    puts_fd(idle, GET("/"));
    expect(idle, 200, "Hello World");
    char cookie[12000];
    memset(cookie, 'c', sizeof cookie);
    puts_fd(half, "GET / HTTP/1.1\r\nHost: x\r\nCookie: ");
    put(half, cookie, sizeof cookie);
    puts_fd(busy, GET("/later"));
    puts_fd(many, GET("/"));
    expect(many, 200, "Hello World");
    assert_true(until_read(half) && until_read(busy));
    assert_int_equal(ax_mailbox_send_heir(box[0][1], box[1][1], &err), 0);
    server_command(&old.s[0], CMD_RETIRE);
    expect(busy, 200, "later");
    pthread_join(old.s[0].thread, NULL);
    until_connections(&new.s[0], 4);
    int all[] = {idle, half, busy, many};
    puts_fd(half, "\r\n\r\n");
    expect(half, 200, "Hello World");
    for (unsigned i = 0; i < 4; i++) {
        puts_fd(all[i], GET("/users/1"));
        expect(all[i], 200, "1");
        close(all[i]);
    }
    until_connections(&new.s[0], 0);
    assert_true(ax_engine_handed_over(old.engine));
    await_event(&old, AX_EV_HANDED_OVER);
    server_free(&old.s[0]);
    ax_engine_free(old.engine);
    server_stop(&new.s[0]);
    ax_engine_free(new.engine);
    close(box[0][1]);
    close(box[1][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stall),    cmocka_unit_test(test_stall_of_the_only_one),
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_abort),
        cmocka_unit_test(test_no_stall), cmocka_unit_test(test_back_in_the_nick_of_time),
        cmocka_unit_test(test_retire),   cmocka_unit_test(test_heir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
