#include "net/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

enum { ACCEPTS_PER_TURN = 64, BLOCKS_WARM = 64, LINGER_US = 2000000, ACCEPT_RETRY_US = 20000 };

/* ---- time */

void ax_worker_touch(struct ax_worker *w)
{
    if (w->fresh)
        return;
    w->fresh = true;
    w->now = ax_mono_now();
}

ax_mono ax_worker_now(struct ax_worker *w)
{
    w->now = ax_mono_now();
    return w->now;
}

/* The Date line's text, made at most once a second. */
const char *ax_worker_date(struct ax_worker *w)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME_COARSE, &ts);
    if (AX_UNLIKELY(ts.tv_sec != w->date_second)) {
        w->date_second = ts.tv_sec;
        ax_http_date(w->date, ts.tv_sec);
    }
    return w->date;
}

/* ---- timeouts: one libuv timer, armed for the queue that expires first */

static void on_timer(uv_timer_t *h);

static void arm(struct ax_worker *w, int64_t at_us)
{
    if (at_us >= w->timer_at)
        return;
    w->timer_at = at_us;
    int64_t now = ax_mono_now().us;
    uv_update_time(w->loop);
    uv_timer_start(&w->timer, on_timer, at_us > now ? (uint64_t)(at_us - now + 999) / 1000 : 0, 0);
    if (AX_UNLIKELY(w->accept_paused)) /* the one thing that a loop without connections may wait for */
        uv_ref((uv_handle_t *)&w->timer);
    else
        uv_unref((uv_handle_t *)&w->timer);
}

void ax_worker_arm(struct ax_worker *w, const struct ax_deadline_queue *q)
{
    if (!ax_list_empty(&q->list))
        arm(w, AX_LIST_ENTRY(q->list.next, struct ax_deadline, node)->at.us);
}

static void handler_timeout(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    const struct ax_handle h = {r->index, r->gen};

    ax_deadline_stop(&r->timeout);
    ax_count_add(&w->count->timeouts, 1);
    if (r->watched && w->dispatch.gone)
        w->dispatch.gone(w->dispatch.ctx, r, AX_GONE_TIMEOUT);
    if (ax_request_get(w, h.index, h.gen) != r || r->state != AX_REQ_ENTERED)
        return; /* the one who watched has answered */
    ax_slot_retire(r);
    if (r->conn) {
        ax_reply_error(r, 504, "the handler did not answer in time", "timeouts.handler");
        return;
    }
    ax_worker_inflight(w, -1);
    if (r->inflight_taken)
        ax_engine_put_inflight(w->engine);
    r->inflight_taken = false;
    ax_account(r, w->now);
    ax_slot_put(r);
}

static void expire(struct ax_worker *w)
{
    struct ax_deadline *d;

    for (unsigned i = 0; i < AX_CONN_TIMEOUTS; i++)
        while ((d = ax_deadline_first(&w->conn_timeouts[i])) && d->at.us <= w->now.us)
            ax_conn_timeout(AX_CONTAINER_OF(d, struct ax_conn, timeout), w->now);
    for (unsigned i = 0; i < w->nhandler_timeouts; i++)
        while ((d = ax_deadline_first(&w->handler_timeouts[i])) && d->at.us <= w->now.us)
            handler_timeout(AX_CONTAINER_OF(d, struct ax_request, timeout));
}

static void on_timer(uv_timer_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    ax_worker_now(w);
    w->timer_at = INT64_MAX;
    expire(w);
    ax_worker_accept_resume(w); /* descriptors may have come free elsewhere */
    for (unsigned i = 0; i < AX_CONN_TIMEOUTS; i++)
        ax_worker_arm(w, &w->conn_timeouts[i]);
    for (unsigned i = 0; i < w->nhandler_timeouts; i++)
        ax_worker_arm(w, &w->handler_timeouts[i]);
}

/* ---- the batch */

void ax_worker_inflight(struct ax_worker *w, int delta)
{
    w->inflight += (unsigned)delta;
    __atomic_store_n(&w->load_inflight, w->inflight, __ATOMIC_RELAXED);
    ax_count_set(&w->count->inflight, w->inflight);
}

