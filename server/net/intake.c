/* From bytes to a request that somebody answers: a whole head is copied into a slot, parsed and routed; a
 * whole request is answered here (404, 405, redirects, fixed responses, health) or queued for the dispatcher.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/path.h"
#include "net/internal.h"
#include "net/policy.h"
#include "net/static.h"

enum { BODY_INLINE = 512 };   /* a body of a known length up to this lies in the slot */
enum { FIXED_COPIED = 2048 }; /* bytes; a larger fixed response is written from where it is */
enum { ALL_METHODS = (1 << AX_METHODS) - 1 };

/* ---- refusals: the request is answered by the server and its connection ends */

static void stop_reading(struct ax_conn *c)
{
    if (c->state == AX_CONN_CLOSED)
        return;
    c->state = AX_CONN_FINISHING;
    c->close_why = AX_CLOSE_REFUSED;
    c->reading = NULL;
    ax_deadline_stop(&c->timeout);
}

/* A request that asked for `close` is whole: what comes behind it is not looked at (RFC 9112, 9.6). */
void ax_intake_last(struct ax_conn *c)
{
    if (c->state == AX_CONN_CLOSED || c->state == AX_CONN_FINISHING)
        return;
    c->state = AX_CONN_FINISHING;
    c->close_why = AX_CLOSE_ANSWERED;
    ax_deadline_stop(&c->timeout);
}

/* Puts a slot behind the requests of its connection. */
static struct ax_request *begin(struct ax_conn *c)
{
    struct ax_request *r = ax_slot_get(c->worker);

    if (!r) {
        ax_conn_close(c, AX_CLOSE_NO_MEMORY);
        return NULL;
    }
    r->conn = c;
    r->head_at = c->worker->now;
    if (c->last)
        c->last->next = r;
    else
        c->first = r;
    c->last = r;
    if (!c->turn)
        c->turn = r;
    c->nrequests++;
    return r;
}

static void refuse(struct ax_request *r, const struct ax_refusal *why)
{
    struct ax_conn *c = r->conn;

    r->head.keep_alive = false;
    ax_reply_error(r, why->status, why->text, why->limit);
    stop_reading(c);
}

static const struct ax_head no_head = {.base = "", .method = AX_UNKNOWN_METHOD, .minor = 1};

void ax_intake_refused(struct ax_conn *c, const struct ax_refusal *why)
{
    struct ax_request *r = begin(c);

    if (!r)
        return;
    r->head = no_head;
    refuse(r, why);
}

void ax_intake_body_refused(struct ax_conn *c, unsigned status, const char *text, const char *limit)
{
    struct ax_request *r = c->reading;
    const struct ax_refusal why = {.status = status, .text = text, .limit = limit};

    c->reading = NULL;
    if (r && r->stream)
        ax_stream_broke_off(r);
    if (r && r->state == AX_REQ_QUEUED)
        ax_worker_unqueue(r); /* a stream */
    if (r && r->state == AX_REQ_STREAMING)
        ax_stream_cut(r, "the request's body was refused");
    if (r && r->state != AX_REQ_ANSWERED)
        refuse(r, &why);
    else
        stop_reading(c); /* it has its answer; only the connection ends */
    ax_conn_dirty(c);
}

/* ---- answers that need no JavaScript */

static void not_owned(void *owner)
{
    (void)owner; /* the site outlives every connection of its workers */
}

static void reply_fixed(struct ax_request *r, const struct ax_route *route)
{
    ax_reply(r,
             &(struct ax_reply){.status = route->status,
                                .content = route->typed || !route->body.n ? AX_CONTENT_NONE : AX_CONTENT_TEXT,
                                .body = route->body,
                                .release = route->body.n > FIXED_COPIED ? not_owned : NULL});
}

