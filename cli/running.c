#include "cli/running.h"

#include "cli/app.h"

int ax_running_state(const struct ax_args *args, struct ax_state *ret)
{
    struct ax_app app;

    if (ax_app_state_named(args))
        return ax_app_state_bare(args, ret);
    int code = ax_app_read_broken(args, &app);
    if (app.manifest)
        code = ax_app_state(&app, args, ret);
    else
        ax_app_print_problems(&app.problems);
    ax_app_fini(&app);
    return code;
}
