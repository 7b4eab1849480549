#include "config/mf_arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

struct ax_mf_arena *ax_mf_arena_new(void)
{
    struct ax_mf_arena *a = ax_malloc(sizeof *a);

    if (a)
        ax_arena_init(&a->a, a->first, sizeof a->first, AX_MF_ARENA_MAX);
    return a;
}

void ax_mf_arena_free(struct ax_mf_arena *a)
{
    if (!a)
        return;
    ax_arena_reset(&a->a);
    ax_free(a);
}

void *ax_mf_alloc(struct ax_mf_arena *a, size_t bytes)
{
    void *r = ax_arena_alloc(&a->a, bytes ? bytes : 1);

    if (r)
        memset(r, 0, bytes);
    return r;
}

char *ax_mf_strndup(struct ax_mf_arena *a, const char *s, size_t n)
{
    char *r = ax_mf_alloc(a, n + 1);

    if (r && n)
        memcpy(r, s, n);
    return r;
}

char *ax_mf_strdup(struct ax_mf_arena *a, const char *s)
{
    return ax_mf_strndup(a, s, strlen(s));
}

char *ax_mf_printf(struct ax_mf_arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *r = n < 0 ? NULL : ax_mf_alloc(a, (size_t)n + 1);
    if (r) {
        va_start(ap, fmt);
        vsnprintf(r, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    return r;
}

void *ax_mf_grow(struct ax_mf_arena *a, void *v, size_t n, size_t elem_bytes)
{
    if (n & (n - 1)) /* between two powers of two there is room */
        return v;
    void *r = ax_mf_alloc(a, (n ? 2 * n : 1) * elem_bytes);
    if (r && n)
        memcpy(r, v, n * elem_bytes);
    return r;
}
