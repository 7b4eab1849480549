#include "cli/throwaway.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "metrics/store.h"
#include "supervisor/dirs.h"
#include "supervisor/spawn.h"

enum { NFDS = 16, LINE_BYTES = 512, OUT_BYTES = 65536 };

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int make_state(struct ax_throwaway *t, struct ax_err *reterr)
{
    snprintf(t->state, sizeof t->state, "/tmp/actix-request-XXXXXX");
    if (mkdtemp(t->state))
        return 0;
    t->state[0] = '\0';
    return ax_fail_os(reterr, errno, "cannot make a folder in /tmp");
}

static pid_t spawn(const struct ax_args *args, struct ax_throwaway *t, int out, struct ax_err *reterr)
{
    const char *files[AX_APP_FILES], *argv[16 + 2 * AX_APP_FILES];
    char *store = NULL, exe[] = "/proc/self/exe";
    const char *const fixed[] = {"actix", "serve",     "--host", "127.0.0.1", "--port",
                                 "0",     "--workers", "1",      "--state",   t->state};
    size_t n = 0, nfiles = ax_args_list(args, "config", files, AX_APP_FILES, &store);

    if (nfiles == AX_ARGS_NOMEM)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    for (; n < sizeof fixed / sizeof *fixed; n++)
        argv[n] = fixed[n];
    for (size_t i = 0; i < nfiles && i < AX_APP_FILES; i++) {
        argv[n++] = "-c";
        argv[n++] = files[i];
    }
    argv[n] = NULL;
    union { /* exec takes char *const[] for history's sake and changes nothing (POSIX, exec, RATIONALE) */
        const char **from;
        char *const *to;
    } v = {.from = argv};
    pid_t pid = ax_spawn(&(struct ax_spawn){.file = exe, .argv = v.to, .envp = environ, .out = out}, reterr);
    ax_free(store);
    return pid;
}

/* Reads up to its line `listening on URL`; false = it ended before. */
static bool await_url(struct ax_throwaway *t)
{
    static const char said[] = "listening on ";
    FILE *f = fdopen(dup(t->out), "re");
    char line[LINE_BYTES];
    bool found = false;

    if (!f)
        return false;
    setvbuf(f, NULL, _IONBF, 0); /* what follows stays in the pipe */
    while (!found && fgets(line, sizeof line, f)) {
        found = strncmp(line, said, sizeof said - 1) == 0;
        if (found)
            snprintf(t->url, sizeof t->url, "%.*s", (int)strcspn(line + sizeof said - 1, " \n"),
                     line + sizeof said - 1);
        else
            fputs(line, stderr);
    }
    fclose(f);
    return found;
}

static void pass_on(int fd)
{
    char text[4096];
    ssize_t n;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((n = read(fd, text, sizeof text)) > 0)
        fwrite(text, 1, (size_t)n, stderr);
    close(fd);
}

static int await_end(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : AX_EXIT_FAILED;
}

static bool read_time(const struct ax_throwaway *t, struct ax_throwaway_time *ret)
{
    char *path = ax_path_join(t->state, "metrics.db");
    struct ax_stats_query q = {.path = path, .until_us = INT64_MAX, .by = AX_BY_ROUTE};
    struct ax_stats *s = NULL;
    bool one = path && ax_store_query(&q, &s, NULL) == 0 && s->total.requests == 1;

    if (one)
        *ret = (struct ax_throwaway_time){s->total.queue_us, s->total.handler_us, s->total.send_us};
    ax_stats_free(s);
    ax_free(path);
    return one;
}

static void clean(struct ax_throwaway *t)
{
    pass_on(t->out);
    nftw(t->state, remove_one, NFDS, FTW_DEPTH | FTW_PHYS);
}

int ax_throwaway_start(const struct ax_args *args, struct ax_throwaway *ret, struct ax_err *reterr)
{
    int ends[2], rc;

    *ret = (struct ax_throwaway){.out = -1};
    rc = make_state(ret, reterr);
    if (rc < 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot make a pipe");
        goto fail;
    }
    ret->pid = spawn(args, ret, ends[1], reterr);
    close(ends[1]);
    ret->out = ends[0];
    rc = ret->pid < 0 ? ret->pid : 0;
    if (rc == 0 && !await_url(ret)) {
        ret->exit_code = await_end(ret->pid);
        rc = ax_fail(reterr, AX_E_STATE, "the app did not start");
    }
    if (rc == 0)
        return 0;
    close(ends[0]);
fail:
    nftw(ret->state, remove_one, NFDS, FTW_DEPTH | FTW_PHYS);
    return rc;
}

bool ax_throwaway_stop(struct ax_throwaway *t, struct ax_throwaway_time *ret)
{
    kill(t->pid, SIGTERM);
    await_end(t->pid);
    bool one = read_time(t, ret);
    clean(t);
    return one;
}
