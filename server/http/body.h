/* http/body.h - message framing after the head: Content-Length and chunked (RFC 9112, 6 and 7).  Pure;
 * chunked decoding is llhttp's, fenced: trailers are read and dropped, chunk extensions and trailers have a
 * ceiling together. */
#ifndef AX_HTTP_BODY_H
#define AX_HTTP_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "http/head.h"

struct ax_body_state;
enum {
    AX_BODY_STATE_BYTES = 192,
    AX_CHUNK_EXTRA_MAX = 16384, /* bytes of chunk extensions and trailers of one message together */
};
struct ax_body_reader {
    uint64_t left; /* Content-Length bodies: bytes still to come */
    bool chunked, done;
    _Alignas(8) unsigned char state[AX_BODY_STATE_BYTES]; /* chunked: the parser */
};
enum ax_body_result { AX_BODY_MORE, AX_BODY_DONE, AX_BODY_REFUSED, AX_BODY_FULL };

void ax_body_begin(struct ax_body_reader *b, const struct ax_head *h);
/* Reads p[0..n): calls `sink` with each piece of content (slices of p); *ret_used says how many bytes belong
 * to this message.  DONE: the message is whole.  FULL: sink returned false.  REFUSED: malformed (400).  After
 * FULL and REFUSED the reader is of no more use; a message without a body is DONE at the first call. */
enum ax_body_result ax_body_feed(struct ax_body_reader *b, const char *p, size_t n, size_t *ret_used,
                                 bool (*sink)(void *ctx, const char *p, size_t n), void *ctx);

#endif
