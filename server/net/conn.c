/* A connection: a table of named states (conn_state.def) and one loop that drives it. */
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

/* Input still to be looked at; steps move p forward. */
struct input {
    const char *p;
    size_t n;
};
enum step { STEP_AGAIN, STEP_WAIT };

static void on_poll(uv_poll_t *h, int status, int events);

/* ---- what libuv waits for */

static void want(struct ax_conn *c)
{
    int events = 0;

    if (c->state == AX_CONN_CLOSED)
        return;
    if (!c->eof && c->state != AX_CONN_BLOCKED)
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

static void set_timeout(struct ax_conn *c, enum ax_conn_timeout kind)
{
    struct ax_deadline_queue *q = &c->worker->conn_timeouts[kind];

    c->timeout_kind = (uint8_t)kind;
    ax_deadline_start(q, &c->timeout, c->worker->now);
    ax_worker_arm(c->worker, q);
}

/* ---- end of a connection */

static void on_closed(uv_handle_t *h)
{
    ax_conn_free(AX_CAST(struct ax_conn, h->data, AX_CONN_MAGIC));
}

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

void ax_conn_free(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    if (AX_UNLIKELY(c->dirty))
        not_dirty(c);
    ax_buf_fini(&c->pending);
    c->magic = 0;
    ax_pool_put(&w->conn_pool, c);
    ax_worker_conn_gone(w);
}

/* The client is gone for this request: one that was not handed over is over, one that was is still waited
 * for. */
static void orphan(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    ax_request_orphan(r);
    if (r->state == AX_REQ_ENTERED) {
        if (r->watched && w->dispatch.gone)
            w->dispatch.gone(w->dispatch.ctx, r, AX_GONE_CLIENT);
        return;
    }
    if (r->state == AX_REQ_QUEUED && !r->parked)
        return; /* the batch finds it without a connection and drops it */
    ax_request_over(r);
}

void ax_conn_close(struct ax_conn *c, enum ax_close why)
{
    struct ax_worker *w = c->worker;

    if (c->state == AX_CONN_CLOSED)
        return;
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
    uv_close((uv_handle_t *)&c->poll, on_closed);
    close(c->fd);
    c->fd = -1;
    w->nconns--;
    __atomic_store_n(&w->load_conns, w->nconns, __ATOMIC_RELAXED);
    ax_count_set(&w->count->connections, w->nconns);
    if (w->engine)
        ax_engine_put_connection(w->engine);
    ax_worker_accept_resume(w);
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
    set_timeout(c, AX_TO_LINGER);
    want(c);
}

/* ---- input */

static enum step discard(struct ax_conn *c, struct input *in)
{
    (void)c;
    in->p += in->n;
    in->n = 0;
    return STEP_WAIT;
}

static enum step read_later(struct ax_conn *c, struct input *in)
{
    (void)c;
    (void)in;
    return STEP_WAIT;
}

/* Empty lines before a request line are skipped (RFC 9112, 2.2); true when more bytes are needed to tell. */
static bool skip_empty_lines(struct ax_conn *c, struct input *in)
{
    if (c->scan.lines || c->scan.at)
        return false;
    while (in->n >= 2 && in->p[0] == '\r' && in->p[1] == '\n') {
        in->p += 2;
        in->n -= 2;
    }
    return in->n == 0 || (in->n == 1 && in->p[0] == '\r');
}

static bool may_read_on(const struct ax_conn *c)
{
    const struct ax_settings *set = c->worker->set;

    return !c->blocked_out && c->nrequests < (unsigned)set->limit_pipeline &&
           c->out.bytes + c->held < (size_t)set->limit_output;
}

/* Part of a head is no request in progress: a worker that drains waits for the rest a moment only. */
static enum ax_conn_timeout head_timeout(const struct ax_conn *c)
{
    return c->worker->phase >= AX_WORKER_DRAINING && !c->first ? AX_TO_LINGER : AX_TO_HEADER;
}

static enum step read_head(struct ax_conn *c, struct input *in)
{
    struct ax_head_lines lines;
    struct ax_refusal why;
    size_t len;

    if (AX_UNLIKELY(!may_read_on(c))) {
        c->state = AX_CONN_BLOCKED;
        return STEP_WAIT;
    }
    if (AX_UNLIKELY(skip_empty_lines(c, in)))
        return STEP_WAIT;
    switch (ax_head_scan_lines(&c->scan, in->p, in->n, &c->worker->head_limits, &len, &lines, &why)) {
    case AX_SCAN_MORE:
        if (c->state == AX_CONN_IDLE) {
            c->state = AX_CONN_HEAD;
            set_timeout(c, head_timeout(c));
        }
        return STEP_WAIT;
    case AX_SCAN_REFUSED:
        ax_intake_refused(c, &why);
        return STEP_AGAIN;
    case AX_SCAN_DONE:
        break;
    }
    c->scan = (struct ax_scanner){0};
    ax_deadline_stop(&c->timeout);
    c->state = AX_CONN_IDLE;
    ax_intake_head(c, in->p, len, &lines);
    in->p += len;
    in->n -= len;
    return STEP_AGAIN;
}

static void body_is_whole(struct ax_conn *c)
{
    struct ax_request *r = c->reading;
    bool last = c->last && !c->last->head.keep_alive; /* whose body this was, answered or not */

    c->reading = NULL;
    c->state = AX_CONN_IDLE;
    ax_deadline_stop(&c->timeout);
    if (r)
        ax_intake_whole(r);
    if (AX_UNLIKELY(last))
        ax_intake_last(c);
}

static enum step read_body(struct ax_conn *c, struct input *in)
{
    size_t used = 0;
    enum ax_body_result got = ax_body_feed(&c->body, in->p, in->n, &used, ax_intake_body, c);

    in->p += used;
    in->n -= used;
    if (c->state != AX_CONN_BODY)
        return STEP_AGAIN; /* the sink refused it and answered */
    if (c->reading)
        c->reading->bytes_in += used;
    switch (got) {
    case AX_BODY_MORE:
        return STEP_WAIT;
    case AX_BODY_DONE:
        body_is_whole(c);
        return STEP_AGAIN;
    case AX_BODY_FULL:
    case AX_BODY_REFUSED:
        break;
    }
    ax_intake_body_refused(c, 400, "malformed chunked body", NULL);
    return STEP_AGAIN;
}

static const struct {
    const char *name;
    enum step (*read)(struct ax_conn *c, struct input *in);
} states[] = {
#define STATE(id, name, read) {name, read},
#include "net/conn_state.def"
#undef STATE
};

static void drive(struct ax_conn *c, struct input *in)
{
    while (in->n && states[c->state].read(c, in) == STEP_AGAIN)
        ;
}

/* Input comes from the shared read buffer; what no step could use yet is kept in `pending`. */
static void feed(struct ax_conn *c, const char *p, size_t n)
{
    struct input in = {p, n};

    if (AX_LIKELY(c->pending.n == 0)) {
        drive(c, &in);
        if (in.n && c->state != AX_CONN_CLOSED && !ax_buf_add(&c->pending, in.p, in.n))
            ax_conn_close(c, AX_CLOSE_NO_MEMORY);
        return;
    }
    if (!ax_buf_add(&c->pending, p, n)) {
        ax_conn_close(c, AX_CLOSE_NO_MEMORY);
        return;
    }
    ax_conn_resume(c);
}

/* Drives what is pending, in place: no step comes back here or adds to the buffer, and a closed connection
 * keeps it until it is freed. */
void ax_conn_resume(struct ax_conn *c)
{
    struct input in = {c->pending.p, c->pending.n};

    if (c->state == AX_CONN_BLOCKED && may_read_on(c))
        c->state = AX_CONN_IDLE;
    if (in.n == 0 || c->state == AX_CONN_BLOCKED)
        return;
    drive(c, &in);
    ax_buf_drop(&c->pending, c->pending.n - in.n);
    if (c->pending.n == 0)
        ax_buf_fini(&c->pending);
}

/* Whoever waits for the client learns that it has probably gone. */
static void tell_gone(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    for (struct ax_request *r = c->turn, *next; r && c->state != AX_CONN_CLOSED; r = next) {
        next = r->next;
        if (r->place == AX_PLACE_WAITING_WHOLE)
            ax_admission_give_up(r, "the client closed while it waited behind other requests of this route");
        if (r->state == AX_REQ_ENTERED && r->watched && w->dispatch.gone) {
            r->watched = false;
            w->dispatch.gone(w->dispatch.ctx, r, AX_GONE_CLIENT);
        }
    }
    if (c->state != AX_CONN_CLOSED)
        want(c);
}

/* FIN while input waits: it is read and answered when its turn comes, then comes on_eof. */
static void on_half_closed(struct ax_conn *c)
{
    c->hup = true;
    tell_gone(c);
}

/* FIN.  Requests in progress may still be answered (a client may close one half), but whoever waits for the
 * client learns that it has probably gone. */
static void on_eof(struct ax_conn *c)
{
    c->eof = true;
    if (c->state == AX_CONN_BODY)
        ax_intake_cut_short(c);
    if (!c->first || c->state == AX_CONN_LINGER) {
        ax_conn_close(c, AX_CLOSE_CLIENT);
        return;
    }
    if (c->state != AX_CONN_FINISHING)
        c->close_why = AX_CLOSE_CLIENT;
    c->state = AX_CONN_FINISHING;
    tell_gone(c);
}

static void body_progress(struct ax_conn *c)
{
    const struct ax_settings *set = c->worker->set;
    int64_t us = c->worker->now.us - c->body_since.us;

    set_timeout(c, AX_TO_BODY);
    if (set->timeout_body_us >= 0 && us > set->timeout_body_us && set->limit_body_rate > 0 &&
        (double)c->body_got * 1e6 / (double)us < (double)set->limit_body_rate)
        ax_intake_body_refused(c, 408, "the body comes too slowly", "limits.body_rate");
}

static void on_readable(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;
    ssize_t n;

    if (AX_UNLIKELY(w->dying)) { /* what is not read stays readable: the loop must not spin over it */
        uv_poll_stop(&c->poll);
        c->events = 0;
        return;
    }
    do
        n = recv(c->fd, w->read_buffer, sizeof w->read_buffer, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        feed(c, w->read_buffer, (size_t)n);
        if (c->state == AX_CONN_BODY)
            body_progress(c);
        if (AX_UNLIKELY(c->state == AX_CONN_BLOCKED))
            want(c);
        else if (AX_UNLIKELY(w->phase >= AX_WORKER_DRAINING) && c->state == AX_CONN_IDLE)
            ax_conn_dirty(c); /* it sent nothing but empty lines */
    } else if (n == 0) {
        on_eof(c);
    } else if (errno != EAGAIN) {
        ax_conn_close(c, AX_CLOSE_READ_ERROR);
    }
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct ax_conn *c = AX_CAST(struct ax_conn, h->data, AX_CONN_MAGIC);
    struct ax_worker *w = c->worker;

    ax_worker_touch(w);
    if (status < 0) {
        ax_conn_close(c, AX_CLOSE_READ_ERROR);
        return;
    }
    if (events & UV_READABLE)
        on_readable(c);
    if ((events & UV_WRITABLE) && c->state != AX_CONN_CLOSED) {
        c->blocked_out = false;
        ax_conn_flush(c);
    }
    if ((events & UV_DISCONNECT) && c->state != AX_CONN_CLOSED && !c->eof)
        on_half_closed(c);
    ax_worker_run_full(w);
}

/* ---- output */

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
        kind = head_timeout(c);
    else if (c->state == AX_CONN_BODY)
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
        set_timeout(c, kind);
    }
    if (AX_UNLIKELY(w->accept_paused) && kind == AX_TO_KEEP_ALIVE)
        ax_worker_accept_resume(w); /* an idle connection can make room */
}

