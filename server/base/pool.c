#include "base/pool.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* An object that was given back: the link lies in the object itself. */
struct free_obj {
    struct free_obj *next;
};

int ax_pool_init(struct ax_pool *p, const char *name, size_t obj_bytes, unsigned prewarm, unsigned limit,
                 struct ax_err *reterr)
{
    *p = (struct ax_pool){
        .name = name, .obj_bytes = (obj_bytes + 15) & ~(size_t)15, .limit = limit, .low = prewarm};
#ifndef AX_POOL_MALLOC
    if (prewarm) {
        if (__builtin_mul_overflow(p->obj_bytes, (size_t)prewarm, &p->warm_bytes) ||
            !(p->warm = ax_malloc(p->warm_bytes)))
            return ax_fail(reterr, AX_E_NOMEM, "no memory for %u pre-warmed objects of pool %s", prewarm,
                           name);
        memset(p->warm, 0, p->warm_bytes);
        for (unsigned i = prewarm; i-- > 0;) {
            struct free_obj *o = (void *)(p->warm + (size_t)i * p->obj_bytes);
            o->next = p->free_list;
            p->free_list = o;
        }
    }
#else
    (void)prewarm;
    (void)reterr;
#endif
    return 0;
}

static bool is_warm(const struct ax_pool *p, const void *obj)
{
    return (uintptr_t)obj - (uintptr_t)p->warm < p->warm_bytes;
}

void ax_pool_trim(struct ax_pool *p)
{
    struct free_obj *all = p->free_list, **at = &all;

    while (p->kept && *at) {
        struct free_obj *o = *at;
        if (is_warm(p, o)) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        p->kept--;
        ax_free(o);
    }
    p->free_list = all;
}

bool ax_pool_look(struct ax_pool *p)
{
    bool calm = p->peak <= p->low;

    p->high = ax_pool_high(p);
    p->peak = p->live;
    return calm;
}

void ax_pool_fini(struct ax_pool *p)
{
    AX_ASSERT(p->live == 0);
    ax_pool_trim(p);
    ax_free(p->warm);
    *p = (struct ax_pool){0};
}

void *ax_pool_get(struct ax_pool *p)
{
    struct free_obj *o = p->free_list;

    if (AX_UNLIKELY(p->limit && p->live >= p->limit))
        return NULL;
    if (AX_LIKELY(o != NULL)) {
        p->free_list = o->next;
        if (AX_UNLIKELY(p->kept) && !is_warm(p, o))
            p->kept--;
    } else {
        o = ax_malloc(p->obj_bytes);
        if (!o)
            return NULL;
        p->dry++;
    }
    if (++p->live > p->peak)
        p->peak = p->live;
    return o;
}

void ax_pool_put(struct ax_pool *p, void *obj)
{
    struct free_obj *o = obj;

    AX_DEBUG_ASSERT(p->live > 0);
    p->live--;
    if (AX_UNLIKELY(!is_warm(p, obj))) {
#ifndef AX_POOL_MALLOC
        if (p->kept < p->keep)
            p->kept++;
        else
#endif
        {
            ax_free(obj);
            return;
        }
    }
    o->next = p->free_list;
    p->free_list = o;
}
