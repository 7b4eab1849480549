/* supervisor/upgrade.h - a newly installed program takes the place of the one that runs, in the same process:
 * same pid, listening sockets, lock, control socket, admin addresses, engines and counts.
 *
 * A reload that finds another file where this program was started from first asks the new one, in a
 * throw-away process with our arguments, whether it can read the manifest and what it understands.  Only then
 * what lives on is written down (baton.h) and the program is executed.  It adopts the engines as they are
 * (adopt.h) and goes on with the reload: a generation of its own beside the old one, which hands over its
 * connections. Whatever fails before or with exec leaves everything as it was. Engines of another layout of
 * the metrics segment (metrics/segment.h) go on serving until they have handed over; what they counted is
 * written before the exec, what they count after it is lost. */
#ifndef AX_SUPERVISOR_UPGRADE_H
#define AX_SUPERVISOR_UPGRADE_H

#include <limits.h>
#include <stdbool.h>

#include "base/err.h"
#include "metrics/segment.h"

/* "check": say what you are (ax_upgrade_tell) once the arguments and the manifest are found good; a number:
 * the descriptor of what the program before has left. */
#define AX_UPGRADE_ENV   "ACTIX_UPGRADE"
#define AX_UPGRADE_CHECK "check"

enum { AX_UPGRADE_TEXT = 160, AX_UPGRADE_VERSION = 64, AX_UPGRADE_SAID = 8192 };

struct ax_supervisor;

struct ax_upgrade {
    char path[PATH_MAX]; /* of the new program */
    char version[AX_UPGRADE_VERSION], layout[AX_LAYOUT_TEXT];
    bool manifest;              /* it refused, because the manifest is not valid for it */
    char said[AX_UPGRADE_SAID]; /* what it wrote on its standard error, lines */
};

/* One line without its end: the answer to "check". */
void ax_upgrade_tell(char out[AX_UPGRADE_TEXT]);
/* The file that this program was started from; "" when that cannot be told. */
void ax_upgrade_remember(char exe[PATH_MAX]);
/* Is there another program now? */
bool ax_upgrade_wanted(const char *exe);
/* Asks it; blocks for as long as that takes, 10 s at most.  -code: it cannot take over, see *ret and *reterr.
 */
int ax_upgrade_ask(const struct ax_supervisor *s, struct ax_upgrade *ret, struct ax_err *reterr);
/* Signals wait in the kernel from now on, for whichever program releases them: without handlers they would
 * end the new one.  What libuv has caught already is lost by exec, so the loop must turn once in between. */
void ax_upgrade_hold_signals(bool hold);
/* While signals are held.  Does not return when it works. */
int ax_upgrade_exec(struct ax_supervisor *s, const struct ax_upgrade *to, struct ax_err *reterr);

#endif
