/* cli/commands.h - every command there is, in the order of the help; ends with NULL.  Those that come later
 * are in it too, so that they are recognised and refused. */
#ifndef AX_CLI_COMMANDS_H
#define AX_CLI_COMMANDS_H

#include "cli/cmd.h"

extern const struct ax_cmd *const ax_commands[];

#endif
