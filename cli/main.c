/* actix COMMAND [options]: finds the command, hands it its arguments, exits with its code. */
#include <locale.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

/* No command, only options: `actix --help`, `actix --version`. */
static int without_command(const struct ax_args *args)
{
    if (ax_args_flag(args, "help", false)) {
        ax_help_all(stdout, ax_commands);
        return AX_EXIT_OK;
    }
    if (ax_args_flag(args, "version", false)) {
        puts("actix " AX_VERSION);
        return AX_EXIT_OK;
    }
    ax_help_all(stderr, ax_commands);
    return AX_EXIT_USAGE;
}

static int run(struct ax_args *args)
{
    if (!args->cmd)
        return without_command(args);
    if (ax_args_flag(args, "help", false)) {
        ax_help_command(stdout, args->cmd);
        return AX_EXIT_OK;
    }
    if (ax_args_flag(args, "version", false)) {
        puts("actix " AX_VERSION);
        return AX_EXIT_OK;
    }
    return args->cmd->run(args);
}

static int refuse(const struct ax_args *args, const struct ax_err *err)
{
    switch (err->code) {
    case AX_E_NOMEM:
        return ax_say_err(err, AX_EXIT_FAILED);
    case AX_E_UNSUPPORTED: /* nothing that --help could make clearer */
        return ax_say_err(err, AX_EXIT_USAGE);
    default:
        return ax_usage(args, "%s", err->msg);
    }
}

int main(int argc, char **argv)
{
    struct ax_args args;
    struct ax_err err = {0};

    setlocale(LC_CTYPE, ""); /* tables count the width of what they print */
    if (ax_options_parse(argc, (const char *const *)argv, ax_commands, &args, &err) < 0)
        return refuse(&args, &err);
    int code = ax_finish(run(&args));
    ax_args_fini(&args);
    return code;
}
