/* The life of the engine: start, restart with backoff, lame duck, drain, end. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor_private.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000, STEADY_US = 30 * 1000000 };
enum { GRACE_MS = 500 }; /* what the engine gets beyond its own timeout to say how it ended */
enum { REPORT_MS = 1000, EVENT_TEXT = 512 };

static struct ax_supervisor *of_timer(uv_timer_t *t)
{
    return AX_CAST(struct ax_supervisor, t->data, AX_SUPERVISOR_MAGIC);
}

__attribute__((format(printf, 3, 4))) static void event(struct ax_supervisor *s, const char *kind,
                                                        const char *fmt, ...)
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
    if (s->phase == AX_RUNNING && !s->engine_ready)
        return "restarting";
    return s->phase == AX_STARTING ? "starting" : s->phase == AX_RUNNING ? "running" : "stopping";
}

/* ---- the start failed */
static void give_up(struct ax_supervisor *s)
{
    s->failed = true;
    ax_supervisor_over(s);
}

/* At the first start every reason goes to whoever asked for it; later to the log. */
static void on_failed(struct ax_supervisor *s, const struct ax_message *m)
{
    for (size_t i = 0; i < m->nerrors; i++) {
        const struct ax_message_error *e = &m->error[i];
        struct ax_err err = {0};
        ax_fail_at(&err, AX_E_STATE, e->file, e->line, e->col, "%s", e->text);
        if (s->phase == AX_STARTING) {
            s->said = true;
            s->result.manifest = s->result.manifest || (e->file && e->line);
            s->o->problem(s->o->ctx, &err);
        } else if (e->file) {
            ax_log_error(&s->log, "%s:%u:%u: %s", e->file, e->line, e->col, err.msg);
        } else {
            ax_log_error(&s->log, "%s", err.msg);
        }
    }
}

static void on_startup_timeout(uv_timer_t *t)
{
    struct ax_supervisor *s = of_timer(t);

    ax_log_error(&s->log, "the engine was not ready within timeouts.startup and is killed");
    if (s->phase == AX_STARTING)
        ax_fail(&s->err, AX_E_LIMIT, "the app was not ready within timeouts.startup (%" PRId64 " ms)",
                s->m->timeouts.startup / 1000);
    ax_engine_kill(s->engine);
}

/* ---- it is ready */
static void on_ready(struct ax_supervisor *s, const struct ax_message *m)
{
    uv_timer_stop(&s->startup);
    s->engine_ready = true;
    s->ready_at = ax_mono_now();
    ax_engine_order(s->engine, AX_ORDER_WORKERS);
    if (s->phase == AX_RUNNING) {
        ax_log_info(&s->log, "engine %ld is ready, workers: %u", (long)ax_engine_pid(s->engine), m->workers);
        event(s, "restart", "engine %ld is ready, workers: %u", (long)ax_engine_pid(s->engine), m->workers);
    } else if (s->phase == AX_STARTING) {
        s->phase = AX_RUNNING;
        event(s, "start", "engine %ld is ready, workers: %u", (long)ax_engine_pid(s->engine), m->workers);
        for (size_t i = 0; i < s->sockets.n; i++)
            s->o->listening(s->o->ctx, s->sockets.v[i].url, s->sockets.v[i].everywhere);
        s->o->ready(s->o->ctx);
    }
}

static void on_workers(struct ax_supervisor *s, const struct ax_message *m)
{
    memcpy(s->workers_seen, m->worker, m->workers * sizeof *m->worker);
    s->nworkers_seen = m->workers;
}

static void on_event(struct ax_supervisor *s, const struct ax_message *m)
{
    bool good = strcmp(m->kind, "restart") == 0;

    ax_writer_event(s->writer, m->kind, m->text);
    if (good)
        ax_writer_restarted(s->writer, 1);
    ax_log_write(&s->log, good ? AX_LOG_INFO : AX_LOG_WARN, NULL, 0, "%s", m->text);
    ax_engine_order(s->engine, AX_ORDER_WORKERS);
}

