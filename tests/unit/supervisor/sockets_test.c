#include "supervisor/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "supervisor/fixture.h"

static char v4[] = "127.0.0.1", v6[] = "::1", both[] = "localhost", all[] = "*", wrong[] = "example.org",
            unix_name[] = "app.sock", foreign[] = "192.0.2.1";

static bool has_v6(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static unsigned port_of(const char *url)
{
    return (unsigned)strtoul(strrchr(url, ':') + 1, NULL, 10);
}

static bool answers(const char *host, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool six = strchr(host, ':') != NULL;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

    assert_int_equal(
        inet_pton(six ? AF_INET6 : AF_INET, host, six ? (void *)&b.sin6_addr : (void *)&a.sin_addr), 1);
    int rc = connect(fd, six ? (struct sockaddr *)&b : (struct sockaddr *)&a, six ? sizeof b : sizeof a);
    close(fd);
    return rc == 0;
}

static void open_one(struct ax_listen l, bool container, struct ax_sockets *s)
{
    struct ax_sockets_input in = {&l, 1, 16, "/", container};
    struct ax_err err = {0};

    int rc = ax_sockets_open(&in, s, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
}

static void test_tcp(void **state)
{
    struct ax_sockets s;

    (void)state;
    open_one((struct ax_listen){.host = v4}, false, &s);
    assert_int_equal(s.n, 1);
    assert_memory_equal(s.v[0].url, "http://127.0.0.1:", 17);
    assert_true(answers(v4, port_of(s.v[0].url)));
    assert_true(fcntl(s.v[0].fd, F_GETFD) & FD_CLOEXEC);
    ax_sockets_close(&s);

    open_one((struct ax_listen){.port_only = true, .host = v4}, false, &s);
    assert_memory_equal(s.v[0].url, "http://127.0.0.1:", 17);
    assert_false(s.v[0].everywhere);
    ax_sockets_close(&s);

    open_one((struct ax_listen){.port_only = true}, true, &s);
    assert_memory_equal(s.v[0].url, "http://127.0.0.1:", 17);
    assert_true(s.v[0].everywhere);
    assert_true(answers("127.0.0.2", port_of(s.v[0].url)));
    ax_sockets_close(&s);
}

static void test_both_families(void **state)
{
    struct ax_sockets s;

    (void)state;
    if (!has_v6())
        skip();
    open_one((struct ax_listen){.host = both}, false, &s);
    assert_int_equal(s.n, 2);
    assert_memory_equal(s.v[0].url, "http://127.0.0.1:", 17);
    assert_memory_equal(s.v[1].url, "http://[::1]:", 13);
    assert_int_equal(port_of(s.v[0].url), port_of(s.v[1].url));
    assert_true(answers(v4, port_of(s.v[0].url)) && answers(v6, port_of(s.v[0].url)));
    ax_sockets_close(&s);

    open_one((struct ax_listen){.host = all}, false, &s);
    assert_int_equal(s.n, 1);
    assert_memory_equal(s.v[0].url, "http://[::]:", 12);
    assert_true(answers(v4, port_of(s.v[0].url)) && answers(v6, port_of(s.v[0].url)));
    ax_sockets_close(&s);

    open_one((struct ax_listen){.host = v6}, false, &s);
    assert_true(answers(v6, port_of(s.v[0].url)));
    assert_false(answers(v4, port_of(s.v[0].url)));
    ax_sockets_close(&s);
}

static void test_unix(void **state)
{
    char *dir = ax_fx_dir();
    struct ax_listen l[] = {
        {.kind = AX_LISTEN_TCP, .host = v4},
        {.kind = AX_LISTEN_UNIX, .path = unix_name, .mode = 0660},
    };
    struct ax_sockets_input in = {l, 2, 16, dir, false};
    struct ax_sockets s, again;
    struct ax_err err = {0};
    struct stat st;

    (void)state;
    assert_int_equal(ax_sockets_open(&in, &s, &err), 0);
    assert_int_equal(s.n, 2);
    assert_memory_equal(s.v[1].url, "unix:/", 6);
    assert_int_equal(stat(s.v[1].unix_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    l[1].at = (struct ax_place){"actix.yaml", 4, 7};
    assert_int_equal(ax_sockets_open(&in, &again, &err),
                     -AX_E_BUSY); /* and the first of the two is closed again */
    assert_int_equal(err.line, 4);
    char *path = strdup(s.v[1].unix_path);
    ax_sockets_close(&s);
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    ax_fx_remove(dir);
    free(dir);
}

/* A reload keeps the socket: who may connect changes with the commit, or is refused before it. */
static void test_unix_access(void **state)
{
    static char nobody_has[] = "no-such-group", other[] = "12345";
    char *dir = ax_fx_dir();
    struct ax_listen l = {
        .kind = AX_LISTEN_UNIX, .path = unix_name, .mode = 0660, .at = {"actix.yaml", 4, 7}};
    struct ax_sockets_input in = {&l, 1, 16, dir, false};
    struct ax_sockets s, next;
    struct ax_err err = {0};
    struct stat st;

    (void)state;
    assert_int_equal(ax_sockets_open(&in, &s, &err), 0);
    int fd = s.v[0].fd;
    l.mode = 0600;
    assert_int_equal(ax_sockets_renew(&in, &s, &next, &err), 0);
    assert_int_equal(next.v[0].fd, fd);
    assert_true(ax_socket_changes(&next.v[0]));
    assert_int_equal(stat(s.v[0].unix_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(ax_sockets_replace(&s, &next, 16, &err), 0);
    assert_int_equal(stat(s.v[0].unix_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(ax_socket_changes(&s.v[0]));

    l.group = nobody_has;
    assert_int_equal(ax_sockets_renew(&in, &s, &next, &err), -AX_E_UNKNOWN);
    assert_int_equal(err.line, 4);
    assert_string_equal(err.msg, "no group is called no-such-group");
    err = (struct ax_err){0};
    l.group = other;
    int rc = ax_sockets_renew(&in, &s, &next, &err);
    if (geteuid() == 0) {
        assert_int_equal(rc, 0);
        assert_int_equal(ax_sockets_replace(&s, &next, 16, &err), 0);
        assert_int_equal(stat(s.v[0].unix_path, &st), 0);
        assert_int_equal(st.st_gid, 12345);
        l.group = NULL; /* back to our own */
        assert_int_equal(ax_sockets_renew(&in, &s, &next, &err), 0);
        assert_int_equal(ax_sockets_replace(&s, &next, 16, &err), 0);
        assert_int_equal(stat(s.v[0].unix_path, &st), 0);
        assert_int_equal(st.st_gid, getegid());
    } else {
        assert_int_equal(rc, -AX_E_STATE);
    }
    ax_sockets_close(&s);
    ax_fx_remove(dir);
    free(dir);
}

static void test_refused(void **state)
{
    struct ax_sockets s, t;
    struct ax_listen l[] = {{.host = v4}, {.host = wrong}, {.host = foreign}};
    struct ax_err err = {0};
    char want[128];

    (void)state;
    open_one(l[0], false, &s);
    l[0].port = port_of(s.v[0].url);
    assert_int_equal(ax_sockets_open(&(struct ax_sockets_input){l, 1, 1, "/", false}, &t, &err), -AX_E_BUSY);
    snprintf(want, sizeof want, "cannot listen on 127.0.0.1:%u: the address is in use by another process",
             l[0].port);
    assert_string_equal(err.msg, want);
    l[0].host = both;
    err = (struct ax_err){0};
    assert_int_equal(ax_sockets_open(&(struct ax_sockets_input){l, 1, 1, "/", false}, &t, &err), -AX_E_BUSY);
    ax_sockets_close(&s);
    assert_int_equal(ax_sockets_open(&(struct ax_sockets_input){l + 1, 1, 1, "/", false}, &t, NULL),
                     -AX_E_SYNTAX);
    assert_int_equal(ax_sockets_open(&(struct ax_sockets_input){l + 2, 1, 1, "/", false}, &t, NULL),
                     -AX_E_SYS);
}

static void test_nomem(void **state)
{
    char *dir = ax_fx_dir();
    struct ax_listen l[] = {
        {.host = both},
        {.port_only = true},
        {.kind = AX_LISTEN_UNIX, .path = unix_name, .mode = -1},
    };
    struct ax_sockets_input in = {l, 3, 16, dir, true};

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        struct ax_sockets s;
        ax_fail_alloc_at(n);
        int rc = ax_sockets_open(&in, &s, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            ax_sockets_close(&s);
            break;
        }
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    ax_fx_remove(dir);
    free(dir);
}

static void test_inherit(void **state)
{
    struct ax_sockets s;
    char pid[32];

    (void)state;
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    assert_int_equal(ax_sockets_inherit(NULL, NULL, &s, NULL), 0);
    assert_int_equal(ax_sockets_inherit("1", "1", &s, NULL), 0); /* meant for another process */
    assert_int_equal(ax_sockets_inherit(pid, "0", &s, NULL), 0);
    assert_int_equal(ax_sockets_inherit(pid, "100000", &s, NULL), -AX_E_LIMIT);
    int keep = dup(3), fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(dup2(fd, 3), 3);
    assert_int_equal(ax_sockets_inherit(pid, "1", &s, NULL), 1);
    assert_memory_equal(s.v[0].url, "http://0.0.0.0:", 15);
    ax_sockets_close(&s);
    close(fd);
    if (keep >= 0) {
        dup2(keep, 3);
        close(keep);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),         cmocka_unit_test(test_both_families),
        cmocka_unit_test(test_unix),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nomem),       cmocka_unit_test(test_inherit),
        cmocka_unit_test(test_unix_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
