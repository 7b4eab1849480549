#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/err.h"
#include "net/settings.h"

static const struct {
    const char *name;
    size_t offset;
    int64_t dflt;
} rows[] = {
#define S(name, dflt, help) {#name, offsetof(struct ax_settings, name), dflt},
#include "net/settings.def"
#undef S
};

static int64_t at(const struct ax_settings *s, size_t i)
{
    return *(const int64_t *)(const void *)((const char *)s + rows[i].offset);
}

static void test_defaults(void **state)
{
    struct ax_settings s;

    (void)state;
    memset(&s, 0xff, sizeof s);
    ax_settings_default(&s);
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        assert_true(at(&s, i) == rows[i].dflt);
    /* the manifest's own defaults */
    assert_int_equal(s.limit_header, 16 << 10);
    assert_int_equal(s.limit_body, 1 << 20);
    assert_int_equal(s.timeout_keep_alive_us, 65000000);
    assert_int_equal(sizeof s, AX_COUNT(rows) * sizeof(int64_t));
}

/* Setting one by its name changes that one and no other. */
static void test_set(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        struct ax_settings s;
        ax_settings_default(&s);
        assert_int_equal(ax_settings_set(&s, rows[i].name, -7), 0);
        for (size_t k = 0; k < AX_COUNT(rows); k++)
            assert_true(at(&s, k) == (k == i ? -7 : rows[k].dflt));
    }
}

static void test_unknown(void **state)
{
    static const char *const names[] = {"", "batc", "batchh", "Batch", "limit_header "};
    struct ax_settings s;

    (void)state;
    ax_settings_default(&s);
    for (size_t i = 0; i < AX_COUNT(names); i++)
        assert_int_equal(ax_settings_set(&s, names[i], 1), -AX_E_UNKNOWN);
    for (size_t i = 0; i < AX_COUNT(rows); i++)
        assert_true(at(&s, i) == rows[i].dflt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
