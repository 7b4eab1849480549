/* cli/options.h - command line -> struct ax_args, by the tables of cmd.h.
 * Options may stand before or after the command and among its operands; `--` ends them.  Long ones as --name
 * VALUE or
 * --name=VALUE, short ones as -c FILE, -cFILE, -fh.  What is mistyped is answered with the nearest name.
 * Thread: none.  Prints nothing: messages come back in ax_err (code UNKNOWN, MISSING, SYNTAX, RANGE,
 * UNSUPPORTED). */
#ifndef AX_CLI_OPTIONS_H
#define AX_CLI_OPTIONS_H

#include <stdio.h>

#include "base/err.h"
#include "cli/cmd.h"

/* Options of every command: --help --version --no-color. */
extern const struct ax_opt ax_opts_global[];

/* `cmds` ends with NULL.  On success ret->cmd is the command, or NULL when only options stood there (--help,
 * --version) or nothing.  *ret is OWNED by the caller: ax_args_fini; on failure it needs none, but ret->cmd
 * names the command if one was recognised.  Operand counts are checked unless --help was given. */
int ax_options_parse(int argc, const char *const *argv, const struct ax_cmd *const *cmds, struct ax_args *ret,
                     struct ax_err *reterr);
void ax_args_fini(struct ax_args *a);

const struct ax_cmd *ax_cmd_find(const struct ax_cmd *const *cmds, const char *name); /* NULL = none */
/* "no command 'stast'; did you mean 'stats'?" */
int ax_cmd_unknown(const struct ax_cmd *const *cmds, const char *name, struct ax_err *reterr);

/* The row of an option that a command, or every command, has; NULL = none. */
const struct ax_opt *ax_opt_find(const struct ax_cmd *cmd, const char *name);

/* The --help of one command, and the list of all. */
void ax_help_command(FILE *out, const struct ax_cmd *cmd);
void ax_help_all(FILE *out, const struct ax_cmd *const *cmds);

/* "port" -> "ACTIX_PORT". */
void ax_opt_env_name(const char *name, char *out, size_t size);
/* Whole-number value of an option within min..max; *ret is untouched when it is not given. */
int ax_args_number(const struct ax_args *a, const char *name, long min, long max, long *ret,
                   struct ax_err *reterr);

#endif
