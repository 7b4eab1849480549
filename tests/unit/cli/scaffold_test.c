#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/scaffold.h"

struct folders {
    char root[64], from[96], to[96];
};

static void path(char out[256], const char *dir, const char *name)
{
    snprintf(out, 256, "%s/%s", dir, name);
}

static void put(const char *dir, const char *name, const char *text, mode_t mode)
{
    char file[256];

    path(file, dir, name);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(file, mode), 0);
}

static void expect(const char *dir, const char *name, const char *want)
{
    char file[256], text[512] = "";

    path(file, dir, name);
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    assert_string_equal(text, want);
}

static int setup(void **state)
{
    struct folders *f = calloc(1, sizeof *f);
    char sub[256];

    snprintf(f->root, sizeof f->root, "/tmp/actix-scaffold-XXXXXX");
    if (!mkdtemp(f->root))
        return -1;
    snprintf(f->from, sizeof f->from, "%s/from", f->root);
    snprintf(f->to, sizeof f->to, "%s/to", f->root);
    mkdir(f->from, 0755);
    path(sub, f->from, "handlers");
    mkdir(sub, 0755);
    put(f->from, "README.md", "# {{name}}\n{{{name}} {{nam}}", 0644);
    put(f->from, ".gitignore", "", 0644);
    put(f->from, "handlers/run.js", "x", 0755);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folders *f = *state;

    ax_scaffold_undo(f->root);
    assert_int_equal(access(f->root, F_OK), -1);
    free(f);
    return 0;
}

static void test_copy(void **state)
{
    struct folders *f = *state;
    struct ax_err err = {0};
    unsigned count = 0;
    struct stat st;
    char file[256];
    bool made;

    assert_int_equal(ax_scaffold_dir(f->to, false, &made, &err), 0);
    assert_true(made);
    assert_int_equal(ax_scaffold_tree(f->from, f->to, "shop", false, &count, &err), 0);
    assert_int_equal(count, 3);
    expect(f->to, "README.md", "# shop\n{shop {{nam}}");
    expect(f->to, ".gitignore", "");
    expect(f->to, "handlers/run.js", "x");
    path(file, f->to, "handlers/run.js");
    assert_int_equal(stat(file, &st), 0);
    assert_true(st.st_mode & S_IXUSR);
}

static void test_existing_folder(void **state)
{
    struct folders *f = *state;
    struct ax_err err = {0};
    unsigned count = 0;
    char file[256];
    bool made;

    mkdir(f->to, 0755);
    assert_int_equal(ax_scaffold_dir(f->to, false, &made, &err), 0); /* empty */
    assert_false(made);
    path(file, f->to, ".git");
    mkdir(file, 0755);
    assert_int_equal(ax_scaffold_dir(f->to, false, &made, &err), 0); /* as good as empty */
    put(f->to, "README.md", "mine", 0644);
    assert_int_equal(ax_scaffold_dir(f->to, false, &made, &err), -AX_E_STATE);
    assert_non_null(strstr(err.msg, "README.md"));
    err = (struct ax_err){0};
    assert_int_equal(ax_scaffold_dir(f->to, true, &made, &err), 0);
    assert_int_equal(ax_scaffold_tree(f->from, f->to, "shop", false, &count, &err), -AX_E_SYS);
    expect(f->to, "README.md", "mine");
    err = (struct ax_err){0};
    assert_int_equal(ax_scaffold_tree(f->from, f->to, "shop", true, &count, &err), 0);
    expect(f->to, "README.md", "# shop\n{shop {{nam}}");
}

static void test_no_way_through_links(void **state)
{
    struct folders *f = *state;
    struct ax_err err = {0};
    unsigned count = 0;
    char link[256], target[256];

    mkdir(f->to, 0755);
    put(f->root, "precious", "keep me", 0644);
    path(target, f->root, "precious");
    path(link, f->to, "README.md");
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(ax_scaffold_tree(f->from, f->to, "shop", true, &count, &err), -AX_E_SYS);
    expect(f->root, "precious", "keep me");
}

static void test_refused_places(void **state)
{
    struct folders *f = *state;
    struct ax_err err = {0};
    char file[256];
    bool made;

    put(f->root, "file", "", 0644);
    path(file, f->root, "file");
    assert_int_equal(ax_scaffold_dir(file, true, &made, &err), -AX_E_TYPE);
    err = (struct ax_err){0};
    path(file, f->root, "file/below");
    assert_int_equal(ax_scaffold_dir(file, false, &made, &err), -AX_E_SYS);
    err = (struct ax_err){0};
    path(file, f->root, "a/b/c");
    assert_int_equal(ax_scaffold_dir(file, false, &made, &err), 0);
    assert_true(made);
}

static void test_link(void **state)
{
    struct folders *f = *state;
    struct ax_err err = {0};
    char link[256], to[256] = "";

    path(link, f->to, "a/b/actix");
    assert_int_equal(ax_scaffold_link("../somewhere", link, &err), 0);
    assert_int_equal(readlink(link, to, sizeof to - 1), 12);
    assert_string_equal(to, "../somewhere");
    assert_int_equal(ax_scaffold_link("elsewhere", link, &err), 0); /* what is there stays */
    assert_int_equal(readlink(link, to, sizeof to - 1), 12);
    path(link, f->from, "README.md/actix");
    assert_int_equal(ax_scaffold_link("elsewhere", link, &err), -AX_E_SYS);
    for (unsigned n = 1;; n++) {
        err = (struct ax_err){0};
        path(link, f->to, "memory/actix");
        ax_fail_alloc_at(n);
        int rc = ax_scaffold_link("elsewhere", link, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
}

static void test_out_of_memory(void **state)
{
    struct folders *f = *state;

    mkdir(f->to, 0755);
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        unsigned count = 0;
        ax_fail_alloc_at(n);
        int rc = ax_scaffold_tree(f->from, f->to, "shop", true, &count, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_true(err.code == AX_E_NOMEM || err.code == AX_E_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_existing_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_way_through_links, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
