/* http/method.h - request methods. */
#ifndef AX_HTTP_METHOD_H
#define AX_HTTP_METHOD_H

#include "base/str.h"

enum ax_method {
#define METHOD(id, name) AX_##id,
#include "http/method.def"
#undef METHOD
    AX_METHODS,          /* how many a route may name */
    AX_ANY = AX_METHODS, /* a route for every method */
    AX_OTHER_METHOD,     /* registered with IANA but not routable (TRACE, CONNECT, PROPFIND ...): 405 */
    AX_UNKNOWN_METHOD,   /* 501 (RFC 9110, 9.1) */
};

/* Exact, case-sensitive (RFC 9110, 9.1).  "ANY" is no method. */
enum ax_method ax_method_parse(struct ax_str name);
const char *ax_method_name(enum ax_method m); /* "ANY" for AX_ANY; "-" beyond */

#endif
