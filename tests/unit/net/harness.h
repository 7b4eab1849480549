/* A real worker on a loop of its own thread, with a C dispatcher instead of JavaScript; clients are real
 * sockets. Waits end by what happens on the socket; RECEIVE_S only bounds a broken test. */
#ifndef AX_TESTS_NET_HARNESS_H
#define AX_TESTS_NET_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "metrics/segment.h"
#include "net/listener.h"
#include "net/reply.h"
#include "net/worker.h"

enum { RECEIVE_S = 10, BIG = 3 << 20 };

/* What the stub does with a route, by its name. */
struct server {
    uv_loop_t loop;
    uv_async_t command;
    uv_timer_t timer; /* answers what /later waits for */
    pthread_t thread;
    struct ax_settings set;
    struct ax_site *site;
    struct ax_segment *segment;
    struct ax_engine *engine; /* BORROWED from the test; NULL = the worker stands alone */
    struct ax_worker *worker;
    struct ax_wstat *stat;
    int listen_fd;
    unsigned port, id;
    enum {
        CMD_NONE,
        CMD_DRAIN,
        CMD_CLOSE,
        CMD_LAME_DUCK,
        CMD_FAIL,
        CMD_ANSWER,
        CMD_HOLD,
        CMD_RETIRE,
        CMD_TIMER
    } cmd;
    unsigned fail_at; /* for CMD_FAIL: which allocation of the loop thread from now on; 0 = none */
    unsigned acks;    /* commands that were carried out; relaxed atomic */
    bool drained;
    bool go_on;           /* relaxed atomic: ends CMD_HOLD, in which the loop does nothing */
    pthread_mutex_t lock; /* guards the next ones */
    unsigned gone_client, gone_timeout, batches, largest_batch, entered;
    struct {
        uint32_t index, gen;
    } later[1024];
    unsigned nlater;
    struct {
        uint32_t index, gen;
    } silent;               /* the last of those never answered */
    unsigned enter_at_most; /* 0 = all: how many requests run() enters */
    struct ax_log log_access, log;
    char *big;
    unsigned released;
    struct ax_str fixed;                                    /* body of /fixed; empty = no such route */
    const char *folder;                                     /* of /disk/...; NULL = no such route */
    void (*custom)(struct server *s, struct ax_request *r); /* answers /custom, on the loop's thread */
    void (*on_event)(struct server *s, struct ax_request *r, enum ax_event what); /* after it was counted */
    unsigned released_custom;
    uv_timer_cb on_custom_timer;      /* for `custom`: answers what it kept in `later` */
    unsigned given_custom, most_held; /* most_held is guarded by `lock` */
    bool dying;                       /* run() says so instead of entering anything */
    struct server *share;             /* whose site it serves; NULL = its own */
    const char *proxies[4];           /* trusted; NULL-terminated */
    bool compresses;                  /* there is /coded, as /custom */
    uint32_t gate, queue; /* of GET and POST /gated/:n, which share them and answer as /custom; 0 = none */
    int64_t gate_timeout; /* us; 0 = as all routes */
    int32_t entering;     /* relaxed atomic: the heartbeat */
    unsigned spinning;    /* relaxed atomic: times that /spin was entered */
    bool spin_over;       /* relaxed atomic: /spin comes back */
};

static inline void answer(struct ax_request *r, unsigned status, struct ax_str body)
{
    ax_reply(r, &(struct ax_reply){.status = status, .content = AX_CONTENT_TEXT, .body = body});
}

static inline void on_later(uv_timer_t *t)
{
    struct server *s = t->data;

    if (!ax_worker_enter(s->worker))
        return;
    while (s->nlater) { /* last first: the core must put them in order */
        s->nlater--;
        struct ax_request *r = ax_request_get(s->worker, s->later[s->nlater].index, s->later[s->nlater].gen);
        if (r)
            answer(r, 200, r->nparams ? r->params[0] : AX_STR("later"));
    }
    ax_worker_leave(s->worker);
}

static inline void release_big(void *owner)
{
    struct server *s = owner;
    s->released++;
}

