#include "options.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "bridge.h"
#include "http/method.h"

static const char *const type_names[] = {
    [napi_undefined] = "undefined", [napi_null] = "null",           [napi_boolean] = "a boolean",
    [napi_number] = "a number",     [napi_string] = "a string",     [napi_symbol] = "a symbol",
    [napi_object] = "an object",    [napi_function] = "a function", [napi_external] = "an external",
    [napi_bigint] = "a bigint",
};

void ax_read_bad(struct ax_reader *o, const char *name, const char *must)
{
    char msg[256], at[16] = "";

    if (o->failed)
        return;
    o->failed = true;
    if (o->index >= 0)
        snprintf(at, sizeof at, "[%d]", o->index);
    snprintf(msg, sizeof msg, "%s%s%s%s must be %s", o->where, at, *o->where && *name ? "." : "", name, must);
    napi_throw_type_error(o->env, "ERR_INVALID_ARG_TYPE", msg);
}

struct ax_reader ax_reader_over(napi_env env, napi_value v, const char *where, int index)
{
    struct ax_reader o = {.env = env, .obj = v, .where = where, .index = index};
    napi_valuetype t;

    if (!v || napi_typeof(env, v, &t) != napi_ok || t != napi_object)
        ax_read_bad(&o, *where ? "" : "options", type_names[napi_object]);
    return o;
}

napi_value ax_read(struct ax_reader *o, const char *name, napi_valuetype type, bool optional)
{
    napi_value v;
    napi_valuetype t;

    if (o->failed)
        return NULL;
    if (napi_get_named_property(o->env, o->obj, name, &v) != napi_ok ||
        napi_typeof(o->env, v, &t) != napi_ok) {
        o->failed = true; /* a getter threw: its exception is the one pending */
        return NULL;
    }
    if (t == type)
        return v;
    if (!optional || t != napi_undefined)
        ax_read_bad(o, name, type_names[type]);
    return NULL;
}

static bool whole_number(napi_env env, napi_value v, int64_t min, int64_t max, int64_t *ret)
{
    double d;

    if (napi_get_value_double(env, v, &d) != napi_ok || d != trunc(d) || d < (double)min || d > (double)max)
        return false;
    return napi_get_value_int64(env, v, ret) == napi_ok;
}

static int64_t read_int(struct ax_reader *o, const char *name, bool optional, int64_t missing, int64_t min,
                        int64_t max)
{
    napi_value v = ax_read(o, name, napi_number, optional);
    int64_t i = missing;

    if (v && !whole_number(o->env, v, min, max, &i)) {
        char must[80];
        snprintf(must, sizeof must, "a whole number from %lld to %lld", (long long)min, (long long)max);
        ax_read_bad(o, name, must);
    }
    return i;
}

int64_t ax_read_int(struct ax_reader *o, const char *name, int64_t min, int64_t max)
{
    return read_int(o, name, false, 0, min, max);
}

int64_t ax_read_int_or(struct ax_reader *o, const char *name, int64_t missing, int64_t min, int64_t max)
{
    return read_int(o, name, true, missing, min, max);
}

struct ax_str ax_js_str(napi_env env, napi_value v, struct ax_arena *a)
{
    size_t n;
    char *p;

    AX_NAPI_TRY(napi_get_value_string_utf8(env, v, NULL, 0, &n));
    p = ax_arena_alloc(a, n + 1);
    if (!p)
        goto fail;
    AX_NAPI_TRY(napi_get_value_string_utf8(env, v, p, n + 1, &n));
    return (struct ax_str){p, n};
fail:
    return (struct ax_str){0};
}

struct ax_str ax_read_str(struct ax_reader *o, const char *name, bool optional, struct ax_arena *a)
{
    napi_value v = ax_read(o, name, napi_string, optional);
    struct ax_str s = {0};

