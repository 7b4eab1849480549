/* http/head_lines.h - where the field lines of a head are, found in one pass over its bytes.  Pure.
 * The scanner of a head that came in one piece keeps them for the parser, which then searches nothing. */
#ifndef AX_HTTP_HEAD_LINES_H
#define AX_HTTP_HEAD_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AX_HEAD_LINES = 32 }; /* more than browsers send */

struct ax_head_line {
    uint16_t colon, end; /* offsets of the first ':' and of the CR */
};
struct ax_head_lines {
    bool whole;     /* the empty line was met behind them */
    unsigned n;     /* of the lines below */
    uint32_t start; /* of the first of them */
    uint32_t next;  /* where the first one that is not here starts, or what follows the empty line */
    struct ax_head_line line[AX_HEAD_LINES];
};

/* Finds lines from `start` on, p[start] being the first byte of one, in p[0..n), n at most 65,535.  It stops
 * without `whole` when there is no room for more, at the end of what there is, and at the first line that is
 * not name ":" value CRLF, that has another control byte, or white space at its start or before the colon. */
void ax_head_find_lines(const char *p, size_t start, size_t n, struct ax_head_lines *ret);

#endif
