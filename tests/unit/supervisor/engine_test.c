/* Starting an engine: what cannot be had leaves no process, no descriptor and no memory behind. */
#include "supervisor/engine.h"

#include <dirent.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "supervisor/fixture.h"

enum { ALLOCATIONS_MAX = 500, DESCRIPTORS_MAX = 40 };

struct world {
    char *dir;
    struct ax_manifest *manifest;
    struct ax_env env;
    uv_loop_t loop;
    struct ax_log log;
    unsigned exits;
};

static unsigned descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void set_limit(rlim_t n)
{
    struct rlimit r;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = n < r.rlim_max ? n : r.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

static void leave_descriptors(unsigned n)
{
    int next = dup(0); /* the lowest that is free: there are none behind it */

    assert_true(next >= 0);
    close(next);
    set_limit((rlim_t)next + n);
}

static void on_message(void *ctx, struct ax_message *m)
{
    (void)ctx;
    (void)m;
}

static void on_exit_of(void *ctx, int status)
{
    (void)status;
    ((struct world *)ctx)->exits++;
}

static void set_up(struct world *w)
{
    *w = (struct world){.dir = ax_fx_dir(), .log = {.fd = -1}};
    free(ax_fx_file(w->dir, "h.js", ""));
    w->manifest = ax_fx_manifest(w->dir, "version: 1\nroutes: { /: h.js }\n");
    assert_int_equal(ax_env_make(w->manifest, (char *[]){NULL}, NULL, &w->env, NULL), 0);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_pipe_t first; /* a loop keeps a descriptor in reserve from its first stream on */
    uv_pipe_init(&w->loop, &first, 0);
    uv_close((uv_handle_t *)&first, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void tear_down(struct world *w)
{
    assert_int_equal(uv_loop_close(&w->loop), 0);
    ax_env_fini(&w->env);
    ax_manifest_free(w->manifest);
    ax_fx_remove(w->dir);
    free(w->dir);
}

/* `true` in the place of Node: it ends at once.  True when it was started. */
static bool try_one(struct world *w, const char *program, struct ax_err *err)
{
    struct ax_engine_options o = {.loop = &w->loop,
                                  .node = program,
                                  .script = "engine.js",
                                  .env = &w->env,
                                  .board_fd = -1,
                                  .plan = {.manifest = w->manifest, .workers = 2},
                                  .log = &w->log,
                                  .on_message = on_message,
                                  .on_exit = on_exit_of,
                                  .ctx = w};
    struct ax_engine_parts parts = {.mailbox = -1};
    struct ax_engine *e = NULL;
    siginfo_t info;

    int rc = ax_engine_start(&o, &e, &parts, err);
    ax_fail_alloc_at(0);
    set_limit(RLIM_INFINITY);
    if (rc == 0) {
        while (waitid(P_PID, (id_t)ax_engine_pid(e), &info, WEXITED | WNOWAIT) < 0)
            ;
        ax_engine_child(e);
        ax_segment_free(parts.segment);
        close(parts.mailbox);
        close(parts.segment_fd);
    }
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    return rc == 0;
}

static void test_starts(void **state)
{
    struct world w;
    struct ax_err err = {0};

    (void)state;
    set_up(&w);
    assert_true(try_one(&w, "/bin/true", &err));
    assert_int_equal(w.exits, 1);
    assert_false(try_one(&w, "/nonexistent/node", &err));
    assert_non_null(strstr(err.msg, "/nonexistent/node"));
    assert_int_equal(w.exits, 1);
    tear_down(&w);
}

static void test_no_memory(void **state)
{
    struct world w;
    unsigned n = 1;

    (void)state;
    set_up(&w);
    for (; n < ALLOCATIONS_MAX; n++) {
        struct ax_err err = {0};
        unsigned before = descriptors();
        ax_fail_alloc_at(n);
        bool started = try_one(&w, "/bin/true", &err);
        assert_int_equal(descriptors(), before);
        if (started)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    assert_true(n > 3 && n < ALLOCATIONS_MAX);
    tear_down(&w);
}

static void test_no_descriptors(void **state)
{
    struct world w;
    unsigned n = 0;

    (void)state;
    set_up(&w);
    for (; n < DESCRIPTORS_MAX; n++) {
        struct ax_err err = {0};
        unsigned before = descriptors();
        leave_descriptors(n);
        bool started = try_one(&w, "/bin/true", &err);
        assert_int_equal(descriptors(), before);
        if (started)
            break;
        assert_int_equal(err.code, AX_E_SYS);
        assert_int_equal(err.os, EMFILE);
    }
    assert_true(n > 3 && n < DESCRIPTORS_MAX);
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_starts), cmocka_unit_test(test_no_memory),
                                       cmocka_unit_test(test_no_descriptors)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
