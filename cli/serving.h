/* cli/serving.h - what `actix dev` shares with `actix serve` (cmd_serve.c). */
#ifndef AX_CLI_SERVING_H
#define AX_CLI_SERVING_H

#include "cli/cmd.h"

/* `serve` that reloads on change; an exit code. */
int ax_serving_dev(struct ax_args *args);

#endif
