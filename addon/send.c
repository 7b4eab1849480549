/* Answering: one native call per response.  A string goes from V8 straight into the connection's output;
 * nothing is allocated for what fits there.  Thread: the environment's own. */
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "bridge.h"
#include "metrics/segment.h"

enum {
    DIRECT_UNITS =
        4096, /* strings of up to as many UTF-16 units are given three bytes a unit without being measured */
};

static napi_value boolean(napi_env env, bool v)
{
    napi_value ret;

    return napi_get_boolean(env, v, &ret) == napi_ok ? ret : NULL;
}

/* The core has taken the time of the answer; a batch that has used up its slice ends after this request, and
 * one that has filled a connection's output.  r may be read: a slot outlives its answer until control returns
 * to the loop. */
static inline void check_slice(struct ax_bridge *b, const struct ax_request *r)
{
    if (b->batch_n && (r->reply_at.us >= b->slice_end.us || ax_request_backed_up(r)))
        b->batch->words[AX_BATCH_OVER] = 1;
}

/* An answer that found no memory has closed its connection, and is taken too. */
static napi_value taken(struct ax_call *c, int rc)
{
    if (AX_LIKELY(rc == 0))
        check_slice(c->b, c->r);
    else if (rc == -AX_E_STATE)
        ax_send_late(c->b);
    return boolean(c->b->env, rc != -AX_E_STATE);
}

/* ---- strings */

static int send_own_copy(struct ax_call *c, struct ax_reply *reply, napi_value v, size_t bytes)
{
    char *p = ax_malloc(bytes + 1);

    if (!p || napi_get_value_string_utf8(c->b->env, v, p, bytes + 1, &bytes) != napi_ok) {
        ax_free(p);
        return ax_reply_error(c->r, 500, "out of memory", NULL);
    }
    reply->body = (struct ax_str){p, bytes};
    reply->release = ax_free;
    reply->owner = p;
    return ax_reply(c->r, reply);
}

/* -AX_E_TYPE when v is no string; nothing was sent then. */
static int send_string(struct ax_call *c, struct ax_reply *reply, napi_value v, size_t units)
{
    napi_env env = c->b->env;
    size_t bytes = 3 * units, room, n; /* a UTF-16 unit is at most three bytes of UTF-8 */

    if (AX_UNLIKELY(units > DIRECT_UNITS) && napi_get_value_string_utf8(env, v, NULL, 0, &bytes) != napi_ok)
        return -AX_E_TYPE;
    reply->body.n = units;                                   /* most text is ASCII */
    char *p = ax_reply_begin(c->r, reply, bytes + 1, &room); /* + 1: Node-API writes a NUL behind */
    if (AX_LIKELY(p))
        return napi_get_value_string_utf8(env, v, p, bytes + 1, &n) == napi_ok ? ax_reply_end(c->r, n)
                                                                               : -AX_E_TYPE;
    if (napi_get_value_string_utf8(env, v, NULL, 0, &bytes) != napi_ok)
        return -AX_E_TYPE;
    return send_own_copy(c, reply, v, bytes);
}

/* What the last of sendString's words is made of. */
enum { STATUS_BITS = 10, CONTENT_BITS = 3, UNITS_MAX = (1 << 17) - 1 };

static bool unpack(uint32_t word, struct ax_reply *reply, size_t *ret_units)
{
    unsigned content = word >> STATUS_BITS & ((1u << CONTENT_BITS) - 1);

    reply->status = word & ((1u << STATUS_BITS) - 1);
    reply->content = (enum ax_content)content;
    *ret_units = word >> (STATUS_BITS + CONTENT_BITS);
    return reply->status >= 200 && reply->status <= 999 && content <= AX_CONTENT_HTML;
}

/* The length is the caller's word: one that is too small cuts the body, none makes anything be written beyond
 * the room.  From UNITS_MAX on it is measured here. */
static int send_units(struct ax_call *c, struct ax_reply *reply, size_t units)
{
    napi_value v = c->argv[0];

    if (AX_UNLIKELY(units >= UNITS_MAX) &&
        napi_get_value_string_latin1(c->b->env, v, NULL, 0, &units) != napi_ok)
        return -AX_E_TYPE;
    return send_string(c, reply, v, units);
}

/* -AX_E_TYPE: the words or the body are wrong; nothing was sent then. */
static int send_words(struct ax_call *c, const int32_t *words)
{
    struct ax_reply reply = {0};
    size_t units;

    if (AX_UNLIKELY(!unpack((uint32_t)words[2], &reply, &units)))
        return -AX_E_TYPE;
    c->r = ax_request_get(c->b->worker, (uint32_t)words[0], (uint32_t)words[1]);
    if (AX_UNLIKELY(!c->r)) {
        ax_send_late(c->b);
        return 0;
    }
    int rc = send_units(c, &reply, units);
    if (AX_LIKELY(rc == 0))
        check_slice(c->b, c->r);
    else if (rc == -AX_E_STATE)
        ax_send_late(c->b);
    return rc;
}

