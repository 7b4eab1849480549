/* net/internal.h - what the files of this folder share: the worker and the connection.  Nobody else includes
 * it. */
#ifndef AX_NET_INTERNAL_H
#define AX_NET_INTERNAL_H

#include <netinet/in.h>
#include <pthread.h>
#include <sys/un.h>
#include <uv.h>

#include "base/deadline.h"
#include "base/pool.h"
#include "http/body.h"
#include "http/route_cache.h"
#include "net/admission.h"
#include "net/body_store.h"
#include "net/dispatch.h"
#include "net/listener.h"
#include "net/out.h"
#include "net/parcel.h"
#include "net/reply.h"
#include "net/request.h"
#include "net/worker.h"

enum { AX_WORKER_MAGIC = 0x51735e02, AX_CONN_MAGIC = 0x51735e03 };
enum { AX_READ_BUFFER = 65536, AX_LISTEN_MAX = 16 };
/* In one period of timeouts.send the kernel is asked so often whether bytes move. */
enum { AX_SEND_LOOKS = 4 };

enum ax_conn_state {
#define STATE(id, name, read) AX_CONN_##id,
#include "net/conn_state.def"
#undef STATE
};
enum ax_close {
#define CLOSE(id, text) AX_CLOSE_##id,
#include "net/close.def"
#undef CLOSE
    AX_CLOSES
};
enum ax_conn_timeout {
    AX_TO_HEADER,
    AX_TO_BODY,
    AX_TO_KEEP_ALIVE,
    AX_TO_SEND,
    AX_TO_LINGER,
    AX_TO_FIRST, /* its first request, which may be on its way when a drain begins */
    AX_CONN_TIMEOUTS
};

/* Bits: what a connection's next requests wait for. */
enum ax_held_back {
    AX_HELD_IN_LINE = 1, /* its last request waits for a place, see admission.c */
    AX_HELD_STREAM = 2,  /* a response is being streamed */
};

struct ax_conn {
    uint32_t magic;
    uint8_t state;        /* enum ax_conn_state */
    uint8_t timeout_kind; /* enum ax_conn_timeout, while `timeout` is queued */
    uint8_t close_why;    /* enum ax_close */
    bool dirty;           /* in the worker's list of connections with output */
    bool eof;             /* the client has sent FIN, and all before it was read */
    bool hup;             /* the client has sent FIN; there may be input before it */
    bool blocked_out;     /* the socket took less than there was */
    bool parked;          /* its QUEUED requests wait until output has left */
    uint8_t held_back;    /* enum ax_held_back: why nothing behind its last request is looked at */
    uint8_t trust;        /* of its peer, see remote.c; 0 = not looked at yet */
    bool full;            /* a stream of it waits until output has left: AX_EVENT_DRAINED */
    int fd, events;       /* events: what uv_poll waits for now */
    struct ax_worker *worker;
    uv_poll_t poll;
    struct ax_list all; /* worker->conns */
    struct ax_deadline timeout;
    struct ax_conn *next_dirty;
    struct ax_request *first, *last; /* not completely sent yet, in order of arrival */
    struct ax_request *turn;         /* first of them without an answer */
    struct ax_request *reading; /* whose body is read; NULL in BODY = it was answered, the rest is dropped */
    unsigned nrequests;
    unsigned lined_up; /* of ax_worker_take_turns, 0 outside of it */
    size_t held;       /* bytes of responses given before their turn */
    size_t reserved;   /* bytes set aside for the answers of its entered requests, see batch.c */
    int in_kernel;     /* bytes the kernel had still to send at the last look */
    uint8_t stuck;     /* looks without progress */
    struct ax_scanner scan;
    struct ax_body_reader body;
    uint64_t body_got; /* of the body being read */
    ax_mono body_since;
    struct ax_buf pending; /* input that waits: part of a head, or pipelined requests */
    struct ax_out out;
    uint64_t sent, queued; /* bytes ever sent and ever appended */
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } peer;
    char remote[46]; /* made on first use */
};

struct ax_handle {
    uint32_t index, gen;
};
struct ax_slot {          /* an index of the slot table */
    struct ax_request *r; /* NULL = free */
    uint32_t gen, next_free;
};

