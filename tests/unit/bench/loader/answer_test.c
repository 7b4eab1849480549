#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/loader/answer.c"

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

static const struct {
    const char *bytes;
    bool head; /* the request was HEAD */
    enum ax_answer want;
    unsigned status;
} table[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, AX_ANSWER_DONE, 200},
    {"HTTP/1.0 404 Not Found\r\ncontent-length:0\r\n\r\n", false, AX_ANSWER_DONE, 404},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true, AX_ANSWER_DONE, 200},
    {"HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", false, AX_ANSWER_DONE, 304},
    {"HTTP/1.1 204 No Content\r\n\r\n", false, AX_ANSWER_DONE, 204},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, AX_ANSWER_DONE,
     200},
    {CHUNKED "0\r\n\r\n", false, AX_ANSWER_DONE, 200},
    {CHUNKED "3\r\nabc\r\n1F;a=\"b\"\r\n0123456789012345678901234567890\r\n0\r\nA: b\r\n\r\n", false,
     AX_ANSWER_DONE, 200},
    {CHUNKED "3\r\nabcd\r\n", false, AX_ANSWER_BROKEN, 200},
    {CHUNKED "\r\n", false, AX_ANSWER_BROKEN, 200},
    {CHUNKED "-1\r\n", false, AX_ANSWER_BROKEN, 200},
    {CHUNKED "11111111111111111\r\n", false, AX_ANSWER_BROKEN, 200},
    {CHUNKED "0\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\n\r\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false, AX_ANSWER_BROKEN,
     200},
    {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\nno colon\r\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 200 OK\r\n: no name\r\n", false, AX_ANSWER_BROKEN, 200},
    {"HTTP/1.1 2x0 OK\r\n", false, AX_ANSWER_BROKEN, 2},
    {"HTTP/1.1 20\r\n", false, AX_ANSWER_BROKEN, 0},
    {"HTTP/2.0 200 OK\r\n", false, AX_ANSWER_BROKEN, 0},
    {"\r\n", false, AX_ANSWER_BROKEN, 0},
    {"\n", false, AX_ANSWER_BROKEN, 0},
};

/* Shows the bytes in pieces of `step`, as a connection does; *ret_at is what was used of them. */
static enum ax_answer read_all(struct ax_answer_reader *r, struct ax_answer_memo *memo, const char *bytes,
                               size_t step_bytes, size_t *ret_at)
{
    size_t n = strlen(bytes), shown = 0, used;
    enum ax_answer found = AX_ANSWER_MORE;

    *ret_at = 0;
    while (found == AX_ANSWER_MORE && shown < n) {
        shown = shown + step_bytes < n ? shown + step_bytes : n;
        found = ax_answer_read(r, memo, bytes + *ret_at, shown - *ret_at, &used);
        *ret_at += used;
    }
    return found;
}

static void test_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (size_t step_bytes = 1; step_bytes <= strlen(table[i].bytes); step_bytes++) {
            struct ax_answer_memo memo = {0};
            struct ax_answer_reader r = {.no_body = table[i].head};
            size_t at;
            for (unsigned again = 0; again < 2; again++) { /* the second time from the memo */
                if (read_all(&r, &memo, table[i].bytes, step_bytes, &at) != table[i].want)
                    fail_msg("row %zu in pieces of %zu", i, step_bytes);
                assert_int_equal(r.framing.status, table[i].status);
                if (table[i].want != AX_ANSWER_DONE)
                    break;
                assert_int_equal(at, strlen(table[i].bytes));
                assert_int_equal(r.at, AX_AT_HEAD);
            }
        }
    }
}

static void test_next_one_is_left(void **state)
{
    static const char two[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 X\r\nConnection: "
                              "close\r\nContent-Length: 0\r\n\r\n";
    struct ax_answer_memo memo = {0};
    struct ax_answer_reader r = {0};
    size_t used;

    (void)state;
    assert_int_equal(ax_answer_read(&r, &memo, two, sizeof two - 1, &used), AX_ANSWER_DONE);
    assert_false(r.framing.closes);
    assert_int_equal(ax_answer_read(&r, &memo, two + used, sizeof two - 1 - used, &used), AX_ANSWER_DONE);
    assert_int_equal(r.framing.status, 500);
    assert_true(r.framing.closes);
}

/* One byte more than the memo holds, or than a head may have. */
static void test_long_heads(void **state)
{
    char head_bytes[AX_ANSWER_HEAD_MAX + 1];
    struct ax_answer_memo memo = {0};
    struct ax_answer_reader r = {0};
    size_t used;

    (void)state;
    memset(head_bytes, 'x', sizeof head_bytes);
    memcpy(head_bytes, "HTTP/1.1 200 OK\r\n", 17);
    assert_int_equal(ax_answer_read(&r, &memo, head_bytes, AX_ANSWER_HEAD_MAX - 1, &used), AX_ANSWER_MORE);
    assert_int_equal(used, 0);
    assert_int_equal(ax_answer_read(&r, &memo, head_bytes, AX_ANSWER_HEAD_MAX, &used), AX_ANSWER_BROKEN);
    head_bytes[18] = ':';
    memcpy(head_bytes + AX_ANSWER_MEMO, "\r\nContent-Length: 0\r\n\r\n", 23);
    assert_int_equal(ax_answer_read(&r, &memo, head_bytes, AX_ANSWER_MEMO + 23, &used), AX_ANSWER_DONE);
    assert_int_equal(memo.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_next_one_is_left),
        cmocka_unit_test(test_long_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
