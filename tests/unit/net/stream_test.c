/* Bodies in pieces, both ways: framing, backpressure, limits, and what becomes of them when a client, a
 * worker or the memory is lost. */
#include "net/internal.h"
#include "net/stream.h"
#include "net/team.h"

/* What the handler of a test does and has seen.  It runs on the loop's thread; the test reads the atomics. */
struct play {
    uint32_t index, gen; /* of the request it holds */
    size_t total, done;  /* bytes to be written, and written or read so far */
    size_t most;         /* that waited at once: unsent, or unread */
    unsigned fulls, nothings, ends, clients, drained, readable;
    bool hold; /* it reads and writes nothing on events */
};
static struct play *play_of(struct server *s);

static unsigned load(const unsigned *v)
{
    return __atomic_load_n(v, __ATOMIC_ACQUIRE);
}

static void count(unsigned *v)
{
    __atomic_fetch_add(v, 1, __ATOMIC_RELEASE);
}

/* The stub's server is the first member, so that its callbacks find the play. */
struct stage {
    struct server s;
    struct play p;
};

static struct play *play_of(struct server *s)
{
    return &((struct stage *)s)->p;
}

static struct ax_request *held_by(struct server *s)
{
    return ax_request_get(s->worker, play_of(s)->index, play_of(s)->gen);
}

static void hold_on_to(struct server *s, struct ax_request *r)
{
    play_of(s)->index = r->index;
    play_of(s)->gen = r->gen;
}

static void stage_start(struct stage *t, void (*custom)(struct server *, struct ax_request *),
                        void (*on_event_of)(struct server *, struct ax_request *, enum ax_event))
{
    server_init(&t->s);
    t->p = (struct play){0};
    t->s.custom = custom;
    t->s.on_event = on_event_of;
}

static void until_count(const unsigned *v, unsigned n)
{
    time_t end = time(NULL) + RECEIVE_S;

    while (load(v) < n && time(NULL) < end)
        sched_yield();
    assert_in_range(load(v), n, UINT32_MAX);
}

/* All that comes until the connection ends, or `n` bytes. */
static size_t receive_all(int fd, char *to, size_t n)
{
    size_t got = 0;

    while (got < n) {
        ssize_t k = recv(fd, to + got, n - got, 0);
        if (k <= 0)
            break;
        got += (size_t)k;
    }
    return got;
}

static void receive_head(int fd, char head[4096])
{
    size_t n = 0;

    while (n < 4 || memcmp(head + n - 4, "\r\n\r\n", 4) != 0)
        assert_true(n < 4095 && recv(fd, head + n++, 1, 0) == 1);
    head[n] = '\0';
}

static void expect_bytes(int fd, const char *want)
{
    char got[512] = "";
    size_t n = strlen(want);

    assert_in_range(n, 0, sizeof got - 1);
    assert_int_equal(receive_all(fd, got, n), n);
    assert_string_equal(got, want);
}

/* The server may have closed. */
static void try_send(int fd, const char *p, size_t n)
{
    for (ssize_t k; n && (k = send(fd, p, n, MSG_NOSIGNAL)) > 0; n -= (size_t)k)
        p += k;
}

/* ---- framing */

enum { UNKNOWN = -1 };
struct script {
    const char *request;
    int64_t length;
    unsigned status;
    const char *pieces[4];
    bool aborts, lends, raw;
    const char *in_head, *not_in_head, *body;
    bool closes;
};
static const struct script *script;
static struct ax_str lent_piece;

static void no_release(void *owner)
{
    count(owner);
}

static enum ax_took put_piece(struct server *s, struct ax_request *r, const char *p)
{
    lent_piece = ax_str(p);
    if (!script->lends)
        return ax_stream_write(r, lent_piece.p, lent_piece.n);
    const struct ax_reply piece = {.body = lent_piece, .release = no_release, .owner = &s->released};
    return ax_stream_lend(r, &piece);
}