    if (v) {
        s = ax_js_str(o->env, v, a);
        if (!s.p)
            ax_read_bad(o, name, "shorter: out of memory");
    }
    return s.p ? s : AX_STR("");
}

unsigned ax_read_choice(struct ax_reader *o, const char *name, const char *const *names, unsigned n)
{
    napi_value v = ax_read(o, name, napi_string, false);
    char got[32], must[160];
    size_t len, used = 0;

    if (!v)
        return 0;
    if (napi_get_value_string_utf8(o->env, v, got, sizeof got, &len) == napi_ok)
        for (unsigned i = 0; i < n; i++)
            if (strcmp(names[i], got) == 0)
                return i;
    must[0] = '\0';
    for (unsigned i = 0; i < n && used < sizeof must; i++)
        used += (size_t)snprintf(must + used, sizeof must - used, "%s%s", i ? " or " : "", names[i]);
    ax_read_bad(o, name, must);
    return 0;
}

struct ax_reader ax_read_object(struct ax_reader *o, const char *name)
{
    napi_value v = ax_read(o, name, napi_object, false);

    if (v)
        return ax_reader_over(o->env, v, name, -1);
    return (struct ax_reader){.env = o->env, .where = name, .index = -1, .failed = true};
}

napi_ref ax_read_ref(struct ax_reader *o, const char *name, napi_valuetype type)
{
    napi_value v = ax_read(o, name, type, false);
    napi_ref ref = NULL;

    if (v && napi_create_reference(o->env, v, 1, &ref) != napi_ok) {
        ax_read_bad(o, name, "kept: out of memory");
        return NULL;
    }
    return ref;
}

/* One [name, value]; a name that the core does not know is the caller's mistake. */
static void read_setting(struct ax_reader *o, napi_value names, uint32_t i, struct ax_settings *ret)
{
    napi_value key;
    char name[64];
    size_t n;

    AX_NAPI_TRY(napi_get_element(o->env, names, i, &key));
    AX_NAPI_TRY(napi_get_value_string_utf8(o->env, key, name, sizeof name, &n));
    int64_t v = ax_read_int(o, name, -1, INT64_C(1) << 53);
    if (!o->failed && ax_settings_set(ret, name, v) < 0)
        ax_read_bad(o, name, "left out: no such setting");
    return;
fail:
    ax_read_bad(o, "settings", "an object of numbers");
}

void ax_read_settings(struct ax_reader *o, struct ax_settings *ret)
{
    struct ax_reader s = ax_read_object(o, "settings");
    napi_value names;
    uint32_t n = 0;

    ax_settings_default(ret);
    if (s.failed) {
        o->failed = true;
        return;
    }
    AX_NAPI_TRY(napi_get_property_names(s.env, s.obj, &names));
    AX_NAPI_TRY(napi_get_array_length(s.env, names, &n));
    for (uint32_t i = 0; i < n && !s.failed; i++)
        read_setting(&s, names, i, ret);
    o->failed = s.failed;
    return;
fail:
    ax_read_bad(o, "settings", "an object of numbers");
}

/* METHOD or ANY, as a route may name it. */
static enum ax_method read_method(struct ax_reader *o)
{
    static const char *const names[] = {
#define METHOD(id, name) name,
#include "http/method.def"
#undef METHOD
        "ANY",
    };

    return (enum ax_method)ax_read_choice(o, "method", names, AX_COUNT(names));
}

static bool read_flag(struct ax_reader *o, const char *name)
{
    napi_value v = ax_read(o, name, napi_boolean, true);
    bool ret = false;

    if (v)
        (void)napi_get_value_bool(o->env, v, &ret); /* its type was checked */
    return ret;
}