struct ax_worker {
    uint32_t magic, owner; /* struct ax_worker_front */
    unsigned id;
    uv_loop_t *loop;
    struct ax_site *site;
    const struct ax_settings *set; /* BORROWED from site */
    const struct ax_router *router;
    const struct ax_proxies *proxies;   /* BORROWED from site; NULL = nobody is trusted */
    struct ax_route_cache *route_cache; /* OWNED; NULL = off */
    struct ax_dispatch dispatch;
    const int32_t *entering; /* see ax_worker_options; NULL = none */
    struct ax_wstat *stat;
    struct ax_counters *count;
    struct ax_logins_known *logins; /* OWNED; NULL = nobody has logged in by password, see login.c */
    const int64_t *blocks;          /* relaxed atomics by route: see ax_wstat_blocks */
    struct ax_log *log, *access;
    ax_mono next_report; /* no line about a handler's timeout before it */
    struct ax_engine *engine;
    enum ax_worker_phase phase;
    bool dying;          /* dispatch.run said so: nothing is read or handed over any more */
    bool running;        /* inside dispatch.run */
    bool retiring;       /* draining, and its connections go on elsewhere */
    bool drain_due;      /* `drained` is to be called */
    bool fresh;          /* `now` was read in this turn */
    bool slice_used;     /* by full batches, before the turn's end */
    ax_mono now;         /* of this turn */
    uint64_t now_cycles; /* when ax_worker_now last read the clock */
    ax_mono entered_at;  /* when the request that runs now was entered, as far as is known */
    ax_mono slice_end;
    int64_t date_until; /* us on the clock of `now`: the Date line's second ends then */
    char date[AX_HTTP_DATE_LEN + 1];
    struct ax_response_leads leads; /* with that date */

    struct ax_pool request_pool, conn_pool, block_pool;
    struct ax_body_store bodies;
    uint64_t pools_dry; /* of all of them, in the last turn */
    int64_t trim_at,
        trimmed; /* us: when it is looked whether a burst is over; the last time memory was given back */
    struct ax_slot *slots;
    uint32_t nslots, free_slot; /* free_slot: nslots = none */
    uint32_t first_gen;         /* of every slot */
    size_t arena_max; /* of a request beyond its inline bytes: the rest of a head and its fields, decoded and
                         error texts */
    struct ax_head_limits head_limits;
    struct ax_host_seen host_seen;
    char next_id[AX_ID_LEN]; /* of a request: begins with 8 digits of this worker, and counts */
    struct ax_line *lines;   /* OWNED, one for each gate of the site: who waits here */
    bool granted;            /* relaxed atomic: some of them may go on */
    unsigned unanswered;     /* of the requests that the running batch was given */
    unsigned inflight;       /* whole requests without an answer */
    unsigned inflight_share; /* this worker's part of limits.inflight, taken without asking the engine */
    unsigned inflight_extra; /* of w->inflight, those that the engine was asked for */

    struct ax_request **ready;       /* whole requests for the dispatcher, in order */
    struct ax_request **ready_spare; /* [ready_cap], for ax_worker_take_turns */
    unsigned nready, ready_cap;
    bool piled;               /* a connection may have more than one of them */
    bool left;                /* the last turn ended with some of them left */
    uint32_t *largest_answer; /* [routes + 1]: bytes, as far as this worker has seen; 0 = none yet */
    struct ax_handle *handed; /* [set->batch]: what the running call was given */
    unsigned nhanded;
    struct ax_list gone; /* requests with a dispatch.event that is due */

    struct ax_list conns;
    struct ax_list shells; /* connections that the watchdog gave away: only their handles are left */
    unsigned nconns;
    struct ax_conn *dirty, **dirty_end; /* have output, in order; the end is where the next one is linked */

    struct ax_deadline_queue conn_timeouts[AX_CONN_TIMEOUTS];
    struct ax_deadline_queue *handler_timeouts;
    unsigned nhandler_timeouts;
    int64_t timer_at; /* when `timer` fires, us; INT64_MAX = not armed */

    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;  /* active while requests are left for the next turn: the loop must not sleep */
    uv_async_t wake; /* inbox */
    uv_poll_t listen[AX_LISTEN_MAX];
    unsigned nlisten;
    bool accept_paused;
    unsigned passed_by; /* times in a row that accepting was left to another engine */
    unsigned open_handles;

