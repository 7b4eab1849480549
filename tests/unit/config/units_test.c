#include "fixture.h"

#include "config/units.h"

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        bool off;
        int64_t want; /* -1 = refused */
        const char *says;
    } t[] = {
        {"250ms", 0, 250000, ""},
        {"1s", 0, 1000000, ""},
        {"2m", 0, 120000000, ""},
        {"1h", 0, 3600000000, ""},
        {"7d", 0, 604800000000, ""},
        {"1.5s", 0, 1500000, ""},
        {"0.25ms", 0, 250, ""},
        {"0", 0, 0, ""},
        {"0s", 0, 0, ""},
        {"off", 1, AX_OFF, ""},
        {"false", 1, AX_OFF, ""},
        {"off", 0, -1, "must be a time"},
        {"10", 0, -1, "needs a unit"},
        {"10 s", 0, -1, "unknown unit"},
        {"10S", 0, -1, "did you mean 10s"},
        {"10sec", 0, -1, "did you mean 10s"},
        {"10min", 0, -1, "did you mean 10m"},
        {"10y", 0, -1, "unknown unit"},
        {"-1s", 0, -1, "must be a time"},
        {"1.s", 0, -1, "must be a time"},
        {".5s", 0, -1, "must be a time"},
        {"", 0, -1, "must be a time"},
        {"s", 0, -1, "must be a time"},
        {"1s ", 0, -1, "unknown unit"},
        {"200000000d", 0, -1, "too large"},
        {"99999999999999999999d", 0, -1, "must be a time"},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {0};
        int64_t got = -1;
        int rc = ax_duration_parse(t[i].text, t[i].off, &got, &err);
        if (got != t[i].want || (rc < 0) != (t[i].want < 0) || !strstr(err.msg, t[i].says))
            fail_msg("%s: %lld, %s", t[i].text, (long long)got, err.msg);
    }
}

static void test_sizes(void **state)
{
    static const struct {
        const char *text;
        bool off;
        int64_t want;
        const char *says;
    } t[] = {
        {"1024", 0, 1024, ""},
        {"0", 0, 0, ""},
        {"5B", 0, 5, ""},
        {"16KiB", 0, 16384, ""},
        {"1MiB", 0, 1 << 20, ""},
        {"2GiB", 0, INT64_C(2) << 30, ""},
        {"1KB", 0, 1000, ""},
        {"10MB", 0, 10000000, ""},
        {"3GB", 0, INT64_C(3000000000), ""},
        {"1.5KiB", 0, 1536, ""},
        {"off", 1, AX_OFF, ""},
        {"off", 0, -1, "must be a size"},
        {"10kb", 0, -1, "did you mean 10KB"},
        {"10mib", 0, -1, "did you mean 10MiB"},
        {"10M", 0, -1, "did you mean 10MiB"},
        {"10 KiB", 0, -1, "unknown unit"},
        {"1.5", 0, -1, "part of a byte"},
        {"1.5B", 0, -1, "part of a byte"},
        {"x", 0, -1, "must be a size"},
        {"9999999999999GiB", 0, -1, "too large"},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {0};
        int64_t got = -1;
        int rc = ax_size_parse(t[i].text, t[i].off, &got, &err);
        if (got != t[i].want || (rc < 0) != (t[i].want < 0) || !strstr(err.msg, t[i].says))
            fail_msg("%s: %lld, %s", t[i].text, (long long)got, err.msg);
    }
}

static void test_modes(void **state)
{
    static const struct {
        const char *text;
        int want;
    } t[] = {{"0660", 0660}, {"660", 0660}, {"0o600", 0600}, {"000", 0}, {"0680", -1},
             {"66", -1},     {"1777", -1},  {"", -1},        {"rw-", -1}};
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        int got = -1;
        ax_mode_parse(t[i].text, &got, NULL);
        if (got != t[i].want)
            fail_msg("%s: %o", t[i].text, (unsigned)got);
    }
}

static void test_rates(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } t[] = {{"100/s", 1},       {"5/m", 1},          {"1/h burst 2", 1}, {"100/s burst 200", 1},
             {"0/s", 0},         {"/s", 0},           {"1/d", 0},         {"1/s burst", 0},
             {"1/s burst x", 0}, {"1/s  burst 2", 0}, {"1/", 0},          {"1/s burst 2 ", 0},
             {"9999999999/s", 0}};
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if ((ax_rate_check(t[i].text, NULL) == 0) != t[i].ok)
            fail_msg("%s", t[i].text);
}

static void test_text(void **state)
{
    char out[AX_UNIT_TEXT];
    (void)state;
    ax_duration_text(out, 90000000);
    assert_string_equal(out, "90s");
    ax_duration_text(out, 50);
    assert_string_equal(out, "0.050ms");
    ax_duration_text(out, AX_OFF);
    assert_string_equal(out, "off");
    ax_duration_text(out, 0);
    assert_string_equal(out, "0");
    ax_size_text(out, 65535);
    assert_string_equal(out, "64KiB-1 (65535 bytes)");
    ax_size_text(out, 16384);
    assert_string_equal(out, "16KiB");
    ax_size_text(out, AX_OFF);
    assert_string_equal(out, "off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations), cmocka_unit_test(test_sizes), cmocka_unit_test(test_modes),
        cmocka_unit_test(test_rates),     cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
