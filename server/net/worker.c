#include "net/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/files.h"
#include "net/internal.h"

enum { BLOCKS_WARM = 64, AWAIT_MS = 1 };

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

static int init_pools(struct ax_worker *w, struct ax_err *reterr)
{
    bool warm = w->set->pool_prewarm != 0;
    int rc = ax_slots_init(w, reterr);

    if (rc < 0)
        return rc;
    rc = ax_pool_init(&w->conn_pool, "connection", sizeof(struct ax_conn),
                      warm ? (unsigned)w->set->pool_connections : 0, 0, reterr);
    if (rc < 0)
        goto fail_slots;
    rc = ax_pool_init(&w->block_pool, "output", AX_OUT_BLOCK, warm ? BLOCKS_WARM : 0, 0, reterr);
    if (rc < 0)
        goto fail_conns;
    rc = ax_body_store_init(&w->bodies, warm, reterr);
    if (rc < 0)
        goto fail_blocks;
    w->conn_pool.low = w->conn_pool.keep = (unsigned)w->set->pool_connections;
    w->block_pool.low = w->block_pool.keep = (unsigned)w->set->batch;
    w->handed = ax_calloc((size_t)w->set->batch, sizeof *w->handed);
    w->largest_answer = ax_calloc((size_t)ax_site_routes(w->site) + 1, sizeof *w->largest_answer);
    if (w->handed && w->largest_answer && ax_worker_grow_ready(w))
        return 0;
    rc = ax_fail(reterr, AX_E_NOMEM, "no memory for a batch");
    ax_free(w->ready);
    ax_free(w->largest_answer);
    ax_free(w->handed);
    ax_body_store_fini(&w->bodies);
fail_blocks:
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
    ax_free(w->ready_spare);
    ax_free(w->largest_answer);
    ax_free(w->handed);
    ax_body_store_fini(&w->bodies);
    ax_pool_fini(&w->block_pool);
    ax_pool_fini(&w->conn_pool);
    ax_slots_fini(w);
}

/* uv_async_init alone can fail (no descriptors); it goes first, so that nothing needs closing when it does.
 */
static int init_handles(struct ax_worker *w, struct ax_err *reterr)
{
    int rc = uv_async_init(w->loop, &w->wake, ax_worker_on_wake);

    if (rc != 0)
        return ax_fail(reterr, AX_E_SYS, "cannot make the worker's wake-up: %s", uv_strerror(rc));
    uv_timer_init(w->loop, &w->timer);
    uv_prepare_init(w->loop, &w->prepare);
    uv_check_init(w->loop, &w->check);
    uv_idle_init(w->loop, &w->idle);
    w->wake.data = w->timer.data = w->prepare.data = w->check.data = w->idle.data = w;
    w->open_handles = 5;
    uv_prepare_start(&w->prepare, ax_worker_on_prepare);
    uv_check_start(&w->check, ax_worker_on_check);
    uv_unref((uv_handle_t *)&w->prepare);
    uv_unref((uv_handle_t *)&w->check);
    uv_unref((uv_handle_t *)&w->timer);
    if (!w->engine)
        uv_unref((uv_handle_t *)&w->wake);
    return 0;
}

static uint64_t random_seed(void)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (uint64_t)ax_wall_now().us ^ (uint64_t)getpid() << 40;
    return seed;
}

static int init_route_cache(struct ax_worker *w, struct ax_err *reterr)
{
    if (w->set->cache_routes <= 0)
        return 0;
    return ax_route_cache_new((unsigned)w->set->cache_routes, random_seed(), &w->route_cache, reterr);
}

/* Handlers may still hold requests of a worker that ran in this environment before: their handles must be
 * stale in this one too, so it counts from somewhere else. */
static void make_first_gen(struct ax_worker *w)
{
    w->first_gen = (uint32_t)(random_seed() >> 16);
}

