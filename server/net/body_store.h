/* net/body_store.h - where a request's body lies when its slot is too small for it: one contiguous block, as
 * JavaScript needs it in the end.  Blocks of 4, 16 and 64 KiB come from the worker's pools, larger ones from
 * the allocator.  What a block holds counts against limits.body_memory from before it is taken until it is
 * given back; what the pools keep in stock (at most AX_BODY_STOCK bytes a worker) does not.
 * Thread: the worker's own. */
#ifndef AX_NET_BODY_STORE_H
#define AX_NET_BODY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pool.h"

struct ax_request;

enum { AX_BODY_CLASSES = 3, AX_BODY_CLASS_MAX = 65536 };
enum {
    AX_BODY_STOCK = 512 * 1024 + 1792 * 1024
}; /* made at start, and kept after a burst until it is over */

struct ax_body_store {
    struct ax_pool pool[AX_BODY_CLASSES];
    uint64_t large; /* blocks of the allocator */
};

/* `warm`: some of each are made now.  On failure *s needs no fini. */
int ax_body_store_init(struct ax_body_store *s, bool warm, struct ax_err *reterr);
void ax_body_store_fini(struct ax_body_store *s);

/* Appends to r->body; false when limits.body_memory or the memory does not suffice (r->body is as before).
 * The caller holds the body below its route's limit. */
bool ax_body_add(struct ax_request *r, const char *p, size_t n);
/* Would the body that r's head announces find room below limits.body_memory now?  Nothing is set aside: when
 * several come at once, ax_body_add may still say no. */
bool ax_body_fits(const struct ax_request *r);
/* Gives the block back, if there is one; r->body is empty then. */
void ax_body_drop(struct ax_request *r);

#endif
