/* What the one who answers can do with a request, and what comes of it. */
#include "net/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void count_release(void *owner)
{
    struct server *s = owner;

    s->released_custom++;
}

static struct ax_reply lent(struct server *s, unsigned status, struct ax_str body)
{
    return (struct ax_reply){
        .status = status, .content = AX_CONTENT_BYTES, .body = body, .release = count_release, .owner = s};
}

/* One request to /custom on a connection of its own; the response is in *r. */
static int custom(struct server *s, const char *request, struct response *r, bool head_only)
{
    int fd = pair_up(s);

    puts_fd(fd, request);
    int st = receive(fd, r, head_only);
    close(fd);
    return st;
}

static void answer_twice(struct server *s, struct ax_request *r)
{
    struct ax_reply again = lent(s, 500, AX_STR("second"));
    size_t room;

    answer(r, 200, AX_STR("first"));
    if (ax_reply(r, &again) != -AX_E_STATE || ax_reply_error(r, 500, "third", NULL) != -AX_E_STATE ||
        ax_reply_begin(r, &again, 10, &room))
        abort();
}

static void test_second_answer_is_refused(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.custom = answer_twice;
    server_start(&s);
    assert_int_equal(custom(&s, GET("/custom"), &r, false), 200);
    assert_string_equal(r.body, "first");
    free(r.body);
    server_stop(&s);
    assert_int_equal(s.released_custom, 1); /* given back though it was not sent */
}

static void lend(struct server *s, struct ax_request *r)
{
    struct ax_reply reply = lent(s, 200, AX_STR("lent"));

    ax_reply(r, &reply);
}

/* Lent bytes are given back exactly once: sent, not wanted by HEAD, or lost with the connection. */
static void test_lent_bytes(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.custom = lend;
    server_start(&s);
    assert_int_equal(custom(&s, GET("/custom"), &r, false), 200);
    assert_string_equal(r.body, "lent");
    free(r.body);
    assert_int_equal(custom(&s, "HEAD /custom HTTP/1.1\r\nHost: x\r\n\r\n", &r, true), 200);
    assert_int_equal(r.length, 4);
    int fd = pair_up(&s); /* held behind a request that is never answered */
    puts_fd(fd, GET("/silent") GET("/custom"));
    assert_true(until_read(fd));
    close(fd);
    server_stop(&s);
    assert_int_equal(s.released_custom, 3);
}

static void write_in_place(struct server *s, struct ax_request *r)
{
    struct ax_reply reply = {.status = 200, .content = AX_CONTENT_TEXT}, none = {.status = 204};
    size_t room = 0;

    (void)s;
    if (ax_reply_begin(r, &reply, 1 << 20, &room) || ax_reply_begin(r, &none, 1, &room))
        abort(); /* too large for this way, and a status without a body */
    char *p = ax_reply_begin(r, &reply, 3, &room);
    if (!p || room < 3)
        abort();
    p = ax_reply_begin(r, &reply, 100, &room); /* a longer text than was thought: begun anew */
    memset(p, 'y', 100);
    ax_reply_end(r, 60);
}

/* The head was written for another length, with fewer or more digits. */
static void write_other_length(struct server *s, struct ax_request *r, size_t likely)
{
    struct ax_reply reply = {.status = 200, .content = AX_CONTENT_TEXT, .body = {.n = likely}};
    size_t room = 0;
    char *p = ax_reply_begin(r, &reply, 60, &room);

    (void)s;
    if (!p || room < 60)
        abort();
    memset(p, 'y', 60);
    ax_reply_end(r, 60);
}

static void write_less(struct server *s, struct ax_request *r)
{
    write_other_length(s, r, 123456);
}

static void write_more(struct server *s, struct ax_request *r)
{
    write_other_length(s, r, 7);
}

static void write_as_thought(struct server *s, struct ax_request *r)
{
    write_other_length(s, r, 60);
}

static void test_in_place(void **state)
{
    static void (*const ways[])(struct server *, struct ax_request *) = {write_in_place, write_less,
                                                                         write_more, write_as_thought};

    (void)state;
    for (unsigned i = 0; i < AX_COUNT(ways); i++) {
        struct server s;
        struct response r;
        server_init(&s);
        s.custom = ways[i];
        server_start(&s);
        assert_int_equal(custom(&s, GET("/custom"), &r, false), 200);
        assert_int_equal(r.length, 60);
        assert_int_equal(strspn(r.body, "y"), 60);
        free(r.body);
        int fd = pair_up(&s); /* in place, and before its turn */
        puts_fd(fd, GET("/later") GET("/custom") "HEAD /custom HTTP/1.1\r\nHost: x\r\n\r\n" GET("/"));
        expect(fd, 200, "later");
        assert_int_equal(status_of(fd), 200);
        assert_int_equal(receive(fd, &r, true), 200);
        assert_int_equal(r.length, 60);
        expect(fd, 200, "Hello World");
        close(fd);
        server_stop(&s);
    }
}

