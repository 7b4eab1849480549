/* The turn of the loop: whole requests are collected, handed over in one call, and what was answered leaves
 * with one write per connection. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

/* Of limits.output: what the first answer of a route is taken for. */
enum { UNKNOWN_ANSWER_PART = 16 };

/* ---- requests in progress */

static void inflight(struct ax_worker *w, int delta)
{
    w->inflight += (unsigned)delta;
    __atomic_store_n(&w->load_inflight, w->inflight, __ATOMIC_RELAXED);
    ax_count_set(&w->count->inflight, w->inflight);
}

/* An unanswered request ends here: its client or its server is gone. */
void ax_request_over(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    if (AX_UNLIKELY(ax_stream_is_kept(r))) { /* it was over before */
        ax_slot_put(r);
        return;
    }
    ax_request_leave(r);
    if (r->state == AX_REQ_ENTERED || r->state == AX_REQ_STREAMING)
        ax_flight_end(w->stat, r->index);
    ax_account(r, w->now);
    ax_slot_put(r);
}

void ax_request_admit(struct ax_request *r)
{
    r->in_progress = true;
    inflight(r->worker, 1);
}

void ax_request_leave(struct ax_request *r)
{
    if (!r->in_progress)
        return;
    if (AX_UNLIKELY(r->place != AX_PLACE_NONE))
        ax_admission_leave(r);
    r->in_progress = false;
    inflight(r->worker, -1);
    if (r->inflight_taken) {
        ax_engine_put_inflight(r->worker->engine);
        r->worker->inflight_extra--;
    }
    r->inflight_taken = false;
}

void ax_worker_flush(struct ax_worker *w)
{
    while (w->dirty) {
        struct ax_conn *c = w->dirty;
        w->dirty = c->next_dirty;
        if (!w->dirty)
            w->dirty_end = &w->dirty;
        c->dirty = false;
        if (AX_LIKELY(c->state != AX_CONN_CLOSED))
            ax_conn_flush(c);
    }
}

/* ---- a client that does not read */

/* Answers that wait for an entered request, or for a stream, leave when that is over; behind one that was not
 * entered they must not keep it from being so. */
static bool backed_up(const struct ax_conn *c)
{
    bool waits = c->turn && c->turn->state >= AX_REQ_ENTERED;

    return c->out.bytes + (waits ? c->held : 0) >= (size_t)c->worker->set->limit_output;
}

/* Answers that come later (promises, timers) find their room set aside: as much as the largest that the route
 * has given.  One request of a connection may always be entered, whatever it will answer. */
static bool reserve(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_conn *c = r->conn;
    size_t limit = (size_t)w->set->limit_output, part = limit / UNKNOWN_ANSWER_PART;
    uint32_t known = w->largest_answer[r->route];
    uint32_t want = known ? known : part < UINT32_MAX ? (uint32_t)part : UINT32_MAX;

    if (c->reserved && c->reserved + c->out.bytes + c->held + want > limit)
        return false;
    c->reserved += want;
    r->reserved = want;
    return true;
}

void ax_request_unreserve(struct ax_request *r)
{
    struct ax_conn *c = r->conn;

    if (!c)
        return;
    c->reserved -= r->reserved;
    r->reserved = 0;
    if (AX_UNLIKELY(c->parked))
        ax_conn_dirty(c); /* the flush lets in whom there is room for */
}

static bool may_enter(struct ax_request *r)
{
    struct ax_conn *c = r->conn;

    if (AX_UNLIKELY(c->parked || backed_up(c)))
        return false;
    return AX_LIKELY(c->first == c->last) || reserve(r);
}

bool ax_request_backed_up(const struct ax_request *r)
{
    return r->lent || (r->conn && backed_up(r->conn));
}

/* Out of the list until output has left.  Those behind it follow, so that the order stays. */
static void park(struct ax_request *r)
{
    r->parked = r->conn->parked = true;
}

/* A request that came later is still in the list. */
static bool overtaken(const struct ax_conn *c)
{
    bool parked = false;

    for (const struct ax_request *r = c->turn; r; r = r->next) {
        parked = parked || r->parked;
        if (parked && !r->parked && r->state == AX_REQ_QUEUED)
            return true;
    }
    return false;
}

