/* net/request.h - one request from its head to the last byte of its response: the slot.
 * Slots belong to a worker's pre-warmed table; whoever answers holds (index, generation), never a pointer,
 * across calls: ax_request_get tells whether the slot still is that request. Thread: the worker's own. */
#ifndef AX_NET_REQUEST_H
#define AX_NET_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/list.h"
#include "http/head.h"
#include "http/router.h"
#include "net/out.h"
#include "net/site.h"

struct ax_conn;
struct ax_worker;

enum ax_request_state {
    AX_REQ_READING,   /* its body is still coming, or it waits in line (ax_gate_place) */
    AX_REQ_QUEUED,    /* whole, waiting for the next batch */
    AX_REQ_ENTERED,   /* JavaScript has it */
    AX_REQ_STREAMING, /* the head of its response was given, its end was not: net/stream.h */
    AX_REQ_ANSWERED,  /* response given, waiting for its turn or for the socket */
};

enum ax_gate_place {
    AX_PLACE_NONE,          /* its route has no max_inflight, or it was not let in */
    AX_PLACE_HELD,          /* one of them is its own until it is answered */
    AX_PLACE_WAITING,       /* in line; its body may still be coming */
    AX_PLACE_WAITING_WHOLE, /* in line, nothing more of it is to come: its state is READING all the same */
};

enum { AX_ID_LEN = 16 };
enum { AX_REQ_INLINE = 1024 }; /* bytes of head, fields and small body that need no allocator */

/* In order of use: what every request needs comes first and close together, since with many requests in a
 * turn the cost of a slot is the cache lines that are touched. */
struct ax_request {
    uint32_t index, gen; /* the handle: gen changes whenever the slot is given back */
    struct ax_worker *worker;
    struct ax_conn *conn; /* NULL once the client has gone */
    ax_mono head_at;      /* when its head was complete */

    /* ---- zero when a request begins, from here ... */
    struct ax_request *next; /* on its connection, in order of arrival */
    uint8_t state;           /* enum ax_request_state */
    bool watched;            /* dispatch->event is wanted */
    bool continue_due;       /* 100 Continue is to be sent when its turn comes */
    bool parked;             /* QUEUED, but not in the worker's list: see ax_request_backed_up */
    bool gone_due;       /* in the worker's list of those with an event to be told: dispatch->event is due */
    bool in_progress;    /* counted among the worker's requests in progress */
    bool inflight_taken; /* counted against limits.inflight of the engine */
    bool close;          /* the connection ends after this response */
    bool lent;           /* bytes of its response are lent, and were not written yet */
    uint8_t place;       /* enum ax_gate_place, of its route's max_inflight */
    uint16_t status;     /* of the response; 0 until answered */
    uint16_t round;      /* of ax_worker_take_turns */
    uint32_t route;      /* 0 = none */
    uint32_t nparams;
    uint32_t reserved;                 /* bytes of its connection's `reserved` set aside for its answer */
    const struct ax_route *site_route; /* BORROWED from the worker's site; NULL = none */
    ax_mono enter_at, reply_at;        /* 0 = not yet */
    uint64_t bytes_in, bytes_out;
    uint64_t out_end;   /* position in the connection's output where its response ends */
    struct ax_str body; /* whole when QUEUED; in the arena or in body_block */
    char *body_block;   /* OWNED, see body_store.h */
    size_t body_cap;    /* its bytes, which limits.body_memory counts; 0 = none */
    struct ax_out held; /* response given before its turn */
    const char *remote; /* the client's address, once conn is NULL; in the arena; NULL = no memory for it */
    const char *error;  /* for the request record; static text or in the arena; NULL = none */
    struct ax_list in_line;   /* while it waits for a place: net/admission.c */
    struct ax_origin *origin; /* in the arena: what trusted proxies say; NULL = not asked yet, or nothing */
    struct ax_stream *stream; /* in the arena: net/stream.h; NULL = neither side is a stream */
    const char *given_id;     /* the id that a trusted proxy gave it, in the arena; NULL = `id` counts */
    char id[AX_ID_LEN];       /* made on first use; id[0] is 0 until then */
    char id_end;              /* the id's NUL */
    /* ---- ... to here */

    struct ax_list gone;        /* while gone_due */
    struct ax_deadline timeout; /* in the worker's queue of this handler timeout */
    struct ax_head head;
    struct ax_arena arena;
    _Alignas(16) char inline_bytes[AX_REQ_INLINE];
    struct ax_str params[AX_ROUTE_PARAMS_MAX]; /* slices of the head, still percent-encoded */
};

/* NULL when that request is over (answered and sent, timed out, or never was). */
struct ax_request *ax_request_get(struct ax_worker *w, uint32_t index, uint32_t gen);
/* Its id: the one that a trusted proxy gave it, else one of 16 characters that is made now when it has none.
 * NUL-terminated, at most AX_REQUEST_ID_MAX characters; at least AX_ID_LEN bytes may be read, zeroes beyond
 * its end. */
const char *ax_request_id(struct ax_request *r);
/* Address of the client as text: "127.0.0.1", "::1", "unix"; as trusted proxies tell it (http/forwarded.h);
 * also when the client has gone. */
const char *ax_request_remote(struct ax_request *r);
/* The client spoke HTTPS to a trusted proxy. */
bool ax_request_https(struct ax_request *r);
/* Lines that the policies of its route add to each answer, in its arena: for whoever writes a head itself. */
struct ax_str ax_request_policy_lines(struct ax_request *r);
/* Ports of both ends of its connection, and this one's address as text.  False: the client has gone, or the
 * socket has none. */
struct ax_request_ends {
    uint16_t remote_port, local_port;
    char local[46]; /* INET6_ADDRSTRLEN */
};
bool ax_request_ends_of(const struct ax_request *r, struct ax_request_ends *ret);
/* The authority the client asked for, maybe with a port: Host, or what a trusted proxy says; may be empty. */
struct ax_str ax_request_host(struct ax_request *r);
/* True when the client has closed, or will send nothing more: it may still read an answer (RFC 9112, 9.6). */
bool ax_request_client_gone(const struct ax_request *r);
/* True when so much unsent output has gathered on its connection that the requests behind it should wait, or
 * when bytes wait that were lent (reply.h): a dispatcher then ends its batch.  What a client that does not
 * read can make the server hold ends here. */
bool ax_request_backed_up(const struct ax_request *r);

#endif