/* Slot, gen and the rest come in the batch's words: three numbers less to take out of JavaScript values. */
napi_value ax_js_sendString(napi_env env, napi_callback_info info)
{
    struct ax_call c = {.argc = 1};
    void *data;
    int rc = -AX_E_TYPE;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &c.argc, c.argv, NULL, &data));
    c.b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    if (AX_UNLIKELY(!ax_bridge_enter(c.b)))
        return NULL; /* the worker is closed, or was taken over */
    rc = send_words(&c, c.b->batch->words + AX_BATCH_SEND);
    ax_worker_leave(c.b->worker);
fail:
    if (AX_UNLIKELY(rc == -AX_E_TYPE))
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                              "sendString wants a string, and in the batch's words slot, gen and length, "
                              "content kind and status");
    return NULL;
}

/* ---- bytes */

struct pin { /* keeps the array of a body alive until its bytes are out */
    uint32_t magic;
    napi_env env;
    napi_ref ref;
};
enum { PIN_MAGIC = 0x4158504e };

static void unpin(void *owner)
{
    struct pin *p = AX_CAST(struct pin, owner, PIN_MAGIC);

    ax_unref(p->env, &p->ref);
    p->magic = 0;
    ax_free(p);
}

/* A handler may transfer the array's buffer to another thread, which then frees it as it likes.  It does so
 * on this thread, so what is here before a write is here during it. */
static bool still_there(void *owner)
{
    struct pin *p = AX_CAST(struct pin, owner, PIN_MAGIC);
    napi_handle_scope scope;
    napi_value v, buffer;
    bool detached = true;

    if (napi_open_handle_scope(p->env, &scope) != napi_ok)
        return false;
    if (napi_get_reference_value(p->env, p->ref, &v) != napi_ok ||
        napi_get_typedarray_info(p->env, v, NULL, NULL, NULL, &buffer, NULL) != napi_ok ||
        napi_is_detached_arraybuffer(p->env, buffer, &detached) != napi_ok)
        detached = true;
    napi_close_handle_scope(p->env, scope);
    return !detached;
}

static struct pin *pin(napi_env env, napi_value v)
{
    struct pin *p = ax_malloc(sizeof *p);

    if (!p)
        return NULL;
    *p = (struct pin){.magic = PIN_MAGIC, .env = env};
    if (napi_create_reference(env, v, 1, &p->ref) == napi_ok)
        return p;
    ax_free(p);
    return NULL;
}

int ax_bytes_of(napi_env env, napi_value v, struct ax_reply *ret)
{
    napi_typedarray_type type;
    size_t n;
    void *data;

    if (napi_get_typedarray_info(env, v, &type, &n, &data, NULL, NULL) != napi_ok ||
        (type != napi_uint8_array && type != napi_uint8_clamped_array))
        return -AX_E_TYPE;
    ret->body = (struct ax_str){data, n};
    if (n > AX_PIN_BYTES) {
        ret->owner = pin(env, v);
        ret->lent = ret->owner ? still_there : NULL;
        if (ret->owner)
            ret->release = unpin; /* without memory for a pin it is copied, or the connection closed */
    }
    return 0;
}

static int send_bytes(struct ax_call *c, struct ax_reply *reply, napi_value v)
{
    int rc = ax_bytes_of(c->b->env, v, reply);

    return rc < 0 ? rc : ax_reply(c->r, reply);
}

/* ---- send */

/* Text or bytes or nothing; -AX_E_TYPE for anything else. */
static int send_body(struct ax_call *c, struct ax_reply *reply)
{
    napi_value v = c->argv[4];
    size_t units;
    napi_valuetype t;

    if (c->argc > 4) {
        if (AX_LIKELY(napi_get_value_string_latin1(c->b->env, v, NULL, 0, &units) == napi_ok))
            return send_string(c, reply, v, units);
        if (napi_typeof(c->b->env, v, &t) != napi_ok)
            return -AX_E_TYPE;
        if (t != napi_undefined && t != napi_null)
            return send_bytes(c, reply, v);
    }
    return ax_reply(c->r, reply);
}

int ax_headers_of(napi_env env, napi_value v, char stack[AX_HEADERS_STACK], struct ax_str *ret,
                  char **ret_own)
{
    size_t n;
    char *p = stack;

    if (napi_get_value_string_latin1(env, v, NULL, 0, &n) != napi_ok) {
        napi_valuetype t;
        return napi_typeof(env, v, &t) == napi_ok && t == napi_undefined ? 0 : -AX_E_TYPE;
    }
    if (n >= AX_HEADERS_STACK) {
        p = *ret_own = ax_malloc(n + 1);
        if (!p)
            return -AX_E_NOMEM;
    }
    napi_get_value_string_latin1(env, v, p, n + 1, &n);
    *ret = (struct ax_str){p, n};
    return 0;
}

