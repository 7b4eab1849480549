#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/print.h"
#include "config/manifest.h"

static void test_us(void **state)
{
    static const struct {
        uint64_t us;
        const char *want;
    } t[] = {
        {0, "0us"},          {999, "999us"},       {1000, "1.00ms"},       {1250, "1.25ms"},
        {12500, "12.5ms"},   {999400, "999ms"},    {1000000, "1.00s"},     {2500000, "2.50s"},
        {60000000, "1m00s"}, {200000000, "3m20s"}, {3600000000, "60m00s"},
    };
    char out[AX_SHORT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_string_equal(ax_short_us(out, t[i].us), t[i].want);
}

static void test_bytes(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *want;
    } t[] = {
        {0, "0B"},        {1023, "1023B"},     {1024, "1.0KiB"},
        {1536, "1.5KiB"}, {1048575, "1.0MiB"}, {UINT64_MAX, "16.0EiB"},
    };
    char out[AX_SHORT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_string_equal(ax_short_bytes(out, t[i].bytes), t[i].want);
}

static void test_count(void **state)
{
    static const struct {
        uint64_t n;
        const char *want;
    } t[] = {
        {0, "0"},
        {999, "999"},
        {1000, "1,000"},
        {1234567, "1,234,567"},
        {UINT64_MAX, "18,446,744,073,709,551,615"},
    };
    char out[AX_SHORT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_string_equal(ax_short_count(out, t[i].n), t[i].want);
}

static void test_duration(void **state)
{
    static const struct {
        int64_t us;
        const char *want;
    } t[] = {
        {AX_OFF, "off"},   {0, "0"},          {1, "1us"},        {1500, "1500us"},   {250000, "250ms"},
        {10000000, "10s"}, {90000000, "90s"}, {300000000, "5m"}, {3600000000, "1h"}, {86400000000, "1d"},
    };
    char out[AX_SHORT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        assert_string_equal(ax_short_duration(out, t[i].us), t[i].want);
}

static void test_table_without_memory(void **state)
{
    (void)state;
    ax_fail_alloc_at(1);
    struct ax_table *t = ax_table_new();
    ax_fail_alloc_at(0);
    assert_null(t);
    ax_table_column(t, "A", 0); /* all of them take NULL; the print reports */
    ax_table_row(t);
    ax_table_cell(t, "x");
    ax_table_bold(t);
    assert_int_equal(ax_table_print(t, NULL), AX_EXIT_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_us),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_table_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
