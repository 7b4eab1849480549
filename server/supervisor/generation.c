#include "supervisor/generation.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "supervisor/dirs.h"
#include "supervisor/node.h"
#include "supervisor/plan.h"

enum {
    FILES_ENGINE = 64,
    FILES_PER_WORKER = 32
};                        /* descriptors beside connections: Node's own, logs, loops */
enum { FILES_KEPT = 16 }; /* so many connections are always left */

int64_t ax_fit_connections(int64_t connections, uint64_t files, unsigned workers)
{
    uint64_t own = FILES_ENGINE + (uint64_t)workers * FILES_PER_WORKER;
    uint64_t room = files > own + FILES_KEPT ? files - own : FILES_KEPT;

    return connections == AX_OFF || (uint64_t)connections <= room ? connections : (int64_t)room;
}

static int find_node(struct ax_generation *g, struct ax_err *reterr)
{
    struct ax_dirs dirs;
    int rc = ax_env_make(g->m, g->o->environ, NULL, &g->env, reterr);

    if (rc < 0 || !(g->node = ax_node_find(g->m, &g->env, reterr)))
        return rc < 0 ? rc : -AX_E_MISSING;
    /* asking takes as long as half a reload: under `actix dev` the first answer holds */
    rc = g->o->dev && g->number > 1 ? 0 : ax_node_check(g->node, &g->env, reterr);
    if (rc < 0)
        return rc;
    rc = ax_install_dirs(&dirs, reterr);
    if (rc < 0)
        return rc;
    g->script = g->o->engine_js ? ax_strdup(g->o->engine_js) : ax_path_join(dirs.lib, "addon/engine.js");
    ax_install_dirs_fini(&dirs);
    return g->script ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

/* What AUTO means for access lines depends on where they go. */
static enum ax_log_format access_format(const struct ax_manifest *m)
{
    enum ax_log_format f = ax_log_format_of(m->log.format);
    int fd = !m->log.access ? -1 : strcmp(m->log.access, "stdout") == 0 ? STDOUT_FILENO : -1;

    if (f != AX_LOG_AUTO)
        return f;
    return fd >= 0 && isatty(fd) ? AX_LOG_TEXT : AX_LOG_JSON;
}

/* The ceiling is the server's: each of several engines gets its part. */
static void fit_limits(struct ax_generation *g)
{
    struct rlimit r;
    int64_t all = g->m->limits.connections;
    int64_t mine = all == AX_OFF ? all : (all + g->engines - 1) / g->engines;

    g->connections = mine;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    g->connections = ax_fit_connections(mine, r.rlim_max, g->workers / g->engines);
    g->files = g->connections == mine ? 0 : (uint64_t)r.rlim_max;
}

void ax_generation_warn(const struct ax_generation *g, struct ax_log *log)
{
    if (g->files)
        ax_log_warn(log,
                    "limits.connections is lowered to %" PRId64
                    ": the limit of open files (RLIMIT_NOFILE) is %" PRIu64,
                    g->connections * g->engines, g->files);
}

static int make(struct ax_generation *g, struct ax_err *reterr)
{
    bool processes = g->m->server.isolation == AX_ISOLATION_PROCESS;
    int rc = find_node(g, reterr);

    if (rc < 0)
        return rc;
    g->workers = ax_plan_workers(g->m, g->reading.workers);
    g->engines = processes ? g->workers : 1;
    g->access_format = access_format(g->m);
    fit_limits(g);
    return processes ? ax_board_create(g->engines, &g->board, &g->board_fd, reterr) : 0;
}

int ax_generation_new(const struct ax_serve_options *o, const struct ax_reading *r, unsigned number,
                      struct ax_generation **ret, struct ax_err *reterr)
{
    struct ax_generation *g = ax_calloc(1, sizeof *g);

    if (!g)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    *g = (struct ax_generation){
        .refs = 1, .number = number, .o = o, .reading = *r, .m = r->manifest, .board_fd = -1};
    int rc = make(g, reterr);
    if (rc < 0) {
        g->reading.owner = NULL; /* still the caller's */
        ax_generation_unref(g);
        return rc;
    }
    *ret = g;
    return 0;
}

int ax_generation_adopt(const struct ax_serve_options *o, const struct ax_reading *r,
                        const struct ax_generation_left *left, struct ax_generation **ret,
                        struct ax_err *reterr)
{
    struct ax_generation *g = ax_calloc(1, sizeof *g);
    int rc = 0;

    if (!g)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    *g = (struct ax_generation){.refs = 1,
                                .number = left->number,
                                .o = o,
                                .reading = *r,
                                .m = r->manifest,
                                .node = ax_strdup(left->node),
                                .script = ax_strdup(left->script),
                                .workers = left->workers,
                                .engines = left->engines,
                                .connections = left->connections,
                                .access_format = access_format(r->manifest),
                                .board_fd = -1};
    if (!g->node || !g->script)
        rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = ax_env_make(g->m, o->environ, NULL, &g->env, reterr);
    if (rc == 0 && left->board_fd >= 0)
        rc = ax_board_attach(left->board_fd, &g->board, reterr);
    if (rc < 0) {
        g->reading.owner = NULL;
        ax_generation_unref(g);
        return rc;
    }
    g->board_fd = left->board_fd;
    *ret = g;
    return 0;
}

void ax_generation_ref(struct ax_generation *g)
{
    g->refs++;
}

void ax_generation_unref(struct ax_generation *g)
{
    if (!g || --g->refs > 0)
        return;
    ax_board_free(g->board);
    if (g->board_fd >= 0)
        close(g->board_fd);
    ax_env_fini(&g->env);
    ax_free(g->node);
    ax_free(g->script);
    if (g->reading.owner)
        g->o->release(g->o->ctx, &g->reading);
    ax_free(g);
}
