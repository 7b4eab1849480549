/* net/admission.h - a route's own ceiling, max_inflight, over all workers of an engine; and the line of those
 * that wait for a place, `queue`.  A place is taken when the head is there and given back when the request is
 * answered (or nobody waits for its answer any more); the body of one that waits is read meanwhile.
 *
 * Places go to whoever has waited longest, in whatever worker: the one who gives a place back grants it to
 * that worker's line and wakes its loop, so nobody who comes later is faster.  Within a worker the line is
 * kept strictly, and what a client has pipelined behind a request that waits is not read until it goes on.
 * Waiting ends with 503 after the route's timeout, which counts from entering JavaScript
 * anew, and when the client closes.
 *
 * Threads: each gate has a lock, held for a few instructions.  Routes without max_inflight never come here.
 */
#ifndef AX_NET_ADMISSION_H
#define AX_NET_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ax_request;
struct ax_worker;
struct ax_gates;
struct ax_line;

/* For gates 1..n, n may be 0; OWNED, NULL = out of memory.  Set each before it is used. */
struct ax_gates *ax_gates_new(unsigned n);
void ax_gates_free(struct ax_gates *g); /* NULL is fine; no worker may be in it any more */
void ax_gates_set(struct ax_gates *g, unsigned gate, uint32_t max_inflight, uint32_t queue);
/* In progress and waiting now, of all workers; any thread. */
void ax_gates_load(struct ax_gates *g, unsigned gate, uint32_t *ret_inflight, uint32_t *ret_waiting);

/* ---- the worker's thread, or the one that has taken it over */
int ax_admission_init(struct ax_worker *w, struct ax_err *reterr);
/* None of its requests waits any more, and nothing is granted to it from now on.  Twice is fine. */
void ax_admission_detach(struct ax_worker *w);
void ax_admission_fini(struct ax_worker *w);

/* r's route has a gate: a place is taken, or r stands in line (r->place says which); false = neither. */
bool ax_admission_enter(struct ax_request *r);
/* Gives back what r->place says. */
void ax_admission_leave(struct ax_request *r);
/* Those of this worker that places were granted to go on; from within a batch they do so later. */
void ax_admission_let_in(struct ax_worker *w);
/* One that waits is answered 503 now; `why` is the text of it. */
void ax_admission_give_up(struct ax_request *r, const char *why);

#endif
