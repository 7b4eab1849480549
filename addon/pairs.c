/* Queries and forms as flat arrays: one native call gives all of them. */
#include "base/alloc.h"
#include "bridge.h"
#include "http/multipart.h"
#include "http/urlencoded.h"

/* Appends to an array and remembers its length. */
struct list {
    napi_env env;
    napi_value array;
    uint32_t n;
};

static bool push(struct list *l, napi_value v)
{
    return v && napi_set_element(l->env, l->array, l->n++, v) == napi_ok;
}

static bool push_utf8(struct list *l, struct ax_str s)
{
    napi_value v;

    return napi_create_string_utf8(l->env, s.p ? s.p : "", s.n, &v) == napi_ok && push(l, v);
}

static bool push_number(struct list *l, size_t n)
{
    napi_value v;

    return napi_create_double(l->env, (double)n, &v) == napi_ok && push(l, v);
}

static bool push_text_or_null(struct list *l, struct ax_str s)
{
    napi_value v;

    return s.p ? push_utf8(l, s) : napi_get_null(l->env, &v) == napi_ok && push(l, v);
}

/* Invalid UTF-8 becomes U+FFFD where V8 makes the string. */
static bool push_decoded(struct list *l, struct ax_str s, char *room)
{
    return push_utf8(l, (struct ax_str){room, ax_urlencoded_decode(s, room)});
}

static napi_value pairs(napi_env env, struct ax_str text)
{
    struct list l = {.env = env};
    struct ax_urlencoded it = {text};
    struct ax_str name, value;
    char stack[1024], *room = text.n > sizeof stack ? ax_malloc(text.n) : stack;

    if (!room) {
        napi_throw_error(env, "ERR_NOMEM", "out of memory");
        return NULL;
    }
    AX_NAPI_TRY(napi_create_array(env, &l.array));
    while (ax_urlencoded_next(&it, &name, &value))
        if (!push_decoded(&l, name, room) || !push_decoded(&l, value, room))
            goto fail;
    if (room != stack)
        ax_free(room);
    return l.array;
fail:
    if (room != stack)
        ax_free(room);
    return NULL;
}

napi_value ax_on_queryPairs(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return pairs(env, c->r->head.has_query ? ax_head_str(&c->r->head, c->r->head.query) : AX_STR(""));
}

/* The media type without its parameters (RFC 9110, 8.3.1). */
static bool is_urlencoded(const struct ax_head *h)
{
    struct ax_str v = ax_head_field(h, AX_STR("content-type"));
    const char *semicolon = v.n ? memchr(v.p, ';', v.n) : NULL;

    if (semicolon)
        v.n = (size_t)(semicolon - v.p);
    return ax_str_eq_nocase(ax_str_trim(v), AX_STR("application/x-www-form-urlencoded"));
}

napi_value ax_on_formPairs(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return pairs(env, is_urlencoded(&c->r->head) ? c->r->body : AX_STR(""));
}

static bool push_part(struct list *l, const struct ax_part *part, const char *body)
{
    size_t start = (size_t)(part->data.p - body);

    return push_utf8(l, part->name) && push_text_or_null(l, part->filename) &&
           push_text_or_null(l, part->content_type) && push_number(l, start) &&
           push_number(l, start + part->data.n);
}

/* formBoundary(contentType): the boundary, or null. */
napi_value ax_js_formBoundary(napi_env env, napi_callback_info info)
{
    size_t argc = 1, n;
    napi_value arg, ret = NULL;
    char type[1024];
    struct ax_str boundary;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &arg, NULL, NULL));
    AX_NAPI_TRY(napi_get_value_string_latin1(env, arg, type, sizeof type, &n));
    if (n < sizeof type - 1 && ax_multipart_boundary((struct ax_str){type, n}, &boundary))
        AX_NAPI_TRY(napi_create_string_latin1(env, boundary.p, boundary.n, &ret));
    else
        AX_NAPI_TRY(napi_get_null(env, &ret));
    return ret;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a Content-Type must be a string");
    return NULL;
}

/* partHead(bytes): [name, filename | null, contentType | null], or false. */
napi_value ax_js_partHead(napi_env env, napi_callback_info info)
{
    size_t argc = 1, n;
    napi_value arg, ret = NULL;
    napi_typedarray_type type;
    void *data;
    struct ax_part part;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &arg, NULL, NULL));
    AX_NAPI_TRY(napi_get_typedarray_info(env, arg, &type, &n, &data, NULL, NULL));
    if (type != napi_uint8_array)
        goto fail;
    if (!ax_multipart_head((struct ax_str){data, n}, &part)) {
        AX_NAPI_TRY(napi_get_boolean(env, false, &ret));
        return ret;
    }
    struct list l = {.env = env};
    AX_NAPI_TRY(napi_create_array(env, &l.array));
    if (push_utf8(&l, part.name) && push_text_or_null(&l, part.filename) &&
        push_text_or_null(&l, part.content_type))
        return l.array;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the head of a part must be a Uint8Array");
    return NULL;
}

napi_value ax_on_multipart(struct ax_call *c)
{
    napi_env env = c->b->env;
    struct ax_str boundary;
    struct ax_multipart m;
    struct ax_part part;
    napi_value ret;
    int got;

    if (!c->r)
        return NULL;
    struct ax_str body = c->r->body.p ? c->r->body : AX_STR("");
    if (!ax_multipart_boundary(ax_head_field(&c->r->head, AX_STR("content-type")), &boundary))
        return napi_get_null(env, &ret) == napi_ok ? ret : NULL;
    struct list l = {.env = env};
    AX_NAPI_TRY(napi_create_array(env, &l.array));
    ax_multipart_init(&m, body, boundary);
    while ((got = ax_multipart_next(&m, &part)) == AX_PART)
        if (!push_part(&l, &part, body.p))
            goto fail;
    if (got == AX_PARTS_END)
        return l.array;
    AX_NAPI_TRY(napi_get_boolean(env, false, &ret));
    return ret;
fail:
    return NULL;
}
