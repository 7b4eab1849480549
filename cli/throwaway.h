/* cli/throwaway.h - a server of the app for one request: `actix serve` on a free port of loopback, with one
 * worker and a state folder of its own, gone afterwards.  Thread: the main thread; blocks. */
#ifndef AX_CLI_THROWAWAY_H
#define AX_CLI_THROWAWAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "cli/cmd.h"

struct ax_throwaway {
    pid_t pid;
    int out;        /* what it prints; OWNED */
    char state[64]; /* its folder */
    char url[128];  /* http://127.0.0.1:PORT */
    int exit_code;  /* why it did not start; what it had to say stands on stderr */
};

/* Means per request of what it counted, microseconds. */
struct ax_throwaway_time {
    uint64_t queue_us, handler_us, send_us;
};

/* Returns when it answers.  -AX_E_STATE: it did not start, and ret->exit_code says how. */
int ax_throwaway_start(const struct ax_args *args, struct ax_throwaway *ret, struct ax_err *reterr);
/* Drains and ends it, passes on what it printed, and removes its folder.  True with *ret when it counted
 * exactly one request. */
bool ax_throwaway_stop(struct ax_throwaway *t, struct ax_throwaway_time *ret);

#endif
