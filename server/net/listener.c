/* The engine's thread: it accepts for all workers but a single one, watches over them, and carries
 * connections from and to other engines. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/engine.h"

enum { PAUSE_MS = 20 };

static void clear_wake(const struct ax_engine *e)
{
    uint64_t times;
    ssize_t n = read(e->wake, &times, sizeof times); /* EAGAIN: it is clear already */

    (void)n;
}

/* All workers have just left: the next one gets it, or the heir.  The lock is held. */
static bool keep(struct ax_engine *e, int fd)
{
    struct ax_parcel *p = ax_parcel_new(fd);

    if (p)
        ax_engine_pass(e, p, NULL);
    return p != NULL;
}

static void hand_over(struct ax_engine *e, int fd)
{
    pthread_mutex_lock(&e->lock);
    struct ax_worker *w = ax_engine_choose(e, NULL);
    bool ok = (w && ax_worker_give(w, fd)) || keep(e, fd);
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
    int err = errno;
    atomic_store(&e->full, false); /* giving our own place back must not wake us */
    ax_engine_put_connection(e);
    if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
        return true;
    return wait_for_room(e); /* EMFILE, ENFILE, ENOBUFS, ENOMEM */
}

/* Whom the kernel has let in before the sockets closed is served like everybody else. */
static void accept_queued(struct ax_engine *e, int listen_fd)
{
    struct pollfd p = {.fd = listen_fd, .events = POLLIN};

    while (has_worker(e) && poll(&p, 1, 0) == 1 && p.revents == POLLIN && accept_one(e, listen_fd))
        ;
}

bool ax_engine_is_last(const struct ax_engine *e)
{
    return atomic_load(&e->stopping) && atomic_load(&e->accepting_stopped);
}

void ax_engine_leave_sockets(struct ax_engine *e)
{
    if (!atomic_load(&e->accepting_stopped))
        return;
    for (unsigned i = 0; i < e->nfds; i++) {
        if (e->max_workers > 1 && ax_engine_is_last(e))
            accept_queued(e, e->fds[i]);
        dup3(e->dead, e->fds[i], O_CLOEXEC);
    }
}

/* What the thread waits for: its wake-up, the mailbox, room in the one it sends to, and clients. */
struct waits {
    struct pollfd p[AX_LISTEN_MAX + 3];
    unsigned n, wake, mailbox, room, listen; /* places; n = not waited for */
    bool crowded; /* it has room, and takes nothing all the same: too many descriptors are on their way */
};

static unsigned wait_for(struct waits *s, int fd, short events)
{
    s->p[s->n] = (struct pollfd){.fd = fd, .events = events};
    return s->n++;
}

static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1;
}

static void collect(struct ax_engine *e, struct waits *s, bool accepts)
{
    s->n = 0;
    s->wake = wait_for(s, e->wake, POLLIN);
    pthread_mutex_lock(&e->lock);
    int room = ax_engine_send_outbound(e);
    /* What comes while there is nobody to serve it waits there, for whoever reads it next.  Those that are
     * parked here wait for an heir, who is named there. */
    bool reads = e->nready || !ax_list_empty(&e->parked);
    int mailbox = reads ? e->mailbox : -1;
    pthread_mutex_unlock(&e->lock);
    s->crowded = room >= 0 && has_room(room);
    s->room = wait_for(s, s->crowded ? -1 : room, POLLOUT);
    s->mailbox = wait_for(s, mailbox, POLLIN);
    s->listen = s->n;
    for (unsigned i = 0; accepts && i < e->nfds; i++)
        wait_for(s, e->fds[i], POLLIN);
}

/* True when accepting must pause.  Whoever stops it waits for what is in hand here. */
static bool accept_all(struct ax_engine *e, const struct waits *s)
{
    bool paused = false;

    if (s->listen == s->n)
        return false;
    pthread_mutex_lock(&e->accepting);
    bool stopped = atomic_load(&e->accepting_stopped);
    for (unsigned i = s->listen; i < s->n && !paused && !stopped; i++)
        if (s->p[i].revents & (POLLIN | POLLERR))
            paused = !has_worker(e) || !accept_one(e, s->p[i].fd);
    pthread_mutex_unlock(&e->accepting);
    return paused;
}

static void read_mail(struct ax_engine *e)
{
    pthread_mutex_lock(&e->lock);
    ax_engine_read_mailbox(e);
    pthread_mutex_unlock(&e->lock);
}

static bool ended(struct ax_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool is = e->ended;
    pthread_mutex_unlock(&e->lock);
    return is;
}

static bool accepts(const struct ax_engine *e)
{
    return e->max_workers > 1 && !atomic_load(&e->accepting_stopped); /* a single worker accepts by itself */
}

static int sooner(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

static void *run_thread(void *arg)
{
    struct ax_engine *e = AX_CAST(struct ax_engine, arg, AX_ENGINE_MAGIC);
    struct waits s;
    bool paused = false;

    pthread_setname_np(pthread_self(), "actix-accept");
    while (!ended(e)) {
        int look = ax_engine_watch(e);
        collect(e, &s, accepts(e) && !paused);
        int n = poll(s.p, s.n, sooner(look, paused || s.crowded ? PAUSE_MS : -1));
        paused = n < 0 && errno != EINTR; /* no memory in the kernel: later */
        if (n <= 0)
            continue;
        if (s.p[s.wake].revents)
            clear_wake(e);
        if (s.p[s.mailbox].revents)
            read_mail(e);
        paused = accept_all(e, &s);
    }
    return NULL;
}

int ax_engine_start_thread(struct ax_engine *e, struct ax_err *reterr)
{
    sigset_t all, old;

    sigfillset(&all); /* signals belong to the threads that know what to do with them */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&e->thread, NULL, run_thread, e);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return ax_fail_os(reterr, rc, "cannot start the engine's thread");
    e->thread_runs = true;
    return 0;
}
