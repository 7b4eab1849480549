/* base/alloc.h - the one way to the allocator, so that tests can fail each allocation once.
 * Thread: safe; the fault injector is per thread.  Returned memory is OWNED by the caller: ax_free.
 *
 * Which allocator is behind it is chosen at compile time (make ALLOCATOR=...).  jemalloc and mimalloc are
 * called by their own names, so malloc stays libc's for Node, V8, libuv and everybody else: what came from a
 * library is given back to that library, never to ax_free, and the other way round. */
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

/* Gives free memory back to the system, of the allocator and of libc's (V8's and libuv's).  Takes from
 * microseconds to some milliseconds: not on the way of a request. */
void ax_alloc_trim(void);

/* What really serves this process or addon. */
struct ax_allocator {
    const char *name; /* default, jemalloc, mimalloc */
    char version[24]; /* what the library says of itself; "" = it says nothing */
    char why[160];    /* built for another one, which could not be had: why; else "" */
};
/* jemalloc keeps 2.6 KB for each thread in "static TLS".  A program that is linked to it gets that at its
 * start; glibc lets one that runs already have no more than some 1.6 KB, so the addon can have jemalloc only
 * in a Node that was started with the setting below, as `actix serve` does.  In any other Node the addon uses
 * libc's malloc, from its first allocation to its last, and says so here. */
struct ax_allocator ax_allocator(void);
/* "NAME=VALUE" of GLIBC_TUNABLES that a Node needs from its start so that the addon can have its allocator
 * (see tunables in glibc's manual); NULL = nothing.  Static. */
const char *ax_alloc_tunable(void);

/* Tests: the nth allocation of this thread from now on (1 = the next) returns NULL, once; 0 = off. */
void ax_fail_alloc_at(unsigned n);

#endif
