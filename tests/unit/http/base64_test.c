/* Strict decoding of base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/base64.h"

static void test_decode(void **state)
{
    static const struct {
        const char *text, *want; /* want NULL = refused */
        bool url;
    } t[] = {
        {"", "", false},        {"Zg==", "f", false},   {"Zm8=", "fo", false},
        {"Zm9v", "foo", false}, {"Zg", "f", false},     {"Zg=", NULL, false},
        {"Zg===", NULL, false}, {"Z", NULL, false},     {"Zh==", NULL, false},
        {"Zm9", NULL, false},   {"Zm 9v", NULL, false}, {"Zm9v\n", NULL, false},
        {"=", NULL, false},     {"====", NULL, false},  {"-_-_", NULL, false},
        {"Zg", "f", true},      {"Zg==", NULL, true},   {"-_-_", "\373\377\277", true},
        {"+/+/", NULL, true},   {"Zh", NULL, true},
    };
    char out[64];
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t n = 99;
        struct ax_str s = ax_str(t[i].text);
        bool ok = t[i].url ? ax_base64url_decode(s, out, &n) : ax_base64_decode(s, out, &n);
        if (ok != (t[i].want != NULL))
            fail_msg("%s", t[i].text);
        if (ok) {
            assert_int_equal(n, strlen(t[i].want));
            assert_memory_equal(out, t[i].want, n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_decode)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
