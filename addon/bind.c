/* Listening sockets of a plain `node app.js`: under `actix serve` the supervisor opens them. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bridge.h"

static uint16_t port_of(const struct sockaddr_storage *sa)
{
    if (sa->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)sa)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)sa)->sin_port);
}

static void set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)sa)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)(void *)sa)->sin_port = htons(port);
}

/* A listening socket, or -errno.  only: an IPv6 socket takes no IPv4 connections, because there is one for
 * those. */
static int open_one(const struct addrinfo *ai, int only, int backlog)
{
    int one = 1, fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (ai->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0)
        goto fail;
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, backlog) < 0)
        goto fail;
    return fd;
fail:;
    int os = errno;
    close(fd);
    return -os;
}

static int name_url(int fd, char *url, size_t bytes, uint16_t *ret_port, struct ax_err *reterr)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    char host[INET6_ADDRSTRLEN];

    if (getsockname(fd, (struct sockaddr *)&sa, &len) < 0 ||
        getnameinfo((struct sockaddr *)&sa, len, host, sizeof host, NULL, 0, NI_NUMERICHOST) != 0)
        return ax_fail_os(reterr, errno, "cannot tell the address that was bound");
    *ret_port = port_of(&sa);
    snprintf(url, bytes, sa.ss_family == AF_INET6 ? "http://[%s]:%u" : "http://%s:%u", host, *ret_port);
    return 0;
}

/* With "::1 localhost" in /etc/hosts, glibc names 127.0.0.1 once for each of the two lines. */
static bool named_before(const struct addrinfo *list, const struct addrinfo *ai)
{
    for (; list != ai; list = list->ai_next) {
        const void *a = list->ai_addr, *b = ai->ai_addr;
        if (list->ai_family != ai->ai_family)
            continue;
        if (ai->ai_family == AF_INET6
                ? memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                         &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0
                : ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
                      ((const struct sockaddr_in *)b)->sin_addr.s_addr)
            return true;
    }
    return false;
}

/* The first address of a host is the one that counts; `localhost` is all of its addresses, on the port that
 * the first one got, and a family that this machine does not have is left out. */
static int open_list(struct addrinfo *list, const char *host, uint16_t port, int backlog, int *fds,
                     unsigned *ret_n, char *url, size_t url_bytes, struct ax_err *reterr)
{
    bool all = strcmp(host, "localhost") == 0;
    int os = EADDRNOTAVAIL;

    for (struct addrinfo *ai = list; ai && *ret_n < AX_BIND_MAX; ai = ai->ai_next) {
        if (named_before(list, ai))
            continue;
        set_port(ai->ai_addr, port);
        int fd = open_one(ai, all, backlog);
        if (fd >= 0) {
            fds[(*ret_n)++] = fd;
            if (*ret_n == 1 && name_url(fd, url, url_bytes, &port, reterr) < 0)
                return -AX_E_SYS;
        } else if (fd != -EADDRNOTAVAIL && fd != -EAFNOSUPPORT) {
            return ax_fail_os(reterr, -fd, "cannot listen on %s port %u", host, port);
        } else {
            os = -fd;
        }
        if (*ret_n && !all)
            break;
    }
    return *ret_n ? 0 : ax_fail_os(reterr, os, "cannot listen on %s port %u", host, port);
}

int ax_bind_open(const char *host, uint16_t port, int backlog, int *fds, unsigned *ret_n, char *url,
                 size_t url_bytes, struct ax_err *reterr)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *v4 = NULL, *v6 = NULL;

    *ret_n = 0;
    /* IPv4 first: `localhost` means 127.0.0.1 to most who read the URL */
    int rc4 = getaddrinfo(host, NULL, &hints, &v4);
    hints.ai_family = AF_INET6;
    int rc6 = getaddrinfo(host, NULL, &hints, &v6);
    int rc;
    if (rc4 != 0 && rc6 != 0) {
        const char *why = gai_strerror(rc4 == EAI_NONAME || rc4 == EAI_ADDRFAMILY ? rc6 : rc4);
        return ax_fail(reterr, AX_E_UNKNOWN, "cannot find the host %s: %s", host, why);
    }
    struct addrinfo *list = v4 ? v4 : v6, *tail = v4;
    while (tail && tail->ai_next)
        tail = tail->ai_next;
    if (tail)
        tail->ai_next = v6;
    rc = open_list(list, host, port, backlog, fds, ret_n, url, url_bytes, reterr);
    if (tail)
        tail->ai_next = NULL;
    if (v4)
        freeaddrinfo(v4);
    if (v6)
        freeaddrinfo(v6);
    while (rc < 0 && *ret_n)
        close(fds[--*ret_n]);
    return rc;
}
