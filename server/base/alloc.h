/* base/alloc.h - the one way to the allocator, so that tests can fail each allocation once.
 * Thread: safe; the fault injector is per thread.  Returned memory is OWNED by the caller: ax_free. */
#ifndef AX_BASE_ALLOC_H
#define AX_BASE_ALLOC_H

#include <stddef.h>

void *ax_malloc(size_t bytes) __attribute__((malloc, warn_unused_result));
/* NULL on overflow too. */
void *ax_calloc(size_t n, size_t bytes) __attribute__((malloc, warn_unused_result));
void *ax_realloc(void *p, size_t bytes) __attribute__((warn_unused_result));
char *ax_strdup(const char *s) __attribute__((malloc, warn_unused_result));
char *ax_strndup(const char *s, size_t n) __attribute__((malloc, warn_unused_result));
/* NULL when out of memory. */
char *ax_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), warn_unused_result));
void ax_free(void *p);

/* Tests: the nth allocation of this thread from now on (1 = the next) returns NULL, once; 0 = off. */
void ax_fail_alloc_at(unsigned n);

#endif
