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

/* ---- answers that come later: room is set aside for them before their request is entered */

enum { LATE = 100000, OUTPUT = 1 << 20 };

static void keep_for_later(struct server *s, struct ax_request *r)
{
    s->later[s->nlater].index = r->index;
    s->later[s->nlater++].gen = r->gen;
    if (!uv_is_active((uv_handle_t *)&s->timer))
        uv_timer_start(&s->timer, s->on_custom_timer, 1, 0);
}

static void release_late(void *owner)
{
    ((struct server *)owner)->released_custom++;
}

/* All that was entered is answered at once; how many answers the connection holds is looked at. */
static void answer_late(uv_timer_t *t)
{
    struct server *s = t->data;

    while (s->nlater) {
        s->nlater--;
        struct ax_request *r = ax_request_get(s->worker, s->later[s->nlater].index, s->later[s->nlater].gen);
        if (!r)
            continue;
        s->given_custom++;
        ax_reply(r, &(struct ax_reply){.status = 200,
                                       .content = AX_CONTENT_BYTES,
                                       .body = {s->big, LATE},
                                       .release = release_late,
                                       .owner = s});
    }
    unsigned held = s->given_custom - s->released_custom;
    pthread_mutex_lock(&s->lock);
    s->most_held = held > s->most_held ? held : s->most_held;
    pthread_mutex_unlock(&s->lock);
}

/* A client that pipelines and does not read: no more is held than limits.output and one answer more, and when
 * it reads, all of it comes. */
static void test_late_answers_of_a_client_that_does_not_read(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.custom = keep_for_later;
    s.on_custom_timer = answer_late;
    server_start(&s);
    for (unsigned round = 0; round < 4; round++) {
        int fd = pair_up(&s);
        puts_fd(fd, TIMES8(TIMES8(GET("/custom"))));
        assert_true(until_read(fd));
        while (locked(&s, &s.most_held) == 0)
            sched_yield();
        expect_bodies(fd, 64, LATE);
        /* and one of which a part was sent; at first nothing is known of the route: a sixteenth of the
         * ceiling is taken for an answer */
        assert_in_range(s.most_held, 1, round == 0 ? 17 : OUTPUT / LATE + 2);
        pthread_mutex_lock(&s.lock);
        s.most_held = 0;
        pthread_mutex_unlock(&s.lock);
        close(fd);
        until_connections(&s, 0);
    }
    server_halt(&s);
    assert_int_equal(s.released_custom, 4 * 64);
    server_free(&s);
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

enum { TIGHT = 4096 }; /* limits.output: room for one answer of half of it, not for two */

/* The third request closes the worker behind its answer. */
static void answer_and_close(struct server *s, struct ax_request *r)
{
    answer(r, 200, (struct ax_str){s->big, TIGHT / 2});
    if (++s->given_custom == 3)
        ax_worker_close(s->worker, on_closed_all, s);
}

/* Of two at a time the second is parked, with more of its connection behind the batch: when the last answer
 * leaves from within the call there is room for it again, but the list must stay as the call was given it. */
static void test_worker_closed_while_requests_are_parked(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.set.batch = 2;
    s.set.limit_output = TIGHT;
    s.custom = answer_and_close;
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, TIMES8(GET("/custom")));
    expect_bodies(fd, 3, TIGHT / 2);
    expect_close(fd);
    close(fd);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.entered, 3);
    server_free(&s);
}

/* A ceiling of which a sixteenth has more than 32 bits: what was set aside comes back all the same. */
static void test_requests_under_a_huge_ceiling(void **state)
{
    static const int64_t ceilings[] = {INT64_C(1) << 53, -1};
    struct server s;

    (void)state;
    for (size_t i = 0; i < AX_COUNT(ceilings); i++) {
        server_init(&s);
        s.set.limit_output = ceilings[i];
        server_start(&s);
        int fd = pair_up(&s);
        for (int round = 0; round < 2; round++) {
            puts_fd(fd, TIMES8(TIMES8(GET("/later"))));
            for (int k = 0; k < 64; k++)
                expect(fd, 200, "later");
        }
        close(fd);
        server_stop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unread_answers_hold_the_next_requests),
        cmocka_unit_test(test_small_answers_hold_nothing),
        cmocka_unit_test(test_answers_before_their_turn),
        cmocka_unit_test(test_answers_behind_one_that_waits_for_its_turn),
        cmocka_unit_test(test_late_answers_of_a_client_that_does_not_read),
        cmocka_unit_test(test_client_leaves_while_its_requests_wait),
        cmocka_unit_test(test_worker_closed_by_a_handler),
        cmocka_unit_test(test_worker_closed_while_requests_are_parked),
        cmocka_unit_test(test_requests_under_a_huge_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
