#include "supervisor/supervisor.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "supervisor/adopt.h"
#include "supervisor/plan.h"
#include "supervisor/proc.h"
#include "supervisor/quarantine.h"
#include "supervisor/reload.h"
#include "supervisor/runner.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/systemd.h"
#include "supervisor/upgrade.h"

enum { INT_ECHO_US = 20000, WATCH_MS = 1000, EVENT_TEXT = 2048, MEMORY_AGE_US = 10000000 };

void ax_supervisor_event(struct ax_supervisor *s, const char *kind, const char *fmt, ...)
{
    char text[EVENT_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ax_writer_event(s->writer, kind, text);
}

const char *ax_phase_name(const struct ax_supervisor *s)
{
    if (s->phase == AX_STARTING)
        return "starting";
    if (s->phase != AX_RUNNING)
        return "stopping";
    for (unsigned i = 0; i < s->gen->engines; i++)
        if (!ax_slot_serves(s->slots[i]))
            return "restarting";
    return s->reload ? "reloading" : "running";
}

/* ---- set-up, one step each */
int ax_supervisor_open_log(const struct ax_manifest *m, struct ax_log *ret, struct ax_err *reterr)
{
    enum ax_log_format f = ax_log_format_of(m->log.format);
    char *target = ax_log_target(m, m->log.output ? m->log.output : "stderr");

    if (!target)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    /* "combined" is a form of access lines only */
    int rc = ax_log_open(ret, target, f == AX_LOG_COMBINED ? AX_LOG_AUTO : f, ax_log_level_of(m->log.level),
                         reterr);
    ax_free(target);
    return rc;
}

static int setup_state(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_err why = {0};
    int rc = ax_state_paths(&s->o->state, &s->state, reterr);

    if (rc < 0)
        return rc;
    rc = ax_state_take(&s->state, s->m->server.control.group, s->o->pid_file, &s->lock, &why);
    s->with_state = rc == 0;
    if (rc == -AX_E_STATE && !s->state.asked && !s->o->pid_file) {
        ax_log_warn(&s->log, "%s: running without metrics database and control socket", why.msg);
        return 0;
    }
    return rc < 0 ? ax_fail(reterr, why.code, "%s", why.msg) : 0;
}

int ax_supervisor_open_sockets(const struct ax_supervisor *s, const struct ax_reading *r,
                               const struct ax_sockets *old, struct ax_sockets *ret, struct ax_err *reterr)
{
    const struct ax_listen *over = r->listen;
    const struct ax_manifest *m = r->manifest;
    struct ax_sockets_input in = {over ? over : m->server.listen, over ? 1 : m->server.nlisten,
                                  m->server.backlog, m->root, ax_in_container()};

    (void)s;
    return ax_sockets_renew(&in, old, ret, reterr);
}

/* Sockets of systemd replace server.listen, for as long as we run. */
static int setup_sockets(struct ax_supervisor *s, struct ax_err *reterr)
{
    const struct ax_reading *r = &s->gen->reading;

    if (!r->listen) {
        int rc = ax_sockets_inherit(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), &s->sockets, reterr);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return ax_supervisor_open_sockets(s, r, &s->sockets, &s->sockets, reterr);
}

static int setup_writer(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_writer_options o = {
        .store = {.path = s->with_state ? s->state.database : NULL,
                  .retention_us = s->m->metrics.retention_us,
                  .max_bytes = s->m->metrics.size},
        .interval_us = s->m->metrics.interval_us,
        .log = &s->log,
    };

    return ax_writer_start(&o, &s->writer, reterr);
}

/* ---- signals */
static void on_hup(struct ax_supervisor *s)
{
    struct ax_err err = {0};

    if (ax_reload_begin(s, &err) == 0)
        return;
    ax_log_warn(&s->log, "cannot reload now: %s", err.msg);
    if (s->reload) /* who sent the signal waits for a reload's begin and end: it sees those of this one */
        ax_systemd_reloading(s);
}

static void on_usr1(struct ax_supervisor *s)
{
    struct ax_err err = {0};

    if (ax_log_reopen(&s->log, &err) < 0)
        ax_log_error(&s->log, "%s", err.msg);
    AX_LIST_EACH(it, &s->runners)
    {
        ax_engine_order(AX_LIST_ENTRY(it, struct ax_runner, node)->engine, AX_ORDER_REOPEN_LOGS);
    }
}

/* `timeout` and `npm` send the INT on that the terminal sends to all: two within a moment are one. */
static void on_int(struct ax_supervisor *s)
{
    ax_mono now = ax_mono_now();

    if (s->phase < AX_LAME_DUCK)
        ax_stop_begin(s);
    else if (s->first_int.us == 0 || now.us - s->first_int.us > INT_ECHO_US)
        ax_stop_now(s);
    if (s->first_int.us == 0)
        s->first_int = now;
}

static bool is_engine(void *ctx, pid_t pid)
{
    struct ax_supervisor *s = ctx;

    AX_LIST_EACH(it, &s->runners)
    {
        if (ax_runner_pid(AX_LIST_ENTRY(it, struct ax_runner, node)) == pid)
            return true;
    }
    return false;
}

static void on_child(struct ax_supervisor *s)
{
    AX_LIST_EACH(it, &s->runners)
    {
        ax_engine_child(AX_LIST_ENTRY(it, struct ax_runner, node)->engine);
    }
    ax_spawn_reap_orphans(is_engine, s);
}

static void on_signal(uv_signal_t *h, int sig)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, h->data, AX_SUPERVISOR_MAGIC);

    if (sig == SIGCHLD)
        on_child(s);
    else if (sig == SIGHUP)
        on_hup(s);
    else if (sig == SIGUSR1)
        on_usr1(s);
    else if (sig == SIGINT)
        on_int(s);
    else if (sig == SIGTERM)
        ax_stop_begin(s);
}

