#include "base/alloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/heap.h"

static _Thread_local unsigned fail_countdown;

static int must_fail(void)
{
    return AX_UNLIKELY(fail_countdown != 0) && --fail_countdown == 0;
}

void ax_fail_alloc_at(unsigned n)
{
    fail_countdown = n;
}

void *ax_malloc(size_t bytes)
{
    return must_fail() ? NULL : ax_heap_alloc(bytes ? bytes : 1);
}

void *ax_calloc(size_t n, size_t bytes)
{
    return must_fail() ? NULL : ax_heap_zalloc(n ? n : 1, bytes ? bytes : 1);
}

void *ax_realloc(void *p, size_t bytes)
{
    return must_fail() ? NULL : ax_heap_realloc(p, bytes ? bytes : 1);
}

char *ax_strndup(const char *s, size_t n)
{
    char *r = ax_malloc(n + 1);

    if (r) {
        memcpy(r, s, n);
        r[n] = '\0';
    }
    return r;
}

char *ax_strdup(const char *s)
{
    return ax_strndup(s, strlen(s));
}

char *ax_asprintf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *r = n < 0 ? NULL : ax_malloc((size_t)n + 1);
    if (r) {
        va_start(ap, fmt);
        vsnprintf(r, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    return r;
}

void ax_free(void *p)
{
    ax_heap_free(p);
}

void ax_alloc_trim(void)
{
    ax_heap_trim();
    malloc_trim(0);
}

struct ax_allocator ax_allocator(void)
{
    struct ax_allocator a = {0};

    ax_heap_describe(&a);
    return a;
}

const char *ax_alloc_tunable(void)
{
    return AX_HEAP_TUNABLE;
}
