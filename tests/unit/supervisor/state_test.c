#include "supervisor/state.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "supervisor/fixture.h"

struct vars {
    const char *name[4], *value[4];
};

static const char *var(const char *name, void *ctx)
{
    const struct vars *v = ctx;

    for (unsigned i = 0; i < 4 && v->name[i]; i++)
        if (strcmp(v->name[i], name) == 0)
            return v->value[i];
    return NULL;
}

static char root[] = "/app", given[] = "/else", db[] = "metrics.db";

static void test_paths(void **state)
{
    struct {
        const char *option;
        struct vars vars;
        char *server_state;
        bool state_given;
        const char *want_dir, *want_socket;
        bool asked;
    } t[] = {
        {NULL, {{0}, {0}}, NULL, false, "/app/.actix", "/app/.actix/control.sock", false},
        {NULL, {{0}, {0}}, given, true, "/else", "/else/control.sock", true},
        {NULL,
         {{"STATE_DIRECTORY", "RUNTIME_DIRECTORY"}, {"/var/lib/a:/var/lib/b", "/run/a"}},
         given,
         true,
         "/var/lib/a",
         "/run/a/control.sock",
         true},
        {NULL,
         {{"STATE_DIRECTORY"}, {"/var/lib/a"}},
         NULL,
         false,
         "/var/lib/a",
         "/var/lib/a/control.sock",
         true},
        {NULL,
         {{"ACTIX_STATE", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"}, {"/s", "/var/lib/a", "/run/a"}},
         NULL,
         false,
         "/s",
         "/s/control.sock",
         true},
        {"/opt", {{"ACTIX_STATE"}, {"/s"}}, given, true, "/opt", "/opt/control.sock", true},
        {NULL, {{"ACTIX_STATE"}, {""}}, NULL, false, "/app/.actix", "/app/.actix/control.sock", false},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_manifest m = {.root = root, .server.state = t[i].server_state, .metrics.database = db};
        m.server.state_given = t[i].state_given;
        struct ax_state_input in = {t[i].option, var, &t[i].vars, &m};
        struct ax_state s;
        char want[64];
        assert_int_equal(ax_state_paths(&in, &s, NULL), 0);
        assert_string_equal(s.dir, t[i].want_dir);
        assert_string_equal(s.socket, t[i].want_socket);
        snprintf(want, sizeof want, "%s/metrics.db", t[i].want_dir);
        assert_string_equal(s.database, want);
        assert_int_equal(s.asked, t[i].asked);
        ax_state_fini(&s);
    }
}

static void test_paths_nomem(void **state)
{
    struct ax_manifest m = {.root = root, .metrics.database = db};
    struct vars v = {{"STATE_DIRECTORY", "RUNTIME_DIRECTORY"}, {"/a", "/b"}};
    struct ax_state_input in = {NULL, var, &v, &m};

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        struct ax_state s;
        ax_fail_alloc_at(n);
        int rc = ax_state_paths(&in, &s, &err);
        ax_fail_alloc_at(0);
        if (rc == 0 && n > 6) {
            ax_state_fini(&s);
            break;
        }
        if (rc == 0)
            ax_state_fini(&s); /* the runtime folder alone is optional */
        else
            assert_int_equal(err.code, AX_E_NOMEM);
    }
}

static struct ax_state state_in(const char *dir, const char *sub)
{
    char path[256];
    struct ax_manifest m = {.root = root};
    struct ax_state_input in = {path, NULL, NULL, &m};
    struct ax_state s;

    snprintf(path, sizeof path, "%s/%s", dir, sub);
    assert_int_equal(ax_state_paths(&in, &s, NULL), 0);
    return s;
}

static long number_in(const char *path)
{
    long n = 0;
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld", &n), 1);
    fclose(f);
    return n;
}

static void test_lock(void **state)
{
    char *dir = ax_fx_dir();
    struct ax_state s = state_in(dir, "st");
    struct ax_state_lock first, second;
    struct ax_err err = {0};
    struct stat st;
    char pid[32];

    (void)state;
    assert_int_equal(ax_state_holder(&s), 0);
    assert_int_equal(ax_state_take(&s, NULL, NULL, &first, &err), 0);
    assert_int_equal(stat(s.dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(number_in(s.pid_file), getpid());
    assert_int_equal(ax_state_holder(&s), getpid());
    assert_int_equal(ax_state_take(&s, NULL, NULL, &second, &err), -AX_E_BUSY);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(err.msg, pid));
    ax_state_release(&first);
    assert_int_equal(access(s.pid_file, F_OK), -1);
    assert_int_equal(ax_state_holder(&s), 0);
    assert_int_equal(ax_state_take(&s, NULL, NULL, &first, NULL), 0);
    ax_state_release(&first);
    ax_state_fini(&s);
    ax_fx_remove(dir);
    free(dir);
}

static void test_take_fails(void **state)
{
    char *dir = ax_fx_dir(), *file = ax_fx_file(dir, "file", ""), *extra = NULL;
    struct ax_state_lock l;
    struct ax_err err = {0};

    (void)state;
    struct ax_state s =
        state_in(dir, "file/below"); /* a folder below a file: nobody can make it, root neither */
    assert_int_equal(ax_state_take(&s, NULL, NULL, &l, &err), -AX_E_STATE);
    assert_int_equal(err.code, AX_E_STATE);
    ax_state_fini(&s);

    s = state_in(dir, "st");
    err = (struct ax_err){0};
    assert_true(asprintf(&extra, "%s/none/x.pid", dir) > 0);
    assert_int_equal(ax_state_take(&s, NULL, extra, &l, &err), -AX_E_STATE);
    assert_int_equal(ax_state_holder(&s), 0); /* and the lock is free again */
    assert_int_equal(access(s.pid_file, F_OK), -1);
    assert_int_equal(ax_state_take(&s, "no such group", NULL, &l, NULL), -AX_E_UNKNOWN);
    free(extra);
    assert_true(asprintf(&extra, "%s/x.pid", dir) > 0);
    assert_int_equal(ax_state_take(&s, NULL, extra, &l, NULL), 0);
    assert_int_equal(number_in(extra), getpid());
    ax_state_release(&l);
    assert_int_equal(access(extra, F_OK), -1);
    ax_state_fini(&s);
    free(extra);
    free(file);
    ax_fx_remove(dir);
    free(dir);
}

/* The lock goes with the process, however it ends. */
static void test_killed_holder(void **state)
{
    char *dir = ax_fx_dir();
    struct ax_state s = state_in(dir, "st");
    struct ax_state_lock l;
    int ends[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (ax_state_take(&s, NULL, NULL, &l, NULL) == 0 && write(ends[1], "", 1) == 1)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(ax_state_holder(&s), pid);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_int_equal(ax_state_holder(&s), 0);
    assert_int_equal(ax_state_take(&s, NULL, NULL, &l, NULL), 0);
    assert_int_equal(number_in(s.pid_file), getpid());
    ax_state_release(&l);
    close(ends[0]);
    close(ends[1]);
    ax_state_fini(&s);
    ax_fx_remove(dir);
    free(dir);
}

static void test_group(void **state)
{
    gid_t gid = 1;

    (void)state;
    assert_int_equal(ax_group_id("root", &gid, NULL), 0);
    assert_int_equal(gid, 0);
    assert_int_equal(ax_group_id("12345", &gid, NULL), 0);
    assert_int_equal(gid, 12345);
    assert_int_equal(ax_group_id("no such group", &gid, NULL), -AX_E_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_paths_nomem),   cmocka_unit_test(test_lock),
        cmocka_unit_test(test_take_fails), cmocka_unit_test(test_killed_holder), cmocka_unit_test(test_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
