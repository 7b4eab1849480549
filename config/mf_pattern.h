/* config/mf_pattern.h - the syntax of a route's path.  The rules are http/router.h's, said again because
 * config stands beside http in the layers: starts with '/', `:name` fills a whole segment, `*name` or `*` the
 * last one, a name is [A-Za-z_][A-Za-z0-9_]* and stands once, and what no request can have (?, #, a dot
 * segment) no path has.  Pure. */
#ifndef AX_CONFIG_MF_PATTERN_H
#define AX_CONFIG_MF_PATTERN_H

#include <stddef.h>

#include "base/err.h"

enum {
    AX_MF_PARAMS_MAX = 16, /* as AX_ROUTE_PARAMS_MAX, AX_ROUTE_SEGMENTS_MAX and AX_ROUTE_PATTERN_MAX */
    AX_MF_SEGMENTS_MAX = 64,
    AX_MF_PATTERN_MAX = 2048,
};

/* Checks, and writes the shape (strlen + 1 bytes): without parameter names and percent-encoding, so that
 * patterns that match the same paths have the same shape. */
int ax_mf_pattern_shape(const char *pattern, char *shape, struct ax_err *reterr);

#endif
