/* supervisor/runner.h - one engine process as the supervisor keeps it: from its start to its last word.
 * A runner belongs to a slot (slot.h), which decides what it is for; it keeps its generation, its segment,
 * the sender end of its mailbox and its patience.  What it becomes is told by ax_slot_ready, ax_slot_failed
 * and ax_slot_gone; it frees itself on the loop after the last.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_RUNNER_H
#define AX_SUPERVISOR_RUNNER_H

#include <uv.h>

#include "base/clock.h"
#include "base/list.h"
#include "supervisor/engine.h"
#include "supervisor/generation.h"

enum { AX_RUNNER_MAGIC = 0x52554e52 };
enum ax_runner_state {
    AX_RUNNER_STARTING,
    AX_RUNNER_READY,
    AX_RUNNER_HANDING_OVER, /* its connections go to its heir */
    AX_RUNNER_DRAINING,     /* stops, with no heir */
};
enum { AX_RUNNER_WHY = 400 };

struct ax_supervisor;
struct ax_slot;

struct ax_runner {
    uint32_t magic;
    struct ax_supervisor *s;
    struct ax_slot *slot;
    struct ax_list node;        /* in s->runners */
    struct ax_generation *gen;  /* a reference */
    struct ax_engine *engine;   /* frees itself; NULL once it is gone */
    struct ax_segment *segment; /* OWNED by the writer; NULL: it was never there */
    int segment_fd, mailbox;    /* of the segment; sender end; OWNED; -1 */
    enum ax_runner_state state;
    bool drained, killed; /* killed: by us, at the end of our patience */
    bool not_accepting;   /* it has said so: no connection comes to it any more */
    bool stuck;           /* isolation: process: its only thread was given up and answers no order */
    bool broken;          /* actix dev: the code does not load, and it answers with a page that says why */
    bool shown;           /* actix dev: its errors were printed by itself */
    bool reported;        /* its start failed with reasons, which were handed over */
    ax_mono started, ready_at, left_at;
    const char *patience;              /* what the timer is called in the manifest, once it leaves */
    uv_timer_t timer;                  /* timeouts.startup, then timeouts.shutdown or drain */
    struct ax_message_worker *workers; /* as it said last; OWNED */
    unsigned nworkers, zombies;
    char why[AX_RUNNER_WHY]; /* the start failed: the first reason; "" */
};

/* Starts a process for the slot.  `beside`: another one serves meanwhile, so this one accepts nothing before
 * all its workers are ready. */
int ax_runner_start(struct ax_slot *slot, struct ax_generation *gen, bool beside, struct ax_runner **ret,
                    struct ax_err *reterr);
/* What is needed to know an engine again that an earlier program of this process has started; descriptors and
 * segment are OWNED, and taken only with success. */
struct ax_runner_left {
    pid_t pid;
    int control, segment_fd, mailbox;
    struct ax_str rest;             /* ax_engine_adopt */
    struct ax_segment *segment;     /* NULL: its layout is not ours */
    const struct ax_segment *notes; /* how far it was counted; BORROWED */
    enum ax_runner_state state;
    bool drained, not_accepting, stuck;
    ax_mono started, ready_at, left_at;
};
/* Is in s->runners then, and in no slot. */
int ax_runner_adopt(struct ax_slot *slot, struct ax_generation *gen, const struct ax_runner_left *left,
                    struct ax_runner **ret, struct ax_err *reterr);
/* Its connections go to `heir`, which lives; it ends within timeouts.shutdown, or timeouts.drain if that is
 * longer. */
void ax_runner_hand_over(struct ax_runner *r, const struct ax_runner *heir);
/* It finishes its requests and closes its connections, within timeouts.shutdown. */
void ax_runner_drain(struct ax_runner *r);
/* One that hands over, when the app stops: from now on it has timeouts.shutdown, as everybody has. */
void ax_runner_hurry(struct ax_runner *r);
void ax_runner_kill(struct ax_runner *r);
pid_t ax_runner_pid(const struct ax_runner *r);
/* Requests in progress, all its workers together. */
uint64_t ax_runner_inflight(const struct ax_runner *r);
const char *ax_runner_state_name(const struct ax_runner *r);

#endif
