/* How connections come to a worker: from its own listening sockets, or through its inbox from the accept
 * thread. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

enum { ACCEPTS_PER_TURN = 64, ACCEPT_RETRY_US = 20000, IDLE_LEAST_US = 50000, IDLE_LOOKED_AT = 16 };
enum { QUEUED_TURNS = 256 }; /* of ACCEPTS_PER_TURN each: more than any backlog holds */
enum { PASS_BY_US = 1000, PASS_BY_TIMES = 4 };

/* Gives up the connection that is idle longest.  One that has come or was answered a moment ago, or whose
 * next request the kernel holds already, is not idle: false when there are only such. */
static bool close_oldest_idle(struct ax_worker *w)
{
    struct ax_deadline_queue *q = &w->conn_timeouts[AX_TO_KEEP_ALIVE];
    int64_t latest = ax_worker_now(w).us + q->after_us - IDLE_LEAST_US;
    unsigned looked_at = 0;

    AX_LIST_EACH(it, &q->list)
    {
        struct ax_deadline *d = AX_LIST_ENTRY(it, struct ax_deadline, node);
        struct ax_conn *c = AX_CONTAINER_OF(d, struct ax_conn, timeout);
        if (d->at.us > latest || looked_at++ == IDLE_LOOKED_AT)
            break;
        if (!ax_conn_has_input(c)) {
            ax_conn_close(c, AX_CLOSE_MAKE_ROOM);
            return true;
        }
    }
    return false;
}

static bool somebody_waits(int listen_fd)
{
    struct pollfd p = {.fd = listen_fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

static bool may_accept(struct ax_worker *w)
{
    if (!w->engine)
        return w->set->limit_connections < 0 || w->nconns < (uint64_t)w->set->limit_connections;
    return ax_engine_take_connection(w->engine);
}

static void on_listen(uv_poll_t *h, int status, int events);

/* Until one of ours closes or becomes idle, or for that long. */
static void pause_accept(struct ax_worker *w, int64_t us)
{
    w->accept_paused = true;
    for (unsigned i = 0; i < w->nlisten; i++)
        uv_poll_stop(&w->listen[i]);
    uv_ref((uv_handle_t *)&w->timer); /* the one thing that a loop without connections may wait for */
    ax_worker_arm_at(w, ax_worker_now(w).us + us);
}

void ax_worker_accept_resume(struct ax_worker *w)
{
    if (!w->accept_paused || w->phase > AX_WORKER_LAME_DUCK)
        return;
    w->accept_paused = false;
    uv_unref((uv_handle_t *)&w->timer);
    for (unsigned i = 0; i < w->nlisten; i++)
        uv_poll_start(&w->listen[i], UV_READABLE, on_listen);
}

static bool out_of_descriptors(int err)
{
    return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* Another engine with less to do is woken by the same client.  If it is too busy to come, we look again after
 * a moment, and in the end accept all the same. */
static bool leave_to_others(struct ax_worker *w)
{
    if (!w->engine || !ax_engine_has_most(w->engine) || w->passed_by == PASS_BY_TIMES) {
        w->passed_by = 0;
        return false;
    }
    w->passed_by++;
    pause_accept(w, PASS_BY_US);
    return true;
}

static void accept_some(struct ax_worker *w, int listen_fd)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        if (!may_accept(w)) {
            if (!somebody_waits(listen_fd))
                return; /* nobody is given up for nobody */
            if (!close_oldest_idle(w) || !may_accept(w)) {
                pause_accept(w, ACCEPT_RETRY_US);
                return;
            }
        }
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            ax_count_add(&w->count->accepted, 1);
            ax_conn_open(w, fd);
            continue;
        }
        int err = errno;
        if (w->engine)
            ax_engine_put_connection(w->engine);
        if (out_of_descriptors(err) && !close_oldest_idle(w))
            pause_accept(w, ACCEPT_RETRY_US);
        if (err != EINTR && err != ECONNABORTED)
            return;
    }
}