static void perform(struct server *s, struct ax_request *r)
{
    const struct ax_reply head = {.status = script->status, .content = AX_CONTENT_TEXT};
    int rc = script->raw ? ax_stream_open_raw(r, script->status, script->closes && script->length == UNKNOWN,
                                              script->length)
                         : ax_stream_open(r, &head, script->length);

    assert_int_equal(rc, 0);
    assert_int_equal(ax_stream_open(r, &head, UNKNOWN), -AX_E_STATE);
    assert_int_equal(ax_reply_error(r, 500, "late", NULL), -AX_E_STATE);
    for (unsigned i = 0; i < 4 && script->pieces[i]; i++)
        (void)put_piece(s, r, script->pieces[i]);
    if (script->aborts)
        ax_stream_abort(r);
    else
        (void)ax_stream_end(r);
    assert_int_equal(ax_stream_write(r, "x", 1), AX_TOOK_NONE);
    assert_false(ax_stream_end(r));
}

#define GET_CUSTOM "GET /custom HTTP/1.1\r\nHost: x\r\n\r\n"
#define CHUNKED    "Transfer-Encoding: chunked\r\n"
#define RAW_HEAD   "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
/* A head that promises four bytes, and a server that was told so. */
#define RAW_FOUR                                                                                             \
    .request = GET_CUSTOM, .length = sizeof RAW_HEAD - 1 + 4, .status = 200, .raw = true,                    \
    .in_head = "200 OK", .not_in_head = "Date"

static void test_framing(void **state)
{
    static const struct script t[] = {
        {GET_CUSTOM,
         UNKNOWN,
         200,
         {"abc", "", "0123456789abcdef"},
         false,
         false,
         false,
         CHUNKED,
         "Content-Length",
         "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n",
         false},
        {GET_CUSTOM,
         UNKNOWN,
         200,
         {"lent", "too"},
         false,
         true,
         false,
         CHUNKED,
         "Content-Length",
         "4\r\nlent\r\n3\r\ntoo\r\n0\r\n\r\n",
         false},
        {GET_CUSTOM,
         UNKNOWN,
         200,
         {NULL},
         false,
         false,
         false,
         CHUNKED,
         "Content-Length",
         "0\r\n\r\n",
         false},
        {GET_CUSTOM,
         6,
         200,
         {"abc", "def"},
         false,
         false,
         false,
         "Content-Length: 6\r\n",
         CHUNKED,
         "abcdef",
         false},
        {GET_CUSTOM,
         6,
         200,
         {"abc", "defg", "def"},
         false,
         true,
         false,
         "Content-Length: 6\r\n",
         CHUNKED,
         "abcdef",
         false},
        {GET_CUSTOM, 0, 200, {"x"}, false, false, false, "Content-Length: 0\r\n", CHUNKED, "", false},
        {GET_CUSTOM, 6, 200, {"abc"}, false, false, false, "Content-Length: 6\r\n", CHUNKED, "abc", true},
        {GET_CUSTOM,
         UNKNOWN,
         200,
         {"abc"},
         true,
         false,
         false,
         CHUNKED,
         "Content-Length",
         "3\r\nabc\r\n",
         true},
        {GET_CUSTOM, UNKNOWN, 204, {"x"}, false, false, false, "HTTP/1.1 204", "g: chunked", "", false},
        {GET_CUSTOM, UNKNOWN, 205, {"x"}, false, false, false, "Content-Length: 0", "g: chunked", "", false},
        {GET_CUSTOM, 9, 304, {"x"}, false, true, false, "HTTP/1.1 304", "Content-Length", "", false},
        {"HEAD /custom HTTP/1.1\r\nHost: x\r\n\r\n",
         UNKNOWN,
         200,
         {"x"},
         false,
         false,
         false,
         CHUNKED,
         "Content-Length",
         "",
         false},
        {"HEAD /custom HTTP/1.1\r\nHost: x\r\n\r\n",
         9,
         200,
         {"x"},
         false,
         false,
         false,
         "Content-Length: 9\r\n",
         CHUNKED,
         "",
         false},
        {"GET /custom HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         UNKNOWN,
         200,
         {"abc", "def"},
         false,
         false,
         false,
         "Connection: close\r\n",
         CHUNKED,
         "abcdef",
         true},
        {"GET /custom HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         3,
         200,
         {"abc"},
         false,
         false,
         false,
         "Connection: keep-alive\r\n",
         CHUNKED,
         "abc",
         false},
        {"GET /custom HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
         UNKNOWN,
         200,
         {"abc"},
         false,
         false,
         false,
         "Connection: close\r\n",
         "Content-Length",
         "3\r\nabc\r\n0\r\n\r\n",
         true},
        {GET_CUSTOM,
         UNKNOWN,
         201,
         {"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\n", "ok"},
         false,
         false,
         true,
         "201 Made",
         "Date",
         "ok",
         false},
        {GET_CUSTOM,
         UNKNOWN,
         200,
         {"HTTP/1.1 200 OK\r\n\r\n", "all"},
         false,
         true,
         true,
         "200 OK",
         "Date",
         "all",
         true},
        {RAW_FOUR, .pieces = {RAW_HEAD, "four"}, .lends = false, .body = "four", .closes = false},
        {RAW_FOUR, .pieces = {RAW_HEAD "fo", "ur, and more", "more"}, .lends = false, .body = "four",
         .closes = true},
        {RAW_FOUR, .pieces = {RAW_HEAD, "four, and more", "more"}, .lends = true, .body = "four",
         .closes = true},
        {RAW_FOUR, .pieces = {RAW_HEAD, "fou"}, .lends = false, .body = "fou", .closes = true},
    };
    struct stage st;

    (void)state;
    stage_start(&st, perform, NULL);
    server_start(&st.s);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        char head[4096];
        script = &t[i];
        int fd = dial(st.s.port);
        puts_fd(fd, t[i].request);
        receive_head(fd, head);
        if (!strstr(head, t[i].in_head) || strstr(head, t[i].not_in_head))
            fail_msg("%zu: %s", i, head);
        expect_bytes(fd, t[i].body);
        if (t[i].closes) {
            expect_close(fd);
        } else {
            puts_fd(fd, GET("/"));
            expect(fd, 200, "Hello World");
        }
        close(fd);
    }
    until_connections(&st.s, 0);
    assert_int_equal(ax_worker_load(st.s.worker).inflight, 0);
    assert_int_equal(load(&st.s.released), 2 + 3 + 1 + 2 + 3); /* refused pieces, too */
    server_stop(&st.s);
}

