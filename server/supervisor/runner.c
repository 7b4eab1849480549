#include "supervisor/runner.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/mailbox.h"
#include "supervisor/quarantine.h"
#include "supervisor/reload.h"
#include "supervisor/slot.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor_private.h"

enum { GRACE_MS = 500 };      /* what an engine gets beyond its own timeout to say how it ended */
enum { EXIT_MS = 1000 };      /* and to end, once it has said that it is done: a thread may hold it back */
enum { STUCK_LOOK_MS = 250 }; /* how often one that answers no order is looked at */

static struct ax_runner *of(void *ctx)
{
    return AX_CAST(struct ax_runner, ctx, AX_RUNNER_MAGIC);
}

pid_t ax_runner_pid(const struct ax_runner *r)
{
    return ax_engine_pid(r->engine);
}

const char *ax_runner_state_name(const struct ax_runner *r)
{
    static const char *const names[] = {"starting", "ready", "handing over", "draining"};

    return names[r->state];
}

uint64_t ax_runner_inflight(const struct ax_runner *r)
{
    uint64_t n = 0;

    for (unsigned i = 0; r->segment && i < ax_segment_workers(r->segment); i++) {
        struct ax_counters c;
        ax_segment_read_counters(r->segment, i, &c);
        n += c.inflight;
    }
    return n;
}

/* ---- what it says */
static void on_ready(struct ax_runner *r, const struct ax_message *m)
{
    if (r->state != AX_RUNNER_STARTING)
        return;
    uv_timer_stop(&r->timer);
    r->broken = m->broken;
    r->state = AX_RUNNER_READY;
    r->ready_at = ax_mono_now();
    ax_engine_order(r->engine, AX_ORDER_WORKERS);
    ax_quarantine_apply(r->s->quarantine, r->segment);
    ax_slot_ready(r);
}

static void on_failed(struct ax_runner *r, const struct ax_message *m)
{
    r->shown = m->shown;
    for (size_t i = 0; i < m->nerrors; i++) {
        const struct ax_message_error *e = &m->error[i];
        struct ax_err err = {0};
        ax_fail_at(&err, AX_E_STATE, e->file, e->line, e->col, "%s", e->text);
        ax_slot_failed(r, &err, true);
    }
}

static void on_event(struct ax_runner *r, const struct ax_message *m)
{
    bool good = strcmp(m->kind, "restart") == 0;

    ax_writer_event(r->s->writer, m->kind, m->text);
    if (good)
        ax_writer_restarted(r->s->writer, 1);
    ax_log_write(&r->s->log, good ? AX_LOG_INFO : AX_LOG_WARN, NULL, 0, "%s", m->text);
    ax_engine_order(r->engine, AX_ORDER_WORKERS);
}

static void on_workers(struct ax_runner *r, struct ax_message *m)
{
    ax_free(r->workers);
    r->workers = m->worker;
    r->nworkers = m->workers;
    r->zombies = m->zombies;
    m->worker = NULL;
}

/* It has nothing more to do: what keeps it is a thread that never ends. */
static void on_exit_timeout(uv_timer_t *t)
{
    ax_runner_kill(of(t->data));
}

static void on_message(void *ctx, struct ax_message *m)
{
    struct ax_runner *r = of(ctx);

    switch (m->type) {
    case AX_MSG_READY:
        on_ready(r, m);
        break;
    case AX_MSG_FAILED:
        on_failed(r, m);
        break;
    case AX_MSG_EVENT:
        on_event(r, m);
        break;
    case AX_MSG_WORKERS:
        on_workers(r, m);
        break;
    case AX_MSG_DRAINED:
        r->drained = true;
        uv_timer_start(&r->timer, on_exit_timeout, EXIT_MS, 0);
        break;
    case AX_MSG_NOT_ACCEPTING:
        r->not_accepting = true;
        ax_reload_settle(r->s);
        break;
    case AX_MSG_KILLED:
        if (m->pattern)
            ax_quarantine_kill(r->s->quarantine, m->method, m->pattern, m->why);
        break;
    case AX_MSG_RENEW:
        r->stuck = r->gen->board != NULL;
        ax_slot_renew(r, m->why);
        break;
    case AX_MSG_FILES:
        ax_dev_run_files(r->s, m);
        break;
    }
}

/* ---- its end */
static void on_closed(uv_handle_t *h)
{
    struct ax_runner *r = of(h->data);

    if (r->mailbox >= 0)
        close(r->mailbox);
    if (r->segment_fd >= 0)
        close(r->segment_fd);
    ax_generation_unref(r->gen);
    ax_free(r->workers);
    r->magic = 0;
    ax_free(r);
}

static void on_exit(void *ctx, int status)
{
    struct ax_runner *r = of(ctx);

    ax_list_remove(&r->node);
    uv_timer_stop(&r->timer);
    r->engine = NULL;
    if (r->gen->board)
        ax_board_set(r->gen->board, r->slot->id, AX_BOARD_ABSENT);
    ax_slot_gone(r, status);
    if (r->segment)
        ax_writer_drop(r->s->writer, r->segment);
    r->segment = NULL;
    uv_close((uv_handle_t *)&r->timer, on_closed);
}

