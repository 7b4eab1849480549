/* `actix help [COMMAND]`, and `actix help manifest`: the keys of actix.yaml, out of the decoder's own tables.
 * With --man the same as a manual page: that is where the packages have theirs from. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/man.h"
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

static int manifest_page(void)
{
    ax_man_manifest(stdout);
    return AX_EXIT_OK;
}

static int help_run(struct ax_args *args)
{
    struct ax_err err = {0};
    bool man = ax_args_flag(args, "man", false);

    if (args->noperands == 0) {
        (man ? ax_man_all : ax_help_all)(stdout, ax_commands);
        return AX_EXIT_OK;
    }
    if (strcmp(args->operands[0], "manifest") == 0)
        return man ? manifest_page() : manifest_keys();
    const struct ax_cmd *cmd = ax_cmd_find(ax_commands, args->operands[0]);
    if (cmd) {
        (man ? ax_man_command : ax_help_command)(stdout, cmd);
        return AX_EXIT_OK;
    }
    ax_cmd_unknown(ax_commands, args->operands[0], &err);
    return ax_usage(args, "%s", err.msg);
}

static const struct ax_opt options[] = {
    {"man", 0, AX_OPT_FLAG, NULL, "print it as a manual page, for man -l", AX_OPT_NO_ENV, NULL}, AX_OPT_END};

const struct ax_cmd ax_cmd_help = {.name = "help",
                                   .summary = "tell about a command, or about the keys of the manifest",
                                   .options = options,
                                   .run = help_run,
                                   .operands = "[COMMAND | manifest]",
                                   .max_operands = 1};