static void flush(struct ax_worker *w)
{
    while (w->dirty) {
        struct ax_conn *c = w->dirty;
        w->dirty = c->next_dirty;
        c->dirty = false;
        if (AX_LIKELY(c->state != AX_CONN_CLOSED))
            ax_conn_flush(c);
    }
}

/* Requests whose client left while they waited are dropped from the front part that is handed over. */
static unsigned without_orphans(struct ax_worker *w, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        struct ax_request *r = w->ready[i];
        if (AX_LIKELY(r->conn != NULL)) {
            w->ready[kept++] = r;
            continue;
        }
        ax_worker_inflight(w, -1);
        if (r->inflight_taken)
            ax_engine_put_inflight(w->engine);
        r->inflight_taken = false;
        ax_account(r, w->now);
        ax_slot_put(r);
    }
    if (AX_UNLIKELY(kept < n)) {
        memmove(&w->ready[kept], &w->ready[n], (w->nready - n) * sizeof *w->ready);
        w->nready -= n - kept;
    }
    return kept;
}

static void start_timeout(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_deadline_queue *q = &w->handler_timeouts[r->site_route->timeout_index];

    ax_deadline_start(q, &r->timeout, w->now);
    ax_worker_arm(w, q);
}

/* After the call: what was entered and not answered is waited for.  Slots of answered requests may be gone already when
 * their connection was closed inside the call, so only handles taken before are looked at. */
static void await_entered(struct ax_worker *w, unsigned entered, ax_mono began)
{
    for (unsigned i = 0; i < entered; i++) {
        const struct ax_handle *h = &w->handed[i];
        struct ax_request *r = ax_request_get(w, h->index, h->gen);
        if (!r || r->state != AX_REQ_ENTERED)
            continue;
        if (r->enter_at.us == 0)
            r->enter_at = began;
        start_timeout(r);
    }
}

/* One call into the dispatcher; true when it wants no more in this turn. */
static bool run_batch(struct ax_worker *w)
{
    unsigned max = (unsigned)w->set->batch;
    unsigned n = without_orphans(w, w->nready < max ? w->nready : max);

    if (n == 0)
        return true;
    for (unsigned i = 0; i < n; i++) {
        w->ready[i]->state = AX_REQ_ENTERED;
        w->handed[i] = (struct ax_handle){w->ready[i]->index, w->ready[i]->gen};
    }
    ax_mono began = ax_worker_now(w);
    w->entered_at = began;
    w->running = true;
    int entered = w->dispatch.run(w->dispatch.ctx, w->ready, n);
    w->running = false;
    ax_count_add(&w->count->batches, 1);
    ax_count_set(&w->count->pool_high, w->request_pool.high);
    ax_count_set(&w->count->pool_dry, w->request_pool.dry + w->conn_pool.dry + w->block_pool.dry);
    if (entered < 0) {
        w->dying = true;
        return true;
    }
    unsigned done = (unsigned)entered;
    AX_ASSERT(done >= 1 && done <= n);
    for (unsigned i = done; i < n; i++)
        w->ready[i]->state = AX_REQ_QUEUED;
    await_entered(w, done, began);
    w->nready -= done;
    if (w->nready)
        memmove(w->ready, w->ready + done, w->nready * sizeof *w->ready);
    return done < n || w->now.us >= w->slice_end.us;
}

static void stay_awake(uv_idle_t *h)
{
    (void)h; /* an active idle handle keeps the loop from sleeping; the work is done in `check` */
}

/* The loop must not sleep while requests wait for the next turn. */
static void keep_awake(struct ax_worker *w)
{
    if (AX_UNLIKELY(w->nready && !w->dying))
        uv_idle_start(&w->idle, stay_awake);
    else if (AX_UNLIKELY(uv_is_active((uv_handle_t *)&w->idle)))
        uv_idle_stop(&w->idle);
}

static void run_ready(struct ax_worker *w)
{
    if (w->nready && !w->dying && !w->running) {
        w->slice_end.us = ax_mono_now().us + w->set->slice_us;
        while (w->nready && !run_batch(w))
            ;
    }
    flush(w);
    keep_awake(w);
}

