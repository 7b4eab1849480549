#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "http/accept_encoding.h"

#define I AX_CODING_IDENTITY
#define G AX_CODING_GZIP
#define B AX_CODING_BR
enum { GZ = 1 << G, BR = 1 << B, BOTH = GZ | BR };

static void test_choice(void **state)
{
    static const struct {
        const char *value; /* NULL = no field */
        unsigned have;
        enum ax_coding want;
    } t[] = {
        {NULL, BOTH, I},
        {"", BOTH, I},
        {"gzip", BOTH, G},
        {"br", BOTH, B},
        {"gzip, deflate, br", BOTH, B},
        {"gzip, deflate, br, zstd", BOTH, B},
        {"br, gzip", GZ, G},
        {"br", GZ, I},
        {"gzip", 0, I},
        {"GZIP", BOTH, G},
        {"x-gzip", BOTH, G},
        {"*", BOTH, B},
        {"*;q=0", BOTH, I},
        {"gzip;q=0", BOTH, I},
        {"br;q=0, *", BOTH, G},
        {"br;q=0.5, gzip;q=0.8", BOTH, G},
        {"br;q=0.8, gzip;q=0.8", BOTH, B},
        {"br;q=0.001, gzip;q=0.002", BOTH, G},
        {"br;q=1.000, gzip;q=1", BOTH, B},
        {"br ; q=0.1 , gzip ; q=0.2", BOTH, G},
        {"br;Q=0, gzip", BOTH, G},
        {"identity", BOTH, I},
        {"identity;q=0, gzip", BOTH, G},
        {"identity, gzip;q=0.5", BOTH, I},
        {"identity;q=0.5, gzip;q=0.5", BOTH, G},
        {"identity;q=0.5, gzip;q=1", BOTH, G},
        {"identity;q=0", 0, I},
        {"gzip;q=0, br;q=0, identity;q=0", BOTH, I},
        {"gzip;q=high, br;q=0.5", BOTH, B},
        {",,gzip,,", BOTH, G},
        {"gzipped", BOTH, I},
        {"deflate", BOTH, I},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_accept_encoding(ax_str(t[i].value), t[i].have) != t[i].want)
            fail_msg("%s", t[i].value ? t[i].value : "no field");
}

static void test_quality(void **state)
{
    (void)state;
    assert_int_equal(ax_accept_quality(AX_STR("gzip;q=0.123"), G), 123);
    assert_int_equal(ax_accept_quality(AX_STR("gzip;q=0.9"), G), 900);
    assert_int_equal(ax_accept_quality(AX_STR("gzip;q=0."), G), 0);
    assert_int_equal(ax_accept_quality(AX_STR("br"), G), 0);
    assert_int_equal(ax_accept_quality(AX_STR("br, *;q=0.4"), G), 400);
    assert_int_equal(ax_accept_quality(AX_STR("br"), I), 1000);
    assert_string_equal(ax_coding_name(B), "br");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_quality)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
