#include "supervisor/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "supervisor/dirs.h"
#include "supervisor/state.h"

enum { SYSTEMD_FIRST_FD = 3, LOCALHOST_TRIES = 16, UNIX_MODE = 0666 };

union address {
    struct sockaddr sa;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage any;
};

static socklen_t address_len(const union address *a)
{
    return a->sa.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
}

static unsigned address_port(const union address *a)
{
    return ntohs(a->sa.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

/* A numeric address; an IPv6 one may carry a zone ("fe80::1%eth0"). */
static bool address_set(union address *a, const char *host, unsigned port)
{
    char text[INET6_ADDRSTRLEN];
    size_t n = strcspn(host, "%");

    *a = (union address){0};
    if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
        a->v4.sin_family = AF_INET;
        a->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    if (n >= sizeof text)
        return false;
    memcpy(text, host, n);
    text[n] = '\0';
    a->v6.sin6_family = AF_INET6;
    a->v6.sin6_port = htons((uint16_t)port);
    if (host[n] == '%' && (a->v6.sin6_scope_id = if_nametoindex(host + n + 1)) == 0)
        return false;
    return inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1;
}

static char *address_url(const union address *a)
{
    char text[INET6_ADDRSTRLEN] = "?";
    bool v6 = a->sa.sa_family == AF_INET6;

    inet_ntop(a->sa.sa_family, v6 ? (const void *)&a->v6.sin6_addr : (const void *)&a->v4.sin_addr, text,
              sizeof text);
    return ax_asprintf(v6 ? "http://[%s]:%u" : "http://%s:%u", text, address_port(a));
}

/* Returns the descriptor or -errno. */
static int tcp_listen(const union address *a, bool dual, int backlog)
{
    int on = 1, v6only = !dual;
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    bool v6 = a->sa.sa_family == AF_INET6;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only) == 0) &&
        bind(fd, &a->sa, address_len(a)) == 0 && listen(fd, backlog) == 0)
        return fd;
    int os = errno;
    close(fd);
    return -os;
}

