/* supervisor/client.h - the other side of the control socket: what `actix status`, `stop` and `stats` do.
 * Thread: any; blocks. */
#ifndef AX_SUPERVISOR_CLIENT_H
#define AX_SUPERVISOR_CLIENT_H

#include <stdbool.h>

#include "base/err.h"
#include "supervisor/state.h"

/* -AX_E_MISSING from each: no instance runs.  -AX_E_STATE: one runs and does not answer (the message names
 * its pid). */

/* The status object as one JSON text; OWNED by the caller (ax_free). */
int ax_client_status(const struct ax_state *s, char **ret, struct ax_err *reterr);
/* Has what was counted up to now written to metrics.db.  Waits 2 s at most. */
int ax_client_flush(const struct ax_state *s, struct ax_err *reterr);
/* What the instance tells while it reloads; strings are BORROWED for the call. */
struct ax_client_reload {
    void (*note)(void *ctx, const char *text);
    void (*change)(void *ctx, bool restart, const char *text); /* restart: it counts only after one */
    void (*problem)(void *ctx, const struct ax_err *err, bool warning);
    void *ctx;
};
/* Asks the instance to reload and waits for the end.  0 with the number of the generation that serves now;
 * -AX_E_SYNTAX: the manifest is not valid, every reason was told; other codes: it failed, and the old
 * generation goes on. */
int ax_client_reload(const struct ax_state *s, const struct ax_client_reload *told, unsigned *ret_generation,
                     struct ax_err *reterr);
/* Asks the instance to stop and waits until its process is gone. */
int ax_client_stop(const struct ax_state *s, bool *ret_forced, struct ax_err *reterr);

#endif
