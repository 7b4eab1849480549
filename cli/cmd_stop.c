/* `actix stop`: asks the running instance to drain, and waits until it is gone. */
#include "base/alloc.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/running.h"
#include "supervisor/client.h"

static int stop_run(struct ax_args *args)
{
    struct ax_state state;
    struct ax_err err = {0};
    bool forced = false;
    int code = ax_running_state(args, &state);

    if (code != AX_EXIT_OK)
        return code;
    if (ax_client_stop(&state, &forced, &err) < 0) {
        code = ax_say_err(&err, err.code == AX_E_MISSING ? AX_EXIT_NOT_RUNNING : AX_EXIT_FAILED);
    } else if (forced) {
        ax_say("stopped, but requests in progress did not end in time and were cut off");
        code = AX_EXIT_FORCED;
    }
    ax_state_fini(&state);
    return code;
}

static const struct ax_opt options[] = {AX_OPTS_APP, AX_OPT_END};

const struct ax_cmd ax_cmd_stop = {.name = "stop",
                                   .summary = "stop the running app after its requests in progress",
                                   .options = options,
                                   .run = stop_run};
