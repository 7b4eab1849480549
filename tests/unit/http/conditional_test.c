/* RFC 9110, 13: each precondition alone and against the others, and the three forms of a date. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "http/conditional.h"

#define NONE                                                                                                 \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }
#define S(lit)                                                                                               \
    {                                                                                                        \
        lit, sizeof(lit) - 1                                                                                 \
    }
#define AT     "Sun, 06 Nov 1994 08:49:37 GMT" /* 784111777 */
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

enum { MODIFIED = 784111777 };
static const int64_t now = 1700000000;
static const struct ax_validators v = {S("\"abc\""), MODIFIED};

static void test_order(void **state)
{
    static const struct {
        struct ax_preconditions p; /* If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since */
        enum ax_precondition want;
    } t[] = {
        {{NONE, NONE, NONE, NONE}, AX_PRE_HOLDS},
        /* If-Match: strong */
        {{S("\"abc\""), NONE, NONE, NONE}, AX_PRE_HOLDS},
        {{S("*"), NONE, NONE, NONE}, AX_PRE_HOLDS},
        {{S("\"x\", \"abc\""), NONE, NONE, NONE}, AX_PRE_HOLDS},
        {{S("\"x\",\"abc\""), NONE, NONE, NONE}, AX_PRE_HOLDS},
        {{S(", ,\t\"abc\" ,"), NONE, NONE, NONE}, AX_PRE_HOLDS},
        {{S("\"a,b\", \"abc\""), NONE, NONE, NONE}, AX_PRE_HOLDS},
        {{S("\"x\""), NONE, NONE, NONE}, AX_PRE_FAILED},
        {{S("W/\"abc\""), NONE, NONE, NONE}, AX_PRE_FAILED},
        {{S("abc"), NONE, NONE, NONE}, AX_PRE_FAILED},
        {{S("\"ab"), NONE, NONE, NONE}, AX_PRE_FAILED},
        {{S("\"ABC\""), NONE, NONE, NONE}, AX_PRE_FAILED},
        {{S(""), NONE, NONE, NONE}, AX_PRE_FAILED},
        {{S("**"), NONE, NONE, NONE}, AX_PRE_FAILED},
        /* If-Unmodified-Since */
        {{NONE, S(AT), NONE, NONE}, AX_PRE_HOLDS},
        {{NONE, S(AFTER), NONE, NONE}, AX_PRE_HOLDS},
        {{NONE, S(BEFORE), NONE, NONE}, AX_PRE_FAILED},
        {{NONE, S("yesterday"), NONE, NONE}, AX_PRE_HOLDS},
        /* ... which If-Match overrules */
        {{S("\"abc\""), S(BEFORE), NONE, NONE}, AX_PRE_HOLDS},
        {{S("\"x\""), S(AFTER), NONE, NONE}, AX_PRE_FAILED},
        /* If-None-Match: weak */
        {{NONE, NONE, S("\"abc\""), NONE}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, S("W/\"abc\""), NONE}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, S("*"), NONE}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, S("\"x\", W/\"y\", \"abc\""), NONE}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, S("\"x\""), NONE}, AX_PRE_HOLDS},
        {{NONE, NONE, S("w/\"abc\""), NONE}, AX_PRE_HOLDS},
        {{NONE, NONE, S("\"x\"\"abc\""), NONE}, AX_PRE_HOLDS},
        {{NONE, NONE, S(""), NONE}, AX_PRE_HOLDS},
        /* If-Modified-Since */
        {{NONE, NONE, NONE, S(AT)}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, NONE, S(AFTER)}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, NONE, S(BEFORE)}, AX_PRE_HOLDS},
        {{NONE, NONE, NONE, S("Sun Nov  6 08:49:37 1994")}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, NONE, S("Sunday, 06-Nov-94 08:49:37 GMT")}, AX_PRE_NOT_MODIFIED},
        {{NONE, NONE, NONE, S("0")}, AX_PRE_HOLDS},
        {{NONE, NONE, NONE, S("")}, AX_PRE_HOLDS},
        /* ... which If-None-Match overrules */
        {{NONE, NONE, S("\"x\""), S(AT)}, AX_PRE_HOLDS},
        {{NONE, NONE, S("\"abc\""), S(BEFORE)}, AX_PRE_NOT_MODIFIED},
        /* both kinds: the first to fail says what it is */
        {{S("\"x\""), NONE, S("\"abc\""), NONE}, AX_PRE_FAILED},
        {{S("\"abc\""), NONE, S("\"abc\""), NONE}, AX_PRE_NOT_MODIFIED},
        {{NONE, S(BEFORE), S("\"abc\""), NONE}, AX_PRE_FAILED},
        {{NONE, S(AT), NONE, S(AT)}, AX_PRE_NOT_MODIFIED},
        {{S("*"), S(BEFORE), NONE, S(BEFORE)}, AX_PRE_HOLDS},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_preconditions_check(&t[i].p, &v, now) != t[i].want)
            fail_msg("row %zu gave %d", i, ax_preconditions_check(&t[i].p, &v, now));
}

