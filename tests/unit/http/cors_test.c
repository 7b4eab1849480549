/* Lines of CORS answers and preflights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/cors.h"

static const struct ax_cors_rule web = {.origins = {"https://a\nhttps://b:8443", 24},
                                        .methods = {"GET, PUT", 8},
                                        .headers = {"X-A, x-b", 8},
                                        .expose = {"x-c", 3},
                                        .credentials = true,
                                        .max_age_s = 60};
static const struct ax_cors_rule all = {.origins = {"*", 1}, .methods = {"", 0}, .headers = {"*", 1}};

#define GIVEN(o) "Access-Control-Allow-Origin: " o "\r\n"
#define WITH     "Access-Control-Allow-Credentials: true\r\n"
#define VARY     "Vary: Origin\r\n"

static void test_answer(void **state)
{
    static const struct {
        const struct ax_cors_rule *rule;
        const char *origin, *want;
    } t[] = {
        {&web, "https://a", VARY GIVEN("https://a") WITH "Access-Control-Expose-Headers: x-c\r\n"},
        {&web, "https://b:8443", VARY GIVEN("https://b:8443") WITH "Access-Control-Expose-Headers: x-c\r\n"},
        {&web, "https://b", VARY},
        {&web, "https://A", VARY},
        {&web, "null", VARY},
        {&web, "*", VARY},
        {&web, "", VARY},
        {&all, "https://x", GIVEN("*")},
        {&all, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_buf b = AX_BUF_INIT(4096);
        ax_cors_answer(t[i].rule, ax_str(t[i].origin), &b);
        assert_string_equal(ax_buf_cstr(&b), t[i].want);
        ax_buf_fini(&b);
    }
}

static void test_preflight(void **state)
{
    static const struct {
        const struct ax_cors_rule *rule;
        const char *origin, *method, *headers;
        bool ok;
    } t[] = {
        {&web, "https://a", "PUT", "x-a,X-B , content-type", true},
        {&web, "https://a", "GET", "", true},
        {&web, "https://a", "get", "", false},
        {&web, "https://a", "POST", "", false},
        {&web, "https://a", "GET", "x-c", false},
        {&web, "https://a", "GET", "x-a, authorization", false},
        {&web, "https://c", "GET", "", false},
        {&all, "https://c", "POST", "anything", true},
        {&all, "https://c", "PUT", "", false},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_buf b = AX_BUF_INIT(4096);
        ax_cors_preflight(t[i].rule, ax_str(t[i].origin), ax_str(t[i].method), ax_str(t[i].headers), &b);
        assert_int_equal(strstr(ax_buf_cstr(&b), "Access-Control-Allow-Methods") != NULL, t[i].ok);
        if (!t[i].ok)
            assert_string_equal(ax_buf_cstr(&b), VARY);
        ax_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answer), cmocka_unit_test(test_preflight)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
