#include "supervisor/reload.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "config/diff.h"
#include "supervisor/admin.h"
#include "supervisor/quarantine.h"
#include "supervisor/runner.h"
#include "supervisor/slot.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/systemd.h"
#include "supervisor/upgrade.h"

enum { LINE_MAX_BYTES = 1024 };
enum { SETTLE_MS = 5000 }; /* an old engine may be in the middle of long JavaScript */

struct ax_reload {
    struct ax_generation *to;   /* a reference */
    struct ax_sockets sockets;  /* those of `to`: kept ones are the supervisor's too */
    struct ax_log log;          /* OWNED until the commit */
    bool admin;                 /* the admin's addresses are prepared */
    bool committed;             /* the new generation serves */
    struct ax_upgrade *program; /* OWNED: it shall take our place first; NULL = there is no other */
    unsigned turns;             /* of the loop, before that */
    ax_mono began;
    unsigned changes;
};

/* ---- telling */
/* Takes the reference. */
static void tell(struct ax_supervisor *s, json_t *line, bool last)
{
    char *raw = line ? json_dumps(line, JSON_COMPACT) : NULL;
    char *text = raw ? ax_strdup(raw) : NULL;

    free(raw); /* jansson's own allocation */
    json_decref(line);
    ax_control_reloading(s->control, text, last);
}

/* Under `actix dev` a reload is one line, which o->dev prints. */
static enum ax_log_level said_level(const struct ax_supervisor *s)
{
    return s->o->dev ? AX_LOG_DEBUG : AX_LOG_INFO;
}

__attribute__((format(printf, 3, 4))) static void tell_text(struct ax_supervisor *s, const char *kind,
                                                            const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ax_log_write(&s->log, said_level(s), NULL, 0, "reload: %s%s",
                 strcmp(kind, "restart") == 0 ? "needs a restart: " : "", text);
    tell(s, json_pack("{s:s}", kind, text), false);
}

static json_t *problem_json(const struct ax_err *err, bool warning)
{
    json_t *file = err->file ? json_string(err->file) : json_null();

    return json_pack("{s:{s:o, s:i, s:i, s:s, s:b}}", "problem", "file", file, "line", (int)err->line, "col",
                     (int)err->col, "message", err->msg, "warning", warning);
}

static void on_problem(void *ctx, const struct ax_err *err, bool warning)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);
    enum ax_log_level level = warning ? AX_LOG_WARN : AX_LOG_ERROR;

    if (s->o->dev && !warning)
        s->o->problem(s->o->ctx, err);
    else if (err->file)
        ax_log_write(&s->log, level, NULL, 0, "%s:%u:%u: %s", err->file, err->line, err->col, err->msg);
    else
        ax_log_write(&s->log, level, NULL, 0, "%s", err->msg);
    tell(s, problem_json(err, warning), false);
}

void ax_reload_problem(struct ax_supervisor *s, const struct ax_err *err)
{
    tell(s, problem_json(err, false), false);
}

static void on_change(void *ctx, bool restart, const char *text)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);

    s->reload->changes++;
    tell_text(s, restart ? "restart" : "change", "%s", text);
}

/* ---- its end */
static void finish(struct ax_supervisor *s)
{
    struct ax_reload *r = s->reload;

    s->reload = NULL;
    if (uv_is_active((uv_handle_t *)&s->upgrade)) {
        uv_idle_stop(&s->upgrade);
        ax_upgrade_hold_signals(false);
    }
    ax_free(r->program);
    ax_log_close(&r->log);
    ax_generation_unref(r->to);
    ax_free(r);
}

static void fail(struct ax_supervisor *s, bool manifest, const char *why)
{
    ax_log_write(&s->log, s->o->dev ? AX_LOG_DEBUG : AX_LOG_ERROR, NULL, 0,
                 "reload failed, generation %u goes on: %s", s->gen->number, why);
    ax_supervisor_event(s, "reload", "failed, generation %u goes on: %s", s->gen->number, why);
    ax_sockets_close_but(&s->reload->sockets, &s->sockets);
    if (s->reload->admin)
        ax_admin_cancel(s->admin);
    finish(s);
    ax_systemd_reloaded(s, why);
    tell(s, json_pack("{s:s, s:b}", "error", why, "manifest", manifest), true);
    ax_dev_run_reloaded(s, why);
}

