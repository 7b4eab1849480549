#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/str.h"

static void test_equal(void **state)
{
    static const struct {
        struct ax_str a, b;
        bool eq, eq_nocase, prefix; /* prefix: a starts with b */
    } t[] = {
        {AX_STR(""), AX_STR(""), true, true, true},
        {{NULL, 0}, AX_STR(""), true, true, true},
        {AX_STR("Host"), AX_STR("host"), false, true, false},
        {AX_STR("hosts"), AX_STR("host"), false, false, true},
        {AX_STR("host"), AX_STR("hosts"), false, false, false},
        {AX_STR("a@z"), AX_STR("a`z"), false, false, false}, /* one bit apart, no letters */
        {AX_STR("a[z"), AX_STR("a{z"), false, false, false},
        {AX_STR("\xc4"), AX_STR("\xe4"), false, false, false}, /* no locale */
        {AX_STR("a\0b"), AX_STR("a\0c"), false, false, false},
        {AX_STR("a\0b"), AX_STR("A\0B"), false, true, false},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        assert_int_equal(ax_str_eq(t[i].a, t[i].b), t[i].eq);
        assert_int_equal(ax_str_eq_nocase(t[i].a, t[i].b), t[i].eq_nocase);
        assert_int_equal(ax_str_has_prefix(t[i].a, t[i].b), t[i].prefix);
    }
    assert_int_equal(ax_str(NULL).n, 0);
    assert_int_equal(ax_str("abc").n, 3);
}

static void test_trim(void **state)
{
    static const struct {
        const char *in, *out;
    } t[] = {{"", ""},       {" \t ", ""},       {"a", "a"},    {" a b\t", "a b"},
             {"\t\ta", "a"}, {"a\r\n", "a\r\n"}, {"\va", "\va"}};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_true(ax_str_eq(ax_str_trim(ax_str(t[i].in)), ax_str(t[i].out)));
}

static void test_numbers(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        uint64_t v;
    } t[] = {
        {"0", true, 0},
        {"00", true, 0},
        {"42", true, 42},
        {"18446744073709551615", true, UINT64_MAX},
        {"000000000000000000000000018446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551620", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"1e3", false, 0},
        {"1.0", false, 0},
        {"/", false, 0}, /* the byte before '0' */
        {":", false, 0}, /* the byte after '9' */
    };
    char out[21];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        uint64_t v = 7;
        assert_int_equal(ax_str_u64(ax_str(t[i].in), &v), t[i].ok);
        assert_true(v == (t[i].ok ? t[i].v : 7));
    }
    static const uint64_t values[] = {0, 9, 10, 99, 100, 12345678901234567890u, UINT64_MAX};
    for (size_t i = 0; i < AX_COUNT(values); i++) {
        uint64_t back = 1;
        assert_true(ax_str_u64((struct ax_str){out, ax_u64_dec(out, values[i])}, &back));
        assert_true(back == values[i]);
    }
}

static void test_characters(void **state)
{
    static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *d = c ? strchr(digits, c) : NULL, *u = c ? strchr(upper, c) : NULL;
        assert_int_equal(ax_hex((char)c), d ? (int)(d - digits) : u ? (int)(u - upper) : -1);
        assert_int_equal((unsigned char)ax_lower((char)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
}

static void test_utf8(void **state)
{
    static const struct {
        struct ax_str s;
        bool ok;
    } t[] = {
        {AX_STR(""), true},
        {AX_STR("a\0b"), true},
        {AX_STR("\x7f"), true},
        {AX_STR("\x80"), false},
        {AX_STR("\xbf"), false},
        {AX_STR("\xc0\x80"), false}, /* overlong */
        {AX_STR("\xc1\xbf"), false},
        {AX_STR("\xc2\x80"), true},
        {AX_STR("\xdf\xbf"), true},
        {AX_STR("\xc2"), false},
        {AX_STR("\xc2z"), false},
        {AX_STR("\xe0\x9f\xbf"), false}, /* overlong */
        {AX_STR("\xe0\xa0\x80"), true},
        {AX_STR("\xed\x9f\xbf"), true},
        {AX_STR("\xed\xa0\x80"), false}, /* a surrogate */
        {AX_STR("\xee\x80\x80"), true},
        {AX_STR("\xe2\x82"), false},
        {AX_STR("\xe2\x82z"), false},
        {AX_STR("\xf0\x8f\xbf\xbf"), false}, /* overlong */
        {AX_STR("\xf0\x90\x80\x80"), true},
        {AX_STR("\xf4\x8f\xbf\xbf"), true}, /* U+10FFFF */
        {AX_STR("\xf4\x90\x80\x80"), false},
        {AX_STR("\xf5\x80\x80\x80"), false},
        {AX_STR("\xff"), false},
        {AX_STR("\xf0\x90\x80"), false},
        {AX_STR("\xf0\x90\x80z"), false},
        {AX_STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80 done"), true},
        {AX_STR("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98 done"), false},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_utf8_valid(t[i].s.p, t[i].s.n) != t[i].ok)
            fail_msg("row %zu", i);
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"serve", "stats", "status", "stop", "version", "new"};
    static const struct {
        const char *word, *want;
    } t[] = {
        {"serv", "serve"},    {"sevre", "serve"},
        {"SERVE", "serve"},   {"stat", "stats"},
        {"sttaus", "status"}, {"verison", "version"},
        {"nwe", "new"},       {"xyzzy", NULL},
        {"s", NULL},          {"", NULL},
        {"deploy", NULL},     {"a-word-that-is-much-longer-than-any-of-the-names-we-have", NULL},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const char *got = ax_nearest(t[i].word, names, AX_COUNT(names));
        if (!t[i].want && got)
            fail_msg("%s: %s", t[i].word, got);
        else if (t[i].want)
            assert_string_equal(got, t[i].want);
    }
    assert_null(ax_nearest("serve", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),      cmocka_unit_test(test_trim), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_characters), cmocka_unit_test(test_utf8), cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
