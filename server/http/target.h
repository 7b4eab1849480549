/* http/target.h - the request target in its four forms (RFC 9112, 3.2), and authorities (RFC 3986, 3.2).
 * Pure. */
#ifndef AX_HTTP_TARGET_H
#define AX_HTTP_TARGET_H

#include <stdbool.h>

#include "http/head.h"

/* host [ ":" port ]: a registered name, an IPv4 address or a bracketed literal; no userinfo (RFC
 * 9110, 4.2.4).  An empty host passes: Host may be empty (RFC 9112, 3.2), a URI of http may not. */
bool ax_authority_ok(struct ax_str s);

/* Checks h->target, in which `mark` is the first '?' (or NULL) and no '#' or HT is, against h->method and
 * fills path, query, has_query, asterisk and, for the absolute form, host. NULL, or what is wrong with it
 * (400). Bytes >= 0x80 pass in path and query: path.c judges them. */
const char *ax_target_parse(struct ax_head *h, const char *mark);

#endif
