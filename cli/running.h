/* cli/running.h - finding the running instance of an app: what `status` and `stop` do first. */
#ifndef AX_CLI_RUNNING_H
#define AX_CLI_RUNNING_H

#include "cli/cmd.h"
#include "supervisor/state.h"

/* Where its state is.  No manifest is needed where the folder was named; else one that is broken at the
 * moment must not keep anyone from its running instance: what can be read of it is enough.  Returns an exit
 * code, the reason said; *ret is OWNED after AX_EXIT_OK. */
int ax_running_state(const struct ax_args *args, struct ax_state *ret);

#endif
