/* base/deadline.h - timeouts of equal length need no heap: a queue in order of arrival is in order of expiry.
 * One queue per length; push and remove are O(1).  Intrusive: the deadline lives in the thing that times out.
 */
#ifndef AX_BASE_DEADLINE_H
#define AX_BASE_DEADLINE_H

#include "base/clock.h"
#include "base/list.h"

struct ax_deadline {
    struct ax_list node;
    ax_mono at;
};
struct ax_deadline_queue {
    struct ax_list list;
    int64_t after_us; /* -1 = off: nothing is ever queued */
};

static inline void ax_deadline_queue_init(struct ax_deadline_queue *q, int64_t after_us)
{
    ax_list_init(&q->list);
    q->after_us = after_us;
}

static inline void ax_deadline_init(struct ax_deadline *d)
{
    ax_list_init(&d->node);
}

static inline void ax_deadline_stop(struct ax_deadline *d)
{
    ax_list_remove(&d->node);
}

/* Starts it anew from `now`; stops it in whatever queue it was. */
static inline void ax_deadline_start(struct ax_deadline_queue *q, struct ax_deadline *d, ax_mono now)
{
    ax_list_remove(&d->node);
    if (q->after_us < 0)
        return;
    d->at.us = now.us + q->after_us;
    ax_list_push(&q->list, &d->node);
}

/* The one that expires first; NULL when the queue is empty. */
static inline struct ax_deadline *ax_deadline_first(struct ax_deadline_queue *q)
{
    return ax_list_empty(&q->list) ? NULL : AX_LIST_ENTRY(q->list.next, struct ax_deadline, node);
}

#endif
