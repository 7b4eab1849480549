#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "http/method.h"

static void test_parse(void **state)
{
    static const struct {
        struct ax_str name;
        enum ax_method want;
    } t[] = {
        {AX_STR("GET"), AX_GET},
        {AX_STR("HEAD"), AX_HEAD},
        {AX_STR("POST"), AX_POST},
        {AX_STR("PUT"), AX_PUT},
        {AX_STR("PATCH"), AX_PATCH},
        {AX_STR("DELETE"), AX_DELETE},
        {AX_STR("OPTIONS"), AX_OPTIONS},
        {AX_STR("TRACE"), AX_OTHER_METHOD},
        {AX_STR("CONNECT"), AX_OTHER_METHOD},
        {AX_STR("PROPFIND"), AX_OTHER_METHOD},
        {AX_STR("ANY"), AX_UNKNOWN_METHOD},
        {AX_STR("-"), AX_UNKNOWN_METHOD},
        {AX_STR("get"), AX_UNKNOWN_METHOD},
        {AX_STR("Get"), AX_UNKNOWN_METHOD},
        {AX_STR("GE"), AX_UNKNOWN_METHOD},
        {AX_STR("GETT"), AX_UNKNOWN_METHOD},
        {AX_STR("GET "), AX_UNKNOWN_METHOD},
        {AX_STR("HELLO"), AX_UNKNOWN_METHOD},
        {AX_STR(""), AX_UNKNOWN_METHOD},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_method_parse(t[i].name) != t[i].want)
            fail_msg("row %zu: %.*s", i, (int)t[i].name.n, t[i].name.p);
}

static void test_name(void **state)
{
    (void)state;
    for (int m = 0; m < AX_METHODS; m++)
        assert_int_equal(ax_method_parse(ax_str(ax_method_name((enum ax_method)m))), m);
    assert_string_equal(ax_method_name(AX_ANY), "ANY");
    assert_string_equal(ax_method_name(AX_OTHER_METHOD), "-");
    assert_string_equal(ax_method_name(AX_UNKNOWN_METHOD), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