bool ax_worker_slice_over(struct ax_worker *w)
{
    w->entered_at = ax_worker_now(w);
    return w->now.us >= w->slice_end.us;
}

static bool grow_ready(struct ax_worker *w)
{
    unsigned cap = w->ready_cap ? w->ready_cap * 2 : 1024;
    struct ax_request **v = ax_realloc(w->ready, cap * sizeof *v);

    if (!v)
        return false;
    w->ready = v;
    w->ready_cap = cap;
    return true;
}

void ax_worker_queue(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    r->state = AX_REQ_QUEUED;
    ax_worker_inflight(w, 1);
    if (AX_UNLIKELY(w->nready == w->ready_cap) && !grow_ready(w)) {
        ax_reply_error(r, 503, "out of memory", NULL);
        return;
    }
    w->ready[w->nready++] = r;
}

/* ---- the turn */

static void on_prepare(uv_prepare_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    flush(w); /* answers given from timers and promises leave before the loop sleeps */
    keep_awake(w); /* room in a connection may have let requests in */
    if (w->access)
        ax_account_flush(w);
    struct ax_deadline *idle = ax_deadline_first(&w->conn_timeouts[AX_TO_KEEP_ALIVE]);
    __atomic_store_n(&w->load_idle, idle ? idle->at.us : INT64_MAX, __ATOMIC_RELAXED);
    w->fresh = false;
}

static void on_check(uv_check_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    run_ready(w);
}

/* ---- accepting */

static bool close_oldest_idle(struct ax_worker *w)
{
    struct ax_deadline *d = ax_deadline_first(&w->conn_timeouts[AX_TO_KEEP_ALIVE]);

    if (!d)
        return false;
    ax_conn_close(AX_CONTAINER_OF(d, struct ax_conn, timeout), AX_CLOSE_MAKE_ROOM);
    return true;
}

static bool may_accept(struct ax_worker *w)
{
    if (!w->engine)
        return w->set->limit_connections < 0 || w->nconns < (uint64_t)w->set->limit_connections;
    return ax_engine_take_connection(w->engine);
}

static void on_listen(uv_poll_t *h, int status, int events);

static void pause_accept(struct ax_worker *w)
{
    w->accept_paused = true;
    for (unsigned i = 0; i < w->nlisten; i++)
        uv_poll_stop(&w->listen[i]);
}

void ax_worker_accept_resume(struct ax_worker *w)
{
    if (!w->accept_paused || w->phase > AX_WORKER_LAME_DUCK)
        return;
    w->accept_paused = false;
    for (unsigned i = 0; i < w->nlisten; i++)
        uv_poll_start(&w->listen[i], UV_READABLE, on_listen);
}

static bool out_of_descriptors(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

static void on_listen(uv_poll_t *h, int status, int events)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);
    int listen_fd;

    (void)events;
    ax_worker_touch(w);
    if (status < 0 || uv_fileno((uv_handle_t *)h, &listen_fd) != 0)
        return;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!may_accept(w) && !(close_oldest_idle(w) && may_accept(w))) {
            pause_accept(w);
            return;
        }
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            ax_conn_open(w, fd);
            continue;
        }
        int err = errno;
        if (w->engine)
            ax_engine_put_connection(w->engine);
        if (out_of_descriptors(err) && !close_oldest_idle(w)) {
            pause_accept(w); /* until one of ours closes, or for a moment */
            arm(w, ax_worker_now(w).us + ACCEPT_RETRY_US);
        }
        if (err != EINTR && err != ECONNABORTED)
            return;
    }
}

int ax_worker_listen(struct ax_worker *w, int fd, struct ax_err *reterr)
{
    if (w->nlisten == AX_LISTEN_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "more than %d addresses", AX_LISTEN_MAX);
    uv_poll_t *p = &w->listen[w->nlisten];
    int rc = uv_poll_init(w->loop, p, fd);
    if (rc != 0)
        return ax_fail(reterr, AX_E_SYS, "cannot poll the listening socket: %s", uv_strerror(rc));
    p->data = w;
    w->nlisten++;
    w->open_handles++;
    uv_poll_start(p, UV_READABLE, on_listen);
    return 0;
}

