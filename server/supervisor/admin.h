/* supervisor/admin.h - the admin listener: GET /metrics, /health/live and /health/ready, answered by the
 * supervisor with the same C core that serves the app, on the supervisor's own loop.  It reads what engines
 * count from their segments, asks no worker and no database, and so answers whatever state they are in: from
 * before the first engine starts until after the last has ended.
 * Each address is a door: its sockets and a worker of the core behind them, so that a reload opens and closes
 * one without touching the others.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_ADMIN_H
#define AX_SUPERVISOR_ADMIN_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "config/manifest.h"
#include "supervisor/writer.h"

struct ax_admin;

struct ax_admin_facts { /* asked for at each look and at each request for a page */
    bool starting;      /* no engine was ready yet */
    bool stopping;      /* lame duck, drain */
    unsigned ready;     /* workers that take requests */
    unsigned min_ready; /* server.min_ready */
    unsigned zombies;   /* replaced workers that could not be ended yet */
    uint64_t engine_restarts;
    int64_t stall_us; /* timeouts.stall; AX_OFF */
};

struct ax_admin_options {
    uv_loop_t *loop;
    struct ax_writer *writer; /* BORROWED: its segments are read; outlives the loop's run */
    struct ax_log *log;       /* BORROWED */
    void (*facts)(void *ctx, struct ax_admin_facts *ret);
    void *ctx;
};

/* With no door yet: reads and answers nothing.  *ret is OWNED by the loop: ax_admin_close. */
int ax_admin_new(const struct ax_admin_options *o, struct ax_admin **ret, struct ax_err *reterr);
/* Makes the doors those of the manifest: opens what is new, keeps what is there already.  All or nothing;
 * until ax_admin_commit the old ones stay, too.  One preparation at a time.  Nothing of `m` is kept. */
int ax_admin_prepare(struct ax_admin *a, const struct ax_manifest *m, struct ax_err *reterr);
void ax_admin_commit(struct ax_admin *a); /* closes what is no longer wanted */
void ax_admin_cancel(struct ax_admin *a); /* closes what was new */
/* Looks after the engines also without a door, from now on: for ax_admin_live. */
int ax_admin_watch(struct ax_admin *a, struct ax_err *reterr);
/* What /health/live says. */
bool ax_admin_live(struct ax_admin *a);
/* ---- over to the next program of this process (upgrade.h) */
struct ax_baton;
struct json_t;
/* Before ax_admin_leave; `same`: the next one reads the segments of the engines, so it counts what they have.
 */
void ax_admin_settle(struct ax_admin *a, bool same);
struct json_t *ax_admin_leave(const struct ax_admin *a, struct ax_baton *b); /* NULL = out of memory */
int ax_admin_adopt(struct ax_admin *a, const struct json_t *left, struct ax_err *reterr);
/* Calls each(ctx, url) for every address really bound. */
void ax_admin_each(const struct ax_admin *a, void (*each)(void *ctx, const char *url), void *ctx);
/* Closes all doors and frees itself on the loop.  NULL is fine. */
void ax_admin_close(struct ax_admin *a);

#endif
