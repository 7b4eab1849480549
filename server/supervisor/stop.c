/* How the app stops: lame duck, drain, end.  Every engine there is has to end, in whatever state it is. */
#include <inttypes.h>

#include "base/assert.h"
#include "base/buf.h"
#include "supervisor/flights.h"
#include "supervisor/reload.h"
#include "supervisor/runner.h"
#include "supervisor/slot.h"
#include "supervisor/supervisor_private.h"
#include "supervisor/systemd.h"

enum { REPORT_MS = 1000, REPORT_TEXT = 1536 };

static struct ax_supervisor *of_timer(uv_timer_t *t)
{
    return AX_CAST(struct ax_supervisor, t->data, AX_SUPERVISOR_MAGIC);
}

static void on_report(uv_timer_t *t)
{
    struct ax_supervisor *s = of_timer(t);
    struct ax_buf b = AX_BUF_INIT(REPORT_TEXT);
    struct ax_flights_tally tally = {.n = 0};
    uint64_t total = 0;

    AX_LIST_EACH(it, &s->runners)
    {
        const struct ax_runner *r = AX_LIST_ENTRY(it, struct ax_runner, node);
        total += ax_runner_inflight(r);
        ax_flights_count(r->segment, &tally);
    }
    ax_flights_tally_text(&tally, &b);
    const char *list = b.n ? ax_buf_cstr(&b) : NULL;
    if (total)
        ax_log_info(&s->log, "waiting for %" PRIu64 " requests in progress (%s)", total,
                    list ? list : "not handed to JavaScript");
    else
        ax_log_info(&s->log, "waiting for the engine to end: no request is in progress");
    ax_buf_fini(&b);
}

/* One that is not ready yet may be answering all the same: its first worker accepts. */
static void drain_engines(struct ax_supervisor *s)
{
    AX_LIST_EACH(it, &s->runners)
    {
        struct ax_runner *r = AX_LIST_ENTRY(it, struct ax_runner, node);
        if (!r->killed && (r->state == AX_RUNNER_STARTING || r->state == AX_RUNNER_READY))
            ax_runner_drain(r);
        else if (!r->killed && r->state == AX_RUNNER_HANDING_OVER)
            ax_runner_hurry(r);
    }
}

/* Our own copies of the listening sockets close first: the engines take what is queued and close the last
 * ones. */
static void begin_drain(struct ax_supervisor *s)
{
    s->phase = AX_DRAINING;
    ax_systemd_stopping(s);
    uv_timer_stop(&s->lame);
    for (unsigned i = 0; i < s->nslots; i++)
        uv_timer_stop(&s->slots[i]->retry);
    ax_sockets_close(&s->sockets);
    drain_engines(s);
    uv_timer_start(&s->report, on_report, REPORT_MS, 0);
    ax_stop_gone(s);
}

static void on_lame_over(uv_timer_t *t)
{
    begin_drain(of_timer(t));
}

static bool any_serves(const struct ax_supervisor *s)
{
    for (unsigned i = 0; i < s->nslots; i++)
        if (ax_slot_serves(s->slots[i]))
            return true;
    return false;
}

static void lame_duck(struct ax_supervisor *s, int64_t lame_us)
{
    s->phase = AX_LAME_DUCK;
    ax_systemd_stopping(s);
    AX_LIST_EACH(it, &s->runners)
    {
        ax_engine_order(AX_LIST_ENTRY(it, struct ax_runner, node)->engine, AX_ORDER_LAME_DUCK);
    }
    uv_timer_start(&s->lame, on_lame_over, (uint64_t)(lame_us / 1000), 0);
}

void ax_stop_begin(struct ax_supervisor *s)
{
    int64_t lame = s->m->timeouts.lame_duck;

    if (s->phase >= AX_LAME_DUCK)
        return;
    ax_supervisor_event(s, "stop", "asked to stop");
    ax_reload_abort(s, "the app is stopping");
    for (unsigned i = 0; i < s->nslots; i++)
        ax_slot_forget(s->slots[i]);
    if (lame == AX_OFF || lame == 0 || !any_serves(s))
        begin_drain(s);
    else
        lame_duck(s, lame);
}

void ax_stop_now(struct ax_supervisor *s)
{
    ax_reload_abort(s, "the app is stopping");
    for (unsigned i = 0; i < s->nslots; i++)
        uv_timer_stop(&s->slots[i]->retry);
    if (s->phase < AX_DRAINING)
        s->phase = AX_DRAINING;
    AX_LIST_EACH(it, &s->runners)
    {
        struct ax_runner *r = AX_LIST_ENTRY(it, struct ax_runner, node);
        r->drained = false;
        ax_runner_kill(r);
    }
    ax_stop_gone(s);
}

void ax_stop_gone(struct ax_supervisor *s)
{
    if (s->phase == AX_DRAINING && ax_list_empty(&s->runners))
        ax_supervisor_over(s);
}
