#include "supervisor/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/build.h"
#include "supervisor/adopt.h"
#include "supervisor/baton.h"
#include "supervisor/runner.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor_private.h"

enum { ASK_MS = 10000, ARGS_MAX_BYTES = 1 << 20, EXIT_MANIFEST = 3, AWAIT_MS = 5 };

/* ---- is there another program? */
void ax_upgrade_remember(char exe[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", exe, PATH_MAX - 1);

    exe[n > 0 ? n : 0] = '\0';
}

bool ax_upgrade_wanted(const char *exe)
{
    struct stat ours, there;

    return *exe && stat("/proc/self/exe", &ours) == 0 && stat(exe, &there) == 0 && S_ISREG(there.st_mode) &&
           access(exe, X_OK) == 0 && (ours.st_dev != there.st_dev || ours.st_ino != there.st_ino);
}

void ax_upgrade_tell(char out[AX_UPGRADE_TEXT])
{
    char layout[AX_LAYOUT_TEXT];

    ax_segment_layout(layout);
    snprintf(out, AX_UPGRADE_TEXT, "actix-upgrade %d %s %s", AX_BATON_FORMAT, layout, AX_VERSION);
}

/* ---- our arguments, and our environment with one more */
struct call {
    char *args, *variable; /* OWNED: what argv and envp point into */
    char **argv, **envp;   /* OWNED */
};

static void call_fini(struct call *c)
{
    ax_free(c->args);
    ax_free(c->variable);
    ax_free(c->argv);
    ax_free(c->envp);
}

static int read_args(struct call *c, struct ax_err *reterr)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    size_t n = 0, count = 0;
    ssize_t got = fd < 0 ? -1 : 1;

    c->args = ax_malloc(ARGS_MAX_BYTES + 1);
    while (c->args && got > 0 && n < ARGS_MAX_BYTES) {
        got = read(fd, c->args + n, ARGS_MAX_BYTES - n);
        n += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return ax_fail_os(reterr, errno, "cannot read our own arguments");
    if (!c->args)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    c->args[n] = '\0';
    for (size_t i = 0; i < n; i++)
        count += c->args[i] == '\0';
    c->argv = ax_calloc(count + 2, sizeof *c->argv);
    if (!c->argv)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    count = 0;
    for (size_t i = 0; i < n; i += strlen(c->args + i) + 1)
        c->argv[count++] = c->args + i;
    return 0;
}

static int make_call(const struct ax_supervisor *s, const char *value, struct call *c, struct ax_err *reterr)
{
    char *const *env = s->o->environ;
    size_t n = 0;

    *c = (struct call){.variable = ax_asprintf("%s=%s", AX_UPGRADE_ENV, value)};
    while (env[n])
        n++;
    c->envp = ax_calloc(n + 2, sizeof *c->envp);
    int rc = c->variable && c->envp ? read_args(c, reterr) : ax_fail(reterr, AX_E_NOMEM, "out of memory");
    if (rc < 0) {
        call_fini(c);
        return rc;
    }
    memcpy(c->envp, env, n * sizeof *c->envp);
    c->envp[n] = c->variable;
    return 0;
}

/* ---- asking the new one */
struct said {
    char *out;
    size_t n, size;
};

/* What did not fit is read and forgotten; false: end of file. */
static bool hear(int fd, struct said *to)
{
    char rest[512];
    bool room = to->n + 1 < to->size;
    ssize_t got = read(fd, room ? to->out + to->n : rest, room ? to->size - to->n - 1 : sizeof rest);

    if (got > 0 && room)
        to->n += (size_t)got;
    to->out[to->n] = '\0';
    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Both to their ends; false: not in time. */
static bool hear_all(const int fds[2], struct said said[2], int64_t until_us)
{
    struct pollfd p[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};

    while (p[0].fd >= 0 || p[1].fd >= 0) {
        int64_t left = (until_us - ax_mono_now().us) / 1000;
        if (left <= 0)
            return false;
        if (poll(p, 2, (int)left) <= 0)
            continue;
        for (unsigned i = 0; i < 2; i++)
            if (p[i].fd >= 0 && p[i].revents && !hear(p[i].fd, &said[i]))
                p[i].fd = -1;
    }
    return true;
}

static bool ended(pid_t pid, int64_t until_us, int *status)
{
    while (!ax_spawn_ended(pid, status)) {
        if (ax_mono_now().us > until_us)
            return false;
        poll(NULL, 0, AWAIT_MS);
    }
    return true;
}

/* The throw-away process; its wait status, or -code. */
static int run_check(const struct ax_supervisor *s, const char *path, struct said said[2],
                     struct ax_err *reterr)
{
    int64_t until_us = ax_mono_now().us + INT64_C(1000) * ASK_MS;
    int out[2] = {-1, -1}, err[2] = {-1, -1}, status = 0;
    struct call call;
    int rc = make_call(s, AX_UPGRADE_CHECK, &call, reterr);

    if (rc < 0)
        return rc;
    if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot ask the installed program");
        goto done;
    }
    pid_t pid = rc = ax_spawn(
        &(struct ax_spawn){.file = path, .argv = call.argv, .envp = call.envp, .out = out[1], .err = err[1]},
        reterr);
    close(out[1]);
    close(err[1]);
    out[1] = err[1] = -1;
    if (pid <= 0)
        goto done;
    rc = 0;
    if (!hear_all((int[2]){out[0], err[0]}, said, until_us) || !ended(pid, until_us, &status)) {
        ax_spawn_kill(pid);
        rc = ax_fail(reterr, AX_E_LIMIT, "the installed program did not answer within %d s", ASK_MS / 1000);
    }
done:
    for (unsigned i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (err[i] >= 0)
            close(err[i]);
    }
    call_fini(&call);
    return rc < 0 ? rc : status;
}

int ax_upgrade_ask(const struct ax_supervisor *s, struct ax_upgrade *ret, struct ax_err *reterr)
{
    char text[AX_UPGRADE_TEXT];
    struct said said[2] = {{text, 0, sizeof text}, {ret->said, 0, sizeof ret->said}};
    int format = 0;

    *ret = (struct ax_upgrade){.manifest = false};
    text[0] = '\0';
    snprintf(ret->path, sizeof ret->path, "%s", s->exe);
    if (s->o->cwd && chdir(s->o->cwd) < 0)
        return ax_fail_os(reterr, errno, "cannot enter %s", s->o->cwd);
    int rc = run_check(s, ret->path, said, reterr);
    if (rc < 0)
        return rc;
    ret->manifest = WIFEXITED(rc) && WEXITSTATUS(rc) == EXIT_MANIFEST;
    if (ret->manifest)
        return ax_fail(reterr, AX_E_SYNTAX, "the manifest is not valid");
    if (rc != 0 || sscanf(text, "actix-upgrade %d %63s %63s", &format, ret->layout, ret->version) != 3)
        return ax_fail(reterr, AX_E_UNSUPPORTED,
                       "the program that is installed now, %s, cannot take over: restart instead", s->exe);
    if (format != AX_BATON_FORMAT)
        return ax_fail(reterr, AX_E_UNSUPPORTED,
                       "version %s, which is installed now, cannot take over from %s: restart instead",
                       ret->version, AX_VERSION);
    return 0;
}

/* ---- writing down what lives on */
static json_t *generation_json(struct ax_baton *b, const struct ax_generation *g)
{
    return json_pack("{s:i, s:i, s:i, s:I, s:s, s:s, s:o}", "number", (int)g->number, "workers",
                     (int)g->workers, "engines", (int)g->engines, "connections", (json_int_t)g->connections,
                     "node", g->node, "script", g->script, "board", ax_baton_fd(b, g->board_fd));
}

/* Each once: the one that serves, and those that engines still run. */
static json_t *generations_json(const struct ax_supervisor *s, struct ax_baton *b)
{
    json_t *list = json_array();

    json_array_append_new(list, generation_json(b, s->gen));
    AX_LIST_EACH(it, &s->runners)
    {
        const struct ax_generation *g = AX_LIST_ENTRY(it, struct ax_runner, node)->gen;
        bool there = false;
        for (size_t i = 0; i < json_array_size(list); i++)
            there = there || ax_baton_number(json_array_get(list, i), "number") == (int64_t)g->number;
        if (!there)
            json_array_append_new(list, generation_json(b, g));
    }
    return list;
}

static const char *role_of(const struct ax_runner *r)
{
    return r == r->slot->now ? "now" : r == r->slot->next ? "next" : "leaving";
}

/* `notes`: how far its segment was counted, OWNED by the list of descriptors to close. */
static json_t *runner_json(struct ax_baton *b, const struct ax_runner *r, int notes, struct ax_err *reterr)
{
    struct ax_str rest;
    int control;

    if (!ax_engine_leave(r->engine, &control, &rest)) {
        ax_fail(reterr, AX_E_BUSY, "engine %ld does not listen at the moment: try again",
                (long)ax_runner_pid(r));
        return NULL;
    }
    return json_pack("{s:I, s:i, s:s, s:i, s:i, s:b, s:b, s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}",
                     "pid", (json_int_t)ax_runner_pid(r), "slot", (int)r->slot->id, "role", role_of(r),
                     "state", (int)r->state, "generation", (int)r->gen->number, "drained", r->drained,
                     "not_accepting", r->not_accepting, "stuck", r->stuck, "started",
                     (json_int_t)r->started.us, "ready_at", (json_int_t)r->ready_at.us, "left_at",
                     (json_int_t)r->left_at.us, "rest", ax_baton_bytes(rest), "control",
                     ax_baton_fd(b, control), "mailbox", ax_baton_fd(b, r->mailbox), "segment",
                     ax_baton_fd(b, r->segment ? r->segment_fd : -1), "notes", ax_baton_fd(b, notes));
}

struct notes { /* descriptors that are made for the baton alone */
    int *fds;
    unsigned n;
};

static int runners_json(const struct ax_supervisor *s, struct ax_baton *b, struct notes *notes, json_t *list,
                        struct ax_err *reterr)
{
    AX_LIST_EACH(it, &s->runners)
    {
        const struct ax_runner *r = AX_LIST_ENTRY(it, struct ax_runner, node);
        int fd = -1;
        if (r->segment) {
            fd = ax_writer_notes(s->writer, r->segment, reterr);
            if (fd < 0)
                return fd;
            notes->fds[notes->n++] = fd;
        }
        json_t *o = runner_json(b, r, fd, reterr);
        if (!o)
            return ax_fail(reterr, AX_E_NOMEM, "out of memory");
        json_array_append_new(list, o);
    }
    return 0;
}

static json_t *state_json(const struct ax_supervisor *s, struct ax_baton *b)
{
    const struct ax_state *t = &s->state;

    return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "usable", s->with_state, "dir",
                     ax_baton_text(t->dir), "database", ax_baton_text(t->database), "socket",
                     ax_baton_text(t->socket), "pid_file", ax_baton_text(t->pid_file), "lock",
                     ax_baton_text(t->lock), "asked", t->asked, "lock_fd", ax_baton_fd(b, s->lock.fd),
                     "pid_file_0", ax_baton_text(s->lock.pid_files[0]), "pid_file_1",
                     ax_baton_text(s->lock.pid_files[1]));
}