    pthread_mutex_t inbox_lock; /* guards the next four */
    int *inbox;                 /* new connections */
    unsigned ninbox, inbox_cap;
    struct ax_list parcels; /* those that others had before */
    bool inbox_closed;
    uint32_t load_conns, load_inflight, load_waiting; /* relaxed atomics, for the balancer */
    int64_t load_idle; /* relaxed atomic: when its longest-idle connection ends; INT64_MAX = none */
    bool make_room;    /* relaxed atomic: the accept thread asks for an idle connection's place */

    void (*drained)(void *);
    void *drained_ctx;
    void (*closed)(void *);
    void *closed_ctx;

    struct ax_begun { /* between ax_reply_begin and _end */
        struct ax_response_head head;
        char *at; /* of its bytes, in the output */
        size_t head_bytes, head_max;
    } begun;
    struct ax_buf line;     /* access lines of this turn */
    struct ax_files *files; /* OWNED; NULL until one is asked for */
    char read_buffer[AX_READ_BUFFER];
};

/* The loop turns: what the watchdog looks at. */
static inline void ax_worker_turned(struct ax_worker *w)
{
    ax_count_add(&w->count->turns, 1);
}

/* ---- slots.c */
int ax_slots_init(struct ax_worker *w, struct ax_err *reterr);
void ax_slots_fini(struct ax_worker *w);
struct ax_request *ax_slot_get(struct ax_worker *w); /* NULL = out of memory */
void ax_slot_put(struct ax_request *r);              /* the handle is stale from now on */
void ax_slot_retire(struct ax_request *r);           /* the handle is stale; the slot itself still in use */

/* ---- conn.c */
void ax_conn_want(struct ax_conn *c);                            /* what libuv waits for follows its state */
void ax_conn_wait(struct ax_conn *c, enum ax_conn_timeout kind); /* starts its timeout anew */
bool ax_conn_may_read_on(
    const struct ax_conn *c); /* another request, within limits.pipeline and limits.output */
enum ax_conn_timeout ax_conn_head_timeout(const struct ax_conn *c);
struct ax_conn *ax_conn_open(struct ax_worker *w, int fd); /* owns fd, closed on failure */
void ax_conn_close(struct ax_conn *c, enum ax_close why);
int ax_conn_detach(struct ax_conn *c,
                   enum ax_close why); /* closed but for its descriptor: OWNED by the caller */
void ax_conn_flush(struct ax_conn *c);
void ax_conn_dirty(struct ax_conn *c);
void ax_conn_timeout(struct ax_conn *c, ax_mono now);
/* The kernel holds input of it: a request that was sent is in progress, though not a byte of it was read. */
bool ax_conn_has_input(const struct ax_conn *c);
/* Has the client taken anything since the last look?  The socket says "writable" only when a third of its
 * buffer, of up to megabytes, is free: a slow reader may need longer for that than timeouts.send. */
bool ax_conn_kernel_sends(struct ax_conn *c);
void ax_conn_close_shell(struct ax_conn *c);

/* ---- input.c */
void ax_conn_read(struct ax_conn *c); /* from its socket */
void ax_conn_feed(struct ax_conn *c, const char *p, size_t n);
void ax_conn_resume(struct ax_conn *c);      /* input that waited may go on */
void ax_conn_half_closed(struct ax_conn *c); /* FIN while input waits */
void ax_conn_eof(struct ax_conn *c);         /* FIN, and all before it was read */

/* ---- listener.c */
/* Once accepting has stopped: lets go of the listening sockets, so that a connect is refused as soon as
 * nobody else has them.  Their numbers stay taken until their owner closes them.  With one worker it is that
 * worker's to call, when its loop does not wait for them any more. */
void ax_engine_leave_sockets(struct ax_engine *e);
/* A single worker accepts between these two; false, and nothing to end: another engine does so now. */
bool ax_engine_accept_begin(struct ax_engine *e);
void ax_engine_accept_end(struct ax_engine *e);
/* Nobody accepts after this engine: what is queued in the kernel is served first. */
bool ax_engine_is_last(const struct ax_engine *e);

