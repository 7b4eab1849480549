#include "net/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

/* A packet must fit the socket's buffer (net.core.wmem_default is 208 KiB); more goes along in a memfd. */
enum { MAIL_MAGIC = 0x4d41494c, INLINE_MAX = 65536, FDS_MAX = 2 };

struct head { /* of every packet, then `nout + nin` bytes unless `in_memfd` */
    uint32_t magic, kind, slot;
    uint8_t eof, finish, in_memfd, has_fd;
    uint64_t nout, nin;
};

union rights {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

int ax_mailbox_pair(int *ret_engine_end, int *ret_sender_end, struct ax_err *reterr)
{
    int v[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, v) < 0)
        return ax_fail_os(reterr, errno, "cannot make a mailbox for the engine");
    *ret_engine_end = v[0];
    *ret_sender_end = v[1];
    return 0;
}

/* ---- sending */

static int send_packet(int to, struct iovec *v, size_t nv, const int *fds, unsigned nfds,
                       struct ax_err *reterr)
{
    union rights r = {.bytes = {0}};
    struct msghdr m = {.msg_iov = v, .msg_iovlen = nv};
    ssize_t n;

    if (nfds) {
        m.msg_control = r.bytes;
        m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    }
    do
        n = sendmsg(to, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    /* ETOOMANYREFS: so many descriptors are on their way already (unix(7)) */
    if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS)
        return ax_fail(reterr, AX_E_BUSY, "the mailbox is full");
    if (errno == EPIPE || errno == ECONNRESET || errno == ECONNREFUSED || errno == ENOTCONN)
        return ax_fail(reterr, AX_E_STATE, "the engine behind the mailbox has gone");
    return ax_fail_os(reterr, errno, "cannot write to the mailbox of an engine");
}

static int send_note(int to, enum ax_mail_kind kind, unsigned slot, int fd, struct ax_err *reterr)
{
    struct head h = {.magic = MAIL_MAGIC, .kind = kind, .slot = slot, .has_fd = fd >= 0};
    struct iovec v = {&h, sizeof h};

    return send_packet(to, &v, 1, &fd, fd >= 0, reterr);
}

int ax_mailbox_send_heir(int to, int heir, struct ax_err *reterr)
{
    return send_note(to, AX_MAIL_HEIR, 0, heir, reterr);
}

int ax_mailbox_send_peer(int to, unsigned slot, int peer, struct ax_err *reterr)
{
    return send_note(to, AX_MAIL_PEER, slot, peer, reterr);
}