static void report(struct ax_supervisor *s)
{
    unsigned ms = (unsigned)((ax_mono_now().us - s->reload->began.us) / 1000);

    uv_timer_stop(&s->settle);
    ax_log_write(&s->log, said_level(s), NULL, 0, "generation %u serves, %u ms after the reload began",
                 s->gen->number, ms);
    ax_supervisor_event(s, "reload", "generation %u serves, changes: %u", s->gen->number, s->reload->changes);
    finish(s);
    ax_systemd_reloaded(s, NULL);
    tell(s, json_pack("{s:b, s:i}", "reloaded", 1, "generation", (int)s->gen->number), true);
    ax_dev_run_reloaded(s, NULL);
}

bool ax_reload_undecided(const struct ax_supervisor *s)
{
    return s->reload && !s->reload->committed;
}

void ax_reload_abort(struct ax_supervisor *s, const char *why)
{
    if (s->reload && s->reload->committed)
        report(s);
    if (!s->reload)
        return;
    for (unsigned i = 0; i < s->nslots; i++)
        ax_slot_forget(s->slots[i]);
    fail(s, false, why);
}

void ax_reload_failed(struct ax_supervisor *s, const struct ax_runner *r, const char *how)
{
    char why[LINE_MAX_BYTES];

    if (r->why[0])
        snprintf(why, sizeof why, "%s", r->why);
    else
        snprintf(why, sizeof why, "the new engine %s before it was ready", how);
    ax_reload_abort(s, why);
}

/* ---- the shift */
/* Slots beyond the new number of engines hand over to the others in turn. */
static void put_in_service(struct ax_supervisor *s, unsigned engines)
{
    unsigned heir = 0;

    for (unsigned i = 0; i < engines; i++)
        ax_slot_shift(s->slots[i]);
    for (unsigned i = engines; i < s->nslots; i++) {
        ax_slot_empty(s->slots[i], s->slots[heir]);
        heir = heir + 1 < engines ? heir + 1 : 0;
    }
}

static const struct ax_runner *still_accepting(const struct ax_supervisor *s)
{
    AX_LIST_EACH(it, &s->runners)
    {
        const struct ax_runner *r = AX_LIST_ENTRY(it, struct ax_runner, node);
        if (r != r->slot->now && r != r->slot->next && !r->not_accepting && !r->stuck)
            return r;
    }
    return NULL;
}

void ax_reload_settle(struct ax_supervisor *s)
{
    if (s->reload && s->reload->committed && !still_accepting(s))
        report(s);
}

static void on_settle(uv_timer_t *t)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, t->data, AX_SUPERVISOR_MAGIC);
    const struct ax_runner *r = still_accepting(s);

    if (r)
        tell_text(s, "note", "engine %ld of generation %u is busy and has not let go of its addresses yet",
                  (long)ax_runner_pid(r), r->gen->number);
    report(s);
}

static void commit(struct ax_supervisor *s)
{
    struct ax_reload *r = s->reload;
    struct ax_generation *before = s->gen;
    const struct ax_manifest *m = r->to->m;
    struct ax_err err = {0};

    s->gen = r->to;
    s->m = m;
    r->to = before; /* finish lets it go */
    if (ax_sockets_replace(&s->sockets, &r->sockets, m->server.backlog, &err) < 0)
        tell_text(s, "note", "%s", err.msg);
    ax_writer_configure(s->writer, m->metrics.interval_us, m->metrics.retention_us, m->metrics.size, &r->log);
    ax_admin_commit(s->admin);
    r->admin = false;
    ax_quarantine_reset(s->quarantine, m);
    put_in_service(s, s->gen->engines);
    ax_supervisor_watch(s);
    ax_generation_warn(s->gen, &s->log);
}