/* ---- remote.c */
void ax_request_orphan(struct ax_request *r); /* its connection is no longer its own; the address is kept */
const char *ax_request_given_id(struct ax_request *r); /* by a trusted proxy; NULL = none */

/* ---- intake.c: a whole head becomes a request; a whole request becomes an answer or a place in the batch */
void ax_intake_head(struct ax_conn *c, const char *p, size_t n, const struct ax_head_lines *lines);
void ax_intake_refused(struct ax_conn *c, const struct ax_refusal *why);
void ax_intake_whole(struct ax_request *r);
void ax_intake_resume(struct ax_request *r,
                      bool ok);         /* its password was looked at: it goes on, or gets 401 */
void ax_intake_last(struct ax_conn *c); /* no request is read any more */
bool ax_intake_body(void *conn, const char *p, size_t n);
void ax_intake_body_refused(struct ax_conn *c, unsigned status, const char *text, const char *limit);
void ax_intake_cut_short(struct ax_conn *c); /* FIN within a body: its request ends, those before stay */

/* ---- reply.c */
void ax_reply_turns(struct ax_conn *c); /* held responses whose turn has come */
/* r has been written to the connection's output to its end: the next ones may follow. */
void ax_reply_turn_over(struct ax_conn *c, struct ax_request *r);
int ax_reply_to_nowhere(struct ax_request *r); /* the client has left; 1 */
bool ax_reply_must_close(const struct ax_request *r);
bool ax_reply_has_no_body(unsigned status);
/* The head, its worker's time being of now: r->close is set.  0 = out of memory. */
size_t ax_reply_put_head(struct ax_request *r, struct ax_out *out, const struct ax_reply *reply,
                         uint64_t length, bool length_known, bool chunked);
bool ax_reply_link(struct ax_out *out, const struct ax_reply *reply, bool waits);
struct ax_out *ax_reply_out(struct ax_request *r);     /* where its bytes go now */
void ax_reply_entered_until_now(struct ax_request *r); /* a head was given: its handler's time */

/* ---- stream.c */
void ax_stream_turn(struct ax_conn *c, struct ax_request *r); /* its turn has come: what was held follows */
void ax_stream_drained(struct ax_conn *c);                    /* output has left, c->full is set */
/* r is STREAMING and has lost its connection: over now, or once that was told. */
void ax_stream_orphan(struct ax_request *r);
void ax_stream_notify(struct ax_request *r, enum ax_event what); /* to be told before the loop sleeps */
bool ax_stream_tell(struct ax_request *r); /* tells what is due; false: the worker was taken over */
/* ---- its body: c->reading is r */
void ax_stream_expect(struct ax_request *r); /* its head is complete, a body follows: it may be entered */
bool ax_stream_add(struct ax_request *r, const char *p, size_t n); /* false: limits.body_memory */
size_t ax_stream_room(const struct ax_request *r);                 /* bytes of it that may come now */
void ax_stream_pause(struct ax_conn *c);                           /* there is no room: BODY_FULL */
bool ax_stream_may_go_on(const struct ax_conn *c);                 /* from there */
void ax_stream_go_on(struct ax_conn *c);
void ax_stream_whole(struct ax_request *r);             /* all of it has come */
void ax_stream_broke_off(struct ax_request *r);         /* nothing more comes */
bool ax_stream_owes_continue(const struct ax_conn *c);  /* the client waits for a word, and need not send */
bool ax_stream_awaits_body(const struct ax_request *r); /* its handler waits for the client */
/* Its handle is dead: nothing is told any more. */
void ax_stream_forget(struct ax_request *r);
void ax_stream_drop_encoder(struct ax_request *r); /* it has a stream */
/* An event is to be told first: the slot is given back then. */
bool ax_stream_keeps_slot(struct ax_request *r);
bool ax_stream_is_kept(const struct ax_request *r);
/* A response that has begun and cannot go on: no last chunk, and its connection ends behind it. */
void ax_stream_cut(struct ax_request *r, const char *why);

/* ---- account.c: a request is over: metrics, records, access line */
void ax_account(struct ax_request *r, ax_mono sent_at);
void ax_account_flush(struct ax_worker *w);

