#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "supervisor/fixture.h"
#include "supervisor/proc.h"

/* Runs a shell script; returns what it printed on descriptor 3 and, by pointer, its wait status. */
static void run(char *script, char *out, size_t size, int *status)
{
    char sh[] = "sh", c[] = "-c";
    char *argv[] = {sh, c, script, NULL}, *envp[] = {NULL};
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = ax_spawn(&(struct ax_spawn){"/bin/sh", argv, envp, &ends[1], 1, -1, -1}, NULL);
    assert_true(pid > 0);
    close(ends[1]);
    size_t n = 0;
    ssize_t k;
    while ((k = read(ends[0], out + n, size - 1 - n)) > 0)
        n += (size_t)k;
    out[n] = '\0';
    close(ends[0]);
    siginfo_t info;
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
        ;
    assert_true(ax_spawn_ended(pid, status));
}

static void test_child(void **state)
{
    char script[] = "read x; echo \"in=$?\" >&3; ls -v /proc/$$/fd >&3; ulimit -n >&3; ulimit -Hn >&3;"
                    "awk '{print $5}' /proc/$$/stat >&3; echo $$ >&3; exit 7";
    char out[512], text[96];
    int status;
    long soft, hard, group, pid;

    (void)state;
    run(script, out, sizeof out, &status);
    char *at =
        strstr(out, "0\n1\n2\n3\n"); /* no pipeline: the shell's own ends would be among them at times */
    assert_memory_equal(out, "in=1\n", 5); /* stdin is empty */
    assert_non_null(at);
    at += 8;
    while (strncmp(at, "10\n", 3) == 0) /* dash keeps a copy at 10 while it redirects */
        at += 3;
    assert_int_equal(sscanf(at, "%ld %ld %ld %ld", &soft, &hard, &group, &pid), 4);
    assert_int_equal(soft, hard);
    assert_int_equal(group, pid);
    ax_spawn_status_text(status, text, sizeof text);
    assert_string_equal(text, "exited with code 7");
}

static void test_group_goes(void **state)
{
    char script[] = "sleep 1000 3>&- & echo $! >&3", out[64], text[96];
    int status;

    (void)state;
    run(script, out, sizeof out, &status);
    /* the leader ended by itself, and its child with it */
    pid_t child = (pid_t)strtol(out, NULL, 10);
    assert_true(child > 0);
    struct pollfd gone = {.fd = pidfd_open(child, 0), .events = POLLIN};
    if (gone.fd >= 0) {
        assert_int_equal(poll(&gone, 1, 10000), 1);
        close(gone.fd);
    }
    ax_spawn_status_text(SIGKILL, text, sizeof text);
    assert_string_equal(text, "was killed by signal 9 (Killed)");
}

static void test_no_program(void **state)
{
    char name[] = "x";
    char *argv[] = {name, NULL}, *envp[] = {NULL};
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_spawn(&(struct ax_spawn){.file = "/no/such", .argv = argv, .envp = envp}, &err),
                     -AX_E_SYS);
    assert_int_equal(err.os, ENOENT);
    assert_string_equal(err.msg, "cannot start /no/such: No such file or directory");
}

static void test_proc(void **state)
{
    struct ax_proc p;

    (void)state;
    assert_true(ax_proc_read(getpid(), &p));
    assert_true(p.rss_bytes > 100000);
    assert_false(ax_proc_read(0x7ffffff0, &p));
}

static bool is_this(void *ctx, pid_t pid)
{
    return pid == *(pid_t *)ctx;
}

/* Every orphan is reaped, and a child that we wait for ourselves is left. */
static void test_orphans(void **state)
{
    pid_t none = 0, child;
    siginfo_t info;
    int status;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t parent = fork();
    if (parent == 0) {
        for (int i = 0; i < 3; i++)
            if (fork() == 0)
                _exit(0);
        _exit(0);
    }
    assert_int_equal(waitpid(parent, &status, 0), parent);
    do
        ax_spawn_reap_orphans(is_this, &none);
    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0); /* none is left */
    assert_int_equal(errno, ECHILD);
    child = fork();
    if (child == 0)
        _exit(3);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    ax_spawn_reap_orphans(is_this, &child);
    assert_true(ax_spawn_ended(child, &status));
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child), cmocka_unit_test(test_group_goes), cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_proc),  cmocka_unit_test(test_orphans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
