#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

enum { ENGINE_MAGIC = 0x51735e04, PAUSE_MS = 20, SHARE_MIN = 100 };

struct ax_engine {
    uint32_t magic;
    enum ax_balance_by balance;
    unsigned max_workers, min_ready;
    int fds[AX_LISTEN_MAX];
    unsigned nfds;
    int64_t limit_connections, limit_inflight, limit_body_memory;
    atomic_int_least64_t connections, inflight_extra, body_memory;
    atomic_bool stopping, accepting_stopped;
    atomic_bool full; /* the accept thread waits for a connection to end */

    pthread_mutex_t lock;       /* guards workers, nready, thread_runs */
    struct ax_worker **workers; /* by id; NULL = not registered */
    unsigned nready;
    unsigned next; /* round robin */
    bool thread_runs;
    pthread_t thread;
    int wake; /* eventfd: the thread looks at accepting_stopped, or tries again */
};

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
    e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->wake < 0)
        goto fail_workers;
    e->magic = ENGINE_MAGIC;
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
    *ret = e;
    return 0;
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

static void wake_thread(const struct ax_engine *e)
{
    uint64_t one = 1;
    ssize_t n = write(e->wake, &one, sizeof one); /* EAGAIN: it is awake already */

    AX_DEBUG_ASSERT(n == (ssize_t)sizeof one || errno == EAGAIN);
    (void)n;
}

static void clear_wake(const struct ax_engine *e)
{
    uint64_t times;
    ssize_t n = read(e->wake, &times, sizeof times); /* EAGAIN: it is clear already */

    (void)n;
}

void ax_engine_put_connection(struct ax_engine *e)
{
    atomic_fetch_sub_explicit(&e->connections, 1, memory_order_relaxed);
    if (AX_UNLIKELY(atomic_load_explicit(&e->full, memory_order_relaxed)) && atomic_exchange(&e->full, false))
        wake_thread(e);
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

/* ---- balancing; e->lock is held */

static uint64_t cost(const struct ax_engine *e, const struct ax_worker *w)
{
    struct ax_load l = ax_worker_load(w);

    return e->balance == AX_BY_LEAST_INFLIGHT ? ((uint64_t)l.inflight << 32) + l.connections
                                              : ((uint64_t)l.connections << 32) + l.inflight;
}

/* The registered worker with the least load, the next one in turn where they are equal. */
static struct ax_worker *choose(struct ax_engine *e)
{
    struct ax_worker *best = NULL;
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < e->max_workers; i++) {
        struct ax_worker *w = e->workers[(e->next + i) % e->max_workers];
        if (!w)
            continue;
        uint64_t c = e->balance == AX_BY_ROUND_ROBIN ? 0 : cost(e, w);
        if (c < least) {
            least = c;
            best = w;
        }
    }
    if (best)
        e->next = (ax_worker_id(best) + 1) % e->max_workers;
    return best;
}

static void hand_over(struct ax_engine *e, int fd)
{
    pthread_mutex_lock(&e->lock);
    struct ax_worker *w = choose(e);
    bool ok = w && ax_worker_give(w, fd);
    pthread_mutex_unlock(&e->lock);
    if (!ok) {
        close(fd);
        ax_engine_put_connection(e);
    }
}

/* At limits.connections: the connection that is idle longest is given up, whoever has it. */
static void make_room(struct ax_engine *e)
{
    struct ax_worker *who = NULL;
    int64_t first = INT64_MAX;

    pthread_mutex_lock(&e->lock);
    for (unsigned i = 0; i < e->max_workers; i++) {
        struct ax_worker *w = e->workers[i];
        int64_t ends = w ? __atomic_load_n(&w->load_idle, __ATOMIC_RELAXED) : INT64_MAX;
        if (ends < first) {
            first = ends;
            who = w;
        }
    }
    if (who)
        ax_worker_make_room(who);
    pthread_mutex_unlock(&e->lock);
}

static bool has_worker(struct ax_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool any = __atomic_load_n(&e->nready, __ATOMIC_RELAXED) > 0;
    pthread_mutex_unlock(&e->lock);
    return any;
}

/* ---- the accept thread */

/* Somebody's place is wanted.  When the thread misses its end by a hair, the pause ends the wait. */
static bool wait_for_room(struct ax_engine *e)
{
    atomic_store(&e->full, true);
    make_room(e);
    return false;
}

