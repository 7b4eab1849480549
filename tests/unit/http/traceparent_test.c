#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "http/traceparent.h"

#define ID     "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void test_trace_id(void **state)
{
    static const struct {
        const char *value;
        bool ok;
    } t[] = {
        {"00-" ID "-" PARENT "-01", true},
        {"00-" ID "-" PARENT "-00", true},
        {"00-" ID "-" PARENT "-ff", true},
        {"cc-" ID "-" PARENT "-01", true},
        {"cc-" ID "-" PARENT "-01-what-comes-later", true},
        {"00-" ID "-" PARENT "-01-", false},
        {"00-" ID "-" PARENT "-01.", false},
        {"cc-" ID "-" PARENT "-01.", false},
        {"cc-" ID "-" PARENT "-012", false},
        {"ff-" ID "-" PARENT "-01", false},
        {"0-" ID "-" PARENT "-01", false},
        {"0g-" ID "-" PARENT "-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", false},
        {"00-0af7651916cd43dd8448eb211c80319-" PARENT "-01", false},
        {"00-0af7651916cd43dd8448eb211c80319cc-" PARENT "-01", false},
        {"00-00000000000000000000000000000000-" PARENT "-01", false},
        {"00-" ID "-0000000000000000-01", false},
        {"00-" ID "-b7ad6b716920333-01", false},
        {"00-" ID "-b7ad6b716920333x-01", false},
        {"00-" ID "-" PARENT "-0", false},
        {"00-" ID "-" PARENT "-0x", false},
        {"00-" ID "-" PARENT "_01", false},
        {"00_" ID "-" PARENT "-01", false},
        {"00-" ID "_" PARENT "-01", false},
        {" 00-" ID "-" PARENT "-01", false},
        {"", false},
        {"00", false},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t n = strlen(t[i].value);
        char *exact = malloc(n + 1); /* no byte more: the sanitizer sees who reads beyond */
        assert_non_null(exact);
        char *p = exact + 1;
        memcpy(p, t[i].value, n);
        struct ax_str id = ax_trace_id((struct ax_str){p, n});
        if (t[i].ok) {
            assert_int_equal(id.n, AX_TRACE_ID_LEN);
            assert_memory_equal(id.p, ID, AX_TRACE_ID_LEN);
        } else {
            assert_null(id.p);
        }
        free(exact);
    }
    assert_null(ax_trace_id((struct ax_str){NULL, 0}).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trace_id)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
