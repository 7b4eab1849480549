/* supervisor/reload.h - a new generation of the app into service: `actix reload` and HUP.
 * Reads the manifest anew, opens new addresses and logs, starts an engine per slot beside those that serve,
 * and, when all are ready, puts them in their place.  Until that moment nothing has changed, and whatever
 * goes wrong leaves it so.  It is over when none of the old ones accepts any more, so that who was told of it
 * meets the new code.  One at a time: a second one is refused.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_RELOAD_H
#define AX_SUPERVISOR_RELOAD_H

#include <stdbool.h>

#include "base/err.h"

struct ax_supervisor;
struct ax_runner;

/* What is told while it goes on, each one line of JSON (docs/operations.md):
 *   {"note":TEXT}  {"change":TEXT}  {"restart":TEXT}
 *   {"problem":{"file":F,"line":L,"col":C,"message":TEXT,"warning":false}}
 * and at the end {"reloaded":true,"generation":N} or {"error":TEXT,"manifest":BOOL}. */

/* Begins one.  -AX_E_BUSY, -AX_E_STATE: not now, *reterr says why and nothing is told.  0: it runs, or has
 * already failed and told so. */
int ax_reload_begin(struct ax_supervisor *s, struct ax_err *reterr);
/* It runs, and may still fail. */
bool ax_reload_undecided(const struct ax_supervisor *s);
/* The server stops: given up, if it may still fail. */
void ax_reload_abort(struct ax_supervisor *s, const char *why);

/* ---- what slots tell */
void ax_reload_ready(struct ax_supervisor *s);
void ax_reload_settle(struct ax_supervisor *s); /* an engine has gone, or accepts no more */
void ax_reload_problem(struct ax_supervisor *s, const struct ax_err *err);
void ax_reload_failed(struct ax_supervisor *s, const struct ax_runner *r, const char *how);

#endif
