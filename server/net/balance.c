/* Which worker gets a connection. */
#include "net/engine.h"

static uint64_t cost(const struct ax_engine *e, const struct ax_worker *w)
{
    struct ax_load l = ax_worker_load(w);

    return e->balance == AX_BY_LEAST_INFLIGHT ? ((uint64_t)l.inflight << 32) + l.connections
                                              : ((uint64_t)l.connections << 32) + l.inflight;
}

/* One that may be standing still is taken only when all are. */
struct ax_worker *ax_engine_choose(struct ax_engine *e, const struct ax_worker *not_to)
{
    struct ax_worker *best = NULL;
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < e->max_workers; i++) {
        struct ax_worker *w = e->workers[(e->next + i) % e->max_workers];
        if (!w || w == not_to || e->watch[ax_worker_id(w)].leaving)
            continue;
        uint64_t c = e->balance == AX_BY_ROUND_ROBIN ? 0 : cost(e, w);
        if (AX_UNLIKELY(ax_watch_suspects(e, ax_worker_id(w))))
            c += UINT64_MAX / 2;
        if (c < least) {
            least = c;
            best = w;
        }
    }
    if (best)
        e->next = (ax_worker_id(best) + 1) % e->max_workers;
    return best;
}
