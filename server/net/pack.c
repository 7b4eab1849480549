/* Connections become parcels, and parcels connections.  Thread: the worker's own. */
#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

/* ---- a worker that retires */

static bool nothing_in_progress(const struct ax_conn *c)
{
    return (c->state == AX_CONN_IDLE || c->state == AX_CONN_HEAD) && !c->first && !c->out.bytes && !c->eof;
}

void ax_conn_pass_on(struct ax_conn *c)
{
    struct ax_worker *w = c->worker;

    if (!nothing_in_progress(c) || !w->engine)
        return;
    struct ax_parcel *p = ax_parcel_new(c->fd);
    if (!p) {
        ax_conn_close(c, AX_CLOSE_NO_MEMORY);
        return;
    }
    p->in = c->pending;
    c->pending = AX_BUF_INIT(0);
    ax_conn_detach(c, AX_CLOSE_PASSED_ON);
    ax_engine_give(w->engine, p, w);
}

/* ---- a worker that gets one */

static bool put_out(struct ax_conn *c, struct ax_parcel *p)
{
    if (p->out.n == 0)
        return true;
    if (!ax_out_link(&c->out, p->out.p, p->out.n, ax_free, NULL, p->out.p))
        return false;
    c->queued += p->out.n;
    p->out = AX_BUF_INIT(0); /* the connection's now */
    return true;
}

/* The request whose chunked body was being read: its head is parsed again, its reader goes on where it was.
 */
static void read_on(struct ax_conn *c, const struct ax_parcel *p)
{
    const char *head = p->in.p + p->head_at, *content = head + p->head_bytes, *rest = content + p->content;
    const char *end = p->in.p + p->in.n;

    ax_conn_feed(c, head, p->head_bytes);
    if (c->state != AX_CONN_BODY)
        return; /* refused here */
    if (p->content)
        ax_intake_body(c, content, p->content);
    if (c->state != AX_CONN_BODY)
        return;
    c->body = p->reader;
    if (rest < end)
        ax_conn_feed(c, rest, (size_t)(end - rest));
}

static void put_in(struct ax_conn *c, const struct ax_parcel *p)
{
    if (p->body == AX_PARCEL_DROPPED) {
        c->state = AX_CONN_BODY;
        c->body = p->reader;
        c->body_since = c->worker->now;
        ax_conn_wait(c, AX_TO_BODY);
    }
    if (p->body != AX_PARCEL_CONTENT) {
        ax_conn_feed(c, p->in.p, p->in.n);
        return;
    }
    ax_conn_feed(c, p->in.p, p->head_at);
    if (c->state == AX_CONN_IDLE)
        read_on(c, p);
    else
        ax_conn_close(c, AX_CLOSE_READ_ERROR); /* what came before it fills the connection */
}

void ax_conn_unpack(struct ax_worker *w, struct ax_parcel *p)
{
    struct ax_conn *c = ax_conn_open(w, ax_parcel_take_fd(p));

    ax_worker_now(w);
    if (c && !put_out(c, p)) {
        ax_conn_close(c, AX_CLOSE_NO_MEMORY);
        c = NULL;
    }
    if (c && (p->in.n || p->body))
        put_in(c, p);
    if (c && p->finish)
        ax_intake_last(c);
    if (c && p->eof && c->state != AX_CONN_CLOSED)
        ax_conn_eof(c);
    if (c && c->state != AX_CONN_CLOSED) {
        ax_conn_want(c);
        ax_conn_dirty(c);
    }
    ax_list_remove(&p->node);
    ax_parcel_free(p);
}
