/* What is known of the client: its address, made as text when somebody first asks, and what its socket tells.
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/assert.h"
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

/* ---- behind trusted proxies: looked at when somebody asks, kept in the request's arena */

enum { TRUST_NO = 1, TRUST_YES };

struct ax_origin {
    struct ax_forwarded said;
    char remote[AX_ADDR_TEXT];
};

static struct ax_addr peer_of(const struct ax_conn *c)
{
    if (c->peer.sa.sa_family == AF_INET)
        return ax_addr_ip4(&c->peer.in.sin_addr);
    if (c->peer.sa.sa_family == AF_INET6)
        return ax_addr_ip6(&c->peer.in6.sin6_addr);
    return (struct ax_addr){.kind = AX_ADDR_UNIX};
}

static bool peer_trusted(struct ax_conn *c)
{
    if (!c->trust) {
        struct ax_addr peer = peer_of(c);
        c->trust = ax_proxies_trust(c->worker->proxies, &peer) ? TRUST_YES : TRUST_NO;
    }
    return c->trust == TRUST_YES;
}

/* NULL when no trusted proxy sent it, or memory is out: the peer is the client then. */
static const struct ax_origin *origin_of(struct ax_request *r)
{
    if (AX_LIKELY(!r->worker->proxies) || r->origin || !r->conn || !peer_trusted(r->conn))
        return r->origin;
    struct ax_origin *o = ax_arena_alloc(&r->arena, sizeof *o);
    if (!o)
        return NULL;
    struct ax_addr peer = peer_of(r->conn);
    ax_forwarded_read(&r->head, r->worker->proxies, &peer, &o->said);
    ax_addr_text(&o->said.client, o->remote);
    r->origin = o;
    return o;
}

const char *ax_request_remote(struct ax_request *r)
{
    const struct ax_origin *o = origin_of(r);
    struct ax_conn *c = r->conn;

    if (AX_UNLIKELY(o != NULL))
        return o->remote;
    if (!c)
        return r->remote ? r->remote : "";
    if (!c->remote[0])
        make_remote(c);
    return c->remote;
}

bool ax_request_https(struct ax_request *r)
{
    const struct ax_origin *o = origin_of(r);

    return o && o->said.proto == AX_PROTO_HTTPS;
}

struct ax_str ax_request_host(struct ax_request *r)
{
    const struct ax_origin *o = origin_of(r);

    return o && o->said.host.n ? o->said.host : ax_head_str(&r->head, r->head.host);
}

const char *ax_request_given_id(struct ax_request *r)
{
    if (r->given_id || r->id[0] || !r->conn || !peer_trusted(r->conn))
        return r->given_id;
    struct ax_str id = ax_forwarded_id(&r->head);
    char *copy = id.n ? ax_arena_alloc(&r->arena, AX_REQUEST_ID_MAX + 1) : NULL;
    if (!copy)
        return NULL;
    memset(copy, 0, AX_REQUEST_ID_MAX + 1);
    r->given_id = memcpy(copy, id.p, id.n);
    return r->given_id;
}

void ax_request_orphan(struct ax_request *r)
{
    const char *remote = ax_request_remote(r);

    if (r->worker->proxies)
        ax_request_id(r); /* what came with the head counts, and whose it was is known now only */
    if (!r->origin && !r->remote) {
        size_t n = strlen(remote) + 1;
        char *copy = ax_arena_alloc(&r->arena, n);
        if (copy)
            r->remote = memcpy(copy, remote, n);
    }
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

bool ax_request_ends_of(const struct ax_request *r, struct ax_request_ends *ret)
{
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } here;
    socklen_t n = sizeof here;

    if (!r->conn || getsockname(r->conn->fd, &here.sa, &n) < 0)
        return false;
    if (here.sa.sa_family == AF_INET) {
        ret->remote_port = ntohs(r->conn->peer.in.sin_port);
        ret->local_port = ntohs(here.in.sin_port);
        return inet_ntop(AF_INET, &here.in.sin_addr, ret->local, sizeof ret->local) != NULL;
    }
    if (here.sa.sa_family != AF_INET6)
        return false;
    ret->remote_port = ntohs(r->conn->peer.in6.sin6_port);
    ret->local_port = ntohs(here.in6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&here.in6.sin6_addr))
        return inet_ntop(AF_INET, here.in6.sin6_addr.s6_addr + 12, ret->local, sizeof ret->local) != NULL;
    return inet_ntop(AF_INET6, &here.in6.sin6_addr, ret->local, sizeof ret->local) != NULL;
}
