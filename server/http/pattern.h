/* http/pattern.h - a route's pattern taken apart; for router.c.  Pure.
 * A shape is the pattern as it is matched: static bytes decoded, an encoded slash as AX_SHAPE_SLASH, a whole
 * `:name` as AX_SHAPE_PARAM, `*name` as AX_SHAPE_REST.  So patterns that match the same paths have the same
 * shape. */
#ifndef AX_HTTP_PATTERN_H
#define AX_HTTP_PATTERN_H

#include "http/router.h"

/* Control bytes cannot occur in a pattern, so three of them are free to mean something. */
enum { AX_SHAPE_SLASH = 0, AX_SHAPE_PARAM = 1, AX_SHAPE_REST = 2 };
enum { AX_PATTERN_QUOTED = 120 }; /* bytes of a pattern quoted in a message */

struct ax_pattern {
    struct ax_str text; /* BORROWED */
    size_t n;           /* bytes of the shape, at most text.n */
    unsigned nnames;
    struct ax_str names[AX_ROUTE_PARAMS_MAX]; /* BORROWED from text */
    char shape[AX_ROUTE_PATTERN_MAX];
};

/* 0, or as ax_router_add: -AX_E_SYNTAX | -AX_E_LIMIT. */
int ax_pattern_parse(struct ax_pattern *p, struct ax_str text, struct ax_err *reterr);
/* The name in a segment that starts with ':' or '*'; a lone '*' is its own name. */
struct ax_str ax_pattern_name(struct ax_str segment);

/* The segment of s that starts at byte `at`, which may be s.n. */
static inline struct ax_str ax_segment_at(struct ax_str s, size_t at)
{
    const char *slash = at < s.n ? memchr(s.p + at, '/', s.n - at) : NULL;

    return (struct ax_str){s.p + at, slash ? (size_t)(slash - s.p) - at : s.n - at};
}

#endif