/* ---- timers.c */
int ax_worker_init_timeouts(struct ax_worker *w, struct ax_err *reterr);
void ax_worker_arm(struct ax_worker *w, const struct ax_deadline_queue *q); /* q got a new deadline */
void ax_worker_arm_at(struct ax_worker *w, int64_t at_us); /* wakes the loop then, at the latest */
void ax_worker_touch(struct ax_worker *w);                 /* `now` is of this turn */
const char *ax_worker_date(struct ax_worker *w);

/* ---- fair.c */
/* Connections take turns: the first waiting request of each, then the second of each, and so on. */
void ax_worker_take_turns(struct ax_worker *w);

/* ---- stock.c */
void ax_worker_count_pools(struct ax_worker *w); /* once a turn */
void ax_worker_trim_pools(
    struct ax_worker *w); /* by the timer: gives back what a burst took once it is over */

/* ---- batch.c */
void ax_worker_unpark(struct ax_conn *c);   /* output has left: its parked requests may go on */
void ax_worker_queue(struct ax_request *r); /* for the next batch */
bool ax_worker_grow_ready(struct ax_worker *w);
bool ax_worker_run_full(
    struct ax_worker *w); /* runs a batch now, if there is a full one; false: taken over */
void ax_request_tell_gone(struct ax_request *r); /* its client has gone: who answers will be told */
void ax_worker_stay_awake(struct ax_worker *w);  /* something is due before the loop may sleep */
void ax_worker_flush(struct ax_worker *w);       /* every connection with output: one write each */
void ax_worker_on_prepare(uv_prepare_t *h);
void ax_worker_on_check(uv_check_t *h);
void ax_request_admit(struct ax_request *r); /* in progress from now on, while its body comes too */
void ax_request_leave(
    struct ax_request *r); /* it is answered, or nobody waits any more: no longer in progress */
void ax_request_start_timeout(struct ax_request *r); /* its handler's */
void ax_worker_unqueue(struct ax_request *r);        /* QUEUED, but it will not be entered: READING again */
void ax_request_unreserve(struct ax_request *r); /* its answer is there, or it was not entered after all */
void ax_request_over(struct ax_request *r);      /* it ends without an answer: counted, its slot given back */

/* ---- worker.c */
void ax_worker_check_drained(struct ax_worker *w); /* a connection has gone */
void ax_worker_check_closed(struct ax_worker *w);  /* a handle has gone; not owned: it may call who closes */

/* ---- accept.c */
void ax_worker_take_inbox(struct ax_worker *w);
/* Any thread: takes the parcel (OWNED by the worker then); false when it is closing. */
bool ax_worker_give_parcel(struct ax_worker *w, struct ax_parcel *p);
void ax_worker_on_wake(uv_async_t *h);
void ax_worker_accept_resume(struct ax_worker *w);
void ax_worker_accept_queued(struct ax_worker *w); /* all that the kernel has accepted for it */
/* Output leaves in one write a turn already: Nagle's algorithm would only hold the answers of the next turn
 * until the client has acknowledged those of the last, 40 ms later.  Accepted sockets inherit it (Linux). */
void ax_listen_no_delay(int fd);
/* Any thread: asks for the place of the connection that is idle longest. */
bool ax_worker_make_room(struct ax_worker *w);

/* ---- pack.c: connections become parcels, and parcels connections */
void ax_conn_unpack(struct ax_worker *w, struct ax_parcel *p); /* OWNED from now on */
/* Of a worker that retires: gives the connection away when nothing is in progress on it. */
void ax_conn_pass_on(struct ax_conn *c);

/* ---- listener.c */
/* Any thread: a connection for another worker than `not_to` (NULL = any), for the heir, or, when there is
 * nobody, for the next worker that comes.  OWNED from now on. */
void ax_engine_give(struct ax_engine *e, struct ax_parcel *p, const struct ax_worker *not_to);
/* Under isolation: process the load of this engine's worker, for the others to see; cheap where it is not. */
void ax_engine_show_load(const struct ax_engine *e, struct ax_load load);
void ax_engine_show_absent(const struct ax_engine *e); /* it does not accept */
bool ax_engine_has_most(const struct ax_engine *e);    /* another engine has less to do */
void ax_engine_await(struct ax_engine *e);             /* until the watchdog is done with whatever it does */
unsigned ax_engine_inflight_share(const struct ax_engine *e);

#endif
