#include "net/admission.h"

#include <pthread.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

/* Those of one worker that wait at one gate.  The first `granted` of them have a place and are to be let in
 * by their own loop. */
struct ax_line {
    struct ax_list in_gate; /* gate->lines */
    struct ax_worker *worker;
    struct ax_list waiting; /* in order of arrival */
    uint32_t n, granted;
};

/* `used` counts what is in progress and what is granted.  While used < max nobody waits without a grant. */
struct gate {
    pthread_mutex_t lock; /* guards all else, and the lines */
    uint32_t max, queue;
    uint32_t used, waiting; /* waiting: without a grant */
    struct ax_list lines;   /* of all workers */
};

struct ax_gates {
    unsigned n;
    struct gate v[];
};

struct ax_gates *ax_gates_new(unsigned n)
{
    struct ax_gates *g = ax_calloc(1, sizeof *g + n * sizeof g->v[0]);

    if (!g)
        return NULL;
    g->n = n;
    for (unsigned i = 0; i < n; i++) {
        pthread_mutex_init(&g->v[i].lock, NULL);
        ax_list_init(&g->v[i].lines);
    }
    return g;
}

void ax_gates_free(struct ax_gates *g)
{
    if (!g)
        return;
    for (unsigned i = 0; i < g->n; i++) {
        AX_ASSERT(ax_list_empty(&g->v[i].lines));
        pthread_mutex_destroy(&g->v[i].lock);
    }
    ax_free(g);
}

static struct gate *at(struct ax_gates *g, unsigned gate)
{
    AX_ASSERT(gate >= 1 && gate <= g->n);
    return &g->v[gate - 1];
}

void ax_gates_set(struct ax_gates *g, unsigned gate, uint32_t max_inflight, uint32_t queue)
{
    struct gate *t = at(g, gate);

    t->max = max_inflight;
    t->queue = queue;
}

void ax_gates_load(struct ax_gates *g, unsigned gate, uint32_t *ret_inflight, uint32_t *ret_waiting)
{
    struct gate *t = at(g, gate);

    pthread_mutex_lock(&t->lock);
    *ret_inflight = t->used;
    *ret_waiting = t->waiting;
    pthread_mutex_unlock(&t->lock);
}

static struct gate *gate_of(const struct ax_request *r)
{
    return at(ax_site_gates(r->worker->site), r->site_route->gate);
}

static struct ax_line *line_of(const struct ax_request *r)
{
    return &r->worker->lines[r->site_route->gate - 1];
}

/* ---- the worker's lines */

int ax_admission_init(struct ax_worker *w, struct ax_err *reterr)
{
    struct ax_gates *g = ax_site_gates(w->site);

    if (g->n == 0)
        return 0;
    w->lines = ax_calloc(g->n, sizeof *w->lines);
    if (!w->lines)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the routes' limits");
    for (unsigned i = 0; i < g->n; i++) {
        struct ax_line *l = &w->lines[i];
        l->worker = w;
        ax_list_init(&l->waiting);
        pthread_mutex_lock(&g->v[i].lock);
        ax_list_push(&g->v[i].lines, &l->in_gate);
        pthread_mutex_unlock(&g->v[i].lock);
    }
    return 0;
}

void ax_admission_detach(struct ax_worker *w)
{
    struct ax_gates *g = ax_site_gates(w->site);

    for (unsigned i = 0; w->lines && i < g->n; i++) {
        AX_ASSERT(w->lines[i].n == 0);
        pthread_mutex_lock(&g->v[i].lock);
        ax_list_remove(&w->lines[i].in_gate);
        pthread_mutex_unlock(&g->v[i].lock);
    }
}

void ax_admission_fini(struct ax_worker *w)
{
    ax_admission_detach(w);
    ax_free(w->lines);
    w->lines = NULL;
}

/* ---- places; the gate is locked */

/* When the first without a grant came. */
static int64_t waits_since(struct ax_line *l)
{
    struct ax_list *it = l->waiting.next;

    if (l->n == l->granted)
        return INT64_MAX;
    for (uint32_t i = 0; i < l->granted; i++)
        it = it->next;
    return AX_LIST_ENTRY(it, struct ax_request, in_line)->head_at.us;
}

