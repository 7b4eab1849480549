/* A request's body that is read while it comes: a window of AX_STREAM_WINDOW bytes in a block of
 * body_store.h; behind it the client is not read from. */
#include "net/stream_state.h"

void ax_stream_no_more_waiting(struct ax_request *r)
{
    r->stream->waits = false;
    if (r->state == AX_REQ_ENTERED)
        ax_request_start_timeout(r);
}

static bool owes(const struct ax_request *r)
{
    return r->stream && r->stream->owed;
}

bool ax_stream_owes_continue(const struct ax_conn *c)
{
    return c->reading && owes(c->reading);
}

/* The client has been told, or did not wait for it: the connection can go on behind this request. */
static void pay(struct ax_request *r)
{
    r->stream->owed = false;
    r->head.keep_alive = r->stream->keep_alive;
}

void ax_stream_expect(struct ax_request *r)
{
    struct ax_stream *s = ax_stream_of(r);

    if (!s) {
        ax_intake_body_refused(r->conn, 503, "out of memory", NULL);
        return;
    }
    s->reading = true;
    if (r->head.expect_continue) {
        s->owed = true;
        s->keep_alive = r->head.keep_alive;
        r->head.keep_alive = false;
        ax_deadline_stop(&r->conn->timeout);
    }
    ax_intake_whole(r);
}

size_t ax_stream_room(const struct ax_request *r)
{
    if (r->state == AX_REQ_ANSWERED)
        return SIZE_MAX; /* it is thrown away */
    return r->body.n < AX_STREAM_WINDOW ? AX_STREAM_WINDOW - r->body.n : 0;
}

bool ax_stream_add(struct ax_request *r, const char *p, size_t n)
{
    if (owes(r))
        pay(r);
    if (!ax_body_add(r, p, n))
        return false;
    if (r->stream->waits)
        ax_stream_notify(r, AX_EVENT_READABLE);
    return true;
}

void ax_stream_whole(struct ax_request *r)
{
    if (owes(r))
        pay(r);
    r->stream->whole = true;
    if (r->stream->waits)
        ax_stream_notify(r, AX_EVENT_READABLE);
}

void ax_stream_broke_off(struct ax_request *r)
{
    struct ax_stream *s = r->stream;

    if (!s->reading || s->whole)
        return;
    s->broken = true;
    if (s->waits)
        ax_stream_notify(r, AX_EVENT_READABLE);
}

bool ax_stream_awaits_body(const struct ax_request *r)
{
    return r->stream && r->stream->waits;
}

/* ---- the client waits for the reader: no clock runs against it */

void ax_stream_pause(struct ax_conn *c)
{
    c->state = AX_CONN_BODY_FULL;
    c->reading->stream->paused_at = c->worker->now;
    if (c->timeout_kind == AX_TO_BODY)
        ax_deadline_stop(&c->timeout);
}

bool ax_stream_may_go_on(const struct ax_conn *c)
{
    return !c->reading || ax_stream_room(c->reading) > 0;
}

void ax_stream_go_on(struct ax_conn *c)
{
    ax_mono now = c->worker->now;

    c->state = AX_CONN_BODY;
    c->body_since.us = c->reading ? c->body_since.us + now.us - c->reading->stream->paused_at.us : now.us;
    if (!c->blocked_out)
        ax_conn_wait(c, AX_TO_BODY);
}

/* ---- reading */

/* One that was whole when the request was entered. */
static enum ax_read read_whole(struct ax_request *r, struct ax_str *ret)
{
    size_t left = r->body.n - r->stream->taken;

    *ret = (struct ax_str){r->body.p + r->stream->taken, left < AX_STREAM_WINDOW ? left : AX_STREAM_WINDOW};
    return left ? AX_READ_DATA : AX_READ_END;
}

static void wait_for_client(struct ax_request *r)
{
    r->stream->waits = true;
    if (r->state == AX_REQ_ENTERED)
        ax_deadline_stop(&r->timeout);
    if (!owes(r) || r->state != AX_REQ_ENTERED)
        return;
    pay(r);
    r->continue_due = true;
    ax_worker_now(r->worker);
    r->conn->body_since = r->worker->now;
    ax_reply_turns(r->conn);
    ax_conn_dirty(r->conn); /* the flush starts the clock of the body */
}

enum ax_read ax_stream_read(struct ax_request *r, struct ax_str *ret)
{
    struct ax_stream *s = ax_stream_of(r);

    if (!s || r->state == AX_REQ_ANSWERED || s->broken)
        return AX_READ_BROKEN;
    if (!s->reading)
        return read_whole(r, ret);
    if (r->body.n) {
        *ret = r->body;
        return AX_READ_DATA;
    }
    if (s->whole)
        return AX_READ_END;
    if (!r->conn)
        return AX_READ_BROKEN;
    wait_for_client(r);
    return AX_READ_NOTHING;
}

void ax_stream_have_read(struct ax_request *r)
{
    struct ax_stream *s = r->stream;

    if (!s->reading) {
        s->taken += r->body.n - s->taken < AX_STREAM_WINDOW ? r->body.n - s->taken : AX_STREAM_WINDOW;
        return;
    }
    ax_body_drop(r);
    if (s->waits)
        ax_stream_no_more_waiting(r);
    if (r->conn && r->conn->state == AX_CONN_BODY_FULL && r->conn->reading == r)
        ax_conn_dirty(r->conn); /* the flush reads on */
}
