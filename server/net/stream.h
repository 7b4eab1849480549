/* net/stream.h - bodies in pieces: a response that is written while it is sent, and a request's body that is
 * read while it comes.  Each is bounded: a writer is told when AX_STREAM_WINDOW bytes wait for the client, or
 * so many were taken in this turn of the loop; a client is not read from while as many wait for the reader.
 * Thread: the worker's own, which owns the worker (JavaScript's calls enter it first).
 *
 * A request's body: a route with `stream` is entered when the head is complete, and ax_stream_read says what
 * is there.  Its handler's timeout stands still while that is nothing.
 *
 * A response: ax_stream_open or _open_raw, any number of writes, then _end or _abort.  From its head to its
 * end the request is STREAMING: it counts as one in progress, nothing behind it on its connection is looked
 * at, and of the timeouts only timeouts.send holds.  The events of dispatch.h come without being asked for.
 */
#ifndef AX_NET_STREAM_H
#define AX_NET_STREAM_H

#include "net/reply.h"

enum { AX_STREAM_WINDOW = 65536 };

/* What became of a write; the first three are those of native.d.ts. */
enum ax_took {
    AX_TOOK_TOO_MUCH = -2, /* nothing: more than the length that was declared, unless it is raw */
    AX_TOOK_NONE = -1,     /* nothing: the client has gone, or the stream is over */
    AX_TOOK_FULL = 0, /* all; AX_EVENT_DRAINED comes when there is room, in the next turn at the earliest */
    AX_TOOK_MORE = 1, /* all */
};

/* The head leaves; of `head` status, content and headers count.  length: bytes, or -1 = unknown: in chunks
 * (RFC 9112, 7.1), to an HTTP/1.0 client up to the end of the connection (6.3).  For HEAD, 204, 205 and 304
 * the stream is over at once.  0; 1 = the client has gone, and the slot was given back; -AX_E_STATE when a
 * response was given already; -AX_E_NOMEM (the connection is closed then). */
int ax_stream_open(struct ax_request *r, const struct ax_reply *head, int64_t length);
/* What is written is the response, its head and its framing too.  `status` is for who counts; `close`: the
 * connection ends behind it.  length: bytes of head and body, or -1 = its framing says where it ends; what is
 * written beyond is dropped, and the connection ends behind it. */
int ax_stream_open_raw(struct ax_request *r, unsigned status, bool close, int64_t length);

/* Room for n bytes of content and one more, which the caller fills, then _commit with the same n; nothing of
 * the worker is called in between.  NULL: *ret says why, or n is 0. */
char *ax_stream_begin(struct ax_request *r, size_t n, enum ax_took *ret);
enum ax_took ax_stream_commit(struct ax_request *r, size_t n);
/* A copy of p[0..n). */
enum ax_took ax_stream_write(struct ax_request *r, const char *p, size_t n);
/* No copy, see struct ax_reply: of it body, release, lent and owner count; released also when nothing is
 * taken. Outside of a batch lent bytes are written at once; the request may not be read afterwards. */
enum ax_took ax_stream_lend(struct ax_request *r, const struct ax_reply *piece);
/* False: there was nothing to end.  Fewer bytes than declared: as _abort. */
bool ax_stream_end(struct ax_request *r);
/* The connection ends without a last chunk, so that the client can tell (RFC 9112, 8). */
void ax_stream_abort(struct ax_request *r);

enum ax_read {
    AX_READ_BROKEN,  /* the client has gone, or the server has answered: no more will come */
    AX_READ_NOTHING, /* not now: AX_EVENT_READABLE comes when that changes */
    AX_READ_DATA,
    AX_READ_END,
};
/* The next piece of the body, of at most AX_STREAM_WINDOW bytes; also of one that was whole when the request
 * was entered.  *ret is BORROWED until ax_stream_have_read. */
enum ax_read ax_stream_read(struct ax_request *r, struct ax_str *ret);
/* That piece was taken. */
void ax_stream_have_read(struct ax_request *r);

#endif
