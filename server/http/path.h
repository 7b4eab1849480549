/* http/path.h - the request path: what is refused, and percent-decoding.  Pure. */
#ifndef AX_HTTP_PATH_H
#define AX_HTTP_PATH_H

#include <stdbool.h>

#include "base/str.h"

/* False, which is answered 400, for: no leading '/', a '.' or '..' segment plain or encoded, malformed
 * percent-encoding, an encoded NUL, control bytes, bytes that decode to invalid UTF-8 (docs/manifest.md).
 */
bool ax_path_ok(struct ax_str path);
/* True when decoding would change nothing: no '%'. */
static inline bool ax_path_plain(struct ax_str s)
{
    return s.n == 0 || !memchr(s.p, '%', s.n);
}
/* Decodes %XX once; `out` has room for s.n bytes; returns the bytes written.  s has passed ax_path_ok. */
size_t ax_path_decode(struct ax_str s, char *out);

#endif
