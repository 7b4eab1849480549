#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/buf.h"
#include "http/urlencoded.h"

/* `want`: each pair decoded, as NAME=VALUE; with the '=' always, each behind a '|'. */
static void test_pairs(void **state)
{
    static const struct {
        struct ax_str in, want;
    } t[] = {
        {AX_STR(""), AX_STR("")},
        {AX_STR("&"), AX_STR("")},
        {AX_STR("&&&"), AX_STR("")},
        {AX_STR("a=1"), AX_STR("|a=1")},
        {AX_STR("a=1&b=2"), AX_STR("|a=1|b=2")},
        {AX_STR("&a=1&&b=2&"), AX_STR("|a=1|b=2")},
        {AX_STR("a"), AX_STR("|a=")},
        {AX_STR("a="), AX_STR("|a=")},
        {AX_STR("="), AX_STR("|=")},
        {AX_STR("=x"), AX_STR("|=x")},
        {AX_STR("a=b=c"), AX_STR("|a=b=c")},
        {AX_STR("a=1&a=2"), AX_STR("|a=1|a=2")},
        {AX_STR("a;b=1"), AX_STR("|a;b=1")},
        {AX_STR("a+b=c+d"), AX_STR("|a b=c d")},
        {AX_STR("a=%2B%20+"), AX_STR("|a=+  ")},
        {AX_STR("%61=%3D%26"), AX_STR("|a==&")},
        {AX_STR("a=%"), AX_STR("|a=%")},
        {AX_STR("a=%4"), AX_STR("|a=%4")},
        {AX_STR("a=%zz"), AX_STR("|a=%zz")},
        {AX_STR("a=%4z%"), AX_STR("|a=%4z%")},
        {AX_STR("a=100%&b=%41"), AX_STR("|a=100%|b=A")},
        {AX_STR("a=%%41"), AX_STR("|a=%A")},
        {AX_STR("a=%2541"), AX_STR("|a=%41")},
        {AX_STR("caf%C3%A9=\xe2\x82\xac"), AX_STR("|caf\xc3\xa9=\xe2\x82\xac")},
        {AX_STR("a=%FF%00%c0"), AX_STR("|a=\xff\0\xc0")},
        {AX_STR("a\0b=\0"), AX_STR("|a\0b=\0")},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_urlencoded it = {t[i].in};
        struct ax_buf got = AX_BUF_INIT(1024);
        struct ax_str name, value;

        while (ax_urlencoded_next(&it, &name, &value)) {
            ax_buf_addc(&got, '|');
            got.n += ax_urlencoded_decode(name, ax_buf_reserve(&got, name.n + 1));
            ax_buf_addc(&got, '=');
            got.n += ax_urlencoded_decode(value, ax_buf_reserve(&got, value.n + 1));
        }
        if (!ax_str_eq(ax_buf_str(&got), t[i].want))
            fail_msg("row %zu: %.*s gave %.*s", i, (int)t[i].in.n, t[i].in.p, (int)got.n, got.p);
        assert_false(ax_urlencoded_next(&it, &name, &value));
        ax_buf_fini(&got);
    }
}

static void test_no_input(void **state)
{
    struct ax_urlencoded it = {{NULL, 0}};
    struct ax_str name, value;

    (void)state;
    assert_false(ax_urlencoded_next(&it, &name, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_no_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
