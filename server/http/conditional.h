/* http/conditional.h - may a request have what it asks for, or is what the client has still good?  RFC 9110,
 * section 13.  Pure: no clock, no file. */
#ifndef AX_HTTP_CONDITIONAL_H
#define AX_HTTP_CONDITIONAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* Of the representation that would be sent. */
struct ax_validators {
    struct ax_str etag; /* strong, with its quotes */
    int64_t modified;   /* Last-Modified, unix seconds */
};

/* The fields of a request; p NULL = it has none.  The lines of a list that came in several are joined by
 * commas. */
struct ax_preconditions {
    struct ax_str if_match, if_unmodified_since, if_none_match, if_modified_since;
};

enum ax_precondition {
    AX_PRE_HOLDS,        /* go on; now Range and If-Range count */
    AX_PRE_NOT_MODIFIED, /* 304 */
    AX_PRE_FAILED,       /* 412 */
};

/* In the order of RFC 9110, 13.2.2, for GET and HEAD.  `now`: unix seconds, for the years of two digits that
 * old dates have. */
enum ax_precondition ax_preconditions_check(const struct ax_preconditions *p, const struct ax_validators *v,
                                            int64_t now);
/* If-Range (13.1.5): the same strong tag, or exactly the same date: Range counts. */
bool ax_if_range_holds(struct ax_str value, const struct ax_validators *v, int64_t now);
/* All three forms of an HTTP-date (5.6.7).  False leaves *ret alone. */
bool ax_http_date_parse(struct ax_str s, int64_t now, int64_t *ret);

#endif
