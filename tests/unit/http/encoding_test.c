/* What is compressed, and who takes pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/encoding.h"

static void test_types(void **state)
{
    static const struct {
        const char *type, *list;
        bool yes;
    } t[] = {
        {"text/html; charset=utf-8", "", true},
        {"application/json", "", true},
        {"Application/LD+JSON", "", true},
        {"image/svg+xml", "", true},
        {"text/event-stream", "", false},
        {"text/event-stream;charset=utf-8", "text/*", true},
        {"image/png", "", false},
        {"application/zip", "", false},
        {"application/octet-stream", "", false},
        {"", "", false},
        {"+json", "", false},
        {"image/png", "text/html\nimage/*", true},
        {"text/css", "text/html\nimage/*", false},
        {"text/html", "text/html\nimage/*", true},
        {"images/x", "image/*", false},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_type_compresses(ax_str(t[i].type), ax_str(t[i].list)) != t[i].yes)
            fail_msg("%s", t[i].type);
}

static void test_html(void **state)
{
    static const struct {
        const char *accept;
        bool yes;
    } t[] = {
        {"text/html", true},
        {"text/html,application/xhtml+xml,*/*;q=0.8", true},
        {"TEXT/HTML;level=1", true},
        {"*/*", false},
        {"", false},
        {"text/*", false},
        {"text/html;q=0", false},
        {"text/html;q=0.000", false},
        {"text/html;q=x", false},
        {"application/json, text/html;q=0.1", true},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_accepts_html(ax_str(t[i].accept)) != t[i].yes)
            fail_msg("%s", t[i].accept);
    assert_true(ax_list_has(AX_STR("public, No-Transform"), AX_STR("no-transform")));
    assert_true(ax_list_has(AX_STR("max-age=3,private"), AX_STR("max-age")));
    assert_false(ax_list_has(AX_STR("xno-transform"), AX_STR("no-transform")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_types), cmocka_unit_test(test_html)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
