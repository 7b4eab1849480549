/* base/heap.h - the allocators behind base/alloc.h; for alloc.c and heap_jemalloc.c alone.  Sizes are never
 * 0. */
#ifndef AX_BASE_HEAP_H
#define AX_BASE_HEAP_H

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"

#if defined(AX_ALLOC_JEMALLOC)
#include <jemalloc/jemalloc.h>

#define AX_HEAP_TUNABLE "glibc.rtld.optional_static_tls=4096"

/* Filled before main, or before the addon's first function is called, and constant from then on: memory goes
 * back to where it came from.  All NULL = jemalloc could not be had, and libc serves. */
extern struct ax_heap_jemalloc {
    void *(*mallocx)(size_t bytes, int flags);
    void *(*rallocx)(void *p, size_t bytes, int flags);
    void (*dallocx)(void *p, int flags);
    int (*ctl)(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes); /* may be NULL */
    char version[24];
    char why[160];
} ax_heap_jemalloc;

/* 4096 is MALLCTL_ARENAS_ALL of jemalloc 5; others do not know it, and let unused pages go in time. */
static inline void ax_heap_trim(void)
{
    if (ax_heap_jemalloc.ctl)
        ax_heap_jemalloc.ctl("arena.4096.purge", NULL, NULL, NULL, 0);
}

static inline void *ax_heap_alloc(size_t bytes)
{
    return AX_LIKELY(ax_heap_jemalloc.mallocx != NULL) ? ax_heap_jemalloc.mallocx(bytes, 0) : malloc(bytes);
}

static inline void *ax_heap_zalloc(size_t n, size_t bytes)
{
    size_t all;

    if (AX_UNLIKELY(!ax_heap_jemalloc.mallocx))
        return calloc(n, bytes);
    return __builtin_mul_overflow(n, bytes, &all) ? NULL : ax_heap_jemalloc.mallocx(all, MALLOCX_ZERO);
}

static inline void *ax_heap_realloc(void *p, size_t bytes)
{
    if (AX_UNLIKELY(!ax_heap_jemalloc.mallocx))
        return realloc(p, bytes);
    return p ? ax_heap_jemalloc.rallocx(p, bytes, 0) : ax_heap_jemalloc.mallocx(bytes, 0);
}

static inline void ax_heap_free(void *p)
{
    if (AX_UNLIKELY(!ax_heap_jemalloc.mallocx))
        free(p);
    else if (p)
        ax_heap_jemalloc.dallocx(p, 0);
}

static inline void ax_heap_describe(struct ax_allocator *a)
{
    a->name = ax_heap_jemalloc.mallocx ? "jemalloc" : "default";
    snprintf(a->version, sizeof a->version, "%s", ax_heap_jemalloc.version);
    snprintf(a->why, sizeof a->why, "%s", ax_heap_jemalloc.why);
}

#else

#define AX_HEAP_TUNABLE NULL

#if defined(AX_ALLOC_MIMALLOC)
#include <mimalloc.h>
#define AX_HEAP(function) mi_##function
#else
#include <gnu/libc-version.h>
#define AX_HEAP(function) function
#endif

static inline void ax_heap_trim(void)
{
#if defined(AX_ALLOC_MIMALLOC)
    mi_collect(true);
#endif
}

static inline void *ax_heap_alloc(size_t bytes)
{
    return AX_HEAP(malloc)(bytes);
}

static inline void *ax_heap_zalloc(size_t n, size_t bytes)
{
    return AX_HEAP(calloc)(n, bytes);
}

static inline void *ax_heap_realloc(void *p, size_t bytes)
{
    return AX_HEAP(realloc)(p, bytes);
}

static inline void ax_heap_free(void *p)
{
    AX_HEAP(free)(p);
}

static inline void ax_heap_describe(struct ax_allocator *a)
{
#if defined(AX_ALLOC_MIMALLOC)
    int v = mi_version(); /* 2.0.9 says 209 */

    a->name = "mimalloc";
    snprintf(a->version, sizeof a->version, "%d.%d.%d", v / 100, v / 10 % 10, v % 10);
#else
    a->name = "default";
    snprintf(a->version, sizeof a->version, "glibc %s", gnu_get_libc_version());
#endif
}

#endif
#endif
