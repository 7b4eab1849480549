/* cli/man.h - manual pages, made from the tables that parse the command line and decode the manifest: what
 * --help and `actix help manifest` print cannot disagree with them.
 * Thread: none.  Writes roff for man(7) to `out`, in ASCII. */
#ifndef AX_CLI_MAN_H
#define AX_CLI_MAN_H

#include <stdio.h>

#include "cli/cmd.h"

void ax_man_all(FILE *out, const struct ax_cmd *const *cmds); /* actix(1) */
void ax_man_command(FILE *out, const struct ax_cmd *cmd);     /* actix-COMMAND(1) */
void ax_man_manifest(FILE *out);                              /* actix.yaml(5) */

/* ---- what the pages have in common */

void ax_man_title(FILE *out, const char *name, int section);
/* Running text: nothing in it is taken for a request or an escape.  No newline is added. */
void ax_man_text(FILE *out, const char *text);

#endif
