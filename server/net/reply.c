/* Responses into the connection's output: in order, each with the server's own fields. */
#include "net/reply.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "http/encoding.h"
#include "metrics/limits.h"
#include "net/compress.h"
#include "net/internal.h"
#include "net/policy.h"

enum { COPY_MAX = 32768, BEGIN_MAX = 16384, ID_NAME = 14, ID_LINE = ID_NAME + AX_REQUEST_ID_MAX + 2 };

/* ---- who may answer, and how the connection goes on */

bool ax_reply_must_close(const struct ax_request *r)
{
    const struct ax_conn *c = r->conn;

    if (AX_UNLIKELY(!r->head.keep_alive))
        return true;
    if (AX_LIKELY((r->worker->phase == AX_WORKER_RUNNING || r->worker->retiring) &&
                  c->state != AX_CONN_FINISHING && !c->eof))
        return false;
    return r->next == NULL; /* what was read ahead is still answered */
}

int ax_reply_to_nowhere(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    ax_count_add(&w->count->late_sends, 1);
    r->reply_at = w->now;
    ax_request_over(r);
    return 1;
}

/* ---- turns */

static void close_after(struct ax_conn *c, struct ax_request *r)
{
    if (c->state != AX_CONN_FINISHING) {
        c->state = AX_CONN_FINISHING;
        c->close_why = AX_CLOSE_ANSWERED;
        c->reading = NULL;
        ax_deadline_stop(&c->timeout);
    }
    /* requests behind it were read ahead; nobody will get their answers */
    struct ax_request *late = r->next;
    r->next = NULL;
    c->last = r;
    c->turn = NULL;
    while (late) {
        struct ax_request *next = late->next;
        c->nrequests--;
        ax_request_orphan(late);
        bool listed = late->state == AX_REQ_QUEUED && !late->parked; /* the batch finds it */
        if (late->state == AX_REQ_STREAMING)
            ax_stream_orphan(late);
        else if (late->state != AX_REQ_ENTERED && !listed)
            ax_request_over(late);
        late = next;
    }
}

static void add_continue(struct ax_conn *c, struct ax_request *r)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t room;

    r->continue_due = false;
    char *p = ax_out_room(&c->out, &c->worker->block_pool, sizeof line - 1, &room);
    if (!p)
        return; /* the client goes on after a while by itself (RFC 9110, 10.1.1) */
    memcpy(p, line, sizeof line - 1);
    ax_out_grow(&c->out, sizeof line - 1);
    c->queued += sizeof line - 1;
    ax_conn_dirty(c);
}

void ax_reply_turn_over(struct ax_conn *c, struct ax_request *r)
{
    r->out_end = c->queued;
    c->turn = r->next;
    ax_conn_dirty(c);
    if (AX_UNLIKELY(r->close))
        close_after(c, r);
}

void ax_reply_turns(struct ax_conn *c)
{
    struct ax_request *r;

    while ((r = c->turn) && r->state == AX_REQ_ANSWERED) {
        c->queued += r->held.bytes;
        c->held -= r->held.bytes;
        ax_out_splice(&c->out, &r->held);
        ax_reply_turn_over(c, r);
    }
    if (r && r->continue_due)
        add_continue(c, r);
    if (AX_UNLIKELY(r && r->state == AX_REQ_STREAMING))
        ax_stream_turn(c, r);
}

/* ---- rendering */

static AX_COLD void carry(char *last, const char *first)
{
    for (; last >= first && *last == 'f'; last--)
        *last = '0';
    if (last >= first)
        *last = *last == '9' ? 'a' : (char)(*last + 1);
}

/* Counts in text: of 16 steps 15 change one digit. */
static inline void count_up(char *hex, size_t n)
{
    char *last = &hex[n - 1];

    if (AX_UNLIKELY(*last == 'f'))
        carry(last, hex);
    else
        *last = *last == '9' ? 'a' : (char)(*last + 1);
}

static inline const char *own_id(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    if (!r->id[0]) {
        memcpy(r->id, w->next_id, AX_ID_LEN);
        count_up(w->next_id, AX_ID_LEN);
    }
    return r->id;
}

static AX_COLD const char *id_behind_proxy(struct ax_request *r)
{
    const char *given = ax_request_given_id(r);

    return given ? given : own_id(r);
}

const char *ax_request_id(struct ax_request *r)
{
    return AX_UNLIKELY(r->worker->proxies != NULL) ? id_behind_proxy(r) : own_id(r);
}