static json_t *control_json(const struct ax_supervisor *s, struct ax_baton *b)
{
    struct ax_control_left left;
    json_t *clients = json_array();

    if (!s->control) {
        json_decref(clients);
        return json_null();
    }
    ax_control_leave(s->control, &left);
    for (unsigned i = 0; i < left.n; i++)
        json_array_append_new(clients,
                              json_pack("{s:o, s:b, s:b, s:b}", "fd", ax_baton_fd(b, left.client[i].fd),
                                        "reloads", left.client[i].reloads, "flush", left.client[i].flush,
                                        "half", left.client[i].half));
    return json_pack("{s:o, s:i, s:I, s:o}", "fd", ax_baton_fd(b, left.fd), "mode", left.mode, "group",
                     (json_int_t)left.group, "clients", clients);
}

static json_t *slots_json(const struct ax_supervisor *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < s->nslots; i++)
        json_array_append_new(list, json_integer(s->slots[i]->restarts));
    return list;
}

static json_t *all_json(const struct ax_supervisor *s, struct ax_baton *b, json_t *runners)
{
    char layout[AX_LAYOUT_TEXT];

    ax_segment_layout(layout);
    return json_pack(
        "{s:i, s:s, s:s, s:i, s:i, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:O, s:I, s:I}", "format",
        AX_BATON_FORMAT, "version", AX_VERSION, "layout", layout, "generation", (int)s->gen->number,
        "last_generation", (int)s->last_generation, "started", (json_int_t)s->started.us, "generations",
        generations_json(s, b), "state", state_json(s, b), "control", control_json(s, b), "sockets",
        ax_baton_sockets(b, &s->sockets), "admin", ax_admin_leave(s->admin, b), "slots", slots_json(s),
        "runners", runners, "worker_restarts", (json_int_t)ax_writer_restarts(s->writer), "dropped",
        (json_int_t)ax_writer_dropped(s->writer));
}