int ax_worker_adopt(struct ax_worker *w, int fd)
{
    if (w->phase == AX_WORKER_CLOSED) {
        close(fd);
        if (w->engine)
            ax_engine_put_connection(w->engine);
        return -AX_E_STATE;
    }
    return ax_conn_open(w, fd) ? 0 : -AX_E_NOMEM;
}

static bool inbox_push(struct ax_worker *w, int fd)
{
    if (w->inbox_closed)
        return false;
    if (w->ninbox == w->inbox_cap) {
        unsigned cap = w->inbox_cap ? w->inbox_cap * 2 : 64;
        int *v = ax_realloc(w->inbox, cap * sizeof *v);
        if (!v)
            return false;
        w->inbox = v;
        w->inbox_cap = cap;
    }
    w->inbox[w->ninbox++] = fd;
    __atomic_store_n(&w->load_waiting, w->ninbox, __ATOMIC_RELAXED);
    return true;
}

bool ax_worker_give(struct ax_worker *w, int fd)
{
    pthread_mutex_lock(&w->inbox_lock);
    bool ok = inbox_push(w, fd);
    if (ok)
        uv_async_send(&w->wake);
    pthread_mutex_unlock(&w->inbox_lock);
    return ok;
}

bool ax_worker_make_room(struct ax_worker *w)
{
    pthread_mutex_lock(&w->inbox_lock);
    bool ok = !w->inbox_closed;
    if (ok) {
        __atomic_store_n(&w->make_room, true, __ATOMIC_RELAXED);
        uv_async_send(&w->wake);
    }
    pthread_mutex_unlock(&w->inbox_lock);
    return ok;
}

static void on_wake(uv_async_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    ax_worker_touch(w);
    if (__atomic_exchange_n(&w->make_room, false, __ATOMIC_RELAXED))
        close_oldest_idle(w);
    pthread_mutex_lock(&w->inbox_lock);
    int *fds = w->inbox;
    unsigned n = w->ninbox;
    w->inbox = NULL;
    w->ninbox = w->inbox_cap = 0;
    pthread_mutex_unlock(&w->inbox_lock);
    for (unsigned i = 0; i < n; i++)
        ax_worker_adopt(w, fds[i]);
    ax_free(fds);
    pthread_mutex_lock(&w->inbox_lock);
    __atomic_store_n(&w->load_waiting, w->ninbox, __ATOMIC_RELAXED); /* more may have come meanwhile */
    pthread_mutex_unlock(&w->inbox_lock);
}

struct ax_load ax_worker_load(const struct ax_worker *w)
{
    return (struct ax_load){
        .connections = __atomic_load_n(&w->load_conns, __ATOMIC_RELAXED) +
                       __atomic_load_n(&w->load_waiting, __ATOMIC_RELAXED),
        .inflight = __atomic_load_n(&w->load_inflight, __ATOMIC_RELAXED),
    };
}

unsigned ax_worker_id(const struct ax_worker *w)
{
    return w->id;
}

struct ax_counters *ax_worker_counters(struct ax_worker *w)
{
    return w->count;
}

/* ---- making */

