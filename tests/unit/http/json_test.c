/* JSON objects, member by member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/json.h"

struct seen {
    char text[400];
};

static bool keep(void *ctx, struct ax_str name, struct ax_str value)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof s->text - n, "%.*s:%.*s;", (int)name.n, name.p, (int)value.n, value.p);
    return !ax_str_eq(name, AX_STR("stop"));
}

static void test_members(void **state)
{
    static const struct {
        const char *text, *want; /* want NULL = refused */
    } t[] = {
        {"{}", ""},
        {" { } \n", ""},
        {"{\"a\":1}", "a:1;"},
        {"{ \"a\" : \"x\\\"y\" , \"b\" : [ 1 , {} ] }", "a:\"x\\\"y\";b:[ 1 , {} ];"},
        {"{\"a\":true,\"b\":false,\"c\":null,\"d\":-0.5e+3}", "a:true;b:false;c:null;d:-0.5e+3;"},
        {"{\"a\":1,\"a\":2}", "a:1;a:2;"},
        {"", NULL},
        {"[]", NULL},
        {"{", NULL},
        {"{}x", NULL},
        {"{\"a\"}", NULL},
        {"{\"a\":}", NULL},
        {"{\"a\":1,}", NULL},
        {"{,}", NULL},
        {"{a:1}", NULL},
        {"{\"a\":01}", NULL},
        {"{\"a\":+1}", NULL},
        {"{\"a\":1.}", NULL},
        {"{\"a\":.5}", NULL},
        {"{\"a\":1e}", NULL},
        {"{\"a\":tru}", NULL},
        {"{\"a\":\"\n\"}", NULL},
        {"{\"a\":\"\\x\"}", NULL},
        {"{\"a\":\"\\u12g4\"}", NULL},
        {"{\"a\":\"", NULL},
        {"{\"a\":[1,]}", NULL},
        {"{\"a\":[1}", NULL},
        {"{\"stop\":1}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct seen s = {""};
        if (ax_json_members(ax_str(t[i].text), keep, &s) != (t[i].want != NULL))
            fail_msg("%s", t[i].text);
        if (t[i].want)
            assert_string_equal(s.text, t[i].want);
    }
}

static void test_depth(void **state)
{
    char text[2 * AX_JSON_DEPTH_MAX + 8] = "{\"a\":";
    struct seen s = {""};
    size_t n = strlen(text);
    (void)state;
    memset(text + n, '[', AX_JSON_DEPTH_MAX - 1);
    memset(text + n + AX_JSON_DEPTH_MAX - 1, ']', AX_JSON_DEPTH_MAX - 1);
    size_t end = n + 2 * (AX_JSON_DEPTH_MAX - 1);
    text[end] = '}';
    assert_true(ax_json_members((struct ax_str){text, end + 1}, keep, &s));
    char deep[2 * AX_JSON_DEPTH_MAX + 8] = "{\"a\":";
    memset(deep + n, '[', AX_JSON_DEPTH_MAX);
    assert_false(ax_json_members((struct ax_str){deep, n + AX_JSON_DEPTH_MAX}, keep, &s));
}

static void test_values(void **state)
{
    static const struct {
        const char *text, *want;
    } t[] = {
        {"\"\"", ""},
        {"\"abc\"", "abc"},
        {"\"a\\/b\\n\\t\\\"\\\\\"", "a/b\n\t\"\\"},
        {"\"\\u0041\\u00e9\\u20ac\"", "A\303\251\342\202\254"},
        {"\"\\ud83d\\ude00\"", "\360\237\230\200"},
        {"\"\\ud83d\"", NULL},
        {"\"\\ude00\"", NULL},
        {"\"\\ud83dx\"", NULL},
        {"abc", NULL},
        {"1", NULL},
        {"\"a\" ", NULL},
    };
    struct ax_arena a;
    double v = 0;
    (void)state;
    ax_arena_init(&a, NULL, 0, 1 << 20);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_str got = ax_json_string(ax_str(t[i].text), &a);
        if ((got.p != NULL) != (t[i].want != NULL))
            fail_msg("%s", t[i].text);
        if (t[i].want)
            assert_true(ax_str_eq(got, ax_str(t[i].want)));
    }
    assert_true(ax_json_number(AX_STR("1.5e3"), &v));
    assert_true(v > 1499.9 && v < 1500.1);
    assert_false(ax_json_number(AX_STR("1 "), &v));
    assert_false(ax_json_number(AX_STR("1e400"), &v));
    assert_false(ax_json_number(AX_STR("\"1\""), &v));
    assert_false(ax_json_number(AX_STR(""), &v));
    ax_arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_members), cmocka_unit_test(test_depth),
                                       cmocka_unit_test(test_values)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