static inline void enter(struct server *s, struct ax_request *r)
{
    const char *what = r->site_route->name.p;
    struct ax_str name = r->site_route->name;

    (void)what;
    if (ax_str_eq(name, AX_STR("hello"))) {
        answer(r, 200, AX_STR("Hello World"));
    } else if (ax_str_eq(name, AX_STR("echo"))) {
        answer(r, 200, r->body);
    } else if (ax_str_eq(name, AX_STR("param"))) {
        answer(r, 200, r->params[0]);
    } else if (ax_str_eq(name, AX_STR("written"))) {
        size_t room;
        struct ax_reply reply = {.status = 200, .content = AX_CONTENT_TEXT};
        char *p = ax_reply_begin(r, &reply, 16, &room);
        if (p) {
            memcpy(p, "written in place", 16);
            ax_reply_end(r, 16);
        } else {
            reply.body = AX_STR("written in place");
            ax_reply(r, &reply);
        }
    } else if (ax_str_eq(name, AX_STR("later"))) {
        r->watched = true;
        s->later[s->nlater].index = r->index;
        s->later[s->nlater++].gen = r->gen;
        if (!uv_is_active((uv_handle_t *)&s->timer))
            uv_timer_start(&s->timer, on_later, 2, 0);
    } else if (ax_str_eq(name, AX_STR("never"))) {
        r->watched = true;
        s->silent.index = r->index;
        s->silent.gen = r->gen;
    } else if (ax_str_eq(name, AX_STR("nocontent"))) {
        answer(r, 204, AX_STR("not sent"));
    } else if (ax_str_eq(name, AX_STR("notmodified"))) {
        answer(r, 304, AX_STR("not sent"));
    } else if (ax_str_eq(name, AX_STR("custom"))) {
        s->custom(s, r);
    } else if (ax_str_eq(name, AX_STR("remote"))) {
        answer(r, 200, ax_str(ax_request_remote(r)));
    } else if (ax_str_eq(name, AX_STR("big"))) {
        ax_reply(r, &(struct ax_reply){.status = 200,
                                       .content = AX_CONTENT_BYTES,
                                       .body = {s->big, BIG},
                                       .release = release_big,
                                       .owner = s});
    } else if (ax_str_eq(name, AX_STR("copied"))) {
        ax_reply(r, &(struct ax_reply){.status = 200, .content = AX_CONTENT_BYTES, .body = {s->big, 300000}});
    } else {
        ax_reply_error(r, 500, "no such stub", NULL);
    }
}

/* As JavaScript that does not come back: false when the worker was taken over meanwhile. */
static inline bool spin(struct server *s, struct ax_request *r)
{
    ax_worker_leave(s->worker);
    __atomic_fetch_add(&s->spinning, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&s->spin_over, __ATOMIC_ACQUIRE))
        sched_yield();
    if (!ax_worker_enter(s->worker))
        return false;
    answer(r, 200, AX_STR("spun"));
    return true;
}

static inline int stub_run(void *ctx, struct ax_request *const *reqs, unsigned n)
{
    struct server *s = ctx;
    unsigned m = s->enter_at_most && s->enter_at_most < n ? s->enter_at_most : n;

    pthread_mutex_lock(&s->lock);
    s->entered += s->dying ? 0 : m;
    s->batches++;
    if (n > s->largest_batch)
        s->largest_batch = n;
    pthread_mutex_unlock(&s->lock);
    if (s->dying)
        return -1;
    for (unsigned i = 0; i < m; i++) {
        __atomic_store_n(&s->entering, (int32_t)i, __ATOMIC_RELAXED);
        if (!ax_str_eq(reqs[i]->site_route->name, AX_STR("spin")))
            enter(s, reqs[i]);
        else if (!spin(s, reqs[i]))
            return AX_DISPATCH_TAKEN;
    }
    __atomic_store_n(&s->entering, (int32_t)n, __ATOMIC_RELAXED);
    return (int)m;
}

static inline bool stub_gone(void *ctx, struct ax_request *r, enum ax_event what)
{
    struct server *s = ctx;

    pthread_mutex_lock(&s->lock);
    if (what == AX_EVENT_CLIENT)
        s->gone_client++;
    else if (what == AX_EVENT_TIMEOUT)
        s->gone_timeout++;
    pthread_mutex_unlock(&s->lock);
    if (s->on_event)
        s->on_event(s, r, what);
    return true;
}