static void reply_health(struct ax_request *r, const struct ax_route *route)
{
    const struct ax_worker *w = r->worker;
    bool ready = w->phase == AX_WORKER_RUNNING && (!w->engine || ax_engine_ready(w->engine));

    if (route->health_live || ready)
        ax_reply(r, &(struct ax_reply){.status = 200,
                                       .content = AX_CONTENT_JSON,
                                       .body = route->health_live ? AX_STR("{\"status\":\"live\"}")
                                                                  : AX_STR("{\"status\":\"ready\"}")});
    else
        ax_reply_error(r, 503, "not ready", NULL);
}

static size_t add_allow(char *out, uint8_t allow)
{
    size_t n = 0;

    for (unsigned m = 0; m < AX_METHODS; m++) {
        if (!(allow & 1u << m))
            continue;
        const char *name = ax_method_name((enum ax_method)m);
        size_t len = strlen(name);
        memcpy(out + n, n ? ", " : "", n ? 2 : 0);
        n += n ? 2 : 0;
        memcpy(out + n, name, len);
        n += len;
    }
    return n;
}

/* "Allow: GET, HEAD\r\n" in the request's arena. */
static struct ax_str allow_line(struct ax_request *r, uint8_t allow)
{
    char line[96] = "Allow: ";
    size_t n = 7 + add_allow(line + 7, allow);

    memcpy(line + n, "\r\n", 2);
    char *p = ax_arena_dup(&r->arena, (struct ax_str){line, n + 2});
    return p ? (struct ax_str){p, n + 2} : (struct ax_str){0};
}

static void reply_no_method(struct ax_request *r, uint8_t allow)
{
    struct ax_str headers = allow_line(r, allow), path = ax_head_str(&r->head, r->head.path);

    if (AX_UNLIKELY(ax_site_policies(r->worker->site)) && path.n &&
        (ax_policy_preflight(r, path) || !ax_policy_unmatched(r, path)))
        return;
    if (r->head.method == AX_OPTIONS)
        ax_reply(r, &(struct ax_reply){.status = 204, .headers = headers});
    else
        ax_reply_refusal(r, 405, "Method Not Allowed", NULL, headers);
}

static void reply_no_path(struct ax_request *r, struct ax_str path)
{
    if (AX_UNLIKELY(ax_site_policies(r->worker->site)) &&
        (ax_policy_preflight(r, path) || !ax_policy_unmatched(r, path)))
        return;
    ax_reply_error(r, 404, "Not Found", NULL);
}

static void reply_slash(struct ax_request *r, struct ax_str path)
{
    struct ax_str query = ax_head_str(&r->head, r->head.query);
    struct ax_buf b = AX_BUF_INIT(65536 * 2);

    ax_buf_adds(&b, "Location: ");
    ax_buf_add(&b, path.p, path.n);
    if (r->head.has_query) {
        ax_buf_addc(&b, '?');
        ax_buf_add(&b, query.p, query.n);
    }
    ax_buf_adds(&b, "\r\n");
    char *p = b.failed ? NULL : ax_arena_dup(&r->arena, ax_buf_str(&b));
    if (p)
        ax_reply(r, &(struct ax_reply){.status = 308, .headers = {p, b.n}});
    else
        ax_reply_error(r, 500, "out of memory", NULL);
    ax_buf_fini(&b);
}

/* ---- routing */

static void take_match(struct ax_request *r, const struct ax_match *m)
{
    r->route = m->route;
    r->site_route = ax_site_route(r->worker->site, m->route);
    r->nparams = m->nparams;
    memcpy(r->params, m->params, m->nparams * sizeof m->params[0]);
}

/* The path with its last slash toggled, in the arena. */
static struct ax_str toggled(struct ax_request *r, struct ax_str path)
{
    if (path.p[path.n - 1] == '/')
        return (struct ax_str){path.p, path.n - 1};
    char *p = ax_arena_alloc(&r->arena, path.n + 1);
    if (!p)
        return (struct ax_str){0};
    memcpy(p, path.p, path.n);
    p[path.n] = '/';
    return (struct ax_str){p, path.n + 1};
}

