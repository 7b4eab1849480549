#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

struct thing {
    uint32_t magic;
    int value;
};

static void assert_false_thing(void)
{
    volatile int zero = 0;
    AX_ASSERT(zero == 1);
}

static void stale_cast(void)
{
    struct thing t = {.magic = 1};
    void *p = &t;
    (void)AX_CAST(struct thing, p, 2)->value;
}

static void null_cast(void)
{
    void *volatile p = NULL;
    (void)AX_CAST(struct thing, p, 2)->value;
}

/* The process ends by SIGABRT and says where on standard error. */
static void expect_abort(void (*f)(void), const char *text)
{
    char said[1000] = "";
    int fd[2], status;

    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        dup2(fd[1], 2);
        f();
        _exit(0);
    }
    close(fd[1]);
    ssize_t n = 0, k;
    while ((k = read(fd[0], said + n, sizeof said - 1 - (size_t)n)) > 0)
        n += k;
    close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "assert_test.c:"));
    assert_non_null(strstr(said, text));
}

static void test_aborts(void **state)
{
    (void)state;
    expect_abort(assert_false_thing, "zero == 1");
    expect_abort(stale_cast, "magic == (2)");
    expect_abort(null_cast, "magic == (2)");
}

static void test_passes(void **state)
{
    struct thing t = {.magic = 7, .value = 42};
    int evaluated = 0;

    (void)state;
    AX_ASSERT(++evaluated == 1);
    assert_int_equal(evaluated, 1);
    assert_int_equal(AX_CAST(struct thing, (void *)&t, 7)->value, 42);
    assert_ptr_equal(AX_CONTAINER_OF(&t.value, struct thing, value), &t);
    assert_false(AX_NEVER(t.value != 42));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aborts),
        cmocka_unit_test(test_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
