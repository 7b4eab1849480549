/* The pools of a worker as one: what they count, and the way back to the low-water mark after a burst. Memory
 * of a burst is kept while the burst lasts, and given back to the system when for a second no more was in use
 * at once than the manifest's `pools` provide for. */
#include "base/alloc.h"
#include "net/internal.h"

/* Looking is free, giving back takes up to some milliseconds. */
enum { LOOK_EVERY_US = 1000000, TRIM_EVERY_US = 10000000 };
enum { POOLS = 3 + AX_BODY_CLASSES };

static void all_pools(struct ax_worker *w, struct ax_pool *ret[POOLS])
{
    ret[0] = &w->request_pool;
    ret[1] = &w->conn_pool;
    ret[2] = &w->block_pool;
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        ret[3 + i] = &w->bodies.pool[i];
}

static uint64_t all_dry(const struct ax_worker *w)
{
    uint64_t n = w->request_pool.dry + w->conn_pool.dry + w->block_pool.dry + w->bodies.large;

    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        n += w->bodies.pool[i].dry;
    return n;
}

static void look_at(struct ax_worker *w, int64_t us)
{
    w->trim_at = us;
    ax_worker_arm_at(w, us);
}

void ax_worker_count_pools(struct ax_worker *w)
{
    uint64_t dry = all_dry(w);

    ax_count_set(&w->count->pool_high, ax_pool_high(&w->request_pool));
    if (AX_LIKELY(dry == w->pools_dry))
        return;
    w->pools_dry = dry;
    ax_count_set(&w->count->pool_dry, dry);
    if (w->trim_at != INT64_MAX)
        return;
    int64_t at = ax_worker_now(w).us + LOOK_EVERY_US, next = w->trimmed + TRIM_EVERY_US;
    look_at(w, w->trimmed && next > at ? next : at);
}

void ax_worker_trim_pools(struct ax_worker *w)
{
    struct ax_pool *pool[POOLS];
    bool calm = true;

    if (w->now.us < w->trim_at) {
        if (w->trim_at != INT64_MAX)
            ax_worker_arm_at(w, w->trim_at);
        return;
    }
    all_pools(w, pool);
    for (unsigned i = 0; i < POOLS; i++)
        calm = ax_pool_look(pool[i]) && calm;
    if (!calm) {
        look_at(w, w->now.us + LOOK_EVERY_US);
        return;
    }
    for (unsigned i = 0; i < POOLS; i++)
        ax_pool_trim(pool[i]);
    w->trimmed = w->now.us;
    w->trim_at = INT64_MAX;
    ax_alloc_trim();
}
