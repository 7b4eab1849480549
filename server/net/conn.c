/* A connection: its life, what it waits for, and its output.  Its input is in input.c. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

enum { WRITE_VECTORS = 32 };
/* With the allocator's and libuv's share an idle connection stays below 1 KB (idle_test.c measures it). */
_Static_assert(sizeof(struct ax_conn) <= 768, "an idle connection costs too much");

static void on_poll(uv_poll_t *h, int status, int events);

/* ---- what libuv waits for */

void ax_conn_want(struct ax_conn *c)
{
    int events = 0;

    if (c->state == AX_CONN_CLOSED)
        return;
    if (!c->eof && c->state != AX_CONN_BLOCKED && c->state != AX_CONN_HELD && c->state != AX_CONN_BODY_FULL)
        events |= UV_READABLE;
    if (c->blocked_out)
        events |= UV_WRITABLE;
    if (!c->eof && !c->hup && !(events & UV_READABLE))
        events |= UV_DISCONNECT; /* a paused reader still hears that the client has left */
    if (events == c->events)
        return;
    c->events = events;
    if (events)
        uv_poll_start(&c->poll, events, on_poll);
    else
        uv_poll_stop(&c->poll);
}

void ax_conn_wait(struct ax_conn *c, enum ax_conn_timeout kind)
{
    struct ax_deadline_queue *q = &c->worker->conn_timeouts[kind];

    c->timeout_kind = (uint8_t)kind;
    ax_deadline_start(q, &c->timeout, c->worker->now);
    ax_worker_arm(c->worker, q);
}

/* ---- end of a connection */

/* Closed after the turn's last flush. */
static void not_dirty(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;
    struct ax_conn **at = &w->dirty;

    while (*at != c)
        at = &(*at)->next_dirty;
    *at = c->next_dirty;
    if (w->dirty_end == &c->next_dirty)
        w->dirty_end = at;
}

static void conn_free(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    if (AX_UNLIKELY(c->dirty))
        not_dirty(c);
    ax_buf_fini(&c->pending);
    c->magic = 0;
    ax_pool_put(&w->conn_pool, c);
}

/* The watchdog leaves no closing connection behind; what it has finished is this thread's again. */
static void on_closed(uv_handle_t *h)
{
    struct ax_conn *c = AX_CAST(struct ax_conn, h->data, AX_CONN_MAGIC);
    struct ax_worker *w = c->worker;
    bool entered = ax_worker_enter(w);

    if (!entered)
        ax_worker_await_done(w);
    conn_free(c);
    ax_worker_check_drained(w);
    if (entered)
        ax_worker_leave(w);
    ax_worker_check_closed(w);
}

/* The client is gone for this request: one that was not handed over is over, one that was is still waited
 * for. */
static void orphan(struct ax_request *r)
{
    ax_request_orphan(r);
    if (r->state == AX_REQ_ENTERED) {
        ax_request_tell_gone(r);
        return;
    }
    if (r->state == AX_REQ_STREAMING) {
        ax_stream_orphan(r);
        return;
    }
    if (r->state == AX_REQ_QUEUED && !r->parked)
        return; /* the batch finds it without a connection and drops it */
    ax_request_over(r);
}

/* Everything of it but its descriptor, which is returned. */
int ax_conn_detach(struct ax_conn *c, enum ax_close why)
{
    struct ax_worker *w = c->worker;
    int fd = c->fd;

    c->state = AX_CONN_CLOSED;
    c->close_why = (uint8_t)why;
    ax_deadline_stop(&c->timeout);
    ax_list_remove(&c->all);
    ax_out_clear(&c->out, &w->block_pool);
    struct ax_request *r = c->first;
    c->first = c->last = c->turn = c->reading = NULL;
    while (r) {
        struct ax_request *next = r->next;
        orphan(r);
        r = next;
    }
    uv_close((uv_handle_t *)&c->poll, on_closed); /* libuv forgets the descriptor here and now */
    c->fd = -1;
    w->nconns--;
    __atomic_store_n(&w->load_conns, w->nconns, __ATOMIC_RELAXED);
    ax_count_set(&w->count->connections, w->nconns);
    return fd;
}

void ax_conn_close(struct ax_conn *c, enum ax_close why)
{
    struct ax_worker *w = c->worker;

    if (c->state == AX_CONN_CLOSED)
        return;
    close(ax_conn_detach(c, why));
    if (w->engine)
        ax_engine_put_connection(w->engine);
    ax_worker_accept_resume(w);
}