enum routed { ROUTED, ANSWERED };

static enum routed route_other_slash(struct ax_request *r, struct ax_str path)
{
    struct ax_match m;
    struct ax_str other = r->worker->set->trailing_slash != AX_SLASH_STRICT && path.n > 1
                              ? toggled(r, path)
                              : (struct ax_str){0};

    if (!other.p || ax_router_match(r->worker->router, r->head.method, other, &m) != AX_FOUND) {
        reply_no_path(r, path);
        return ANSWERED;
    }
    take_match(r, &m);
    if (r->worker->set->trailing_slash == AX_SLASH_REDIRECT) {
        reply_slash(r, other);
        return ANSWERED;
    }
    return ROUTED;
}

/* What the cache does not know. */
static enum routed route_anew(struct ax_request *r, struct ax_str path)
{
    struct ax_worker *w = r->worker;
    struct ax_match m;

    if (AX_UNLIKELY(!ax_path_ok(path))) {
        ax_reply_error(r, 400, "malformed path", NULL);
        return ANSWERED;
    }
    switch (ax_router_match(w->router, r->head.method, path, &m)) {
    case AX_FOUND:
        take_match(r, &m);
        if (w->route_cache)
            ax_route_cache_put(w->route_cache, r->head.method, path, &m);
        return ROUTED;
    case AX_NO_METHOD:
        reply_no_method(r, m.allow);
        return ANSWERED;
    case AX_NO_PATH:
        break;
    }
    return route_other_slash(r, path);
}

static enum routed route(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_str path = ax_head_str(&r->head, r->head.path);
    struct ax_match m;

    if (AX_UNLIKELY(r->head.asterisk)) {
        reply_no_method(r, ALL_METHODS);
        return ANSWERED;
    }
    if (AX_UNLIKELY(path.n == 0)) { /* CONNECT: what follows may be meant for a tunnel */
        r->head.keep_alive = false;
        reply_no_method(r, ALL_METHODS);
        return ANSWERED;
    }
    if (!w->route_cache)
        return route_anew(r, path);
    if (ax_route_cache_get(w->route_cache, r->head.method, path, &m)) {
        ax_count_add(&w->count->cache_hits, 1);
        take_match(r, &m);
        return ROUTED;
    }
    ax_count_add(&w->count->cache_misses, 1);
    return route_anew(r, path);
}

/* ---- admission: what leaves before the body is read */

/* The connection goes on where the client waits for no word about its body. */
static bool too_many(struct ax_request *r, const char *text, const char *limit)
{
    ax_reply_error(r, 503, text, limit);
    return false;
}

static bool take_inflight(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    if (AX_LIKELY(w->inflight - w->inflight_extra < w->inflight_share))
        return true;
    r->inflight_taken = w->engine && ax_engine_take_inflight(w->engine);
    w->inflight_extra += r->inflight_taken;
    return r->inflight_taken || w->set->limit_inflight < 0;
}

/* Behind the policies: of r's own route. */
static bool admit(struct ax_request *r)
{
    if (AX_UNLIKELY(r->head.content_length > (uint64_t)r->site_route->body_max)) {
        refuse(r, &(struct ax_refusal){413, "limits.body", "Content Too Large"});
        return false;
    }
    if (AX_UNLIKELY(r->site_route->kind != AX_SITE_JS))
        return true; /* answered at once, never waits */
    if (AX_UNLIKELY(__atomic_load_n(&r->worker->blocks[r->route], __ATOMIC_RELAXED) > r->worker->now.us))
        return too_many(r, "the route keeps ending workers", "server.quarantine");
    if (AX_UNLIKELY(r->head.content_length > BODY_INLINE) && !r->site_route->stream && !ax_body_fits(r))
        return too_many(r, "no memory for the body", "limits.body_memory");
    if (AX_UNLIKELY(r->site_route->gate && !ax_admission_enter(r)))
        return too_many(r, "too many requests of this route in progress", "max_inflight");
    if (AX_UNLIKELY(!take_inflight(r))) {
        if (r->place != AX_PLACE_NONE)
            ax_admission_leave(r);
        return too_many(r, "too many requests in progress", "limits.inflight");
    }
    ax_request_admit(r);
    return true;
}

