#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/deadline.h"

static void test_order_of_arrival(void **state)
{
    struct ax_deadline_queue q;
    struct ax_deadline d[3];

    (void)state;
    ax_deadline_queue_init(&q, 1000);
    assert_null(ax_deadline_first(&q));
    for (int i = 0; i < 3; i++) {
        ax_deadline_init(&d[i]);
        ax_deadline_start(&q, &d[i], (ax_mono){i * 10});
    }
    assert_ptr_equal(ax_deadline_first(&q), &d[0]);
    assert_int_equal(d[0].at.us, 1000);
    ax_deadline_start(&q, &d[0], (ax_mono){50}); /* anew: now the last */
    assert_ptr_equal(ax_deadline_first(&q), &d[1]);
    ax_deadline_stop(&d[1]);
    ax_deadline_stop(&d[1]);
    assert_ptr_equal(ax_deadline_first(&q), &d[2]);
    ax_deadline_stop(&d[2]);
    assert_ptr_equal(ax_deadline_first(&q), &d[0]);
    assert_int_equal(d[0].at.us, 1050);
    ax_deadline_stop(&d[0]);
    assert_null(ax_deadline_first(&q));
}

static void test_off_and_moving(void **state)
{
    struct ax_deadline_queue off, a, b;
    struct ax_deadline d;

    (void)state;
    ax_deadline_queue_init(&off, -1);
    ax_deadline_queue_init(&a, 0);
    ax_deadline_queue_init(&b, 5);
    ax_deadline_init(&d);
    ax_deadline_start(&a, &d, (ax_mono){7});
    assert_int_equal(ax_deadline_first(&a)->at.us, 7);
    ax_deadline_start(&b, &d, (ax_mono){7});
    assert_null(ax_deadline_first(&a));
    assert_int_equal(ax_deadline_first(&b)->at.us, 12);
    ax_deadline_start(&off, &d, (ax_mono){7}); /* off: stopped everywhere */
    assert_null(ax_deadline_first(&b));
    assert_null(ax_deadline_first(&off));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_arrival),
        cmocka_unit_test(test_off_and_moving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
