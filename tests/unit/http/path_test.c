#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"
#include "http/path.h"

static void test_ok(void **state)
{
    static const struct {
        struct ax_str path;
        bool want;
    } t[] = {
        {AX_STR("/"), true},
        {AX_STR(""), false},
        {AX_STR("a"), false},
        {AX_STR("*"), false},
        {AX_STR("users/1"), false},
        {AX_STR("http://a/b"), false},
        {AX_STR("/users/42"), true},
        {AX_STR("/a/very/long/path/with/many/segments/and/nothing/odd"), true},
        {AX_STR("//"), true},
        {AX_STR("/a//b/"), true},
        /* dot segments, plain and encoded */
        {AX_STR("/."), false},
        {AX_STR("/.."), false},
        {AX_STR("/a/."), false},
        {AX_STR("/a/./b"), false},
        {AX_STR("/a/../b"), false},
        {AX_STR("/a/.."), false},
        {AX_STR("/%2e"), false},
        {AX_STR("/%2E/a"), false},
        {AX_STR("/a/%2e%2E/b"), false},
        {AX_STR("/a/.%2e"), false},
        {AX_STR("/a/%2e."), false},
        {AX_STR("/a/b/c/d/e/f/g/.."), false},
        {AX_STR("/../a/b/c/d/e/f/g"), false},
        {AX_STR("/..."), true},
        {AX_STR("/%2e%2e%2e"), true},
        {AX_STR("/a./.b/..c/d.."), true},
        {AX_STR("/.well-known/x"), true},
        {AX_STR("/app.min.js"), true},
        {AX_STR("/.%2f"), true},         /* one segment, "./": an encoded slash is part of it */
        {AX_STR("/%252e%252e/a"), true}, /* decoded once */
        /* percent-encoding */
        {AX_STR("/%"), false},
        {AX_STR("/%4"), false},
        {AX_STR("/%4/1"), false},
        {AX_STR("/%zz"), false},
        {AX_STR("/%4g"), false},
        {AX_STR("/%g4"), false},
        {AX_STR("/a%"), false},
        {AX_STR("/abcdefghijk%2"), false},
        {AX_STR("/%41%7e%20%2F%25"), true},
        {AX_STR("/a%2Fb"), true},
        {AX_STR("/%0a%1f%7f"), true}, /* data of a parameter */
        {AX_STR("/%00"), false},
        {AX_STR("/a%00b/c"), false},
        /* control bytes as they are */
        {AX_STR("/a\0b"), false},
        {AX_STR("/\x01"), false},
        {AX_STR("/a\nb/abcdefghijklmno"), false},
        {AX_STR("/abcdefghijklmno\x1f"), false},
        {AX_STR("/abcdefgh\x7fijklmno"), false},
        {AX_STR("/a\tb"), false},
        {AX_STR("/a b"), true}, /* the request line's grammar is the parser's */
        /* UTF-8, raw, encoded, and half of each */
        {AX_STR("/\xc3\xa9"), true},
        {AX_STR("/%C3%A9"), true},
        {AX_STR("/%C3\xa9"), true},
        {AX_STR("/\xc3%A9"), true},
        {AX_STR("/%e2%82%ac/%f0%9f%98%80"), true},
        {AX_STR("/\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {AX_STR("/\x80"), false},
        {AX_STR("/%80"), false},
        {AX_STR("/\xc3"), false},
        {AX_STR("/%C3"), false},
        {AX_STR("/%C3/"), false},
        {AX_STR("/\xc3/\xa9"), false},
        {AX_STR("/%C3%2F"), false},
        {AX_STR("/%C3a"), false},
        {AX_STR("/%C0%AF"), false}, /* overlong '/' */
        {AX_STR("/%c0%ae%c0%ae/"), false},
        {AX_STR("/%E0%80%AF"), false},
        {AX_STR("/%F0%80%80%AF"), false},
        {AX_STR("/\xc0\xae"), false},
        {AX_STR("/%ED%A0%80"), false},    /* surrogate */
        {AX_STR("/%F4%90%80%80"), false}, /* above U+10FFFF */
        {AX_STR("/%F5%80%80%80"), false},
        {AX_STR("/%FF"), false},
        {AX_STR("/abcdefghijklmno\xff"), false},
        {AX_STR("/%E2%82"), false},
        {AX_STR("/%E2%82%"), false},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char *copy = malloc(t[i].path.n ? t[i].path.n : 1); /* so that a read past the end is seen */
        assert_non_null(copy);
        memcpy(copy, t[i].path.p, t[i].path.n);
        if (ax_path_ok((struct ax_str){copy, t[i].path.n}) != t[i].want)
            fail_msg("row %zu: %.*s", i, (int)t[i].path.n, t[i].path.p);
        free(copy);
    }
}

/* Each byte at each place of paths of each length: the eight-at-a-time check must see what a plain one sees.
 */
static void test_every_byte_everywhere(void **state)
{
    char path[28];

    (void)state;
    for (size_t n = 2; n <= sizeof path; n++)
        for (size_t at = 1; at < n; at++)
            for (unsigned c = 0; c < 256; c++) {
                memset(path, 'a', sizeof path);
                path[0] = '/';
                path[at] = (char)c;
                bool want = c >= 0x20 && c < 0x7f && c != '%' && !(c == '.' && n == 2);
                assert_int_equal(ax_path_ok((struct ax_str){path, n}), want);
            }
}

static void test_decode(void **state)
{
    static const struct {
        struct ax_str in, want;
    } t[] = {
        {AX_STR(""), AX_STR("")},
        {AX_STR("plain"), AX_STR("plain")},
        {AX_STR("a%20b"), AX_STR("a b")},
        {AX_STR("a+b"), AX_STR("a+b")}, /* a plus is a space only in queries and forms */
        {AX_STR("%2F"), AX_STR("/")},
        {AX_STR("%2f%2E%41"), AX_STR("/.A")},
        {AX_STR("%2541"), AX_STR("%41")},
        {AX_STR("%C3%A9"), AX_STR("\xc3\xa9")},
        {AX_STR("%"), AX_STR("%")},
        {AX_STR("%4"), AX_STR("%4")},
        {AX_STR("%zz%41"), AX_STR("%zzA")},
        {AX_STR("%%41"), AX_STR("%A")},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t n = ax_path_decode(t[i].in, out);
        assert_int_equal(n, t[i].want.n);
        assert_memory_equal(out, t[i].want.p, n);
        assert_int_equal(ax_path_plain(t[i].in), !memchr(t[i].in.p, '%', t[i].in.n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ok),
        cmocka_unit_test(test_every_byte_everywhere),
        cmocka_unit_test(test_decode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
