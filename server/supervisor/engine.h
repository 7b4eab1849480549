/* supervisor/engine.h - one engine process: `node LIB/addon/engine.js --plan-fd N --control-fd M`, its
 * control pair and its metrics segment.  When to start, restart and stop one is the supervisor's business
 * (supervisor.c). Thread: the loop's.  Descriptors in the engine: the sockets from 3 on, then segment, plan,
 * control. */
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
    struct ax_plan_input plan; /* first_fd and segment_fd are set here */
    int output;                /* becomes its stdout and stderr; 0 or -1 = ours */
    struct ax_log *log;
    /* `m` is valid during the call. */
    void (*on_message)(void *ctx, const struct ax_message *m);
    /* The process is gone, everything it said was handed over; the engine is freed after the call. */
    void (*on_exit)(void *ctx, int wait_status);
    void *ctx;
};

struct ax_engine;

/* *ret is OWNED by the loop: it frees itself after on_exit.  `ret_segment` is a mapping that is OWNED by the
 * caller from now on. */
int ax_engine_start(const struct ax_engine_options *o, struct ax_engine **ret,
                    struct ax_segment **ret_segment, struct ax_err *reterr);
pid_t ax_engine_pid(const struct ax_engine *e);

enum ax_order { AX_ORDER_LAME_DUCK, AX_ORDER_STOP, AX_ORDER_WORKERS, AX_ORDER_REOPEN_LOGS };
void ax_engine_order(struct ax_engine *e, enum ax_order order);
/* SIGKILL to its whole group; on_exit follows. */
void ax_engine_kill(struct ax_engine *e);
/* To be called on SIGCHLD: calls on_exit if this one has ended. */
void ax_engine_child(struct ax_engine *e);

#endif