/* The whole as a file in memory; its descriptor, or -code. */
static int write_baton(const json_t *all, struct ax_err *reterr)
{
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    size_t n = text ? strlen(text) : 0, done = 0;
    int fd = text ? memfd_create("actix-upgrade", MFD_CLOEXEC) : -1;
    ssize_t w = fd < 0 ? -1 : 1;

    while (w > 0 && done < n)
        done += (w = write(fd, text + done, n - done)) > 0 ? (size_t)w : 0;
    int os = errno;
    free(text); /* jansson's own allocation */
    if (!text)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    if (w > 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return ax_fail_os(reterr, os, "cannot write down what lives on");
}

static int make_baton(const struct ax_supervisor *s, struct ax_baton *b, struct notes *notes,
                      struct ax_err *reterr)
{
    json_t *runners = json_array();
    int rc = runners_json(s, b, notes, runners, reterr);
    json_t *all = rc == 0 ? all_json(s, b, runners) : NULL;

    if (rc == 0 && (!all || b->failed))
        rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = write_baton(all, reterr);
    json_decref(all);
    json_decref(runners);
    return rc;
}

/* ---- exec */
void ax_upgrade_hold_signals(bool hold)
{
    sigset_t ours;

    sigemptyset(&ours);
    for (unsigned i = 0; i < AX_COUNT(ax_adopt_signals); i++)
        sigaddset(&ours, ax_adopt_signals[i]);
    pthread_sigmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &ours, NULL);
}