/* False: accepting must pause until a connection ends, or for a moment. */
static bool accept_one(struct ax_engine *e, int listen_fd)
{
    if (!ax_engine_take_connection(e))
        return wait_for_room(e);
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        hand_over(e, fd);
        return true;
    }
    ax_engine_put_connection(e);
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return true;
    return wait_for_room(e); /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
}

static void *accept_thread(void *arg)
{
    struct ax_engine *e = AX_CAST(struct ax_engine, arg, ENGINE_MAGIC);
    struct pollfd p[AX_LISTEN_MAX + 1];

    pthread_setname_np(pthread_self(), "actix-accept");
    for (unsigned i = 0; i < e->nfds; i++)
        p[i] = (struct pollfd){.fd = e->fds[i], .events = POLLIN};
    p[e->nfds] = (struct pollfd){.fd = e->wake, .events = POLLIN};
    bool paused = false;
    while (!atomic_load(&e->accepting_stopped)) {
        /* paused, or nobody to give to: only the wake-up is waited for, a moment long */
        nfds_t from = paused ? e->nfds : 0;
        int n = poll(p + from, e->nfds + 1 - from, paused ? PAUSE_MS : -1);
        paused = n < 0 && errno != EINTR; /* no memory in the kernel: later */
        if (n > 0 && p[e->nfds].revents)
            clear_wake(e);
        for (unsigned i = 0; n > 0 && from == 0 && i < e->nfds && !paused; i++)
            if (p[i].revents & (POLLIN | POLLERR))
                paused = !has_worker(e) || !accept_one(e, p[i].fd);
    }
    return NULL;
}

static int start_thread(struct ax_engine *e, struct ax_err *reterr)
{
    sigset_t all, old;

    sigfillset(&all); /* signals belong to the threads that know what to do with them */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&e->thread, NULL, accept_thread, e);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return ax_fail_os(reterr, rc, "cannot start the accept thread");
    e->thread_runs = true;
    return 0;
}

static int listen_alone(struct ax_engine *e, struct ax_worker *w, struct ax_err *reterr)
{
    for (unsigned i = 0; i < e->nfds; i++) {
        int rc = ax_worker_listen(w, e->fds[i], reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- workers */

int ax_engine_register(struct ax_engine *e, struct ax_worker *w, struct ax_err *reterr)
{
    unsigned id = ax_worker_id(w);
    int rc = 0;

    AX_ASSERT(e->magic == ENGINE_MAGIC && id < e->max_workers);
    if (e->max_workers == 1 && !atomic_load(&e->accepting_stopped))
        rc = listen_alone(e, w, reterr);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&e->lock);
    AX_ASSERT(!e->workers[id]);
    if (e->max_workers > 1 && e->nfds && !e->thread_runs && !atomic_load(&e->accepting_stopped))
        rc = start_thread(e, reterr);
    if (rc == 0) {
        e->workers[id] = w;
        __atomic_fetch_add(&e->nready, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

void ax_engine_unregister(struct ax_engine *e, struct ax_worker *w)
{
    unsigned id = ax_worker_id(w);

    pthread_mutex_lock(&e->lock);
    if (e->workers[id] == w) {
        e->workers[id] = NULL;
        __atomic_fetch_sub(&e->nready, 1, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&e->lock);
}

bool ax_engine_ready(const struct ax_engine *e)
{
    /* nready is read without the lock: health may be a moment old */
    return !atomic_load(&e->stopping) && __atomic_load_n(&e->nready, __ATOMIC_RELAXED) >= e->min_ready;
}

void ax_engine_set_stopping(struct ax_engine *e)
{
    atomic_store(&e->stopping, true);
}

void ax_engine_stop_accepting(struct ax_engine *e)
{
    atomic_store(&e->accepting_stopped, true);
    wake_thread(e);
}

void ax_engine_free(struct ax_engine *e)
{
    if (!e)
        return;
    AX_ASSERT(e->magic == ENGINE_MAGIC && e->nready == 0);
    if (e->thread_runs) {
        ax_engine_stop_accepting(e);
        pthread_join(e->thread, NULL);
    }
    close(e->wake);
    pthread_mutex_destroy(&e->lock);
    ax_free(e->workers);
    e->magic = 0;
    ax_free(e);
}
