#include "base/arena.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { BLOCK_MIN = 2048 };

struct ax_arena_block {
    struct ax_arena_block *next;
    size_t bytes;
};

void ax_arena_init(struct ax_arena *a, void *first, size_t first_bytes, size_t max_extra)
{
    *a = (struct ax_arena){.at = first,
                           .end = first ? (char *)first + first_bytes : NULL,
                           .first = first,
                           .first_bytes = first_bytes,
                           .max = max_extra};
}

void ax_arena_reset(struct ax_arena *a)
{
    while (AX_UNLIKELY(a->more != NULL)) {
        struct ax_arena_block *b = a->more;
        a->more = b->next;
        ax_free(b);
    }
    a->at = a->first;
    a->end = a->first ? a->first + a->first_bytes : NULL;
    a->extra = 0;
    a->failed = false;
}

static void *grow(struct ax_arena *a, size_t bytes)
{
    if (a->failed || bytes > a->max || a->extra > a->max - bytes) {
        a->failed = true;
        return NULL;
    }
    size_t want = bytes < BLOCK_MIN && BLOCK_MIN <= a->max - a->extra ? BLOCK_MIN : bytes;
    struct ax_arena_block *b = want > SIZE_MAX - sizeof *b ? NULL : ax_malloc(sizeof *b + want);
    if (!b) {
        a->failed = true;
        return NULL;
    }
    *b = (struct ax_arena_block){.next = a->more, .bytes = want};
    a->more = b;
    a->extra += want;
    a->at = (char *)(b + 1) + bytes;
    a->end = (char *)(b + 1) + want;
    return b + 1;
}

void *ax_arena_alloc(struct ax_arena *a, size_t bytes)
{
    if (AX_UNLIKELY(bytes - 1 > SIZE_MAX - 8)) { /* 0, or so many that rounding up would wrap */
        if (bytes)
            return grow(a, SIZE_MAX);
        bytes = 1; /* NULL means no memory, also for nothing */
    }
    bytes = (bytes + 7) & ~(size_t)7;
    if (AX_LIKELY((size_t)(a->end - a->at) >= bytes)) {
        void *r = a->at;
        a->at += bytes;
        return r;
    }
    return grow(a, bytes);
}

char *ax_arena_dup(struct ax_arena *a, struct ax_str s)
{
    char *r = ax_arena_alloc(a, s.n);

    if (r && s.n)
        memcpy(r, s.p, s.n);
    return r;
}
