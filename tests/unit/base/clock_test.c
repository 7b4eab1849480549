#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "base/assert.h"
#include "base/clock.h"

static void test_http_date(void **state)
{
    static const struct {
        int64_t at;
        const char *text;
    } t[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* the example of RFC 9110, 5.6.7 */
        {951782399, "Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"}, /* 2000 is a leap year */
        {1078012800, "Sun, 29 Feb 2004 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {1735689600, "Wed, 01 Jan 2025 00:00:00 GMT"},
        {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"}, /* beyond 32 bits */
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"}, /* 2100 is none */
    };
    char out[AX_HTTP_DATE_LEN + 1];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        ax_http_date(out, t[i].at);
        assert_string_equal(out, t[i].text);
        assert_int_equal(strlen(out), AX_HTTP_DATE_LEN);
    }
}

/* Every month and weekday as the C library has them. */
static void test_http_date_as_strftime(void **state)
{
    char out[AX_HTTP_DATE_LEN + 1], want[64];

    (void)state;
    for (int64_t at = 1600000000; at < 1700000000; at += 86400 * 5 + 4567) {
        struct tm tm;
        time_t t = (time_t)at;
        ax_http_date(out, at);
        gmtime_r(&t, &tm);
        strftime(want, sizeof want, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_string_equal(out, want);
    }
}

static void test_rfc3339(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } t[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {1000, "1970-01-01T00:00:00.001Z"},
        {999999, "1970-01-01T00:00:00.999Z"},
        {1795356000123456, "2026-11-22T14:00:00.123Z"},
    };
    char out[AX_RFC3339_LEN + 1];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        ax_rfc3339(out, (ax_wall){t[i].us});
        assert_string_equal(out, t[i].text);
        assert_int_equal(strlen(out), AX_RFC3339_LEN);
    }
}

static void test_clocks(void **state)
{
    ax_mono a = ax_mono_now(), b = ax_mono_now();

    (void)state;
    assert_true(b.us >= a.us);
    int64_t wall_s = ax_wall_now().us / 1000000, now = (int64_t)time(NULL);
    assert_true(wall_s >= now - 2 && wall_s <= now + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_date),
        cmocka_unit_test(test_http_date_as_strftime),
        cmocka_unit_test(test_rfc3339),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
