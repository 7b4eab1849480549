/* supervisor/crash.h - what is told of an engine that died.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_CRASH_H
#define AX_SUPERVISOR_CRASH_H

struct ax_runner;

/* Log line and `crash` event with the requests that were running, the first ten by name; and a kill for the
 * quarantine when they were all of one route.  One that was killed from outside (SIGKILL) accuses nobody. */
void ax_crash_report(const struct ax_runner *r, int wait_status, const char *how);

#endif