static void test_if_range(void **state)
{
    static const struct {
        struct ax_str value;
        bool holds;
    } t[] = {
        {S("\"abc\""), true},
        {S("W/\"abc\""), false},
        {S("\"x\""), false},
        {S("*"), false},
        {S(AT), true},
        {S(AFTER), false},
        {S(BEFORE), false},
        {S("\"abc\", \"x\""), false},
        {S(""), false},
        {S("abc"), false},
        {S("Sun Nov  6 08:49:37 1994"), true},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_if_range_holds(t[i].value, &v, now) != t[i].holds)
            fail_msg("row %zu", i);
    const struct ax_validators wednesday = {S("\"abc\""), 1700006400 + 43200};
    assert_true(ax_if_range_holds(AX_STR("Wed, 15 Nov 2023 12:00:00 GMT"), &wednesday, now));
}

static void test_dates(void **state)
{
    static const struct {
        struct ax_str text;
        int64_t want; /* -1 = refused */
    } t[] = {
        {S("Thu, 01 Jan 1970 00:00:00 GMT"), 0},
        {S("Sun, 06 Nov 1994 08:49:37 GMT"), MODIFIED},
        {S("Sunday, 06-Nov-94 08:49:37 GMT"), MODIFIED},
        {S("Sun Nov  6 08:49:37 1994"), MODIFIED},
        {S("Tue, 29 Feb 2000 23:59:59 GMT"), 951868799},
        {S("Thu, 29 Feb 2024 00:00:00 GMT"), 1709164800},
        {S("Fri, 31 Dec 9999 23:59:59 GMT"), INT64_C(253402300799)},
        {S("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800},             /* a leap second */
        {S("Thursday, 01-Jan-70 00:00:00 GMT"), INT64_C(3155760000)}, /* 47 years ahead of 2023 */
        {S("Friday, 01-Jan-74 00:00:00 GMT"), 126230400},             /* 51 would be too many */
        {S("Mon Jan 12 00:00:00 2026"), 1768176000},
        {S("Wed, 29 Feb 2023 00:00:00 GMT"), -1},
        {S("Wed, 31 Apr 2023 00:00:00 GMT"), -1},
        {S("Wed, 00 Jan 2023 00:00:00 GMT"), -1},
        {S("Wed, 1 Jan 2023 00:00:00 GMT"), -1},
        {S("Wed, 01 Jan 2023 24:00:00 GMT"), -1},
        {S("Wed, 01 Jan 2023 00:60:00 GMT"), -1},
        {S("Wed, 01 Jan 2023 00:00:61 GMT"), -1},
        {S("Wed, 01 jan 2023 00:00:00 GMT"), -1},
        {S("Wed, 01 Jan 2023 00:00:00 UTC"), -1},
        {S("Wed, 01 Jan 2023 00:00:00 GMT "), -1},
        {S("Wed, 01 Jan 2023 00:00:00"), -1},
        {S("Wed, 01 Jan 23 00:00:00 GMT"), -1},
        {S("Xyz, 01 Jan 2023 00:00:00 GMT"), -1},
        {S("Sunday, 06 Nov 1994 08:49:37 GMT"), -1},
        {S("Sunday Nov  6 08:49:37 1994"), -1},
        {S("1994-11-06T08:49:37Z"), -1},
        {S("784111777"), -1},
        {S(""), -1},
        {S("Sun"), -1},
        {S("Sun,"), -1},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        int64_t got = -1;
        bool ok = ax_http_date_parse(t[i].text, now, &got);
        if (got != t[i].want || ok != (t[i].want >= 0))
            fail_msg("%.*s gave %lld", (int)t[i].text.n, t[i].text.p, (long long)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_if_range),
        cmocka_unit_test(test_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
