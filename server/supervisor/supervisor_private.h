/* supervisor/supervisor_private.h - the supervisor's own state, shared by supervisor.c (life of the whole),
 * run.c (life of the engine, start to stop) and status.c. */
#ifndef AX_SUPERVISOR_PRIVATE_H
#define AX_SUPERVISOR_PRIVATE_H

#include <uv.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/admin.h"
#include "supervisor/control.h"
#include "supervisor/engine.h"
#include "supervisor/env.h"
#include "supervisor/sockets.h"
#include "supervisor/supervisor.h"
#include "supervisor/writer.h"

enum { AX_SUPERVISOR_MAGIC = 0x53555056 };
enum ax_phase {
    AX_STARTING,  /* no engine was ready yet */
    AX_RUNNING,   /* one was; it may be dead and about to be started again */
    AX_LAME_DUCK, /* still accepts, says not ready */
    AX_DRAINING,  /* requests in progress finish */
    AX_OVER,      /* the loop ends */
};
enum ax_signal { AX_SIG_TERM, AX_SIG_INT, AX_SIG_HUP, AX_SIG_USR1, AX_SIG_CHLD, AX_SIGNALS };

struct ax_supervisor {
    uint32_t magic;
    const struct ax_serve_options *o;
    const struct ax_manifest *m;
    struct ax_serve_result result;
    struct ax_err err; /* why it could not start */
    bool failed, said; /* failed: it could not start; said: through o->problem */

    /* set up once, in this order */
    struct ax_env env;
    char *node, *script; /* OWNED */
    struct ax_log log;
    struct ax_state state;
    struct ax_state_lock lock;
    bool with_state; /* the state folder is usable */
    struct ax_sockets sockets;
    unsigned workers;
    int64_t connections;
    enum ax_log_format access_format;
    struct ax_writer *writer;
    uv_loop_t loop;
    uv_signal_t signals[AX_SIGNALS];
    uv_timer_t retry, startup, lame, shutdown, report;
    uv_async_t written; /* the writer has ended an interval */
    struct ax_control *control;
    struct ax_admin *admin; /* always there while the loop runs, maybe without an address */

    /* the run */
    enum ax_phase phase;
    struct ax_engine *engine;                         /* NULL between two */
    struct ax_segment *segment;                       /* of `engine`; OWNED by the writer */
    bool engine_ready, engine_drained, engine_killed; /* killed: by us, at the end of our patience */
    ax_mono started, ready_at, first_int;
    unsigned generation, restarts;
    int64_t backoff_ms; /* before the next start */
    struct ax_message_worker workers_seen[AX_MESSAGE_WORKERS];
    unsigned nworkers_seen;
};

/* run.c */
int ax_run_engine(struct ax_supervisor *s, struct ax_err *reterr); /* starts one */
void ax_run_stop(struct ax_supervisor *s);                         /* lame duck, drain, end */
void ax_run_kill(struct ax_supervisor *s);                         /* ends at once; counts as forced */
const char *ax_phase_name(const struct ax_supervisor *s);

/* admin_facts.c: makes s->admin and opens its addresses */
int ax_supervisor_admin(struct ax_supervisor *s, struct ax_err *reterr);

/* supervisor.c: closes what keeps the loop alive */
void ax_supervisor_over(struct ax_supervisor *s);

/* status.c: one line of JSON; OWNED, NULL = out of memory.  Its shape is in docs/operations.md. */
char *ax_status_text(struct ax_supervisor *s);

#endif
