/* What a connection costs while it waits for its next request: memory of this process, libuv's part
 * included. */
#include <malloc.h>
#include <sys/resource.h>

#include "net/harness.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { CONNECTIONS = 2500, AT_MOST = 1024 };

/* As many as the limit of open files allows. */
static unsigned how_many(void)
{
    struct rlimit l;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
    return l.rlim_cur >= 2 * CONNECTIONS + 64 ? CONNECTIONS : (unsigned)(l.rlim_cur - 64) / 2;
}

/* Bytes that the allocator has handed out; mapped ones too. */
static size_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static size_t private_bytes(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    size_t sum = 0, kb;

    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Clean: %zu", &kb) == 1 || sscanf(line, "Private_Dirty: %zu", &kb) == 1)
            sum += kb * 1024;
    fclose(f);
    return sum;
}

static void one_request(int fd)
{
    puts_fd(fd, GET("/"));
    expect(fd, 200, "Hello World");
}

static void test_idle_connections(void **state)
{
    unsigned n = how_many();
    int *fd = calloc(n, sizeof *fd);
    struct server s;

    (void)state;
    server_init(&s);
    s.set.pool_connections = 0; /* each comes from the allocator */
    s.set.timeout_keep_alive_us = -1;
    server_start(&s);
    for (unsigned i = 0; i < 10; i++)
        one_request(fd[i] = pair_up(&s));
    size_t bytes = in_use(), own = private_bytes();
    for (unsigned i = 10; i < n; i++)
        one_request(fd[i] = pair_up(&s)); /* answered, and kept open */
    until_connections(&s, n);
    bytes = (in_use() - bytes) / (n - 10);
    own = (private_bytes() - own) / (n - 10);
    print_message("%u idle connections: %zu bytes of the allocator, %zu bytes of pages each\n", n, bytes,
                  own);
#ifndef AX_POOL_MALLOC /* sanitizers have an allocator and sizes of their own */
    assert_in_range(bytes, 1, AT_MOST);
    assert_in_range(own, 1, AT_MOST);
#endif
    for (unsigned i = 0; i < n; i++)
        close(fd[i]);
    until_connections(&s, 0);
    server_stop(&s);
    free(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
