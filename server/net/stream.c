/* Responses in pieces, and the events of both sides. */
#include "net/stream.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/compress.h"
#include "net/policy.h"
#include "net/stream_state.h"

enum { SIZE_LINE = 18, CRLF = 2 }; /* of a chunk: 16 digits and a CRLF */

struct ax_stream *ax_stream_of(struct ax_request *r)
{
    if (r->stream)
        return r->stream;
    struct ax_stream *s = ax_arena_alloc(&r->arena, sizeof *s);
    if (s)
        *s = (struct ax_stream){0};
    r->stream = s;
    return s;
}

/* ---- events: told before the loop sleeps, never within a call */

void ax_stream_notify(struct ax_request *r, enum ax_event what)
{
    struct ax_worker *w = r->worker;

    if (!w->dispatch.event || w->phase == AX_WORKER_CLOSED || ax_worker_taken(w))
        return;
    r->stream->due |= (uint8_t)(1u << what);
    if (!r->gone_due) {
        r->gone_due = true;
        ax_list_init(&r->gone);
        ax_list_push(&w->gone, &r->gone);
    }
    ax_worker_stay_awake(w);
}

/* What was true when it became due may not be any more. */
static bool still_so(const struct ax_request *r, enum ax_event what)
{
    if (what == AX_EVENT_CLIENT)
        return !r->stream->told && (r->stream->cut || r->state < AX_REQ_ANSWERED);
    if (what == AX_EVENT_READABLE)
        return r->stream->waits;
    return what == AX_EVENT_DRAINED && r->state == AX_REQ_STREAMING && r->conn;
}

bool ax_stream_tell(struct ax_request *r)
{
    static const enum ax_event order[] = {AX_EVENT_CLIENT, AX_EVENT_READABLE, AX_EVENT_DRAINED};
    struct ax_worker *w = r->worker;
    struct ax_stream *s = r->stream;
    const struct ax_handle h = {r->index, r->gen};

    for (unsigned i = 0; i < AX_COUNT(order); i++) {
        unsigned bit = 1u << order[i];
        if (!(s->due & bit))
            continue;
        s->due &= (uint8_t)~bit;
        if (!still_so(r, order[i]))
            continue;
        s->told |= order[i] == AX_EVENT_CLIENT;
        if (order[i] == AX_EVENT_READABLE)
            ax_stream_no_more_waiting(r);
        if (!w->dispatch.event(w->dispatch.ctx, r, order[i]))
            return false;
        if (ax_request_get(w, h.index, h.gen) != r)
            return true; /* it is over */
    }
    if (s->kept || (r->state == AX_REQ_STREAMING && !r->conn))
        ax_request_over(r);
    return true;
}

void ax_stream_forget(struct ax_request *r)
{
    if (r->stream)
        r->stream->due = 0;
}

bool ax_stream_is_kept(const struct ax_request *r)
{
    return r->stream && r->stream->kept;
}

bool ax_stream_keeps_slot(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_stream *s = r->stream;

    if (!s || s->kept || w->phase == AX_WORKER_CLOSED || ax_worker_taken(w))
        return false;
    if (!((s->due & 1u << AX_EVENT_READABLE) && s->waits) && !((s->due & 1u << AX_EVENT_CLIENT) && s->cut))
        return false;
    ax_request_leave(r);
    r->conn = NULL;
    s->kept = true;
    return true;
}

void ax_stream_orphan(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    if (AX_UNLIKELY(ax_worker_taken(w)))
        return; /* take.c ends it */
    ax_count_add(&w->count->aborted, 1);
    if (!r->error)
        r->error = "the client left within the response";
    if (r->stream->told || !w->dispatch.event || w->phase == AX_WORKER_CLOSED)
        ax_request_over(r);
    else
        ax_stream_notify(r, AX_EVENT_CLIENT);
}

/* ---- where the bytes go */

static size_t window(const struct ax_worker *w)
{
    uint64_t most = (uint64_t)w->set->limit_output;

    return most < AX_STREAM_WINDOW ? (size_t)most : AX_STREAM_WINDOW;
}

/* So many bytes were dealt with in this turn. */
static void spent(struct ax_request *r, size_t n)
{
    struct ax_stream *s = r->stream;
    uint64_t turn = r->worker->count->turns;

    s->burst = s->turn == turn ? s->burst + n : n;
    s->turn = turn;
}