static int init_timeouts(struct ax_worker *w, struct ax_err *reterr)
{
    const struct ax_settings *s = w->set;
    const int64_t conn_us[AX_CONN_TIMEOUTS] = {
        [AX_TO_HEADER] = s->timeout_header_us, [AX_TO_BODY] = s->timeout_body_us,
        [AX_TO_KEEP_ALIVE] = s->timeout_keep_alive_us, [AX_TO_SEND] = s->timeout_send_us,
        [AX_TO_LINGER] = LINGER_US};
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

static int init_pools(struct ax_worker *w, struct ax_err *reterr)
{
    bool warm = w->set->pool_prewarm != 0;
    int rc = ax_slots_init(w, reterr);

    if (rc < 0)
        return rc;
    rc = ax_pool_init(&w->conn_pool, "connection", sizeof(struct ax_conn), warm ? (unsigned)w->set->pool_connections : 0,
                      0, reterr);
    if (rc < 0)
        goto fail_slots;
    rc = ax_pool_init(&w->block_pool, "output", AX_OUT_BLOCK, warm ? BLOCKS_WARM : 0, 0, reterr);
    if (rc < 0)
        goto fail_conns;
    w->handed = ax_calloc((size_t)w->set->batch, sizeof *w->handed);
    if (w->handed && grow_ready(w))
        return 0;
    rc = ax_fail(reterr, AX_E_NOMEM, "no memory for a batch");
    ax_free(w->handed);
    ax_pool_fini(&w->block_pool);
fail_conns:
    ax_pool_fini(&w->conn_pool);
fail_slots:
    ax_slots_fini(w);
    return rc;
}

static void fini_pools(struct ax_worker *w)
{
    ax_free(w->ready);
    ax_free(w->handed);
    ax_pool_fini(&w->block_pool);
    ax_pool_fini(&w->conn_pool);
    ax_slots_fini(w);
}

/* uv_async_init alone can fail (no descriptors); it goes first, so that nothing needs closing when it does. */
static int init_handles(struct ax_worker *w, struct ax_err *reterr)
{
    int rc = uv_async_init(w->loop, &w->wake, on_wake);

    if (rc != 0)
        return ax_fail(reterr, AX_E_SYS, "cannot make the worker's wake-up: %s", uv_strerror(rc));
    uv_timer_init(w->loop, &w->timer);
    uv_prepare_init(w->loop, &w->prepare);
    uv_check_init(w->loop, &w->check);
    uv_idle_init(w->loop, &w->idle);
    w->wake.data = w->timer.data = w->prepare.data = w->check.data = w->idle.data = w;
    w->open_handles = 5;
    uv_prepare_start(&w->prepare, on_prepare);
    uv_check_start(&w->check, on_check);
    uv_unref((uv_handle_t *)&w->prepare);
    uv_unref((uv_handle_t *)&w->check);
    uv_unref((uv_handle_t *)&w->timer);
    if (!w->engine)
        uv_unref((uv_handle_t *)&w->wake);
    return 0;
}

static void make_id_prefix(struct ax_worker *w)
{
    uint32_t seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint32_t)ax_wall_now().us ^ (uint32_t)getpid();
    snprintf(w->id_prefix, sizeof w->id_prefix, "%06x%02x", seed & 0xffffff, w->id & 0xff);
}

int ax_worker_new(const struct ax_worker_options *o, struct ax_worker **ret, struct ax_err *reterr)
{
    struct ax_worker *w = ax_calloc(1, sizeof *w);

    if (!w)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for a worker");
    w->magic = AX_WORKER_MAGIC;
    w->id = o->id;
    w->loop = o->loop;
    w->site = ax_site_ref(o->site);
    w->set = ax_site_settings(w->site);
    w->router = ax_site_router(w->site);
    w->dispatch = o->dispatch;
    w->stat = o->stat;
    w->count = ax_wstat_counters(o->stat);
    w->log = o->log;
    w->access = o->access && o->access->fd >= 0 ? o->access : NULL;
    w->engine = o->engine;
    w->timer_at = w->load_idle = INT64_MAX;
    w->inflight_share = o->engine ? ax_engine_inflight_share(o->engine)
                        : w->set->limit_inflight < 0 ? UINT32_MAX
                                                     : (unsigned)w->set->limit_inflight;
    w->line = AX_BUF_INIT(131072);
    ax_list_init(&w->conns);
    make_id_prefix(w);
    pthread_mutex_init(&w->inbox_lock, NULL);
    int rc = init_timeouts(w, reterr);
    if (rc < 0)
        goto fail;
    rc = init_pools(w, reterr);
    if (rc < 0)
        goto fail_timeouts;
    rc = init_handles(w, reterr);
    if (rc < 0)
        goto fail_pools;
    *ret = w;
    return 0;
fail_pools:
    fini_pools(w);
fail_timeouts:
    ax_free(w->handler_timeouts);
fail:
    pthread_mutex_destroy(&w->inbox_lock);
    ax_site_unref(w->site);
    ax_free(w);
    return rc;
}

/* ---- ending */

static void check_drained(struct ax_worker *w)
{
    if (w->phase != AX_WORKER_DRAINING || w->nconns || !w->drained)
        return;
    void (*done)(void *) = w->drained;
    w->drained = NULL;
    done(w->drained_ctx);
}

