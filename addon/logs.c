/* Checks of header lines, and what JavaScript has to say: records of the server's own log, and the lines that
 * it prints, written by this thread. */
#include <stdio.h>

#include "base/alloc.h"
#include "bridge.h"
#include "http/response.h"
#include "native.h"
#include "options.h"

/* ---- header lines */

/* The string as latin1 bytes; false when it has a character beyond. */
static bool as_latin1(const char16_t *s, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] > 0xff)
            return false;
        out[i] = (char)(unsigned char)s[i];
    }
    return true;
}

/* True when `ok` accepts the string; *ret_failed: no string, or out of memory (an exception is pending). */
static bool check(napi_env env, napi_value v, bool (*ok)(struct ax_str), bool *ret_failed)
{
    char16_t stack[256], *wide = stack;
    size_t n;

    if (napi_get_value_string_utf16(env, v, NULL, 0, &n) != napi_ok) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a header's name and value must be strings");
        *ret_failed = true;
        return false;
    }
    if (n >= AX_COUNT(stack))
        wide = ax_calloc(n + 1, sizeof *wide);
    if (!wide) {
        napi_throw_error(env, "ERR_NOMEM", "out of memory");
        *ret_failed = true;
        return false;
    }
    napi_get_value_string_utf16(env, v, wide, n + 1, &n);
    char *bytes = (char *)wide; /* narrowed in place: byte i is written after unit i was read */
    bool good = as_latin1(wide, n, bytes) && ok((struct ax_str){bytes, n});
    if (wide != stack)
        ax_free(wide);
    return good;
}

napi_value ax_js_checkHeader(napi_env env, napi_callback_info info)
{
    size_t argc = 2;
    napi_value argv[2], ret;
    bool failed = false;
    uint32_t verdict = 0;

    if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
        return NULL;
    if (!check(env, argv[0], ax_field_name_ok, &failed))
        verdict = 1;
    else if (!check(env, argv[1], ax_field_value_ok, &failed))
        verdict = 2;
    return !failed && napi_create_uint32(env, verdict, &ret) == napi_ok ? ret : NULL;
}

napi_value ax_js_checkPattern(napi_env env, napi_callback_info info)
{
    size_t argc = 1, n;
    napi_value arg, ret = NULL;
    char pattern[4096];
    struct ax_err err = {0};

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &arg, NULL, NULL));
    AX_NAPI_TRY(napi_get_value_string_utf8(env, arg, pattern, sizeof pattern, &n));
    if (n == sizeof pattern - 1)
        ax_fail(&err, AX_E_LIMIT, "a pattern has at most 4094 bytes");
    else
        ax_pattern_check((struct ax_str){pattern, n}, &err);
    if (err.code)
        AX_NAPI_TRY(napi_create_string_utf8(env, err.msg, NAPI_AUTO_LENGTH, &ret));
    else
        AX_NAPI_TRY(napi_get_null(env, &ret));
    return ret;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a pattern must be a string");
    return NULL;
}

/* ---- the server's own log */

enum {
    FIELDS_MAX = 16, /* [key, value] pairs of a record; more are left out */
    FIELD_BUDGET =
        2400, /* escaped bytes of all values of a record, so that its line stays below AX_LOG_LINE_MAX */
};

/* How many bytes of s fit into *budget once they are escaped; what does not fit is cut, which beats losing
 * the line. */
static size_t fitting(struct ax_str s, size_t *budget)
{
    size_t i;

    for (i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        size_t cost = ch == '\n' || ch == '"' || ch == '\\' || ch == '\t' ? 2
                      : ch < 0x20 || ch == 0x7f                           ? 6
                                                                          : 1;
        if (cost > *budget)
            break;
        *budget -= cost;
    }
    while (i < s.n && i > 0 && ((unsigned char)s.p[i] & 0xc0) == 0x80)
        i--; /* whole characters */
    return i;
}

