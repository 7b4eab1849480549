/* http/multipart.h - multipart/form-data (RFC 7578, RFC 2046 5.1) over a body that is whole in memory.  Pure: parts are
 * slices of the body. */
#ifndef AX_HTTP_MULTIPART_H
#define AX_HTTP_MULTIPART_H

#include <stdbool.h>

#include "base/str.h"

struct ax_part {
    struct ax_str name;         /* unquoted: BORROWED from the body, or from `scratch` when it had escapes */
    struct ax_str filename;     /* p NULL when there is none (then it is a field); last path component only */
    struct ax_str content_type; /* p NULL when there is none */
    struct ax_str data;         /* BORROWED from the body */
    char scratch[512];          /* unescaped name and filename */
};
struct ax_multipart {
    struct ax_str body, boundary;
    size_t at;
    unsigned parts;
    bool failed, done;
};
enum { AX_PART, AX_PARTS_END, AX_PARTS_MALFORMED };

/* The boundary parameter of a Content-Type value (RFC 2046: 1..70 characters); false when it is no multipart/form-data
 * or has none. */
bool ax_multipart_boundary(struct ax_str content_type, struct ax_str *ret);
void ax_multipart_init(struct ax_multipart *m, struct ax_str body, struct ax_str boundary);
/* AX_PART with *ret filled, AX_PARTS_END after the closing delimiter, AX_PARTS_MALFORMED (answered 400). */
int ax_multipart_next(struct ax_multipart *m, struct ax_part *ret);

#endif
