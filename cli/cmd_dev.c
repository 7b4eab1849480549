/* `actix dev`: `serve` for whoever writes the app. */
#include "cli/serving.h"

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"host", 0, AX_OPT_VALUE, "H", "address to listen on, instead of server.listen", 0, NULL},
    {"port", 'p', AX_OPT_VALUE, "P", "port to listen on, instead of server.listen; 0 picks a free one", 0,
     NULL},
    {"workers", 'w', AX_OPT_VALUE, "N", "JavaScript workers, or auto; 1 when not given", 0, NULL},
    {"inspect", 0, AX_OPT_OPTIONAL, "H:P", "let a debugger connect; one worker", 0, NULL},
    AX_OPT_END,
};

const struct ax_cmd ax_cmd_dev = {
    .name = "dev",
    .summary = "run the app, reload it on change",
    .options = options,
    .run = ax_serving_dev,
    .about =
        "Watches the app's folder, its manifests and .env, and what else the handlers load.  A change is\n"
        "in service a moment later; code that does not load is told with its lines, and the code from\n"
        "before goes on.  NODE_ENV is development unless set; each request is a line on stdout.\n"};
