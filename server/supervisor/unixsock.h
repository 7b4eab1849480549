/* supervisor/unixsock.h - Unix sockets at paths of any length.  sun_path holds 107 bytes (unix(7)); a longer
 * path is reached through /proc/self/fd, so nobody has to chdir. Thread: any.  Descriptors are OWNED by the
 * caller, close-on-exec and blocking. */
#ifndef AX_SUPERVISOR_UNIXSOCK_H
#define AX_SUPERVISOR_UNIXSOCK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

struct ax_unix_bind {
    const char *path;
    int mode;          /* permission bits; never wider than this, not even for a moment */
    const char *group; /* NULL = ours */
    int backlog;
};

/* Binds and listens.  A socket file that nobody answers on is replaced.  Returns the descriptor, or -code:
 * AX_E_BUSY when somebody answers there or the path is no socket. */
int ax_unix_listen(const struct ax_unix_bind *b, struct ax_err *reterr);
/* A connected descriptor, or -code: AX_E_MISSING when there is no such file, AX_E_BUSY never, AX_E_STATE when
 * nobody listens. */
int ax_unix_connect(const char *path, struct ax_err *reterr);
/* The file of a socket just bound; later removed only if it is still the same. */
struct ax_unix_file {
    dev_t dev;
    ino_t ino;
};
void ax_unix_remember(const char *path, struct ax_unix_file *ret);
/* Who may connect, from now on: `mode` bits, and `gid` unless it is -1.  A file that is not ours any more is
 * left alone. */
struct ax_unix_access {
    int mode;
    gid_t gid;
};
bool ax_unix_differs(const char *path, const struct ax_unix_file *f, struct ax_unix_access want);
int ax_unix_permit(const char *path, const struct ax_unix_file *f, struct ax_unix_access want,
                   struct ax_err *reterr);
/* May this process give a file of its own to that group?  chown(2): its own groups, or anybody's for root. */
bool ax_unix_may_give(gid_t gid);
void ax_unix_remove(const char *path, const struct ax_unix_file *f);

#endif
