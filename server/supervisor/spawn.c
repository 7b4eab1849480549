#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OOM_SCORE_MORE = 200 };

struct child { /* all that the child needs, made before fork: between fork and exec nothing may allocate */
    const struct ax_spawn *s;
    pid_t parent;
    int report; /* exec's errno goes here; closed by a successful exec */
    char oom[16];
};

/* Our own value and some, 1000 at most (proc(5), oom_score_adj). */
static void prepare_oom(struct child *c)
{
    int ours = 0;
    FILE *f = fopen("/proc/self/oom_score_adj", "re");

    if (f) {
        if (fscanf(f, "%d", &ours) != 1)
            ours = 0;
        fclose(f);
    }
    int adj = ours + OOM_SCORE_MORE > 1000 ? 1000 : ours + OOM_SCORE_MORE;
    snprintf(c->oom, sizeof c->oom, "%d", adj);
}

static void reset_signals(void)
{
    sigset_t none;
    struct sigaction dfl = {.sa_handler = SIG_DFL};

    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL); /* fails for KILL and STOP, which is fine */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First all of them out of the way of the target numbers, then down to those. */
static int place_fds(const struct child *c, int *report)
{
    int high[128], top = AX_SPAWN_FIRST_FD + (int)c->s->nfds;

    if (c->s->nfds > sizeof high / sizeof *high) {
        errno = EMFILE;
        return -1;
    }
    for (unsigned i = 0; i < c->s->nfds; i++)
        if ((high[i] = fcntl(c->s->fds[i], F_DUPFD_CLOEXEC, top + 1)) < 0)
            return -1;
    int out = c->s->out > 0 ? fcntl(c->s->out, F_DUPFD_CLOEXEC, top + 1) : STDOUT_FILENO;
    int err = c->s->err > 0 ? fcntl(c->s->err, F_DUPFD_CLOEXEC, top + 1) : STDERR_FILENO;
    int away = fcntl(*report, F_DUPFD_CLOEXEC, top + 1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (out < 0 || err < 0 || away < 0 || null < 0)
        return -1;
    *report = away;
    if (dup2(null, STDIN_FILENO) < 0 || (out != STDOUT_FILENO && dup2(out, STDOUT_FILENO) < 0) ||
        (err != STDERR_FILENO && dup2(err, STDERR_FILENO) < 0))
        return -1;
    for (unsigned i = 0; i < c->s->nfds; i++)
        if (dup2(high[i], AX_SPAWN_FIRST_FD + (int)i) < 0)
            return -1;
    return close_range((unsigned)top, ~0U, CLOSE_RANGE_CLOEXEC);
}

static void raise_limits(const struct child *c)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t w = write(fd, c->oom, strlen(c->oom));
        (void)w; /* a hint to the kernel: not having it hurts nothing */
        close(fd);
    }
}

/* Only async-signal-safe calls: other threads of ours may have held any lock when we forked (fork(2)). */
__attribute__((noreturn)) static void run_child(const struct child *c)
{
    int report = c->report;

    reset_signals();
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent)
        _exit(1); /* the parent ended before the line above */
    if (place_fds(c, &report) == 0) {
        raise_limits(c);
        execve(c->s->file, c->s->argv, c->s->envp);
    }
    int os = errno;
    ssize_t w = write(report, &os, sizeof os);
    (void)w;
    _exit(127);
}

/* Waits until exec has happened: end of file means success. */
static int exec_result(int fd)
{
    int os = 0;
    ssize_t n;

    do
        n = read(fd, &os, sizeof os);
    while (n < 0 && errno == EINTR);
    return n == sizeof os ? os : 0;
}

pid_t ax_spawn(const struct ax_spawn *s, struct ax_err *reterr)
{
    struct child c = {.s = s, .parent = getpid()};
    int report[2];

    if (pipe2(report, O_CLOEXEC) < 0)
        return ax_fail_os(reterr, errno, "cannot start %s", s->file);
    c.report = report[1];
    prepare_oom(&c);
    pid_t pid = fork();
    if (pid == 0)
        run_child(&c);
    int os = errno;
    close(report[1]);
    if (pid > 0) {
        setpgid(pid, pid); /* both sides do it: whoever is first */
        os = exec_result(report[0]);
    }
    close(report[0]);
    if (pid > 0 && os == 0)
        return pid;
    if (pid > 0)
        ax_spawn_kill(pid);
    return ax_fail_os(reterr, os, "cannot start %s", s->file);
}

/* The group is killed before its leader is reaped: until then its number cannot be another's. */
static bool reap(pid_t pid, int flags, int *ret_status)
{
    siginfo_t info = {0};
    int status = 0, rc;

    do
        rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | flags);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 || info.si_pid != pid)
        return false;
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (ret_status)
        *ret_status = status;
    return true;
}

bool ax_spawn_ended(pid_t pid, int *ret_status)
{
    return reap(pid, WNOHANG, ret_status);
}

void ax_spawn_kill(pid_t pid)
{
    if (kill(-pid, SIGKILL) < 0)
        kill(pid, SIGKILL);
    reap(pid, 0, NULL);
}

void ax_spawn_reap_orphans(bool (*ours)(void *ctx, pid_t pid), void *ctx)
{
    siginfo_t info = {0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
           !ours(ctx, info.si_pid)) {
        waitpid(info.si_pid, NULL, WNOHANG);
        info = (siginfo_t){0};
    }
}

void ax_spawn_status_text(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exited with code %d", WEXITSTATUS(status));
}
