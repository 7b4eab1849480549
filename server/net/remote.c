/* The address of a client as text, made when somebody first asks for it. */
#include <arpa/inet.h>
#include <string.h>

#include "net/internal.h"

static void make_remote(struct ax_conn *c)
{
    if (c->peer.sa.sa_family == AF_INET)
        inet_ntop(AF_INET, &c->peer.in.sin_addr, c->remote, sizeof c->remote);
    else if (c->peer.sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&c->peer.in6.sin6_addr))
        inet_ntop(AF_INET, c->peer.in6.sin6_addr.s6_addr + 12, c->remote, sizeof c->remote);
    else if (c->peer.sa.sa_family == AF_INET6)
        inet_ntop(AF_INET6, &c->peer.in6.sin6_addr, c->remote, sizeof c->remote);
    else
        memcpy(c->remote, "unix", sizeof "unix");
}

const char *ax_request_remote(const struct ax_request *r)
{
    struct ax_conn *c = r->conn;

    if (!c)
        return "";
    if (!c->remote[0])
        make_remote(c);
    return c->remote;
}

unsigned ax_request_remote_port(const struct ax_request *r)
{
    const struct ax_conn *c = r->conn;

    if (!c || (c->peer.sa.sa_family != AF_INET && c->peer.sa.sa_family != AF_INET6))
        return 0;
    return ntohs(c->peer.sa.sa_family == AF_INET ? c->peer.in.sin_port : c->peer.in6.sin6_port);
}
