/* Responses in pieces on a route with `compress`: what comes out decodes to what was put in, and nothing is
 * left behind when client, handler or memory give up.  Whole bodies, and Node above it:
 * tests/integration/policy.test.js. */
#include <zlib.h>

#include "base/library.h"
#include "net/internal.h"
#include "net/stream.h"
#include "net/team.h"

enum { TEXT = 300000, STORED = (2 << 20) + 1 };
#define CODED "GET /coded HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"

static void release(void *owner)
{
    __atomic_fetch_add((unsigned *)owner, 1, __ATOMIC_RELEASE);
}

static enum ax_took lend(struct server *s, struct ax_request *r, struct ax_str piece)
{
    return ax_stream_lend(
        r, &(struct ax_reply){.body = piece, .release = release, .owner = &s->released_custom});
}

static enum ax_took in_place(struct ax_request *r, struct ax_str piece)
{
    enum ax_took ret;
    char *room = ax_stream_begin(r, piece.n, &ret);

    if (!room)
        return ret;
    memcpy(room, piece.p, piece.n);
    return ax_stream_commit(r, piece.n);
}

static void open_coded(struct ax_request *r)
{
    const struct ax_reply head = {
        .status = 200, .content = AX_CONTENT_TEXT, .headers = AX_STR("etag: \"a\"\r\n")};

    (void)ax_stream_open(r, &head, -1);
}

/* In each way, small and large, also a piece that is stored. */
static void all_ways(struct server *s, struct ax_request *r)
{
    open_coded(r);
    (void)ax_stream_write(r, "", 0);
    (void)ax_stream_write(r, s->big, 1);
    (void)in_place(r, (struct ax_str){s->big, TEXT});
    (void)lend(s, r, (struct ax_str){s->big, STORED});
    (void)ax_stream_write(r, s->big, TEXT);
    (void)ax_stream_end(r);
}

static size_t receive_rest(int fd, char *to, size_t n)
{
    size_t got = 0;

    for (ssize_t k; got < n && (k = recv(fd, to + got, n - got, 0)) > 0; got += (size_t)k)
        ;
    return got;
}

/* In place; RFC 9112, 7.1. */
static size_t unchunk(char *p, size_t n)
{
    size_t at = 0, out = 0;

    for (;;) {
        char *end;
        size_t size = strtoul(p + at, &end, 16);
        at = (size_t)(end - p) + 2;
        assert_true(at + size + 2 <= n);
        memmove(p + out, p + at, size);
        out += size;
        at += size + 2;
        if (size == 0) {
            assert_int_equal(at, n);
            return out;
        }
    }
}

static size_t gunzip(char *p, size_t n, char *to, size_t room)
{
    static const char *const names[] = {"libz.so.1", NULL};
    __typeof__(&inflateInit2_) begin;
    __typeof__(&inflate) step;
    __typeof__(&inflateEnd) end;
    const struct ax_symbol v[] = {{"inflateInit2_", &begin}, {"inflate", &step}, {"inflateEnd", &end}};
    z_stream z = {
        .next_in = (Bytef *)p, .avail_in = (uInt)n, .next_out = (Bytef *)to, .avail_out = (uInt)room};

    assert_int_equal(ax_library_open(names, v, AX_COUNT(v), NULL), 0);
    assert_int_equal(begin(&z, 15 + 16, ZLIB_VERSION, (int)sizeof z), Z_OK);
    assert_int_equal(step(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    end(&z);
    return room - z.avail_out;
}

static void start(struct server *s, void (*custom)(struct server *, struct ax_request *))
{
    server_init(s);
    s->compresses = true;
    s->custom = custom;
}

static void test_decodes(void **state)
{
    enum { ROOM = 4 << 20, WANT = 1 + TEXT + STORED + TEXT };
    struct server s;
    struct response res;
    char *got = malloc(ROOM), *plain = malloc(ROOM);

    (void)state;
    start(&s, all_ways);
    server_start(&s);
    int fd = dial(s.port);
    puts_fd(fd, CODED);
    assert_int_equal(receive(fd, &res, false), 200);
    assert_non_null(strstr(res.head, "Content-Encoding: gzip\r\n"));
    assert_non_null(strstr(res.head, "Vary: Accept-Encoding\r\n"));
    assert_non_null(strstr(res.head, "ETag: W/\"a\"\r\n"));
    size_t n = unchunk(got, receive_rest(fd, got, ROOM));
    assert_in_range(n, STORED, STORED + TEXT / 2);
    assert_int_equal(gunzip(got, n, plain, ROOM), WANT);
    assert_memory_equal(plain, s.big, 1);
    assert_memory_equal(plain + 1, s.big, TEXT);
    assert_memory_equal(plain + 1 + TEXT, s.big, STORED);
    assert_memory_equal(plain + 1 + TEXT + STORED, s.big, TEXT);
    close(fd);
    until_connections(&s, 0);
    assert_int_equal(__atomic_load_n(&s.released_custom, __ATOMIC_ACQUIRE), 1);
    server_stop(&s);
    free(plain);
    free(got);
}

static void two_and_on(struct server *s, struct ax_request *r)
{
    open_coded(r);
    (void)ax_stream_write(r, "a", 1);
    (void)lend(s, r, (struct ax_str){s->big, TEXT});
}

static void begin_and_break_off(struct server *s, struct ax_request *r)
{
    enum ax_took ret;

    (void)s;
    open_coded(r);
    assert_non_null(ax_stream_begin(r, TEXT, &ret));
    ax_stream_abort(r);
}

/* The handler was told, too. */
static void until_over(struct server *s)
{
    time_t end = time(NULL) + RECEIVE_S;

    while (ax_worker_load(s->worker).inflight != 0) {
        if (time(NULL) > end)
            fail_msg("%u in progress", ax_worker_load(s->worker).inflight);
        sched_yield();
    }
}

/* What is asked for is asked of the sanitizers, too: an encoder that is not freed is a leak. */
static void test_given_up(void **state)
{
    static void (*const customs[])(struct server *, struct ax_request *) = {two_and_on, begin_and_break_off};
    (void)state;
    for (unsigned i = 0; i < AX_COUNT(customs); i++) {
        struct server s;
        struct response res;
        start(&s, customs[i]);
        server_start(&s);
        int fd = dial(s.port);
        puts_fd(fd, CODED);
        assert_int_equal(receive(fd, &res, true), 200);
        close(fd);
        until_over(&s);
        server_stop(&s);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned at = 1; at < 40; at++) {
        struct server s;
        char got[4096];
        start(&s, all_ways);
        s.set.pool_prewarm = 0;
        s.fail_at = at;
        server_start(&s);
        int fd = pair_up(&s);
        until_connections(&s, 1);
        server_command(&s, CMD_FAIL);
        (void)send(fd, CODED, sizeof CODED - 1, MSG_NOSIGNAL); /* it may have closed */
        while (receive_rest(fd, got, sizeof got) == sizeof got)
            ;
        close(fd);
        server_command(&s, CMD_NONE);
        server_stop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decodes),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