static void own_headers(struct server *s, struct ax_request *r)
{
    (void)s;
    ax_reply(r, &(struct ax_reply){.status = 299,
                                   .headers = AX_STR("A: b\r\nX-REQUEST-ID: mine\r\nC: d\r\n"),
                                   .body = AX_STR("x")});
}

static void test_headers_of_the_handler(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.custom = own_headers;
    server_start(&s);
    assert_int_equal(custom(&s, GET("/custom"), &r, false), 299); /* a status that nobody has named */
    assert_non_null(strstr(r.head, "A: b\r\n"));
    assert_non_null(strstr(r.head, "C: d\r\n"));
    assert_non_null(strstr(r.head, "X-REQUEST-ID: mine\r\n"));
    assert_null(strstr(r.head, "X-Request-Id: ")); /* one is enough */
    assert_null(strstr(r.head, "Content-Type"));
    free(r.body);
    assert_int_equal(custom(&s, GET("/named"), &r, false), 200);
    assert_non_null(strstr(r.head, "x-request-id: route's\r\n"));
    assert_null(strstr(r.head, "X-Request-Id: ")); /* likewise */
    free(r.body);
    server_stop(&s);
}

static void answer_with_error(struct server *s, struct ax_request *r)
{
    (void)s;
    ax_reply_error(r, 503, "say \"no\"\n", "limits.inflight");
}

static void test_errors(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    s.custom = answer_with_error;
    server_start(&s);
    assert_int_equal(custom(&s, GET("/custom"), &r, false), 503);
    assert_string_equal(r.body, "{\"error\":\"say \\\"no\\\"\\n\",\"limit\":\"limits.inflight\"}");
    assert_non_null(strstr(r.head, "Content-Type: application/json; charset=utf-8\r\n"));
    assert_non_null(strstr(r.head, "Retry-After: 1\r\n"));
    free(r.body);
    assert_int_equal(custom(&s, "GET /\"x?y HTTP/1.1\r\nHost: x\r\n\r\n", &r, false), 404);
    assert_string_equal(r.body, "{\"error\":\"Not Found\",\"path\":\"/\\\"x\"}");
    free(r.body);
    server_stop(&s);
}

static void hold(struct server *s, struct ax_request *r)
{
    s->later[s->nlater].index = r->index; /* answered by CMD_ANSWER */
    s->later[s->nlater++].gen = r->gen;
}

/* A client that has left: the answer goes nowhere, and is counted. */
static void test_answer_to_nobody(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.custom = hold;
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, GET("/custom") GET("/custom"));
    while (locked(&s, &s.entered) < 2)
        sched_yield();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fd);
    until_connections(&s, 0);
    server_command(&s, CMD_ANSWER);
    server_halt(&s);
    assert_true(ax_worker_counters(s.worker)->late_sends == 2);
    assert_true(ax_worker_counters(s.worker)->aborted == 2);
    server_free(&s);
}

static void use_up_the_slice(struct server *s, struct ax_request *r)
{
    answer(r, 200, ax_worker_slice_over(s->worker) ? AX_STR("over") : AX_STR("time is left"));
}

static void test_slice(void **state)
{
    static const struct {
        int64_t us;
        const char *said;
    } t[] = {{0, "over"}, {3600000000, "time is left"}};
    struct response r;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct server s;
        server_init(&s);
        s.set.slice_us = t[i].us;
        s.custom = use_up_the_slice;
        server_start(&s);
        assert_int_equal(custom(&s, GET("/custom"), &r, false), 200);
        assert_string_equal(r.body, t[i].said);
        free(r.body);
        server_stop(&s);
    }
}

/* A refused client that does not close its side is not waited for for ever. */
static void test_linger_ends(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, "BREW / HTTP/1.1\r\n\r\n");
    assert_true(status_of(fd) >= 400);
    expect_close(fd);
    put(fd, "more", 4); /* read and dropped: a reset would destroy the answer */
    assert_true(until_read(fd));
    until_connections(&s, 0);
    close(fd);
    server_stop(&s);
}

/* The body of a request that has its answer is dropped up to limits.body, then the connection ends. */
static void test_body_that_nobody_wants(void **state)
{
    static char part[10000];
    struct server s;

    (void)state;
    memset(part, 'x', sizeof part);
    server_init(&s);
    s.set.limit_body = 20000;
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n");
    put(fd, part, sizeof part);
    put(fd, part, sizeof part);
    puts_fd(fd, GET("/"));
    assert_int_equal(status_of(fd), 404);
    expect(fd, 200, "Hello World");
    puts_fd(fd, "POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 20001\r\n\r\n");
    for (int i = 0; i < 3; i++)
        send(fd, part, sizeof part, MSG_NOSIGNAL);
    assert_int_equal(status_of(fd), 404);
    expect_close(fd);
    close(fd);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_answer_is_refused),
        cmocka_unit_test(test_lent_bytes),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_headers_of_the_handler),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_answer_to_nobody),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_linger_ends),
        cmocka_unit_test(test_body_that_nobody_wants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