/* So many bytes were added to its output. */
static void grown(struct ax_request *r, size_t n)
{
    struct ax_conn *c = r->conn;

    spent(r, n);
    r->bytes_out += n;
    if (c->turn == r) {
        c->queued += n;
        ax_conn_dirty(c);
    } else {
        c->held += n;
    }
}

/* A writer whose client is quick must stop, too: others have a turn. */
static enum ax_took took(struct ax_request *r)
{
    size_t most = window(r->worker);

    if (ax_reply_out(r)->bytes < most && r->stream->burst < most)
        return AX_TOOK_MORE;
    r->stream->full = r->conn->full = true;
    ax_conn_dirty(r->conn);
    return AX_TOOK_FULL;
}

void ax_stream_drained(struct ax_conn *c)
{
    bool waits = false;

    for (struct ax_request *r = c->turn; r; r = r->next) {
        if (r->state != AX_REQ_STREAMING || !r->stream->full)
            continue;
        if (r == c->turn && c->out.bytes < (window(c->worker) + 1) / 2) {
            r->stream->full = false;
            ax_stream_notify(r, AX_EVENT_DRAINED);
        } else {
            waits = true;
        }
    }
    c->full = waits;
}

void ax_stream_turn(struct ax_conn *c, struct ax_request *r)
{
    c->queued += r->held.bytes;
    c->held -= r->held.bytes;
    ax_out_splice(&c->out, &r->held);
    ax_conn_dirty(c);
}

static void no_memory(struct ax_request *r)
{
    r->error = "out of memory";
    ax_conn_close(r->conn, AX_CLOSE_NO_MEMORY);
}

/* ---- beginning and end */

static void hold_back(struct ax_conn *c)
{
    bool streams = false;

    for (const struct ax_request *r = c->turn; r && !streams; r = r->next)
        streams = r->state == AX_REQ_STREAMING;
    c->held_back = (uint8_t)((c->held_back & ~AX_HELD_STREAM) | (streams ? AX_HELD_STREAM : 0));
}

void ax_stream_drop_encoder(struct ax_request *r)
{
    struct ax_stream *s = r->stream;

    ax_encoder_free(s->encoder);
    ax_free(s->plain);
    s->encoder = NULL;
    s->plain = NULL;
}

/* Its last byte is in the output, or it has none. */
static void finish(struct ax_request *r)
{
    struct ax_conn *c = r->conn;

    ax_stream_drop_encoder(r);
    ax_request_leave(r);
    ax_flight_end(r->worker->stat, r->index);
    r->state = AX_REQ_ANSWERED;
    if (c->turn == r) {
        ax_reply_turn_over(c, r);
        ax_reply_turns(c);
    }
    hold_back(c);
}

static void begin(struct ax_request *r, unsigned status)
{
    AX_DEBUG_ASSERT(r->state == AX_REQ_ENTERED);
    ax_reply_entered_until_now(r);
    ax_deadline_stop(&r->timeout);
    if (r->reserved)
        ax_request_unreserve(r);
    r->status = (uint16_t)status;
    r->state = AX_REQ_STREAMING;
    r->conn->held_back |= AX_HELD_STREAM;
    r->continue_due = false; /* it would come within the response */
}

/* 0, or what ax_stream_open returns instead. */
static int may_open(struct ax_request *r)
{
    if (r->state >= AX_REQ_STREAMING)
        return -AX_E_STATE;
    if (!r->conn)
        return ax_reply_to_nowhere(r);
    ax_worker_now(r->worker);
    if (r->conn->eof)
        ax_count_add(&r->worker->count->late_sends, 1);
    if (ax_stream_of(r))
        return 0;
    ax_reply_error(r, 500, "out of memory", NULL);
    return -AX_E_NOMEM;
}

static void declare(struct ax_stream *s, int64_t length)
{
    s->counted = length >= 0;
    s->left = s->counted ? (uint64_t)length : 0;
}

int ax_stream_open(struct ax_request *r, const struct ax_reply *head, int64_t length)
{
    int rc = may_open(r);

    if (rc != 0)
        return rc;
    bool bodiless = r->head.method == AX_HEAD || ax_reply_has_no_body(head->status);
    struct ax_reply coded;
    if (r->site_route && r->site_route->policy && r->site_route->policy->compress) {
        r->stream->encoder = ax_compress_open(r, head, length, &coded);
        head = &coded;
    }
    bool known = length >= 0 && !r->stream->encoder, chunked = !known && r->head.minor > 0;
    r->close = ax_reply_must_close(r) || (!known && !chunked && !bodiless);
    size_t n = ax_reply_put_head(r, ax_reply_out(r), head, known ? (uint64_t)length : 0, known, chunked);
    begin(r, head->status);
    if (n == 0) {
        no_memory(r);
        return -AX_E_NOMEM;
    }
    r->stream->chunked = chunked;
    declare(r->stream, length);
    grown(r, n);
    if (bodiless)
        finish(r);
    return 0;
}

