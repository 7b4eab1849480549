/* `actix completion SHELL`: a script for the shell to source. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/print.h"

static const struct {
    const char *name;
    void (*print)(FILE *out, const struct ax_cmd *const *cmds);
} shells[] = {{"bash", ax_complete_bash}, {"zsh", ax_complete_zsh}, {"fish", ax_complete_fish}};

static int completion_run(struct ax_args *args)
{
    const char *shell = args->operands[0];

    for (size_t i = 0; i < AX_COUNT(shells); i++)
        if (strcmp(shells[i].name, shell) == 0) {
            shells[i].print(stdout, ax_commands);
            return AX_EXIT_OK;
        }
    return ax_usage(args, "no completion for '%s': bash, zsh and fish have one", shell);
}

const struct ax_cmd ax_cmd_completion = {
    .name = "completion",
    .summary = "print a completion script for a shell",
    .run = completion_run,
    .operands = "bash|zsh|fish",
    .min_operands = 1,
    .max_operands = 1,
    .about = "bash: source <(actix completion bash)\n"
             "zsh:  actix completion zsh > DIR/_actix, where DIR is a folder of $fpath\n"
             "fish: actix completion fish | source\n"};
