/* net/worker.h - one worker: a libuv loop, its connections, its slots and pools, and the batch.
 * A turn of the loop: poll -> reads (parse, route, collect) -> check: one dispatch call per batch, one write
 * per connection -> timers.  What is answered later (promises, timers) is flushed in `prepare`, before the
 * loop sleeps. Thread: everything here runs on the loop's thread, but ax_worker_load and ax_worker_give.
 *
 * Who may touch a worker's connections, requests and pools is one atomic word.  JS: JavaScript may run, that
 * is always but in our own callbacks and in the native calls that JavaScript makes; these hold the word at
 * NATIVE. The watchdog (watchdog.c) may move it from JS to TAKEN when the worker stands still, gives away
 * what the worker has, and leaves it DONE.  From then on the thread of the worker may only close and free it.
 */
#ifndef AX_NET_WORKER_H
#define AX_NET_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "metrics/segment.h"
#include "net/dispatch.h"
#include "net/site.h"

struct ax_worker;
struct ax_engine; /* net/listener.h */

struct ax_worker_options {
    uv_loop_t *loop;      /* BORROWED, outlives the worker's close */
    struct ax_site *site; /* a reference is taken */
    struct ax_dispatch dispatch;
    struct ax_wstat *stat;    /* BORROWED, until the worker is freed: its area of the segment */
    struct ax_log *log;       /* BORROWED: the server's own lines; NULL = none */
    struct ax_log *access;    /* BORROWED, until the worker is freed; NULL = no access lines */
    struct ax_engine *engine; /* BORROWED; NULL = stands alone (plain Node, tests) */
    /* BORROWED until the worker is freed; the heartbeat beside the loop's turns: dispatchers store there
     * (relaxed) which request of the running call they enter (-1 before the first), and how many there were
     * once all are.  NULL = none. */
    const int32_t *entering;
    unsigned id; /* 0-based */
};
/* Makes and pre-warms everything; handles are unref'ed, so the loop may end while nothing listens.  A failed
 * call leaves nothing behind but handles being closed: *ret is NULL. */
int ax_worker_new(const struct ax_worker_options *o, struct ax_worker **ret, struct ax_err *reterr);
/* Accepts from `fd` (listening, non-blocking) on this loop; the descriptor is BORROWED.  Keeps the loop
 * alive. */
int ax_worker_listen(struct ax_worker *w, int fd, struct ax_err *reterr);
/* Takes a connected socket (OWNED from now on, closed on failure).  Loop thread. */
int ax_worker_adopt(struct ax_worker *w, int fd);
/* Any thread: puts a connected socket into the worker's inbox and wakes it; false when it is closing (fd
 * stays the caller's). */
bool ax_worker_give(struct ax_worker *w, int fd);

enum ax_worker_phase { AX_WORKER_RUNNING, AX_WORKER_LAME_DUCK, AX_WORKER_DRAINING, AX_WORKER_CLOSED };
/* LAME_DUCK: still accepts, answers with Connection: close.  */
void ax_worker_lame_duck(struct ax_worker *w);
/* Stops accepting, closes idle connections (those that were never answered after a moment, in which their
 * first request may come), answers with Connection: close; `done` is called once, from the
 * loop, when no connection is left; the worker is not owned then (JS). */
void ax_worker_drain(struct ax_worker *w, void (*done)(void *ctx), void *ctx);
/* The same for a worker whose place another one takes: nothing is closed and no client is told to.  Idle
 * connections go, with what was read of them, to other workers of the engine or to its heir, busy ones after
 * their response.  Not twice, not after ax_worker_drain. */
void ax_worker_retire(struct ax_worker *w, void (*done)(void *ctx), void *ctx);
/* Closes the connections on which a response is being streamed (net/stream.h): the end of timeouts.drain. */
void ax_worker_cut_streams(struct ax_worker *w);
/* Closes every connection at once, then the handles; `closed` is called when libuv has let go of all of them.
 * After it only ax_worker_free may be called. */
void ax_worker_close(struct ax_worker *w, void (*closed)(void *ctx), void *ctx);
void ax_worker_free(struct ax_worker *w);

/* ---- ownership */
enum ax_owner { AX_OWNER_JS, AX_OWNER_NATIVE, AX_OWNER_TAKEN, AX_OWNER_DONE };
struct ax_worker_front { /* a worker begins with it, for the inlines */
    uint32_t magic, owner;
};
/* The worker's thread, from JS.  False: the watchdog has it: touch nothing of it, and call no Node-API
 * function. */
static inline bool ax_worker_enter(struct ax_worker *w)
{
    uint32_t js = AX_OWNER_JS;

    return __atomic_compare_exchange_n(&((struct ax_worker_front *)w)->owner, &js, AX_OWNER_NATIVE, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}
static inline void ax_worker_leave(struct ax_worker *w)
{
    __atomic_store_n(&((struct ax_worker_front *)w)->owner, AX_OWNER_JS, __ATOMIC_RELEASE);
}
/* Any thread: the watchdog has it, or had. */
static inline bool ax_worker_taken(const struct ax_worker *w)
{
    return __atomic_load_n(&((const struct ax_worker_front *)w)->owner, __ATOMIC_ACQUIRE) >= AX_OWNER_TAKEN;
}
/* Returns at once, or when the watchdog is done with it.  Before an environment ends. */
void ax_worker_await_done(struct ax_worker *w);

/* Any thread. */
struct ax_load {
    uint32_t connections, inflight;
};
struct ax_load ax_worker_load(const struct ax_worker *w);
unsigned ax_worker_id(const struct ax_worker *w);
struct ax_counters *ax_worker_counters(struct ax_worker *w);
/* Time of this turn, and a fresh reading that becomes it. */
ax_mono ax_worker_now(struct ax_worker *w);
/* Dispatchers call it between two requests of a batch: takes the time, so that the request entered next
 * starts now; true when the slice is used up and the batch should end. */
bool ax_worker_slice_over(struct ax_worker *w);

#endif
