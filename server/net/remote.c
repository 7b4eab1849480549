/* What is known of the client: its address, made as text when somebody first asks, and what its socket tells.
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

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
        return r->remote ? r->remote : "";
    if (!c->remote[0])
        make_remote(c);
    return c->remote;
}

void ax_request_orphan(struct ax_request *r)
{
    struct ax_str remote = ax_str(ax_request_remote(r));
    char *copy = ax_arena_alloc(&r->arena, remote.n + 1);

    if (copy)
        r->remote = memcpy(copy, remote.p, remote.n + 1);
    r->conn = NULL;
    r->next = NULL;
}

bool ax_request_client_gone(const struct ax_request *r)
{
    return !r->conn || r->conn->eof || r->conn->hup;
}

bool ax_conn_has_input(const struct ax_conn *c)
{
    char byte;

    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool ax_conn_kernel_sends(struct ax_conn *c)
{
    int before = c->in_kernel;

    if (ioctl(c->fd, SIOCOUTQ, &c->in_kernel) < 0)
        c->in_kernel = 0;
    return c->in_kernel < before;
}
