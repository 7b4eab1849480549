#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"
#include "yardstick.h"

/* Content-Length is written as five digits behind the head, padded with zeros. */
enum { LENGTH_DIGITS = 5, BODY_MAX = 3000, NAME_MAX_BYTES = 64 };

#define HEAD(type)                                                                                           \
    "HTTP/1.1 200 OK\r\nContent-Type: " type "; charset=utf-8\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"    \
    "Content-Length: "
static const char text_head[] = HEAD("text/plain");
static const char json_head[] = HEAD("application/json");

static void must(napi_status status)
{
    AX_ASSERT(status == napi_ok);
}

void yard_run_batch(struct yard *y)
{
    napi_handle_scope scope;
    napi_value dispatch, self, ret, error;
    napi_env env = y->env;

    if (!y->nbatch)
        return;
    y->batch[0] = y->nbatch;
    y->nbatch = 0;
    must(napi_open_handle_scope(env, &scope));
    must(napi_get_reference_value(env, y->dispatch, &dispatch));
    must(napi_get_reference_value(env, y->self, &self));
    if (napi_make_callback(env, y->context, self, dispatch, 0, NULL, &ret) == napi_pending_exception) {
        must(napi_get_and_clear_last_exception(env, &error));
        napi_fatal_exception(env, error);
    }
    must(napi_close_handle_scope(env, scope));
    yard_write_all(y);
}

/* The arguments of a call, of which the first is a request's index. */
static struct yard_request *request_of(napi_env env, napi_callback_info info, napi_value *args, size_t n,
                                       struct yard **ret_yard)
{
    void *data;
    uint32_t index;

    must(napi_get_cb_info(env, info, &n, args, NULL, &data));
    must(napi_get_value_uint32(env, args[0], &index));
    *ret_yard = data;
    return &(*ret_yard)->requests[index];
}

/* send(index, isJson, body) */
static napi_value cb_send(napi_env env, napi_callback_info info)
{
    napi_value args[3];
    struct yard *y;
    struct yard_request *r = request_of(env, info, args, 3, &y);
    uint32_t is_json;
    size_t body_n;

    must(napi_get_value_uint32(env, args[1], &is_json));
    char *out = yard_conn_room(r->conn);
    size_t head_n = (is_json ? sizeof json_head : sizeof text_head) - 1;
    memcpy(out, is_json ? json_head : text_head, head_n);
    char *digits = out + head_n, *body = digits + LENGTH_DIGITS + 4;
    memcpy(body - 4, "\r\n\r\n", 4);
    must(napi_get_value_string_utf8(env, args[2], body, BODY_MAX, &body_n));
    uint32_t rest = (uint32_t)body_n;
    for (int i = LENGTH_DIGITS - 1; i >= 0; i--, rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    yard_conn_wrote(r->conn, (uint32_t)((size_t)(body - out) + body_n));
    yard_request_put(y, r);
    return NULL;
}

static napi_value string_of(napi_env env, const struct yard_request *r, struct yard_text t)
{
    napi_value ret;

    must(napi_create_string_latin1(env, r->head + t.at, t.n, &ret));
    return ret;
}

/* target(index) */
static napi_value cb_target(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    struct yard *y;
    const struct yard_request *r = request_of(env, info, args, 1, &y);

    return string_of(env, r, r->target);
}

/* body(index) */
static napi_value cb_body(napi_env env, napi_callback_info info)
{
    napi_value args[1], ret;
    struct yard *y;
    const struct yard_request *r = request_of(env, info, args, 1, &y);

    must(napi_create_string_utf8(env, r->body ? r->body : "", r->body_n, &ret));
    return ret;
}

/* header(index, name) */
static napi_value cb_header(napi_env env, napi_callback_info info)
{
    char name[NAME_MAX_BYTES];
    napi_value args[2], ret;
    struct yard *y;
    const struct yard_request *r = request_of(env, info, args, 2, &y);
    size_t n;

    must(napi_get_value_string_utf8(env, args[1], name, sizeof name, &n));
    for (unsigned i = 0; i < r->nfields; i++) {
        struct yard_text found = r->fields[i].name;
        if (found.n == n && strncasecmp(r->head + found.at, name, n) == 0)
            return string_of(env, r, r->fields[i].value);
    }
    must(napi_get_null(env, &ret));
    return ret;
}

/* start(port, batch, dispatch): the port that it listens on, or a negative libuv error. */
static napi_value cb_start(napi_env env, napi_callback_info info)
{
    size_t n = 3, bytes;
    napi_value args[3], self, name, ret;
    void *data, *batch;
    int32_t port;

    must(napi_get_cb_info(env, info, &n, args, NULL, &data));
    struct yard *y = AX_CAST(struct yard, data, YARD_MAGIC);
    must(napi_get_value_int32(env, args[0], &port));
    must(napi_get_arraybuffer_info(env, args[1], &batch, &bytes));
    AX_ASSERT(bytes >= (1 + YARD_BATCH) * sizeof *y->batch);
    y->batch = batch;
    y->env = env;
    must(napi_create_reference(env, args[2], 1, &y->dispatch));
    must(napi_create_object(env, &self));
    must(napi_create_reference(env, self, 1, &y->self));
    must(napi_create_string_utf8(env, "yardstick", NAPI_AUTO_LENGTH, &name));
    must(napi_async_init(env, self, name, &y->context));
    must(napi_get_uv_event_loop(env, &y->loop));
    yard_requests_init(y);
    must(napi_create_int32(env, yard_listen(y, port), &ret));
    return ret;
}

static napi_value init(napi_env env, napi_value exports)
{
    static const struct {
        const char *name;
        napi_callback call;
    } table[] = {{"start", cb_start},
                 {"send", cb_send},
                 {"target", cb_target},
                 {"body", cb_body},
                 {"header", cb_header}};
    struct yard *y = calloc(1, sizeof *y); /* lives as long as the process */

    AX_ASSERT(y);
    y->magic = YARD_MAGIC;
    for (size_t i = 0; i < AX_COUNT(table); i++) {
        napi_value f;
        must(napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].call, y, &f));
        must(napi_set_named_property(env, exports, table[i].name, f));
    }
    return exports;
}

NAPI_MODULE(yardstick, init)
