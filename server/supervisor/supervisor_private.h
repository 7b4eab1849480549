/* supervisor/supervisor_private.h - the supervisor's own state, shared by supervisor.c (life of the whole),
 * slot.c and runner.c (engines), reload.c, stop.c and status.c. */
#ifndef AX_SUPERVISOR_PRIVATE_H
#define AX_SUPERVISOR_PRIVATE_H

#include <limits.h>
#include <uv.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "supervisor/admin.h"
#include "supervisor/control.h"
#include "supervisor/generation.h"
#include "supervisor/slot.h"
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

struct ax_reload;     /* reload.c */
struct ax_quarantine; /* quarantine.h */
struct ax_systemd;    /* systemd.c */
struct ax_left;       /* adopt.h */
struct ax_dev;        /* dev.h */

struct ax_supervisor {
    uint32_t magic;
    const struct ax_serve_options *o;
    const struct ax_manifest *m; /* of the generation that serves */
    struct ax_serve_result result;
    struct ax_err err;    /* why it could not start */
    char exe[PATH_MAX];   /* what this program was started from (upgrade.h) */
    struct ax_left *left; /* what the program before us left; NULL = there was none, or all is adopted */
    bool failed, said;    /* failed: it could not start; said: through o->problem */

    /* set up once, in this order */
    struct ax_log log;
    struct ax_state state;
    struct ax_state_lock lock;
    bool with_state; /* the state folder is usable */
    struct ax_sockets sockets;
    struct ax_writer *writer;
    uv_loop_t loop;
    uv_signal_t signals[AX_SIGNALS];
    uv_timer_t lame, report, memory; /* memory: looks at limits.memory */
    uv_timer_t settle;               /* a reload's patience with what it has replaced */
    uv_async_t written;              /* the writer has ended an interval */
    uv_idle_t upgrade;               /* the loop turns once more before the exec */
    struct ax_control *control;
    struct ax_quarantine *quarantine;
    struct ax_admin *admin;     /* always there while the loop runs, maybe without an address */
    struct ax_systemd *systemd; /* NULL = nobody asked to be told */

    /* actix dev */
    struct ax_dev *dev; /* NULL = not asked for, or not there yet */
    bool dev_again;     /* something changed while a reload ran */
    char dev_file[512]; /* the file that caused the last reload */
    ax_mono dev_at;     /* when it changed */

    /* the run */
    enum ax_phase phase;
    struct ax_generation *gen; /* the one that serves; a reference */
    unsigned last_generation;  /* number of the newest there was */
    struct ax_slot *slots[AX_SLOTS_MAX];
    unsigned nslots;                  /* that were made; the first gen->engines of them are used */
    struct ax_list runners;           /* every engine process there is */
    struct ax_reload *reload;         /* NULL = none runs */
    const struct ax_sockets *opening; /* what the engines that are started now inherit; NULL = `sockets` */
    ax_mono started, first_int;
};

/* ---- supervisor.c */
/* Every slot of the first generation is asked whether it serves; then the app does. */
void ax_supervisor_ready(struct ax_supervisor *s);
/* It cannot start: ends what there is. */
void ax_supervisor_give_up(struct ax_supervisor *s);
/* Closes what keeps the loop alive. */
void ax_supervisor_over(struct ax_supervisor *s);
/* Begins or ends looking at limits.memory, as the generation asks. */
void ax_supervisor_watch(struct ax_supervisor *s);
void ax_supervisor_event(struct ax_supervisor *s, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int ax_supervisor_open_log(const struct ax_manifest *m, struct ax_log *ret, struct ax_err *reterr);
/* What this reading listens on; addresses that `old` has are taken from there (ax_sockets_renew). */
int ax_supervisor_open_sockets(const struct ax_supervisor *s, const struct ax_reading *r,
                               const struct ax_sockets *old, struct ax_sockets *ret, struct ax_err *reterr);
const char *ax_phase_name(const struct ax_supervisor *s);

/* ---- stop.c */
void ax_stop_begin(struct ax_supervisor *s); /* lame duck, drain, end */
void ax_stop_now(struct ax_supervisor *s);   /* ends at once; counts as forced */
void ax_stop_gone(struct ax_supervisor *s);  /* an engine is gone: it may have been the last */

/* ---- admin_facts.c: makes s->admin and opens its addresses */
int ax_supervisor_admin(struct ax_supervisor *s, struct ax_err *reterr);

/* ---- dev_run.c: nothing happens there without o->dev */
int ax_dev_run_open(struct ax_supervisor *s, struct ax_err *reterr);
/* The app serves for the first time. */
void ax_dev_run_ready(struct ax_supervisor *s);
/* A reload is over: `why` not, or NULL. */
void ax_dev_run_reloaded(struct ax_supervisor *s, const char *why);
struct ax_message;
void ax_dev_run_files(struct ax_supervisor *s, const struct ax_message *m);
void ax_dev_run_close(struct ax_supervisor *s);

/* ---- status.c: one line of JSON; OWNED, NULL = out of memory.  Its shape is in docs/operations.md. */
char *ax_status_text(struct ax_supervisor *s);

#endif
