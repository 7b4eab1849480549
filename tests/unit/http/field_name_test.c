#include "http/field_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/assert.h"

static const struct {
    enum ax_field_name id;
    const char *name;
    char first, late;
} rows[] = {
#define FIELD(id, name, first, late) {AX_FIELD_##id, name, first, late},
#include "http/field_name.def"
#undef FIELD
};

/* Looked up in a copy of just its bytes, so that a sanitizer sees a read beyond them. */
static enum ax_field_name look_up(const char *name, size_t n)
{
    char *copy = malloc(n ? n : 1);

    assert_non_null(copy);
    memcpy(copy, name, n);
    enum ax_field_name id = ax_field_name_of((struct ax_str){copy, n});
    free(copy);
    return id;
}

static enum ax_field_name expected(enum ax_field_name id)
{
#ifdef AX_NO_INTERN
    return (void)id, AX_FIELD_OTHER;
#else
    return id;
#endif
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        const char *name = rows[i].name;
        size_t n = strlen(name);
        assert_int_equal(rows[i].first, name[0]);
        assert_int_equal(rows[i].late, name[n - 2]);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), n);
        assert_true(ax_str_eq(ax_field_name_str(rows[i].id), ax_str(name)));
        assert_int_equal(ax_field_name_str(rows[i].id).p[n], '\0');
    }
    assert_int_equal(ax_field_name_str(AX_FIELD_OTHER).n, 0);
    assert_int_equal(ax_field_name_str(AX_FIELD_NAMES).n, 0);
}

static void test_any_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char name[64];
        size_t n = strlen(rows[i].name);
        for (unsigned step = 1; step <= n; step++) {
            for (size_t k = 0; k < n; k++) {
                char c = rows[i].name[k];
                name[k] = k % step == 0 && c >= 'a' && c <= 'z' ? (char)(c - 0x20) : c;
            }
            assert_int_equal(look_up(name, n), expected(rows[i].id));
        }
    }
}

/* Every byte of every name changed to every other byte: only the other case of a letter is the same name. */
static void test_near(void **state)
{
    (void)state;
    for (size_t i = 0; i < AX_COUNT(rows); i++) {
        char name[64];
        size_t n = strlen(rows[i].name);
        memcpy(name, rows[i].name, n + 1);
        for (size_t k = 0; k < n; k++) {
            for (unsigned c = 0; c < 256; c++) {
                name[k] = (char)c;
                enum ax_field_name want = AX_FIELD_OTHER;
                for (size_t j = 0; j < AX_COUNT(rows); j++)
                    if (ax_str_eq_nocase((struct ax_str){name, n}, ax_str(rows[j].name)))
                        want = rows[j].id;
                if (look_up(name, n) != expected(want))
                    fail_msg("%s with byte %zu 0x%02x", rows[i].name, k, c);
            }
            name[k] = rows[i].name[k];
        }
    }
}

static void test_other(void **state)
{
    static const char *const t[] = {"",
                                    "h",
                                    "H",
                                    "hos",
                                    "hosts",
                                    "x-unknown",
                                    "content-lengt",
                                    "content-length2",
                                    "access-control-request-headers-",
                                    "-",
                                    "--",
                                    "a b"};
    char longest[300];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_int_equal(look_up(t[i], strlen(t[i])), AX_FIELD_OTHER);
    memset(longest, 'a', sizeof longest);
    for (size_t n = 0; n <= sizeof longest; n++)
        assert_int_equal(look_up(longest, n), AX_FIELD_OTHER);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_any_case),
        cmocka_unit_test(test_near),
        cmocka_unit_test(test_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