static void send_continue(struct ax_request *r)
{
    r->continue_due = true;
    ax_reply_turns(r->conn);
}

static void expect_body(struct ax_request *r, bool answered)
{
    struct ax_conn *c = r->conn;

    if (c->state == AX_CONN_FINISHING || c->state == AX_CONN_CLOSED)
        return;
    ax_body_begin(&c->body, &r->head);
    c->state = AX_CONN_BODY;
    c->body_got = 0;
    c->body_since = c->worker->now;
    c->reading = answered ? NULL : r;
    ax_deadline_start(&c->worker->conn_timeouts[AX_TO_BODY], &c->timeout, c->worker->now);
    c->timeout_kind = AX_TO_BODY;
    ax_worker_arm(c->worker, &c->worker->conn_timeouts[AX_TO_BODY]);
    if (AX_UNLIKELY(!answered && r->site_route->stream))
        ax_stream_expect(r);
    else if (!answered && r->head.expect_continue)
        send_continue(r);
}

/* Parsed where it was received, then kept as a copy: loads that follow the copy's stores would wait for them.
 */
static bool take_head(struct ax_conn *c, struct ax_request *r, const char *p, size_t n,
                      const struct ax_head_lines *lines)
{
    const struct ax_head_limits *limits = &c->worker->head_limits;
    struct ax_refusal why = {.status = 503, .text = "out of memory"};
    char *copy = ax_arena_alloc(&r->arena, n);

    if (AX_UNLIKELY(!copy)) {
        r->head = no_head;
        refuse(r, &why);
        return false;
    }
    bool ok = ax_head_parse_lines(p, n, limits, lines, &r->arena, &r->head, &why);
    r->head.base = memcpy(copy, p, n);
    if (AX_LIKELY(ok))
        return true;
    refuse(r, &why);
    return false;
}

/* A request that was routed waits for its body or for who answers it, or has its answer already. */
static void go_on(struct ax_conn *c, struct ax_request *r, bool waits, bool keep_alive)
{
    if (AX_UNLIKELY(c->state == AX_CONN_CLOSED))
        return; /* no memory for the answer: r is gone */
    bool has_body = r->head.chunked || r->head.content_length > 0;
    bool asks = has_body && r->head.expect_continue;
    if (waits)
        r->head.keep_alive = keep_alive;
    if (has_body) {
        if (waits || !asks)
            expect_body(r, !waits);
        else
            stop_reading(c);
        return;
    }
    if (waits)
        ax_intake_whole(r);
    if (AX_UNLIKELY(!keep_alive))
        ax_intake_last(c);
}

void ax_intake_head(struct ax_conn *c, const char *p, size_t n, const struct ax_head_lines *lines)
{
    struct ax_request *r = begin(c);

    if (AX_UNLIKELY(!r))
        return;
    r->bytes_in = n;
    if (AX_UNLIKELY(!take_head(c, r, p, n, lines)))
        return;
    bool has_body = r->head.chunked || r->head.content_length > 0, keep_alive = r->head.keep_alive;
    bool asks = has_body && r->head.expect_continue;
    /* refused now, the client may or may not send the body it announced: the connection cannot go on */
    r->head.keep_alive = keep_alive && !asks;
    bool waits =
        route(r) == ROUTED && (AX_LIKELY(!r->site_route->policy) || ax_policy_admit(r) == AX_POLICY_PASS);
    if (AX_UNLIKELY(c->state == AX_CONN_HELD)) {
        r->head.keep_alive = keep_alive;
        return;
    }
    waits = waits && admit(r);
    if (AX_LIKELY(waits && keep_alive && !has_body))
        ax_intake_whole(r);
    else
        go_on(c, r, waits, keep_alive);
}