int ax_stream_open_raw(struct ax_request *r, unsigned status, bool close, int64_t length)
{
    int rc = may_open(r);

    if (rc != 0)
        return rc;
    r->close = ax_reply_must_close(r) || close;
    begin(r, status);
    r->stream->raw = true;
    declare(r->stream, length);
    return 0;
}

static void break_off(struct ax_request *r)
{
    r->close = true;
    finish(r);
}

void ax_stream_cut(struct ax_request *r, const char *why)
{
    if (!r->error)
        r->error = why;
    r->stream->cut = true;
    ax_stream_notify(r, AX_EVENT_CLIENT);
    break_off(r);
}

/* True when there is a response to be written to. */
static bool is_open(const struct ax_request *r)
{
    return r->state == AX_REQ_STREAMING && r->conn;
}

void ax_stream_abort(struct ax_request *r)
{
    if (r->state != AX_REQ_STREAMING)
        return;
    ax_worker_now(r->worker);
    if (!r->error)
        r->error = "the handler broke off its response";
    if (r->conn)
        break_off(r);
    else
        ax_request_over(r);
}

/* ---- writing */

/* Bytes behind a raw response's end would be read as the next one (RFC 9112, 6.3): they are dropped, and the
 * connection ends. Returns how many of n are not. */
static size_t within(struct ax_request *r, size_t n)
{
    if (!r->stream->counted || n <= r->stream->left)
        return n;
    r->close = true;
    if (!r->error)
        r->error = "the response was longer than its Content-Length";
    return (size_t)r->stream->left;
}

/* True when n bytes may be written now; else *ret says what to tell. */
static bool may_write(struct ax_request *r, size_t n, enum ax_took *ret)
{
    if (!is_open(r)) {
        *ret = AX_TOOK_NONE;
        return false;
    }
    if (!r->stream->raw && r->stream->counted && n > r->stream->left) {
        *ret = AX_TOOK_TOO_MUCH;
        return false;
    }
    ax_worker_now(r->worker);
    n = within(r, n);
    if (n == 0) /* a chunk of no bytes would be the last one */
        *ret = took(r);
    return n > 0;
}

/* The framing in front of a piece; 0 bytes where there is none. */
static uint8_t put_size(const struct ax_request *r, size_t n, char line[SIZE_LINE + 1])
{
    return r->stream->chunked ? (uint8_t)snprintf(line, SIZE_LINE + 1, "%zx\r\n", n) : 0;
}

/* Room in the output for n bytes of content and one more; NULL = out of memory.  Then end_piece. */
static char *begin_piece(struct ax_request *r, size_t n)
{
    char line[SIZE_LINE + 1];
    size_t room;
    char *p = ax_out_room(ax_reply_out(r), &r->worker->block_pool, SIZE_LINE + n + CRLF, &room);

    if (!p)
        return NULL;
    r->stream->frame = put_size(r, n, line);
    memcpy(p, line, r->stream->frame);
    return p + r->stream->frame;
}

static void end_piece(struct ax_request *r, size_t n)
{
    const struct ax_stream *s = r->stream;
    struct ax_out *out = ax_reply_out(r);
    size_t all = s->frame + n + (s->chunked ? CRLF : 0);

    ax_out_grow(out, all);
    if (s->chunked)
        memcpy((char *)(uintptr_t)out->tail->data + out->tail->len - CRLF, "\r\n", CRLF);
    grown(r, all);
}

static void count_down(struct ax_stream *s, size_t n)
{
    if (s->counted)
        s->left -= n;
}

static bool put_coded(void *ctx, const char *p, size_t n)
{
    char *room = begin_piece(ctx, n);

    if (!room)
        return false;
    memcpy(room, p, n);
    end_piece(ctx, n);
    return true;
}

/* False: out of memory, and r may be over. */
static bool encode(struct ax_request *r, struct ax_str piece, bool last)
{
    if (ax_encoder_add(r->stream->encoder, piece, last, put_coded, r))
        return true;
    no_memory(r);
    return false;
}

