#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"

static void test_grows_to_its_ceiling(void **state)
{
    struct ax_buf b = AX_BUF_INIT(1000);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_true(ax_buf_adds(&b, "0123456789"));
    assert_int_equal(b.n, 1000);
    assert_false(ax_buf_addc(&b, 'x'));
    assert_true(b.failed);
    assert_int_equal(b.n, 1000);
    assert_true(b.cap <= b.max);
    assert_false(ax_buf_add(&b, "", 0)); /* sticky */
    ax_buf_drop(&b, 500);
    assert_false(ax_buf_addc(&b, 'x')); /* still */
    ax_buf_clear(&b);
    assert_true(ax_buf_addc(&b, 'x'));
    assert_int_equal(b.n, 1);
    ax_buf_fini(&b);
    assert_null(b.p);
    assert_int_equal(b.max, 1000);
    assert_true(ax_buf_adds(&b, "again"));
    ax_buf_fini(&b);
}

static void test_ceiling_to_the_byte(void **state)
{
    static const size_t ceilings[] = {0, 1, 63, 64, 65, 100, 128, 129};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(ceilings); i++) {
        struct ax_buf b = AX_BUF_INIT(ceilings[i]);
        for (size_t n = 0; n < ceilings[i]; n++)
            assert_true(ax_buf_addc(&b, 'x'));
        assert_non_null(ax_buf_cstr(&b)); /* its NUL is not counted ... */
        assert_int_equal(strlen(b.p), ceilings[i]);
        assert_false(ax_buf_addc(&b, 'x')); /* ... and gives no room */
        assert_int_equal(b.n, ceilings[i]);
        ax_buf_fini(&b);
    }
}

static void test_huge(void **state)
{
    struct ax_buf b = AX_BUF_INIT(100);

    (void)state;
    ax_buf_addc(&b, 'x');
    assert_null(ax_buf_reserve(&b, SIZE_MAX)); /* 1 + SIZE_MAX would wrap */
    assert_true(b.failed);
    ax_buf_fini(&b);
}

static void test_formatted(void **state)
{
    struct ax_buf b = AX_BUF_INIT(10);

    (void)state;
    assert_true(ax_buf_addf(&b, "%d-%s", 42, "abc"));
    assert_true(ax_str_eq(ax_buf_str(&b), AX_STR("42-abc")));
    assert_true(ax_buf_addf(&b, "%s", "wxyz")); /* exactly full: the NUL of printf is not counted */
    assert_int_equal(b.n, 10);
    assert_false(ax_buf_addf(&b, "%d", 1));
    assert_true(b.failed);
    ax_buf_fini(&b);
}

static void test_drop(void **state)
{
    struct ax_buf b = AX_BUF_INIT(100);

    (void)state;
    ax_buf_adds(&b, "abcdef");
    ax_buf_drop(&b, 0);
    assert_string_equal(ax_buf_cstr(&b), "abcdef");
    ax_buf_drop(&b, 2);
    assert_string_equal(ax_buf_cstr(&b), "cdef");
    ax_buf_drop(&b, 4);
    assert_string_equal(ax_buf_cstr(&b), "");
    ax_buf_adds(&b, "x");
    ax_buf_drop(&b, 100);
    assert_int_equal(b.n, 0);
    ax_buf_fini(&b);
    ax_buf_drop(&b, 1); /* nothing there at all */
}

static void test_json(void **state)
{
    static const struct {
        struct ax_str in;
        const char *out;
    } t[] = {
        {AX_STR(""), ""},
        {AX_STR("plain"), "plain"},
        {AX_STR("\"\\/"), "\\\"\\\\/"},
        {AX_STR("\b\f\n\r\t"), "\\b\\f\\n\\r\\t"},
        {AX_STR("\0\x01\x1f\x7f"), "\\u0000\\u0001\\u001f\\u007f"},
        {AX_STR("\x1b[31m"), "\\u001b[31m"},
        {AX_STR("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), "\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"},
        {AX_STR("a\xff"
                "b"),
         "a\xef\xbf\xbd"
         "b"},
        {AX_STR("\xc3"), "\xef\xbf\xbd"},
        {AX_STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {AX_STR("\xf0\x9f\x98"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_buf b = AX_BUF_INIT(1000);
        assert_true(ax_buf_add_json(&b, t[i].in));
        assert_string_equal(ax_buf_cstr(&b), t[i].out);
        ax_buf_fini(&b);
    }
}

/* Every byte pair: the result is always well-formed UTF-8 without control bytes. */
static void test_json_is_always_valid(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        struct ax_buf b = AX_BUF_INIT(100);
        const char in[2] = {(char)(i >> 8), (char)i};
        assert_true(ax_buf_add_json(&b, (struct ax_str){in, 2}));
        assert_true(ax_utf8_valid(b.p, b.n));
        for (size_t k = 0; k < b.n; k++)
            assert_true((unsigned char)b.p[k] >= 0x20 && b.p[k] != 0x7f);
        ax_buf_fini(&b);
    }
}

static void test_json_at_the_ceiling(void **state)
{
    struct ax_buf b = AX_BUF_INIT(5);

    (void)state;
    assert_false(ax_buf_add_json(&b, AX_STR("\x01")));
    assert_true(b.failed);
    assert_int_equal(b.n, 0);
    ax_buf_fini(&b);
}

static void test_no_memory(void **state)
{
    struct ax_buf b = AX_BUF_INIT(1000);

    (void)state;
    ax_fail_alloc_at(1);
    assert_false(ax_buf_adds(&b, "abc"));
    assert_true(b.failed);
    assert_int_equal(b.n, 0);
    ax_buf_clear(&b);
    assert_true(ax_buf_adds(&b, "abc"));
    ax_fail_alloc_at(1);
    assert_null(ax_buf_reserve(&b, 500));
    assert_int_equal(b.n, 3); /* what was there stays */
    assert_memory_equal(b.p, "abc", 3);
    ax_buf_fini(&b);
    ax_fail_alloc_at(1);
    assert_null(ax_buf_cstr(&b));
    ax_fail_alloc_at(1);
    assert_false(ax_buf_addf(&b, "%d", 1));
    ax_fail_alloc_at(0);
    ax_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows_to_its_ceiling),
        cmocka_unit_test(test_ceiling_to_the_byte),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_formatted),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_is_always_valid),
        cmocka_unit_test(test_json_at_the_ceiling),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
