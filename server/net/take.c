#include "net/take.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/internal.h"

enum { FILE_MOVED_MAX = 1 << 20 }; /* bytes of one */

struct taking {
    struct ax_worker *w;
    int dead;
    struct ax_request *spins; /* whose handler does not come back; NULL = nobody can say */
    struct ax_list *parcels;
    struct ax_engine_event *ev;
};

/* ---- the batch that was running */

static int32_t entering(const struct ax_worker *w)
{
    return w->entering ? __atomic_load_n(w->entering, __ATOMIC_RELAXED) : 0;
}

/* Requests that may be the one, and one of them. */
struct suspects {
    unsigned n;
    struct ax_request *r;
};

static void suspect(struct suspects *s, struct ax_request *r)
{
    if (r->state != AX_REQ_ENTERED && r->state != AX_REQ_STREAMING)
        return;
    s->n++;
    s->r = r;
}

static void remember_spinning(struct taking *t, struct ax_request *r)
{
    t->spins = r;
    t->ev->route = r->route;
    snprintf(t->ev->id, sizeof t->ev->id, "%s", ax_request_id(r));
}

/* All of a batch are marked as entered when it is handed over; those behind the one that runs were not. */
static void sort_batch(struct taking *t)
{
    struct ax_worker *w = t->w;
    unsigned n = __atomic_load_n(&w->nhanded, __ATOMIC_RELAXED);
    int64_t at = entering(w);
    struct suspects s = {0};

    if (at < 0 && t->ev->why == AX_TAKE_STALL)
        at = 0; /* what stands still before the first handler does so because of it, as far as is known */
    for (int64_t i = 0; i < n; i++) {
        struct ax_request *r = ax_request_get(w, w->handed[i].index, w->handed[i].gen);
        if (i == at && r)
            remember_spinning(t, r);
        else if (i < at && r)
            suspect(&s, r);
        if (i > at && r && r->state == AX_REQ_ENTERED) {
            r->state = AX_REQ_QUEUED;
            ax_flight_end(w->stat, r->index);
        }
    }
    if (at >= n && n > 0 && s.n == 1)
        remember_spinning(t, s.r); /* microtasks run, and they are most likely its */
}

/* Outside of a batch it may be anybody's timer or promise. */
static void find_the_only_one(struct taking *t)
{
    struct ax_worker *w = t->w;
    struct suspects s = {0};

    for (uint32_t i = 0; i < w->nslots; i++)
        if (w->slots[i].r)
            suspect(&s, w->slots[i].r);
    if (s.n == 1)
        remember_spinning(t, s.r);
}

/* ---- one request */

static bool over_its_limit(const struct ax_request *r)
{
    int64_t limit = r->site_route->timeout_us;
    int64_t since = r->enter_at.us ? r->enter_at.us : r->worker->entered_at.us;

    return limit >= 0 && r->worker->now.us - since >= limit;
}

/* Where it is known who spins, the others only had bad luck; where it is not, those over their time are
 * likelier to be the ones. */
static void answer_lost(struct taking *t, struct ax_request *r)
{
    bool stalled = t->ev->why == AX_TAKE_STALL;
    bool too_slow = stalled && (t->spins ? r == t->spins : over_its_limit(r));

    ax_count_add(&t->w->count->timeouts, too_slow);
    if (too_slow) {
        t->ev->answered_504++;
        ax_reply_error(r, 504, "the handler did not come back", "timeouts.stall");
    } else {
        t->ev->answered_502++;
        ax_reply_error(r, 502,
                       r == t->spins ? "this handler stopped its worker"
                                     : "another handler stopped the worker of this one",
                       NULL);
    }
}

