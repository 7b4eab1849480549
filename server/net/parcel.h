/* net/parcel.h - a connection on its way from one worker to another: of the same engine (take-over, a worker
 * that retires) or of another engine (mailbox.h).  It carries what its worker knew and its client cannot
 * repeat: bytes still to be sent, and bytes to be parsed next.  A request that no handler has seen is in it
 * as bytes again, as it was received (a chunked body in one chunk), and is parsed by whoever adopts it.
 * Thread: whoever owns it.  Life: made by pack.c, ended by ax_worker_give or ax_parcel_free. */
#ifndef AX_NET_PARCEL_H
#define AX_NET_PARCEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/list.h"
#include "http/body.h"

/* Where in a request's body the input goes on: what a chunked reader knows cannot be told in bytes. */
enum ax_parcel_body {
    AX_PARCEL_NO_BODY,
    AX_PARCEL_CONTENT, /* `in` ends in a head and the content so far; `reader` reads on for it */
    AX_PARCEL_DROPPED, /* the request has its answer; `reader` finds the end of the rest, in `in` and beyond
                        */
};

struct ax_parcel {
    struct ax_list node;   /* in the queue of whoever owns it */
    int fd;                /* OWNED */
    struct ax_buf out, in; /* bytes to be sent, bytes to be parsed */
    bool eof;              /* the client has sent FIN, behind `in` */
    bool finish;        /* nothing is read behind `in`: it ends when all of that is answered and has left */
    unsigned char body; /* enum ax_parcel_body */
    struct ax_body_reader reader;
    size_t head_at, head_bytes; /* CONTENT: of that head, in `in` */
    size_t content; /* CONTENT: bytes behind it that the reader has seen; what follows is for it */
};

struct ax_parcel *ax_parcel_new(int fd);  /* NULL = out of memory: fd stays the caller's */
void ax_parcel_free(struct ax_parcel *p); /* closes the descriptor; NULL is fine */
/* The descriptor is somebody else's now. */
int ax_parcel_take_fd(struct ax_parcel *p);
/* True when it can leave the process: a reader is no bytes. */
static inline bool ax_parcel_is_bytes(const struct ax_parcel *p)
{
    return p->body == AX_PARCEL_NO_BODY;
}

#endif