static int answer(struct ax_call *c, uint32_t status, uint32_t content)
{
    struct ax_reply reply = {.status = status, .content = (enum ax_content)content};
    char stack[AX_HEADERS_STACK], *own = NULL;
    int rc = 0;

    if (AX_UNLIKELY(c->argc > 5))
        rc = ax_headers_of(c->b->env, c->argv[5], stack, &reply.headers, &own);
    if (AX_LIKELY(rc == 0))
        rc = send_body(c, &reply);
    else if (rc == -AX_E_NOMEM)
        rc = ax_reply_error(c->r, 500, "out of memory", NULL);
    ax_free(own);
    return rc;
}

napi_value ax_on_send(struct ax_call *c)
{
    napi_env env = c->b->env;
    uint32_t status, content;

    AX_NAPI_TRY(napi_get_value_uint32(env, c->argv[2], &status));
    AX_NAPI_TRY(napi_get_value_uint32(env, c->argv[3], &content));
    if (AX_UNLIKELY(status < 200 || status > 999 || content > AX_CONTENT_HTML))
        goto fail;
    if (AX_UNLIKELY(!c->r)) {
        ax_send_late(c->b);
        return boolean(env, false);
    }
    int rc = answer(c, status, content);
    if (AX_UNLIKELY(rc == -AX_E_TYPE))
        goto fail;
    return taken(c, rc);
fail:
    napi_throw_type_error(
        env, "ERR_INVALID_ARG_TYPE",
        "send wants slot, gen, a status from 200 to 999, a content kind from 0 to 4, a string or "
        "Uint8Array or nothing, and header lines or nothing");
    return NULL;
}

/* ---- the server's own answers */

enum { MESSAGE_MAX = 32768 }; /* bytes of an error's message that a client gets; cut beyond */

/* Copies a short text, cut at `bytes`; false when v is no string. */
static bool short_text(napi_env env, napi_value v, char *out, size_t bytes)
{
    size_t n;

    return napi_get_value_string_utf8(env, v, out, bytes, &n) == napi_ok;
}

/* What really happened, for the request's record: the client of a 5xx is told less. */
static void keep_cause(struct ax_call *c)
{
    char text[AX_RECORD_ERROR + 1];

    if (c->argc < 6 || c->r->state >= AX_REQ_STREAMING ||
        !short_text(c->b->env, c->argv[5], text, sizeof text))
        return;
    struct ax_str s = ax_str(text);
    char *copy = ax_arena_alloc(&c->r->arena, s.n + 1);
    if (copy)
        c->r->error = memcpy(copy, text, s.n + 1);
}

napi_value ax_on_fail(struct ax_call *c)
{
    napi_env env = c->b->env;
    uint32_t status;
    size_t n;
    char stack[1024], limit[64], *own = NULL, *text = stack;

    AX_NAPI_TRY(napi_get_value_uint32(env, c->argv[2], &status));
    AX_NAPI_TRY(napi_get_value_string_utf8(env, c->argv[3], NULL, 0, &n));
    if (status < 400 || status > 599)
        goto fail;
    bool limited = c->argc > 4 && short_text(env, c->argv[4], limit, sizeof limit);
    if (!c->r) {
        ax_send_late(c->b);
        return boolean(env, false);
    }
    keep_cause(c);
    size_t room = n < MESSAGE_MAX ? n + 1 : MESSAGE_MAX;
    if (room > sizeof stack && (own = ax_malloc(room)) != NULL)
        text = own; /* without memory the message is cut earlier */
    short_text(env, c->argv[3], text, own ? room : sizeof stack);
    int rc = ax_reply_thrown(c->r, status, text, limited ? limit : NULL);
    ax_free(own);
    return taken(c, rc);
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          "fail wants slot, gen, a status from 400 to 599, a message, the name of a limit or "
                          "nothing, and what happened or nothing");
    return NULL;
}

napi_value ax_js_lateError(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b = ax_bridge_of(env, info);

    if (b && ax_bridge_enter(b)) {
        ax_count_add(&ax_worker_counters(b->worker)->late_errors, 1);
        ax_worker_leave(b->worker);
    }
    return NULL;
}

napi_value ax_js_tick(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b = ax_bridge_of(env, info);

    if (b && b->batch_n && ax_bridge_enter(b)) {
        if (ax_worker_slice_over(b->worker))
            b->batch->words[AX_BATCH_OVER] = 1;
        ax_worker_leave(b->worker);
    }
    return NULL;
}

napi_value ax_on_watch(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (c->r)
        c->r->watched = true;
    return boolean(env, c->r && !ax_request_client_gone(c->r));
}

napi_value ax_on_alive(struct ax_call *c)
{
    napi_env env = c->b->env;

    return boolean(env, c->r && c->r->state == AX_REQ_ENTERED);
}
