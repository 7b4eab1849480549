#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

static void test_first_failure_stays(void **state)
{
    struct ax_err e = {0};

    (void)state;
    assert_int_equal(ax_fail(&e, AX_E_RANGE, "timeout must be %d..%d", 1, 9), -AX_E_RANGE);
    assert_int_equal(ax_fail(&e, AX_E_NOMEM, "second"), -AX_E_NOMEM);
    assert_int_equal(ax_fail_os(&e, EACCES, "third"), -AX_E_SYS);
    assert_int_equal(ax_fail_at(&e, AX_E_SYNTAX, "f", 1, 2, "fourth"), -AX_E_SYNTAX);
    assert_int_equal(e.code, AX_E_RANGE);
    assert_string_equal(e.msg, "timeout must be 1..9");
    assert_int_equal(e.os, 0);
    assert_int_equal(e.line, 0);
    assert_null(e.file);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    assert_int_equal(ax_fail(NULL, AX_E_BUSY, "x"), -AX_E_BUSY);
    assert_int_equal(ax_fail_os(NULL, EACCES, "x"), -AX_E_SYS);
    assert_int_equal(ax_fail_at(NULL, AX_E_TYPE, "f", 1, 2, "x"), -AX_E_TYPE);
}

static void test_system_error(void **state)
{
    struct ax_err e = {0};
    char want[100];

    (void)state;
    assert_int_equal(ax_fail_os(&e, ENOENT, "cannot open %s", "a.yaml"), -AX_E_SYS);
    snprintf(want, sizeof want, "cannot open a.yaml: %s", strerror(ENOENT));
    assert_string_equal(e.msg, want);
    assert_int_equal(e.os, ENOENT);
}

static void test_place(void **state)
{
    struct ax_err e = {0};

    (void)state;
    ax_fail_at(&e, AX_E_DUPLICATE, "actix.yaml", 12, 14, "%s given twice", "port");
    assert_string_equal(e.file, "actix.yaml");
    assert_int_equal(e.line, 12);
    assert_int_equal(e.col, 14);
    assert_string_equal(e.msg, "port given twice");
}

/* A message is one line and never longer than its room, whatever went into it. */
static void test_one_line_that_fits(void **state)
{
    struct ax_err e = {0};
    char longer[2 * sizeof e.msg];

    (void)state;
    ax_fail(&e, AX_E_SYNTAX, "a\nb\rc");
    assert_string_equal(e.msg, "a b c");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    e = (struct ax_err){0};
    ax_fail_os(&e, EACCES, "%s", longer);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(ax_code_text(AX_OK), "ok");
    assert_string_equal(ax_code_text(AX_E_NOMEM), "out of memory");
    assert_string_equal(ax_code_text(AX_E_PROTO), "protocol error");
    assert_string_equal(ax_code_text((enum ax_code)(AX_E_PROTO + 1)), "unknown error");
    assert_string_equal(ax_code_text((enum ax_code) - 1), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_failure_stays), cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_system_error),        cmocka_unit_test(test_place),
        cmocka_unit_test(test_one_line_that_fits),  cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