/* ---- a slow reader */

enum { PIECE = 10000 };

static void write_on(struct server *s, struct ax_request *r)
{
    struct play *p = play_of(s);
    enum ax_took took = AX_TOOK_MORE;

    while (p->done < p->total && took == AX_TOOK_MORE) {
        took = ax_stream_write(r, s->big + p->done % 26, PIECE);
        if (took == AX_TOOK_NONE)
            return; /* no memory: the connection has gone */
        p->done += PIECE;
        if (r->conn->out.bytes > p->most)
            p->most = r->conn->out.bytes;
    }
    if (took == AX_TOOK_FULL)
        count(&p->fulls);
    else if (ax_stream_end(r))
        count(&p->ends);
}

static void open_large(struct server *s, struct ax_request *r)
{
    hold_on_to(s, r);
    if (ax_stream_open(r, &(struct ax_reply){.status = 200}, (int64_t)play_of(s)->total) == 0)
        write_on(s, r);
}

static void on_drained_write(struct server *s, struct ax_request *r, enum ax_event what)
{
    struct play *p = play_of(s);

    if (what == AX_EVENT_CLIENT)
        count(&p->clients);
    if (what != AX_EVENT_DRAINED)
        return;
    count(&p->drained);
    write_on(s, r);
}

static void test_slow_reader(void **state)
{
    enum { TOTAL = 400 * PIECE };
    struct stage st;
    char head[4096], *got = malloc(TOTAL);

    (void)state;
    stage_start(&st, open_large, on_drained_write);
    st.p.total = TOTAL;
    server_start(&st.s);
    int fd = pair_up(&st.s);
    puts_fd(fd, GET_CUSTOM);
    receive_head(fd, head);
    for (unsigned i = 0; i < 100; i++)
        server_command(&st.s, CMD_NONE); /* turns of the loop: it is stuck by now */
    assert_int_equal(load(&st.p.ends), 0);
    assert_int_equal(receive_all(fd, got, TOTAL), TOTAL);
    for (size_t i = 0; i < TOTAL; i++)
        if (got[i] != (char)('a' + (i / PIECE * PIECE % 26 + i % PIECE) % 26))
            fail_msg("byte %zu", i);
    until_count(&st.p.ends, 1);
    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World");
    close(fd);
    server_halt(&st.s);
    assert_in_range(st.p.most, AX_STREAM_WINDOW, AX_STREAM_WINDOW + 2 * PIECE);
    assert_in_range(st.p.drained, 2, st.p.fulls);
    assert_int_equal(st.p.clients, 0);
    server_free(&st.s);
    free(got);
}

