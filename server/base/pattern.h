/* base/pattern.h - the syntax of a route's path, taken apart: for the manifest, which says where a wrong one
 * stands, and for the router (http/router.h says what it means).  Pure.
 * It starts with '/'; `:name` fills a whole segment, `*name` or `*` the last one; a name is
 * [A-Za-z_][A-Za-z0-9_]* and stands once; what no request can have (?, #, a dot segment) no path has.
 * A shape is the pattern as it is matched: static bytes decoded, an encoded slash as AX_SHAPE_SLASH, a whole
 * `:name` as AX_SHAPE_PARAM, `*name` as AX_SHAPE_REST.  So patterns that match the same paths have the same
 * shape. */
#ifndef AX_BASE_PATTERN_H
#define AX_BASE_PATTERN_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum {
    AX_ROUTE_PARAMS_MAX = 16,
    AX_ROUTE_SEGMENTS_MAX = 64,
    AX_ROUTE_PATTERN_MAX = 2048, /* bytes */
};
/* Control bytes cannot occur in a pattern, so three of them are free to mean something. */
enum { AX_SHAPE_PARAM = 1, AX_SHAPE_REST = 2, AX_SHAPE_SLASH = 3 };

struct ax_pattern {
    struct ax_str text; /* BORROWED */
    size_t n;           /* bytes of the shape, at most text.n; none is a NUL */
    unsigned nnames;
    struct ax_str names[AX_ROUTE_PARAMS_MAX]; /* BORROWED from text */
    char shape[AX_ROUTE_PATTERN_MAX];
};

/* 0, or -AX_E_SYNTAX | -AX_E_DUPLICATE (a name stands twice) | -AX_E_LIMIT; the message does not name the
 * pattern. */
int ax_pattern_parse(struct ax_pattern *p, struct ax_str text, struct ax_err *reterr);
/* The same for who wants to know only that. */
int ax_pattern_check(struct ax_str text, struct ax_err *reterr);
/* The name in a segment that starts with ':' or '*'; a lone '*' is its own name. */
struct ax_str ax_pattern_name(struct ax_str segment);

/* The segment of s that starts at byte `at`, which may be s.n. */
static inline struct ax_str ax_segment_at(struct ax_str s, size_t at)
{
    const char *slash = at < s.n ? memchr(s.p + at, '/', s.n - at) : NULL;

    return (struct ax_str){s.p + at, slash ? (size_t)(slash - s.p) - at : s.n - at};
}

#endif