/* As it was received; a chunked body comes in one chunk. */
static void add_raw(struct ax_buf *in, const struct ax_request *r)
{
    if (r->head.bytes == 0)
        ax_buf_add(in, "\0\r\n\r\n", 5); /* its head was refused as it came, and will be again */
    ax_buf_add(in, r->head.base, r->head.bytes);
    if (r->head.chunked && r->body.n)
        ax_buf_addf(in, "%zx\r\n", r->body.n);
    ax_buf_add(in, r->body.p, r->body.n);
    if (r->head.chunked)
        ax_buf_adds(in, r->body.n ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}

/* Its body has not come whole. */
static void add_reading(struct ax_parcel *p, const struct ax_conn *c, const struct ax_request *r)
{
    if (r->head.chunked) {
        p->body = AX_PARCEL_CONTENT;
        p->reader = c->body;
        p->head_at = p->in.n;
        p->head_bytes = r->head.bytes;
        p->content = r->body.n;
    }
    ax_buf_add(&p->in, r->head.base, r->head.bytes);
    ax_buf_add(&p->in, r->body.p, r->body.n);
}

/* ---- one connection */

/* What is left of a file is read as long as it is not much: the connection of a longer one ends. */
static bool copy_file(struct ax_buf *to, const struct ax_chunk *k)
{
    size_t n = k->len - k->off;
    char *p = n <= FILE_MOVED_MAX ? ax_buf_reserve(to, n) : NULL;

    for (size_t done = 0; p && done < n;) {
        ssize_t got = pread(k->fd, p + done, n - done, (off_t)(k->file_at + (int64_t)(k->off + done)));
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    to->n += p ? n : 0;
    return p != NULL;
}

/* False: bytes among them belong to JavaScript, which may have given them away since, or to a file. */
static bool copy_out(struct ax_buf *to, const struct ax_out *out)
{
    for (const struct ax_chunk *k = out->head; k; k = k->next) {
        if (k->lent && k->len > k->off)
            return false;
        if (!k->file)
            ax_buf_add(to, k->data + k->off, k->len - k->off);
        else if (!copy_file(to, k))
            return false;
    }
    return !to->failed;
}

/* Each of them is answered; from the first on that is not, none was seen by a handler. */
static void answer_entered(struct taking *t, struct ax_conn *c)
{
    for (struct ax_request *r = c->turn, *next; r; r = next) {
        next = r->next;
        if (r->state == AX_REQ_QUEUED || r->state == AX_REQ_READING)
            return;
        if (r->state == AX_REQ_ENTERED)
            answer_lost(t, r);
        else if (r->state == AX_REQ_STREAMING)
            ax_stream_cut(r, "its worker was taken over");
        if (r->close)
            return; /* what came behind it went with it */
    }
}

static void account_answered(struct ax_conn *c)
{
    while (c->first != c->turn) {
        struct ax_request *r = c->first;
        c->first = r->next;
        c->nrequests--;
        if (c->reading == r)
            c->reading = NULL;
        ax_account(r, c->worker->now);
        ax_slot_put(r);
    }
}

/* It was answered by the server itself, and of most such the body was thrown away as it came. */
static bool lacks_body(const struct ax_request *r)
{
    return r->state == AX_REQ_ANSWERED && (r->head.chunked || r->head.content_length > 0);
}

static void pack_request(struct taking *t, struct ax_conn *c, struct ax_parcel *p, const struct ax_request *r)
{
    if (c->state == AX_CONN_HELD && r == c->last)
        ax_buf_add(&p->in, r->head.base, r->head.bytes); /* of its body nothing was looked at */
    else if (c->reading == r)
        add_reading(p, c, r);
    else
        add_raw(&p->in, r);
    t->ev->rerun += r->state == AX_REQ_QUEUED;
}

/* Before a request that cannot be told again the connection ends, as if the one before had asked for it: its
 * client sends what it got no answer to on another one. */
static void pack_unseen(struct taking *t, struct ax_conn *c, struct ax_parcel *p)
{
    while (c->first) {
        struct ax_request *r = c->first;
        c->first = r->next;
        p->finish = p->finish || lacks_body(r);
        if (!p->finish)
            pack_request(t, c, p, r);
        r->parked = false;
        ax_request_leave(r);
        ax_slot_put(r);
    }
    c->last = c->turn = NULL;
}

static bool pack(struct taking *t, struct ax_conn *c, struct ax_parcel *p)
{
    bool in_body = c->state == AX_CONN_BODY || c->state == AX_CONN_BODY_FULL;
    bool dropping = in_body && (!c->reading || c->reading->state >= AX_REQ_ENTERED);

    answer_entered(t, c);
    if (c->close_why == AX_CLOSE_NO_MEMORY)
        return false;
    bool ok = copy_out(&p->out, &c->out);
    account_answered(c);
    p->finish = c->state == AX_CONN_FINISHING && !c->first; /* else the last of its requests says so again */
    if (dropping && !c->first && !p->finish) {
        p->body = AX_PARCEL_DROPPED;
        p->reader = c->body;
    }
    pack_unseen(t, c, p);
    if (!p->finish)
        ax_buf_add(&p->in, c->pending.p, c->pending.n);
    p->eof = c->eof;
    return ok && !p->in.failed;
}

/* The loop must neither see the connection again nor fail over its number: a dead descriptor takes its place,
 * known to the loop's epoll as the old one was (libuv aborts when epoll_ctl fails). */
static int swap_fd(struct ax_conn *c, int dead)
{
    int epoll = uv_backend_fd(c->worker->loop);
    struct epoll_event none = {.data.fd = c->fd};
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);

    epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, &none); /* ENOENT: it waited for nothing */
    if (fd < 0) { /* no descriptor is free: it keeps its number, and the shell has none */
        fd = c->fd;
        c->fd = -1;
        return fd;
    }
    dup3(dead, c->fd, O_CLOEXEC);
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &none);
    return fd;
}

