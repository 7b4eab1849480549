/* net/reply.h - answering a request.  Bytes are appended to the connection's output and leave with one write
 * at the end of the batch or of the loop turn; a response given before its turn (pipelining) waits in its
 * slot. Thread: the worker's own.  After a reply that returned 0 the request may be read until control
 * returns to the loop. */
#ifndef AX_NET_REPLY_H
#define AX_NET_REPLY_H

#include "http/response.h"
#include "net/request.h"

struct ax_reply {
    unsigned status;
    enum ax_content content;
    struct ax_str headers; /* rendered and valid lines, or empty */
    struct ax_str body;    /* copied unless `release` is set */
    /* Set: the body is not copied; release(owner) is called on the worker's thread when its bytes are out or
     * lost. */
    void (*release)(void *owner);
    /* May be set beside `release`, when the bytes can vanish before they are released: asked before each
     * write; false ends the connection.  Calls nothing of the worker.  Nobody else can read such bytes when
     * the worker is taken over: so they are written at once, outside of a batch within the call itself (the
     * request may not be read afterwards), and copied where they have to wait for their turn. */
    bool (*lent)(void *owner);
    void *owner;
    /* May be set beside `release`, with body.p NULL: puts the body.n bytes of the body behind the head
     * itself, and `release` is its own affair from then on; false = out of memory. */
    bool (*add)(struct ax_out *out, const struct ax_reply *reply);
};
/* 0; -AX_E_STATE when it is answered already; -AX_E_NOMEM (the connection is closed then).  When the client
 * has gone the reply goes nowhere and the slot is given back: 1. */
int ax_reply(struct ax_request *r, const struct ax_reply *reply);

/* The same in two steps, so that an encoder can write straight into the output: _begin gives room for at
 * least `want` bytes of body (NULL: too large for this way or the state forbids it; use ax_reply), _end says
 * how many were written; reply->body.n is how many it will most likely be (a wrong one costs a copy). Nothing
 * of the worker may be called in between, and reply->headers must stay. */
char *ax_reply_begin(struct ax_request *r, const struct ax_reply *reply, size_t want, size_t *ret_room);
int ax_reply_end(struct ax_request *r, size_t body_bytes);

/* An answer of the server itself: the manifest's page for it, or JSON {"error":text} with "path" for 404 and
 * "limit" when given; Retry-After goes with 503, and the limit is counted by its name (metrics/limits.h).
 * Results as ax_reply. */
int ax_reply_error(struct ax_request *r, unsigned status, const char *text, const char *limit);
/* The same with lines of its own. */
int ax_reply_refusal(struct ax_request *r, unsigned status, const char *text, const char *limit,
                     struct ax_str headers);
/* As ax_reply_error, for what a handler threw: below 500 it is an answer of its own, and gets no page. */
int ax_reply_thrown(struct ax_request *r, unsigned status, const char *text, const char *limit);

#endif