void ax_intake_resume(struct ax_request *r, bool ok)
{
    struct ax_conn *c = r->conn;
    bool has_body = r->head.chunked || r->head.content_length > 0, keep_alive = r->head.keep_alive;

    c->state = AX_CONN_IDLE;
    r->head.keep_alive = keep_alive && !(has_body && r->head.expect_continue);
    if (!ok)
        ax_policy_refused(r);
    go_on(c, r, ok && admit(r), keep_alive);
    if (c->state == AX_CONN_CLOSED)
        return;
    ax_conn_resume(c);
    if (c->state != AX_CONN_CLOSED) {
        ax_conn_dirty(c); /* the flush chooses its timeout */
        ax_conn_want(c);
    }
}

/* ---- body */

static bool keep_inline(struct ax_request *r, const char *p, size_t n)
{
    if (r->body.n == 0)
        r->body.p = ax_arena_alloc(&r->arena, (size_t)r->head.content_length);
    if (!r->body.p)
        return false;
    memcpy((char *)(uintptr_t)r->body.p + r->body.n, p, n);
    r->body.n += n;
    return true;
}

bool ax_intake_body(void *conn, const char *p, size_t n)
{
    struct ax_conn *c = conn;
    struct ax_request *r = c->reading;

    c->body_got += n;
    if (!r || r->state ==
                  AX_REQ_ANSWERED) { /* drained, so that the connection can go on; within the same ceiling */
        c->reading = NULL;
        if (c->body_got <= (uint64_t)c->worker->set->limit_body)
            return true;
        stop_reading(c);
        ax_conn_dirty(c);
        return false;
    }
    if (c->body_got > (uint64_t)r->site_route->body_max) {
        ax_intake_body_refused(c, 413, "Content Too Large", "limits.body");
        return false;
    }
    bool small = !r->head.chunked && r->head.content_length <= BODY_INLINE;
    if (AX_UNLIKELY(r->stream != NULL)) {
        if (ax_stream_add(r, p, n))
            return true;
    } else if (AX_LIKELY(small ? keep_inline(r, p, n) : ax_body_add(r, p, n))) {
        return true;
    }
    ax_intake_body_refused(c, 503, "no memory for the body", "limits.body_memory");
    return false;
}

static void take_last_out(struct ax_conn *c)
{
    struct ax_request *r = c->last, *before = NULL;

    for (struct ax_request *p = c->first; p != r; p = p->next)
        before = p;
    if (before)
        before->next = NULL;
    else
        c->first = NULL;
    c->last = before;
    if (c->turn == r)
        c->turn = NULL;
    c->nrequests--;
}

void ax_intake_cut_short(struct ax_conn *c)
{
    struct ax_request *r = c->reading;

    c->reading = NULL;
    ax_deadline_stop(&c->timeout);
    if (r && r->stream)
        ax_stream_broke_off(r);
    if (r && r->state == AX_REQ_QUEUED)
        ax_worker_unqueue(r); /* a stream */
    if (!r || r->state != AX_REQ_READING)
        return; /* it has its answer, or its handler is told */
    AX_DEBUG_ASSERT(r == c->last);
    take_last_out(c);
    ax_request_orphan(r);
    ax_request_over(r);
}

/* ---- whole */

void ax_intake_whole(struct ax_request *r)
{
    const struct ax_route *route = r->site_route;

    if (AX_UNLIKELY(r->place == AX_PLACE_WAITING))
        r->place = AX_PLACE_WAITING_WHOLE;
    else if (AX_LIKELY(route->kind == AX_SITE_JS))
        ax_worker_queue(r);
    else if (route->kind == AX_SITE_FIXED)
        reply_fixed(r, route);
    else if (route->kind == AX_SITE_FILES)
        ax_static_answer(r);
    else
        reply_health(r, route);
}
