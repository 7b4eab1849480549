/* Reading a request: each getter makes its JavaScript value only when it is asked for.  Heads are latin1, as
 * Node has them; decoded parameters and bodies are UTF-8.  A stale handle gives undefined (a NULL
 * napi_value). */
#include "base/alloc.h"
#include "bridge.h"
#include "http/method.h"
#include "http/path.h"

static napi_value latin1(napi_env env, struct ax_str s)
{
    napi_value ret;

    return napi_create_string_latin1(env, s.p ? s.p : "", s.n, &ret) == napi_ok ? ret : NULL;
}

static napi_value utf8(napi_env env, struct ax_str s)
{
    napi_value ret;

    return napi_create_string_utf8(env, s.p ? s.p : "", s.n, &ret) == napi_ok ? ret : NULL;
}

/* ---- head */

/* A small number names the method: JavaScript has the strings, made once (methodNames). */
napi_value ax_on_method(struct ax_call *c)
{
    napi_env env = c->b->env;
    napi_value ret;

    if (!c->r)
        return NULL;
    if (AX_LIKELY(AX_INTERN && c->r->head.method < AX_METHODS))
        return napi_create_uint32(env, c->r->head.method, &ret) == napi_ok ? ret : NULL;
    return latin1(env, ax_head_str(&c->r->head, c->r->head.method_name));
}

napi_value ax_js_methodNames(napi_env env, napi_callback_info info)
{
    napi_value list, v;

    (void)info;
    AX_NAPI_TRY(napi_create_array_with_length(env, AX_METHODS, &list));
    for (uint32_t i = 0; i < AX_METHODS; i++) {
        AX_NAPI_TRY(napi_create_string_latin1(env, ax_method_name((enum ax_method)i), NAPI_AUTO_LENGTH, &v));
        AX_NAPI_TRY(napi_set_element(env, list, i, v));
    }
    return list;
fail:
    return NULL;
}

/* The pattern of its route, where that is what was sent (most are), is a string that JavaScript has: 1. */
static napi_value path_or_pattern(napi_env env, const struct ax_request *r, struct ax_str s)
{
    napi_value ret;

    if (AX_INTERN && r->nparams == 0 && r->site_route && ax_str_eq(s, r->site_route->pattern))
        return napi_create_uint32(env, 1, &ret) == napi_ok ? ret : NULL;
    return latin1(env, s);
}

napi_value ax_on_path(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return path_or_pattern(env, c->r, ax_head_str(&c->r->head, c->r->head.path));
}

napi_value ax_on_uri(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return path_or_pattern(env, c->r, ax_head_str(&c->r->head, c->r->head.target));
}

napi_value ax_on_query(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return latin1(env, c->r->head.has_query ? ax_head_str(&c->r->head, c->r->head.query) : AX_STR(""));
}

/* ---- parameters of the route */

/* Decoded; the stack is enough for all but unusual ones. */
static napi_value param(napi_env env, struct ax_str s)
{
    char stack[512], *own = NULL, *p = stack;

    if (ax_path_plain(s))
        return utf8(env, s);
    if (s.n > sizeof stack) {
        p = own = ax_malloc(s.n);
        if (!p) {
            napi_throw_error(env, "ERR_NOMEM", "out of memory");
            return NULL;
        }
    }
    napi_value ret = utf8(env, (struct ax_str){p, ax_path_decode(s, p)});
    ax_free(own);
    return ret;
}

napi_value ax_on_params(struct ax_call *c)
{
    napi_env env = c->b->env;
    napi_value list;

    if (!c->r)
        return NULL;
    AX_NAPI_TRY(napi_create_array_with_length(env, c->r->nparams, &list));
    for (unsigned i = 0; i < c->r->nparams; i++) {
        napi_value v = param(env, c->r->params[i]);
        if (!v)
            goto fail;
        AX_NAPI_TRY(napi_set_element(env, list, i, v));
    }
    return list;
fail:
    return NULL;
}