static void make_shell(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    ax_deadline_stop(&c->timeout);
    ax_list_remove(&c->all);
    ax_list_push(&w->shells, &c->all);
    ax_buf_fini(&c->pending);
    c->state = AX_CONN_CLOSED;
    c->dirty = false;
    c->first = c->last = c->turn = c->reading = NULL;
}

static void lose(struct taking *t)
{
    ax_engine_put_connection(t->w->engine);
}

static void drop_unseen(struct ax_conn *c)
{
    for (struct ax_request *r = c->first, *next; r; r = next) {
        next = r->next;
        ax_request_orphan(r);
        r->parked = false;
        ax_request_over(r);
    }
}

/* What can leave leaves now: who gets the connection may come late (a replacement that starts), or never (an
 * engine that ends). */
static void send_now(struct ax_parcel *p)
{
    ssize_t n = p->out.n ? send(p->fd, p->out.p, p->out.n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;

    if (n > 0)
        ax_buf_drop(&p->out, (size_t)n);
}

static void take_conn(struct taking *t, struct ax_conn *c)
{
    bool lingers = c->state == AX_CONN_LINGER;
    int fd = swap_fd(c, t->dead);
    struct ax_parcel *p = lingers ? NULL : ax_parcel_new(fd);

    if (p && pack(t, c, p)) {
        send_now(p);
        ax_list_push(t->parcels, &p->node);
        t->ev->moved++;
    } else {
        if (!p)
            close(fd);
        ax_parcel_free(p);
        drop_unseen(c);
        lose(t);
    }
    make_shell(c);
}

/* ---- all of it */

static void take_inbox(struct taking *t)
{
    struct ax_worker *w = t->w;

    pthread_mutex_lock(&w->inbox_lock);
    w->inbox_closed = true;
    for (unsigned i = 0; i < w->ninbox; i++) {
        struct ax_parcel *p = ax_parcel_new(w->inbox[i]);
        if (p) {
            ax_list_push(t->parcels, &p->node);
        } else {
            close(w->inbox[i]);
            lose(t);
        }
    }
    w->ninbox = 0;
    AX_LIST_EACH(it, &w->parcels)
    {
        ax_list_remove(it);
        ax_list_push(t->parcels, it);
    }
    pthread_mutex_unlock(&w->inbox_lock);
}

/* Those whose client has gone: counted as what they are, while the counters are still this worker's. */
static void end_orphans(struct ax_worker *w)
{
    for (uint32_t i = 0; i < w->nslots; i++)
        if (w->slots[i].r)
            ax_request_over(w->slots[i].r);
}

/* Those that were closing already are in the list too, and still to be freed by their own thread. */
static void nothing_dirty(struct ax_worker *w)
{
    for (struct ax_conn *c = w->dirty; c; c = c->next_dirty)
        c->dirty = false;
    w->dirty = NULL;
    w->dirty_end = &w->dirty;
}

static void empty_gauges(struct ax_worker *w)
{
    w->nconns = 0;
    __atomic_store_n(&w->load_conns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&w->load_waiting, 0, __ATOMIC_RELAXED);
    ax_count_set(&w->count->connections, 0);
    if (w->access)
        ax_account_flush(w);
}

void ax_take(struct ax_worker *w, int dead, struct ax_list *ret_parcels, struct ax_engine_event *ret)
{
    struct taking t = {.w = w, .dead = dead, .parcels = ret_parcels, .ev = ret};

    w->now = ax_mono_now();
    w->running = false;
    if (__atomic_load_n(&w->nhanded, __ATOMIC_RELAXED))
        sort_batch(&t);
    else
        find_the_only_one(&t);
    AX_LIST_EACH(it, &w->conns)
    take_conn(&t, AX_LIST_ENTRY(it, struct ax_conn, all));
    w->nready = 0;
    nothing_dirty(w);
    take_inbox(&t);
    end_orphans(w);
    ax_admission_detach(w);
    empty_gauges(w);
}