static enum ax_took write_coded(struct ax_request *r, struct ax_str piece)
{
    count_down(r->stream, piece.n);
    spent(r, piece.n); /* what comes out may be a thousandth */
    return encode(r, piece, false) ? took(r) : AX_TOOK_NONE;
}

char *ax_stream_begin(struct ax_request *r, size_t n, enum ax_took *ret)
{
    if (!may_write(r, n, ret))
        return NULL;
    char *p = r->stream->encoder ? (r->stream->plain = ax_malloc(n + 1)) : begin_piece(r, n);
    if (p)
        return p;
    no_memory(r);
    *ret = AX_TOOK_NONE;
    return NULL;
}

static enum ax_took commit_plain(struct ax_request *r, size_t n)
{
    n = within(r, n);
    end_piece(r, n);
    count_down(r->stream, n);
    return took(r);
}

enum ax_took ax_stream_commit(struct ax_request *r, size_t n)
{
    char *plain = r->stream->plain;

    if (!plain)
        return commit_plain(r, n);
    r->stream->plain = NULL;
    enum ax_took ret = write_coded(r, (struct ax_str){plain, n});
    ax_free(plain);
    return ret;
}

enum ax_took ax_stream_write(struct ax_request *r, const char *p, size_t n)
{
    enum ax_took ret;

    if (!may_write(r, n, &ret))
        return ret;
    if (r->stream->encoder)
        return write_coded(r, (struct ax_str){p, n});
    char *room = begin_piece(r, n);
    if (!room) {
        no_memory(r);
        return AX_TOOK_NONE;
    }
    memcpy(room, p, n);
    return commit_plain(r, n);
}

/* A few bytes of framing; false = out of memory. */
static bool put_bytes(struct ax_request *r, const char *p, size_t n)
{
    size_t room;
    char *at = n ? ax_out_room(ax_reply_out(r), &r->worker->block_pool, n, &room) : NULL;

    if (at) {
        memcpy(at, p, n);
        ax_out_grow(ax_reply_out(r), n);
    }
    return at || n == 0;
}

enum ax_took ax_stream_lend(struct ax_request *r, const struct ax_reply *piece)
{
    struct ax_worker *w = r->worker;
    const struct ax_handle h = {r->index, r->gen};
    size_t n = piece->body.n;
    char line[SIZE_LINE + 1];
    enum ax_took ret;

    if (!may_write(r, n, &ret)) {
        piece->release(piece->owner);
        return ret;
    }
    if (r->stream->encoder) {
        ret = write_coded(r, piece->body);
        piece->release(piece->owner);
        return ret;
    }
    struct ax_out *out = ax_reply_out(r);
    size_t before = out->bytes;
    struct ax_reply part = *piece;
    part.body.n = n = within(r, n);
    bool ok = put_bytes(r, line, put_size(r, n, line));
    if (!ok || !ax_reply_link(out, &part, out == &r->held)) {
        piece->release(piece->owner);
        no_memory(r);
        return AX_TOOK_NONE;
    }
    count_down(r->stream, n);
    if (r->stream->chunked && !put_bytes(r, "\r\n", CRLF)) {
        no_memory(r);
        return AX_TOOK_NONE;
    }
    grown(r, out->bytes - before);
    if (w->running || out == &r->held)
        return took(r);
    ax_conn_flush(r->conn);
    r = ax_request_get(w, h.index, h.gen);
    return r && is_open(r) ? took(r) : AX_TOOK_NONE;
}

bool ax_stream_end(struct ax_request *r)
{
    static const char last[] = "0\r\n\r\n";
    size_t room;

    if (r->state != AX_REQ_STREAMING)
        return false;
    if (!is_open(r) || r->stream->left > 0) {
        ax_stream_abort(r);
        return true;
    }
    ax_worker_now(r->worker);
    if (r->stream->encoder && !encode(r, (struct ax_str){"", 0}, true))
        return true;
    if (r->stream->chunked) {
        char *p = ax_out_room(ax_reply_out(r), &r->worker->block_pool, sizeof last - 1, &room);
        if (!p) {
            no_memory(r);
            return true;
        }
        memcpy(p, last, sizeof last - 1);
        ax_out_grow(ax_reply_out(r), sizeof last - 1);
        grown(r, sizeof last - 1);
    }
    finish(r);
    return true;
}