static void read_route(struct ax_reader *o, struct ax_arena *a, struct ax_route *r)
{
    static const char *const kinds[] = {"handler", "fixed", "health",
                                        "static"}; /* in the order of enum ax_site_kind */
    static const char *const health[] = {"ready", "live"};

    r->kind = (enum ax_site_kind)ax_read_choice(o, "kind", kinds, AX_COUNT(kinds));
    r->method = read_method(o);
    r->pattern = ax_read_str(o, "pattern", false, a);
    r->name = ax_read_str(o, "name", false, a);
    r->headers = ax_read_str(o, "headers", false, a);
    r->timeout_us = ax_read_int(o, "timeout_us", -1, INT64_C(1) << 53);
    r->body_max = ax_read_int(o, "body_max", -1, INT64_C(1) << 53);
    r->stream = read_flag(o, "stream") && r->kind == AX_SITE_JS;
    r->max_inflight = (uint32_t)ax_read_int_or(o, "max_inflight", 0, 0, UINT32_MAX);
    r->group = (uint32_t)ax_read_int_or(o, "inflight_group", 0, 0, UINT32_MAX);
    r->queue = (uint32_t)ax_read_int_or(o, "queue", 0, 0, UINT32_MAX);
    r->use = ax_read_policy_use(o);
    if (r->kind == AX_SITE_FIXED) {
        r->status = (uint16_t)ax_read_int(o, "status", 200, 999);
        r->body = ax_read_str(o, "body", true, a);
    } else if (r->kind == AX_SITE_FILES) {
        r->folder = ax_read_str(o, "folder", false, a);
        r->index = ax_read_str(o, "index", true, a);
        r->fallback = ax_read_str(o, "fallback", true, a);
    } else if (r->kind == AX_SITE_HEALTH) {
        r->health_live = ax_read_choice(o, "health", health, AX_COUNT(health)) == 1;
    }
}

struct ax_route *ax_read_routes(struct ax_reader *o, struct ax_arena *a, unsigned *ret_n)
{
    napi_value list = ax_read(o, "routes", napi_object, false), v;
    uint32_t n = 0;

    *ret_n = 0;
    if (!list)
        return NULL;
    if (napi_get_array_length(o->env, list, &n) != napi_ok || n > UINT16_MAX) {
        ax_read_bad(o, "routes", "an array of at most 65535 routes");
        return NULL;
    }
    struct ax_route *routes = ax_arena_alloc(a, (n + 1) * sizeof *routes);
    if (!routes) {
        ax_read_bad(o, "routes", "fewer: out of memory");
        return NULL;
    }
    memset(routes, 0, (n + 1) * sizeof *routes);
    for (uint32_t i = 0; i < n; i++) {
        if (napi_get_element(o->env, list, i, &v) != napi_ok)
            v = NULL;
        struct ax_reader r = ax_reader_over(o->env, v, "routes", (int)i);
        read_route(&r, a, &routes[i]);
        if (r.failed) {
            o->failed = true;
            return NULL;
        }
    }
    *ret_n = n;
    return routes;
}

static struct ax_str proxy_at(struct ax_reader *o, napi_value list, uint32_t i, struct ax_arena *a)
{
    napi_value v;

    if (napi_get_element(o->env, list, i, &v) != napi_ok)
        return (struct ax_str){0};
    return ax_js_str(o->env, v, a);
}

struct ax_str *ax_read_proxies(struct ax_reader *o, struct ax_arena *a, unsigned *ret_n)
{
    napi_value list = ax_read(o, "trustedProxies", napi_object, true);
    uint32_t n = 0;

    *ret_n = 0;
    if (!list)
        return NULL;
    struct ax_str *v = napi_get_array_length(o->env, list, &n) == napi_ok && n <= UINT16_MAX
                           ? ax_arena_alloc(a, (n + 1) * sizeof *v)
                           : NULL;
    for (uint32_t i = 0; v && i < n; i++) {
        v[i] = proxy_at(o, list, i, a);
        if (!v[i].p)
            v = NULL;
    }
    if (!v) {
        ax_read_bad(o, "trustedProxies", "an array of addresses, CIDR blocks and unix");
        return NULL;
    }
    *ret_n = n;
    return v;
}
