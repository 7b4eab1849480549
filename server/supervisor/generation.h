/* supervisor/generation.h - one generation of the app: a manifest as it was read at some moment, and what
 * follows from it.  Each engine runs the generation that it was started with, to its end, so a generation
 * lives as long as its last engine.  Thread: the supervisor's main thread. */
#ifndef AX_SUPERVISOR_GENERATION_H
#define AX_SUPERVISOR_GENERATION_H

#include "base/err.h"
#include "base/log.h"
#include "net/board.h"
#include "supervisor/env.h"
#include "supervisor/supervisor.h"

struct ax_generation {
    unsigned refs, number;            /* number: from 1 on, one more with each reload */
    const struct ax_serve_options *o; /* BORROWED */
    struct ax_reading reading;        /* OWNED if reading.owner is set */
    const struct ax_manifest *m;      /* of the reading */
    struct ax_env env;
    char *node, *script; /* OWNED */
    unsigned workers;    /* in all */
    unsigned engines;    /* 1, or as many as workers (server.isolation: process) */
    int64_t connections; /* of one engine; AX_OFF */
    uint64_t files;      /* RLIMIT_NOFILE; 0 = it asked for no lower limits.connections */
    enum ax_log_format access_format;
    struct ax_board *board; /* NULL with one engine */
    int board_fd;           /* OWNED; -1 */
};

/* Finds Node and asks for its version (blocks for as long as that takes), raises RLIMIT_NOFILE.  `r` is taken
 * only with success.  *ret holds one reference. */
int ax_generation_new(const struct ax_serve_options *o, const struct ax_reading *r, unsigned number,
                      struct ax_generation **ret, struct ax_err *reterr);
/* One that an earlier program of this process has made, as far as it is known: the manifest is that of *r. */
struct ax_generation_left {
    unsigned number, workers, engines;
    int64_t connections;
    const char *node, *script; /* copied */
    int board_fd;              /* OWNED, taken only with success; -1 */
};
int ax_generation_adopt(const struct ax_serve_options *o, const struct ax_reading *r,
                        const struct ax_generation_left *left, struct ax_generation **ret,
                        struct ax_err *reterr);
void ax_generation_ref(struct ax_generation *g);
void ax_generation_unref(struct ax_generation *g); /* NULL is fine */
/* One line when limits.connections had to be lowered. */
void ax_generation_warn(const struct ax_generation *g, struct ax_log *log);

#endif