void ax_runner_kill(struct ax_runner *r)
{
    r->killed = true;
    ax_engine_kill(r->engine);
}

/* ---- its start */
static void on_startup_timeout(uv_timer_t *t)
{
    struct ax_runner *r = of(t->data);
    struct ax_err err = {0};

    ax_fail(&err, AX_E_LIMIT, "the app was not ready within timeouts.startup (%" PRId64 " ms)",
            r->gen->m->timeouts.startup / 1000);
    ax_slot_failed(r, &err, false);
    ax_runner_kill(r);
}

static void patience(struct ax_runner *r, uv_timer_cb then, int64_t timeout_us)
{
    if (timeout_us == AX_OFF)
        uv_timer_stop(&r->timer);
    else
        uv_timer_start(&r->timer, then, (uint64_t)(timeout_us / 1000) + GRACE_MS, 0);
}

static struct ax_runner *new_runner(struct ax_slot *slot, struct ax_generation *gen, struct ax_err *reterr)
{
    struct ax_runner *r = ax_calloc(1, sizeof *r);

    if (!r) {
        ax_fail(reterr, AX_E_NOMEM, "out of memory");
        return NULL;
    }
    *r = (struct ax_runner){.magic = AX_RUNNER_MAGIC,
                            .s = slot->s,
                            .slot = slot,
                            .gen = gen,
                            .segment_fd = -1,
                            .mailbox = -1,
                            .started = ax_mono_now()};
    ax_generation_ref(gen);
    ax_list_init(&r->node);
    uv_timer_init(&slot->s->loop, &r->timer);
    r->timer.data = r;
    return r;
}

static int start_engine(struct ax_runner *r, bool beside, struct ax_err *reterr)
{
    struct ax_supervisor *s = r->s;
    const struct ax_generation *g = r->gen;
    struct ax_engine_options o = {
        .loop = &s->loop,
        .node = g->node,
        .script = g->script,
        .env = &g->env,
        .plan = {.manifest = g->m,
                 .generation = g->number,
                 .workers = g->workers,
                 .engines = g->engines,
                 .slot = r->slot->id,
                 .first = s->phase == AX_STARTING,
                 .hold = beside,
                 .dev = s->o->dev != NULL,
                 .page = s->o->dev && (!beside || (r->slot->now && r->slot->now->broken)),
                 .color = s->o->dev && s->o->dev->color,
                 .inspect = s->o->inspect,
                 .connections = g->connections,
                 .format = s->log.format,
                 .access_format = g->access_format,
                 .sockets = s->opening ? s->opening : &s->sockets},
        .board_fd = g->board_fd,
        .output = s->o->output,
        .log = &s->log,
        .on_message = on_message,
        .on_exit = on_exit,
        .ctx = r,
    };
    struct ax_engine_parts parts;
    struct ax_err why = {0};
    int rc = ax_engine_start(&o, &r->engine, &parts, reterr);

    if (rc < 0)
        return rc;
    r->mailbox = parts.mailbox;
    r->segment_fd = parts.segment_fd;
    if (ax_writer_add(s->writer, parts.segment, ax_engine_pid(r->engine), &why) < 0) {
        /* what it counts would be lost: better no such engine; on_exit follows */
        ax_segment_free(parts.segment);
        ax_slot_failed(r, &why, false);
        ax_runner_kill(r);
        return 0;
    }
    r->segment = parts.segment;
    return 0;
}

int ax_runner_start(struct ax_slot *slot, struct ax_generation *gen, bool beside, struct ax_runner **ret,
                    struct ax_err *reterr)
{
    struct ax_runner *r = new_runner(slot, gen, reterr);
    int rc = r ? start_engine(r, beside, reterr) : -AX_E_NOMEM;

    if (rc < 0 && !r)
        return rc;
    if (rc < 0) {
        uv_close((uv_handle_t *)&r->timer, on_closed);
        return rc;
    }
    ax_list_push(&slot->s->runners, &r->node);
    patience(r, on_startup_timeout, gen->m->timeouts.startup);
    *ret = r;
    return 0;
}

/* ---- its way out */
static void on_shutdown_timeout(uv_timer_t *t)
{
    struct ax_runner *r = of(t->data);

    uv_timer_stop(t);
    ax_log_warn(&r->s->log,
                "not all requests of engine %ld ended within %s: the engine is killed, with "
                "%" PRIu64 " requests in progress",
                (long)ax_runner_pid(r), r->patience, ax_runner_inflight(r));
    ax_runner_kill(r);
}

/* Where an heir serves, what runs may run on for as long as its streams; they themselves are cut by the
 * engine. */