static void after_output(struct ax_conn *c, bool progress)
{
    if (AX_UNLIKELY(c->worker->phase >= AX_WORKER_DRAINING) && c->state == AX_CONN_IDLE && !c->first) {
        c->state = AX_CONN_FINISHING; /* its last answer was given before the drain began */
        c->close_why = AX_CLOSE_STOP;
    }
    if (AX_UNLIKELY(c->state == AX_CONN_FINISHING && !c->first && !c->out.bytes)) {
        finish(c);
        return;
    }
    if (AX_UNLIKELY(c->parked))
        ax_worker_unpark(c);
    if (AX_UNLIKELY(c->state == AX_CONN_BLOCKED) && may_read_on(c))
        ax_conn_resume(c);
    if (c->state == AX_CONN_CLOSED || c->state == AX_CONN_LINGER)
        return;
    choose_timeout(c, progress);
    want(c);
}

/* Most turns leave one block: send() spares the kernel the copy of a message header (2 % of a request). */
static ssize_t put_on_wire(int fd, struct iovec *v, int nv)
{
    if (AX_LIKELY(nv == 1))
        return send(fd, v->iov_base, v->iov_len, MSG_NOSIGNAL);
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
        ssize_t n = put_on_wire(c->fd, v, nv);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            c->blocked_out = true;
        } else if (n < 0) {
            ax_conn_close(c, AX_CLOSE_WRITE_ERROR);
            return;
        } else {
            ax_out_sent(&c->out, &w->block_pool, (size_t)n);
            c->sent += (uint64_t)n;
            progress = true;
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
            set_timeout(c, AX_TO_SEND);
        else
            ax_conn_close(c, AX_CLOSE_SEND_TIMEOUT);
        break;
    case AX_TO_LINGER:
        ax_conn_close(c, AX_CLOSE_LINGER);
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
    ax_count_add(&w->count->accepted, 1);
    set_timeout(c, AX_TO_KEEP_ALIVE);
    want(c);
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
