/* Bodies in pieces, as JavaScript writes and reads them.  Thread: the environment's own. */
#include "net/stream.h"
#include "base/alloc.h"
#include "bridge.h"

static napi_value boolean(napi_env env, bool v)
{
    napi_value ret;

    return napi_get_boolean(env, v, &ret) == napi_ok ? ret : NULL;
}

/* A batch ends when its slice is used up, and where bytes wait that only this thread may read. */
static void check_slice(struct ax_bridge *b, bool lent)
{
    if (b->batch_n && (lent || ax_worker_now(b->worker).us >= b->slice_end.us))
        b->batch->words[AX_BATCH_OVER] = 1;
}

/* ---- beginning */

/* As of send: false = late. */
static napi_value opened(struct ax_call *c, int rc)
{
    if (rc == -AX_E_STATE)
        ax_send_late(c->b);
    else if (rc == 0)
        check_slice(c->b, false);
    return boolean(c->b->env, rc != -AX_E_STATE);
}

static int open_with_headers(struct ax_call *c, struct ax_reply *head, int64_t length)
{
    char stack[AX_HEADERS_STACK], *own = NULL;
    int rc = ax_headers_of(c->b->env, c->argv[4], stack, &head->headers, &own);

    if (rc == -AX_E_NOMEM)
        rc = ax_reply_error(c->r, 500, "out of memory", NULL);
    else if (rc == 0)
        rc = ax_stream_open(c->r, head, length);
    ax_free(own);
    return rc;
}

napi_value ax_on_streamOpen(struct ax_call *c)
{
    napi_env env = c->b->env;
    uint32_t status, content;
    int64_t length;

    AX_NAPI_TRY(napi_get_value_uint32(env, c->argv[2], &status));
    AX_NAPI_TRY(napi_get_value_uint32(env, c->argv[3], &content));
    AX_NAPI_TRY(napi_get_value_int64(env, c->argv[5], &length));
    if (status < 200 || status > 999 || content > AX_CONTENT_HTML || length < -1)
        goto fail;
    if (!c->r) {
        ax_send_late(c->b);
        return boolean(env, false);
    }
    struct ax_reply head = {.status = status, .content = (enum ax_content)content};
    int rc = open_with_headers(c, &head, length);
    if (rc != -AX_E_TYPE)
        return opened(c, rc);
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          "streamOpen wants slot, gen, a status from 200 to 999, a content kind from 0 to 4, "
                          "header lines or undefined, and a length or -1");
    return NULL;
}

napi_value ax_on_streamOpenRaw(struct ax_call *c)
{
    napi_env env = c->b->env;
    uint32_t status;
    bool close;
    int64_t length;

    AX_NAPI_TRY(napi_get_value_uint32(env, c->argv[2], &status));
    AX_NAPI_TRY(napi_get_value_bool(env, c->argv[3], &close));
    AX_NAPI_TRY(napi_get_value_int64(env, c->argv[4], &length));
    if (status < 200 || status > 999 || length < -1)
        goto fail;
    if (!c->r) {
        ax_send_late(c->b);
        return boolean(env, false);
    }
    return opened(c, ax_stream_open_raw(c->r, status, close, length));
fail:
    napi_throw_type_error(
        env, "ERR_INVALID_ARG_TYPE",
        "streamOpenRaw wants slot, gen, a status from 200 to 999, a boolean, and a length or -1");
    return NULL;
}

/* ---- writing */

/* Measured, then written in place; Node-API writes a NUL behind, for which the framing has room. */
static enum ax_took write_string(struct ax_call *c, size_t n,
                                 napi_status (*get)(napi_env, napi_value, char *, size_t, size_t *))
{
    enum ax_took ret;
    size_t written = 0;
    char *p = ax_stream_begin(c->r, n, &ret);

    if (!p)
        return ret;
    if (get(c->b->env, c->argv[2], p, n + 1, &written) == napi_ok && written == n)
        return ax_stream_commit(c->r, n);
    ax_stream_abort(c->r); /* it is not the string that was measured */
    return AX_TOOK_NONE;
}

/* -AX_E_TYPE: neither a string nor bytes. */
static int write_data(struct ax_call *c, enum ax_took *ret)
{
    napi_env env = c->b->env;
    struct ax_reply piece = {0};
    bool latin1 = false;
    size_t n;

    if (c->argc > 3)
        (void)napi_get_value_bool(env, c->argv[3], &latin1); /* undefined is false */
    napi_status (*get)(napi_env, napi_value, char *, size_t, size_t *) =
        latin1 ? napi_get_value_string_latin1 : napi_get_value_string_utf8;
    if (get(env, c->argv[2], NULL, 0, &n) == napi_ok) {
        *ret = c->r ? write_string(c, n, get) : AX_TOOK_NONE;
        check_slice(c->b, false);
        return 0;
    }
    if (!c->r) {
        *ret = AX_TOOK_NONE;
        return 0;
    }
    int rc = ax_bytes_of(env, c->argv[2], &piece);
    if (rc < 0)
        return rc;
    *ret = piece.release ? ax_stream_lend(c->r, &piece) : ax_stream_write(c->r, piece.body.p, piece.body.n);
    check_slice(c->b, piece.release != NULL);
    return 0;
}

napi_value ax_on_streamWrite(struct ax_call *c)
{
    napi_env env = c->b->env;
    enum ax_took took;
    napi_value ret;

    if (write_data(c, &took) < 0) {
        napi_throw_type_error(
            env, "ERR_INVALID_ARG_TYPE",
            "streamWrite wants slot, gen, a string or Uint8Array, and a boolean or nothing");
        return NULL;
    }
    if (took == AX_TOOK_TOO_MUCH) {
        napi_throw_range_error(env, "ERR_CONTENT_LENGTH",
                               "the body is longer than the length that was declared for it");
        return NULL;
    }
    return napi_create_int32(env, took, &ret) == napi_ok ? ret : NULL;
}

/* ---- end */

napi_value ax_on_streamEnd(struct ax_call *c)
{
    return boolean(c->b->env, c->r && ax_stream_end(c->r));
}

napi_value ax_on_streamAbort(struct ax_call *c)
{
    if (c->r)
        ax_stream_abort(c->r);
    return NULL;
}

/* ---- reading */

napi_value ax_on_bodyRead(struct ax_call *c)
{
    napi_env env = c->b->env;
    struct ax_str piece;
    napi_value ret = NULL;

    switch (c->r ? ax_stream_read(c->r, &piece) : AX_READ_BROKEN) {
    case AX_READ_BROKEN:
        return boolean(env, false);
    case AX_READ_NOTHING:
        return napi_get_null(env, &ret) == napi_ok ? ret : NULL;
    case AX_READ_END:
        return NULL;
    case AX_READ_DATA:
        break;
    }
    if (napi_create_buffer_copy(env, piece.n, piece.p, NULL, &ret) == napi_ok)
        ax_stream_have_read(c->r);
    else
        napi_throw_error(env, "ERR_NOMEM", "out of memory");
    return ret;
}
