/* http/multipart.h - multipart/form-data (RFC 7578, RFC 2046 5.1) over a body that is whole in memory; the
 * headers of a part also by themselves.  Pure: parts are slices of the body. */
#ifndef AX_HTTP_MULTIPART_H
#define AX_HTTP_MULTIPART_H

#include <stdbool.h>

#include "base/str.h"

struct ax_part {
    struct ax_str name;         /* unquoted: BORROWED from the body, or from `scratch` when it had escapes */
    struct ax_str filename;     /* p NULL when there is none (then it is a field); last path component only */
    struct ax_str content_type; /* p NULL when there is none */
    struct ax_str data;         /* BORROWED from the body */
    char scratch[512];          /* unescaped name and filename; so a part must not be copied */
};
struct ax_multipart {
    struct ax_str body, boundary;
    size_t at;
    unsigned parts;
    bool failed, done;
};
enum { AX_PART_HEAD_MAX = 8192 }; /* bytes of a part's header block, the empty line left out */
enum { AX_PART, AX_PARTS_END, AX_PARTS_MALFORMED };

/* The boundary parameter of a Content-Type value (RFC 2046: 1..70 characters), BORROWED from it; false when
 * it is no multipart/form-data, has none, or two. */
bool ax_multipart_boundary(struct ax_str content_type, struct ax_str *ret);
/* For a body that comes in pieces, whose delimiters somebody else has found: the header block of one part,
 * whole lines with their CRLF.  The same rules as below; ret->data is not set.  False = malformed. */
bool ax_multipart_head(struct ax_str head, struct ax_part *ret);
/* Both are BORROWED until the last part has been read. */
void ax_multipart_init(struct ax_multipart *m, struct ax_str body, struct ax_str boundary);
/* AX_PART with *ret filled, AX_PARTS_END after the closing delimiter, AX_PARTS_MALFORMED (answered 400),
 * which stays.  How many parts there may be is the caller's limit: m->parts counts them.
 * Refused: bare CR or LF and other control bytes in headers, folded headers, a head over AX_PART_HEAD_MAX, a
 * part without name or with two, an unescaped name and filename beyond `scratch`, an end without closing
 * delimiter. Preamble and epilogue are ignored, a line that only begins like a delimiter is data. */
int ax_multipart_next(struct ax_multipart *m, struct ax_part *ret);

#endif
