/* The engine: what its workers share, and their coming and going. */
#include "net/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { SHARE_MIN = 100 };

/* A descriptor that a dead worker's loop may wait for without ever hearing of it. */
static int make_dead(struct ax_engine *e)
{
    int v[2];

    if (pipe2(v, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    e->dead = v[0];
    e->dead_peer = v[1];
    return 0;
}

static int set_flags(int fd)
{
    int fl = fcntl(fd, F_GETFL);

    ax_listen_no_delay(fd);
    return fl < 0 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : 0;
}

int ax_engine_new(const struct ax_engine_options *o, struct ax_engine **ret, struct ax_err *reterr)
{
    if (o->nfds > AX_LISTEN_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "more than %d addresses", AX_LISTEN_MAX);
    for (unsigned i = 0; i < o->nfds; i++)
        if (set_flags(o->fds[i]) < 0)
            return ax_fail_os(reterr, errno, "cannot use listening socket %d", o->fds[i]);
    struct ax_engine *e = ax_calloc(1, sizeof *e);
    if (!e)
        goto fail;
    e->workers = ax_calloc(o->workers, sizeof *e->workers);
    if (!e->workers)
        goto fail_engine;
    e->watch = ax_calloc(o->workers, sizeof *e->watch);
    if (!e->watch)
        goto fail_workers;
    e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->wake < 0)
        goto fail_watch;
    if (make_dead(e) < 0)
        goto fail_wake;
    e->magic = AX_ENGINE_MAGIC;
    e->board = o->board;
    e->slot = o->slot;
    e->mailbox = o->mailbox_fd > 0 ? o->mailbox_fd : -1;
    e->heir = -1;
    e->stall_us = o->stall_us > 0 ? o->stall_us : -1;
    e->event = o->event;
    e->event_ctx = o->event_ctx;
    ax_list_init(&e->parked);
    ax_list_init(&e->outbound);
    e->balance = o->balance;
    e->max_workers = o->workers;
    e->min_ready = o->min_ready < o->workers ? o->min_ready : o->workers;
    e->nfds = o->nfds;
    if (o->nfds)
        memcpy(e->fds, o->fds, o->nfds * sizeof *o->fds);
    e->limit_connections = o->limit_connections;
    e->limit_inflight = o->limit_inflight;
    e->limit_body_memory = o->limit_body_memory;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->accepting, NULL);
    *ret = e;
    return 0;
fail_wake:
    close(e->wake);
fail_watch:
    ax_free(e->watch);
fail_workers:
    ax_free(e->workers);
fail_engine:
    ax_free(e);
fail:
    return ax_fail(reterr, AX_E_NOMEM, "no memory or descriptor for the engine");
}

/* ---- shared ceilings */

static bool take(atomic_int_least64_t *used, int64_t n, int64_t limit)
{
    if (atomic_fetch_add_explicit(used, n, memory_order_relaxed) + n <= limit || limit < 0)
        return true;
    atomic_fetch_sub_explicit(used, n, memory_order_relaxed);
    return false;
}

bool ax_engine_take_connection(struct ax_engine *e)
{
    return take(&e->connections, 1, e->limit_connections);
}

void ax_engine_wake(const struct ax_engine *e)
{
    uint64_t one = 1;
    ssize_t n = write(e->wake, &one, sizeof one); /* EAGAIN: it is awake already */

    AX_DEBUG_ASSERT(n == (ssize_t)sizeof one || errno == EAGAIN);
    (void)n;
}

void ax_engine_put_connection(struct ax_engine *e)
{
    atomic_fetch_sub_explicit(&e->connections, 1, memory_order_relaxed);
    if (AX_UNLIKELY(atomic_load_explicit(&e->full, memory_order_relaxed)) && atomic_exchange(&e->full, false))
        ax_engine_wake(e);
}

/* Half of the ceiling is dealt out in equal shares, so that the usual request touches no shared cache line;
 * the other half is taken one by one by whoever needs more.  Of a low ceiling nothing is dealt out: it must
 * hold to the request also when one worker has them all. */
unsigned ax_engine_inflight_share(const struct ax_engine *e)
{
    if (e->limit_inflight < 0)
        return UINT32_MAX;
    if (e->max_workers == 1)
        return (unsigned)e->limit_inflight;
    int64_t share = e->limit_inflight / 2 / e->max_workers;
    return share < SHARE_MIN ? 0 : (unsigned)share;
}

bool ax_engine_take_inflight(struct ax_engine *e)
{
    int64_t dealt = (int64_t)ax_engine_inflight_share(e) * e->max_workers;

    return take(&e->inflight_extra, 1, e->limit_inflight - dealt);
}

void ax_engine_put_inflight(struct ax_engine *e)
{
    atomic_fetch_sub_explicit(&e->inflight_extra, 1, memory_order_relaxed);
}

bool ax_engine_take_memory(struct ax_engine *e, int64_t bytes)
{
    return take(&e->body_memory, bytes, e->limit_body_memory);
}

bool ax_engine_has_memory(const struct ax_engine *e, int64_t bytes)
{
    return e->limit_body_memory < 0 ||
           atomic_load_explicit(&e->body_memory, memory_order_relaxed) + bytes <= e->limit_body_memory;
}

void ax_engine_put_memory(struct ax_engine *e, int64_t bytes)
{
    atomic_fetch_sub_explicit(&e->body_memory, bytes, memory_order_relaxed);
}

/* ---- workers */