static void test_client_leaves_while_full(void **state)
{
    struct stage st;
    char head[4096];

    (void)state;
    stage_start(&st, open_large, on_drained_write);
    st.p.total = 400 * PIECE;
    server_start(&st.s);
    int fd = pair_up(&st.s);
    puts_fd(fd, GET_CUSTOM);
    receive_head(fd, head);
    until_count(&st.p.fulls, 1);
    close(fd);
    until_connections(&st.s, 0);
    until_count(&st.p.clients, 1);
    server_command(&st.s, CMD_NONE);
    server_halt(&st.s);
    assert_int_equal(st.p.clients, 1);
    assert_null(held_by(&st.s));
    assert_int_equal(st.s.worker->inflight, 0);
    server_free(&st.s);
}

/* ---- a stream that says nothing */

static void open_silent(struct server *s, struct ax_request *r)
{
    hold_on_to(s, r);
    assert_int_equal(ax_stream_open(r, &(struct ax_reply){.status = 200}, UNKNOWN), 0);
    assert_int_equal(ax_stream_write(r, "begin", 5), AX_TOOK_MORE);
}

/* CMD_TIMER: ends what is held. */
static void end_held(uv_timer_t *h)
{
    struct server *s = h->data;

    if (!ax_worker_enter(s->worker))
        return;
    struct ax_request *r = held_by(s);
    if (r && ax_stream_end(r))
        count(&play_of(s)->ends);
    ax_worker_leave(s->worker);
}

static const char begun[] = "5\r\nbegin\r\n";

static int begin_silent(struct stage *st, unsigned port)
{
    char head[4096];
    int fd = port ? dial(port) : pair_up(&st->s);

    puts_fd(fd, GET_CUSTOM);
    receive_head(fd, head);
    expect_bytes(fd, begun);
    return fd;
}

/* Neither the handler's timeout nor that of an idle connection is its own; what is behind it waits. */
static void test_silence(void **state)
{
    struct stage st;

    (void)state;
    stage_start(&st, open_silent, NULL);
    st.s.on_custom_timer = end_held;
    st.s.set.timeout_keep_alive_us = st.s.set.timeout_send_us = st.s.set.timeout_handler_us = 20000;
    server_start(&st.s);
    int fd = begin_silent(&st, st.s.port);
    puts_fd(fd, GET("/users/1") GET("/users/2"));
    for (unsigned i = 0; i < 3; i++) { /* each takes longer than all of the timeouts */
        int other = dial(st.s.port);
        expect_close(other);
        close(other);
    }
    assert_int_equal(locked(&st.s, &st.s.entered), 1);
    server_command(&st.s, CMD_TIMER);
    expect_bytes(fd, "0\r\n\r\n");
    expect(fd, 200, "1");
    expect(fd, 200, "2");
    close(fd);
    server_stop(&st.s);
}

static void test_drain_waits_for_it(void **state)
{
    struct stage st;

    (void)state;
    stage_start(&st, open_silent, NULL);
    st.s.on_custom_timer = end_held;
    server_start(&st.s);
    int fd = begin_silent(&st, st.s.port);
    server_command(&st.s, CMD_DRAIN);
    server_command(&st.s, CMD_NONE);
    assert_int_equal(ax_worker_load(st.s.worker).inflight, 1);
    server_command(&st.s, CMD_TIMER);
    expect_bytes(fd, "0\r\n\r\n");
    expect_close(fd);
    close(fd);
    pthread_join(st.s.thread, NULL);
    assert_true(st.s.drained);
    server_free(&st.s);
}

/* A stream before its turn waits in its slot, and one behind an answer that closes is told that it is over.
 */
static void answer_in_order(struct server *s, struct ax_request *r)
{
    if (r->params[0].p[0] == 's')
        open_silent(s, r);
    else if (r->params[0].p[0] == 'l')
        enter(s, r);
}

static void count_clients(struct server *s, struct ax_request *r, enum ax_event what)
{
    (void)r;
    if (what == AX_EVENT_CLIENT)
        count(&play_of(s)->clients);
}

