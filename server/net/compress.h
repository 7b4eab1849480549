/* net/compress.h - response bodies for routes with `compress`: whole ones in gzip or brotli, those in pieces
 * in gzip.  All on the worker's own thread: so no body or piece above AX_COMPRESS_MAX, which would hold up
 * the others, is made smaller.  zlib and brotli are opened when the first route asks for it (base/library.h).
 * Threads: the compressor is shared read-only, an encoder is its worker's own. */
#ifndef AX_NET_COMPRESS_H
#define AX_NET_COMPRESS_H

#include "base/err.h"
#include "net/reply.h"

enum { AX_COMPRESS_MAX = 2 << 20 }; /* bytes: some 40 ms */

struct ax_compressor;
int ax_compressor_new(struct ax_compressor **ret, struct ax_err *reterr); /* -AX_E_MISSING: no such library */
void ax_compressor_free(struct ax_compressor *c);                         /* NULL is fine */

/* r's route compresses: *ret becomes the reply to send instead of `reply` (which may be itself), and what was
 * lent to `reply` is released when it is not needed any more.  Said to caches by Vary, also where the client
 * takes no coding; an ETag becomes a weak one (RFC 9110, 8.8.3.3). */
void ax_compress_reply(struct ax_request *r, const struct ax_reply *reply, struct ax_reply *ret);

/* ---- in pieces */

/* One response's state, some 256 KiB. */
struct ax_encoder;
/* r's route compresses, and a response in pieces begins with `head`; length: of its body in bytes, or -1 =
 * unknown.  *ret becomes the head to send.  NULL: the pieces are sent as they are. */
struct ax_encoder *ax_compress_open(struct ax_request *r, const struct ax_reply *head, int64_t length,
                                    struct ax_reply *ret);
/* Takes n coded bytes, BORROWED; false = no more. */
typedef bool (*ax_coded_fn)(void *ctx, const char *p, size_t n);
/* All that was added up to here can be decoded from what `put` was given; `last`: nothing follows.  Returns
 * what `put` said last. */
bool ax_encoder_add(struct ax_encoder *e, struct ax_str piece, bool last, ax_coded_fn put, void *ctx);
void ax_encoder_free(struct ax_encoder *e); /* NULL is fine */

#endif
