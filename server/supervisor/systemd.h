/* supervisor/systemd.h - what the service manager is told of the app's life, through notify.h:
 *   READY=1, MAINPID           the app answers; again after each reload, also one that failed
 *   RELOADING=1, MONOTONIC_USEC  a reload begins
 *   STOPPING=1                 asked to stop, or given up
 *   STATUS=                    one line for `systemctl status`, with each of these and when engines change
 *   WATCHDOG=1                 at half of WATCHDOG_USEC, but only while JavaScript makes progress: what
 *                              /health/live says (admin.h).  While it starts or stops, time is bounded by the
 *                              manifest's timeouts, and it is always sent.
 *   EXTEND_TIMEOUT_USEC        every few seconds of a start, a reload or a stop: how long these may take is
 *                              the manifest's business (timeouts.startup, shutdown, lame_duck)
 * Where nobody asked to be told all of this does nothing.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_SYSTEMD_H
#define AX_SUPERVISOR_SYSTEMD_H

#include "base/err.h"

struct ax_supervisor;

/* Once s->admin is there.  A NOTIFY_SOCKET that cannot be used is a line in the log and no failure. */
int ax_systemd_open(struct ax_supervisor *s, struct ax_err *reterr);
void ax_systemd_close(struct ax_supervisor *s); /* it frees itself on the loop */

void ax_systemd_ready(struct ax_supervisor *s);
void ax_systemd_reloading(struct ax_supervisor *s);
/* The reload is over; `why` it failed, NULL = it did not. */
void ax_systemd_reloaded(struct ax_supervisor *s, const char *why);
void ax_systemd_stopping(struct ax_supervisor *s);
/* Something that STATUS tells has changed. */
void ax_systemd_status(struct ax_supervisor *s);

#endif