static int listen_alone(struct ax_engine *e, struct ax_worker *w, struct ax_err *reterr)
{
    for (unsigned i = 0; i < e->nfds; i++) {
        int rc = ax_worker_listen(w, e->fds[i], reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static bool needs_thread(const struct ax_engine *e)
{
    return (e->max_workers > 1 && e->nfds && !atomic_load(&e->accepting_stopped)) || e->stall_us > 0 ||
           e->mailbox >= 0;
}

int ax_engine_register(struct ax_engine *e, struct ax_worker *w, struct ax_err *reterr)
{
    unsigned id = ax_worker_id(w);
    int rc = 0;

    AX_ASSERT(e->magic == AX_ENGINE_MAGIC && id < e->max_workers);
    /* At stop it comes in the place of one taken over, who had not accepted what was queued. */
    if (e->max_workers == 1 && (!atomic_load(&e->accepting_stopped) || ax_engine_is_last(e)))
        rc = listen_alone(e, w, reterr);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&e->lock);
    AX_ASSERT(!e->workers[id]);
    if (needs_thread(e) && !e->thread_runs)
        rc = ax_engine_start_thread(e, reterr);
    if (rc == 0) {
        e->workers[id] = w;
        ax_watch_begin(&e->watch[id], w);
        __atomic_fetch_add(&e->nready, 1, __ATOMIC_RELAXED);
        ax_engine_pass_parked(e);
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

static void withdraw(struct ax_engine *e, unsigned id)
{
    if (!e->watch[id].leaving)
        __atomic_fetch_sub(&e->nready, 1, __ATOMIC_RELAXED);
    e->watch[id].leaving = true;
}

void ax_engine_withdraw(struct ax_engine *e, struct ax_worker *w)
{
    unsigned id = ax_worker_id(w);

    pthread_mutex_lock(&e->lock);
    if (e->workers[id] == w)
        withdraw(e, id);
    pthread_mutex_unlock(&e->lock);
}

void ax_engine_forget_worker(struct ax_engine *e, unsigned id)
{
    withdraw(e, id);
    e->workers[id] = NULL;
}

void ax_engine_unregister(struct ax_engine *e, struct ax_worker *w)
{
    unsigned id = ax_worker_id(w);

    pthread_mutex_lock(&e->lock);
    if (e->workers[id] == w)
        ax_engine_forget_worker(e, id);
    pthread_mutex_unlock(&e->lock);
}

bool ax_engine_ready(const struct ax_engine *e)
{
    /* nready is read without the lock: health may be a moment old */
    unsigned ready = __atomic_load_n(&e->nready, __ATOMIC_RELAXED);

    if (e->board) /* min_ready is said of all engines */
        ready = ready ? ax_board_present(e->board) : 0;
    return !atomic_load(&e->stopping) && ready >= e->min_ready;
}

void ax_engine_set_stopping(struct ax_engine *e)
{
    atomic_store(&e->stopping, true);
}

void ax_engine_stop_accepting(struct ax_engine *e)
{
    pthread_mutex_lock(&e->accepting);
    atomic_store(&e->accepting_stopped, true);
    if (e->max_workers > 1)
        ax_engine_leave_sockets(e);
    pthread_mutex_unlock(&e->accepting);
    ax_engine_wake(e);
}

bool ax_engine_accept_begin(struct ax_engine *e)
{
    pthread_mutex_lock(&e->accepting);
    if (!atomic_load(&e->accepting_stopped) || ax_engine_is_last(e))
        return true;
    pthread_mutex_unlock(&e->accepting);
    return false;
}

void ax_engine_accept_end(struct ax_engine *e)
{
    pthread_mutex_unlock(&e->accepting);
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

void ax_engine_free(struct ax_engine *e)
{
    if (!e)
        return;
    AX_ASSERT(e->magic == AX_ENGINE_MAGIC && e->nready == 0);
    if (e->thread_runs) {
        pthread_mutex_lock(&e->lock);
        e->ended = true;
        pthread_mutex_unlock(&e->lock);
        ax_engine_wake(e);
        pthread_join(e->thread, NULL);
    }
    ax_engine_drop_parcels(e);
    for (unsigned i = 0; i < e->npeers; i++)
        close_fd(e->peers[i]);
    close_fd(e->mailbox);
    close_fd(e->heir);
    close(e->dead);
    close(e->dead_peer);
    close(e->wake);
    pthread_mutex_destroy(&e->accepting);
    pthread_mutex_destroy(&e->lock);
    ax_free(e->peers);
    ax_free(e->watch);
    ax_free(e->workers);
    e->magic = 0;
    ax_free(e);
}

/* ---- the board */

void ax_engine_show_load(const struct ax_engine *e, struct ax_load load)
{
    if (AX_UNLIKELY(e->board))
        ax_board_set(e->board, e->slot,
                     e->balance == AX_BY_LEAST_INFLIGHT ? load.inflight : load.connections);
}

void ax_engine_show_absent(const struct ax_engine *e)
{
    if (e->board)
        ax_board_set(e->board, e->slot, AX_BOARD_ABSENT);
}

bool ax_engine_has_most(const struct ax_engine *e)
{
    return AX_UNLIKELY(e->board) && ax_board_get(e->board, e->slot) > ax_board_least(e->board);
}

/* ---- parcels */

void ax_engine_give(struct ax_engine *e, struct ax_parcel *p, const struct ax_worker *not_to)
{
    pthread_mutex_lock(&e->lock);
    ax_engine_pass(e, p, not_to);
    pthread_mutex_unlock(&e->lock);
}

bool ax_engine_handed_over(struct ax_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool none = ax_list_empty(&e->outbound) && ax_list_empty(&e->parked);
    pthread_mutex_unlock(&e->lock);
    return none;
}

bool ax_engine_wants_heir(struct ax_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool any = !ax_list_empty(&e->parked);
    pthread_mutex_unlock(&e->lock);
    return any;
}

void ax_engine_await(struct ax_engine *e)
{
    pthread_mutex_lock(&e->lock); /* the watchdog holds it while it takes over */
    pthread_mutex_unlock(&e->lock);
}
