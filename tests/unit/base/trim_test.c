#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/trim.h"

static const char text[] = "read-only data of the program";
static char data[8192] = "data of the program";

/* The program is mapped in, is given back, and still is what it was; what it has written stays. */
static void test_program_survives(void **state)
{
    (void)state;
    memcpy(data, "changed", sizeof "changed");
    assert_true(ax_trim_program() > 0);
    assert_string_equal(text, "read-only data of the program");
    assert_string_equal(data, "changed");
    char line[32];
    snprintf(line, sizeof line, "%d", 42);
    assert_string_equal(line, "42");
    assert_true(ax_trim_program() > 0); /* what this test touched since */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_program_survives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
