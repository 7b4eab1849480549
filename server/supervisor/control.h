/* supervisor/control.h - the control socket: one JSON object a line in, one a line out.
 *   {"command":"status"}  -> the status object (status.h)
 *   {"command":"stop"}    -> {"ok":true,"pid":N}, and {"stopped":true,"forced":false} when all is over
 *   {"command":"flush"}   -> {"ok":true} when what was counted up to now is in the database, or waits for it
 *   {"command":"reload"}  -> a line for each thing that it tells, the last {"reloaded":true,...} or
 *                            {"error":...} (reload.h); one at a time, a second is refused
 * Whoever is neither root nor allowed by mode and group (peercred.h) is answered {"error": ...} unread.
 * Anything else is answered {"error": ...} and the client dropped; so is one that sends more than a line may
 * hold, or nothing for a while.  No client makes anything grow: there are so many of them, and so many bytes
 * each. Thread: the loop's. */
#ifndef AX_SUPERVISOR_CONTROL_H
#define AX_SUPERVISOR_CONTROL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/err.h"

enum { AX_CONTROL_LINE_MAX = 4096, AX_CONTROL_CLIENTS_MAX = 64, AX_CONTROL_IDLE_MS = 10000 };

/* A control socket that goes from one program of this process to the next, with those that are connected. */
struct ax_control_client {
    int fd;              /* OWNED */
    bool reloads, flush; /* waits for the reload that runs; for what was counted to be written */
    bool half;           /* has sent all it will */
};
struct ax_control_left {
    int fd;   /* listens; OWNED, taken only with success */
    int mode; /* as it was opened with */
    gid_t group;
    struct ax_control_client client[AX_CONTROL_CLIENTS_MAX];
    unsigned n;
};

struct ax_control_options {
    uv_loop_t *loop;
    const char *path; /* of the socket */
    int mode;
    const char *group;                  /* NULL = ours */
    const struct ax_control_left *left; /* goes on with this one; NULL = opens one */
    unsigned idle_ms;                   /* 0 = AX_CONTROL_IDLE_MS */
    /* The status as one line of JSON without its end; OWNED by control (ax_free), NULL = out of memory. */
    char *(*status)(void *ctx);
    void (*stop)(void *ctx);
    /* Begins one, or says why not. */
    int (*reload)(void *ctx, struct ax_err *reterr);
    /* Asks for the counts to be written; ax_control_flushed tells of the result by this number or a later
     * one. */
    uint64_t (*flush)(void *ctx);
    void *ctx;
};

struct ax_control;

int ax_control_open(const struct ax_control_options *o, struct ax_control **ret, struct ax_err *reterr);
void ax_control_leave(const struct ax_control *c, struct ax_control_left *ret);
/* Everything that flush asked for up to `number` has been written: who waits for it is told.  NULL is fine.
 */
void ax_control_flushed(struct ax_control *c, uint64_t number);
/* One line of the reload that runs, for who asked for it.  Takes `text` (NULL = out of memory: the client is
 * dropped). */
void ax_control_reloading(struct ax_control *c, char *text, bool last);
/* No new clients; those that wait for the end are told, all are closed, the socket file is removed.  It frees
 * itself on the loop.  NULL is fine. */
void ax_control_close(struct ax_control *c, bool forced);

#endif
