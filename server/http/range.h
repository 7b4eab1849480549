/* http/range.h - which bytes of a representation are asked for: Range, RFC 9110, section 14.  Pure. */
#ifndef AX_HTTP_RANGE_H
#define AX_HTTP_RANGE_H

#include <stdint.h>

#include "base/str.h"

/* Sets of more ranges than this are ignored, as 14.2 allows: the whole representation costs less. */
enum { AX_RANGES_MAX = 16 };

struct ax_range {
    uint64_t first, last; /* positions of bytes, both within the representation */
};

enum ax_ranges {
    AX_RANGES_NONE,          /* no valid set, or one that is not worth it: as if there were no Range */
    AX_RANGES_SOME,          /* 206 */
    AX_RANGES_UNSATISFIABLE, /* 416 */
};

/* `value` of Range for a representation of `size` bytes.  Ranges that overlap or touch become one; the
 * others keep their order.  *ret_n is written for AX_RANGES_SOME. */
enum ax_ranges ax_ranges_parse(struct ax_str value, uint64_t size, struct ax_range ret[AX_RANGES_MAX],
                               unsigned *ret_n);

#endif
