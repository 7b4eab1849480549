/* What a connection does with the bytes that come: a table of named states (conn_state.def) and one loop that
 * drives it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "net/internal.h"

/* Input still to be looked at; steps move p forward. */
struct input {
    const char *p;
    size_t n;
};
enum step { STEP_AGAIN, STEP_WAIT };

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

static enum step read_head(struct ax_conn *c, struct input *in)
{
    struct ax_head_lines lines;
    struct ax_refusal why;
    size_t len;

    if (AX_UNLIKELY(!ax_conn_may_read_on(c))) {
        c->state = AX_CONN_BLOCKED;
        return STEP_WAIT;
    }
    if (AX_UNLIKELY(skip_empty_lines(c, in)))
        return STEP_WAIT;
    switch (ax_head_scan_lines(&c->scan, in->p, in->n, &c->worker->head_limits, &len, &lines, &why)) {
    case AX_SCAN_MORE:
        if (c->state == AX_CONN_IDLE) {
            c->state = AX_CONN_HEAD;
            ax_conn_wait(c, ax_conn_head_timeout(c));
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
    bool streams = r && r->stream;
    if (AX_UNLIKELY(streams))
        ax_stream_whole(r);
    bool last = c->last && !c->last->head.keep_alive; /* whose body this was, answered or not */

    c->reading = NULL;
    c->state = AX_CONN_IDLE;
    ax_deadline_stop(&c->timeout);
    if (r && !streams)
        ax_intake_whole(r);
    if (AX_UNLIKELY(last))
        ax_intake_last(c);
}

static enum step read_body(struct ax_conn *c, struct input *in)
{
    size_t used = 0,
           room = AX_UNLIKELY(c->reading && c->reading->stream) ? ax_stream_room(c->reading) : SIZE_MAX;

    if (AX_UNLIKELY(room == 0)) {
        ax_stream_pause(c);
        return STEP_WAIT;
    }
    enum ax_body_result got =
        ax_body_feed(&c->body, in->p, in->n < room ? in->n : room, &used, ax_intake_body, c);

    in->p += used;
    in->n -= used;
    if (c->state != AX_CONN_BODY)
        return STEP_AGAIN; /* the sink refused it and answered */
    if (c->reading)
        c->reading->bytes_in += used;
    switch (got) {
    case AX_BODY_MORE:
        if (AX_UNLIKELY(c->reading && c->reading->stream && ax_stream_room(c->reading) == 0))
            ax_stream_pause(c);
        return in->n ? STEP_AGAIN : STEP_WAIT;
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
void ax_conn_feed(struct ax_conn *c, const char *p, size_t n)
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

    if (c->state == AX_CONN_BLOCKED && ax_conn_may_read_on(c))
        c->state = AX_CONN_IDLE;
    if (c->state == AX_CONN_BODY_FULL && ax_stream_may_go_on(c))
        ax_stream_go_on(c);
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
    for (struct ax_request *r = c->turn, *next; r && c->state != AX_CONN_CLOSED; r = next) {
        next = r->next;
        if (r == c->reading && !c->eof)
            continue; /* its body may still be before the FIN */
        if (r->place == AX_PLACE_WAITING_WHOLE)
            ax_admission_give_up(r, "the client closed while it waited behind other requests of this route");
        if (r->state == AX_REQ_ENTERED || r->state == AX_REQ_STREAMING)
            ax_request_tell_gone(r);
    }
    ax_conn_want(c);
}

/* FIN while input waits: it is read and answered when its turn comes, then comes on_eof. */
void ax_conn_half_closed(struct ax_conn *c)
{
    c->hup = true;
    tell_gone(c);
}

/* FIN.  Requests in progress may still be answered (a client may close one half), but whoever waits for the
 * client learns that it has probably gone. */
void ax_conn_eof(struct ax_conn *c)
{
    c->eof = true;
    if (c->state == AX_CONN_BODY)
        ax_intake_cut_short(c);
    bool waits = c->first || c->out.bytes; /* what another worker has answered is output without a request */
    if (!waits || c->state == AX_CONN_LINGER) {
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

    ax_conn_wait(c, AX_TO_BODY);
    if (set->timeout_body_us >= 0 && us > set->timeout_body_us && set->limit_body_rate > 0 &&
        (double)c->body_got * 1e6 / (double)us < (double)set->limit_body_rate)
        ax_intake_body_refused(c, 408, "the body comes too slowly", "limits.body_rate");
}

void ax_conn_read(struct ax_conn *c)
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
        ax_conn_feed(c, w->read_buffer, (size_t)n);
        if (c->state == AX_CONN_BODY)
            body_progress(c);
        if (AX_UNLIKELY(c->state == AX_CONN_BLOCKED || c->state == AX_CONN_BODY_FULL ||
                        c->state == AX_CONN_HELD))
            ax_conn_want(c);
        else if (AX_UNLIKELY(w->phase >= AX_WORKER_DRAINING) &&
                 (c->state == AX_CONN_IDLE || c->state == AX_CONN_HEAD))
            ax_conn_dirty(c); /* no request came of it: it ends, or goes on elsewhere */
    } else if (n == 0) {
        ax_conn_eof(c);
    } else if (errno != EAGAIN) {
        ax_conn_close(c, AX_CLOSE_READ_ERROR);
    }
}