static void withdraw(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;
    unsigned kept = 0;

    for (unsigned i = 0; i < w->nready; i++) {
        if (w->ready[i]->conn == c)
            w->ready[i]->parked = true;
        else
            w->ready[kept++] = w->ready[i];
    }
    w->nready = kept;
}

void ax_worker_unpark(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    /* From within a batch, where a handler has closed the worker: nothing of the list will run any more, and
     * slots of its front may be gone. */
    if (w->running || backed_up(c))
        return;
    c->parked = false;
    if (overtaken(c))
        withdraw(c);
    for (struct ax_request *r = c->turn; r; r = r->next) {
        if (!r->parked)
            continue;
        if (w->nready == w->ready_cap && !ax_worker_grow_ready(w)) {
            ax_conn_close(c, AX_CLOSE_NO_MEMORY);
            return;
        }
        r->parked = false;
        w->piled = true;
        w->ready[w->nready++] = r;
    }
}

/* ---- the batch */

/* Of the front part that is handed over: requests whose client left while they waited are dropped, those
 * whose client does not read are parked. */
static unsigned only_runnable(struct ax_worker *w, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        struct ax_request *r = w->ready[i];
        if (AX_UNLIKELY(!r->conn))
            ax_request_over(r);
        else if (AX_UNLIKELY(!may_enter(r)))
            park(r);
        else
            w->ready[kept++] = r;
    }
    if (AX_UNLIKELY(kept < n)) {
        memmove(&w->ready[kept], &w->ready[n], (w->nready - n) * sizeof *w->ready);
        w->nready -= n - kept;
    }
    return kept;
}

void ax_request_start_timeout(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_deadline_queue *q = &w->handler_timeouts[r->site_route->timeout_index];

    ax_deadline_start(q, &r->timeout, w->now);
    ax_worker_arm(w, q);
}

/* After the call: what was entered and not answered is waited for.  Slots of answered requests may be gone
 * already when their connection was closed inside the call, so only handles taken before are looked at. */
static void await_entered(struct ax_worker *w, unsigned entered, ax_mono began)
{
    for (unsigned i = 0; i < entered; i++) {
        const struct ax_handle *h = &w->handed[i];
        struct ax_request *r = ax_request_get(w, h->index, h->gen);
        if (!r || r->state != AX_REQ_ENTERED)
            continue;
        if (r->enter_at.us == 0)
            r->enter_at = began;
        if (AX_LIKELY(!ax_stream_awaits_body(r)))
            ax_request_start_timeout(r);
    }
}

/* Whoever answers died within the batch: what it had not come to is nobody's fault, and another worker may
 * run it.  Nothing is handed over here any more. */
static void die(struct ax_worker *w, unsigned n)
{
    int64_t at = w->entering ? __atomic_load_n(w->entering, __ATOMIC_RELAXED) : (int64_t)n;

    w->dying = true;
    w->nready = 0; /* some of them are answered, and their slots may go */
    for (int64_t i = at + 1; i < n; i++) {
        struct ax_request *r = ax_request_get(w, w->handed[i].index, w->handed[i].gen);
        if (!r || r->state != AX_REQ_ENTERED)
            continue;
        r->state = AX_REQ_QUEUED;
        ax_flight_end(w->stat, r->index);
        if (r->reserved)
            ax_request_unreserve(r);
    }
}

enum ran { RAN_MORE, RAN_ENOUGH, RAN_TAKEN }; /* TAKEN: the worker is not ours any more */

/* One call into the dispatcher; ENOUGH when it wants no more in this turn. */
static enum ran run_batch(struct ax_worker *w)
{
    unsigned max = (unsigned)w->set->batch;
    unsigned n = only_runnable(w, w->nready < max ? w->nready : max);

