#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/board.h"

static void test_least(void **state)
{
    static const struct {
        uint32_t load[3], least;
    } t[] = {
        {{AX_BOARD_ABSENT, AX_BOARD_ABSENT, AX_BOARD_ABSENT}, AX_BOARD_ABSENT},
        {{AX_BOARD_ABSENT, 7, AX_BOARD_ABSENT}, 7},
        {{3, 7, 5}, 3},
        {{0, 0, 0}, 0},
        {{9, 8, AX_BOARD_ABSENT - 1}, 8},
    };
    struct ax_board *b = NULL;
    int fd = -1;

    (void)state;
    assert_int_equal(ax_board_create(3, &b, &fd, NULL), 0);
    assert_int_equal(ax_board_slots(b), 3);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        for (unsigned k = 0; k < 3; k++)
            ax_board_set(b, k, t[i].load[k]);
        assert_true(ax_board_least(b) == t[i].least);
        unsigned present = 0;
        for (unsigned k = 0; k < 3; k++)
            present += t[i].load[k] != AX_BOARD_ABSENT;
        assert_int_equal(ax_board_present(b), present);
    }
    ax_board_set(b, 3, 0); /* beyond it: ignored */
    assert_true(ax_board_get(b, 3) == AX_BOARD_ABSENT);
    ax_board_free(b);
    close(fd);
}

static void test_shared(void **state)
{
    struct ax_board *b = NULL, *other = NULL;
    int fd = -1, status;

    (void)state;
    assert_int_equal(ax_board_create(2, &b, &fd, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool ok = ax_board_attach(fd, &other, NULL) == 0 && ax_board_slots(other) == 2;
        if (ok)
            ax_board_set(other, 1, 42);
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(ax_board_get(b, 1) == 42);
    assert_true(ax_board_least(b) == 42);
    assert_int_not_equal(ftruncate(fd, 0), 0); /* sealed */
    ax_board_free(b);
    close(fd);
}

static void test_what_is_none(void **state)
{
    struct ax_board *b = NULL;
    int fd = memfd_create("test", MFD_CLOEXEC), null = -1;

    (void)state;
    assert_int_equal(ax_board_attach(fd, &b, NULL), -AX_E_PROTO);
    assert_int_equal(ftruncate(fd, 256), 0);
    assert_int_equal(ax_board_attach(fd, &b, NULL), -AX_E_PROTO);
    assert_int_equal(ax_board_attach(-1, &b, NULL), -AX_E_SYS);
    assert_int_equal(ax_board_create(0, &b, &null, NULL), -AX_E_RANGE);
    assert_int_equal(ax_board_create(AX_BOARD_SLOTS_MAX + 1, &b, &null, NULL), -AX_E_RANGE);
    assert_null(b);
    close(fd);
}

static void test_nomem(void **state)
{
    struct ax_board *b = NULL;
    int fd = -1;

    (void)state;
    ax_fail_alloc_at(1);
    assert_int_equal(ax_board_create(1, &b, &fd, NULL), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    assert_int_equal(ax_board_create(1, &b, &fd, NULL), 0);
    struct ax_board *again = NULL;
    ax_fail_alloc_at(1);
    assert_int_equal(ax_board_attach(fd, &again, NULL), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    ax_board_free(b);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
