/* supervisor/notify.h - the sender's half of systemd's notification protocol (sd_notify(3)), which is one
 * datagram of NAME=VALUE lines to the socket that NOTIFY_SOCKET names.  Written by hand: the protocol is
 * documented as stable, and a library would be one more thing to have at run time.  What is sent, and when,
 * is systemd.h's.  Thread: any one. */
#ifndef AX_SUPERVISOR_NOTIFY_H
#define AX_SUPERVISOR_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/err.h"

enum { AX_NOTIFY_MAX = 2048 }; /* bytes of one datagram; what is longer is cut */

struct ax_notify_env {         /* as in the environment; NULL = unset */
    const char *socket;        /* NOTIFY_SOCKET: a path, or an abstract name after '@' */
    const char *watchdog_usec; /* WATCHDOG_USEC: WATCHDOG=1 is wanted at least this often */
    const char *watchdog_pid;  /* WATCHDOG_PID: of whom; unset = of whoever reads it */
};

struct ax_notify {
    int fd; /* OWNED; -1 = nobody listens */
    struct sockaddr_un to;
    socklen_t to_n;
    int64_t watchdog_us; /* 0 = none is wanted */
};

/* Returns 1 when there is somebody to tell, 0 when not (NOTIFY_SOCKET is unset or empty), -AX_E_SYNTAX for a
 * socket that is neither a path nor abstract, -AX_E_SYS.  *n can be sent to and closed in every case. */
int ax_notify_open(const struct ax_notify_env *env, struct ax_notify *n, struct ax_err *reterr);
/* Sends the text, which is lines without a last end.  Waits at most a second for a manager that does not
 * read. 0 also when nobody listens. */
int ax_notify_send(const struct ax_notify *n, struct ax_err *reterr, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void ax_notify_close(struct ax_notify *n);

#endif