/* One of them, by its place in the pattern: a third of what the array costs. */
napi_value ax_on_param(struct ax_call *c)
{
    napi_env env = c->b->env;
    uint32_t i;

    if (!c->r)
        return NULL;
    if (napi_get_value_uint32(env, c->argv[2], &i) != napi_ok || i >= c->r->nparams) {
        napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "the route has no such parameter");
        return NULL;
    }
    return param(env, c->r->params[i]);
}

napi_value ax_js_paramNames(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg, list, v;
    void *data;
    uint32_t id;
    struct ax_str names[AX_ROUTE_PARAMS_MAX];

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &arg, NULL, &data));
    struct ax_bridge *b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    AX_NAPI_TRY(napi_get_value_uint32(env, arg, &id));
    if (b->life != AX_BRIDGE_RUNNING || id < 1 || id > ax_site_routes(b->site))
        goto fail;
    unsigned n = ax_router_params(ax_site_router(b->site), id, names);
    AX_NAPI_TRY(napi_create_array_with_length(env, n, &list));
    for (unsigned i = 0; i < n; i++) {
        AX_NAPI_TRY(napi_create_string_utf8(env, names[i].p, names[i].n, &v));
        AX_NAPI_TRY(napi_set_element(env, list, i, v));
    }
    return list;
fail:
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "no such route in this worker");
    return NULL;
}

/* ---- body */

napi_value ax_on_bodySize(struct ax_call *c)
{
    napi_env env = c->b->env;
    napi_value ret;

    if (!c->r)
        return NULL;
    return napi_create_double(env, (double)c->r->body.n, &ret) == napi_ok ? ret : NULL;
}

napi_value ax_on_bodyString(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return utf8(env, c->r->body);
}

napi_value ax_on_bodyBuffer(struct ax_call *c)
{
    napi_env env = c->b->env;
    napi_value ret;

    if (!c->r)
        return NULL;
    return napi_create_buffer_copy(env, c->r->body.n, c->r->body.p ? c->r->body.p : "", NULL, &ret) == napi_ok
               ? ret
               : NULL;
}

/* ---- who asks */

napi_value ax_on_requestId(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return latin1(env, ax_str(ax_request_id(c->r)));
}

napi_value ax_on_remoteAddress(struct ax_call *c)
{
    napi_env env = c->b->env;

    if (!c->r)
        return NULL;
    return latin1(env, ax_str(ax_request_remote(c->r)));
}

napi_value ax_on_host(struct ax_call *c)
{
    if (!c->r)
        return NULL;
    return latin1(c->b->env, ax_request_host(c->r));
}

napi_value ax_on_https(struct ax_call *c)
{
    napi_value ret;

    if (!c->r)
        return NULL;
    return napi_get_boolean(c->b->env, ax_request_https(c->r), &ret) == napi_ok ? ret : NULL;
}

napi_value ax_on_policyLines(struct ax_call *c)
{
    return c->r ? latin1(c->b->env, ax_request_policy_lines(c->r)) : NULL;
}

napi_value ax_on_socketEnds(struct ax_call *c)
{
    napi_env env = c->b->env;
    struct ax_request_ends ends;
    napi_value list, v[3];

    if (!c->r || !ax_request_ends_of(c->r, &ends))
        return NULL;
    AX_NAPI_TRY(napi_create_array_with_length(env, AX_COUNT(v), &list));
    AX_NAPI_TRY(napi_create_uint32(env, ends.remote_port, &v[0]));
    AX_NAPI_TRY(napi_create_string_latin1(env, ends.local, NAPI_AUTO_LENGTH, &v[1]));
    AX_NAPI_TRY(napi_create_uint32(env, ends.local_port, &v[2]));
    for (uint32_t i = 0; i < AX_COUNT(v); i++)
        AX_NAPI_TRY(napi_set_element(env, list, i, v[i]));
    return list;
fail:
    return NULL;
}