static void on_message(void *ctx, const struct ax_message *m)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);

    switch (m->type) {
    case AX_MSG_READY:
        on_ready(s, m);
        break;
    case AX_MSG_FAILED:
        on_failed(s, m);
        break;
    case AX_MSG_EVENT:
        on_event(s, m);
        break;
    case AX_MSG_WORKERS:
        on_workers(s, m);
        break;
    case AX_MSG_DRAINED:
        s->engine_drained = true;
        break;
    }
}

/* ---- it is gone */
static void on_retry(uv_timer_t *t);

/* At once after a steady run, then 100 ms doubling to 5 s. */
static void start_again(struct ax_supervisor *s, bool was_ready)
{
    bool steady = was_ready && ax_mono_now().us - s->ready_at.us >= STEADY_US;
    int64_t wait = steady ? 0 : s->backoff_ms;

    s->backoff_ms = wait == 0 ? BACKOFF_FIRST_MS : wait * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : wait * 2;
    uv_timer_start(&s->retry, on_retry, (uint64_t)wait, 0);
}

static void on_retry(uv_timer_t *t)
{
    struct ax_supervisor *s = of_timer(t);
    struct ax_err err = {0};

    s->restarts++;
    if (ax_run_engine(s, &err) == 0)
        return;
    ax_log_error(&s->log, "cannot start the engine again: %s", err.msg);
    start_again(s, false);
}

static void on_exit_running(struct ax_supervisor *s, bool was_ready, const char *how)
{
    ax_log_error(&s->log, "the engine %s; it is started again", how);
    event(s, "crash", "the engine %s", how);
    start_again(s, was_ready);
}

static void on_exit_starting(struct ax_supervisor *s, const char *how)
{
    if (!s->said)
        ax_fail(&s->err, AX_E_STATE, "the app did not start: its Node %s before it was ready", how);
    give_up(s);
}

/* One that we did not kill and that had nothing to do has cut nothing off. */
static void on_exit_stopping(struct ax_supervisor *s, uint64_t inflight, const char *how)
{
    if (!s->engine_drained) {
        s->result.forced = s->engine_killed || inflight > 0;
        ax_log_warn(&s->log, "the engine %s while it stopped, with %" PRIu64 " requests in progress", how,
                    inflight);
    }
    ax_supervisor_over(s);
}

static uint64_t in_progress(const struct ax_supervisor *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; s->segment && i < ax_segment_workers(s->segment); i++) {
        struct ax_counters c;
        ax_segment_read_counters(s->segment, i, &c);
        n += c.inflight;
    }
    return n;
}

static void on_exit(void *ctx, int status)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);
    bool was_ready = s->engine_ready;
    uint64_t inflight = in_progress(s); /* the segment goes below */
    char how[96];

    ax_spawn_status_text(status, how, sizeof how);
    uv_timer_stop(&s->startup);
    if (s->segment)
        ax_writer_drop(s->writer, s->segment);
    s->engine = NULL;
    s->segment = NULL;
    s->engine_ready = false;
    s->nworkers_seen = 0;
    if (s->phase == AX_STARTING)
        on_exit_starting(s, how);
    else if (s->phase == AX_RUNNING)
        on_exit_running(s, was_ready, how);
    else if (s->phase != AX_OVER)
        on_exit_stopping(s, inflight, how);
}

