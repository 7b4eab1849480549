#include "worker.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { EVENTS = 256, WAIT_MS = 50, RETRY_MS = 10, NS_PER_MS = 1000000 };
/* How long the last answers may take after the recorded time. */
static const int64_t LAST_ANSWERS_NS = 2000000000;

enum phase { WARMING, RECORDING, ENDING };

int ax_load_worker_init(struct ax_load_worker *w, const struct ax_load_options *o, unsigned nconns,
                        struct ax_err *reterr)
{
    w->magic = AX_LOAD_WORKER_MAGIC;
    w->share.o = o;
    w->share.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->share.epoll < 0)
        return ax_fail_os(reterr, errno, "epoll_create1");
    w->conns = ax_calloc(nconns, sizeof *w->conns);
    if (!w->conns)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for %u connections", nconns);
    for (; w->nconns < nconns; w->nconns++) {
        struct ax_load_conn *c = &w->conns[w->nconns];
        ax_load_conn_init(c, o->head);
        int rc = ax_load_conn_open(c, &w->share, reterr);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void ax_load_worker_fini(struct ax_load_worker *w)
{
    for (unsigned i = 0; i < w->nconns; i++)
        ax_load_conn_fini(&w->conns[i]);
    ax_free(w->conns);
    if (w->magic && w->share.epoll >= 0)
        close(w->share.epoll);
    w->magic = 0;
}

static double thread_cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void follow(struct ax_load_worker *w, struct ax_load_conn *c, enum ax_load_state state,
                   enum phase phase)
{
    if (state == AX_LOAD_ROUND_DONE && phase != ENDING)
        state = ax_load_conn_write(c, &w->share);
    if (AX_UNLIKELY(state == AX_LOAD_LOST))
        w->lost++;
}

/* One failed attempt is enough for a while: the server is not there. */
static void open_lost(struct ax_load_worker *w, enum phase phase)
{
    for (unsigned i = 0; i < w->nconns && w->lost && w->share.now_ns >= w->retry_ns; i++) {
        struct ax_load_conn *c = &w->conns[i];
        if (c->fd >= 0)
            continue;
        if (ax_load_conn_open(c, &w->share, NULL) < 0) {
            w->share.tally.errors++;
            w->retry_ns = w->share.now_ns + (int64_t)RETRY_MS * NS_PER_MS;
        } else {
            w->lost--;
            w->share.now_ns = ax_load_now_ns();
            follow(w, c, AX_LOAD_ROUND_DONE, phase);
        }
    }
}

static void turn(struct ax_load_worker *w, enum phase phase)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(w->share.epoll, events, EVENTS, w->lost ? RETRY_MS : WAIT_MS);

    for (int i = 0; i < n; i++) {
        struct ax_load_conn *c = AX_CAST(struct ax_load_conn, events[i].data.ptr, AX_LOAD_CONN_MAGIC);
        follow(w, c, ax_load_conn_ready(c, &w->share, events[i].events), phase);
    }
    w->share.now_ns = ax_load_now_ns();
    if (AX_UNLIKELY(w->lost) && phase != ENDING)
        open_lost(w, phase);
}

static unsigned unanswered(const struct ax_load_worker *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->nconns; i++)
        n += w->conns[i].fd >= 0 && w->conns[i].pending > 0;
    return n;
}

/* As long as planned, however late the thread was started. */
static void begin_recording(struct ax_load_worker *w)
{
    w->share.recording = true;
    w->end_ns += w->share.now_ns - w->begin_ns;
    w->begin_ns = w->share.begin_ns = w->share.now_ns;
    w->cpu_s = -thread_cpu_s();
}

static void end_recording(struct ax_load_worker *w)
{
    w->share.recording = false;
    w->end_ns = w->share.now_ns;
    w->cpu_s += thread_cpu_s();
}

void *ax_load_worker_run(void *worker)
{
    struct ax_load_worker *w = AX_CAST(struct ax_load_worker, worker, AX_LOAD_WORKER_MAGIC);
    struct ax_load_share *s = &w->share;
    bool warms = s->o->warmup > 0;

    s->now_ns = ax_load_now_ns();
    s->begin_ns = INT64_MAX; /* what begins in the warm-up is no sample */
    if (!warms)
        begin_recording(w);
    for (unsigned i = 0; i < w->nconns; i++, s->now_ns = ax_load_now_ns())
        follow(w, &w->conns[i], AX_LOAD_ROUND_DONE, WARMING);
    while (warms && s->now_ns < w->begin_ns)
        turn(w, WARMING);
    if (warms)
        begin_recording(w);
    while (s->now_ns < w->end_ns)
        turn(w, RECORDING);
    end_recording(w);
    while (unanswered(w) && s->now_ns < w->end_ns + LAST_ANSWERS_NS)
        turn(w, ENDING);
    s->tally.errors += unanswered(w);
    return NULL;
}
