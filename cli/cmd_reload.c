/* `actix reload`: asks the running instance for a new generation, and tells what becomes of it. */
#include <stdio.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/running.h"
#include "supervisor/client.h"

static void on_note(void *ctx, const char *text)
{
    (void)ctx;
    printf("%s\n", text);
    fflush(stdout);
}

static void on_change(void *ctx, bool restart, const char *text)
{
    (void)ctx;
    printf("%s%s\n", restart ? "needs a restart: " : "", text);
    fflush(stdout);
}

static void on_problem(void *ctx, const struct ax_err *err, bool warning)
{
    struct ax_err shown = *err;

    (void)ctx;
    fflush(stdout);
    if (warning)
        snprintf(shown.msg, sizeof shown.msg, "warning: %.380s", err->msg);
    ax_say_err(&shown, AX_EXIT_FAILED);
}

static int reload_run(struct ax_args *args)
{
    struct ax_client_reload told = {.note = on_note, .change = on_change, .problem = on_problem};
    struct ax_state state;
    struct ax_err err = {0};
    unsigned generation = 0;
    int code = ax_running_state(args, &state);

    if (code != AX_EXIT_OK)
        return code;
    int rc = ax_client_reload(&state, &told, &generation, &err);
    ax_state_fini(&state);
    if (rc == 0) {
        printf("reloaded: generation %u serves\n", generation);
        return AX_EXIT_OK;
    }
    if (err.code == AX_E_MISSING)
        return ax_say_err(&err, AX_EXIT_NOT_RUNNING);
    ax_say("not reloaded, the app runs on as it was: %s", err.msg);
    return err.code == AX_E_SYNTAX ? AX_EXIT_MANIFEST : AX_EXIT_FAILED;
}

static const struct ax_opt options[] = {AX_OPTS_APP, AX_OPT_END};

const struct ax_cmd ax_cmd_reload = {
    .name = "reload",
    .summary = "bring a new version of the app into service",
    .options = options,
    .run = reload_run,
    .about =
        "Reads the manifest, .env and the code anew, starts the new version beside the old one, and puts it\n"
        "in its place when it is ready.  No request is lost and no connection closed.  When the manifest is\n"
        "not valid (exit code 3), a handler does not load or the start takes too long (exit code 1), the\n"
        "old version runs on.\n"};