/* The watchdog gave the connection away: a dead descriptor and what only this thread may release are left. */
void ax_conn_close_shell(struct ax_conn *c)
{
    ax_list_remove(&c->all);
    ax_out_clear(&c->out, &c->worker->block_pool);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* Everything is sent and nothing more will be: FIN, then wait for the client's.  A plain close would make the
 * kernel answer input that comes late with a reset, which can destroy the response on its way (RFC
 * 9112, 9.6). */
static void finish(struct ax_conn *c)
{
    if (c->eof || shutdown(c->fd, SHUT_WR) < 0) {
        ax_conn_close(c, c->close_why);
        return;
    }
    c->state = AX_CONN_LINGER;
    ax_conn_wait(c, AX_TO_LINGER);
    ax_conn_want(c);
}

/* ---- what happens on the socket */

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct ax_conn *c = AX_CAST(struct ax_conn, h->data, AX_CONN_MAGIC);
    struct ax_worker *w = c->worker;

    if (AX_UNLIKELY(!ax_worker_enter(w)))
        return;
    ax_worker_touch(w);
    if (AX_UNLIKELY(status < 0))
        ax_conn_close(c, AX_CLOSE_READ_ERROR);
    if ((events & UV_READABLE) && c->state != AX_CONN_CLOSED)
        ax_conn_read(c);
    if ((events & UV_WRITABLE) && c->state != AX_CONN_CLOSED) {
        c->blocked_out = false;
        ax_conn_flush(c);
    }
    if ((events & UV_DISCONNECT) && c->state != AX_CONN_CLOSED && !c->eof)
        ax_conn_half_closed(c);
    if (AX_LIKELY(ax_worker_run_full(w)))
        ax_worker_leave(w);
}

/* ---- output */

bool ax_conn_may_read_on(const struct ax_conn *c)
{
    const struct ax_settings *set = c->worker->set;

    return !c->blocked_out && !c->held_back && c->nrequests < (unsigned)set->limit_pipeline &&
           c->out.bytes + c->held < (size_t)set->limit_output;
}

/* Part of a head is no request in progress: a worker that drains waits for the rest a moment only. */
enum ax_conn_timeout ax_conn_head_timeout(const struct ax_conn *c)
{
    bool ending = c->worker->phase >= AX_WORKER_DRAINING && !c->worker->retiring;

    return ending && !c->first ? AX_TO_LINGER : AX_TO_HEADER;
}

void ax_conn_dirty(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = NULL;
    *w->dirty_end = c;
    w->dirty_end = &c->next_dirty;
}

/* Requests whose last byte has left. */
static void complete(struct ax_conn *c)
{
    while (c->first && c->first != c->turn && c->first->out_end <= c->sent) {
        struct ax_request *r = c->first;
        c->first = r->next;
        if (!c->first)
            c->last = NULL;
        c->nrequests--;
        if (c->reading == r)
            c->reading = NULL;
        ax_account(r, c->worker->now);
        ax_slot_put(r);
    }
}

/* The one timeout that a connection has, by what it waits for.  A clock that runs already is left running;
 * that of timeouts.send starts anew only with progress, not when more is to be sent. */
static void choose_timeout(struct ax_conn *c, bool progress)
{
    struct ax_worker *w = c->worker;
    enum ax_conn_timeout kind;

    if (c->blocked_out)
        kind = AX_TO_SEND;
    else if (c->state == AX_CONN_HEAD)
        kind = ax_conn_head_timeout(c);
    else if (c->state == AX_CONN_BODY && !ax_stream_owes_continue(c))
        kind = AX_TO_BODY;
    else if (c->state == AX_CONN_IDLE && !c->first)
        kind = AX_TO_KEEP_ALIVE;
    else {
        ax_deadline_stop(&c->timeout);
        return;
    }
    bool anew = kind == AX_TO_KEEP_ALIVE || (kind == AX_TO_SEND && progress);
    if (anew || kind != c->timeout_kind || ax_list_empty(&c->timeout.node)) {
        if (kind == AX_TO_SEND) {
            c->stuck = 0;
            ax_conn_kernel_sends(c);
        }
        ax_conn_wait(c, kind);
    }
    if (AX_UNLIKELY(w->accept_paused) && kind == AX_TO_KEEP_ALIVE)
        ax_worker_accept_resume(w); /* an idle connection can make room */
}

static void after_output(struct ax_conn *c, bool progress)
{
    if (AX_UNLIKELY(c->worker->retiring)) {
        ax_conn_pass_on(c);
    } else if (AX_UNLIKELY(c->worker->phase >= AX_WORKER_DRAINING) && c->state == AX_CONN_IDLE && !c->first &&
               !ax_conn_has_input(c)) {
        c->state = AX_CONN_FINISHING; /* its last answer was given before the drain began */
        c->close_why = AX_CLOSE_STOP;
    }
    if (AX_UNLIKELY(c->state == AX_CONN_FINISHING && !c->first && !c->out.bytes)) {
        finish(c);
        return;
    }
    if (AX_UNLIKELY(c->parked | c->full)) {
        if (c->parked)
            ax_worker_unpark(c);
        if (c->full)
            ax_stream_drained(c);
    }
    if (AX_UNLIKELY(c->state == AX_CONN_BLOCKED || c->state == AX_CONN_BODY_FULL))
        ax_conn_resume(c);
    if (c->state == AX_CONN_CLOSED || c->state == AX_CONN_LINGER)
        return;
    choose_timeout(c, progress);
    ax_conn_want(c);
}

