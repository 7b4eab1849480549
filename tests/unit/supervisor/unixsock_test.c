#include "supervisor/unixsock.h"

#include <sys/socket.h>

#include "supervisor/fixture.h"

static char *path_of(const char *dir, size_t name)
{
    char *p = malloc(strlen(dir) + name + 2);

    assert_non_null(p);
    size_t n = strlen(dir);
    memcpy(p, dir, n);
    p[n] = '/';
    memset(p + n + 1, 's', name);
    p[n + 1 + name] = '\0';
    return p;
}

static void test_any_length(void **state)
{
    static const size_t names[] = {1, 60, 90, 120, 255};
    char *dir = ax_fx_dir();

    (void)state;
    for (size_t i = 0; i < AX_COUNT(names); i++) {
        char *path = path_of(dir, names[i]);
        struct ax_err err = {0};
        struct stat st;
        int fd = ax_unix_listen(&(struct ax_unix_bind){path, 0640, NULL, 4}, &err);
        assert_string_equal(err.msg, "");
        assert_true(fd >= 0);
        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0640);
        int c = ax_unix_connect(path, &err);
        assert_true(c >= 0);
        int a = accept(fd, NULL, NULL);
        assert_true(a >= 0);
        close(a);
        close(c);
        close(fd);
        assert_int_equal(ax_unix_connect(path, NULL), -AX_E_STATE); /* the file is there, nobody listens */
        unlink(path);
        assert_int_equal(ax_unix_connect(path, NULL), -AX_E_MISSING);
        free(path);
    }
    ax_fx_remove(dir);
    free(dir);
}

static void test_taken(void **state)
{
    char *dir = ax_fx_dir(), *path = path_of(dir, 8), *file = ax_fx_file(dir, "file", "keep me");
    struct ax_unix_bind b = {path, 0600, NULL, 4}, over = {file, 0600, NULL, 4};
    struct ax_unix_file one, two;
    struct ax_err err = {0};

    (void)state;
    int fd = ax_unix_listen(&b, NULL);
    assert_true(fd >= 0);
    ax_unix_remember(path, &one);
    assert_int_equal(ax_unix_listen(&b, &err), -AX_E_BUSY);
    assert_non_null(strstr(err.msg, "in use"));
    close(fd); /* now stale: replaced */
    fd = ax_unix_listen(&b, NULL);
    assert_true(fd >= 0);
    ax_unix_remember(path, &two);
    err = (struct ax_err){0};
    assert_int_equal(ax_unix_listen(&over, &err), -AX_E_BUSY);
    assert_non_null(strstr(err.msg, "no socket"));
    assert_int_equal(access(file, F_OK), 0);
    if (one.ino != two.ino) {
        ax_unix_remove(path, &one); /* another's by now: stays */
        assert_int_equal(access(path, F_OK), 0);
    }
    ax_unix_remove(path, &two);
    assert_int_equal(access(path, F_OK), -1);
    close(fd);
    free(path);
    free(file);
    ax_fx_remove(dir);
    free(dir);
}

static void test_errors(void **state)
{
    char *dir = ax_fx_dir(), *path = path_of(dir, 8), *far = NULL, *too_long = path_of(dir, 256);

    (void)state;
    assert_true(asprintf(&far, "%s/none/s", dir) > 0);
    assert_int_equal(ax_unix_listen(&(struct ax_unix_bind){far, 0600, NULL, 4}, NULL), -AX_E_SYS);
    assert_int_equal(ax_unix_listen(&(struct ax_unix_bind){path, 0600, "no such group", 4}, NULL),
                     -AX_E_UNKNOWN);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(ax_unix_listen(&(struct ax_unix_bind){too_long, 0600, NULL, 4}, NULL), -AX_E_SYS);
    int fd = ax_unix_listen(&(struct ax_unix_bind){path, 0660, "root", 4}, NULL);
    assert_true(fd >= 0);
    close(fd);
    free(too_long);
    free(path);
    free(far);
    ax_fx_remove(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_length),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