/* Takes the descriptor: adds it to the list, or closes it. */
static int add(struct ax_sockets *s, int fd, char *url, struct ax_err *reterr)
{
    if (!url || s->n == AX_SOCKETS_MAX) {
        close(fd);
        ax_free(url);
        return url ? ax_fail(reterr, AX_E_LIMIT, "more than %d addresses to listen on", AX_SOCKETS_MAX)
                   : ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    s->v[s->n++] = (struct ax_socket){.fd = fd, .url = url};
    return 0;
}

/* The address that was really bound: with port 0 the kernel chose one. */
static int add_tcp(struct ax_sockets *s, int fd, union address *ret, struct ax_err *reterr)
{
    union address a = {0};
    socklen_t len = sizeof a;

    if (getsockname(fd, &a.sa, &len) < 0) {
        int os = errno;
        close(fd);
        return ax_fail_os(reterr, os, "cannot read back the address of a socket");
    }
    if (ret)
        *ret = a;
    return add(s, fd, address_url(&a), reterr);
}

static const char *why_not(int os)
{
    switch (os) {
    case EADDRINUSE:
        return "the address is in use by another process";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    case EACCES:
        return "permission denied (ports below 1024 are for root, or CAP_NET_BIND_SERVICE)";
    default:
        return strerror(os);
    }
}

static int fail_listen(const struct ax_listen *l, const char *host, int os, struct ax_err *reterr)
{
    const char *why = why_not(os);
    bool v6 = strchr(host, ':') != NULL;

    return ax_fail_at(reterr, os == EADDRINUSE ? AX_E_BUSY : AX_E_SYS, l->at.file, l->at.line, l->at.col,
                      v6 ? "cannot listen on [%s]:%u: %s" : "cannot listen on %s:%u: %s", host, l->port, why);
}

static bool no_family(int os)
{
    return os == EAFNOSUPPORT || os == EADDRNOTAVAIL || os == EPROTONOSUPPORT;
}

static int open_host(struct ax_sockets *s, const struct ax_sockets_input *in, const struct ax_listen *l,
                     const char *host, struct ax_err *reterr)
{
    union address a;

    if (!address_set(&a, host, l->port))
        return ax_fail_at(reterr, AX_E_SYNTAX, l->at.file, l->at.line, l->at.col,
                          "cannot listen on %s: it is no IP address", host);
    int fd = tcp_listen(&a, false, in->backlog);
    return fd < 0 ? fail_listen(l, host, -fd, reterr) : add_tcp(s, fd, NULL, reterr);
}

/* All addresses: one dual-stack socket; IPv4 alone where the machine has no IPv6. */
static int open_all(struct ax_sockets *s, const struct ax_sockets_input *in, const struct ax_listen *l,
                    struct ax_err *reterr)
{
    union address a;

    address_set(&a, "::", l->port);
    int fd = tcp_listen(&a, true, in->backlog);
    if (fd < 0 && no_family(-fd)) {
        address_set(&a, "0.0.0.0", l->port);
        fd = tcp_listen(&a, false, in->backlog);
    }
    if (fd < 0)
        return fail_listen(l, "*", -fd, reterr);
    int rc = add_tcp(s, fd, &a, reterr);
    if (rc < 0 || !l->port_only)
        return rc;
    /* a container's bare PORT: show what a person can open, and let the banner say the rest */
    struct ax_socket *sock = &s->v[s->n - 1];
    char *url = ax_asprintf("http://127.0.0.1:%u", address_port(&a));
    if (!url)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    ax_free(sock->url);
    sock->url = url;
    sock->everywhere = true;
    return 0;
}

/* Both loopback addresses under one port.  With port 0 the kernel's choice for IPv4 may be taken for IPv6:
 * then another is asked for. */
static int open_localhost(struct ax_sockets *s, const struct ax_sockets_input *in, const struct ax_listen *l,
                          struct ax_err *reterr)
{
    for (int attempt = 0;; attempt++) {
        union address a;
        address_set(&a, "127.0.0.1", l->port);
        int v4 = tcp_listen(&a, false, in->backlog);
        if (v4 < 0)
            return fail_listen(l, "127.0.0.1", -v4, reterr);
        socklen_t len = sizeof a;
        if (getsockname(v4, &a.sa, &len) < 0) {
            int os = errno;
            close(v4);
            return fail_listen(l, "127.0.0.1", os, reterr);
        }
        address_set(&a, "::1", address_port(&a));
        int v6 = tcp_listen(&a, false, in->backlog);
        if (v6 == -EADDRINUSE && l->port == 0 && attempt < LOCALHOST_TRIES) {
            close(v4);
            continue;
        }
        if (v6 < 0 && !no_family(-v6)) {
            close(v4);
            return fail_listen(l, "::1", -v6, reterr);
        }
        int rc = add_tcp(s, v4, NULL, reterr);
        if (rc < 0 && v6 >= 0)
            close(v6);
        return rc < 0 || v6 < 0 ? rc : add_tcp(s, v6, NULL, reterr);
    }
}

static int access_of(const struct ax_listen *l, struct ax_unix_access *ret, struct ax_err *reterr)
{
    struct ax_err why = {0};

    *ret = (struct ax_unix_access){l->mode >= 0 ? l->mode : UNIX_MODE, (gid_t)-1};
    if (!l->group || ax_group_id(l->group, &ret->gid, &why) == 0)
        return 0;
    return ax_fail_at(reterr, why.code, l->at.file, l->at.line, l->at.col, "%s", why.msg);
}

static int open_unix(struct ax_sockets *s, const struct ax_sockets_input *in, const struct ax_listen *l,
                     struct ax_err *reterr)
{
    struct ax_err why = {0};
    char *path = ax_path_join(in->root, l->path);

    if (!path)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    struct ax_unix_bind b = {path, l->mode >= 0 ? l->mode : UNIX_MODE, l->group, in->backlog};
    int fd = ax_unix_listen(&b, &why);
    int rc = fd;
    if (fd < 0) {
        ax_fail_at(reterr, why.code, l->at.file, l->at.line, l->at.col, "%s", why.msg);
    } else {
        struct ax_unix_file file;
        ax_unix_remember(path, &file);
        rc = add(s, fd, ax_asprintf("unix:%s", path), reterr);
        if (rc == 0) {
            s->v[s->n - 1].unix_path = path;
            s->v[s->n - 1].file = file;
            rc = access_of(l, &s->v[s->n - 1].access, reterr);
            if (rc < 0)
                return rc;
            return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? ax_fail_os(reterr, errno, "cannot set up %s", path)
                                                      : 0;
        }
        ax_unix_remove(path, &file);
    }
    ax_free(path);
    return rc;
}

static int open_one(struct ax_sockets *s, const struct ax_sockets_input *in, const struct ax_listen *l,
                    struct ax_err *reterr)
{
    if (l->kind == AX_LISTEN_UNIX)
        return open_unix(s, in, l, reterr);
    if (l->port_only)
        return in->container ? open_all(s, in, l, reterr) : open_host(s, in, l, "127.0.0.1", reterr);
    if (strcmp(l->host, "*") == 0)
        return open_all(s, in, l, reterr);
    if (strcmp(l->host, "localhost") == 0)
        return open_localhost(s, in, l, reterr);
    return open_host(s, in, l, l->host, reterr);
}

/* ---- the same again after a reload */
bool ax_socket_changes(const struct ax_socket *sock)
{
    return sock->unix_path && sock->key && ax_unix_differs(sock->unix_path, &sock->file, sock->access);
}

static char *key_of(const struct ax_sockets_input *in, const struct ax_listen *l)
{
    if (l->kind == AX_LISTEN_UNIX) {
        char *path = ax_path_join(in->root, l->path);
        char *key = path ? ax_asprintf("unix %s", path) : NULL;
        ax_free(path);
        return key;
    }
    const char *host = !l->port_only ? l->host : in->container ? "*" : "127.0.0.1";
    return ax_asprintf("%s %u", host, l->port);
}

/* Those that were opened for the same words, and are in no place of *ret yet; false: there are none. */
static bool take_old(const struct ax_sockets *old, const char *key, struct ax_sockets *ret)
{
    bool any = false;

    for (size_t i = 0; i < old->n && ret->n < AX_SOCKETS_MAX; i++) {
        if (!old->v[i].key || strcmp(old->v[i].key, key) != 0 || ax_sockets_have(ret, old->v[i].fd))
            continue;
        ret->v[ret->n++] = old->v[i];
        any = true;
    }
    return any;
}

/* A kept Unix socket: who may connect may be another now. */
static int renew_access(const struct ax_listen *l, struct ax_socket *sock, struct ax_err *reterr)
{
    bool was_given = sock->access.gid != (gid_t)-1;
    int rc = access_of(l, &sock->access, reterr);

    if (rc == 0 && was_given && !l->group)
        sock->access.gid = getegid();
    if (rc < 0 || sock->access.gid == (gid_t)-1 || ax_unix_may_give(sock->access.gid) ||
        !ax_socket_changes(sock))
        return rc;
    return ax_fail_at(reterr, AX_E_STATE, l->at.file, l->at.line, l->at.col,
                      "cannot give %s to group %s: this process is not in it", sock->url, l->group);
}

static int renew_one(const struct ax_sockets_input *in, const struct ax_listen *l,
                     const struct ax_sockets *old, struct ax_sockets *ret, struct ax_err *reterr)
{
    char *key = key_of(in, l);
    size_t first = ret->n;
    int rc = 0;

    if (!key)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    if (!take_old(old, key, ret)) {
        rc = open_one(ret, in, l, reterr);
        for (size_t i = first; rc == 0 && i < ret->n; i++)
            if (!(ret->v[i].key = ax_strdup(key)))
                rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
    } else if (l->kind == AX_LISTEN_UNIX) {
        rc = renew_access(l, &ret->v[first], reterr);
    }
    ax_free(key);
    return rc;
}

int ax_sockets_renew(const struct ax_sockets_input *in, const struct ax_sockets *old, struct ax_sockets *ret,
                     struct ax_err *reterr)
{
    struct ax_sockets s = {.n = 0};

    for (size_t i = 0; i < old->n; i++)
        if (!old->v[i].key)
            s.v[s.n++] = old->v[i];
    size_t n = s.n ? 0 : in->nlisten;
    for (size_t i = 0; i < n; i++) {
        int rc = renew_one(in, &in->listen[i], old, &s, reterr);
        if (rc < 0) {
            ax_sockets_close_but(&s, old);
            return rc;
        }
    }
    *ret = s;
    return 0;
}

int ax_sockets_open(const struct ax_sockets_input *in, struct ax_sockets *ret, struct ax_err *reterr)
{
    return ax_sockets_renew(in, &(struct ax_sockets){.n = 0}, ret, reterr);
}

static int adopt(struct ax_sockets *s, int fd, struct ax_err *reterr)
{
    union address a = {0};
    socklen_t len = sizeof a;

    if (getsockname(fd, &a.sa, &len) < 0)
        return ax_fail_os(reterr, errno, "descriptor %d passed by systemd is no socket", fd);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return ax_fail_os(reterr, errno, "cannot use descriptor %d passed by systemd", fd);
    if (a.sa.sa_family != AF_UNIX)
        return add_tcp(s, fd, NULL, reterr);
    return add(s, fd, ax_asprintf("unix:%.*s", (int)sizeof a.un.sun_path, a.un.sun_path), reterr);
}

int ax_sockets_inherit(const char *listen_pid, const char *listen_fds, struct ax_sockets *ret,
                       struct ax_err *reterr)
{
    struct ax_sockets s = {.n = 0};
    uint64_t pid, n;

    if (!listen_pid || !listen_fds || !ax_str_u64(ax_str(listen_pid), &pid) || pid != (uint64_t)getpid() ||
        !ax_str_u64(ax_str(listen_fds), &n) || n == 0)
        return 0;
    if (n > AX_SOCKETS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "systemd passed more than %d sockets", AX_SOCKETS_MAX);
    for (int fd = SYSTEMD_FIRST_FD; fd < SYSTEMD_FIRST_FD + (int)n; fd++) {
        int rc = adopt(&s, fd, reterr);
        if (rc < 0) {
            ax_sockets_close(&s);
            return rc;
        }
    }
    *ret = s;
    return (int)s.n;
}

static void close_one(struct ax_socket *sock)
{
    close(sock->fd);
    if (sock->unix_path)
        ax_unix_remove(sock->unix_path, &sock->file);
    ax_free(sock->unix_path);
    ax_free(sock->url);
    ax_free(sock->key);
}

bool ax_sockets_have(const struct ax_sockets *s, int fd)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].fd == fd)
            return true;
    return false;
}

void ax_sockets_close_but(struct ax_sockets *s, const struct ax_sockets *other)
{
    for (size_t i = 0; i < s->n; i++)
        if (!ax_sockets_have(other, s->v[i].fd))
            close_one(&s->v[i]);
    s->n = 0;
}

int ax_sockets_replace(struct ax_sockets *s, struct ax_sockets *by, int backlog, struct ax_err *reterr)
{
    int rc = 0;

    for (size_t i = 0; i < by->n; i++) {
        const struct ax_socket *sock = &by->v[i];
        if (!sock->key || !ax_sockets_have(s, sock->fd))
            continue;
        (void)listen(sock->fd, backlog); /* it listens already: only the number changes */
        if (sock->unix_path && ax_unix_permit(sock->unix_path, &sock->file, sock->access, reterr) < 0)
            rc = -AX_E_SYS;
    }
    ax_sockets_close_but(s, by);
    *s = *by;
    by->n = 0;
    return rc;
}

void ax_sockets_close(struct ax_sockets *s)
{
    ax_sockets_close_but(s, &(struct ax_sockets){.n = 0});
}

bool ax_in_container(void)
{
    const char *container = getenv("container");

    return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
           (container && *container);
}
