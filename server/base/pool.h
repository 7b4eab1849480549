/* base/pool.h - fixed-size objects, pre-warmed, bounded, counted.  One pool per worker thread, no locks.
 * Objects come from pre-warmed chunks first and from the allocator beyond them (counted as `dry`).
 * Built with -DAX_POOL_MALLOC (always so under sanitizers) get and put are calloc and free, so that a use
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
    unsigned high;     /* most ever handed out at once */
    unsigned limit;    /* ax_pool_get returns NULL beyond it; 0 = none */
    uint64_t dry;      /* times the pre-warmed objects did not suffice */
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

#endif
