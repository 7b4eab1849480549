/* A worker's clock and its timeouts. */
#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

enum { LINGER_US = 2000000, FIRST_US = 250000, REPORT_EVERY_US = 1000000 };

/* ---- time */

void ax_worker_touch(struct ax_worker *w)
{
    if (w->fresh)
        return;
    w->fresh = true;
    w->now = ax_mono_now();
}

/* Asked for each answer; handlers that take a fraction of a microsecond need no new time for each. */
ax_mono ax_worker_now(struct ax_worker *w)
{
    uint64_t cycles = ax_cycles();

    if (cycles - w->now_cycles < AX_CYCLES_NO_TIME && cycles)
        return w->now;
    w->now_cycles = cycles;
    w->now = ax_mono_now();
    return w->now;
}

/* The Date line's text, made once a second: `now` tells when that is over. */
const char *ax_worker_date(struct ax_worker *w)
{
    if (AX_UNLIKELY(w->now.us >= w->date_until)) {
        int64_t wall_us = ax_wall_now().us;
        ax_http_date(w->date, wall_us / 1000000);
        ax_response_leads_clear(&w->leads);
        w->date_until = w->now.us + 1000000 - wall_us % 1000000;
    }
    return w->date;
}

/* ---- timeouts: one libuv timer, armed for the queue that expires first */

static void on_timer(uv_timer_t *h);

void ax_worker_arm_at(struct ax_worker *w, int64_t at_us)
{
    if (at_us >= w->timer_at)
        return;
    w->timer_at = at_us;
    int64_t now = ax_mono_now().us;
    uv_update_time(w->loop);
    uv_timer_start(&w->timer, on_timer, at_us > now ? (uint64_t)(at_us - now + 999) / 1000 : 0, 0);
}

void ax_worker_arm(struct ax_worker *w, const struct ax_deadline_queue *q)
{
    if (!ax_list_empty(&q->list))
        ax_worker_arm_at(w, AX_LIST_ENTRY(q->list.next, struct ax_deadline, node)->at.us);
}

/* At most a line a second: handlers tend to be slow all at once. */
static void report_timeout(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    if (!w->log || w->now.us < w->next_report.us)
        return;
    w->next_report.us = w->now.us + REPORT_EVERY_US;
    const struct ax_kv kv[] = {
        {.key = "route", .s = r->site_route->pattern},
        {.key = "handler", .s = r->site_route->name},
        {.key = "id", .s = ax_str(ax_request_id(r))},
        {.key = "after_ms", .i = (w->now.us - r->enter_at.us) / 1000},
    };
    ax_log_write(w->log, AX_LOG_WARN, kv, AX_COUNT(kv),
                 "a handler did not answer within its timeout: 504 (at most one such line a second)");
}

/* False: the worker was taken over meanwhile. */
static bool handler_timeout(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    const struct ax_handle h = {r->index, r->gen};

    ax_deadline_stop(&r->timeout);
    if (r->place >= AX_PLACE_WAITING) {
        ax_admission_give_up(r, "waited too long behind other requests of this route");
        return true;
    }
    ax_count_add(&w->count->timeouts, 1);
    report_timeout(r);
    if ((r->watched || r->stream) && w->dispatch.event &&
        !w->dispatch.event(w->dispatch.ctx, r, AX_EVENT_TIMEOUT))
        return false;
    if (ax_request_get(w, h.index, h.gen) != r || r->state != AX_REQ_ENTERED)
        return true; /* the one who watched has answered */
    ax_slot_retire(r);
    ax_stream_forget(r);
    if (r->conn)
        ax_reply_error(r, 504, "the handler did not answer in time", "timeouts.handler");
    else
        ax_request_over(r);
    return true;
}

static bool expire(struct ax_worker *w)
{
    struct ax_deadline *d;

    for (unsigned i = 0; i < AX_CONN_TIMEOUTS; i++)
        while ((d = ax_deadline_first(&w->conn_timeouts[i])) && d->at.us <= w->now.us)
            ax_conn_timeout(AX_CONTAINER_OF(d, struct ax_conn, timeout), w->now);
    for (unsigned i = 0; i < w->nhandler_timeouts; i++)
        while ((d = ax_deadline_first(&w->handler_timeouts[i])) && d->at.us <= w->now.us)
            if (!handler_timeout(AX_CONTAINER_OF(d, struct ax_request, timeout)))
                return false;
    return true;
}

static void on_timer(uv_timer_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    if (!ax_worker_enter(w))
        return;
    ax_worker_now(w);
    w->timer_at = INT64_MAX;
    if (!expire(w))
        return;
    ax_worker_trim_pools(w);
    ax_worker_accept_resume(w); /* descriptors may have come free elsewhere */
    for (unsigned i = 0; i < AX_CONN_TIMEOUTS; i++)
        ax_worker_arm(w, &w->conn_timeouts[i]);
    for (unsigned i = 0; i < w->nhandler_timeouts; i++)
        ax_worker_arm(w, &w->handler_timeouts[i]);
    ax_worker_leave(w);
}

int ax_worker_init_timeouts(struct ax_worker *w, struct ax_err *reterr)
{
    const struct ax_settings *s = w->set;
    const int64_t conn_us[AX_CONN_TIMEOUTS] = {
        [AX_TO_HEADER] = s->timeout_header_us,
        [AX_TO_BODY] = s->timeout_body_us,
        [AX_TO_KEEP_ALIVE] = s->timeout_keep_alive_us,
        [AX_TO_SEND] = s->timeout_send_us < 0 ? -1 : s->timeout_send_us / AX_SEND_LOOKS,
        [AX_TO_LINGER] = LINGER_US,
        [AX_TO_FIRST] = FIRST_US};
    const int64_t *handler_us;

    for (unsigned i = 0; i < AX_CONN_TIMEOUTS; i++)
        ax_deadline_queue_init(&w->conn_timeouts[i], conn_us[i]);
    w->nhandler_timeouts = ax_site_timeouts(w->site, &handler_us);
    w->handler_timeouts = ax_calloc(w->nhandler_timeouts, sizeof *w->handler_timeouts);
    if (!w->handler_timeouts)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for timeouts");
    for (unsigned i = 0; i < w->nhandler_timeouts; i++)
        ax_deadline_queue_init(&w->handler_timeouts[i], handler_us[i]);
    return 0;
}
