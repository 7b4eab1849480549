/* http/base64.h - decoding base64, strictly (RFC 4648): no white space, no bits beyond the end.  Pure. */
#ifndef AX_HTTP_BASE64_H
#define AX_HTTP_BASE64_H

#include <stdbool.h>

#include "base/str.h"

/* Writes at most n / 4 * 3 + 3 bytes.  Padding must be whole or, where it is optional, may be missing. */
bool ax_base64_decode(struct ax_str text, char *out, size_t *ret_n); /* with + and / */
bool ax_base64url_decode(struct ax_str text, char *out,
                         size_t *ret_n); /* with - and _; no padding (RFC 7515, 2) */

#endif
