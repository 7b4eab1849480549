/* Writes: one a connection a turn, bodies by reference, and the right bytes whatever the reader's pace. */
#include <netinet/tcp.h>
#include <sys/syscall.h>

#include "net/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define TIMES8(s) s s s s s s s s

enum { CLIENTS = 8, COPIED = 300000 };

/* ---- the system calls of the loop's thread are counted; these stand before libc's */

static _Thread_local bool client_thread;
static unsigned writes; /* relaxed atomic */

ssize_t send(int fd, const void *p, size_t n, int flags)
{
    if (!client_thread)
        __atomic_fetch_add(&writes, 1, __ATOMIC_RELAXED);
    return syscall(SYS_sendto, fd, p, n, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (!client_thread)
        __atomic_fetch_add(&writes, 1, __ATOMIC_RELAXED);
    return syscall(SYS_sendmsg, fd, m, flags);
}

static int setup(void **state)
{
    (void)state;
    client_thread = true;
    return 0;
}

static void test_one_write_a_connection_a_turn(void **state)
{
    static const struct {
        const char *requests;
        unsigned answers;
    } t[] = {
        {GET("/"), 1},
        {TIMES8(GET("/users/1")), 8},
        {TIMES8(TIMES8(GET("/written"))), 64},
        {GET("/") GET("/nowhere") GET("/old") GET("/live") GET("/copied") GET("/any"), 6},
        {GET("/later") TIMES8(GET("/")), 9}, /* held back until the first one's turn */
    };
    struct server s;

    (void)state;
    server_init(&s);
    s.set.slice_us = 10000000; /* all of it is one turn */
    server_start(&s);
    for (size_t at = 0; at < 2 * AX_COUNT(t);
         at++) { /* at first the routes' answers are not known, see batch.c */
        size_t i = at % AX_COUNT(t);
        int fd[CLIENTS];
        for (unsigned k = 0; k < CLIENTS; k++)
            fd[k] = pair_up(&s);
        until_connections(&s, CLIENTS);
        server_command(&s, CMD_HOLD);
        unsigned before = __atomic_load_n(&writes, __ATOMIC_RELAXED);
        for (unsigned k = 0; k < CLIENTS; k++)
            puts_fd(fd[k], t[i].requests);
        server_go_on(&s);
        for (unsigned k = 0; k < CLIENTS; k++)
            for (unsigned j = 0; j < t[i].answers; j++)
                assert_true(status_of(fd[k]) >= 200);
        unsigned n = __atomic_load_n(&writes, __ATOMIC_RELAXED) - before;
        /* more only where a socket took less than all */
        if (at >= AX_COUNT(t))
            assert_in_range(n, CLIENTS, i == 3 ? 4 * CLIENTS : CLIENTS);
        for (unsigned k = 0; k < CLIENTS; k++)
            close(fd[k]);
        until_connections(&s, 0);
    }
    server_stop(&s);
}

/* ---- slow readers */

struct reader {
    int fd;
    unsigned left; /* answers to come */
    char head[1024];
    size_t nhead, length, got; /* of the answer that is being read */
    bool in_body;
};

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static void head_byte(struct reader *c, char b)
{
    assert_true(c->nhead < sizeof c->head - 1);
    c->head[c->nhead++] = b;
    if (c->nhead < 4 || memcmp(c->head + c->nhead - 4, "\r\n\r\n", 4) != 0)
        return;
    c->head[c->nhead] = '\0';
    assert_memory_equal(c->head, "HTTP/1.1 200", 12);
    const char *cl = strstr(c->head, "Content-Length: ");
    assert_non_null(cl);
    c->length = strtoul(cl + 16, NULL, 10);
    c->got = c->nhead = 0;
    c->in_body = c->length > 0;
    c->left -= c->in_body ? 0 : 1;
}

/* Every large body is the beginning of s->big, every small one a digit. */
static void take(struct server *s, struct reader *c, const char *p, size_t n)
{
    while (n) {
        if (!c->in_body) {
            head_byte(c, *p++);
            n--;
            continue;
        }
        size_t k = c->length - c->got < n ? c->length - c->got : n;
        if (c->length > 1)
            assert_memory_equal(p, s->big + c->got, k);
        else
            assert_int_equal(*p, '7');
        c->got += k;
        p += k;
        n -= k;
        if (c->got == c->length) {
            c->in_body = false;
            c->left--;
        }
    }
}

static int dial_narrow(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval t = {.tv_sec = RECEIVE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), window = 16384, segment = 1000;

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window), 0);
    /* loopback's segments of 64 KiB do not fit into that window: each would wait for the probe timer */
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void read_some(struct server *s, struct reader *c, uint32_t *seed)
{
    static char buf[70000];
    size_t want = 1 + next_random(seed) % (next_random(seed) % 4 ? 2000 : sizeof buf);
    ssize_t n = recv(c->fd, buf, want, 0);

    assert_true(n > 0);
    take(s, c, buf, (size_t)n);
}

/* Some read by bytes, some in gulps, all of them later than the server could write. */
static void test_slow_readers(void **state)
{
    static const char *const asks[] = {GET("/big"),     GET("/copied"), GET("/users/7"),
                                       GET("/later/7"), GET("/copied"), GET("/users/7")};
    struct reader c[6] = {0};
    uint32_t seed = 2463534242;
    unsigned open = AX_COUNT(c);
    struct server s;

    (void)state;
    server_init(&s);
    server_start(&s);
    for (unsigned i = 0; i < AX_COUNT(c); i++) {
        c[i].fd = i % 2 ? dial_narrow(s.port) : pair_up(&s);
        for (unsigned k = 0; k < 12; k++, c[i].left++)
            puts_fd(c[i].fd, asks[k == 0 ? 0 : 1 + next_random(&seed) % (AX_COUNT(asks) - 1)]);
    }
    while (open) {
        struct reader *one = &c[next_random(&seed) % AX_COUNT(c)];
        if (!one->left)
            continue;
        read_some(&s, one, &seed);
        if (one->left)
            continue;
        close(one->fd);
        open--;
    }
    server_halt(&s);
    assert_int_equal(s.released, AX_COUNT(c)); /* each /big, once */
    server_free(&s);
}

/* A body by reference is written from where it is: what the server allocates for it is a link. */
static void test_large_bodies_are_not_copied(void **state)
{
    struct server s;
    struct response r;

    (void)state;
    server_init(&s);
    server_start(&s);
    int fd = pair_up(&s);
    puts_fd(fd, GET("/big"));
    until_read(fd);
    server_command(&s, CMD_NONE); /* the answer is there, its first part sent */
    memset(s.big + BIG / 2, '#', BIG / 2);
    assert_int_equal(receive(fd, &r, false), 200);
    assert_int_equal(r.length, BIG);
    assert_int_equal(r.body[BIG - 1], '#'); /* not a copy of what it was */
    free(r.body);
    close(fd);
    server_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_one_write_a_connection_a_turn, setup),
        cmocka_unit_test_setup(test_slow_readers, setup),
        cmocka_unit_test_setup(test_large_bodies_are_not_copied, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