/* A place is free: the one who waits longest gets it. */
static void pass_on(struct gate *t)
{
    struct ax_line *first = NULL;
    int64_t since = INT64_MAX;

    AX_LIST_EACH(it, &t->lines)
    {
        struct ax_line *l = AX_LIST_ENTRY(it, struct ax_line, in_gate);
        int64_t s = waits_since(l);
        if (s < since) {
            since = s;
            first = l;
        }
    }
    if (!first) {
        t->used--;
        return;
    }
    first->granted++;
    t->waiting--;
    __atomic_store_n(&first->worker->granted, true, __ATOMIC_RELAXED);
    uv_async_send(&first->worker->wake); /* it is attached, so the handle is open */
}

/* What comes behind a request that waits is not read: nothing of a connection is entered or answered before
 * what came first, so that a worker that is taken over leaves nothing that would be run a second time. */
static void hold_back(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_deadline_queue *q = &w->handler_timeouts[r->site_route->timeout_index];

    r->conn->held_back |= AX_HELD_IN_LINE;
    ax_deadline_start(q, &r->timeout, w->now);
    ax_worker_arm(w, q);
}

static void read_on(struct ax_request *r)
{
    if (!r->conn)
        return;
    r->conn->held_back &= (uint8_t)~AX_HELD_IN_LINE;
    ax_conn_dirty(r->conn); /* the flush resumes it */
}

bool ax_admission_enter(struct ax_request *r)
{
    struct gate *t = gate_of(r);

    pthread_mutex_lock(&t->lock);
    if (t->used < t->max) {
        t->used++;
        r->place = AX_PLACE_HELD;
    } else if (t->waiting < t->queue) {
        struct ax_line *l = line_of(r);
        t->waiting++;
        l->n++;
        ax_list_push(&l->waiting, &r->in_line);
        r->place = AX_PLACE_WAITING;
    }
    pthread_mutex_unlock(&t->lock);
    if (r->place == AX_PLACE_WAITING)
        hold_back(r);
    return r->place != AX_PLACE_NONE;
}

/* Out of its line; a grant that nobody is left for goes on to the next. */
static void step_out(struct gate *t, struct ax_line *l, struct ax_request *r)
{
    ax_list_remove(&r->in_line);
    l->n--;
    if (l->granted > l->n) {
        l->granted--;
        pass_on(t);
    } else {
        t->waiting--;
    }
}

void ax_admission_leave(struct ax_request *r)
{
    struct gate *t = gate_of(r);

    if (r->place >= AX_PLACE_WAITING)
        read_on(r);
    pthread_mutex_lock(&t->lock);
    if (r->place == AX_PLACE_HELD)
        pass_on(t);
    else
        step_out(t, line_of(r), r);
    pthread_mutex_unlock(&t->lock);
    r->place = AX_PLACE_NONE;
}

/* ---- going on */

/* The next one that has a place; NULL = none. */
static struct ax_request *next_granted(struct ax_line *l, struct gate *t)
{
    struct ax_request *r = NULL;

    pthread_mutex_lock(&t->lock);
    if (l->granted) {
        r = AX_LIST_ENTRY(l->waiting.next, struct ax_request, in_line);
        ax_list_remove(&r->in_line);
        l->granted--;
        l->n--;
    }
    pthread_mutex_unlock(&t->lock);
    return r;
}

static void go_on(struct ax_request *r)
{
    bool whole = r->place == AX_PLACE_WAITING_WHOLE;

    r->place = AX_PLACE_HELD;
    ax_deadline_stop(&r->timeout);
    read_on(r);
    if (whole)
        ax_worker_queue(r);
}

void ax_admission_let_in(struct ax_worker *w)
{
    struct ax_request *r;

    if (AX_LIKELY(!w->lines) || w->running || !__atomic_exchange_n(&w->granted, false, __ATOMIC_RELAXED))
        return;
    struct ax_gates *g = ax_site_gates(w->site);
    for (unsigned i = 0; i < g->n; i++)
        while ((r = next_granted(&w->lines[i], &g->v[i])))
            go_on(r);
}

void ax_admission_give_up(struct ax_request *r, const char *why)
{
    ax_reply_error(r, 503, why, "max_inflight");
}