static void make_first_id(struct ax_worker *w)
{
    char text[AX_ID_LEN + 1];

    snprintf(text, sizeof text, "%06x%02x%08x", (uint32_t)random_seed() & 0xffffff, w->id & 0xff, 0u);
    memcpy(w->next_id, text, AX_ID_LEN);
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
    w->proxies = ax_site_proxies(w->site);
    w->head_limits = (struct ax_head_limits){.bytes = (size_t)w->set->limit_header,
                                             .uri = (size_t)w->set->limit_uri,
                                             .fields = (unsigned)w->set->limit_header_count,
                                             .host_seen = &w->host_seen};
    w->dispatch = o->dispatch;
    w->entering = o->entering;
    w->stat = o->stat;
    w->blocks = ax_wstat_blocks(o->stat);
    w->count = ax_wstat_counters(o->stat);
    w->log = o->log;
    w->access = o->access && o->access->fd >= 0 ? o->access : NULL;
    w->engine = o->engine;
    w->timer_at = w->trim_at = w->load_idle = INT64_MAX;
    w->inflight_share = o->engine                    ? ax_engine_inflight_share(o->engine)
                        : w->set->limit_inflight < 0 ? UINT32_MAX
                                                     : (unsigned)w->set->limit_inflight;
    w->line = AX_BUF_INIT(131072);
    ax_list_init(&w->conns);
    ax_list_init(&w->gone);
    ax_list_init(&w->parcels);
    ax_list_init(&w->shells);
    w->dirty_end = &w->dirty;
    make_first_gen(w);
    make_first_id(w);
    pthread_mutex_init(&w->inbox_lock, NULL);
    int rc = ax_worker_init_timeouts(w, reterr);
    if (rc < 0)
        goto fail;
    rc = init_route_cache(w, reterr);
    if (rc < 0)
        goto fail_timeouts;
    rc = init_pools(w, reterr);
    if (rc < 0)
        goto fail_cache;
    rc = ax_admission_init(w, reterr);
    if (rc < 0)
        goto fail_pools;
    rc = init_handles(w, reterr);
    if (rc < 0)
        goto fail_admission;
    *ret = w;
    return 0;
fail_admission:
    ax_admission_fini(w);
fail_pools:
    fini_pools(w);
fail_cache:
    ax_route_cache_free(w->route_cache);
fail_timeouts:
    ax_free(w->handler_timeouts);
fail:
    pthread_mutex_destroy(&w->inbox_lock);
    ax_site_unref(w->site);
    ax_free(w);
    return rc;
}

/* ---- ending */

/* Who waits for it is told from the loop: this may be the middle of anything. */
void ax_worker_check_drained(struct ax_worker *w)
{
    if (w->phase != AX_WORKER_DRAINING || w->nconns || !w->drained)
        return;
    w->drain_due = true;
    ax_worker_stay_awake(w);
}

void ax_worker_check_closed(struct ax_worker *w)
{
    if (w->phase != AX_WORKER_CLOSED || w->open_handles || w->conn_pool.live)
        return;
    if (w->closed)
        w->closed(w->closed_ctx);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    w->open_handles--;
    ax_worker_check_closed(w);
}

static void stop_listening(struct ax_worker *w)
{
    bool alone = w->nlisten && w->engine && !ax_worker_taken(w); /* else another one serves there now */

    if (alone && ax_engine_is_last(w->engine))
        ax_worker_accept_queued(w);
    for (unsigned i = 0; i < w->nlisten; i++)
        uv_close((uv_handle_t *)&w->listen[i], on_handle_closed);
    if (alone)
        ax_engine_show_absent(w->engine);
    w->nlisten = 0;
    if (alone)
        ax_engine_leave_sockets(w->engine);
    if (w->accept_paused)
        uv_unref((uv_handle_t *)&w->timer);
    w->accept_paused = false;
}

void ax_worker_lame_duck(struct ax_worker *w)
{
    if (w->phase == AX_WORKER_RUNNING)
        w->phase = AX_WORKER_LAME_DUCK;
}

/* The end of both: what was handed over before is still served. */
static void begin_drain(struct ax_worker *w, void (*done)(void *ctx), void *ctx)
{
    ax_worker_now(w); /* JavaScript asks for it, outside of a turn: what is accepted here gets its deadline */
    w->phase = AX_WORKER_DRAINING;
    w->drained = done;
    w->drained_ctx = ctx;
    stop_listening(w);
    ax_worker_take_inbox(w);
}

/* Who has just connected has sent a request, most likely, which is not here yet; who was answered knows that
 * a server may end an idle connection (RFC 9112, 9.5), and sends what it gets no answer to once more. */
