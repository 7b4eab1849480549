/* http/cors.h - answers to browsers that ask for another origin (Fetch standard, CORS protocol).  Pure. */
#ifndef AX_HTTP_CORS_H
#define AX_HTTP_CORS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct ax_cors_rule {
    struct ax_str origins; /* a line each; "*" = all */
    struct ax_str methods; /* "GET, POST"; empty = GET, HEAD, POST, which need no word */
    struct ax_str headers; /* the same of request headers, or "*" */
    struct ax_str expose;  /* the same of response headers */
    bool credentials;
    int64_t max_age_s;
};

/* The lines of every answer; `origin` empty: the request has none.  Where the answer depends on the origin it
 * says so (Vary), also to those who are refused: a cache must not mix them up. */
void ax_cors_answer(const struct ax_cors_rule *c, struct ax_str origin, struct ax_buf *out);
/* The lines of the answer to a preflight, 204.  One that is refused gets none of the Allow lines, and the
 * browser keeps the request back.  `method` and `headers` are the Access-Control-Request- fields. */
void ax_cors_preflight(const struct ax_cors_rule *c, struct ax_str origin, struct ax_str method,
                       struct ax_str headers, struct ax_buf *out);

#endif
