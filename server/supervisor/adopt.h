/* supervisor/adopt.h - the new program's half of an upgrade (upgrade.h): takes over what the one before has
 * left.  Thread: the supervisor's main thread. */
#ifndef AX_SUPERVISOR_ADOPT_H
#define AX_SUPERVISOR_ADOPT_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

struct ax_supervisor;
struct ax_left; /* OWNED: what was left, as read */

/* What the supervisor handles: blocked over exec, in the order of enum ax_signal. */
static const int ax_adopt_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};

/* Reads it from this descriptor, which it closes. */
int ax_left_open(int fd, struct ax_left **ret, struct ax_err *reterr);
void ax_left_free(struct ax_left *l); /* NULL is fine */

/* Instead of a start: generations, state folder and its lock, listening sockets.  The log is there already.
 */
int ax_adopt_setup(struct ax_supervisor *s, struct ax_err *reterr);
/* Control socket and admin addresses, on the loop. */
struct ax_control_left;
/* False: there was none. */
bool ax_adopt_control(const struct ax_left *l, struct ax_control_left *ret);
int ax_adopt_admin(struct ax_supervisor *s, struct ax_err *reterr);
/* The engines, and from now on the signals; then the reload that all this is for. */
int ax_adopt_engines(struct ax_supervisor *s, struct ax_err *reterr);

#endif