static void drain_conn(struct ax_conn *c)
{
    bool idle = c->state == AX_CONN_IDLE && !c->first && !c->out.bytes && !ax_conn_has_input(c);

    if (idle && c->queued == 0)
        ax_conn_wait(c, AX_TO_FIRST);
    else if (idle)
        ax_conn_close(c, AX_CLOSE_STOP);
    else if (c->state == AX_CONN_HEAD)
        ax_conn_dirty(c); /* its timeout is another one now */
}

void ax_worker_drain(struct ax_worker *w, void (*done)(void *ctx), void *ctx)
{
    if (w->phase >= AX_WORKER_DRAINING)
        return;
    begin_drain(w, done, ctx);
    AX_LIST_EACH(it, &w->conns)
    {
        drain_conn(AX_LIST_ENTRY(it, struct ax_conn, all));
    }
    ax_worker_check_drained(w);
}

void ax_worker_retire(struct ax_worker *w, void (*done)(void *ctx), void *ctx)
{
    if (w->phase >= AX_WORKER_DRAINING)
        return;
    w->retiring = true;
    begin_drain(w, done, ctx);
    AX_LIST_EACH(it, &w->conns)
    ax_conn_pass_on(AX_LIST_ENTRY(it, struct ax_conn, all));
    ax_worker_check_drained(w);
}

static bool streams(const struct ax_conn *c)
{
    for (const struct ax_request *r = c->first; r; r = r->next)
        if (r->state == AX_REQ_STREAMING)
            return true;
    return false;
}

void ax_worker_cut_streams(struct ax_worker *w)
{
    ax_worker_now(w); /* as in begin_drain */
    AX_LIST_EACH(it, &w->conns)
    {
        struct ax_conn *c = AX_LIST_ENTRY(it, struct ax_conn, all);
        if (streams(c))
            ax_conn_close(c, AX_CLOSE_STOP);
    }
    ax_worker_check_drained(w);
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
    AX_LIST_EACH(it, &w->parcels)
    {
        ax_parcel_free(AX_LIST_ENTRY(it, struct ax_parcel, node));
        if (w->engine)
            ax_engine_put_connection(w->engine);
    }
    ax_free(w->inbox);
    w->inbox = NULL;
    w->ninbox = w->inbox_cap = 0;
}

/* Nothing is left of a worker that was taken over but the handles of its connections. */
static void close_shells(struct ax_worker *w)
{
    AX_LIST_EACH(it, &w->shells)
    ax_conn_close_shell(AX_LIST_ENTRY(it, struct ax_conn, all));
}

void ax_worker_await_done(struct ax_worker *w)
{
    if (!w->engine || !ax_worker_taken(w))
        return;
    ax_engine_await(w->engine);
    while (__atomic_load_n(&w->owner, __ATOMIC_ACQUIRE) != AX_OWNER_DONE) {
        poll(NULL, 0, AWAIT_MS); /* ax_engine_abort was called just now: the watchdog is on its way */
        ax_engine_await(w->engine);
    }
}

void ax_worker_close(struct ax_worker *w, void (*closed)(void *ctx), void *ctx)
{
    AX_ASSERT(w->phase != AX_WORKER_CLOSED);
    if (!ax_worker_taken(w))
        ax_worker_flush(w);
    stop_listening(w);
    w->phase = AX_WORKER_CLOSED;
    w->drained = NULL;
    w->closed = closed;
    w->closed_ctx = ctx;
    close_inbox(w);
    AX_LIST_EACH(it, &w->conns)
    ax_conn_close(AX_LIST_ENTRY(it, struct ax_conn, all), AX_CLOSE_STOP);
    ax_admission_detach(w); /* nobody wakes it any more */
    close_shells(w);
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
        if (r)
            ax_request_over(r);
    }
}

void ax_worker_free(struct ax_worker *w)
{
    if (!w)
        return;
    AX_ASSERT(w->magic == AX_WORKER_MAGIC && w->phase == AX_WORKER_CLOSED && !w->open_handles);
    drop_requests(w);
    if (w->access)
        ax_account_flush(w); /* their lines */
    ax_admission_fini(w);
    fini_pools(w);
    ax_files_free(w->files);
    ax_login_forget(w);
    ax_route_cache_free(w->route_cache);
    ax_free(w->handler_timeouts);
    ax_buf_fini(&w->line);
    pthread_mutex_destroy(&w->inbox_lock);
    ax_site_unref(w->site);
    w->magic = 0;
    ax_free(w);
}
