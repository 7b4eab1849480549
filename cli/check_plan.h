/* cli/check_plan.h - `actix check --plan`: what the package `actix-js/test` asks the program for, since only
 * the program reads manifests. */
#ifndef AX_CLI_CHECK_PLAN_H
#define AX_CLI_CHECK_PLAN_H

#include "config/manifest.h"

/* Prints {"plan": …, "env": {…}}: the plan of one engine with one worker (addon/plan.d.ts), without sockets
 * and metrics segment, and what .env and the manifest's `env` set that the environment does not.  These are
 * values that logs never show: the reader is a program of the same user.  Returns an enum ax_exit. */
int ax_check_plan_print(const struct ax_manifest *m);

#endif
