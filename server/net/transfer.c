/* Connections on their way: to a worker of this engine, to the heir of the engine, to a peer, or nowhere yet.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/engine.h"

/* ---- where to */

static int peer_of(const struct ax_engine *e)
{
    for (unsigned i = 0; i < e->npeers; i++)
        if (e->peers[i] >= 0)
            return e->peers[i];
    return -1;
}

static int way_out(const struct ax_engine *e)
{
    return e->heir >= 0 ? e->heir : peer_of(e);
}

static void send_away(struct ax_engine *e, struct ax_parcel *p)
{
    ax_list_push(&e->outbound, &p->node);
    ax_engine_wake(e);
}

/* As much as the socket takes now: it may be long until somebody else looks after the connection, or never.
 */
static void send_answers(struct ax_parcel *p)
{
    while (p->out.n) {
        ssize_t n = send(p->fd, p->out.p, p->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        ax_buf_drop(&p->out, (size_t)n);
    }
}

static void lose(struct ax_engine *e, struct ax_parcel *p)
{
    ax_parcel_free(p);
    ax_engine_put_connection(e);
}

/* Until there is a worker, or the mailbox names an heir: it is read from now on. */
static void park(struct ax_engine *e, struct ax_parcel *p)
{
    send_answers(p);
    ax_list_push(&e->parked, &p->node);
    ax_engine_wake(e);
}

void ax_engine_pass(struct ax_engine *e, struct ax_parcel *p, const struct ax_worker *not_to)
{
    bool bytes = ax_parcel_is_bytes(p);

    ax_list_remove(&p->node);
    if (bytes && e->heir >= 0) {
        send_away(e, p);
        return;
    }
    struct ax_worker *w = ax_engine_choose(e, not_to);
    if (w && ax_worker_give_parcel(w, p))
        return;
    if (e->heir >= 0 || (bytes && peer_of(e) >= 0))
        send_away(e, p); /* what is no bytes ends there */
    else
        park(e, p);
}

void ax_engine_pass_parked(struct ax_engine *e)
{
    struct ax_list waiting;

    ax_list_init(&waiting);
    AX_LIST_EACH(it, &e->parked)
    {
        ax_list_remove(it);
        ax_list_push(&waiting, it);
    }
    AX_LIST_EACH(it, &waiting)
    ax_engine_pass(e, AX_LIST_ENTRY(it, struct ax_parcel, node), NULL);
}

void ax_engine_drop_parcels(struct ax_engine *e)
{
    AX_LIST_EACH(it, &e->parked)
    lose(e, AX_LIST_ENTRY(it, struct ax_parcel, node));
    AX_LIST_EACH(it, &e->outbound)
    lose(e, AX_LIST_ENTRY(it, struct ax_parcel, node));
}

/* ---- out */

static void forget(struct ax_engine *e, int fd)
{
    if (fd == e->heir)
        e->heir = -1;
    for (unsigned i = 0; i < e->npeers; i++)
        if (e->peers[i] == fd)
            e->peers[i] = -1;
    close(fd);
}

/* Who was to get it has gone: another way, while there is one. */
static void try_elsewhere(struct ax_engine *e, struct ax_parcel *p, int gone)
{
    if (!ax_parcel_is_bytes(p)) {
        lose(e, p);
        return;
    }
    forget(e, gone);
    ax_engine_pass(e, p, NULL);
}

static void tell_handed_over(const struct ax_engine *e)
{
    if (e->event)
        e->event(e->event_ctx, &(struct ax_engine_event){.kind = AX_EV_HANDED_OVER});
}

int ax_engine_send_outbound(struct ax_engine *e)
{
    bool any = !ax_list_empty(&e->outbound);

    while (!ax_list_empty(&e->outbound)) {
        struct ax_parcel *p = AX_LIST_ENTRY(e->outbound.next, struct ax_parcel, node);
        int to = way_out(e);
        if (to < 0) {
            ax_engine_pass(e, p, NULL);
            continue;
        }
        int rc = ax_mailbox_send_parcel(to, p, NULL);
        if (rc == -AX_E_BUSY)
            return to;
        if (rc == 0)
            lose(e, p); /* here; it goes on there */
        else if (rc == -AX_E_STATE)
            try_elsewhere(e, p, to);
        else {
            send_answers(p); /* it is this one that cannot be sent; all others can */
            lose(e, p);
        }
    }
    if (any)
        tell_handed_over(e);
    return -1;
}

/* ---- in */

static bool room_for_peer(struct ax_engine *e, unsigned slot)
{
    if (slot < e->npeers)
        return true;
    if (slot >= AX_PEERS_MAX)
        return false;
    int *v = ax_realloc(e->peers, (slot + 1) * sizeof *v);
    if (!v)
        return false;
    e->peers = v;
    while (e->npeers <= slot)
        e->peers[e->npeers++] = -1;
    return true;
}

static void set_peer(struct ax_engine *e, unsigned slot, int fd)
{
    if (!room_for_peer(e, slot)) {
        if (fd >= 0)
            close(fd);
        return;
    }
    if (e->peers[slot] >= 0)
        close(e->peers[slot]);
    e->peers[slot] = fd;
}

static void set_heir(struct ax_engine *e, int fd)
{
    if (e->heir >= 0)
        close(e->heir);
    e->heir = fd;
}

/* It counts as one of ours from now on; limits.connections was kept by whoever had accepted it. */
static void receive_parcel(struct ax_engine *e, struct ax_parcel *p)
{
    atomic_fetch_add_explicit(&e->connections, 1, memory_order_relaxed);
    ax_engine_pass(e, p, NULL);
}

static void open_mail(struct ax_engine *e, const struct ax_mail *m)
{
    switch (m->kind) {
    case AX_MAIL_HEIR:
        set_heir(e, m->fd);
        ax_engine_pass_parked(e);
        break;
    case AX_MAIL_PEER:
        set_peer(e, m->slot, m->fd);
        ax_engine_pass_parked(e);
        break;
    case AX_MAIL_PARCEL:
        receive_parcel(e, m->parcel);
        break;
    }
}

void ax_engine_read_mailbox(struct ax_engine *e)
{
    struct ax_mail m;
    int rc = 1;

    while (e->mailbox >= 0 && (rc = ax_mailbox_receive(e->mailbox, &m, NULL)) != 0) {
        if (rc == 1)
            open_mail(e, &m);
        if (rc == -AX_E_STATE) {
            close(e->mailbox);
            e->mailbox = -1;
        }
    }
}
