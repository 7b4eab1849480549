#include "supervisor/slot.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/mailbox.h"
#include "supervisor/crash.h"
#include "supervisor/reload.h"
#include "supervisor/runner.h"
#include "supervisor/spawn.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/systemd.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000, STEADY_US = 1000000 };
enum { EXIT_TAKEN_OVER = 70 }; /* isolation: process: what a stalled engine ends with */

/* ---- life of slots */
static void on_retry(uv_timer_t *t);

int ax_slots_make(struct ax_supervisor *s, unsigned n, struct ax_err *reterr)
{
    if (n > AX_SLOTS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "at most %d engines (found %u)", AX_SLOTS_MAX, n);
    for (; s->nslots < n; s->nslots++) {
        struct ax_slot *slot = ax_calloc(1, sizeof *slot);
        if (!slot)
            return ax_fail(reterr, AX_E_NOMEM, "out of memory");
        *slot = (struct ax_slot){.magic = AX_SLOT_MAGIC, .s = s, .id = s->nslots};
        uv_timer_init(&s->loop, &slot->retry);
        slot->retry.data = slot;
        s->slots[s->nslots] = slot;
    }
    return 0;
}

void ax_slots_close(struct ax_supervisor *s)
{
    for (unsigned i = 0; i < s->nslots; i++)
        uv_close((uv_handle_t *)&s->slots[i]->retry, NULL);
}

void ax_slots_free(struct ax_supervisor *s)
{
    for (unsigned i = 0; i < s->nslots; i++)
        ax_free(s->slots[i]);
    s->nslots = 0;
}

bool ax_slot_serves(const struct ax_slot *slot)
{
    return slot->now && slot->now->state == AX_RUNNER_READY;
}

/* ---- who is beside whom (isolation: process) */
static void tell_peer(const struct ax_runner *to, const struct ax_runner *about, unsigned slot)
{
    struct ax_err err = {0};

    if (ax_mailbox_send_peer(to->mailbox, slot, about ? about->mailbox : -1, &err) < 0)
        ax_log_warn(&to->s->log, "engine %ld cannot be told of its neighbours: %s", (long)ax_runner_pid(to),
                    err.msg);
}

/* All others hear of `r`, and it of them; NULL: nobody is in the slot. */
static void introduce(const struct ax_slot *slot, const struct ax_runner *r)
{
    const struct ax_supervisor *s = slot->s;

    for (unsigned i = 0; i < s->nslots; i++) {
        const struct ax_slot *other = s->slots[i];
        if (other == slot || !ax_slot_serves(other))
            continue;
        tell_peer(other->now, r, slot->id);
        if (r)
            tell_peer(r, other->now, other->id);
    }
}

/* Those that hand over to a slot whose engine died, or left too, give to the one after it; so do those whose
 * own slot is empty: what they had given to may be this one. */
static void adopt_leaving(const struct ax_slot *slot)
{
    AX_LIST_EACH(it, &slot->s->runners)
    {
        const struct ax_runner *r = AX_LIST_ENTRY(it, struct ax_runner, node);
        struct ax_err err = {0};
        if (r->state == AX_RUNNER_HANDING_OVER && (r->slot == slot || !r->slot->now) &&
            ax_mailbox_send_heir(r->mailbox, slot->now->mailbox, &err) < 0)
            ax_log_warn(&slot->s->log, "engine %ld cannot hand over its connections: %s",
                        (long)ax_runner_pid(r), err.msg);
    }
}

/* ---- movements */
int ax_slot_start(struct ax_slot *slot, struct ax_generation *gen, struct ax_err *reterr)
{
    int rc = ax_runner_start(slot, gen, false, &slot->now, reterr);

    if (rc == 0)
        adopt_leaving(slot);
    return rc;
}

int ax_slot_start_next(struct ax_slot *slot, struct ax_generation *gen, struct ax_err *reterr)
{
    return ax_runner_start(slot, gen, true, &slot->next, reterr);
}

static void let_go(struct ax_runner *old, const struct ax_runner *heir)
{
    if (old->state == AX_RUNNER_READY)
        ax_runner_hand_over(old, heir);
    else
        ax_runner_kill(old);
}

