/* limit PORT - what the kernel allows: an epoll loop on one thread that reads, counts the requests in what it
 * read, and writes as many fixed responses in one call.  A request ends at an empty line: bodies, methods and
 * paths are not looked at, so the figure is a ceiling and this is no server.
 * PORT 0 takes a free one; the port is printed once it listens.  Ends with SIGTERM or SIGINT. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/str.h"

enum { EVENTS = 512, READ_BYTES = 65536, AT_ONCE = 1024, BACKLOG = 4096, WAIT_MS = 1000 };
#define LIMIT_CONN_MAGIC 0x4c696d69u

static const char response[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nHello World";
enum { RESPONSE_BYTES = sizeof response - 1 };

struct conn {
    uint32_t magic;
    int fd;
    unsigned matched; /* bytes of CR LF CR LF at the end of what was read */
};

struct limit {
    int epoll;
    struct conn listener;
    char in[READ_BYTES];
    char out[AT_ONCE * RESPONSE_BYTES];
};

/* How many times CR LF CR LF ends in the n bytes at p; *matched goes from one read to the next. */
static size_t count_requests(const char *p, size_t n, unsigned *matched)
{
    static const char end[] = "\r\n\r\n";
    const char *stop = p + n;
    size_t found = 0;

    while (p < stop) {
        if (*matched == 0) {
            p = memchr(p, '\r', (size_t)(stop - p));
            if (!p)
                break;
        }
        if (*p == end[*matched])
            ++*matched;
        else
            *matched = *p == '\r';
        if (*matched == 4) {
            *matched = 0;
            found++;
        }
        p++;
    }
    return found;
}

/* Waits for a client that does not read: there is nobody else to serve when the limit is measured. */
static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        if (w >= 0) {
            p += w;
            n -= (size_t)w;
        } else if (errno == EAGAIN) {
            struct pollfd pfd = {.fd = fd, .events = POLLOUT};
            poll(&pfd, 1, WAIT_MS);
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

static void serve(struct limit *l, struct conn *c)
{
    ssize_t n = recv(c->fd, l->in, sizeof l->in, 0);
    bool over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);

    for (size_t left = n > 0 ? count_requests(l->in, (size_t)n, &c->matched) : 0; left && !over;) {
        size_t some = left < AT_ONCE ? left : AT_ONCE;
        over = write_all(c->fd, l->out, some * RESPONSE_BYTES) < 0;
        left -= some;
    }
    if (over) {
        close(c->fd);
        c->magic = 0;
        ax_free(c);
    }
}

static bool watch(const struct limit *l, struct conn *c)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) == 0;
}

static void accept_all(const struct limit *l)
{
    int fd, one = 1;

    while ((fd = accept4(l->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = ax_malloc(sizeof *c);
        if (!c) {
            close(fd);
            continue;
        }
        *c = (struct conn){.magic = LIMIT_CONN_MAGIC, .fd = fd};
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0 || !watch(l, c)) {
            close(fd);
            ax_free(c);
        }
    }
}

static int listen_on(struct limit *l, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof a;
    int one = 1;

    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->listener = (struct conn){.magic = LIMIT_CONN_MAGIC,
                                .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (l->epoll < 0 || l->listener.fd < 0 ||
        setsockopt(l->listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(l->listener.fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        listen(l->listener.fd, BACKLOG) < 0 || !watch(l, &l->listener) ||
        getsockname(l->listener.fd, (struct sockaddr *)&a, &bytes) < 0)
        return -1;
    return ntohs(a.sin_port);
}

static void loop(struct limit *l)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int n = epoll_wait(l->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = AX_CAST(struct conn, events[i].data.ptr, LIMIT_CONN_MAGIC);
            if (c == &l->listener)
                accept_all(l);
            else
                serve(l, c);
        }
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct limit *l;
    uint64_t wanted;

    if (argc != 2 || !ax_str_u64(ax_str(argv[1]), &wanted) || wanted > UINT16_MAX) {
        fputs("usage: limit PORT (0 = a free one; it is printed)\n", stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* best effort */
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    l = ax_calloc(1, sizeof *l);
    int port = l ? listen_on(l, (uint16_t)wanted) : -1;
    if (port < 0) {
        perror("limit");
        ax_free(l);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < AT_ONCE; i++)
        memcpy(l->out + i * RESPONSE_BYTES, response, RESPONSE_BYTES);
    printf("%d\n", port);
    fflush(stdout);
    loop(l);
}
