/* What the admin listener wants to know of the supervisor, and its opening at the start. */
#include <string.h>

#include "base/assert.h"
#include "supervisor/admin.h"
#include "supervisor/adopt.h"
#include "supervisor/runner.h"
#include "supervisor/supervisor_private.h"

/* As the engines that serve said last; each is asked after everything that happens to a worker. */
static unsigned ready_in(const struct ax_slot *slot)
{
    const struct ax_runner *r = slot->now;
    unsigned n = 0;

    if (!ax_slot_serves(slot))
        return 0;
    for (unsigned i = 0; i < r->nworkers; i++)
        n += strcmp(r->workers[i].state, "ready") == 0;
    return r->nworkers ? n : r->gen->workers / r->gen->engines;
}

static void facts(void *ctx, struct ax_admin_facts *ret)
{
    const struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);
    unsigned ready = 0, restarts = 0, zombies = 0;

    for (unsigned i = 0; i < s->nslots; i++) {
        ready += ready_in(s->slots[i]);
        restarts += s->slots[i]->restarts;
    }
    AX_LIST_EACH(it, &s->runners)
    zombies += AX_LIST_ENTRY(it, struct ax_runner, node)->zombies;
    *ret = (struct ax_admin_facts){.starting = s->phase == AX_STARTING,
                                   .stopping = s->phase > AX_RUNNING,
                                   .ready = ready,
                                   .min_ready = (unsigned)s->m->server.min_ready,
                                   .zombies = zombies,
                                   .engine_restarts = restarts,
                                   .stall_us = s->m->timeouts.stall};
}

int ax_supervisor_admin(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_admin_options o = {
        .loop = &s->loop, .writer = s->writer, .log = &s->log, .facts = facts, .ctx = s};
    int rc = ax_admin_new(&o, &s->admin, reterr);

    if (rc == 0 && s->left)
        return ax_adopt_admin(s, reterr);
    if (rc == 0)
        rc = ax_admin_prepare(s->admin, s->m, reterr);
    if (rc < 0)
        return rc;
    ax_admin_commit(s->admin);
    if (s->o->admin)
        ax_admin_each(s->admin, s->o->admin, s->o->ctx);
    return 0;
}
