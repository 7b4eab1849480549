/* net/compress.h - response bodies in gzip or brotli, for routes with `compress`.
 * Whole bodies only, on the worker's own thread: so none above AX_COMPRESS_MAX, which would hold up the
 * others. zlib and brotli are opened when the first route asks for it (base/library.h). Thread: the
 * compressor is shared read-only. */
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

#endif