static char *on_status(void *ctx)
{
    return ax_status_text(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC));
}

static void on_stop(void *ctx)
{
    ax_stop_begin(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC));
}

static int on_reload(void *ctx, struct ax_err *reterr)
{
    return ax_reload_begin(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC), reterr);
}

static uint64_t on_flush(void *ctx)
{
    return ax_writer_hurry(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC)->writer);
}

/* The writer's thread. */
static void on_round(void *ctx)
{
    uv_async_send(&AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC)->written);
}

static void on_written(uv_async_t *h)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, h->data, AX_SUPERVISOR_MAGIC);

    ax_control_flushed(s->control, ax_writer_rounds(s->writer));
}

static int setup_control(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_control_options o = {.loop = &s->loop,
                                   .path = s->state.socket,
                                   .mode = s->m->server.control.mode,
                                   .group = s->m->server.control.group,
                                   .status = on_status,
                                   .stop = on_stop,
                                   .reload = on_reload,
                                   .flush = on_flush,
                                   .ctx = s};
    struct ax_control_left left;

    if (s->left) {
        o.left = &left;
        return ax_adopt_control(s->left, &left) ? ax_control_open(&o, &s->control, reterr) : 0;
    }
    return s->with_state ? ax_control_open(&o, &s->control, reterr) : 0;
}

/* ---- quarantine */
static void on_quarantine(void *ctx, const char *method, const char *pattern, int64_t until_us,
                          const char *text)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);

    AX_LIST_EACH(it, &s->runners)
    {
        ax_quarantine_set(AX_LIST_ENTRY(it, struct ax_runner, node)->segment, method, pattern, until_us);
    }
    ax_log_write(&s->log, until_us ? AX_LOG_ERROR : AX_LOG_INFO, NULL, 0, "%s", text);
    ax_supervisor_event(s, "quarantine", "%s", text);
}

static int setup_quarantine(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_quarantine_options o = {.loop = &s->loop, .changed = on_quarantine, .ctx = s};
    int rc = ax_quarantine_new(&o, &s->quarantine, reterr);

    if (rc == 0)
        ax_quarantine_reset(s->quarantine, s->m);
    return rc;
}

