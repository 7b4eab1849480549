/* net/dispatch.h - the seam between the core and whoever answers.
 * The addon fills it with JavaScript, the supervisor with C for its admin page, tests and fuzzers with a C
 * stub. */
#ifndef AX_NET_DISPATCH_H
#define AX_NET_DISPATCH_H

#include "net/request.h"

/* What happened to a request that was entered; the numbers are those of native.d.ts. */
enum ax_event {
    AX_EVENT_TIMEOUT,  /* the server answers 504: the handle is dead after this call */
    AX_EVENT_CLIENT,   /* the client has gone; an answer is still waited for, to nowhere */
    AX_EVENT_READABLE, /* more of its body is there, or its end: after ax_stream_read found nothing */
    AX_EVENT_DRAINED,  /* more may be written: after ax_stream_write said that it is full */
};

enum { AX_DISPATCH_DYING = -1, AX_DISPATCH_TAKEN = -2 };

/* Both are called while the core owns the worker.  Around what may never come back (JavaScript) they call
 * ax_worker_leave and ax_worker_enter; when the latter fails the worker was taken over: they return
 * AX_DISPATCH_TAKEN or false and touch nothing. */
struct ax_dispatch {
    void *ctx;
    /* Hands over requests that are whole.  Each one entered is answered now or later with net/reply.h.
     * Returns how many were entered, from the front (at least 1; the rest is handed over first in the next
     * turn), or AX_DISPATCH_DYING: no request was entered beyond those whose state says so; the worker stops
     * reading.  It should end behind a request that is ax_request_backed_up after its answer. */
    int (*run)(void *ctx, struct ax_request *const *reqs, unsigned n);
    /* For watched requests the first two, for streams (net/stream.h) all.  Never from within a call of the
     * dispatcher.  NULL is fine. */
    bool (*event)(void *ctx, struct ax_request *r, enum ax_event what);
};

#endif
