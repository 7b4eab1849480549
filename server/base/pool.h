/* base/pool.h - fixed-size objects, pre-warmed, bounded, counted.  One pool per worker thread, no locks.
 * Objects come from the pre-warmed chunk first, then from those that `keep` lets the pool hold on to, then
 * from the allocator (counted as `dry`).  After a burst ax_pool_trim gives back what was kept beyond the
 * chunk: that is the low-water mark.
 * Built with -DAX_POOL_MALLOC (always so under sanitizers) get and put are malloc and free, so that a use
 * after put is seen; the counting stays the same. */
#ifndef AX_BASE_POOL_H
#define AX_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ax_pool {
    const char *name;  /* BORROWED, for messages */
    size_t obj_bytes;  /* rounded up to 16 */
    void *free_list;   /* objects ready to be handed out; the first word links them */
    char *warm;        /* the pre-warmed chunk, OWNED */
    size_t warm_bytes; /* its length */
    unsigned live;     /* handed out now */
    unsigned peak;     /* most handed out at once since the last ax_pool_look */
    unsigned high;     /* most ever, but for `peak`: see ax_pool_high */
    unsigned limit;    /* ax_pool_get returns NULL beyond it; 0 = none */
    unsigned kept;     /* objects in the free list that are not of the chunk, OWNED */
    unsigned keep;     /* most of them; 0 after init, the owner may set it */
    unsigned low;      /* handed out at once without a burst; `prewarm` after init, the owner may set it */
    uint64_t dry;      /* times the allocator was asked */
};

/* `prewarm` objects are allocated and touched now, so that no page fault is left for the first request.
 * On failure *p needs no fini. */
int ax_pool_init(struct ax_pool *p, const char *name, size_t obj_bytes, unsigned prewarm, unsigned limit,
                 struct ax_err *reterr);
/* All objects must have been put back. */
void ax_pool_fini(struct ax_pool *p);
/* NOT zeroed.  NULL at the limit or out of memory. */
void *ax_pool_get(struct ax_pool *p);
void ax_pool_put(struct ax_pool *p, void *obj);
/* Gives the kept objects back to the allocator. */
void ax_pool_trim(struct ax_pool *p);
/* Were there at most `low` at once since the last look?  A new period begins. */
bool ax_pool_look(struct ax_pool *p);

/* Most ever handed out at once. */
static inline unsigned ax_pool_high(const struct ax_pool *p)
{
    return p->peak > p->high ? p->peak : p->high;
}

#endif
