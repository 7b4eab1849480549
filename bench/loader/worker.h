/* loader/worker.h - a thread of the load generator: an epoll set and its connections. */
#ifndef AX_BENCH_LOADER_WORKER_H
#define AX_BENCH_LOADER_WORKER_H

#include <pthread.h>

#include "conn.h"

#define AX_LOAD_WORKER_MAGIC 0x4c576f72u

struct ax_load_worker {
    uint32_t magic;
    pthread_t thread;
    struct ax_load_share share;
    struct ax_load_conn *conns; /* OWNED */
    unsigned nconns;
    unsigned lost;            /* connections to be opened again */
    int64_t retry_ns;         /* not before this */
    int64_t begin_ns, end_ns; /* of the recorded time: planned by whoever starts it, then what it became */
    double cpu_s;             /* CPU time of the thread within the recorded time */
};

/* All connections are opened here, on the caller's
 * thread; begin_ns and end_ns are set before it runs.  OWNED by the caller, also after a failure. */
int ax_load_worker_init(struct ax_load_worker *w, const struct ax_load_options *o, unsigned nconns,
                        struct ax_err *reterr);
/* The load; for pthread_create.  Ends when the recorded time is over and every answer has come, or has not
 * come for too long. */
void *ax_load_worker_run(void *worker);
void ax_load_worker_fini(struct ax_load_worker *w);

#endif
