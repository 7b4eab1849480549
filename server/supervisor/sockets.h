/* supervisor/sockets.h - every listening socket of an app, opened once by the supervisor and inherited by
 * engines. Never SO_REUSEPORT: closing one of two such sockets loses the connections queued on it (design,
 * section 2). Thread: the supervisor's main thread. */
#ifndef AX_SUPERVISOR_SOCKETS_H
#define AX_SUPERVISOR_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "config/manifest.h"
#include "supervisor/unixsock.h"

enum { AX_SOCKETS_MAX = 64 };

struct ax_socket {
    int fd;
    char *url;                    /* really bound: "http://127.0.0.1:3001", "unix:/run/app.sock" */
    char *unix_path;              /* NULL = TCP, or passed by systemd: not ours to remove */
    struct ax_unix_file file;     /* UNIX */
    struct ax_unix_access access; /* UNIX: as the manifest has it; gid -1: our own group, not asked for */
    char *key;       /* what was asked for, to know it again: "127.0.0.1 3001"; NULL = systemd's */
    bool everywhere; /* a bare PORT that became all addresses, since this is a container */
};
struct ax_sockets {
    struct ax_socket v[AX_SOCKETS_MAX];
    size_t n;
};

struct ax_sockets_input {
    const struct ax_listen *listen;
    size_t nlisten;
    int backlog;
    const char *root; /* relative socket paths start here */
    bool container;   /* ax_in_container() */
};

/* All or nothing; the message names the address (and the place in the manifest, if there is one). */
int ax_sockets_open(const struct ax_sockets_input *in, struct ax_sockets *ret, struct ax_err *reterr);
/* The same for a reload: what `old` listens on already is taken over as it is (descriptors and strings then
 * belong to both, and one of the calls below has to end that); a Unix socket's mode and group change with
 * ax_sockets_replace, and what cannot be changed is refused here; sockets of systemd stay whatever `in` says.
 * *ret may be *old. */
int ax_sockets_renew(const struct ax_sockets_input *in, const struct ax_sockets *old, struct ax_sockets *ret,
                     struct ax_err *reterr);
bool ax_sockets_have(const struct ax_sockets *s, int fd);
/* Closes what `other` does not have: the new ones of a reload that failed. */
void ax_sockets_close_but(struct ax_sockets *s, const struct ax_sockets *other);
/* *s becomes *by, which is empty then; what it has no more is closed, what it kept gets this backlog, and a
 * Unix socket the mode and group it has in *by.  Less than 0 when that failed; all else is done. */
int ax_sockets_replace(struct ax_sockets *s, struct ax_sockets *by, int backlog, struct ax_err *reterr);
/* This one's mode or group is not yet what it is to be. */
bool ax_socket_changes(const struct ax_socket *sock);
/* Sockets passed by systemd (sd_listen_fds(3)): LISTEN_PID is ours and LISTEN_FDS says how many from 3 on.
 * Returns how many there are, 0 = none, or -code. */
int ax_sockets_inherit(const char *listen_pid, const char *listen_fds, struct ax_sockets *ret,
                       struct ax_err *reterr);
/* Closes, and removes the Unix socket files that are still ours. */
void ax_sockets_close(struct ax_sockets *s);

/* /.dockerenv, /run/.containerenv, or $container (as systemd and Podman set it). */
bool ax_in_container(void);

#endif
