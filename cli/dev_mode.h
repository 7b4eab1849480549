/* cli/dev_mode.h - what `actix dev` and --inspect change about an app before it is served, at the start and
 * at each reload, and how dev speaks.  Thread: the main thread. */
#ifndef AX_CLI_DEV_MODE_H
#define AX_CLI_DEV_MODE_H

#include "cli/app.h"
#include "supervisor/supervisor.h"

enum { AX_INSPECT_MAX = 300 };

/* --inspect[=[HOST:]PORT], or ACTIX_INSPECT, as HOST:PORT; "" = not given.  An exit code, having said what is
 * wrong. */
int ax_inspect_address(const struct ax_app *app, const struct ax_args *args, char out[AX_INSPECT_MAX]);

/* A line on stdout for each request, unless the manifest has its own idea of access lines. */
void ax_tune_dev(struct ax_manifest *m);
/* The one worker is a process of its own whose main thread a debugger may hold for as long as it likes: no
 * stall, no handler timeout, no timeouts.startup. */
void ax_tune_inspect(struct ax_manifest *m);

/* NODE_ENV is "development" unless the environment, .env or the manifest's env sets it. */
void ax_dev_environment(const struct ax_app *app);

/* One error on stderr, with the lines around its place where there is one. */
void ax_dev_problem(const struct ax_err *err);
/* ax_dev_mode.reloaded */
void ax_dev_reloaded(const char *file, unsigned ms, const char *why);

#endif
