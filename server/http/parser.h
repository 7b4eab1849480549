/* http/parser.h - llhttp behind two doors, for head.c and body.c alone.  Pure.
 * llhttp is compiled strict, and still accepts much that a server must refuse: head.c and body.c fence it. */
#ifndef AX_HTTP_PARSER_H
#define AX_HTTP_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "http/head.h"

/* Runs llhttp over the scanned head copy[0..n) and fills ret->fields and ret->nfields from what it finds; the
 * request line is checked by it too, but for bytes >= 0x80 in ret->target, which it would refuse. */
bool ax_parser_head(const char *copy, size_t n, unsigned max_fields, struct ax_arena *a, struct ax_head *ret,
                    struct ax_refusal *ret_why);

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