/* Reads up to FIELDS_MAX pairs into kv; texts live in the arena. */
static unsigned read_fields(napi_env env, napi_value list, struct ax_arena *a, struct ax_kv kv[FIELDS_MAX])
{
    uint32_t n = 0, used = 0;
    size_t budget = FIELD_BUDGET;
    napi_value key, value;

    AX_NAPI_TRY(napi_get_array_length(env, list, &n));
    for (uint32_t i = 0; i + 1 < n && used < FIELDS_MAX; i += 2) {
        AX_NAPI_TRY(napi_get_element(env, list, i, &key));
        AX_NAPI_TRY(napi_get_element(env, list, i + 1, &value));
        struct ax_str k = ax_js_str(env, key, a), v = ax_js_str(env, value, a);
        if (!k.p || !v.p || k.n > 32)
            continue;
        kv[used++] = (struct ax_kv){.key = k.p, .s = {v.p, fitting(v, &budget)}};
    }
fail: /* no array: no fields */
    return used;
}

napi_value ax_js_log(napi_env env, napi_callback_info info)
{
    size_t argc = 3, budget = 900;
    napi_value argv[3];
    void *data;
    uint32_t level;
    struct ax_kv kv[FIELDS_MAX];
    struct ax_arena a;
    struct ax_log dflt = {.fd = 2, .level = AX_LOG_INFO, .format = AX_LOG_TEXT};

    ax_arena_init(&a, NULL, 0, 1u << 20);
    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, argv, NULL, &data));
    struct ax_bridge *b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    AX_NAPI_TRY(napi_get_value_uint32(env, argv[0], &level));
    struct ax_str msg = ax_js_str(env, argv[1], &a);
    if (!msg.p || level > AX_LOG_DEBUG)
        goto fail;
    unsigned n = argc > 2 ? read_fields(env, argv[2], &a, kv) : 0;
    /* without an engine: what is to be said goes to stderr */
    ax_log_write(b->native ? &b->native->log : &dflt, (enum ax_log_level)level, kv, n, "%.*s",
                 (int)fitting(msg, &budget), msg.p);
    ax_arena_reset(&a);
    return NULL;
fail:
    ax_arena_reset(&a);
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          "log wants a level from 0 to 3 and a message below 1 MiB");
    return NULL;
}

/* ---- what JavaScript prints */

/* False when v is no string. */
static bool write_text(napi_env env, int fd, napi_value v, size_t *ret)
{
    char stack[4096], *p = stack;
    size_t n;

    AX_NAPI_TRY(napi_get_value_string_utf8(env, v, NULL, 0, &n));
    if (n >= sizeof stack && !(p = ax_malloc(n + 1)))
        goto fail;
    napi_get_value_string_utf8(env, v, p, n + 1, &n);
    *ret = ax_log_raw(fd, p, n);
    if (p != stack)
        ax_free(p);
    return true;
fail:
    return false;
}

napi_value ax_js_writeRaw(napi_env env, napi_callback_info info)
{
    size_t argc = 2, n, done = 0;
    napi_value argv[2], ret;
    napi_typedarray_type type;
    int32_t fd;
    void *bytes;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
    AX_NAPI_TRY(napi_get_value_int32(env, argv[0], &fd));
    if (fd != 1 && fd != 2)
        goto fail;
    if (!write_text(env, fd, argv[1], &done)) {
        AX_NAPI_TRY(napi_get_typedarray_info(env, argv[1], &type, &n, &bytes, NULL, NULL));
        if (type != napi_uint8_array)
            goto fail;
        done = ax_log_raw(fd, bytes, n);
    }
    AX_NAPI_TRY(napi_create_double(env, (double)done, &ret));
    return ret;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          "writeRaw wants descriptor 1 or 2 and a string or Uint8Array");
    return NULL;
}

napi_value ax_js_dropped(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg;
    void *data;
    uint32_t lines;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &arg, NULL, &data));
    struct ax_bridge *b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    AX_NAPI_TRY(napi_get_value_uint32(env, arg, &lines));
    if (ax_bridge_enter(b)) {
        ax_count_add(&ax_worker_counters(b->worker)->dropped, lines);
        ax_worker_leave(b->worker);
    }
    return NULL;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "dropped wants a number of lines");
    return NULL;
}
