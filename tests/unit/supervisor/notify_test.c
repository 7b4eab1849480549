#include "supervisor/notify.h"

#include <errno.h>

#include "supervisor/fixture.h"

/* A manager's socket at a path or, after '@', an abstract name. */
static int bind_at(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && n < sizeof to.sun_path);
    memcpy(to.sun_path, name, n);
    if (*name == '@')
        to.sun_path[0] = '\0';
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    assert_int_equal(bind(fd, (struct sockaddr *)&to, len), 0);
    return fd;
}

static void check_message(int fd, const char *want)
{
    char got[AX_NOTIFY_MAX * 2];
    ssize_t n = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);

    assert_true(n >= 0);
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void check_sending(const char *name)
{
    struct ax_notify n;
    struct ax_err err = {0};
    int fd = bind_at(name);

    assert_int_equal(ax_notify_open(&(struct ax_notify_env){.socket = name}, &n, &err), 1);
    assert_int_equal(ax_notify_send(&n, &err, "READY=1\nMAINPID=%d", 7), 0);
    assert_int_equal(ax_notify_send(&n, &err, "WATCHDOG=1"), 0);
    check_message(fd, "READY=1\nMAINPID=7");
    check_message(fd, "WATCHDOG=1");
    close(fd);
    assert_int_equal(ax_notify_send(&n, &err, "WATCHDOG=1"), -AX_E_SYS);
    assert_int_equal(err.os, ECONNREFUSED);
    ax_notify_close(&n);
}

static void test_path(void **state)
{
    char *dir = ax_fx_dir(), *path = NULL;

    (void)state;
    assert_true(asprintf(&path, "%s/notify", dir) > 0);
    check_sending(path);
    ax_fx_remove(dir);
    free(path);
    free(dir);
}

static void test_abstract(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof name, "@actix-notify-test-%ld", (long)getpid());
    check_sending(name);
}

static void test_sockets_that_are_none(void **state)
{
    static const struct {
        const char *socket;
        int want;
    } t[] = {{NULL, 0},
             {"", 0},
             {"relative", -AX_E_SYNTAX},
             {"vsock:2:1234", -AX_E_SYNTAX},
             {"/", -AX_E_SYNTAX},
             {"@", -AX_E_SYNTAX}};
    char long_name[300];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_notify n;
        struct ax_err err = {0};
        assert_int_equal(ax_notify_open(&(struct ax_notify_env){.socket = t[i].socket}, &n, &err), t[i].want);
        assert_int_equal(ax_notify_send(&n, &err, "READY=1"), 0);
        ax_notify_close(&n);
    }
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[0] = '/';
    long_name[sizeof long_name - 1] = '\0';
    struct ax_notify n;
    struct ax_err err = {0};
    assert_int_equal(ax_notify_open(&(struct ax_notify_env){.socket = long_name}, &n, &err), -AX_E_SYNTAX);
}

static void test_watchdog(void **state)
{
    char mine[32];
    const struct {
        const char *usec, *pid;
        int64_t want;
    } t[] = {{NULL, NULL, 0},
             {"30000000", NULL, 30000000},
             {"30000000", mine, 30000000},
             {"30000000", "1", 0},
             {"30000000", "x", 0},
             {"0", mine, 0},
             {"-1", mine, 0},
             {"3s", mine, 0},
             {"99999999999999999999", mine, 0}};

    (void)state;
    snprintf(mine, sizeof mine, "%ld", (long)getpid());
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_notify n;
        struct ax_notify_env env = {"@nobody", t[i].usec, t[i].pid};
        assert_int_equal(ax_notify_open(&env, &n, NULL), 1);
        assert_int_equal(n.watchdog_us, t[i].want);
        ax_notify_close(&n);
    }
}

static void test_long_text_is_cut(void **state)
{
    char name[64], text[AX_NOTIFY_MAX * 2], want[AX_NOTIFY_MAX];
    struct ax_notify n;
    struct ax_err err = {0};

    (void)state;
    snprintf(name, sizeof name, "@actix-notify-test-%ld", (long)getpid());
    int fd = bind_at(name);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    memcpy(want, text, sizeof want - 1);
    want[sizeof want - 1] = '\0';
    assert_int_equal(ax_notify_open(&(struct ax_notify_env){.socket = name}, &n, &err), 1);
    assert_int_equal(ax_notify_send(&n, &err, "%s", text), 0);
    check_message(fd, want);
    ax_notify_close(&n);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_abstract),
        cmocka_unit_test(test_sockets_that_are_none),
        cmocka_unit_test(test_watchdog),
        cmocka_unit_test(test_long_text_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
