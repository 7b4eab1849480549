#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

enum { IDLE_WAIT_S = 10 };

int64_t ax_load_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void ax_load_conn_init(struct ax_load_conn *c, bool head)
{
    *c = (struct ax_load_conn){.magic = AX_LOAD_CONN_MAGIC,
                               .fd = -1,
                               .reader = {.no_body = head},
                               .rest = AX_BUF_INIT(AX_ANSWER_HEAD_MAX)};
}

void ax_load_conn_close(struct ax_load_conn *c)
{
    if (c->fd >= 0)
        close(c->fd); /* leaves the epoll set by itself */
    c->fd = -1;
}

void ax_load_conn_fini(struct ax_load_conn *c)
{
    ax_load_conn_close(c);
    ax_buf_fini(&c->rest);
    c->magic = 0;
}

static int connect_to(struct ax_load_conn *c, const struct ax_load_options *o, struct ax_err *reterr)
{
    int family = o->addr.ss_family, one = 1;

    c->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return ax_fail_os(reterr, errno, "socket");
    if (connect(c->fd, (const struct sockaddr *)&o->addr, o->addr_bytes) < 0 ||
        (family == AF_INET && setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)) {
        int os = errno;
        ax_load_conn_close(c);
        return ax_fail_os(reterr, os, "cannot connect");
    }
    c->blocked = false;
    c->pending = 0;
    c->sent = 0;
    c->reader = (struct ax_answer_reader){.no_body = o->head};
    ax_buf_clear(&c->rest);
    return 0;
}

int ax_load_conn_open(struct ax_load_conn *c, const struct ax_load_share *s, struct ax_err *reterr)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
    int rc = connect_to(c, s->o, reterr);

    if (rc < 0)
        return rc;
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0) {
        int os = errno;
        ax_load_conn_close(c);
        return ax_fail_os(reterr, os, "epoll_ctl");
    }
    return 0;
}

static enum ax_load_state lose(struct ax_load_conn *c, struct ax_load_share *s, bool is_error)
{
    s->tally.errors += is_error;
    ax_load_conn_close(c);
    return AX_LOAD_LOST;
}

static enum ax_load_state await_room(struct ax_load_conn *c, const struct ax_load_share *s, bool blocked)
{
    struct epoll_event ev = {.events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c};

    if (c->blocked != blocked)
        epoll_ctl(s->epoll, EPOLL_CTL_MOD, c->fd, &ev); /* of a member: cannot fail */
    c->blocked = blocked;
    return AX_LOAD_WAITING;
}

static enum ax_load_state push(struct ax_load_conn *c, struct ax_load_share *s)
{
    const struct ax_buf *out = &s->o->send;

    while (c->sent < out->n) {
        ssize_t n = send(c->fd, out->p + c->sent, out->n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
            c->sent += (size_t)n;
        else if (errno == EAGAIN)
            return await_room(c, s, true);
        else if (errno != EINTR)
            return lose(c, s, true);
    }
    return AX_UNLIKELY(c->blocked) ? await_room(c, s, false) : AX_LOAD_WAITING;
}

enum ax_load_state ax_load_conn_write(struct ax_load_conn *c, struct ax_load_share *s)
{
    c->start_ns = s->now_ns;
    c->pending = s->o->pipeline;
    c->sent = 0;
    return push(c, s);
}

/* An answer is whole.  Samples are of the rounds that began within the recorded time, whenever they end. */
static void count(struct ax_load_conn *c, struct ax_load_share *s)
{
    unsigned status = c->reader.framing.status;

    c->pending--;
    if (s->recording) {
        s->tally.requests++;
        s->tally.non2xx += status < 200 || status > 299;
    } else {
        s->tally.unrecorded++;
    }
    if (c->pending == 0 && c->start_ns >= s->begin_ns)
        ax_latency_add(&s->tally.latency, s->now_ns - c->start_ns);
}

/* The n bytes of s->in; what begins a head or a line is kept. */
static enum ax_load_state take(struct ax_load_conn *c, struct ax_load_share *s, size_t n)
{
    size_t at = 0, used = 0;
    bool closes = false;

    while (at < n) {
        enum ax_answer found =
            c->pending ? ax_answer_read(&c->reader, &s->memo, s->in + at, n - at, &used) : AX_ANSWER_BROKEN;
        if (found == AX_ANSWER_BROKEN)
            return lose(c, s, true);
        at += used;
        if (found == AX_ANSWER_MORE)
            break;
        count(c, s);
        closes |= c->reader.framing.closes;
    }
    if (AX_UNLIKELY(closes))
        return lose(c, s, c->pending || !s->o->close_asked);
    if (AX_UNLIKELY(at < n) && !ax_buf_add(&c->rest, s->in + at, n - at))
        return lose(c, s, true);
    return c->pending ? AX_LOAD_WAITING : AX_LOAD_ROUND_DONE;
}

/* Puts what was kept in front of what comes; `flags` for recv. */
static enum ax_load_state pull(struct ax_load_conn *c, struct ax_load_share *s, int flags)
{
    size_t kept = c->rest.n;
    ssize_t n;

    if (AX_UNLIKELY(kept))
        memcpy(s->in, c->rest.p, kept);
    do
        n = recv(c->fd, s->in + kept, AX_LOAD_READ_BYTES, flags);
    while (n < 0 && errno == EINTR);
    if (AX_UNLIKELY(n < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT)))
        return AX_LOAD_WAITING;
    if (AX_UNLIKELY(n <= 0))
        return lose(c, s, true);
    ax_buf_clear(&c->rest);
    if (s->recording)
        s->tally.bytes += (uint64_t)n;
    s->now_ns = ax_load_now_ns();
    return take(c, s, kept + (size_t)n);
}

enum ax_load_state ax_load_conn_ready(struct ax_load_conn *c, struct ax_load_share *s, uint32_t events)
{
    if (AX_UNLIKELY(c->blocked && (events & EPOLLOUT)) && push(c, s) == AX_LOAD_LOST)
        return AX_LOAD_LOST;
    return events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? pull(c, s, MSG_DONTWAIT) : AX_LOAD_WAITING;
}

int ax_load_conn_idle(struct ax_load_conn *c, struct ax_load_share *s, struct ax_err *reterr)
{
    const struct ax_buf *one = &s->o->one;
    struct timeval wait = {.tv_sec = IDLE_WAIT_S};
    enum ax_load_state state = AX_LOAD_WAITING;
    int rc = connect_to(c, s->o, reterr);

    if (rc < 0)
        return rc;
    if (setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0)
        return ax_fail_os(reterr, errno, "SO_RCVTIMEO");
    c->pending = 1;
    if (send(c->fd, one->p, one->n, MSG_NOSIGNAL) != (ssize_t)one->n)
        return ax_fail_os(reterr, errno, "cannot write on an idle connection");
    while (state == AX_LOAD_WAITING)
        state = pull(c, s, 0);
    if (state == AX_LOAD_LOST)
        return ax_fail(reterr, AX_E_PROTO, "an idle connection got no whole answer within %d s", IDLE_WAIT_S);
    return 0;
}

bool ax_load_conn_is_dead(const struct ax_load_conn *c)
{
    char byte;

    return c->fd < 0 || recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}