static inline void on_closed_all(void *ctx)
{
    struct server *s = ctx;

    uv_close((uv_handle_t *)&s->command, NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
}

static inline void on_drained(void *ctx)
{
    struct server *s = ctx;

    s->drained = true;
    ax_worker_close(s->worker, on_closed_all, s);
}

static inline void on_command(uv_async_t *h)
{
    struct server *s = h->data;
    int cmd = __atomic_load_n((int *)&s->cmd, __ATOMIC_ACQUIRE);

    if (cmd == CMD_ANSWER)
        on_later(&s->timer); /* what waits is answered now */
    if (cmd == CMD_TIMER)
        uv_timer_start(&s->timer, s->on_custom_timer, 0, 0);
    if (cmd == CMD_HOLD) {
        __atomic_fetch_add(&s->acks, 1, __ATOMIC_RELEASE);
        while (!__atomic_exchange_n(&s->go_on, false, __ATOMIC_ACQUIRE))
            sched_yield();
        return;
    }
    if (cmd == CMD_FAIL)
        ax_fail_alloc_at(s->fail_at);
    bool ours = ax_worker_enter(s->worker);
    if (!ours)
        ax_worker_await_done(s->worker);
    if (cmd == CMD_LAME_DUCK)
        ax_worker_lame_duck(s->worker);
    __atomic_fetch_add(&s->acks, 1, __ATOMIC_RELEASE);
    if (cmd == CMD_RETIRE) {
        ax_engine_unregister(s->engine, s->worker);
        ax_worker_retire(s->worker, on_drained, s);
    }
    if (cmd == CMD_DRAIN) {
        if (s->engine)
            ax_engine_unregister(s->engine, s->worker);
        ax_worker_drain(s->worker, on_drained, s);
    } else if (cmd == CMD_CLOSE) {
        if (s->engine)
            ax_engine_unregister(s->engine, s->worker);
        ax_worker_close(s->worker, on_closed_all, s);
    }
    if (ours)
        ax_worker_leave(s->worker);
}

static inline void *server_thread(void *arg)
{
    struct server *s = arg;

    if (s->engine) {
        struct ax_err err = {0};
        if (ax_engine_register(s->engine, s->worker, &err) < 0)
            abort();
    }
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static inline void add_route(struct server *s, enum ax_method m, const char *pattern, const char *name,
                             struct ax_route more)
{
    struct ax_err err = {0};

    more.method = m;
    more.pattern = ax_str(pattern);
    more.name = ax_str(name);
    if (!more.timeout_us)
        more.timeout_us = s->set.timeout_handler_us;
    if (!more.body_max)
        more.body_max = s->set.limit_body;
    if (ax_site_add(s->site, &more, &err) < 0)
        fail_msg("%s: %s", pattern, err.msg);
}

static inline int listen_socket(unsigned *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 511), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* Settings first (server_init), then server_start. */
static inline void server_init(struct server *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    ax_settings_default(&s->set);
    s->set.pool_requests = 8; /* the dry path is tested too */
    s->set.pool_connections = 4;
    s->set.record = 3;
    s->listen_fd = -1;
    s->log_access.fd = s->log.fd = -1;
    s->big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        s->big[i] = (char)('a' + i % 26);
}

static inline void add_gates(struct server *s)
{
    const struct ax_route more = {
        .max_inflight = s->gate, .queue = s->queue, .group = 7, .timeout_us = s->gate_timeout};

    add_route(s, AX_GET, "/gated/:n", "custom", more);
    add_route(s, AX_POST, "/gated/:n", "custom", more);
}

static inline void add_coded(struct server *s)
{
    static const struct ax_compress_rule rule = {.min = 1};
    static const struct ax_policy_spec spec = {.compress = &rule, .ncompress = 1};
    struct ax_err err = {0};
    int bad;

    if (ax_site_police(s->site, &spec, &bad, &err) < 0)
        fail_msg("%s", err.msg);
    add_route(s, AX_GET, "/coded", "custom", (struct ax_route){.use.compress = 1});
}

static inline void own_site(struct server *s)
{
    struct ax_err err = {0};

    s->site = ax_site_new(&s->set);
    if (s->compresses)
        add_coded(s);
    for (unsigned i = 0; s->proxies[i]; i++)
        assert_int_equal(ax_site_trust(s->site, ax_str(s->proxies[i]), &err), 0);
    if (s->gate)
        add_gates(s);
    add_route(s, AX_GET, "/", "hello", (struct ax_route){0});
    add_route(s, AX_POST, "/echo", "echo", (struct ax_route){0});
    add_route(s, AX_GET, "/users/:id", "param", (struct ax_route){0});
    add_route(s, AX_GET, "/written", "written", (struct ax_route){0});
    add_route(s, AX_GET, "/files/*rest", "param", (struct ax_route){0});
    add_route(s, AX_GET, "/spin", "spin", (struct ax_route){0});
    add_route(s, AX_GET, "/later", "later", (struct ax_route){0});
    add_route(s, AX_GET, "/later/:n", "later", (struct ax_route){0});
    add_route(s, AX_GET, "/never", "never", (struct ax_route){.timeout_us = 30000});
    add_route(s, AX_GET, "/silent", "never", (struct ax_route){.timeout_us = -1});
    add_route(s, AX_GET, "/nocontent", "nocontent", (struct ax_route){0});
    add_route(s, AX_GET, "/notmodified", "notmodified", (struct ax_route){0});
    add_route(s, AX_GET, "/custom/:n", "custom", (struct ax_route){0});
    add_route(s, AX_GET, "/custom", "custom", (struct ax_route){0});
    add_route(s, AX_GET, "/remote", "remote", (struct ax_route){0});
    add_route(s, AX_ANY, "/any", "hello", (struct ax_route){0});
    add_route(s, AX_GET, "/fails", "fails", (struct ax_route){0});
    add_route(s, AX_GET, "/big", "big", (struct ax_route){0});
    add_route(s, AX_GET, "/copied", "copied", (struct ax_route){0});
    add_route(s, AX_GET, "/old", "redirect",
              (struct ax_route){.kind = AX_SITE_FIXED, .status = 308, .headers = AX_STR("Location: /\r\n")});
    add_route(s, AX_GET, "/named", "hello",
              (struct ax_route){.headers = AX_STR("x-request-id: route's\r\n")});
    if (s->fixed.n)
        add_route(s, AX_GET, "/fixed", "fixed",
                  (struct ax_route){.kind = AX_SITE_FIXED, .status = 200, .body = s->fixed});
    if (s->folder)
        add_route(s, AX_GET, "/disk/*path", "disk",
                  (struct ax_route){.kind = AX_SITE_FILES, .folder = ax_str(s->folder)});
    add_route(s, AX_GET, "/live", "health", (struct ax_route){.kind = AX_SITE_HEALTH, .health_live = true});
    add_route(s, AX_GET, "/ready", "health", (struct ax_route){.kind = AX_SITE_HEALTH});
    add_route(s, AX_POST, "/small", "echo", (struct ax_route){.body_max = 10});
    add_route(s, AX_GET, "/dir/", "hello", (struct ax_route){0});
    add_route(s, AX_POST, "/upload", "custom", (struct ax_route){.stream = true, .body_max = 64 << 20});
    add_route(s, AX_POST, "/upload/small", "custom", (struct ax_route){.stream = true, .body_max = 100000});
    if (ax_site_freeze(s->site, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void server_site(struct server *s)
{
    struct ax_err err = {0};

    if (s->share)
        s->site = ax_site_ref(s->share->site);
    else
        own_site(s);
    if (ax_segment_private(1, 64, &s->segment, &err) < 0 || ax_site_publish(s->site, s->segment, &err) < 0)
        fail_msg("%s", err.msg);
    s->stat = ax_segment_worker(s->segment, 0);
}

/* The worker, not running yet and without a listening socket. */
static inline void server_prepare(struct server *s)
{
    struct ax_err err = {0};

    server_site(s);
    uv_loop_init(&s->loop);
    uv_async_init(&s->loop, &s->command, on_command);
    uv_timer_init(&s->loop, &s->timer);
    s->command.data = s->timer.data = s;
    struct ax_worker_options o = {.loop = &s->loop,
                                  .site = s->site,
                                  .dispatch = {s, stub_run, stub_gone},
                                  .stat = s->stat,
                                  .log = &s->log,
                                  .access = &s->log_access,
                                  .engine = s->engine,
                                  .entering = &s->entering,
                                  .id = s->id};
    if (ax_worker_new(&o, &s->worker, &err) < 0)
        fail_msg("%s", err.msg);
}

static inline void server_run(struct server *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
}

static inline void server_start(struct server *s)
{
    struct ax_err err = {0};

    server_prepare(s);
    if (!s->engine) {
        s->listen_fd = listen_socket(&s->port);
        if (ax_worker_listen(s->worker, s->listen_fd, &err) < 0)
            fail_msg("%s", err.msg);
    }
    server_run(s);
}

/* Returns when the loop has carried it out. */
static inline void server_command(struct server *s, int cmd)
{
    unsigned before = __atomic_load_n(&s->acks, __ATOMIC_ACQUIRE);

    __atomic_store_n((int *)&s->cmd, cmd, __ATOMIC_RELEASE);
    uv_async_send(&s->command);
    while (__atomic_load_n(&s->acks, __ATOMIC_ACQUIRE) == before)
        sched_yield();
}

/* After server_command(s, CMD_HOLD): all that was sent meanwhile is read in one turn. */
static inline void server_go_on(struct server *s)
{
    __atomic_store_n(&s->go_on, true, __ATOMIC_RELEASE);
}

/* The loop has ended: what it counted may be read, then server_free. */
static inline void server_halt(struct server *s)
{
    server_command(s, CMD_CLOSE);
    pthread_join(s->thread, NULL);
}

/* All but the segment: what a worker still counts at its end can be read. */
static inline void server_free_keep(struct server *s)
{
    assert_int_equal(uv_loop_close(&s->loop), 0);
    ax_worker_free(s->worker);
    ax_site_unref(s->site);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    pthread_mutex_destroy(&s->lock);
    free(s->big);
}

static inline void server_free(struct server *s)
{
    server_free_keep(s);
    ax_segment_free(s->segment);
}

static inline void server_join(struct server *s)
{
    pthread_join(s->thread, NULL);
    server_free(s);
}

static inline void server_stop(struct server *s)
{
    server_halt(s);
    server_free(s);
}

static inline unsigned locked(struct server *s, const unsigned *counter)
{
    pthread_mutex_lock(&s->lock);
    unsigned v = *counter;
    pthread_mutex_unlock(&s->lock);
    return v;
}

/* Until the worker has n connections: what a test can see of it only by looking again. */
static inline void until_connections(struct server *s, uint32_t n)
{
    time_t end = time(NULL) + RECEIVE_S;

    while (ax_worker_load(s->worker).connections != n) {
        if (time(NULL) > end)
            fail_msg("%u connections, not %u", ax_worker_load(s->worker).connections, n);
        sched_yield();
    }
}

/* ---- client */

static inline int dial(unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct timeval t = {.tv_sec = RECEIVE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* A connection that needs no address.  Its end is seen at once (POLLHUP), and until_read works on it. */
static inline int pair_up(struct server *s)
{
    struct timeval t = {.tv_sec = RECEIVE_S};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    assert_true(ax_worker_give(s->worker, pair[1]));
    return pair[0];
}

/* Until the server has read all that was sent (Unix sockets only). */
static inline bool until_read(int fd)
{
    int left = 1;
    time_t end = time(NULL) + RECEIVE_S;

    while (ioctl(fd, SIOCOUTQ, &left) == 0 && left) {
        if (time(NULL) > end)
            return false;
        sched_yield();
    }
    return true;
}

static inline void put(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        assert_true(w > 0);
        p += w;
        n -= (size_t)w;
    }
}

static inline void puts_fd(int fd, const char *s)
{
    put(fd, s, strlen(s));
}

/* One response: head in `head` (NUL-terminated), body malloc'ed into *ret_body when wanted; returns the
 * status, 0 at end of file, -1 when nothing came in RECEIVE_S.  `head_only`: the answer to HEAD. */
struct response {
    char head[4096];
    char *body;
    size_t length;
    bool has_length;
};

static inline int receive(int fd, struct response *r, bool head_only)
{
    size_t n = 0;

    *r = (struct response){0};
    while (n < 4 || memcmp(r->head + n - 4, "\r\n\r\n", 4) != 0) {
        ssize_t k = recv(fd, r->head + n, 1, 0);
        if (k == 0)
            return 0;
        if (k < 0)
            return errno == ECONNRESET ? 0 : -1;
        assert_true(++n < sizeof r->head);
    }
    const char *cl = strstr(r->head, "Content-Length: ");
    r->has_length = cl != NULL;
    r->length = cl ? strtoul(cl + 16, NULL, 10) : 0;
    if (!head_only && r->length) {
        r->body = calloc(1, r->length + 1);
        for (size_t got = 0; got < r->length;) {
            ssize_t k = recv(fd, r->body + got, r->length - got, 0);
            assert_true(k > 0);
            got += (size_t)k;
        }
    }
    return (int)strtol(r->head + 9, NULL, 10);
}

static inline int status_of(int fd)
{
    struct response r;
    int st = receive(fd, &r, false);

    free(r.body);
    return st;
}

static inline void expect(int fd, int status, const char *body)
{
    struct response r;

    int got = receive(fd, &r, false);
    if (got != status)
        fail_msg("status %d, not %d: %s", got, status, r.body ? r.body : "");
    assert_string_equal(r.body ? r.body : "", body);
    free(r.body);
}

/* The server closes (FIN or reset) without another byte. */
static inline void expect_close(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, 0);

    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static inline int ask(unsigned port, const char *request)
{
    int fd = dial(port);

    puts_fd(fd, request);
    int st = status_of(fd);
    close(fd);
    return st;
}

#endif
