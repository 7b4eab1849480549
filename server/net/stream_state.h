/* net/stream_state.h - what stream.c and stream_read.c keep of a request; nobody else includes it.  It lies
 * in the request's arena. */
#ifndef AX_NET_STREAM_STATE_H
#define AX_NET_STREAM_STATE_H

#include "net/internal.h"
#include "net/stream.h"

struct ax_stream {
    /* ---- the response */
    bool raw; /* its head was written by who writes the rest */
    bool chunked;
    bool counted;               /* a length was declared, of which `left` are to come */
    bool full;                  /* a write was told so */
    bool cut;                   /* by the server */
    bool told;                  /* that its client has gone */
    uint8_t due;                /* bits by enum ax_event */
    uint8_t frame;              /* bytes of the size line of the piece that was begun */
    struct ax_encoder *encoder; /* OWNED until the response ends; NULL = its bytes go as they are */
    char *plain;                /* OWNED: the piece that was begun for the encoder */
    uint64_t left;              /* as the writer counts */
    uint64_t turn, burst; /* bytes written in that turn of the loop, before or behind an encoder, wherever
                             they are now */

    /* ---- the request's body */
    bool reading;      /* it was not whole when the request was entered; what is there lies in r->body */
    bool whole;        /* all of it has come */
    bool broken;       /* nothing more comes */
    bool waits;        /* a read found nothing */
    bool owed;         /* 100 Continue, at the first read; until then r->head.keep_alive is false */
    bool keep_alive;   /* what that was */
    bool kept;         /* the request is over; its slot waits until that was told */
    size_t taken;      /* bytes read of a body that was whole */
    ax_mono paused_at; /* when the client was made to wait */
};

struct ax_stream *ax_stream_of(struct ax_request *r); /* made when there is none; NULL = out of memory */
/* The handler has it again: its timeout begins anew. */
void ax_stream_no_more_waiting(struct ax_request *r);

#endif
