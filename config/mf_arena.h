/* config/mf_arena.h - the memory of one manifest: zeroed, NUL-terminated, freed at once.
 * A failed allocation is sticky: callers test the pointer they need and the loader asks once, at the end.
 * Thread: none. */
#ifndef AX_CONFIG_MF_ARENA_H
#define AX_CONFIG_MF_ARENA_H

#include "config/manifest.h"

#include "base/arena.h"

struct ax_mf_arena {
    struct ax_arena a;
    char first[4096];
};

enum { AX_MF_ARENA_MAX = 256 << 20 }; /* bytes; AX_YAML_NODES_MAX is reached long before */

void *ax_mf_alloc(struct ax_mf_arena *a, size_t bytes); /* zeroed; NULL = out of memory, sticky */
char *ax_mf_strndup(struct ax_mf_arena *a, const char *s, size_t n);
char *ax_mf_strdup(struct ax_mf_arena *a, const char *s);
char *ax_mf_printf(struct ax_mf_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for one more element behind n of them: doubles at each power of two; the old array stays in the arena.
 */
void *ax_mf_grow(struct ax_mf_arena *a, void *v, size_t n, size_t elem_bytes);

#endif
