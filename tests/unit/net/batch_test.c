/* What is handed over when: requests of a client that does not read its answers wait, in order, and end with
 * it. */
#include "net/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define TIMES8(s) s s s s s s s s

/* One request is entered by a call, so that each is looked at behind the answer before it. */
static void start(struct server *s)
{
    server_init(s);
    s->enter_at_most = 1;
    server_start(s);
}

/* Others are served meanwhile; when they are, the worker has looked at all that came before. */
static void serve_another(struct server *s)
{
    int fd = pair_up(s);

    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World");
    close(fd);
}

static void expect_bodies(int fd, unsigned n, size_t length)
{
    struct response r;

    while (n--) {
        assert_int_equal(receive(fd, &r, false), 200);
        assert_int_equal(r.length, length);
        free(r.body);
    }
}

static void test_unread_answers_hold_the_next_requests(void **state)
{
    struct server s;

    (void)state;
    start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, TIMES8(GET("/big")) GET("/users/7"));
    assert_true(until_read(fd));
    serve_another(&s);
    serve_another(&s);
    assert_int_equal(locked(&s, &s.entered), 3); /* one of eight, and the others */
    expect_bodies(fd, 8, BIG);
    expect(fd, 200, "7");
    close(fd);
    server_stop(&s);
}

static void test_small_answers_hold_nothing(void **state)
{
    struct server s;

    (void)state;
    start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, TIMES8(GET("/users/1")));
    for (int i = 0; i < 8; i++)
        expect(fd, 200, "1");
    close(fd);
    server_stop(&s);
}

/* Answers given before their turn count too, while an entered request keeps them. */
static void test_answers_before_their_turn(void **state)
{
    struct server s;

    (void)state;
    start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, GET("/silent") TIMES8(GET("/big")));
    assert_true(until_read(fd));
    serve_another(&s);
    serve_another(&s);
    assert_int_equal(locked(&s, &s.entered), 4); /* the silent one, one of eight, and the others */
    close(fd);
    server_stop(&s);

    start(&s);
    fd = pair_up(&s);
    puts_fd(fd, GET("/later/a") TIMES8(GET("/big")));
    expect(fd, 200, "a");
    expect_bodies(fd, 8, BIG);
    close(fd);
    server_stop(&s);
}

/* An answer of the server itself behind a request that was not entered yet must not keep it from being so. */
static void test_answers_behind_one_that_waits_for_its_turn(void **state)
{
    static char text[40000];
    struct server s;

    (void)state;
    memset(text, 'f', sizeof text);
    server_init(&s);
    s.enter_at_most = 1;
    s.fixed = (struct ax_str){text, sizeof text};
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, GET("/users/1") TIMES8(TIMES8(GET("/fixed"))));
    expect(fd, 200, "1");
    expect_bodies(fd, 64, sizeof text);
    close(fd);
    server_stop(&s);
}

static void test_client_leaves_while_its_requests_wait(void **state)
{
    struct server s;

    (void)state;
    start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, TIMES8(GET("/big")));
    assert_true(until_read(fd));
    serve_another(&s);
    close(fd);
    until_connections(&s, 0);
    assert_int_equal(ax_worker_load(s.worker).inflight, 0);
    server_halt(&s);
    assert_int_equal(s.released, 1);
    assert_int_equal(ax_worker_counters(s.worker)->requests, 9);
    assert_int_equal(ax_worker_counters(s.worker)->aborted, 7);
    server_free(&s);
}

static void close_worker(struct server *s, struct ax_request *r)
{
    (void)r;
    ax_worker_close(s->worker, on_closed_all, s);
}

/* Within a batch of which more is left: the loop ends all the same, and nothing of it runs. */
static void test_worker_closed_by_a_handler(void **state)
{
    struct server s;

    (void)state;
    start(&s);
    s.enter_at_most = 1;
    s.custom = close_worker;
    int fd = pair_up(&s);
    puts_fd(fd, GET("/custom") GET("/custom"));
    expect_close(fd);
    close(fd);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.entered, 1);
    server_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unread_answers_hold_the_next_requests),
        cmocka_unit_test(test_small_answers_hold_nothing),
        cmocka_unit_test(test_answers_before_their_turn),
        cmocka_unit_test(test_answers_behind_one_that_waits_for_its_turn),
        cmocka_unit_test(test_client_leaves_while_its_requests_wait),
        cmocka_unit_test(test_worker_closed_by_a_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