int ax_run_engine(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_engine_options o = {
        .loop = &s->loop,
        .node = s->node,
        .script = s->script,
        .env = &s->env,
        .plan = {.manifest = s->m,
                 .generation = ++s->generation,
                 .workers = s->workers,
                 .connections = s->connections,
                 .format = s->log.format,
                 .access_format = s->access_format,
                 .sockets = &s->sockets},
        .output = s->o->output,
        .log = &s->log,
        .on_message = on_message,
        .on_exit = on_exit,
        .ctx = s,
    };
    struct ax_segment *segment;
    int rc = ax_engine_start(&o, &s->engine, &segment, reterr);

    if (rc < 0)
        return rc;
    s->engine_ready = s->engine_drained = s->engine_killed = false;
    struct ax_err why = {0};
    if (ax_writer_add(s->writer, segment, ax_engine_pid(s->engine), &why) < 0) {
        /* what it counts would be lost: better no such engine; on_exit follows */
        ax_log_error(&s->log, "the engine is killed: %s", why.msg);
        if (s->phase == AX_STARTING)
            ax_fail(&s->err, why.code, "%s", why.msg);
        ax_segment_free(segment);
        ax_engine_kill(s->engine);
        return 0;
    }
    s->segment = segment;
    if (s->m->timeouts.startup != AX_OFF)
        uv_timer_start(&s->startup, on_startup_timeout, (uint64_t)(s->m->timeouts.startup / 1000) + GRACE_MS,
                       0);
    return 0;
}

/* ---- stop */
static void on_shutdown_timeout(uv_timer_t *t)
{
    struct ax_supervisor *s = of_timer(t);

    ax_log_warn(&s->log, "not all requests ended within timeouts.shutdown: the engine is killed");
    ax_run_kill(s);
}

static void on_report(uv_timer_t *t)
{
    struct ax_supervisor *s = of_timer(t);
    struct ax_buf b = AX_BUF_INIT(EVENT_TEXT);
    uint64_t total = 0;

    for (unsigned i = 0; s->segment && i < ax_segment_workers(s->segment); i++) {
        struct ax_counters c;
        ax_segment_read_counters(s->segment, i, &c);
        total += c.inflight;
        if (c.inflight)
            ax_buf_addf(&b, "%sworker %u: %" PRIu64, b.n ? ", " : "", i, c.inflight);
    }
    const char *list = ax_buf_cstr(&b);
    if (total)
        ax_log_info(&s->log, "waiting for %" PRIu64 " requests in progress (%s)", total, list ? list : "");
    else
        ax_log_info(&s->log, "waiting for the engine to end: no request is in progress");
    ax_buf_fini(&b);
}

/* Our own copies of the listening sockets close first: the engine takes what is queued and closes the last
 * ones. */
static void begin_drain(struct ax_supervisor *s)
{
    s->phase = AX_DRAINING;
    uv_timer_stop(&s->lame);
    uv_timer_stop(&s->retry);
    ax_sockets_close(&s->sockets);
    if (!s->engine) {
        ax_supervisor_over(s);
    } else { /* one that is not ready yet may be answering all the same: its first worker accepts */
        ax_engine_order(s->engine, AX_ORDER_STOP);
        uv_timer_start(&s->report, on_report, REPORT_MS, 0);
        if (s->m->timeouts.shutdown != AX_OFF)
            uv_timer_start(&s->shutdown, on_shutdown_timeout,
                           (uint64_t)(s->m->timeouts.shutdown / 1000) + GRACE_MS, 0);
    }
}

static void on_lame_over(uv_timer_t *t)
{
    begin_drain(of_timer(t));
}

void ax_run_stop(struct ax_supervisor *s)
{
    int64_t lame = s->m->timeouts.lame_duck;

    if (s->phase >= AX_LAME_DUCK)
        return;
    event(s, "stop", "asked to stop");
    if (lame == AX_OFF || lame == 0 || !s->engine_ready) {
        begin_drain(s);
        return;
    }
    s->phase = AX_LAME_DUCK;
    ax_engine_order(s->engine, AX_ORDER_LAME_DUCK);
    uv_timer_start(&s->lame, on_lame_over, (uint64_t)(lame / 1000), 0);
}

void ax_run_kill(struct ax_supervisor *s)
{
    if (s->phase < AX_DRAINING)
        s->phase = AX_DRAINING;
    if (s->engine) {
        s->engine_drained = false;
        s->engine_killed = true;
        ax_engine_kill(s->engine);
    } else {
        ax_supervisor_over(s);
    }
}
