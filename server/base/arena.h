/* base/arena.h - bump allocation for one request, freed at once.  The first block belongs to the owner
 * (inline in the request slot); what does not fit comes from the allocator, up to the ceiling.  Overflow sets
 * the sticky `failed` and returns NULL; the caller answers with a status, nothing crashes.  Thread: none. */
#ifndef AX_BASE_ARENA_H
#define AX_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct ax_arena_block;
struct ax_arena {
    char *at, *end; /* free part of the current block */
    char *first;    /* BORROWED: the owner's block */
    size_t first_bytes;
    struct ax_arena_block *more; /* OWNED: blocks from the allocator */
    size_t extra, max;           /* bytes taken from the allocator, and their ceiling */
    bool failed;                 /* sticky */
};

void ax_arena_init(struct ax_arena *a, void *first, size_t first_bytes, size_t max_extra);
void ax_arena_reset(struct ax_arena *a);                 /* frees all but the owner's block */
void *ax_arena_alloc(struct ax_arena *a, size_t bytes);  /* aligned to 8; NOT zeroed */
char *ax_arena_dup(struct ax_arena *a, struct ax_str s); /* not NUL-terminated */

#endif
