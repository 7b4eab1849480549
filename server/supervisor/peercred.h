/* supervisor/peercred.h - who is at the other end of a Unix socket, and may they talk to it?  The file's mode
 * says it first; but a file's mode can be changed behind our back, and a folder's, and a descriptor can be
 * passed on.  So the kernel is asked who connected (unix(7), SO_PEERCRED and SO_PEERGROUPS), and what was
 * configured decides. Threads: any. */
#ifndef AX_SUPERVISOR_PEERCRED_H
#define AX_SUPERVISOR_PEERCRED_H

#include <stdbool.h>
#include <sys/types.h>

struct ax_peer_rule {
    uid_t owner;
    gid_t group;
    int mode; /* permission bits as of a file; to write is to talk */
};
struct ax_peer {
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* BORROWED: supplementary ones */
    size_t ngroups;
};

/* Root may, as it may write to any file. */
bool ax_peer_may(const struct ax_peer_rule *rule, const struct ax_peer *peer);
/* The same of whoever connected to fd; false as well when the kernel does not say who that is. */
bool ax_peer_may_talk(const struct ax_peer_rule *rule, int fd);

#endif
