/* cli/complete.h - completion scripts for bash, zsh and fish, made from the tables that parse: commands,
 * options, the values of choices.  What a value is follows from what --help calls it: FILE and DIR are
 * completed as such, NAME is a template, ROUTE a path of the app.  The last two are asked of actix itself
 * when they are wanted, so a script never grows old.
 * Thread: none.  Writes to `out` and nowhere else. */
#ifndef AX_CLI_COMPLETE_H
#define AX_CLI_COMPLETE_H

#include <stdio.h>

#include "base/str.h"
#include "cli/cmd.h"

void ax_complete_bash(FILE *out, const struct ax_cmd *const *cmds);
void ax_complete_zsh(FILE *out, const struct ax_cmd *const *cmds);
void ax_complete_fish(FILE *out, const struct ax_cmd *const *cmds);

/* ---- what the three have in common */

enum ax_words {
    AX_WORDS_NONE, /* nothing can be offered */
    AX_WORDS_CHOICES,
    AX_WORDS_FILE,
    AX_WORDS_DIR,
    AX_WORDS_TEMPLATE,
    AX_WORDS_ROUTE,
    AX_WORDS_COMMAND,
};
enum ax_words ax_words_of(const struct ax_opt *o);
/* The same for a word of ax_cmd.operands; a lower-case one is to be typed as it stands: literal. */
enum ax_words ax_words_of_operand(struct ax_str word);
bool ax_operand_is_literal(struct ax_str word);
/* Takes the next word off *text ("[COMMAND | manifest]": COMMAND, manifest); false = no more. */
bool ax_operand_next(const char **text, struct ax_str *ret);

/* The options that may stand before a command, as if one without a name had them. */
extern const struct ax_cmd ax_complete_before;

/* Those of the command, then those of every command; `at` starts at 0.  Leaves out what is not supported
 * yet.  NULL = no more. */
const struct ax_opt *ax_offered(const struct ax_cmd *cmd, size_t *at);
bool ax_takes_word(const struct ax_opt *o); /* its value may be the next word of the line */
/* Has a command before cmds[n] an option of this name? */
bool ax_offered_before(const struct ax_cmd *const *cmds, size_t n, const char *name);

#endif
