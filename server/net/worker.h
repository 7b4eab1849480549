/* net/worker.h - one worker: a libuv loop, its connections, its slots and pools, and the batch.
 * A turn of the loop: poll -> reads (parse, route, collect) -> check: one dispatch call per batch, one write
 * per connection -> timers.  What is answered later (promises, timers) is flushed in `prepare`, before the
 * loop sleeps. Thread: everything here runs on the loop's thread, but ax_worker_load and ax_worker_give. */
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
    unsigned id;              /* 0-based */
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
/* Stops accepting, closes idle connections, answers with Connection: close; `done` is called once, on the
 * loop, when no connection is left. */
void ax_worker_drain(struct ax_worker *w, void (*done)(void *ctx), void *ctx);
/* Closes every connection at once, then the handles; `closed` is called when libuv has let go of all of them.
 * After it only ax_worker_free may be called. */
void ax_worker_close(struct ax_worker *w, void (*closed)(void *ctx), void *ctx);
void ax_worker_free(struct ax_worker *w);

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
