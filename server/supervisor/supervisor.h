/* supervisor/supervisor.h - `actix serve` without the command line: state folder, sockets, engine, metrics
 * writer, control socket, signals, drain. Thread: the process's main thread; blocks until the app has
 * stopped.  Takes over TERM, INT, HUP, USR1, CHLD and ignores PIPE while it runs. */
#ifndef AX_SUPERVISOR_SUPERVISOR_H
#define AX_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "config/manifest.h"
#include "supervisor/state.h"

/* The app's manifest as it was read at one moment, and what options and environment put in its place. */
struct ax_reading {
    const struct ax_manifest *manifest;
    const struct ax_listen *listen; /* replaces server.listen; NULL = the manifest rules */
    unsigned workers;               /* replaces server.workers; 0 = the manifest rules */
    void *owner;                    /* of all three: `release` takes it back; NULL = BORROWED */
};

/* `actix dev`: reload on change, errors as pages, a line for each request (docs/cli.md). */
struct ax_dev_mode {
    const char *const *files; /* watched beside the app's folder: its manifests */
    size_t nfiles;
    bool color; /* lines of requests are for a terminal */
    /* A reload that a change has caused is over: `why` not, or NULL = the new code serves.  `file` is
     * relative to the app's folder where it lies in there; `ms` from its change on. */
    void (*reloaded)(void *ctx, const char *file, unsigned ms, const char *why);
};

struct ax_serve_options {
    const struct ax_manifest *manifest; /* the first; BORROWED, as all here; outlives the call */
    struct ax_state_input state;
    const struct ax_listen *listen; /* replaces server.listen; NULL = the manifest rules */
    unsigned workers;               /* replaces server.workers; 0 = the manifest rules */
    const char *pid_file;           /* one more; NULL = none */
    const char *engine_js;          /* NULL = LIB/addon/engine.js */
    const char *cwd; /* the folder's name, followed again before an upgrade; NULL = where we are */
    const struct ax_dev_mode *dev; /* NULL = `serve` */
    const char *inspect;           /* HOST:PORT that a debugger may connect to; NULL = nobody may */
    int left;   /* a descriptor with what an earlier program of this process left (upgrade.h); 0 = a
                   start */
    int output; /* the engine's stdout and stderr; 0 or -1 = ours */
    char *const *environ;

    /* The app answers at `url`; `everywhere`: it is a bare port that listens on all addresses, since this is
     * a container.  Once per address, then `ready` once. */
    void (*listening)(void *ctx, const char *url, bool everywhere);
    void (*ready)(void *ctx);
    /* The admin listener answers at `url`, which it does before the app itself is ready.  Once per address;
     * NULL is fine. */
    void (*admin)(void *ctx, const char *url);
    /* Why the app could not start, when there is more than one reason or a place in a file. */
    void (*problem)(void *ctx, const struct ax_err *err);
    /* For a reload: everything anew, from the manifest's path on (links resolved again) to the .env.  Each
     * error and warning goes to `problem`; 0 with *ret, or -code when it is not valid.  NULL = this app
     * cannot be reloaded. */
    int (*read)(void *ctx, struct ax_reading *ret,
                void (*problem)(void *to, const struct ax_err *err, bool warning), void *to);
    void (*release)(void *ctx, struct ax_reading *r); /* one that `read` made: its last engine is gone */
    void *ctx;
};

struct ax_serve_result {
    bool forced;   /* the drain did not end by itself */
    bool manifest; /* the start failed for handlers or modules that the manifest names */
};

/* 0 = ran and was stopped; -code = could not start, nothing is left running.  When reterr->code is still
 * AX_OK then, everything was said through `problem`. */
int ax_serve(const struct ax_serve_options *o, struct ax_serve_result *ret, struct ax_err *reterr);

/* limits.connections under a limit of open files (RLIMIT_NOFILE): what fits beside the descriptors that an
 * engine with so many workers needs for itself. */
int64_t ax_fit_connections(int64_t connections, uint64_t files, unsigned workers);

#endif
