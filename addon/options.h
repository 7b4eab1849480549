/* addon/options.h - JavaScript objects to plain structs.  A missing or wrong field throws a TypeError that
 * names it
 * ("routes[3].pattern must be a string"); the first failure is sticky, so a caller reads all fields and
 * checks once. */
#ifndef AX_ADDON_OPTIONS_H
#define AX_ADDON_OPTIONS_H

#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "net/settings.h"
#include "net/site.h"

struct ax_reader {
    napi_env env;
    napi_value obj;
    const char *where; /* BORROWED, for messages: "" or "log" or "routes" */
    int index;         /* in an array; -1 = none */
    bool failed;       /* an exception is pending */
};

/* A reader over `v`, which must be an object. */
struct ax_reader ax_reader_over(napi_env env, napi_value v, const char *where, int index);
/* A field of that type; NULL and `failed` otherwise.  An optional one may be undefined or missing: NULL. */
napi_value ax_read(struct ax_reader *o, const char *name, napi_valuetype type, bool optional);
int64_t ax_read_int(struct ax_reader *o, const char *name, int64_t min, int64_t max);
/* The same; `missing` when it is undefined or missing. */
int64_t ax_read_int_or(struct ax_reader *o, const char *name, int64_t missing, int64_t min, int64_t max);
/* Position of the string in names[0..n). */
unsigned ax_read_choice(struct ax_reader *o, const char *name, const char *const *names, unsigned n);
/* NUL-terminated UTF-8 in the arena; "" when optional and missing, and after a failure. */
struct ax_str ax_read_str(struct ax_reader *o, const char *name, bool optional, struct ax_arena *a);
/* An object field as a reader of its own. */
struct ax_reader ax_read_object(struct ax_reader *o, const char *name);
/* A function or other object field, kept alive by a reference; NULL after a failure. */
napi_ref ax_read_ref(struct ax_reader *o, const char *name, napi_valuetype type);
void ax_read_settings(struct ax_reader *o, struct ax_settings *ret);
/* The array field `routes`; the structs and their texts are in the arena.  NULL after a failure, or when
 * there are none. */
struct ax_route *ax_read_routes(struct ax_reader *o, struct ax_arena *a, unsigned *ret_n);
/* The object field `policies`, in the arena; NULL when it is missing, and after a failure. */
const struct ax_policy_spec *ax_read_policies(struct ax_reader *o, struct ax_arena *a);
/* The field `policy` of a route or rule. */
struct ax_policy_use ax_read_policy_use(struct ax_reader *o);
/* The array field `trustedProxies`, in the arena; NULL after a failure, and when it is missing. */
struct ax_str *ax_read_proxies(struct ax_reader *o, struct ax_arena *a, unsigned *ret_n);
/* The TypeError for a field; sets `failed`. */
void ax_read_bad(struct ax_reader *o, const char *name, const char *must);

/* Any string as NUL-terminated UTF-8 in the arena; p is NULL when v is no string or memory is out. */
struct ax_str ax_js_str(napi_env env, napi_value v, struct ax_arena *a);

#endif
