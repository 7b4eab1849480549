#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
    int value;
    struct ax_list node;
};

static void expect_values(struct ax_list *l, const char *want)
{
    char got[32];
    size_t n = 0;

    AX_LIST_EACH(it, l)
    got[n++] = (char)('0' + AX_LIST_ENTRY(it, struct item, node)->value);
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void test_order_and_removal(void **state)
{
    struct item items[5];
    struct ax_list l;

    (void)state;
    ax_list_init(&l);
    assert_true(ax_list_empty(&l));
    expect_values(&l, "");
    for (int i = 0; i < 5; i++) {
        items[i].value = i;
        ax_list_push(&l, &items[i].node);
    }
    expect_values(&l, "01234");
    ax_list_remove(&items[2].node);
    ax_list_remove(&items[2].node); /* harmless */
    expect_values(&l, "0134");
    ax_list_remove(&items[0].node);
    ax_list_remove(&items[4].node);
    expect_values(&l, "13");
    ax_list_push(&l, &items[0].node);
    expect_values(&l, "130");
}

static void test_remove_while_walking(void **state)
{
    struct item items[4];
    struct ax_list l, other;

    (void)state;
    ax_list_init(&l);
    ax_list_init(&other);
    for (int i = 0; i < 4; i++) {
        items[i].value = i;
        ax_list_push(&l, &items[i].node);
    }
    AX_LIST_EACH(it, &l)
    {
        ax_list_remove(it);
        ax_list_push(&other, it);
    }
    assert_true(ax_list_empty(&l));
    expect_values(&other, "0123");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_removal),
        cmocka_unit_test(test_remove_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