void ax_slot_shift(struct ax_slot *slot)
{
    struct ax_runner *old = slot->now;

    slot->now = slot->next;
    slot->next = NULL;
    uv_timer_stop(&slot->retry);
    slot->backoff_ms = 0;
    adopt_leaving(slot); /* streams may hold on to several generations */
    if (old)
        let_go(old, slot->now);
    if (slot->now->gen->board)
        introduce(slot, slot->now);
}

void ax_slot_forget(struct ax_slot *slot)
{
    struct ax_runner *next = slot->next;

    slot->next = NULL;
    if (!next)
        return;
    if (next->state == AX_RUNNER_READY && ax_slot_serves(slot))
        ax_runner_hand_over(next, slot->now);
    else
        ax_runner_kill(next);
}

void ax_slot_empty(struct ax_slot *slot, const struct ax_slot *heir)
{
    struct ax_runner *old = slot->now;

    slot->now = NULL;
    uv_timer_stop(&slot->retry);
    if (old)
        let_go(old, heir->now);
}

/* ---- rolling restart */
void ax_slot_renew(struct ax_runner *r, const char *why)
{
    struct ax_slot *slot = r->slot;
    struct ax_supervisor *s = r->s;
    struct ax_err err = {0};

    if (s->phase != AX_RUNNING || ax_reload_undecided(s) || slot->now != r || slot->next)
        return;
    ax_log_warn(&s->log, "engine %ld is replaced by a new one: %s", (long)ax_runner_pid(r), why);
    ax_supervisor_event(s, "restart", "engine %ld is replaced: %s", (long)ax_runner_pid(r), why);
    if (ax_slot_start_next(slot, r->gen, &err) < 0)
        ax_log_error(&s->log, "cannot start the new engine: %s", err.msg);
}

/* ---- it is ready */
/* Where a worker is a process, the next process is the worker's successor. */
static void count_replaced(const struct ax_runner *r)
{
    if (r->gen->board)
        ax_writer_restarted(r->s->writer, 1);
}

static void on_ready_now(struct ax_slot *slot)
{
    struct ax_supervisor *s = slot->s;
    struct ax_runner *r = slot->now;
    long pid = (long)ax_runner_pid(r);
    unsigned workers = r->gen->workers / r->gen->engines;

    if (r->gen->board)
        introduce(slot, r);
    if (s->phase == AX_STARTING) {
        ax_supervisor_event(s, "start", "engine %ld is ready, workers: %u", pid, workers);
        ax_supervisor_ready(s);
    } else if (s->phase == AX_RUNNING) {
        ax_log_info(&s->log, "engine %ld is ready, workers: %u", pid, workers);
        ax_supervisor_event(s, "restart", "engine %ld is ready, workers: %u", pid, workers);
        count_replaced(r);
        ax_systemd_status(s);
    }
}

void ax_slot_ready(struct ax_runner *r)
{
    struct ax_slot *slot = r->slot;

    if (r == slot->now) {
        on_ready_now(slot);
    } else if (r == slot->next && ax_reload_undecided(r->s)) {
        ax_reload_ready(r->s);
    } else if (r == slot->next) {
        ax_log_info(&r->s->log, "engine %ld is ready and takes over", (long)ax_runner_pid(r));
        ax_slot_shift(slot);
        count_replaced(r);
    }
}

/* ---- it failed */
void ax_slot_failed(struct ax_runner *r, const struct ax_err *err, bool by_app)
{
    struct ax_supervisor *s = r->s;

    if (!r->why[0])
        snprintf(r->why, sizeof r->why, "%s", err->msg);
    r->reported = true;
    bool shown = r->shown && s->phase != AX_STARTING;
    if (s->phase == AX_STARTING && by_app) {
        s->said = true;
        s->result.manifest = s->result.manifest || (err->file && err->line);
        s->o->problem(s->o->ctx, err);
        return;
    }
    if (s->phase == AX_STARTING)
        ax_fail(&s->err, err->code, "%s", err->msg);
    if (r == r->slot->next && ax_reload_undecided(s))
        ax_reload_problem(s, err);
    if (shown)
        return;
    if (err->file)
        ax_log_error(&s->log, "%s:%u:%u: %s", err->file, err->line, err->col, err->msg);
    else
        ax_log_error(&s->log, "%s", err->msg);
}