/* Most turns leave one block: send() spares the kernel the copy of a message header (2 % of a request).  More
 * than that one there is only when a file follows: its head goes with its first bytes. */
static ssize_t put_on_wire(int fd, struct iovec *v, int nv, size_t all)
{
    if (AX_LIKELY(nv == 1))
        return send(fd, v->iov_base, v->iov_len, MSG_NOSIGNAL | (v->iov_len < all ? MSG_MORE : 0));
    return sendmsg(fd, &(struct msghdr){.msg_iov = v, .msg_iovlen = (size_t)nv}, MSG_NOSIGNAL);
}

void ax_conn_flush(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;
    struct iovec v[WRITE_VECTORS];
    bool progress = false;

    while (c->out.bytes && !c->blocked_out && c->state != AX_CONN_CLOSED) {
        int nv = ax_out_vec(&c->out, v, WRITE_VECTORS);
        if (AX_UNLIKELY(nv < 0)) {
            ax_conn_close(c, AX_CLOSE_TAKEN_AWAY);
            return;
        }
        ssize_t n =
            AX_LIKELY(nv > 0) ? put_on_wire(c->fd, v, nv, c->out.bytes) : ax_out_send_file(&c->out, c->fd);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            c->blocked_out = true;
        } else if (n < 0) {
            ax_conn_close(c, AX_CLOSE_WRITE_ERROR);
            return;
        } else if (AX_UNLIKELY(n == 0)) {
            ax_conn_close(c, AX_CLOSE_TAKEN_AWAY);
            return;
        } else {
            ax_out_sent(&c->out, &w->block_pool, (size_t)n);
            c->sent += (uint64_t)n;
            progress = true;
            if (AX_UNLIKELY(nv == 0 && c->out.head && c->out.head->off > 0))
                c->blocked_out = true; /* the rest of the file in the next turn: others have one, too */
        }
    }
    if (c->state == AX_CONN_CLOSED)
        return;
    complete(c);
    after_output(c, progress);
}

/* ---- timeouts */

void ax_conn_timeout(struct ax_conn *c, ax_mono now)
{
    (void)now;
    ax_deadline_stop(&c->timeout);
    switch ((enum ax_conn_timeout)c->timeout_kind) {
    case AX_TO_HEADER:
        ax_intake_refused(c, &(struct ax_refusal){408, "timeouts.header", "the request head took too long"});
        break;
    case AX_TO_BODY:
        ax_intake_body_refused(c, 408, "the request body took too long", "timeouts.body");
        break;
    case AX_TO_KEEP_ALIVE:
        ax_conn_close(c, AX_CLOSE_KEEP_ALIVE); /* also one that has sent the CR of an empty line */
        break;
    case AX_TO_SEND:
        c->stuck = ax_conn_kernel_sends(c) ? 0 : c->stuck + 1;
        if (c->stuck < AX_SEND_LOOKS)
            ax_conn_wait(c, AX_TO_SEND);
        else
            ax_conn_close(c, AX_CLOSE_SEND_TIMEOUT);
        break;
    case AX_TO_LINGER:
        ax_conn_close(c, AX_CLOSE_LINGER);
        break;
    case AX_TO_FIRST:
        ax_conn_close(c, AX_CLOSE_STOP);
        break;
    case AX_CONN_TIMEOUTS:
        break;
    }
}

/* ---- beginning */

struct ax_conn *ax_conn_open(struct ax_worker *w, int fd)
{
    struct ax_conn *c = ax_pool_get(&w->conn_pool);
    socklen_t len = sizeof c->peer;

    if (!c)
        goto fail;
    memset(c, 0, sizeof *c);
    c->magic = AX_CONN_MAGIC;
    c->worker = w;
    c->fd = fd;
    c->poll.data = c;
    c->pending = AX_BUF_INIT((size_t)w->set->limit_header + 2 * (size_t)AX_READ_BUFFER);
    ax_deadline_init(&c->timeout);
    if (getpeername(fd, &c->peer.sa, &len) < 0 || uv_poll_init(w->loop, &c->poll, fd) != 0)
        goto fail_conn;
    ax_list_push(&w->conns, &c->all);
    w->nconns++;
    __atomic_store_n(&w->load_conns, w->nconns, __ATOMIC_RELAXED);
    ax_count_set(&w->count->connections, w->nconns);
    ax_conn_wait(c, AX_TO_KEEP_ALIVE);
    ax_conn_want(c);
    return c;
fail_conn:
    c->magic = 0;
    ax_pool_put(&w->conn_pool, c);
fail:
    close(fd);
    if (w->engine)
        ax_engine_put_connection(w->engine);
    return NULL;
}
