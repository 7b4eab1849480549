/* supervisor/engine.h - one engine process: `node LIB/addon/engine.js --plan-fd N --control-fd M`, its
 * control pair, its metrics segment and its mailbox.  When to start, restart and stop one is the supervisor's
 * business (runner.h, slot.h). Thread: the loop's.  Descriptors in the engine: the sockets from 3 on, then
 * segment, plan, control, mailbox and, under `isolation: process`, the board. */
#ifndef AX_SUPERVISOR_ENGINE_H
#define AX_SUPERVISOR_ENGINE_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "metrics/segment.h"
#include "supervisor/env.h"
#include "supervisor/message.h"
#include "supervisor/plan.h"

enum { AX_ENGINE_LINE_MAX = 1 << 20 }; /* bytes of one message; a longer one ends the engine */

struct ax_engine_options {
    uv_loop_t *loop;
    const char *node, *script;
    const struct ax_env *env;
    struct ax_plan_input plan; /* the numbers of descriptors are set here */
    int board_fd;              /* BORROWED; -1 = none */
    int output;                /* becomes its stdout and stderr; 0 or -1 = ours */
    struct ax_log *log;
    /* `m` is valid during the call; an OWNED array of it may be taken. */
    void (*on_message)(void *ctx, struct ax_message *m);
    /* The process is gone, everything it said was handed over; the engine is freed after the call. */
    void (*on_exit)(void *ctx, int wait_status);
    void *ctx;
};

struct ax_engine;

struct ax_engine_parts { /* OWNED by the caller from then on */
    struct ax_segment *segment;
    int segment_fd; /* of the segment: for whoever goes on in our place */
    int mailbox;    /* the sender end */
};
/* *ret is OWNED by the loop: it frees itself after on_exit. */
int ax_engine_start(const struct ax_engine_options *o, struct ax_engine **ret,
                    struct ax_engine_parts *ret_parts, struct ax_err *reterr);
/* One that the program that we were has started and left to us: `control` is our end of its pair (taken only
 * with success), `rest` what it had said without an end of line.  loop, log and callbacks of *o are used. */
int ax_engine_adopt(const struct ax_engine_options *o, pid_t pid, int control, struct ax_str rest,
                    struct ax_engine **ret, struct ax_err *reterr);
/* What that takes.  False: it has ended, or has not read all it was told. */
bool ax_engine_leave(const struct ax_engine *e, int *ret_control, struct ax_str *ret_rest);
pid_t ax_engine_pid(const struct ax_engine *e);

enum ax_order {
    AX_ORDER_LAME_DUCK,
    AX_ORDER_STOP,
    AX_ORDER_RETIRE,   /* as STOP, for a reload: onStop hooks see the reason */
    AX_ORDER_HANDOVER, /* to the heir, which was told through the mailbox */
    AX_ORDER_WORKERS,
    AX_ORDER_REOPEN_LOGS,
};
void ax_engine_order(struct ax_engine *e, enum ax_order order);
/* SIGKILL to its whole group; on_exit follows. */
void ax_engine_kill(struct ax_engine *e);
/* To be called on SIGCHLD: calls on_exit if this one has ended. */
void ax_engine_child(struct ax_engine *e);

#endif