static void test_turns(void **state)
{
    char head[4096];
    struct stage st;

    (void)state;
    stage_start(&st, answer_in_order, count_clients);
    st.s.on_custom_timer = end_held;
    server_start(&st.s);
    int fd = dial(st.s.port);
    puts_fd(fd, GET("/later") GET("/custom/s") GET("/users/3"));
    expect(fd, 200, "later");
    receive_head(fd, head);
    expect_bytes(fd, begun);
    server_command(&st.s, CMD_TIMER);
    expect_bytes(fd, "0\r\n\r\n");
    expect(fd, 200, "3");
    close(fd);
    until_connections(&st.s, 0);
    server_stop(&st.s);
}

/* ---- uploads */

static void read_on(struct server *s, struct ax_request *r)
{
    struct play *p = play_of(s);
    struct ax_str piece;
    enum ax_read got = AX_READ_DATA;

    while (!p->hold && (got = ax_stream_read(r, &piece)) == AX_READ_DATA) {
        for (size_t i = 0; i < piece.n; i++)
            assert_int_equal(piece.p[i], s->big[(p->done + i) % BIG]);
        p->done += piece.n;
        p->most = piece.n > p->most ? piece.n : p->most;
        ax_stream_have_read(r);
    }
    if (got == AX_READ_NOTHING)
        count(&p->nothings);
    if (got == AX_READ_BROKEN)
        count(&p->clients);
    if (got == AX_READ_END) {
        count(&p->ends);
        answer(r, 200, AX_STR("all"));
    }
}

static void begin_reading(struct server *s, struct ax_request *r)
{
    hold_on_to(s, r);
    read_on(s, r);
}

static void on_readable(struct server *s, struct ax_request *r, enum ax_event what)
{
    if (what != AX_EVENT_READABLE)
        return;
    count(&play_of(s)->readable);
    read_on(s, r);
}

/* CMD_TIMER: reads from now on. */
static void read_now(uv_timer_t *h)
{
    struct server *s = h->data;

    if (!ax_worker_enter(s->worker))
        return;
    play_of(s)->hold = false;
    struct ax_request *r = held_by(s);
    if (r)
        read_on(s, r);
    ax_worker_leave(s->worker);
}

static void test_upload(void **state)
{
    static const struct {
        bool chunked, hold;
        size_t bytes;
    } t[] = {{false, false, BIG}, {false, true, BIG}, {true, false, BIG}, {true, true, BIG},
             {true, false, 1},    {false, true, 1},   {true, false, 0}};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct stage st;
        char head[200];
        stage_start(&st, begin_reading, on_readable);
        st.s.on_custom_timer = read_now;
        st.p.hold = t[i].hold;
        server_start(&st.s);
        int fd = pair_up(&st.s);
        snprintf(head, sizeof head,
                 t[i].chunked ? "%s" CHUNKED "\r\n%zx\r\n" : "%sContent-Length: %zu\r\n\r\n",
                 "POST /upload HTTP/1.1\r\nHost: x\r\n", t[i].bytes);
        puts_fd(fd, head);
        if (t[i].hold && t[i].bytes > 1) { /* what the socket and the window take, and no more */
            size_t sent = 0;
            ssize_t n;
            for (unsigned k = 0; k < 200; k++) {
                while ((n = send(fd, st.s.big + sent, t[i].bytes - sent, MSG_DONTWAIT)) > 0)
                    sent += (size_t)n;
                server_command(&st.s, CMD_NONE);
            }
            assert_in_range(sent, AX_STREAM_WINDOW, t[i].bytes - 1);
            server_command(&st.s, CMD_TIMER);
            put(fd, st.s.big + sent, t[i].bytes - sent);
        } else {
            put(fd, st.s.big, t[i].bytes);
            if (t[i].hold) {
                until_entered(&st.s, 1);
                server_command(&st.s, CMD_TIMER);
            }
        }
        if (t[i].chunked)
            puts_fd(fd, t[i].bytes ? "\r\n0\r\n\r\n" : "\r\n");
        puts_fd(fd, GET("/users/5"));
        expect(fd, 200, "all");
        expect(fd, 200, "5");
        close(fd);
        server_halt(&st.s);
        assert_int_equal(st.p.done, t[i].bytes);
        assert_in_range(st.p.most, 0, AX_STREAM_WINDOW);
        assert_int_equal(st.p.ends, 1);
        server_free(&st.s);
    }
}

/* A client that pauses costs its handler nothing, and an answer before the end leaves the connection in use.
 */
