/* http/urlencoded.h - application/x-www-form-urlencoded (WHATWG URL, 5.1): query strings and form bodies.
 * Pure.
 * '+' is a space; malformed '%' stays literal; nothing is refused. */
#ifndef AX_HTTP_URLENCODED_H
#define AX_HTTP_URLENCODED_H

#include <stdbool.h>

#include "base/str.h"

struct ax_urlencoded {
    struct ax_str rest; /* what is left to read */
};
/* The next name and value, still encoded, BORROWED from the input; false at the end.  Empty pieces are
 * skipped. */
bool ax_urlencoded_next(struct ax_urlencoded *it, struct ax_str *name, struct ax_str *value);
/* Decodes into `out` (room for s.n bytes); returns the bytes written.  May be invalid UTF-8. */
size_t ax_urlencoded_decode(struct ax_str s, char *out);

#endif
