#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli/when.h"

#define S   INT64_C(1000000)
#define NOW (INT64_C(1795356000) * S) /* 2026-11-22T14:00:00Z, 15:00 in Berlin */

static int to_zone(void **state)
{
    (void)state;
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1); /* Berlin's rules, without the tz database */
    tzset();
    return 0;
}

static void test_times(void **state)
{
    static const struct {
        const char *text;
        bool utc, end;
        int64_t want; /* us */
    } t[] = {
        {"now", false, false, NOW},
        {"1h", false, false, NOW - 3600 * S},
        {"90s", false, false, NOW - 90 * S},
        {"250ms", false, false, NOW - S / 4},
        {"7d", false, false, NOW - 7 * 86400 * S},
        {"99999d", false, false, 0}, /* before 1970: all there is */
        {"14:00", true, false, NOW},
        {"13:59", true, false, NOW - 60 * S},
        {"14:01", true, false, NOW - 86400 * S + 60 * S}, /* still to come: yesterday's */
        {"14:00", false, false, NOW - 3600 * S},
        {"15:00:00", false, false, NOW},
        {"15:00:01", false, false, NOW - 86400 * S + S},
        {"2026-11-22", true, false, NOW - 14 * 3600 * S},
        {"2026-11-22", false, false, NOW - 15 * 3600 * S},
        {"2026-11-22", true, true, NOW + 10 * 3600 * S},
        {"2026-10-25", false, false, INT64_C(1792879200) * S}, /* summer time, before the change */
        {"2026-10-25", false, true, INT64_C(1792969200) * S},  /* a day of 25 hours */
        {"2026-11-22 13:00", true, false, NOW - 3600 * S},
        {"2026-11-22T13:00", true, false, NOW - 3600 * S},
        {"2026-11-22T13:00", true, true, NOW - 3600 * S},
        {"2026-11-22T13:00:30", false, false, NOW - 2 * 3600 * S + 30 * S},
        {"2026-11-22T14:00:00Z", false, false, NOW},
        {"2026-11-22t14:00:00z", false, false, NOW},
        {"2026-11-22T14:00:00.25Z", false, false, NOW + S / 4},
        {"2026-11-22T14:00:00.123456789Z", false, false, NOW + 123456},
        {"2026-11-22T15:30:00+01:30", false, false, NOW},
        {"2026-11-22T10:00:00-04:00", true, false, NOW},
        {"2024-02-29", true, false, INT64_C(1709164800) * S},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_when w = {.now_us = NOW, .utc = t[i].utc, .end = t[i].end};
        struct ax_err err = {0};
        int64_t us = -1;
        if (ax_when_parse(t[i].text, &w, &us, &err) < 0)
            fail_msg("%s: %s", t[i].text, err.msg);
        if (us != t[i].want)
            fail_msg("%s: %lld, want %lld", t[i].text, (long long)us, (long long)t[i].want);
    }
}

static void test_no_times(void **state)
{
    static const struct {
        const char *text;
        enum ax_code code;
    } t[] = {
        {"", AX_E_SYNTAX},
        {"yesterday", AX_E_SYNTAX},
        {"1", AX_E_SYNTAX},
        {"1 h", AX_E_SYNTAX},
        {"-1h", AX_E_SYNTAX},
        {"14", AX_E_SYNTAX},
        {"14:0", AX_E_SYNTAX},
        {"14:00x", AX_E_SYNTAX},
        {"14:00:00.", AX_E_SYNTAX},
        {"24:00", AX_E_RANGE},
        {"14:60", AX_E_RANGE},
        {"2026-11", AX_E_SYNTAX},
        {"2026-11-22T", AX_E_SYNTAX},
        {"2026-11-22T14:00:00+1", AX_E_SYNTAX},
        {"2026-11-22T14:00:00Zx", AX_E_SYNTAX},
        {"2026-11-22Z", AX_E_SYNTAX},
        {"2026-13-01", AX_E_RANGE},
        {"2026-00-01", AX_E_RANGE},
        {"2026-11-31", AX_E_RANGE},
        {"2026-02-29", AX_E_RANGE},
        {"2100-02-29", AX_E_RANGE},
        {"1969-12-31", AX_E_RANGE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_when w = {.now_us = NOW};
        struct ax_err err = {0};
        int64_t us = -1;
        int rc = ax_when_parse(t[i].text, &w, &us, &err);
        if (rc != -(int)t[i].code)
            fail_msg("'%s': %d, want %d", t[i].text, -rc, t[i].code);
        assert_int_equal(us, -1);
        assert_true(err.msg[0]);
    }
}

static void test_shown(void **state)
{
    char out[AX_WHEN_MAX];
    (void)state;
    assert_string_equal(ax_when_show(out, NOW, true), "2026-11-22 14:00:00Z");
    assert_string_equal(ax_when_show(out, NOW, false), "2026-11-22 15:00:00");
    assert_string_equal(ax_when_ago(out, NOW - 3 * S, NOW), "3s");
    assert_string_equal(ax_when_ago(out, NOW - 600 * S, NOW), "10m");
    assert_string_equal(ax_when_ago(out, NOW - 36000 * S, NOW), "10h");
    assert_string_equal(ax_when_ago(out, NOW - 864000 * S, NOW), "10d");
    assert_string_equal(ax_when_ago(out, NOW + S, NOW), "0s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
        cmocka_unit_test(test_shown),
    };

    return cmocka_run_group_tests(tests, to_zone, NULL);
}
