/* actix COMMAND [options]: finds the command, hands it its arguments, exits with its code. */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <unistd.h>

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

/* Started with a standard descriptor closed, the next open file would get its number: what is printed would
 * go into a socket or a database.  False = there is no /dev/null either. */
static bool fill_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

int main(int argc, char **argv)
{
    struct ax_args args;
    struct ax_err err = {0};

    if (!fill_standard_descriptors())
        return AX_EXIT_FAILED;
    setlocale(LC_CTYPE, ""); /* tables count the width of what they print */
    if (ax_options_parse(argc, (const char *const *)argv, ax_commands, &args, &err) < 0)
        return refuse(&args, &err);
    int code = ax_finish(run(&args));
    ax_args_fini(&args);
    return code;
}
