/* Engines that share listening sockets and a board (isolation: process): who accepts. */
#include "net/board.h"
#include "net/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { ENGINES = 2, CLIENTS = 40 };

struct apart {
    struct ax_board *board;
    int listen_fd;
    unsigned port;
    struct ax_engine *engine[ENGINES];
    struct server s[ENGINES];
};

static void start_engine(struct apart *a, unsigned slot)
{
    struct ax_err err = {0};
    struct ax_engine_options o = {.workers = 1,
                                  .fds = &a->listen_fd,
                                  .nfds = 1,
                                  .limit_connections = -1,
                                  .limit_inflight = -1,
                                  .limit_body_memory = -1,
                                  .min_ready = 1,
                                  .board = a->board,
                                  .slot = slot};

    assert_int_equal(ax_engine_new(&o, &a->engine[slot], &err), 0);
    server_init(&a->s[slot]);
    a->s[slot].engine = a->engine[slot];
    server_start(&a->s[slot]);
    server_command(&a->s[slot], CMD_NONE);
}

static void stop_engine(struct apart *a, unsigned slot)
{
    server_stop(&a->s[slot]);
    ax_engine_free(a->engine[slot]);
}

static void apart_start(struct apart *a)
{
    struct ax_err err = {0};
    int fd;

    memset(a, 0, sizeof *a);
    assert_int_equal(ax_board_create(ENGINES, &a->board, &fd, &err), 0);
    close(fd);
    a->listen_fd = listen_socket(&a->port);
    for (unsigned i = 0; i < ENGINES; i++)
        start_engine(a, i);
}

static void apart_stop(struct apart *a)
{
    close(a->listen_fd);
    ax_board_free(a->board);
}

static void test_shares(void **state)
{
    struct apart a;
    int fd[CLIENTS];

    (void)state;
    apart_start(&a);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = dial(a.port);
        puts_fd(fd[i], GET("/"));
        expect(fd[i], 200, "Hello World");
    }
    for (unsigned i = 0; i < ENGINES; i++)
        assert_in_range(ax_worker_load(a.s[i].worker).connections, CLIENTS / 2 - 4, CLIENTS / 2 + 4);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    for (unsigned i = 0; i < ENGINES; i++)
        stop_engine(&a, i);
    apart_stop(&a);
}

/* One that has gone is waited for by nobody. */
static void test_one_left(void **state)
{
    struct apart a;
    int fd[CLIENTS];

    (void)state;
    apart_start(&a);
    stop_engine(&a, 1);
    assert_int_equal(ax_board_get(a.board, 1), AX_BOARD_ABSENT);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = dial(a.port);
        puts_fd(fd[i], GET("/"));
        expect(fd[i], 200, "Hello World");
    }
    assert_int_equal(ax_worker_load(a.s[0].worker).connections, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    stop_engine(&a, 0);
    apart_stop(&a);
}

/* One whose loop is held up has the least to do and does not come: the other one takes its clients in the
 * end. */
static void test_one_held_up(void **state)
{
    struct apart a;
    int fd[CLIENTS];

    (void)state;
    apart_start(&a);
    server_command(&a.s[1], CMD_HOLD);
    for (int i = 0; i < CLIENTS; i++) {
        fd[i] = dial(a.port);
        puts_fd(fd[i], GET("/"));
        expect(fd[i], 200, "Hello World");
    }
    server_go_on(&a.s[1]);
    for (int i = 0; i < CLIENTS; i++)
        close(fd[i]);
    for (unsigned i = 0; i < ENGINES; i++)
        stop_engine(&a, i);
    apart_stop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_one_left),
        cmocka_unit_test(test_one_held_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