    if (n == 0)
        return RAN_ENOUGH;
    for (unsigned i = 0; i < n; i++) {
        w->ready[i]->state = AX_REQ_ENTERED;
        w->handed[i] = (struct ax_handle){w->ready[i]->index, w->ready[i]->gen};
        ax_flight_begin(w->stat, w->ready[i]->index, w->ready[i]->route, ax_request_id(w->ready[i]));
    }
    ax_mono began = ax_worker_now(w);
    w->entered_at = began;
    w->unanswered = n;
    __atomic_store_n(&w->nhanded, n, __ATOMIC_RELAXED);
    w->running = true;
    ax_worker_turned(w);
    int entered = w->dispatch.run(w->dispatch.ctx, w->ready, n);
    if (AX_UNLIKELY(entered == AX_DISPATCH_TAKEN))
        return RAN_TAKEN;
    w->running = false;
    __atomic_store_n(&w->nhanded, 0, __ATOMIC_RELAXED);
    ax_count_add(&w->count->batches, 1);
    if (entered < 0) {
        die(w, n);
        return RAN_ENOUGH;
    }
    unsigned done = (unsigned)entered;
    AX_ASSERT(done >= 1 && done <= n);
    for (unsigned i = done; i < n; i++) {
        w->ready[i]->state = AX_REQ_QUEUED;
        ax_flight_end(w->stat, w->ready[i]->index);
        if (w->ready[i]->reserved)
            ax_request_unreserve(w->ready[i]);
    }
    if (w->unanswered > n - done)
        await_entered(w, done, began);
    w->nready -= done;
    if (w->nready)
        memmove(w->ready, w->ready + done, w->nready * sizeof *w->ready);
    bool over = done < n || w->now.us >= w->slice_end.us;
    w->left = over && w->nready;
    return over ? RAN_ENOUGH : RAN_MORE;
}

static void stay_awake(uv_idle_t *h)
{
    (void)h; /* an active idle handle keeps the loop from sleeping; the work is done in `check` */
}

void ax_worker_stay_awake(struct ax_worker *w)
{
    if (w->phase != AX_WORKER_CLOSED)
        uv_idle_start(&w->idle, stay_awake);
}

/* The loop must not sleep while requests wait for the next turn.  A handler may have closed the worker within
 * the batch: then nothing runs any more, and a handle that closes must not be started. */
static void keep_awake(struct ax_worker *w)
{
    bool more = w->nready || w->drain_due || !ax_list_empty(&w->gone);

    if (AX_UNLIKELY(more && !w->dying && w->phase != AX_WORKER_CLOSED))
        uv_idle_start(&w->idle, stay_awake);
    else if (AX_UNLIKELY(uv_is_active((uv_handle_t *)&w->idle)))
        uv_idle_stop(&w->idle);
}

/* More than this batch takes, or what the last one left: it must matter who came with how many. */
static void in_turns(struct ax_worker *w)
{
    if (AX_UNLIKELY(w->piled) && (w->left || w->nready > (unsigned)w->set->batch))
        ax_worker_take_turns(w);
}

static bool run_ready(struct ax_worker *w)
{
    enum ran ran = RAN_MORE;

    if (w->nready && !w->dying && !w->running) {
        in_turns(w);
        w->slice_end.us = ax_mono_now().us + w->set->slice_us;
        while (ran == RAN_MORE && w->nready)
            ran = run_batch(w);
    }
    if (AX_UNLIKELY(ran == RAN_TAKEN))
        return false;
    ax_worker_flush(w);
    keep_awake(w);
    return true;
}

/* A batch that is full need not wait for the end of the turn: what it needs is in the CPU's caches now.  Once
 * a slice was used up so, the rest waits: the loop has timers to look at. */
bool ax_worker_run_full(struct ax_worker *w)
{
    if (AX_LIKELY(w->nready < (unsigned)w->set->batch) || w->slice_used || w->dying || w->running)
        return true;
    in_turns(w);
    w->slice_end.us = ax_worker_now(w).us + w->set->slice_us;
    enum ran ran = run_batch(w);
    if (AX_UNLIKELY(ran == RAN_TAKEN))
        return false;
    w->slice_used = ran == RAN_ENOUGH;
    ax_worker_flush(w);
    return true;
}

bool ax_worker_slice_over(struct ax_worker *w)
{
    w->entered_at = ax_worker_now(w);
    return w->now.us >= w->slice_end.us;
}

