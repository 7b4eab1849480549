/* RFC 9110, 14: what a Range asks for, of 10,000 bytes unless a row says otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/buf.h"
#include "http/range.h"

enum { SIZE = 10000 };

/* "0-499 9500-9999", "none" or "416". */
static void show(struct ax_str value, uint64_t size, struct ax_buf *out)
{
    struct ax_range r[AX_RANGES_MAX];
    unsigned n = 0;

    ax_buf_clear(out);
    switch (ax_ranges_parse(value, size, r, &n)) {
    case AX_RANGES_NONE:
        ax_buf_adds(out, "none");
        break;
    case AX_RANGES_UNSATISFIABLE:
        ax_buf_adds(out, "416");
        break;
    case AX_RANGES_SOME:
        assert_in_range(n, 1, AX_RANGES_MAX);
        for (unsigned i = 0; i < n; i++)
            ax_buf_addf(out, "%s%llu-%llu", i ? " " : "", (unsigned long long)r[i].first,
                        (unsigned long long)r[i].last);
        break;
    }
}

static void test_table(void **state)
{
    static const struct {
        const char *value, *want;
        uint64_t size; /* 0 = SIZE */
    } t[] = {
        {"bytes=0-499", "0-499", 0}, /* the examples of 14.1.2 */
        {"bytes=500-999", "500-999", 0},
        {"bytes=-500", "9500-9999", 0},
        {"bytes=9500-", "9500-9999", 0},
        {"bytes=0-0,-1", "0-0 9999-9999", 0},
        {"bytes= 0-999, 4500-5499, -1000", "0-999 4500-5499 9000-9999", 0},
        {"bytes=500-600,601-999", "500-999", 0},
        {"bytes=500-700,601-999", "500-999", 0},
        {"bytes=0-", "0-9999", 0},
        {"bytes=0-99999", "0-9999", 0},
        {"bytes=-99999", "0-9999", 0},
        {"bytes=9999-9999", "9999-9999", 0},
        {"BYTES=1-2", "1-2", 0},
        {"bytes=1-2,", "1-2", 0},
        {"bytes=,1-2", "1-2", 0},
        {"bytes=1-2\t,\t4-5", "1-2 4-5", 0},
        {"bytes=1-18446744073709551615", "1-9999", 0},
        {"bytes=1-99999999999999999999999", "1-9999", 0},
        {"bytes=00000000000000000000000001-2", "1-2", 0},
        /* out of reach */
        {"bytes=10000-", "416", 0},
        {"bytes=10000-20000", "416", 0},
        {"bytes=99999999999999999999999-", "416", 0},
        {"bytes=-0", "416", 0},
        {"bytes=10000-,-0", "416", 0},
        {"bytes=10000-,5-6", "5-6", 0},
        /* malformed: as if there were none */
        {"", "none", 0},
        {"bytes", "none", 0},
        {"bytes=", "none", 0},
        {"bytes=,", "none", 0},
        {"bytes=-", "none", 0},
        {"bytes=--1", "none", 0},
        {"bytes=5-4", "none", 0},
        {"bytes=a-b", "none", 0},
        {"bytes=1", "none", 0},
        {"bytes=1-2x", "none", 0},
        {"bytes=1 -2", "none", 0},
        {"bytes=1-2 3-4", "none", 0},
        {"bytes=1-2;3-4", "none", 0},
        {"bytes=1-2,x", "none", 0},
        {"bytes=+1-2", "none", 0},
        {"bytes=-1-2", "none", 0},
        {"bytes =1-2", "none", 0},
        {" bytes=1-2", "none", 0},
        {"items=1-2", "none", 0},
        {"bytes=0x1-0x2", "none", 0},
        /* sets that would cost more than they are worth */
        {"bytes=0-,0-,0-,0-,0-", "0-9999", 0},
        {"bytes=5-9,0-4", "0-9", 0},
        {"bytes=0-1,4-5,2-3", "0-5", 0},
        {"bytes=4-5,0-1,8-9,2-3,6-7", "0-9", 0},
        {"bytes=20-29,0-9,5-25", "0-29", 0},
        {"bytes=9-9,0-0,5-5", "9-9 0-0 5-5", 0},
        {"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30",
         "0-0 2-2 4-4 6-6 8-8 10-10 12-12 14-14 16-16 18-18 20-20 22-22 24-24 26-26 28-28 30-30", 0},
        {"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32",
         "none", 0},
        /* other sizes */
        {"bytes=0-0", "0-0", 1},
        {"bytes=-1", "0-0", 1},
        {"bytes=1-", "416", 1},
        {"bytes=0-", "0-18446744073709551614", UINT64_MAX},
        {"bytes=-1", "18446744073709551614-18446744073709551614", UINT64_MAX},
    };
    struct ax_buf got = AX_BUF_INIT(4096);

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        show(ax_str(t[i].value), t[i].size ? t[i].size : SIZE, &got);
        if (strcmp(ax_buf_cstr(&got), t[i].want) != 0)
            fail_msg("%s gave %s", t[i].value, ax_buf_cstr(&got));
    }
    ax_buf_fini(&got);
}

static void test_empty(void **state)
{
    static const char *const values[] = {"bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0"};
    struct ax_buf got = AX_BUF_INIT(4096);

    (void)state;
    for (size_t i = 0; i < AX_COUNT(values); i++) {
        show(ax_str(values[i]), 0, &got);
        assert_string_equal(ax_buf_cstr(&got), "416");
    }
    ax_buf_fini(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_empty)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