static size_t add_id(struct ax_request *r, char *out)
{
    const char *id = ax_request_id(r);
    size_t n = AX_LIKELY(id == r->id) ? AX_ID_LEN : strlen(id);

    memcpy(out, "X-Request-Id: ", ID_NAME);
    memcpy(out + ID_NAME, id, n);
    memcpy(out + ID_NAME + n, "\r\n", 2);
    return ID_NAME + n + 2;
}

/* Status codes without a body and without a length, whatever the handler gave (RFC 9110, 15.3.5, 15.4.5). */
static bool has_no_length(unsigned status)
{
    return status == 204 || status == 304;
}

/* ... and 205, which has a length of 0 (RFC 9110, 15.3.6). */
bool ax_reply_has_no_body(unsigned status)
{
    return status == 205 || has_no_length(status);
}

static inline bool has_policy(const struct ax_request *r)
{
    return r->site_route && r->site_route->policy;
}

static void head_of(struct ax_request *r, const struct ax_reply *reply, uint64_t length,
                    struct ax_response_head *ret)
{
    *ret = (struct ax_response_head){
        .status = reply->status,
        .content = ax_reply_has_no_body(reply->status) ? AX_CONTENT_NONE : reply->content,
        .date = ax_worker_date(r->worker),
        .leads = &r->worker->leads,
        .headers = reply->headers,
        .headers2 = r->site_route ? r->site_route->headers : (struct ax_str){0},
        .length = reply->status == 205 ? 0 : length,
        .no_length = has_no_length(reply->status),
        .close = r->close,
        .keep_alive_10 = !r->close && r->head.minor == 0,
    };
    if (AX_UNLIKELY(has_policy(r)))
        ax_policy_lines(r, ret);
}

static struct ax_out *out_of(struct ax_request *r)
{
    return r->conn->turn == r ? &r->conn->out : &r->held;
}

struct ax_out *ax_reply_out(struct ax_request *r)
{
    return out_of(r);
}

/* A handler or its route may name the request itself; one such line is enough. */
static bool names_request(struct ax_str lines)
{
    static const struct ax_str name = {"x-request-id:", 13};

    while (lines.n >= name.n) {
        if (ax_str_eq_nocase((struct ax_str){lines.p, name.n}, name))
            return true;
        const char *nl = memchr(lines.p, '\n', lines.n);
        size_t k = nl ? (size_t)(nl - lines.p) + 1 : lines.n;
        lines.p += k;
        lines.n -= k;
    }
    return false;
}

/* Head, and the id line spliced in before its last empty line. */
static size_t write_head(struct ax_request *r, const struct ax_response_head *h, char *p)
{
    size_t n = ax_response_head_write(h, p) - 2;

    if (AX_LIKELY(!names_request(h->headers) && !names_request(h->headers2)))
        n += add_id(r, p + n);
    memcpy(p + n, "\r\n", 2);
    return n + 2;
}

static inline void entered_until_now(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    r->reply_at = w->now;
    if (r->enter_at.us == 0) {
        r->enter_at = r->state == AX_REQ_ENTERED ? w->entered_at : r->reply_at;
        w->unanswered -= r->state == AX_REQ_ENTERED;
    }
    if (w->running)
        w->entered_at = r->reply_at;
}

void ax_reply_entered_until_now(struct ax_request *r)
{
    entered_until_now(r);
}

/* State of the request and its worker after its response was given. */
static void given(struct ax_request *r, unsigned status)
{
    struct ax_worker *w = r->worker;

    ax_request_leave(r);
    entered_until_now(r);
    r->status = (uint16_t)status;
    if (r->state == AX_REQ_ENTERED)
        ax_flight_end(w->stat, r->index);
    r->state = AX_REQ_ANSWERED;
    ax_deadline_stop(&r->timeout);
}

static void sent_to_out(struct ax_request *r, struct ax_out *out, uint64_t bytes)
{
    struct ax_conn *c = r->conn;
    uint32_t *largest = &r->worker->largest_answer[r->route];

    r->bytes_out = bytes;
    if (AX_UNLIKELY(bytes > *largest))
        *largest = bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
    if (out == &c->out) {
        c->queued += bytes;
        ax_reply_turn_over(c, r);
        if (AX_UNLIKELY(c->turn && (c->turn->state >= AX_REQ_STREAMING || c->turn->continue_due)))
            ax_reply_turns(c);
    } else {
        c->held += bytes;
    }
    if (r->reserved)
        ax_request_unreserve(r);
}

