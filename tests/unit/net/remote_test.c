/* Who the client is, for a worker whose peers are trusted or not: the answer's id line, the address, records.
 */
#include "net/harness.h"

#define REMOTE(more) "GET /remote HTTP/1.1\r\nHost: x\r\n" more "\r\n"
#define SAID         "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Request-Id: proxy~1\r\n"

static void ask_remote(int fd, const char *request, const char *body, const char *id)
{
    struct response r;

    puts_fd(fd, request);
    assert_int_equal(receive(fd, &r, false), 200);
    assert_string_equal(r.body, body);
    const char *line = strstr(r.head, "X-Request-Id: ");
    assert_non_null(line);
    if (id)
        assert_memory_equal(line + 14, id, strlen(id));
    else
        assert_int_equal(strcspn(line + 14, "\r"), AX_ID_LEN);
    free(r.body);
}

static void test_trusted(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    s.proxies[0] = "127.0.0.1";
    server_start(&s);
    int fd = dial(s.port), unix_fd = pair_up(&s);
    ask_remote(fd, REMOTE(SAID), "1.2.3.4", "proxy~1\r\n");
    ask_remote(fd, REMOTE(""), "127.0.0.1", NULL);
    ask_remote(fd, REMOTE("Forwarded: for=\"[2001:db8::1]\"\r\n"), "2001:db8::1", NULL);
    ask_remote(fd,
               REMOTE("X-Request-Id: "
                      "0123456789012345678901234567890123456789012345678901234567890123\r\n"),
               "127.0.0.1", "0123456789012345678901234567890123456789012345678901234567890123\r\n");
    ask_remote(unix_fd, REMOTE(SAID), "unix", NULL); /* that one is not */
    close(fd);
    close(unix_fd);
    server_stop(&s);
}

static void test_nobody_trusted(void **state)
{
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = dial(s.port);
    ask_remote(fd, REMOTE(SAID), "127.0.0.1", NULL);
    close(fd);
    server_stop(&s);
}

/* The client has gone before the answer: its record tells whose request it was all the same. */
static void test_record_of_one_that_left(void **state)
{
    struct server s;
    struct ax_request_record rec;

    (void)state;
    server_init(&s);
    s.proxies[0] = "unix";
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, "GET /silent HTTP/1.1\r\nHost: x\r\n" SAID "\r\n");
    assert_true(until_read(fd));
    server_command(&s, CMD_NONE);
    server_halt(&s);
    server_free_keep(&s);
    assert_true(ax_segment_take_record(s.segment, 0, &rec));
    assert_int_equal(rec.remote_len, 7);
    assert_memory_equal(rec.remote, "1.2.3.4", 7);
    assert_int_equal(rec.id_len, 7);
    assert_memory_equal(rec.id, "proxy~1", 7);
    ax_segment_free(s.segment);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted),
        cmocka_unit_test(test_nobody_trusted),
        cmocka_unit_test(test_record_of_one_that_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
