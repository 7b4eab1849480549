/* `actix help [COMMAND]`, and `actix help manifest`: the keys of actix.yaml, out of the decoder's own tables.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"
#include "config/manifest.h"

static int manifest_keys(void)
{
    char *text = ax_manifest_reference();

    if (!text) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    fputs(text, stdout);
    ax_free(text);
    return AX_EXIT_OK;
}

static int help_run(struct ax_args *args)
{
    struct ax_err err = {0};

    if (args->noperands == 0) {
        ax_help_all(stdout, ax_commands);
        return AX_EXIT_OK;
    }
    if (strcmp(args->operands[0], "manifest") == 0)
        return manifest_keys();
    const struct ax_cmd *cmd = ax_cmd_find(ax_commands, args->operands[0]);
    if (cmd) {
        ax_help_command(stdout, cmd);
        return AX_EXIT_OK;
    }
    ax_cmd_unknown(ax_commands, args->operands[0], &err);
    return ax_usage(args, "%s", err.msg);
}

const struct ax_cmd ax_cmd_help = {.name = "help",
                                   .summary = "tell about a command, or about the keys of the manifest",
                                   .run = help_run,
                                   .operands = "[COMMAND | manifest]",
                                   .max_operands = 1};