static bool all_ready(const struct ax_supervisor *s)
{
    for (unsigned i = 0; i < s->reload->to->engines; i++)
        if (!s->slots[i]->next || s->slots[i]->next->state != AX_RUNNER_READY)
            return false;
    return true;
}

void ax_reload_ready(struct ax_supervisor *s)
{
    if (!all_ready(s))
        return;
    commit(s);
    s->reload->committed = true;
    uv_timer_start(&s->settle, on_settle, SETTLE_MS, 0);
    ax_reload_settle(s);
}

/* ---- its begin */
/* The manifest as it is now, as a generation; false: it was told why not. */
static bool read_generation(struct ax_supervisor *s)
{
    struct ax_reading reading = {.manifest = NULL};
    struct ax_err err = {0};
    int rc = s->o->read(s->o->ctx, &reading, on_problem, s);

    if (rc < 0) {
        fail(s, true, "the manifest is not valid");
        return false;
    }
    rc = ax_generation_new(s->o, &reading, s->last_generation + 1, &s->reload->to, &err);
    if (rc == 0)
        return true;
    s->o->release(s->o->ctx, &reading);
    fail(s, false, err.msg);
    return false;
}

static int open_log(struct ax_supervisor *s, struct ax_err *reterr)
{
    return ax_supervisor_open_log(s->reload->to->m, &s->reload->log, reterr);
}

static const char *address(const struct ax_socket *sock)
{
    static const char scheme[] = "http://";

    return strncmp(sock->url, scheme, sizeof scheme - 1) == 0 ? sock->url + sizeof scheme - 1 : sock->url;
}

static void tell_addresses(struct ax_supervisor *s, const struct ax_sockets *from,
                           const struct ax_sockets *to, char sign)
{
    for (size_t i = 0; i < from->n; i++) {
        if (ax_sockets_have(to, from->v[i].fd))
            continue;
        s->reload->changes++;
        tell_text(s, "change", "listen: %c %s", sign, address(&from->v[i]));
    }
}

static void tell_access(struct ax_supervisor *s)
{
    for (size_t i = 0; i < s->reload->sockets.n; i++) {
        const struct ax_socket *sock = &s->reload->sockets.v[i];
        if (!ax_sockets_have(&s->sockets, sock->fd) || !ax_socket_changes(sock))
            continue;
        s->reload->changes++;
        if (sock->access.gid == (gid_t)-1)
            tell_text(s, "change", "listen: ~ %s mode %04o", address(sock), (unsigned)sock->access.mode);
        else
            tell_text(s, "change", "listen: ~ %s mode %04o group %u", address(sock),
                      (unsigned)sock->access.mode, (unsigned)sock->access.gid);
    }
}

/* Where the state would be now; it stays where it is. */
static void tell_state(struct ax_supervisor *s)
{
    struct ax_state_input in = s->o->state;
    struct ax_state now;

    in.manifest = s->reload->to->m;
    if (ax_state_paths(&in, &now, NULL) < 0)
        return;
    if (strcmp(now.dir, s->state.dir) != 0)
        tell_text(s, "restart", "state: %s -> %s", s->state.dir, now.dir);
    ax_state_fini(&now);
}

static void tell_changes(struct ax_supervisor *s)
{
    ax_manifest_diff(s->gen->m, s->reload->to->m, on_change, s);
    if (s->gen->workers != s->reload->to->workers &&
        s->gen->m->server.workers == s->reload->to->m->server.workers) {
        s->reload->changes++;
        tell_text(s, "change", "workers: %u -> %u", s->gen->workers, s->reload->to->workers);
    }
    tell_state(s);
    tell_addresses(s, &s->sockets, &s->reload->sockets, '-');
    tell_addresses(s, &s->reload->sockets, &s->sockets, '+');
    tell_access(s);
    if (s->reload->changes == 0)
        tell_text(s, "note", "nothing changed in the manifest: the code is loaded anew");
}

