/* net/engine.h - what the files of the engine share: engine.c (life, workers, ceilings), balance.c (which
 * worker gets a connection), transfer.c (connections from and to other engines), watchdog.c (workers that
 * stand still) and listener.c (the thread that does all this).  Nobody else includes it. */
#ifndef AX_NET_ENGINE_H
#define AX_NET_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "net/internal.h"
#include "net/mailbox.h"

enum { AX_ENGINE_MAGIC = 0x51735e04, AX_PEERS_MAX = 1024 };

struct ax_watch { /* what the watchdog knows of a worker */
    uint64_t turns;
    int32_t entering;
    ax_mono since; /* it has not moved, or not answered, from then on */
    bool pinged;   /* a sleeping loop has no reason to turn: it was given one at `since` */
    bool stuck;    /* it was said that it cannot be taken */
    bool leaving;  /* it gets no connection any more, and does not count as ready */
};

struct ax_engine {
    uint32_t magic;
    enum ax_balance_by balance;
    unsigned max_workers, min_ready;
    int fds[AX_LISTEN_MAX];
    unsigned nfds;
    int64_t limit_connections, limit_inflight, limit_body_memory;
    atomic_int_least64_t connections, inflight_extra, body_memory;
    atomic_bool stopping, accepting_stopped;
    atomic_bool full;       /* the thread waits for a connection to end */
    struct ax_board *board; /* BORROWED; NULL = none */
    unsigned slot;
    int64_t stall_us; /* -1 = off */
    void (*event)(void *ctx, const struct ax_engine_event *ev);
    void *event_ctx;
    pthread_mutex_t accepting; /* held from the look at accepting_stopped to a connection's place; before
                                  `lock` */
    int dead; /* read end of a pipe on which nothing ever happens; its other end is kept open */
    int dead_peer;

    pthread_mutex_t lock;       /* guards all below */
    struct ax_worker **workers; /* by id; NULL = not registered */
    struct ax_watch *watch;     /* by id */
    unsigned nready;
    unsigned next;           /* round robin */
    struct ax_list parked;   /* parcels for whoever comes next */
    struct ax_list outbound; /* parcels for the heir or a peer */
    int mailbox, heir;       /* -1 = none */
    int *peers;              /* sender ends by slot, -1 = none; [npeers] */
    unsigned npeers;
    ax_mono looked; /* the watchdog, last; 0 = never */
    bool ended;     /* told to stop: the thread ends */
    bool thread_runs;
    pthread_t thread;
    int wake; /* eventfd: the thread looks around */
};

/* ---- engine.c */
void ax_engine_wake(const struct ax_engine *e);
void ax_engine_forget_worker(struct ax_engine *e, unsigned id); /* the lock is held */

/* ---- balance.c; the lock is held */
/* The registered worker with the least load, the next one in turn where they are equal; NULL = none. */
struct ax_worker *ax_engine_choose(struct ax_engine *e, const struct ax_worker *not_to);

/* ---- transfer.c; the lock is held */
void ax_engine_pass(struct ax_engine *e, struct ax_parcel *p, const struct ax_worker *not_to);
void ax_engine_pass_parked(struct ax_engine *e); /* a worker, an heir or a peer has come */
/* Sends what can be sent; the descriptor to wait for until there is room for more, -1 = none. */
int ax_engine_send_outbound(struct ax_engine *e);
void ax_engine_read_mailbox(struct ax_engine *e);
void ax_engine_drop_parcels(struct ax_engine *e);

/* ---- watchdog.c; the thread's */
/* Looks at every worker, takes over from those that stand still, and returns in how many ms it wants to look
 * again (-1 = not). */
int ax_engine_watch(struct ax_engine *e);
void ax_watch_begin(struct ax_watch *k, const struct ax_worker *w);
/* It may not come back: new connections had better go elsewhere.  The lock is held. */
bool ax_watch_suspects(const struct ax_engine *e, unsigned id);

/* ---- listener.c */
int ax_engine_start_thread(struct ax_engine *e, struct ax_err *reterr);

#endif