static void test_pause(void **state)
{
    struct stage st;

    (void)state;
    stage_start(&st, begin_reading, on_readable);
    st.s.set.timeout_handler_us = 20000;
    st.s.set.timeout_keep_alive_us = 20000;
    server_start(&st.s);
    int fd = dial(st.s.port);
    puts_fd(fd, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
    until_count(&st.p.nothings, 1);
    for (unsigned i = 0; i < 3; i++) {
        int other = dial(st.s.port);
        expect_close(other); /* idle for longer than the handler may take */
        close(other);
    }
    puts_fd(fd, "def");
    expect(fd, 200, "all");
    close(fd);
    server_halt(&st.s);
    assert_int_equal(st.s.gone_timeout, 0);
    server_free(&st.s);
}

static void test_expect(void **state)
{
    struct stage st;

    (void)state;
    stage_start(&st, begin_reading, on_readable);
    st.s.on_custom_timer = read_now;
    st.p.hold = true;
    server_start(&st.s);
    int fd = dial(st.s.port);
    puts_fd(fd, "POST /upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    until_entered(&st.s, 1);
    server_command(&st.s, CMD_NONE);
    assert_int_equal(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT), -1);
    server_command(&st.s, CMD_TIMER);
    expect_bytes(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    puts_fd(fd, "abc" GET("/users/1"));
    expect(fd, 200, "all");
    expect(fd, 200, "1");
    close(fd);
    server_stop(&st.s);
}

/* ---- bodies that are refused */

static bool opens_first;

static void read_or_open(struct server *s, struct ax_request *r)
{
    if (opens_first)
        assert_int_equal(ax_stream_open(r, &(struct ax_reply){.status = 200}, UNKNOWN), 0);
    begin_reading(s, r);
}

static void test_refused(void **state)
{
    static const struct {
        const char *rest;
        int status;
    } t[] = {{"ffffff\r\n", 413}, {"zz", 400}};

    (void)state;
    for (size_t i = 0; i < 2 * AX_COUNT(t); i++) {
        struct stage st;
        char *large = calloc(1, 120000), head[4096];
        stage_start(&st, read_or_open, on_readable);
        memset(large, 'a', 120000);
        for (size_t k = 0; k < BIG; k++)
            st.s.big[k] = k < 3 ? (char)('a' + k) : 'a';
        opens_first = i >= AX_COUNT(t);
        server_start(&st.s);
        int fd = pair_up(&st.s);
        puts_fd(fd, "POST /upload/small HTTP/1.1\r\nHost: x\r\n" CHUNKED "\r\n3\r\nabc\r\n");
        until_count(&st.p.nothings, 1);
        puts_fd(fd, t[i % AX_COUNT(t)].rest);
        if (t[i % AX_COUNT(t)].status == 413)
            try_send(fd, large, 120000);
        receive_head(fd, head);
        assert_int_equal(strtol(head + 9, NULL, 10), opens_first ? 200 : t[i % AX_COUNT(t)].status);
        until_count(&st.p.clients, 1); /* the reader was told */
        close(fd);
        until_connections(&st.s, 0);
        server_halt(&st.s);
        assert_int_equal(st.s.gone_client, opens_first ? 1 : 0);
        assert_int_equal(st.s.worker->inflight, 0);
        assert_null(held_by(&st.s));
        server_free(&st.s);
        free(large);
    }
}

static void test_client_leaves_within_its_body(void **state)
{
    struct stage st;

    (void)state;
    stage_start(&st, begin_reading, on_readable);
    server_start(&st.s);
    int fd = pair_up(&st.s);
    puts_fd(fd, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc");
    until_count(&st.p.nothings, 1);
    close(fd);
    until_count(&st.p.clients, 1);
    server_halt(&st.s);
    assert_int_equal(st.s.gone_client, 1);
    server_free(&st.s);
}

/* ---- a worker that stands still */

static void swallow(struct server *s, struct ax_request *r)
{
    struct ax_str piece;
    enum ax_read got;

    (void)s;
    while ((got = ax_stream_read(r, &piece)) == AX_READ_DATA)
        ax_stream_have_read(r);
    if (got == AX_READ_END)
        answer(r, 200, AX_STR("swallowed"));
}

static void on_readable_swallow(struct server *s, struct ax_request *r, enum ax_event what)
{
    if (what == AX_EVENT_READABLE)
        swallow(s, r);
}

static void hold_or_open(struct server *s, struct ax_request *r)
{
    if (r->head.method == AX_GET)
        assert_int_equal(ax_stream_open(r, &(struct ax_reply){.status = 200}, UNKNOWN), 0);
    else
        assert_int_equal(ax_stream_read(r, &(struct ax_str){0}), AX_READ_DATA);
    (void)s;
}

static void test_take_over(void **state)
{
    struct team t;
    char head[4096];

    (void)state;
    team_start(&t, 2);
    t.s[0].custom = hold_or_open;
    t.s[1].custom = swallow;
    t.s[1].on_event = on_readable_swallow;
    int streaming = join(&t, 0), uploading = join(&t, 0), idle = join(&t, 0), unseen = join(&t, 0),
        full = join(&t, 0);
    puts_fd(streaming, GET("/custom"));
    receive_head(streaming, head);
    puts_fd(streaming, GET("/users/1"));
    puts_fd(uploading, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc");
    until_entered(&t.s[0], 2);
    int spinning = join(&t, 0);
    until_connections(&t.s[0], 6);
    server_command(&t.s[0], CMD_NONE); /* its loop looks at it: what is sent next comes in that order */
    server_command(&t.s[0], CMD_HOLD);
    puts_fd(spinning, GET("/spin"));
    puts_fd(unseen, "POST /upload HTTP/1.1\r\nHost: x\r\n" CHUNKED "\r\n3\r\nabc\r\n");
    puts_fd(full, "POST /upload HTTP/1.1\r\nHost: x\r\n" CHUNKED "\r\n11000\r\n");
    put(full, t.s[0].big, 0x11000); /* more than the window */
    server_go_on(&t.s[0]);
    until_spinning(&t.s[0]);
    assert_int_equal(status_of(spinning), 504);
    expect_close(streaming);
    assert_int_equal(status_of(uploading), 502);
    puts_fd(uploading, "def" GET("/users/2"));
    expect(uploading, 200, "2");
    puts_fd(unseen, "0\r\n\r\n");
    expect(unseen, 200, "swallowed");
    puts_fd(full, "\r\n0\r\n\r\n");
    expect(full, 200, "swallowed");
    puts_fd(idle, GET("/users/3"));
    expect(idle, 200, "3");
    close(streaming);
    close(uploading);
    close(idle);
    close(unseen);
    close(full);
    close(spinning);
    until_connections(&t.s[1], 0);
    struct ax_counters a;
    ax_segment_read_counters(t.s[0].segment, 0, &a);
    assert_int_equal(a.inflight, 0);
    team_stop(&t, 2);
}

/* ---- memory */

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 30; at++) {
        struct stage st;
        char got[4096];
        stage_start(&st, open_large, on_drained_write);
        st.p.total = 30 * PIECE;
        st.s.set.pool_prewarm = 0;
        st.s.fail_at = at;
        server_start(&st.s);
        int fd = pair_up(&st.s), up = pair_up(&st.s);
        until_connections(&st.s, 2);
        server_command(&st.s, CMD_FAIL);
        try_send(fd, GET_CUSTOM GET("/users/1"), sizeof(GET_CUSTOM GET("/users/1")) - 1);
        static const char plain[] = "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        try_send(up, plain, sizeof plain - 1);
        for (size_t n = 0, k; n < st.p.total && (k = receive_all(fd, got, sizeof got)) > 0; n += k)
            ;
        close(fd);
        close(up);
        server_command(&st.s, CMD_NONE);
        server_stop(&st.s);
    }
}

static void test_upload_without_memory(void **state)
{
    (void)state;
    static const char large_head[] = "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";

    for (unsigned at = 1; at < 20; at++) {
        struct stage st;
        stage_start(&st, begin_reading, on_readable);
        st.s.set.pool_prewarm = 0;
        st.s.fail_at = at;
        server_start(&st.s);
        int fd = pair_up(&st.s);
        until_connections(&st.s, 1);
        server_command(&st.s, CMD_FAIL);
        try_send(fd, large_head, sizeof large_head - 1);
        try_send(fd, st.s.big, 100000);
        int status = status_of(fd);
        assert_true(status == 200 || status == 503 || status == 500 || status == 0);
        close(fd);
        server_stop(&st.s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_client_leaves_while_full),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_drain_waits_for_it),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_expect),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_client_leaves_within_its_body),
        cmocka_unit_test(test_take_over),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_upload_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