/* ---- limits.memory */
static void check_memory(struct ax_slot *slot, ax_mono now)
{
    struct ax_runner *r = slot->now;
    struct ax_proc p;
    char why[128];

    if (!ax_slot_serves(slot) || now.us - r->ready_at.us < MEMORY_AGE_US ||
        !ax_proc_read(ax_runner_pid(r), &p))
        return;
    int64_t limit = r->gen->m->limits.memory;
    if (limit == AX_OFF || p.rss_bytes <= (uint64_t)limit)
        return;
    snprintf(why, sizeof why,
             "it has %" PRIu64 " MiB in memory, more than limits.memory allows (%" PRId64 ")",
             p.rss_bytes >> 20, limit >> 20);
    ax_slot_renew(r, why);
}

static void on_memory(uv_timer_t *t)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, t->data, AX_SUPERVISOR_MAGIC);
    ax_mono now = ax_mono_now();

    for (unsigned i = 0; i < s->nslots; i++)
        check_memory(s->slots[i], now);
}

void ax_supervisor_watch(struct ax_supervisor *s)
{
    if (s->m->limits.memory == AX_OFF)
        uv_timer_stop(&s->memory);
    else
        uv_timer_start(&s->memory, on_memory, WATCH_MS, WATCH_MS);
}

/* ---- the first start */
static bool all_serve(const struct ax_supervisor *s)
{
    for (unsigned i = 0; i < s->gen->engines; i++)
        if (!ax_slot_serves(s->slots[i]))
            return false;
    return true;
}

void ax_supervisor_ready(struct ax_supervisor *s)
{
    if (!all_serve(s))
        return;
    s->phase = AX_RUNNING;
    ax_supervisor_watch(s);
    for (size_t i = 0; i < s->sockets.n; i++)
        s->o->listening(s->o->ctx, s->sockets.v[i].url, s->sockets.v[i].everywhere);
    s->o->ready(s->o->ctx);
    ax_systemd_ready(s);
    ax_dev_run_ready(s);
}

void ax_supervisor_give_up(struct ax_supervisor *s)
{
    s->failed = true;
    ax_systemd_stopping(s);
    ax_stop_now(s);
}

static int start_engines(struct ax_supervisor *s, struct ax_err *reterr)
{
    if (s->left)
        return ax_adopt_engines(s, reterr);
    int rc = ax_slots_make(s, s->gen->engines, reterr);

    for (unsigned i = 0; rc == 0 && i < s->gen->engines; i++)
        rc = ax_slot_start(s->slots[i], s->gen, reterr);
    return rc;
}

/* ---- the loop */
static int open_handles(struct ax_supervisor *s, struct ax_err *reterr)
{
    uv_timer_t *timers[] = {&s->lame, &s->report, &s->memory, &s->settle};
    int rc = 0;

    s->written.data = s;
    uv_idle_init(&s->loop, &s->upgrade);
    s->upgrade.data = s;
    ax_writer_notify(s->writer, on_round, s);
    for (unsigned i = 0; i < AX_COUNT(timers); i++) {
        uv_timer_init(&s->loop, timers[i]);
        timers[i]->data = s;
    }
    for (unsigned i = 0; i < AX_SIGNALS; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        if (rc == 0)
            rc = uv_signal_start(&s->signals[i], on_signal, ax_adopt_signals[i]);
    }
    if (rc < 0)
        return ax_fail(reterr, AX_E_SYS, "cannot watch signals: %s", uv_strerror(rc));
    if (s->left)
        ax_upgrade_hold_signals(false);
    return 0;
}

void ax_supervisor_over(struct ax_supervisor *s)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&s->lame, (uv_handle_t *)&s->report, (uv_handle_t *)&s->memory,
                              (uv_handle_t *)&s->settle};

    if (s->phase == AX_OVER)
        return;
    s->phase = AX_OVER;
    ax_writer_notify(s->writer, NULL, NULL);
    uv_close((uv_handle_t *)&s->written, NULL);
    uv_close((uv_handle_t *)&s->upgrade, NULL);
    for (unsigned i = 0; i < AX_COUNT(handles); i++)
        uv_close(handles[i], NULL);
    ax_slots_close(s);
    ax_quarantine_close(s->quarantine);
    ax_dev_run_close(s);
    for (unsigned i = 0; i < AX_SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    ax_control_close(s->control, s->result.forced);
    s->control = NULL;
    ax_systemd_close(s);
    ax_admin_close(s->admin);
    s->admin = NULL;
}

