/* net/listener.h - the engine's shared part: the accept thread (load balancer), and what its workers share:
 * ceilings over all of them and readiness.  One per process, made on the main thread before any worker.
 * Threads: the accept thread runs from _start to _stop; workers register from their own threads. */
#ifndef AX_NET_LISTENER_H
#define AX_NET_LISTENER_H

#include <stdbool.h>

#include "base/err.h"
#include "net/board.h"
#include "net/worker.h"

/* What the engine's thread has to tell; called on that thread, must not block. */
enum ax_engine_event_kind {
    AX_EV_TAKEN,       /* a worker was taken over: its environment is to be ended, and another one started */
    AX_EV_STUCK,       /* one stands still within native code of ours: it cannot be taken over */
    AX_EV_HANDED_OVER, /* the last parcel has left the engine */
};
enum ax_take_why { AX_TAKE_STALL, AX_TAKE_ABORT };
struct ax_engine_event {
    enum ax_engine_event_kind kind;
    unsigned worker;
    enum ax_take_why why;
    uint32_t route; /* of the request that does not come back; 0 = nobody can say */
    char id[AX_ID_LEN + 1];
    unsigned answered_504, answered_502, rerun; /* requests; rerun: handed to nobody yet */
    unsigned moved;                             /* connections */
};

enum ax_balance_by { AX_BY_LEAST_CONNECTIONS, AX_BY_ROUND_ROBIN, AX_BY_LEAST_INFLIGHT };

struct ax_engine_options {
    unsigned workers; /* at most; ids are 0 .. workers - 1 */
    enum ax_balance_by balance;
    const int *fds; /* listening sockets, BORROWED; made non-blocking and close-on-exec */
    unsigned nfds;
    int64_t limit_connections, limit_inflight, limit_body_memory; /* of the whole engine; -1 = off */
    unsigned min_ready;
    int64_t stall_us; /* how long one call into JavaScript may run; 0 or -1 = as long as it likes */
    int mailbox_fd;   /* the engine's end (mailbox.h), OWNED after success; 0 or -1 = none */
    /* isolation: process: what the engines know of each other's load, BORROWED, and which slot is ours; NULL
     * = it is the only engine */
    struct ax_board *board;
    unsigned slot;
    void (*event)(void *ctx, const struct ax_engine_event *ev); /* NULL = nobody is told */
    void *event_ctx;
};
int ax_engine_new(const struct ax_engine_options *o, struct ax_engine **ret, struct ax_err *reterr);
/* With one worker that worker listens itself and no connection is handed over; else the accept thread starts
 * when the first worker registers. */
int ax_engine_register(struct ax_engine *e, struct ax_worker *w,
                       struct ax_err *reterr); /* worker's thread, ready */
/* Worker's thread: it is given no connection any more, and is watched as before. */
void ax_engine_withdraw(struct ax_engine *e, struct ax_worker *w);
void ax_engine_unregister(struct ax_engine *e,
                          struct ax_worker *w); /* worker's thread; returns when no one uses it */
/* Any thread.  When it returns nothing is accepted any more; what was accepted before has a worker, or waits
 * for the heir.  Something dead takes the place of the listening sockets (with one worker, when that drains):
 * their numbers stay the caller's to close.  After ax_engine_set_stopping what was queued there is taken
 * first (with one worker, when that drains). */
void ax_engine_stop_accepting(struct ax_engine *e);
void ax_engine_free(struct ax_engine *e); /* all workers unregistered; joins the thread */

/* Shared ceilings; any thread.  _take is false when the ceiling is reached. */
bool ax_engine_take_inflight(struct ax_engine *e);
void ax_engine_put_inflight(struct ax_engine *e);
bool ax_engine_take_memory(struct ax_engine *e, int64_t bytes);
/* Would _take be true now? */
bool ax_engine_has_memory(const struct ax_engine *e, int64_t bytes);
void ax_engine_put_memory(struct ax_engine *e, int64_t bytes);
bool ax_engine_take_connection(struct ax_engine *e);
void ax_engine_put_connection(struct ax_engine *e);
/* A worker's thread, from a SIGABRT handler; async-signal-safe.  True: the watchdog takes it over at once,
 * and the thread must never return from the handler.  False: it cannot be. */
bool ax_engine_abort(struct ax_engine *e, struct ax_worker *w);
/* Nothing waits to leave the engine any more (else AX_EV_HANDED_OVER comes). */
bool ax_engine_handed_over(struct ax_engine *e);
/* Connections are parked that no worker and no neighbour takes. */
bool ax_engine_wants_heir(struct ax_engine *e);
/* Health (docs/operations.md): ready when at least min_ready workers are registered and it is not stopping.
 */
bool ax_engine_ready(const struct ax_engine *e);
void ax_engine_set_stopping(struct ax_engine *e);

#endif
