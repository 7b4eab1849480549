/* http/parser.h - llhttp, which reads chunked bodies, behind a door for body.c alone.  Pure.
 * llhttp is compiled strict, and still accepts much that a server must refuse: body.c fences it. */
#ifndef AX_HTTP_PARSER_H
#define AX_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AX_PARSER_BYTES = 104 };
struct ax_chunk_parser { /* may be moved between calls */
    _Alignas(8) unsigned char state[AX_PARSER_BYTES];
};
/* What one call of ax_parser_chunk met. */
struct ax_chunk_events {
    bool (*sink)(void *ctx, const char *p, size_t n);
    void *ctx;
    uint64_t size; /* of the chunk whose size line ended */
    bool header;   /* a size line ended */
    bool end;      /* the message ended */
    bool full;     /* sink returned false */
};
void ax_parser_chunk_init(struct ax_chunk_parser *c);
/* False when llhttp refuses the bytes, and when the sink did. */
bool ax_parser_chunk(struct ax_chunk_parser *c, const char *p, size_t n, struct ax_chunk_events *ev);

#endif