static int run(struct ax_supervisor *s, struct ax_err *reterr)
{
    int rc = uv_loop_init(&s->loop);

    if (rc < 0)
        return ax_fail(reterr, AX_E_SYS, "cannot make the event loop: %s", uv_strerror(rc));
    rc = uv_async_init(&s->loop, &s->written, on_written);
    if (rc < 0) {
        uv_loop_close(&s->loop);
        return ax_fail(reterr, AX_E_SYS, "cannot watch the metrics writer: %s", uv_strerror(rc));
    }
    rc = open_handles(s, reterr);
    if (rc == 0)
        rc = setup_quarantine(s, reterr);
    if (rc == 0)
        rc = setup_control(s, reterr);
    if (rc == 0)
        rc = ax_supervisor_admin(s, reterr);
    if (rc == 0)
        rc = ax_systemd_open(s, reterr);
    if (rc == 0)
        rc = ax_dev_run_open(s, reterr);
    if (rc == 0)
        rc = start_engines(s, reterr);
    if (rc < 0)
        ax_supervisor_give_up(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    return rc;
}

static int setup_generation(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_reading first = {.manifest = s->o->manifest, .listen = s->o->listen, .workers = s->o->workers};
    int rc = ax_generation_new(s->o, &first, 1, &s->gen, reterr);

    s->last_generation = 1;
    return rc;
}

/* The reload that follows an upgrade tells of a log that cannot be opened; until then there must be one. */
static int adopt(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_err why = {0};
    int rc = ax_left_open(s->o->left, &s->left, reterr);

    if (rc == 0 && ax_supervisor_open_log(s->m, &s->log, &why) < 0) {
        rc = ax_log_open(&s->log, "stderr", AX_LOG_AUTO, AX_LOG_INFO, reterr);
        ax_log_warn(&s->log, "%s", why.msg);
    }
    if (rc == 0)
        rc = ax_adopt_setup(s, reterr);
    return rc < 0 ? rc : setup_writer(s, reterr);
}

static int setup(struct ax_supervisor *s, struct ax_err *reterr)
{
    if (s->o->left > 0)
        return adopt(s, reterr);
    int rc = ax_supervisor_open_log(s->m, &s->log, reterr);

    if (rc < 0 || (rc = setup_generation(s, reterr)) < 0 || (rc = setup_state(s, reterr)) < 0 ||
        (rc = setup_sockets(s, reterr)) < 0)
        return rc;
    ax_generation_warn(s->gen, &s->log);
    return setup_writer(s, reterr);
}

/* The last write of the metrics, and the pid files before the lock: who then takes the lock finds none. */
static void teardown(struct ax_supervisor *s)
{
    ax_writer_stop(s->writer);
    ax_left_free(s->left);
    ax_slots_free(s);
    ax_quarantine_free(s->quarantine);
    ax_sockets_close(&s->sockets);
    ax_state_release(&s->lock);
    ax_state_fini(&s->state);
    ax_generation_unref(s->gen);
    ax_log_close(&s->log);
    s->magic = 0;
    ax_free(s);
}

int ax_serve(const struct ax_serve_options *o, struct ax_serve_result *ret, struct ax_err *reterr)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct ax_supervisor *s = ax_calloc(1, sizeof *s);

    if (!s)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    *s = (struct ax_supervisor){
        .magic = AX_SUPERVISOR_MAGIC, .o = o, .m = o->manifest, .started = ax_mono_now()};
    s->lock.fd = -1;
    s->log.fd = -1;
    ax_list_init(&s->runners);
    ax_upgrade_remember(s->exe);
    sigaction(SIGPIPE, &ignore, &before);
    int rc = setup(s, &s->err);
    if (rc == 0)
        rc = run(s, &s->err);
    if (rc == 0 && s->failed)
        rc = s->err.code ? -(int)s->err.code : -AX_E_STATE;
    if (rc < 0 && s->err.code && reterr && reterr->code == AX_OK)
        *reterr = s->err;
    *ret = s->result;
    teardown(s);
    sigaction(SIGPIPE, &before, NULL);
    return rc;
}