/* When the heir of the engine accepts, the order to retire is on its way to this worker. */
static void accept_ours(struct ax_worker *w, int listen_fd)
{
    if (!w->engine) {
        accept_some(w, listen_fd);
    } else if (ax_engine_accept_begin(w->engine)) {
        accept_some(w, listen_fd);
        ax_engine_accept_end(w->engine);
    } else {
        pause_accept(w, ACCEPT_RETRY_US);
    }
}

void ax_worker_accept_queued(struct ax_worker *w)
{
    int fd;

    for (unsigned i = 0; i < w->nlisten; i++) {
        if (uv_fileno((uv_handle_t *)&w->listen[i], &fd) != 0)
            continue;
        for (int turn = 0; turn < QUEUED_TURNS && !w->accept_paused && somebody_waits(fd); turn++)
            accept_some(w, fd);
    }
}

static void on_listen(uv_poll_t *h, int status, int events)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);
    int listen_fd;

    (void)events;
    if (!ax_worker_enter(w))
        return;
    ax_worker_touch(w);
    if (status == 0 && uv_fileno((uv_handle_t *)h, &listen_fd) == 0 && !leave_to_others(w))
        accept_ours(w, listen_fd);
    ax_worker_leave(w);
}

void ax_listen_no_delay(int fd)
{
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has no such thing */
}

int ax_worker_listen(struct ax_worker *w, int fd, struct ax_err *reterr)
{
    if (w->nlisten == AX_LISTEN_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "more than %d addresses", AX_LISTEN_MAX);
    ax_listen_no_delay(fd);
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
    ax_worker_touch(w); /* its deadlines start now, also when it comes from outside of a turn */
    ax_count_add(&w->count->accepted, 1);
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

/* Takes what lies in the inbox; `load_waiting` covers it until it is counted among the connections. */
void ax_worker_take_inbox(struct ax_worker *w)
{
    struct ax_list parcels;

    ax_list_init(&parcels);
    pthread_mutex_lock(&w->inbox_lock);
    int *fds = w->inbox;
    unsigned n = w->ninbox;
    w->inbox = NULL;
    w->ninbox = w->inbox_cap = 0;
    AX_LIST_EACH(it, &w->parcels)
    {
        ax_list_remove(it);
        ax_list_push(&parcels, it);
    }
    pthread_mutex_unlock(&w->inbox_lock);
    for (unsigned i = 0; i < n; i++)
        ax_worker_adopt(w, fds[i]);
    ax_free(fds);
    AX_LIST_EACH(it, &parcels)
    ax_conn_unpack(w, AX_LIST_ENTRY(it, struct ax_parcel, node));
    pthread_mutex_lock(&w->inbox_lock);
    __atomic_store_n(&w->load_waiting, w->ninbox, __ATOMIC_RELAXED); /* more may have come meanwhile */
    pthread_mutex_unlock(&w->inbox_lock);
}

bool ax_worker_give_parcel(struct ax_worker *w, struct ax_parcel *p)
{
    pthread_mutex_lock(&w->inbox_lock);
    bool ok = !w->inbox_closed;
    if (ok) {
        ax_list_push(&w->parcels, &p->node);
        uv_async_send(&w->wake);
    }
    pthread_mutex_unlock(&w->inbox_lock);
    return ok;
}

/* Something was put into the inbox, or the watchdog asks whether the loop turns. */
void ax_worker_on_wake(uv_async_t *h)
{
    struct ax_worker *w = AX_CAST(struct ax_worker, h->data, AX_WORKER_MAGIC);

    if (!ax_worker_enter(w))
        return;
    ax_worker_touch(w);
    ax_worker_turned(w);
    ax_admission_let_in(w);
    if (__atomic_exchange_n(&w->make_room, false, __ATOMIC_RELAXED))
        close_oldest_idle(w);
    ax_worker_take_inbox(w);
    ax_worker_leave(w);
}
