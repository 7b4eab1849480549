#include "supervisor/peercred.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/alloc.h"

enum { GROUPS_USUAL = 64 };

static bool is_member(const struct ax_peer *peer, gid_t group)
{
    if (peer->gid == group)
        return true;
    for (size_t i = 0; i < peer->ngroups; i++)
        if (peer->groups[i] == group)
            return true;
    return false;
}

/* As path_resolution(7) has it: the first class that fits decides alone. */
bool ax_peer_may(const struct ax_peer_rule *rule, const struct ax_peer *peer)
{
    if (peer->uid == 0)
        return true;
    if (peer->uid == rule->owner)
        return rule->mode & S_IWUSR;
    if (is_member(peer, rule->group))
        return rule->mode & S_IWGRP;
    return rule->mode & S_IWOTH;
}

bool ax_peer_may_talk(const struct ax_peer_rule *rule, int fd)
{
    struct ucred cred;
    gid_t usual[GROUPS_USUAL], *groups = usual;
    socklen_t len = sizeof cred, bytes = sizeof usual;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return false;
    int rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, usual, &bytes);
    if (rc < 0 && errno == ERANGE) { /* `bytes` says how many it takes */
        groups = ax_malloc(bytes);
        rc = groups ? getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) : -1;
    }
    const struct ax_peer peer = {cred.uid, cred.gid, groups, rc < 0 ? 0 : bytes / sizeof *groups};
    bool may = ax_peer_may(rule, &peer);
    if (groups != usual)
        ax_free(groups);
    return may;
}
