/* supervisor/spawn.h - starting a Node: fork and exec with what an engine needs.
 * The child leads its own process group, is killed when the calling thread ends (PR_SET_PDEATHSIG, prctl(2):
 * so call from the main thread), has stdin from /dev/null, default signals, the given descriptors at 3, 4, 5
 * ... and no other, the open-file limit at its hard value, and is a likelier victim of the OOM killer than we
 * are. Thread: one that lives as long as the child; other threads may run. */
#ifndef AX_SUPERVISOR_SPAWN_H
#define AX_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

enum { AX_SPAWN_FIRST_FD = 3 };

struct ax_spawn {
    const char *file;  /* absolute or relative path: PATH is not searched here */
    char *const *argv; /* NULL-terminated */
    char *const *envp;
    const int *fds; /* they become 3, 4, 5 ...; BORROWED */
    unsigned nfds;
    int out; /* becomes stdout; 0 or -1 = ours */
    int err; /* becomes stderr; 0 or -1 = ours */
};

/* The pid, or -code: exec's own error comes back as such. */
pid_t ax_spawn(const struct ax_spawn *s, struct ax_err *reterr);
/* True once `pid` has ended: kills what is left of its group, reaps it, and sets the wait status. */
bool ax_spawn_ended(pid_t pid, int *ret_status);
/* Kills the whole group and waits for the leader. */
void ax_spawn_kill(pid_t pid);
/* Reaps the processes that we did not start and that became ours when their parents ended, as process 1 of a
 * container has to.  Stops at an ended child of `ours`: its own SIGCHLD is on its way. */
void ax_spawn_reap_orphans(bool (*ours)(void *ctx, pid_t pid), void *ctx);
/* "exited with code 1", "was killed by signal 9 (Killed)". */
void ax_spawn_status_text(int status, char *out, size_t size);

#endif
