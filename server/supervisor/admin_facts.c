/* What the admin listener wants to know of the supervisor, and its opening at the start. */
#include <string.h>

#include "base/assert.h"
#include "supervisor/admin.h"
#include "supervisor/supervisor_private.h"

/* As the engine said last; it is asked after everything that happens to a worker. */
static unsigned ready_workers(const struct ax_supervisor *s)
{
    unsigned n = 0;

    if (!s->engine_ready)
        return 0;
    for (unsigned i = 0; i < s->nworkers_seen; i++)
        n += strcmp(s->workers_seen[i].state, "ready") == 0;
    return s->nworkers_seen ? n : s->workers;
}

static void facts(void *ctx, struct ax_admin_facts *ret)
{
    const struct ax_supervisor *s = AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);

    *ret = (struct ax_admin_facts){.starting = s->phase == AX_STARTING,
                                   .stopping = s->phase > AX_RUNNING,
                                   .ready = ready_workers(s),
                                   .min_ready = (unsigned)s->m->server.min_ready,
                                   .engine_restarts = s->restarts,
                                   .stall_us = s->m->timeouts.stall};
}

int ax_supervisor_admin(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_admin_options o = {
        .loop = &s->loop, .writer = s->writer, .log = &s->log, .root = s->m->root, .facts = facts, .ctx = s};
    int rc = ax_admin_new(&o, &s->admin, reterr);

    if (rc == 0)
        rc = ax_admin_prepare(s->admin, s->m->admin.listen, s->m->admin.nlisten, reterr);
    if (rc < 0)
        return rc;
    ax_admin_commit(s->admin);
    if (s->o->admin)
        ax_admin_each(s->admin, s->o->admin, s->o->ctx);
    return 0;
}