static bool write_all(int fd, const struct ax_buf *b)
{
    for (size_t done = 0; done < b->n;) {
        ssize_t n = write(fd, b->p + done, b->n - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

static int content_memfd(const struct ax_parcel *p, struct ax_err *reterr)
{
    int fd = memfd_create("actix-parcel", MFD_CLOEXEC);

    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot hand a connection over");
    if (write_all(fd, &p->out) && write_all(fd, &p->in))
        return fd;
    int os = errno;
    close(fd);
    return ax_fail_os(reterr, os, "cannot hand a connection over");
}

int ax_mailbox_send_parcel(int to, const struct ax_parcel *p, struct ax_err *reterr)
{
    struct head h = {.magic = MAIL_MAGIC,
                     .kind = AX_MAIL_PARCEL,
                     .eof = p->eof,
                     .finish = p->finish,
                     .has_fd = 1,
                     .nout = p->out.n,
                     .nin = p->in.n};
    struct iovec v[3] = {{&h, sizeof h}, {p->out.p, p->out.n}, {p->in.p, p->in.n}};
    int fds[FDS_MAX] = {p->fd, -1};

    if (!ax_parcel_is_bytes(p))
        return ax_fail(reterr, AX_E_STATE, "a connection within a chunked body cannot leave its engine");
    h.in_memfd = p->out.n + p->in.n > INLINE_MAX;
    if (!h.in_memfd)
        return send_packet(to, v, 3, fds, 1, reterr);
    int rc = fds[1] = content_memfd(p, reterr);
    if (rc < 0)
        return rc;
    rc = send_packet(to, v, 1, fds, 2, reterr);
    close(fds[1]);
    return rc;
}

/* ---- receiving */

struct packet {
    struct head h;
    char *content; /* BORROWED: the receiver's buffer */
    size_t n;      /* bytes of it */
    int fd[FDS_MAX];
};

static void close_fds(struct packet *k)
{
    for (unsigned i = 0; i < FDS_MAX; i++)
        if (k->fd[i] >= 0)
            close(k->fd[i]);
}

static void take_fds(struct msghdr *m, struct packet *k)
{
    unsigned n = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        for (size_t at = 0; at + sizeof(int) <= bytes && n < FDS_MAX; at += sizeof(int))
            memcpy(&k->fd[n++], CMSG_DATA(c) + at, sizeof(int));
    }
}

/* The memfd holds what the head says, so that nobody makes us ask for memory with a number alone. */
static bool content_ok(int fd, const struct head *h)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return false;
    uint64_t all = (uint64_t)st.st_size;
    return h->nout <= all && h->nin == all - h->nout;
}

static bool packet_ok(const struct packet *k)
{
    const struct head *h = &k->h;
    bool more = h->kind == AX_MAIL_PARCEL && h->in_memfd;

    if (h->magic != MAIL_MAGIC || h->kind > AX_MAIL_PARCEL || (h->has_fd && k->fd[0] < 0))
        return false;
    if (h->kind == AX_MAIL_PARCEL && !h->has_fd)
        return false;
    return more ? k->n == 0 && content_ok(k->fd[1], h) : h->nout <= k->n && h->nin == k->n - h->nout;
}

static bool read_exactly(int fd, struct ax_buf *b, uint64_t n, uint64_t at)
{
    char *p = n ? ax_buf_reserve(b, n) : NULL;

    for (uint64_t done = 0; p && done < n;) {
        ssize_t got = pread(fd, p + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (uint64_t)got;
        b->n += (size_t)got;
    }
    return p || n == 0;
}

static bool fill(struct ax_parcel *p, const struct packet *k)
{
    const struct head *h = &k->h;

    if (!h->in_memfd)
        return ax_buf_add(&p->out, k->content, h->nout) && ax_buf_add(&p->in, k->content + h->nout, h->nin);
    return read_exactly(k->fd[1], &p->out, h->nout, 0) && read_exactly(k->fd[1], &p->in, h->nin, h->nout);
}

static int open_parcel(struct packet *k, struct ax_mail *ret, struct ax_err *reterr)
{
    struct ax_parcel *p = ax_parcel_new(k->fd[0]);

    if (!p)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for a connection that was handed over");
    k->fd[0] = -1;
    p->eof = k->h.eof;
    p->finish = k->h.finish;
    if (!fill(p, k)) {
        ax_parcel_free(p);
        return ax_fail(reterr, AX_E_NOMEM, "no memory for a connection that was handed over");
    }
    ret->parcel = p;
    return 0;
}

static int open_packet(struct packet *k, struct ax_mail *ret, struct ax_err *reterr)
{
    if (!packet_ok(k))
        return ax_fail(reterr, AX_E_PROTO, "the mailbox brought what is no packet of it");
    *ret = (struct ax_mail){.kind = (enum ax_mail_kind)k->h.kind, .slot = k->h.slot, .fd = -1};
    if (ret->kind == AX_MAIL_PARCEL)
        return open_parcel(k, ret, reterr);
    ret->fd = k->fd[0];
    k->fd[0] = -1;
    return 0;
}

int ax_mailbox_receive(int engine_end, struct ax_mail *ret, struct ax_err *reterr)
{
    char content[INLINE_MAX];
    struct packet k = {.content = content, .fd = {-1, -1}};
    union rights r;
    struct iovec v[2] = {{&k.h, sizeof k.h}, {content, sizeof content}};
    struct msghdr m = {
        .msg_iov = v, .msg_iovlen = 2, .msg_control = r.bytes, .msg_controllen = sizeof r.bytes};
    ssize_t n;

    do
        n = recvmsg(engine_end, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        return ax_fail(reterr, AX_E_STATE, "nobody is left at the other end of the mailbox");
    take_fds(&m, &k);
    k.n = (size_t)n > sizeof k.h ? (size_t)n - sizeof k.h : 0;
    bool whole = (size_t)n >= sizeof k.h && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    int rc = whole ? open_packet(&k, ret, reterr)
                   : ax_fail(reterr, AX_E_PROTO, "the mailbox brought a packet that was cut short");
    close_fds(&k);
    return rc < 0 ? rc : 1;
}