/* Lent bytes that wait for their turn may wait for long. */
bool ax_reply_link(struct ax_out *out, const struct ax_reply *reply, bool waits)
{
    if (AX_UNLIKELY(reply->add != NULL))
        return reply->add(out, reply);
    if (reply->release && !(waits && reply->lent))
        return ax_out_link(out, reply->body.p, reply->body.n, reply->release, reply->lent, reply->owner);
    char *copy = ax_malloc(reply->body.n);
    if (!copy)
        return false;
    memcpy(copy, reply->body.p, reply->body.n);
    if (!ax_out_link(out, copy, reply->body.n, ax_free, NULL, copy)) {
        ax_free(copy);
        return false;
    }
    if (reply->release)
        reply->release(reply->owner);
    return true;
}

static int no_memory(struct ax_request *r, const struct ax_reply *reply)
{
    struct ax_conn *c = r->conn;

    if (reply->release)
        reply->release(reply->owner);
    given(r, 500);
    if (AX_UNLIKELY(ax_worker_taken(r->worker)))
        c->close_why = AX_CLOSE_NO_MEMORY; /* its loop is not ours: take.c ends it */
    else
        ax_conn_close(c, AX_CLOSE_NO_MEMORY);
    return -AX_E_NOMEM;
}

int ax_reply(struct ax_request *r, const struct ax_reply *reply)
{
    struct ax_response_head h;
    size_t room;

    if (r->state >= AX_REQ_STREAMING) {
        if (reply->release)
            reply->release(reply->owner);
        return -AX_E_STATE;
    }
    if (!r->conn) {
        if (reply->release)
            reply->release(reply->owner);
        return ax_reply_to_nowhere(r);
    }
    ax_worker_now(r->worker);
    if (r->conn->eof && r->state == AX_REQ_ENTERED)
        ax_count_add(&r->worker->count->late_sends, 1); /* most likely gone; sent all the same, see on_eof */
    r->close = ax_reply_must_close(r);
    struct ax_reply smaller;
    if (AX_UNLIKELY(has_policy(r) && r->site_route->policy->compress)) {
        ax_compress_reply(r, reply, &smaller);
        reply = &smaller;
    }
    head_of(r, reply, reply->body.n, &h);
    bool bodiless = r->head.method == AX_HEAD || ax_reply_has_no_body(reply->status) || reply->body.n == 0;
    bool inlined = !bodiless && !reply->release && reply->body.n <= COPY_MAX;
    struct ax_out *out = out_of(r);
    char *p = ax_out_room(out, &r->worker->block_pool,
                          ax_response_head_max(&h) + ID_LINE + (inlined ? reply->body.n : 0), &room);
    if (!p)
        return no_memory(r, reply);
    size_t n = write_head(r, &h, p);
    if (inlined) {
        memcpy(p + n, reply->body.p, reply->body.n);
        n += reply->body.n;
    }
    ax_out_grow(out, n);
    if (!bodiless && !inlined) {
        if (!ax_reply_link(out, reply, out == &r->held))
            return no_memory(r, reply);
        r->lent = reply->lent && out != &r->held;
        n += reply->body.n;
    } else if (reply->release) {
        reply->release(reply->owner);
    }
    given(r, reply->status);
    sent_to_out(r, out, n);
    if (r->lent && !r->worker->running && r->conn)
        ax_conn_flush(r->conn);
    return 0;
}

size_t ax_reply_put_head(struct ax_request *r, struct ax_out *out, const struct ax_reply *reply,
                         uint64_t length, bool length_known, bool chunked)
{
    struct ax_response_head h;
    size_t room;

    head_of(r, reply, length, &h);
    h.chunked = chunked && !h.no_length && reply->status != 205;
    h.no_length = h.no_length || (!length_known && reply->status != 205);
    char *p = ax_out_room(out, &r->worker->block_pool, ax_response_head_max(&h) + ID_LINE, &room);
    if (!p)
        return 0;
    size_t n = write_head(r, &h, p);
    ax_out_grow(out, n);
    return n;
}

/* ---- in two steps: the head is written for the length that the body will most likely have, and anew when it
 * has another one */

char *ax_reply_begin(struct ax_request *r, const struct ax_reply *reply, size_t want, size_t *ret_room)
{
    struct ax_worker *w = r->worker;
    struct ax_begun *b = &w->begun;
    size_t room;

    if (AX_UNLIKELY(r->state >= AX_REQ_STREAMING || !r->conn || r->conn->eof || want > BEGIN_MAX))
        return NULL;
    if (AX_UNLIKELY(has_policy(r) && r->site_route->policy->compress))
        return NULL; /* it must be seen whole */
    ax_worker_now(w);
    r->close = ax_reply_must_close(r);
    head_of(r, reply, reply->body.n, &b->head);
    if (AX_UNLIKELY(ax_reply_has_no_body(reply->status)))
        return NULL;
    b->head_max = ax_response_head_max(&b->head) + ID_LINE;
    b->at = ax_out_room(out_of(r), &w->block_pool, b->head_max + want, &room);
    if (!b->at)
        return NULL;
    b->head_bytes = write_head(r, &b->head, b->at);
    *ret_room = room - b->head_max;
    return b->at + b->head_bytes;
}