static void check_closed(struct ax_worker *w)
{
    if (w->phase != AX_WORKER_CLOSED || w->open_handles || w->conn_pool.live)
        return;
    if (w->closed)
        w->closed(w->closed_ctx);
}

void ax_worker_conn_gone(struct ax_worker *w)
{
    check_drained(w);
    check_closed(w);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    w->open_handles--;
    check_closed(w);
}

static void stop_listening(struct ax_worker *w)
{
    for (unsigned i = 0; i < w->nlisten; i++)
        uv_close((uv_handle_t *)&w->listen[i], on_handle_closed);
    w->nlisten = 0;
}

void ax_worker_lame_duck(struct ax_worker *w)
{
    if (w->phase == AX_WORKER_RUNNING)
        w->phase = AX_WORKER_LAME_DUCK;
}

/* A request that the kernel holds already is in progress: it is read and answered. */
static bool has_input(int fd)
{
    char c;

    return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void ax_worker_drain(struct ax_worker *w, void (*done)(void *ctx), void *ctx)
{
    if (w->phase >= AX_WORKER_DRAINING)
        return;
    w->phase = AX_WORKER_DRAINING;
    w->drained = done;
    w->drained_ctx = ctx;
    stop_listening(w);
    on_wake(&w->wake); /* what was handed over is served; nothing more comes once the engine unregisters it */
    AX_LIST_EACH(it, &w->conns)
    {
        struct ax_conn *c = AX_LIST_ENTRY(it, struct ax_conn, all);
        if (c->state == AX_CONN_IDLE && !c->first && !c->out.bytes && !has_input(c->fd))
            ax_conn_close(c, AX_CLOSE_STOP);
    }
    check_drained(w);
}

static void close_inbox(struct ax_worker *w)
{
    pthread_mutex_lock(&w->inbox_lock);
    w->inbox_closed = true;
    pthread_mutex_unlock(&w->inbox_lock);
    for (unsigned i = 0; i < w->ninbox; i++) {
        close(w->inbox[i]);
        if (w->engine)
            ax_engine_put_connection(w->engine);
    }
    ax_free(w->inbox);
    w->inbox = NULL;
    w->ninbox = w->inbox_cap = 0;
}

void ax_worker_close(struct ax_worker *w, void (*closed)(void *ctx), void *ctx)
{
    AX_ASSERT(w->phase != AX_WORKER_CLOSED);
    flush(w);
    stop_listening(w);
    w->phase = AX_WORKER_CLOSED;
    w->drained = NULL;
    w->closed = closed;
    w->closed_ctx = ctx;
    close_inbox(w);
    AX_LIST_EACH(it, &w->conns)
        ax_conn_close(AX_LIST_ENTRY(it, struct ax_conn, all), AX_CLOSE_STOP);
    uv_close((uv_handle_t *)&w->wake, on_handle_closed);
    uv_close((uv_handle_t *)&w->timer, on_handle_closed);
    uv_close((uv_handle_t *)&w->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&w->check, on_handle_closed);
    uv_close((uv_handle_t *)&w->idle, on_handle_closed);
    if (w->access)
        ax_account_flush(w);
}

/* Requests that still hold a slot: entered, their client or their server gone. */
static void drop_requests(struct ax_worker *w)
{
    for (uint32_t i = 0; i < w->nslots; i++) {
        struct ax_request *r = w->slots[i].r;
        if (!r)
            continue;
        if (r->inflight_taken)
            ax_engine_put_inflight(w->engine);
        ax_account(r, w->now);
        ax_slot_put(r);
    }
}

void ax_worker_free(struct ax_worker *w)
{
    if (!w)
        return;
    AX_ASSERT(w->magic == AX_WORKER_MAGIC && w->phase == AX_WORKER_CLOSED && !w->open_handles);
    drop_requests(w);
    fini_pools(w);
    ax_free(w->handler_timeouts);
    ax_buf_fini(&w->line);
    pthread_mutex_destroy(&w->inbox_lock);
    ax_site_unref(w->site);
    w->magic = 0;
    ax_free(w);
}
