#include "http/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/clock.h"

#define DATE      "Sun, 06 Nov 1994 08:49:37 GMT"
#define DATE_LINE "Date: " DATE "\r\n"

static void test_write(void **state)
{
    static const struct {
        struct ax_response_head h;
        const char *want;
    } t[] = {
        {{.status = 200, .content = AX_CONTENT_TEXT, .length = 11},
         "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n" DATE_LINE
         "Content-Length: 11\r\n\r\n"},
        {{.status = 201, .content = AX_CONTENT_JSON, .length = 0},
         "HTTP/1.1 201 Created\r\nContent-Type: application/json; charset=utf-8\r\n" DATE_LINE
         "Content-Length: 0\r\n\r\n"},
        {{.status = 200, .content = AX_CONTENT_BYTES, .length = UINT64_MAX},
         "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" DATE_LINE
         "Content-Length: 18446744073709551615\r\n\r\n"},
        {{.status = 200,
          .content = AX_CONTENT_HTML,
          .length = 1,
          .headers = AX_STR("X-A: 1\r\nX-B: 2\r\n"),
          .headers2 = AX_STR("Cache-Control: no-store\r\n")},
         "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n" DATE_LINE
         "Cache-Control: no-store\r\nX-A: 1\r\nX-B: 2\r\nContent-Length: 1\r\n\r\n"},
        {{.status = 204, .no_length = true}, "HTTP/1.1 204 No Content\r\n" DATE_LINE "\r\n"},
        {{.status = 400, .length = 3, .close = true},
         "HTTP/1.1 400 Bad Request\r\n" DATE_LINE "Connection: close\r\nContent-Length: 3\r\n\r\n"},
        {{.status = 200, .length = 3, .keep_alive_10 = true},
         "HTTP/1.1 200 OK\r\n" DATE_LINE "Connection: keep-alive\r\nContent-Length: 3\r\n\r\n"},
        {{.status = 200, .length = 3, .keep_alive_10 = true, .close = true},
         "HTTP/1.1 200 OK\r\n" DATE_LINE "Connection: close\r\nContent-Length: 3\r\n\r\n"},
        {{.status = 299, .no_length = true}, "HTTP/1.1 299 \r\n" DATE_LINE "\r\n"},
        {{.status = 418, .no_length = true}, "HTTP/1.1 418 I'm a Teapot\r\n" DATE_LINE "\r\n"},
        {{.status = 999, .no_length = true}, "HTTP/1.1 999 \r\n" DATE_LINE "\r\n"},
        {{.status = 511, .content = AX_CONTENT_JSON, .length = 10, .close = true},
         "HTTP/1.1 511 Network Authentication Required\r\nContent-Type: application/json; "
         "charset=utf-8\r\n" DATE_LINE "Connection: close\r\nContent-Length: 10\r\n\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_response_head h = t[i].h;
        h.date = DATE;
        size_t max = ax_response_head_max(&h);
        char *out = malloc(max); /* exactly that, so that a sanitizer sees a byte too many */
        assert_non_null(out);
        size_t n = ax_response_head_write(&h, out);
        if (!ax_str_eq((struct ax_str){out, n}, ax_str(t[i].want)))
            fail_msg("%.*s", (int)n, out);
        free(out);
    }
}

/* The longest there is stays within what ax_response_head_max says, and so does every status. */
static void test_every_status(void **state)
{
    (void)state;
    for (unsigned status = 100; status <= 999; status++) {
        struct ax_response_head h = {.status = status,
                                     .content = AX_CONTENT_JSON,
                                     .date = DATE,
                                     .length = UINT64_MAX,
                                     .keep_alive_10 = true};
        size_t max = ax_response_head_max(&h);
        char *out = malloc(max);
        assert_non_null(out);
        size_t n = ax_response_head_write(&h, out);
        const char *reason = ax_status_reason(status);
        struct ax_str rest = {out + 13, n - 13};
        assert_true(n <= max);
        assert_memory_equal(out, "HTTP/1.1 ", 9);
        assert_int_equal((unsigned)(out[9] - '0') * 100 + (unsigned)(out[10] - '0') * 10 +
                             (unsigned)(out[11] - '0'),
                         status);
        assert_int_equal(out[12], ' ');
        assert_true(ax_str_has_prefix(rest, ax_str(reason)));
        assert_memory_equal(rest.p + strlen(reason), "\r\nContent-Type: ", 16);
        free(out);
    }
}

static void test_reasons(void **state)
{
    static const struct {
        unsigned status;
        const char *want;
    } t[] = {
        {100, "Continue"},
        {200, "OK"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {404, "Not Found"},
        {306, ""},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {422, "Unprocessable Content"},
        {431, "Request Header Fields Too Large"},
        {504, "Gateway Timeout"},
        {511, "Network Authentication Required"},
        {512, ""},
        {0, ""},
        {99, ""},
        {999, ""},
        {100000, ""},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_string_equal(ax_status_reason(t[i].status), t[i].want);
}

static void test_field_names(void **state)
{
    static const struct {
        const char *s;
        bool ok;
    } t[] = {
        {"", false},         {"X", true},    {"x-y_z.9", true}, {"!#$%&'*+-.^_`|~", true},
        {"a b", false},      {"a:", false},  {"a\r", false},    {"a\n", false},
        {"\xc3\xa4", false}, {"a(", false},  {"a\"", false},    {"a/b", false},
        {"a@", false},       {"[a]", false}, {"a\x7f", false},  {"a,b", false},
        {"a;b", false},      {"a=b", false}, {"a\t", false},    {"{a}", false},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_field_name_ok(ax_str(t[i].s)) != t[i].ok)
            fail_msg("%s", t[i].s);
    assert_false(ax_field_name_ok((struct ax_str){"a\0b", 3}));
}

/* Every byte at every place of values that are shorter, as long and longer than one step of the search. */
static void test_field_values(void **state)
{
    (void)state;
    assert_true(ax_field_value_ok((struct ax_str){NULL, 0}));
    assert_true(ax_field_value_ok(AX_STR("text/html; q=\"1\"\t\xc3\xa4")));
    for (size_t n = 1; n <= 40; n++) {
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                char v[40];
                memset(v, 'a', n);
                v[at] = (char)c;
                bool want = c == '\t' || (c >= 0x20 && c != 0x7f);
                if (ax_field_value_ok((struct ax_str){v, n}) != want)
                    fail_msg("byte %u at %zu of %zu", c, at, n);
            }
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),        cmocka_unit_test(test_every_status),
        cmocka_unit_test(test_reasons),      cmocka_unit_test(test_field_names),
        cmocka_unit_test(test_field_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