static int run(const struct ax_supervisor *s, const char *path, int fd, const struct ax_baton *b,
               struct ax_err *reterr)
{
    char number[16];
    struct call call;

    snprintf(number, sizeof number, "%d", fd);
    int rc = make_call(s, number, &call, reterr);
    if (rc < 0)
        return rc;
    if (fcntl(fd, F_SETFD, 0) == 0 && ax_baton_hold(b, true))
        execve(path, call.argv, call.envp);
    rc = ax_fail_os(reterr, errno, "cannot execute %s", path);
    ax_baton_hold(b, false);
    call_fini(&call);
    return rc;
}

static void go_on(struct ax_supervisor *s)
{
    struct ax_err err = {0};

    if (ax_writer_resume(s->writer, &err) < 0)
        ax_log_error(&s->log, "no metrics are written any more: %s", err.msg);
}

int ax_upgrade_exec(struct ax_supervisor *s, const struct ax_upgrade *to, struct ax_err *reterr)
{
    struct notes notes = {.n = 0};
    struct ax_baton b = {0};
    char layout[AX_LAYOUT_TEXT];
    size_t runners = 1;

    AX_LIST_EACH(it, &s->runners)
    runners++;
    notes.fds = ax_calloc(runners, sizeof *notes.fds);
    if (!notes.fds)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    ax_segment_layout(layout);
    ax_writer_pause(s->writer);
    if (ax_writer_waiting(s->writer))
        ax_log_warn(&s->log, "%u s of metrics that cannot be written now are lost by the upgrade",
                    ax_writer_waiting(s->writer));
    ax_admin_settle(s->admin, strcmp(layout, to->layout) == 0);
    int rc = make_baton(s, &b, &notes, reterr);
    if (rc >= 0) {
        int fd = rc;
        rc = run(s, to->path, fd, &b, reterr);
        close(fd);
    }
    for (unsigned i = 0; i < notes.n; i++)
        close(notes.fds[i]);
    ax_free(notes.fds);
    ax_baton_fini(&b);
    go_on(s);
    return rc;
}