bool ax_worker_grow_ready(struct ax_worker *w)
{
    unsigned cap = w->ready_cap ? w->ready_cap * 2 : 1024;
    struct ax_request **v = ax_realloc(w->ready, cap * sizeof *v);

    if (!v)
        return false;
    w->ready = v;
    v = ax_realloc(w->ready_spare, cap * sizeof *v);
    if (!v)
        return false;
    w->ready_spare = v;
    w->ready_cap = cap;
    return true;
}

void ax_worker_queue(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    r->state = AX_REQ_QUEUED;
    if (AX_UNLIKELY(w->nready == w->ready_cap) && !ax_worker_grow_ready(w)) {
        ax_reply_error(r, 503, "out of memory", NULL);
        return;
    }
    w->ready[w->nready++] = r;
    if (AX_UNLIKELY(r != r->conn->turn))
        w->piled = true;
}

/* Rare.  Never within a batch, which has its front in hand. */
void ax_worker_unqueue(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    unsigned kept = 0;

    AX_ASSERT(!w->running);
    for (unsigned i = 0; i < w->nready; i++)
        if (w->ready[i] != r)
            w->ready[kept++] = w->ready[i];
    w->nready = kept;
    r->parked = false;
    r->state = AX_REQ_READING;
}

/* ---- the turn */

void ax_request_tell_gone(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    if (r->stream) {
        if (!r->conn)
            ax_stream_broke_off(r);
        ax_stream_notify(r, AX_EVENT_CLIENT);
        return;
    }
    if (!r->watched || !w->dispatch.event || w->phase == AX_WORKER_CLOSED)
        return;
    r->watched = false;
    r->gone_due = true;
    ax_list_init(&r->gone);
    ax_list_push(&w->gone, &r->gone);
    ax_worker_stay_awake(w);
}

static bool tell_events(struct ax_worker *w)
{
    while (!ax_list_empty(&w->gone)) {
        struct ax_request *r = AX_LIST_ENTRY(w->gone.next, struct ax_request, gone);
        ax_list_remove(&r->gone);
        r->gone_due = false;
        if (r->stream) {
            if (!ax_stream_tell(r))
                return false;
        } else if (r->state == AX_REQ_ENTERED && !w->dispatch.event(w->dispatch.ctx, r, AX_EVENT_CLIENT)) {
            return false;
        }
    }
    return true;
}

/* Calls who waits for the drain; nothing of the worker may be touched behind it. */
static void tell_drained(struct ax_worker *w)
{
    void (*done)(void *) = w->drained;
    void *ctx = w->drained_ctx;

    w->drain_due = false;
    w->drained = NULL;
    keep_awake(w);
    ax_worker_leave(w);
    if (done)
        done(ctx);
}

void ax_worker_on_prepare(uv_prepare_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    if (AX_UNLIKELY(!ax_worker_enter(w)))
        return;
    ax_worker_turned(w);
    if (AX_UNLIKELY(!tell_events(w)))
        return;
    ax_worker_flush(w); /* answers given from timers and promises leave before the loop sleeps */
    ax_admission_let_in(w);
    keep_awake(w); /* room in a connection may have let requests in */
    if (w->access)
        ax_account_flush(w);
    ax_worker_count_pools(w);
    struct ax_deadline *idle = ax_deadline_first(&w->conn_timeouts[AX_TO_KEEP_ALIVE]);
    __atomic_store_n(&w->load_idle, idle ? idle->at.us : INT64_MAX, __ATOMIC_RELAXED);
    if (w->nlisten && w->engine)
        ax_engine_show_load(w->engine, (struct ax_load){w->nconns, w->inflight});
    w->fresh = false;
    if (AX_UNLIKELY(w->drain_due))
        tell_drained(w);
    else
        ax_worker_leave(w);
}

void ax_worker_on_check(uv_check_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    if (AX_UNLIKELY(!ax_worker_enter(w)))
        return;
    ax_worker_turned(w);
    w->slice_used = false;
    if (AX_LIKELY(tell_events(w) && run_ready(w)))
        ax_worker_leave(w);
}
