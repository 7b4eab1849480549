/* The slot table: index -> request, with a generation that outlives the request's memory, so that a stale
 * handle is told from a live one for as long as the worker lives. */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

int ax_slots_init(struct ax_worker *w, struct ax_err *reterr)
{
    unsigned warm = w->set->pool_prewarm ? (unsigned)w->set->pool_requests : 0;
    int rc = ax_pool_init(&w->request_pool, "request", sizeof(struct ax_request), warm, 0, reterr);

    if (rc < 0)
        return rc;
    w->request_pool.low = w->request_pool.keep = (unsigned)w->set->pool_requests;
    w->slots = NULL;
    w->nslots = w->free_slot = 0;
    w->arena_max = (size_t)w->set->limit_header * 4 +
                   (size_t)w->set->limit_header_count * sizeof(struct ax_field) + 16384;
    return 0;
}

void ax_slots_fini(struct ax_worker *w)
{
    ax_free(w->slots);
    w->slots = NULL;
    w->nslots = 0;
    ax_pool_fini(&w->request_pool);
}

/* Doubles the table; new indices form the free list. */
static bool grow(struct ax_worker *w)
{
    uint32_t n = w->nslots ? w->nslots * 2 : 1024;
    struct ax_slot *v = ax_realloc(w->slots, n * sizeof *v);

    if (!v)
        return false;
    for (uint32_t i = w->nslots; i < n; i++)
        v[i] = (struct ax_slot){.gen = w->first_gen, .next_free = i + 1};
    w->slots = v;
    w->free_slot = w->nslots;
    w->nslots = n;
    return true;
}

_Static_assert(AX_REQ_READING == 0 && AX_ROUTE_NONE == 0, "a request begins with zeroes");

/* Not the whole slot: that would touch two kilobytes for every request. */
static void reset(struct ax_request *r)
{
    const size_t from = offsetof(struct ax_request, next), to = offsetof(struct ax_request, gone);

    r->conn = NULL;
    memset((char *)r + from, 0, to - from);
    ax_deadline_init(&r->timeout);
}

struct ax_request *ax_slot_get(struct ax_worker *w)
{
    if (AX_UNLIKELY(w->free_slot == w->nslots) && !grow(w))
        return NULL;
    struct ax_request *r = ax_pool_get(&w->request_pool);
    if (AX_UNLIKELY(!r))
        return NULL;
    struct ax_slot *s = &w->slots[w->free_slot];
    r->index = w->free_slot;
    r->gen = s->gen;
    r->worker = w;
    w->free_slot = s->next_free;
    s->r = r;
    reset(r);
    ax_arena_init(&r->arena, r->inline_bytes, sizeof r->inline_bytes, w->arena_max);
    return r;
}

void ax_slot_retire(struct ax_request *r)
{
    r->gen = ++r->worker->slots[r->index].gen;
}

void ax_slot_put(struct ax_request *r)
{
    struct ax_worker *w = r->worker;
    struct ax_slot *s = &w->slots[r->index];

    AX_DEBUG_ASSERT(s->r == r);
    ax_deadline_stop(&r->timeout);
    if (AX_UNLIKELY(r->gone_due)) {
        if (ax_stream_keeps_slot(r))
            return;
        ax_list_remove(&r->gone);
    }
    if (AX_UNLIKELY(r->state == AX_REQ_STREAMING))
        ax_stream_drop_encoder(r);
    if (AX_UNLIKELY(r->held.head != NULL))
        ax_out_clear(&r->held, &w->block_pool);
    ax_arena_reset(&r->arena);
    ax_body_drop(r);
    ax_request_leave(r);
    s->gen++;
    s->r = NULL;
    s->next_free = w->free_slot;
    w->free_slot = r->index;
    ax_pool_put(&w->request_pool, r);
}

struct ax_request *ax_request_get(struct ax_worker *w, uint32_t index, uint32_t gen)
{
    if (AX_UNLIKELY(index >= w->nslots))
        return NULL;
    const struct ax_slot *s = &w->slots[index];
    return AX_LIKELY(s->gen == gen) ? s->r : NULL;
}