static void await_end(struct ax_runner *r)
{
    const struct ax_manifest *m = r->gen->m;
    int64_t limit = m->timeouts.shutdown, drain = m->timeouts.drain;
    bool heir = r->state == AX_RUNNER_HANDING_OVER && r->s->phase < AX_DRAINING && !r->s->o->dev;

    r->patience = "timeouts.shutdown";
    if (heir && limit != AX_OFF && (drain == AX_OFF || drain > limit)) {
        r->patience = "timeouts.drain";
        limit = drain;
    }
    if (limit != AX_OFF) {
        limit -= ax_mono_now().us - r->left_at.us;
        limit = limit < 0 ? 0 : limit;
    }
    patience(r, on_shutdown_timeout, limit);
}

void ax_runner_hurry(struct ax_runner *r)
{
    if (r->drained || r->stuck)
        return;
    r->left_at = ax_mono_now();
    await_end(r);
}

static bool has_work(const struct ax_runner *r)
{
    for (unsigned i = 0; r->segment && i < ax_segment_workers(r->segment); i++) {
        struct ax_counters c;
        ax_segment_read_counters(r->segment, i, &c);
        if (c.connections || c.inflight)
            return true;
    }
    return false;
}

/* Its connections leave without it; then it ends, since it will not by itself. */
static void on_stuck_look(uv_timer_t *t)
{
    struct ax_runner *r = of(t->data);
    int64_t limit = r->gen->m->timeouts.shutdown;

    r->patience = "timeouts.shutdown";
    if (limit != AX_OFF && ax_mono_now().us - r->left_at.us > limit) {
        on_shutdown_timeout(t);
    } else if (!has_work(r)) {
        r->drained = true;
        ax_runner_kill(r);
    }
}

static void leave(struct ax_runner *r, enum ax_runner_state state, enum ax_order order)
{
    r->state = state;
    r->left_at = ax_mono_now();
    ax_engine_order(r->engine, order);
    if (r->stuck)
        uv_timer_start(&r->timer, on_stuck_look, STUCK_LOOK_MS, STUCK_LOOK_MS);
    else
        await_end(r);
}

void ax_runner_hand_over(struct ax_runner *r, const struct ax_runner *heir)
{
    struct ax_err err = {0};

    /* an engine whose mailbox does not take it closes its connections as when it stops */
    if (ax_mailbox_send_heir(r->mailbox, heir->mailbox, &err) == 0) {
        leave(r, AX_RUNNER_HANDING_OVER, AX_ORDER_HANDOVER);
        return;
    }
    ax_log_warn(&r->s->log, "engine %ld cannot hand over its connections: %s", (long)ax_runner_pid(r),
                err.msg);
    leave(r, AX_RUNNER_DRAINING, AX_ORDER_RETIRE);
}

void ax_runner_drain(struct ax_runner *r)
{
    leave(r, AX_RUNNER_DRAINING, AX_ORDER_STOP);
}

/* ---- from one program to the next */
static void go_on(struct ax_runner *r)
{
    const struct ax_manifest *m = r->gen->m;

    ax_engine_order(r->engine, AX_ORDER_WORKERS);
    if (r->drained)
        uv_timer_start(&r->timer, on_exit_timeout, EXIT_MS, 0);
    else if (r->stuck && r->state >= AX_RUNNER_HANDING_OVER)
        uv_timer_start(&r->timer, on_stuck_look, STUCK_LOOK_MS, STUCK_LOOK_MS);
    else if (r->state >= AX_RUNNER_HANDING_OVER)
        await_end(r);
    else if (r->state == AX_RUNNER_STARTING)
        patience(r, on_startup_timeout, m->timeouts.startup);
}

int ax_runner_adopt(struct ax_slot *slot, struct ax_generation *gen, const struct ax_runner_left *left,
                    struct ax_runner **ret, struct ax_err *reterr)
{
    struct ax_supervisor *s = slot->s;
    struct ax_runner *r = new_runner(slot, gen, reterr);
    struct ax_engine_options o = {
        .loop = &s->loop, .log = &s->log, .on_message = on_message, .on_exit = on_exit, .ctx = r};
    struct ax_err why = {0};

    if (!r)
        return -AX_E_NOMEM;
    int rc = ax_engine_adopt(&o, left->pid, left->control, left->rest, &r->engine, reterr);
    if (rc < 0) {
        uv_close((uv_handle_t *)&r->timer, on_closed);
        return rc;
    }
    r->mailbox = left->mailbox;
    r->segment_fd = left->segment_fd;
    r->state = left->state;
    r->drained = left->drained;
    r->not_accepting = left->not_accepting;
    r->stuck = left->stuck;
    r->started = left->started;
    r->ready_at = left->ready_at;
    r->left_at = left->left_at;
    ax_list_push(&s->runners, &r->node);
    if (left->segment && ax_writer_adopt(s->writer, left->segment, left->pid, left->notes, &why) == 0)
        r->segment = left->segment;
    else if (left->segment) {
        ax_log_error(&s->log, "what engine %ld counts from now on is lost: %s", (long)left->pid, why.msg);
        ax_segment_free(left->segment);
    }
    go_on(r);
    *ret = r;
    return 0;
}
