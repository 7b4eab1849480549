#include "supervisor/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/str.h"

enum { PATIENCE_S = 1 };

/* sd_notify(3): "/" begins a path, "@" stands for the NUL of an abstract name, which has no end mark. */
static int set_address(struct ax_notify *n, const char *name, struct ax_err *reterr)
{
    size_t len = strlen(name);
    bool abstract = name[0] == '@';

    if ((name[0] != '/' && !abstract) || len < 2)
        return ax_fail(reterr, AX_E_SYNTAX,
                       "NOTIFY_SOCKET is neither a path nor an abstract name (found '%s')", name);
    if (len >= sizeof n->to.sun_path)
        return ax_fail(reterr, AX_E_SYNTAX, "NOTIFY_SOCKET is longer than a socket's address can be");
    n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(n->to.sun_path, name, len);
    if (abstract)
        n->to.sun_path[0] = '\0';
    n->to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !abstract);
    return 0;
}

static int64_t watchdog_of(const struct ax_notify_env *env)
{
    uint64_t us, pid;

    if (!env->watchdog_usec || !ax_str_u64(ax_str(env->watchdog_usec), &us) || us > INT64_MAX)
        return 0;
    if (env->watchdog_pid && (!ax_str_u64(ax_str(env->watchdog_pid), &pid) || pid != (uint64_t)getpid()))
        return 0;
    return (int64_t)us;
}

int ax_notify_open(const struct ax_notify_env *env, struct ax_notify *n, struct ax_err *reterr)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};

    *n = (struct ax_notify){.fd = -1};
    if (!env->socket || !*env->socket)
        return 0;
    int rc = set_address(n, env->socket, reterr);
    if (rc < 0)
        return rc;
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (n->fd < 0 || setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot make a socket to tell systemd");
        ax_notify_close(n);
        return rc;
    }
    n->watchdog_us = watchdog_of(env);
    return 1;
}

int ax_notify_send(const struct ax_notify *n, struct ax_err *reterr, const char *fmt, ...)
{
    char text[AX_NOTIFY_MAX];
    ssize_t sent;
    va_list ap;

    if (n->fd < 0)
        return 0;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    size_t bytes = len < 0 ? 0 : (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    do
        sent = sendto(n->fd, text, bytes, MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_n);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? ax_fail_os(reterr, errno, "cannot tell systemd") : 0;
}

void ax_notify_close(struct ax_notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}