/* The body makes room for the longest head there can be, and comes back. */
static void correct_length(struct ax_request *r, struct ax_begun *b, size_t body_bytes)
{
    memmove(b->at + b->head_max, b->at + b->head_bytes, body_bytes);
    b->head.length = body_bytes;
    b->head_bytes = write_head(r, &b->head, b->at);
    memmove(b->at + b->head_bytes, b->at + b->head_max, body_bytes);
}

int ax_reply_end(struct ax_request *r, size_t body_bytes)
{
    struct ax_begun *b = &r->worker->begun;
    struct ax_out *out = out_of(r);

    if (AX_UNLIKELY(b->head.length != body_bytes))
        correct_length(r, b, body_bytes);
    size_t n = b->head_bytes + (AX_LIKELY(r->head.method != AX_HEAD) ? body_bytes : 0);
    ax_out_grow(out, n);
    given(r, b->head.status);
    sent_to_out(r, out, n);
    return 0;
}

/* ---- the server's own answers */

/* The manifest's own page for it, when the client is a browser. */
static const struct ax_page *page_for(const struct ax_request *r, unsigned status)
{
    const struct ax_policies *p = ax_site_policies(r->worker->site);
    const struct ax_page *page = p ? ax_policies_page(p, status) : NULL;

    if (page && page->html && !ax_accepts_html(ax_head_field(&r->head, AX_STR("accept"))))
        return NULL;
    return page;
}

static int reply_page(struct ax_request *r, unsigned status, const struct ax_page *page,
                      struct ax_str headers)
{
    struct ax_buf b = AX_BUF_INIT(131072);

    ax_buf_add(&b, headers.p, headers.n);
    ax_buf_add(&b, page->headers.p, page->headers.n);
    int rc = ax_reply(r, &(struct ax_reply){.status = status,
                                            .headers = ax_buf_str(&b),
                                            .body = b.failed ? (struct ax_str){0} : page->body});
    ax_buf_fini(&b);
    return rc;
}

static int refuse(struct ax_request *r, unsigned status, const char *text, const char *limit,
                  struct ax_str headers, const struct ax_page *page)
{
    struct ax_buf b = AX_BUF_INIT(131072);

    if (r->state >= AX_REQ_STREAMING)
        return -AX_E_STATE;
    if (limit)
        ax_count_limit(r->worker->count, limit);
    ax_buf_adds(&b, "{\"error\":\"");
    ax_buf_add_json(&b, ax_str(text));
    ax_buf_addc(&b, '"');
    if (status == 404) {
        ax_buf_adds(&b, ",\"path\":\"");
        ax_buf_add_json(&b, ax_head_str(&r->head, r->head.path));
        ax_buf_addc(&b, '"');
    }
    if (limit)
        ax_buf_addf(&b, ",\"limit\":\"%s\"", limit);
    ax_buf_addc(&b, '}');
    if ((status >= 500 || limit) && !r->error) {
        struct ax_str s = ax_str(text);
        char *copy = ax_arena_alloc(&r->arena, s.n + 1);
        r->error = copy ? memcpy(copy, text, s.n + 1) : "error";
    }
    int rc = page ? reply_page(r, status, page, headers)
                  : ax_reply(r, &(struct ax_reply){.status = status,
                                                   .content = AX_CONTENT_JSON,
                                                   .headers = headers,
                                                   .body = b.failed ? (struct ax_str){0} : ax_buf_str(&b)});
    ax_buf_fini(&b);
    return rc;
}

int ax_reply_error(struct ax_request *r, unsigned status, const char *text, const char *limit)
{
    return ax_reply_refusal(r, status, text, limit,
                            status == 503 ? AX_STR("Retry-After: 1\r\n") : (struct ax_str){0});
}

int ax_reply_refusal(struct ax_request *r, unsigned status, const char *text, const char *limit,
                     struct ax_str headers)
{
    return refuse(r, status, text, limit, headers, page_for(r, status));
}

int ax_reply_thrown(struct ax_request *r, unsigned status, const char *text, const char *limit)
{
    return status >= 500 ? ax_reply_error(r, status, text, limit)
                         : refuse(r, status, text, limit, (struct ax_str){0}, NULL);
}
