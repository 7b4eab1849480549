/* net/listener.h - the engine's shared part: the accept thread (load balancer), and what its workers share:
 * ceilings over all of them and readiness.  One per process, made on the main thread before any worker.
 * Threads: the accept thread runs from _start to _stop; workers register from their own threads. */
#ifndef AX_NET_LISTENER_H
#define AX_NET_LISTENER_H

#include <stdbool.h>

#include "base/err.h"
#include "net/worker.h"

enum ax_balance_by { AX_BY_LEAST_CONNECTIONS, AX_BY_ROUND_ROBIN, AX_BY_LEAST_INFLIGHT };

struct ax_engine_options {
    unsigned workers; /* at most; ids are 0 .. workers - 1 */
    enum ax_balance_by balance;
    const int *fds; /* listening sockets, BORROWED; made non-blocking and close-on-exec */
    unsigned nfds;
    int64_t limit_connections, limit_inflight, limit_body_memory; /* of the whole engine; -1 = off */
    unsigned min_ready;
};
int ax_engine_new(const struct ax_engine_options *o, struct ax_engine **ret, struct ax_err *reterr);
/* With one worker that worker listens itself and no connection is handed over; else the accept thread starts
 * when the first worker registers. */
int ax_engine_register(struct ax_engine *e, struct ax_worker *w,
                       struct ax_err *reterr); /* worker's thread, ready */
void ax_engine_unregister(struct ax_engine *e,
                          struct ax_worker *w);     /* worker's thread; returns when no one uses it */
void ax_engine_stop_accepting(struct ax_engine *e); /* any thread; leaves the sockets open */
void ax_engine_free(struct ax_engine *e);           /* all workers unregistered; joins the thread */

/* Shared ceilings; any thread.  _take is false when the ceiling is reached. */
bool ax_engine_take_inflight(struct ax_engine *e);
void ax_engine_put_inflight(struct ax_engine *e);
bool ax_engine_take_memory(struct ax_engine *e, int64_t bytes);
/* Would _take be true now? */
bool ax_engine_has_memory(const struct ax_engine *e, int64_t bytes);
void ax_engine_put_memory(struct ax_engine *e, int64_t bytes);
bool ax_engine_take_connection(struct ax_engine *e);
void ax_engine_put_connection(struct ax_engine *e);
/* Health (docs/operations.md): ready when at least min_ready workers are registered and it is not stopping.
 */
bool ax_engine_ready(const struct ax_engine *e);
void ax_engine_set_stopping(struct ax_engine *e);

#endif
