/* supervisor/slot.h - a place for one engine: `isolation: thread` has one slot, `process` one per worker.
 * A slot knows the engine that serves and, during a reload or a rolling restart, the next one while it
 * starts beside it; what it has let go of (handing over, draining) is only in the list of all runners.
 *
 * One engine takes another's place in one way only: the next starts, gets ready, becomes the heir of the one
 * that serves, and that one hands its connections over and ends.  A next that does not get ready changes
 * nothing.  An engine that dies is started again: at once, unless it died within a second of being ready,
 * then after 100 ms, doubling to 5 s.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_SLOT_H
#define AX_SUPERVISOR_SLOT_H

#include <stdbool.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "supervisor/generation.h"

enum { AX_SLOT_MAGIC = 0x534c4f54, AX_SLOTS_MAX = 1024 };

struct ax_supervisor;
struct ax_runner;

struct ax_slot {
    uint32_t magic;
    struct ax_supervisor *s;
    unsigned id;
    struct ax_runner *now, *next; /* BORROWED from s->runners; NULL = none */
    uv_timer_t retry;
    int64_t backoff_ms; /* before the next start after a short life */
    unsigned restarts;  /* engines that died and were started again */
};

/* So many slots are there from now on, new ones empty.  -AX_E_NOMEM leaves what was there. */
int ax_slots_make(struct ax_supervisor *s, unsigned n, struct ax_err *reterr);
void ax_slots_close(struct ax_supervisor *s); /* their timers; the memory goes with ax_slots_free */
void ax_slots_free(struct ax_supervisor *s);  /* after the loop */

/* Nothing runs there though something should: starts one soon. */
void ax_slot_revive(struct ax_slot *slot);
/* The first engine of a slot, or the one after a crash. */
int ax_slot_start(struct ax_slot *slot, struct ax_generation *gen, struct ax_err *reterr);
/* One beside it; ax_slot_shift puts it in service once it is ready, ax_slot_forget gives it up. */
int ax_slot_start_next(struct ax_slot *slot, struct ax_generation *gen, struct ax_err *reterr);
void ax_slot_shift(struct ax_slot *slot);
void ax_slot_forget(struct ax_slot *slot);
/* Nothing serves here any more: what did hands over to `heir` (a slot that serves). */
void ax_slot_empty(struct ax_slot *slot, const struct ax_slot *heir);
bool ax_slot_serves(const struct ax_slot *slot); /* its engine is ready */

/* ---- what runners tell */
void ax_slot_ready(struct ax_runner *r);
/* Why it will not get ready; `by_app`: the engine itself says so. */
void ax_slot_failed(struct ax_runner *r, const struct ax_err *err, bool by_app);
void ax_slot_gone(struct ax_runner *r, int wait_status); /* r is valid for the call, its engine is not */
/* A rolling restart of its slot, if it is the one that serves there and no other movement runs. */
void ax_slot_renew(struct ax_runner *r, const char *why);

#endif