static int start_engines(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_generation *to = s->reload->to;
    int rc = ax_slots_make(s, to->engines, reterr);

    s->opening = &s->reload->sockets;
    for (unsigned i = 0; rc == 0 && i < to->engines; i++) {
        ax_slot_forget(s->slots[i]); /* a rolling restart that runs: this one replaces it too */
        rc = ax_slot_start_next(s->slots[i], to, reterr);
    }
    s->opening = NULL;
    return rc;
}

static int prepare(struct ax_supervisor *s, struct ax_err *reterr)
{
    const struct ax_generation *to = s->reload->to;
    int rc = open_log(s, reterr);

    if (rc == 0)
        rc = ax_supervisor_open_sockets(s, &to->reading, &s->sockets, &s->reload->sockets, reterr);
    if (rc == 0)
        rc = ax_admin_prepare(s->admin, to->m, reterr);
    s->reload->admin = rc == 0;
    if (rc == 0)
        tell_changes(s);
    return rc;
}

static const char *why_not(const struct ax_supervisor *s)
{
    return !s->o->read               ? "reload is not possible here"
           : s->phase == AX_STARTING ? "the app is still starting"
           : s->phase > AX_RUNNING   ? "the app is stopping"
                                     : NULL;
}

/* ---- into the program that is installed now */
static void tell_said(struct ax_supervisor *s, const char *said)
{
    for (size_t n; *said; said += n + (said[n] == '\n')) {
        struct ax_err err = {0};
        n = strcspn(said, "\n");
        ax_fail(&err, AX_E_SYNTAX, "%.*s", (int)n, said);
        if (n)
            on_problem(s, &err, false);
    }
}

/* In the second turn: what was caught before signals were held has been handled.  Only a failure goes on
 * here. */
static void on_turn(uv_idle_t *h)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, h->data, AX_SUPERVISOR_MAGIC);
    struct ax_err err = {0};

    if (s->reload->turns++ == 0)
        return;
    ax_upgrade_exec(s, s->reload->program, &err);
    fail(s, false, err.msg);
}

static void upgrade(struct ax_supervisor *s)
{
    struct ax_upgrade *to = s->reload->program = ax_calloc(1, sizeof *to);
    struct ax_err err = {0};
    int rc = to ? ax_upgrade_ask(s, to, &err) : ax_fail(&err, AX_E_NOMEM, "out of memory");

    if (rc == 0) {
        tell_text(s, "note", "version %s takes over from %s", to->version, AX_VERSION);
        ax_supervisor_event(s, "reload", "version %s takes over from %s", to->version, AX_VERSION);
        ax_upgrade_hold_signals(true);
        uv_idle_start(&s->upgrade, on_turn);
        return;
    }
    if (to)
        tell_said(s, to->said);
    fail(s, to && to->manifest, err.msg);
}

int ax_reload_begin(struct ax_supervisor *s, struct ax_err *reterr)
{
    const char *no = why_not(s);
    struct ax_err err = {0};

    if (s->reload)
        return ax_fail(reterr, AX_E_BUSY, "a reload is already running");
    if (no)
        return ax_fail(reterr, AX_E_STATE, "%s", no);
    s->reload = ax_calloc(1, sizeof *s->reload);
    if (!s->reload)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    s->reload->log.fd = -1;
    s->reload->began = ax_mono_now();
    ax_systemd_reloading(s);
    if (ax_upgrade_wanted(s->exe)) {
        upgrade(s);
        return 0;
    }
    if (!read_generation(s))
        return 0;
    s->last_generation++;
    int rc = prepare(s, &err);
    if (rc < 0 && err.line) {
        on_problem(s, &err, false);
        fail(s, false, "nothing was changed");
    } else if (rc < 0) {
        fail(s, false, err.msg);
    } else if (start_engines(s, &err) < 0) {
        ax_reload_abort(s, err.msg);
    }
    return 0;
}
