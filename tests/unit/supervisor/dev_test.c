#include "supervisor/dev.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"

struct world {
    uv_loop_t loop;
    uv_timer_t limit;
    struct ax_dev *dev;
    char root[64], seen[512];
    unsigned changes;
};

static void on_changed(void *ctx, const char *file)
{
    struct world *w = ctx;

    snprintf(w->seen, sizeof w->seen, "%s", file + strlen(w->root) + 1);
    w->changes++;
    uv_stop(&w->loop);
}

static void path_of(const struct world *w, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s", w->root, name);
}

static void put(const struct world *w, const char *name)
{
    char path[256];

    path_of(w, name, path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void make_folder(const struct world *w, const char *name)
{
    char path[256];

    path_of(w, name, path, sizeof path);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int setup(void **state)
{
    static const char *const folders[] = {"a", "a/b", "node_modules", "node_modules/p", ".git", "uploads"};
    struct world *w = calloc(1, sizeof *w);
    char path[256];

    snprintf(w->root, sizeof w->root, "/tmp/actix-dev-XXXXXX");
    assert_non_null(mkdtemp(w->root));
    for (size_t i = 0; i < AX_COUNT(folders); i++)
        make_folder(w, folders[i]);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->limit);
    w->limit.data = w;
    assert_int_equal(ax_dev_open(&(struct ax_dev_options){.loop = &w->loop, .changed = on_changed, .ctx = w},
                                 &w->dev, NULL),
                     0);
    path_of(w, "uploads", path, sizeof path);
    assert_int_equal(ax_dev_skip(w->dev, path, NULL), 0);
    assert_int_equal(ax_dev_tree(w->dev, w->root, NULL), 0);
    *state = w;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    ax_dev_close(w->dev);
    uv_close((uv_handle_t *)&w->limit, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(w);
    return 0;
}

static void on_limit(uv_timer_t *t)
{
    uv_stop(&((struct world *)t->data)->loop);
}

/* What is told next; "" = nothing within the time in which it would have been. */
static const char *next(struct world *w, unsigned ms)
{
    w->seen[0] = '\0';
    uv_timer_start(&w->limit, on_limit, ms, 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&w->limit);
    return w->seen;
}

enum { SURE_MS = 10000 };

/* What does not count is followed by something that does: then the first must not have been told. */
static void test_files(void **state)
{
    static const struct {
        const char *name;
        bool counts;
    } t[] = {
        {"a/x.js", true},
        {"a/b/y.mjs", true},
        {"z.ts", true},
        {"a/readme.txt", false},
        {".env", true},
        {"actix.yaml", true},
        {"a/data.json", false},
        {"package.json", true},
        {"node_modules/p/i.js", false},
        {".git/hook.js", false},
        {"uploads/u.js", false},
        {"a/.x.js.swp", false},
        {"a/b/component.tsx", true},
    };
    struct world *w = *state;

    for (size_t i = 0; i < AX_COUNT(t); i++) {
        put(w, t[i].name);
        if (!t[i].counts)
            put(w, "sentinel.js");
        assert_string_equal(next(w, SURE_MS), t[i].counts ? t[i].name : "sentinel.js");
    }
}

static void test_new_folders(void **state)
{
    struct world *w = *state;

    make_folder(w, "new");
    make_folder(w, "new/deep");
    put(w, "new/deep/a.js"); /* before anybody can watch the folder */
    assert_string_equal(next(w, SURE_MS), "new/deep/a.js");
    put(w, "new/b.js");
    assert_string_equal(next(w, SURE_MS), "new/b.js");
}

static void test_named_files(void **state)
{
    struct world *w = *state;
    char path[256];

    path_of(w, "a/data.json", path, sizeof path);
    assert_int_equal(ax_dev_file(w->dev, path, NULL), 0);
    assert_int_equal(ax_dev_file(w->dev, path, NULL), 0);
    put(w, "a/data.json");
    assert_string_equal(next(w, SURE_MS), "a/data.json");
    path_of(w, "uploads/conf.json", path, sizeof path); /* outside of the tree */
    assert_int_equal(ax_dev_file(w->dev, path, NULL), 0);
    put(w, "uploads/conf.json");
    assert_string_equal(next(w, SURE_MS), "uploads/conf.json");
}

/* Many writes are one change. */
static void test_quiet(void **state)
{
    struct world *w = *state;

    for (unsigned i = 0; i < 50; i++)
        put(w, "a/x.js");
    assert_string_equal(next(w, SURE_MS), "a/x.js");
    assert_int_equal(w->changes, 1);
    ax_dev_poke(w->dev, "/tmp/actix-dev-XXXXXX/poked");
    assert_string_equal(next(w, SURE_MS), "poked");
}

static void test_nomem(void **state)
{
    struct world *w = *state;

    for (unsigned n = 1;; n++) {
        struct ax_dev *d = NULL;
        ax_fail_alloc_at(n);
        int rc = ax_dev_open(&(struct ax_dev_options){.loop = &w->loop, .changed = on_changed, .ctx = w}, &d,
                             NULL);
        if (rc == 0)
            rc = ax_dev_tree(d, w->root, NULL);
        if (rc == 0)
            rc = ax_dev_file(d, "/tmp/x.js", NULL);
        ax_fail_alloc_at(0);
        ax_dev_close(d);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        if (rc == 0)
            break;
        assert_int_equal(rc, -AX_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_new_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_named_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quiet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nomem, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
