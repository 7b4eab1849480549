/* supervisor/state.h - the state folder of an app: metrics.db, control.sock, actix.pid, lock.  Where
 * it is (docs/cli.md): --state, ACTIX_STATE, $STATE_DIRECTORY (socket and pid then in
 * $RUNTIME_DIRECTORY), server.state, else .actix beside the manifest. Thread: the supervisor's main thread,
 * or a client's. */
#ifndef AX_SUPERVISOR_STATE_H
#define AX_SUPERVISOR_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/manifest.h"

struct ax_state_input {
    const char *option; /* --state; NULL = not given */
    /* Looks a variable up, .env included; NULL = unset. */
    const char *(*getenv)(const char *name, void *ctx);
    void *ctx;
    const struct ax_manifest *manifest;
};

struct ax_state {
    char *dir;      /* OWNED, as all strings here; absolute */
    char *database; /* NULL = metrics.database is off */
    char *socket;   /* control.sock */
    char *pid_file; /* actix.pid */
    char *lock;
    bool asked; /* somebody named the folder: it must be usable */
};

/* Names only: touches no file.  For every command that looks for the database or the running instance. */
int ax_state_paths(const struct ax_state_input *in, struct ax_state *ret, struct ax_err *reterr);
void ax_state_fini(struct ax_state *s);

/* ---- the supervisor's side */
struct ax_state_lock {
    int fd;             /* OWNED; -1 = not held */
    char *pid_files[2]; /* OWNED: what to remove at the end */
};

/* Makes the folder alone (see ax_state_take), for who needs a file in it before that. */
int ax_state_make(const struct ax_state *s, const char *group, struct ax_err *reterr);
/* Makes the folder (0700; with `group` 0710 and of that group, so that its members reach the control socket),
 * takes the lock and writes the pid files.  `extra_pid_file`: --pid-file, or NULL. -AX_E_BUSY when another
 * instance holds the lock: the message names its pid. -AX_E_STATE when the folder cannot be made or written:
 * fatal only if s->asked, which is the caller's to decide. */
int ax_state_take(const struct ax_state *s, const char *group, const char *extra_pid_file,
                  struct ax_state_lock *ret, struct ax_err *reterr);
/* Removes the pid files and lets the lock go. */
void ax_state_release(struct ax_state_lock *l);

/* ---- a client's side */
/* Pid of the instance that holds the lock; 0 = none runs, -1 = one runs that has not written its pid yet. */
pid_t ax_state_holder(const struct ax_state *s);

/* Numeric id of a group by its name or number; -AX_E_UNKNOWN. */
int ax_group_id(const char *name, gid_t *ret, struct ax_err *reterr);

#endif
