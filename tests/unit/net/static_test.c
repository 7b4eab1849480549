/* Files and a worker that stands still: what it had not sent of a small one goes on with another worker, the
 * connection of a large one ends. */
#include "net/team.h"

enum { SMALL = 100000, LARGE = 2 << 20 };

struct disk {
    char dir[32], small[48], large[48];
};

static void write_file(char path[48], const char *dir, const char *name, size_t n)
{
    char text[1000];
    int fd;

    snprintf(path, 48, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (size_t done = 0; done < n; done += sizeof text) {
        memset(text, (int)('a' + done / sizeof text % 26), sizeof text);
        assert_int_equal(write(fd, text, n - done < sizeof text ? n - done : sizeof text),
                         n - done < sizeof text ? n - done : sizeof text);
    }
    close(fd);
}

static void disk_open(struct disk *d)
{
    snprintf(d->dir, sizeof d->dir, "/tmp/ax-static-XXXXXX");
    assert_non_null(mkdtemp(d->dir));
    write_file(d->small, d->dir, "small", SMALL);
    write_file(d->large, d->dir, "large", LARGE);
}

static void disk_close(struct disk *d)
{
    unlink(d->small);
    unlink(d->large);
    rmdir(d->dir);
}

static void start_with(struct team *t, unsigned id, const struct disk *d)
{
    server_init(&t->s[id]);
    t->s[id].id = id;
    t->s[id].engine = t->engine;
    t->s[id].folder = d->dir;
    server_start(&t->s[id]);
    server_command(&t->s[id], CMD_NONE);
}

/* Bytes behind the head, which says 200; up to `want`, or to the end of the connection. */
static size_t body_of(int fd, size_t want, bool *ret_right)
{
    size_t n = 0, cap = want + 4096;
    char *p = malloc(cap), *end = NULL;
    ssize_t got;

    *ret_right = true;
    while ((!end || n - (size_t)(end - p) < want) && (got = recv(fd, p + n, cap - n, 0)) > 0) {
        n += (size_t)got;
        end = end ? end : memmem(p, n, "\r\n\r\n", 4);
        if (end && n == (size_t)got)
            end += 4;
    }
    size_t body = end ? n - (size_t)(end - p) : 0;
    if (end)
        *ret_right = memcmp(p, "HTTP/1.1 200 OK\r\n", 17) == 0;
    for (size_t i = 0; i < body; i++)
        *ret_right = *ret_right && end[i] == (char)('a' + i / 1000 % 26);
    free(p);
    return body;
}

static void test_taken_over(void **state)
{
    struct team t;
    struct disk d;
    bool right;

    (void)state;
    disk_open(&d);
    team_make(&t, (struct ax_engine_options){.workers = WORKERS_MAX, .stall_us = STALL_US, .mailbox_fd = -1});
    start_with(&t, 0, &d);
    start_with(&t, 1, &d);
    int small = join(&t, 0), large = join(&t, 0), spinning = join(&t, 0);
    server_command(&t.s[0], CMD_HOLD);
    puts_fd(small, GET("/disk/small"));
    puts_fd(large, GET("/disk/large"));
    puts_fd(spinning, GET("/spin"));
    server_go_on(&t.s[0]);
    until_spinning(&t.s[0]);
    assert_int_equal(status_of(spinning), 504);
    assert_int_equal(body_of(small, SMALL, &right), SMALL);
    assert_true(right);
    assert_in_range(body_of(large, LARGE, &right), 0, LARGE - 1);
    puts_fd(small, GET("/disk/small"));
    assert_int_equal(body_of(small, SMALL, &right), SMALL);
    assert_true(right);
    close(small);
    close(large);
    close(spinning);
    team_stop(&t, 2);
    disk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_taken_over)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