/* ---- it is gone */
static void start_again(struct ax_slot *slot, bool steady)
{
    int64_t wait = steady ? 0 : slot->backoff_ms;

    slot->backoff_ms = wait == 0 ? BACKOFF_FIRST_MS : wait * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : wait * 2;
    uv_timer_start(&slot->retry, on_retry, (uint64_t)wait, 0);
}

static void on_retry(uv_timer_t *t)
{
    struct ax_slot *slot = AX_CAST(struct ax_slot, t->data, AX_SLOT_MAGIC);
    struct ax_err err = {0};

    slot->restarts++;
    if (ax_slot_start(slot, slot->s->gen, &err) == 0)
        return;
    ax_log_error(&slot->s->log, "cannot start the engine again: %s", err.msg);
    start_again(slot, false);
}

/* The next of a rolling restart is on its way already. */
static bool promote_next(struct ax_slot *slot)
{
    if (!slot->next || ax_reload_undecided(slot->s))
        return false;
    slot->now = slot->next;
    slot->next = NULL;
    slot->restarts++;
    adopt_leaving(slot);
    return true;
}

void ax_slot_revive(struct ax_slot *slot)
{
    start_again(slot, true);
}

static bool taken_over(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_TAKEN_OVER;
}

static void gone_starting(struct ax_runner *r, const char *how)
{
    struct ax_supervisor *s = r->s;

    if (!s->said)
        ax_fail(&s->err, AX_E_STATE, "the app did not start: its Node %s before it was ready", how);
    ax_supervisor_give_up(s);
}

static void gone_running(struct ax_runner *r, int status, const char *how)
{
    bool was_ready = r->state == AX_RUNNER_READY;
    bool taken = taken_over(status);

    if (r->gen->board)
        introduce(r->slot, NULL);
    if (!taken)
        ax_crash_report(r, status, how);
    ax_systemd_status(r->s);
    if (!promote_next(r->slot))
        start_again(r->slot, taken || (was_ready && ax_mono_now().us - r->ready_at.us >= STEADY_US));
}

static void gone_next(struct ax_runner *r, const char *how)
{
    struct ax_supervisor *s = r->s;

    if (ax_reload_undecided(s)) {
        ax_reload_failed(s, r, how);
    } else if (!r->killed || r->reported) {
        ax_log_error(&s->log, "the new engine %s before it was ready: the old one goes on", how);
        ax_supervisor_event(s, "crash", "a new engine %s before it was ready", how);
    }
}

/* One that we did not kill and that had nothing to do has cut nothing off. */
static void gone_leaving(struct ax_runner *r, int status, const char *how)
{
    struct ax_supervisor *s = r->s;
    uint64_t inflight = ax_runner_inflight(r);

    if (r->drained || r->state == AX_RUNNER_STARTING || taken_over(status))
        return;
    if (s->phase >= AX_LAME_DUCK) /* one that hands over may be late with idle connections alone */
        s->result.forced =
            s->result.forced || inflight > 0 || (r->killed && r->state != AX_RUNNER_HANDING_OVER);
    ax_log_warn(&s->log, "the engine %s while it stopped, with %" PRIu64 " requests in progress", how,
                inflight);
}

void ax_slot_gone(struct ax_runner *r, int status)
{
    struct ax_slot *slot = r->slot;
    struct ax_supervisor *s = r->s;
    bool now = r == slot->now, next = r == slot->next;
    char how[96];

    ax_spawn_status_text(status, how, sizeof how);
    if (now)
        slot->now = NULL;
    if (next)
        slot->next = NULL;
    if (s->phase == AX_STARTING && now)
        gone_starting(r, how);
    else if (s->phase == AX_RUNNING && now)
        gone_running(r, status, how);
    else if (s->phase == AX_RUNNING && next)
        gone_next(r, how);
    else
        gone_leaving(r, status, how);
    ax_reload_settle(s);
    ax_stop_gone(s);
}
