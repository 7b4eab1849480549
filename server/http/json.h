/* http/json.h - one JSON object (RFC 8259), member by member, where it lies.  Strict: what follows the
 * object, a number like 01 or a control byte in a string is an error.  Pure. */
#ifndef AX_HTTP_JSON_H
#define AX_HTTP_JSON_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"

enum { AX_JSON_DEPTH_MAX = 32 };

/* Calls `member` with each name, as it is between its quotes, and its value's whole text; true when the text
 * is an object and every call said so.  Names are not unescaped: one that needs it equals no plain name. */
bool ax_json_members(struct ax_str text, bool (*member)(void *ctx, struct ax_str name, struct ax_str value),
                     void *ctx);
/* The same for the items of an array. */
bool ax_json_items(struct ax_str text, bool (*item)(void *ctx, struct ax_str value), void *ctx);
/* A string's value, unescaped into the arena where that is needed; p NULL when it is none, holds a lone
 * surrogate, or memory is out. */
struct ax_str ax_json_string(struct ax_str value, struct ax_arena *a);
/* A number of whole or broken seconds and the like; false for all else, and for what no double can hold. */
bool ax_json_number(struct ax_str value, double *ret);

#endif
