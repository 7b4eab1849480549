/* Files below a folder: what is opened, what never is, and what is kept. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/path.h"
#include "net/files.h"

/* A temporary folder: `in` is served, `secret` and `outside/` lie beside it. */
struct tree {
    char top[32], in[48];
    int folder; /* `in`, open */
    struct ax_mime *mime;
    struct ax_files *files;
};

static char *at(const struct tree *t, const char *name)
{
    char *p = ax_asprintf("%s/%s", t->top, name);

    assert_non_null(p);
    return p;
}

static void write_file(const struct tree *t, const char *name, const char *text)
{
    char *p = at(t, name);
    int fd = open(p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    ax_free(p);
}

static void make_folder(const struct tree *t, const char *name)
{
    char *p = at(t, name);

    assert_int_equal(mkdir(p, 0700), 0);
    ax_free(p);
}

static void make_link(const struct tree *t, const char *to, const char *name)
{
    char *p = at(t, name);

    assert_int_equal(symlink(to, p), 0);
    ax_free(p);
}

static int tree_open(void **state)
{
    struct tree *t = calloc(1, sizeof *t);

    snprintf(t->top, sizeof t->top, "/tmp/ax-files-XXXXXX");
    assert_non_null(mkdtemp(t->top));
    snprintf(t->in, sizeof t->in, "%s/in", t->top);
    make_folder(t, "in");
    make_folder(t, "in/sub");
    make_folder(t, "in/sub/deep");
    make_folder(t, "in/.well-known");
    make_folder(t, "in/.git");
    make_folder(t, "outside");
    write_file(t, "secret", "SECRET");
    write_file(t, "outside/secret", "SECRET");
    write_file(t, "in/.secret", "SECRET");
    write_file(t, "in/.git/secret", "SECRET");
    write_file(t, "in/a.txt", "open");
    write_file(t, "in/sub/b.html", "open");
    write_file(t, "in/sub/deep/c.js", "open");
    write_file(t, "in/.well-known/d.txt", "open");
    t->folder = open(t->in, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(t->folder >= 0);
    t->mime = ax_mime_new();
    assert_int_equal(ax_mime_freeze(t->mime, NULL), 0);
    t->files = ax_files_new(2, t->mime);
    assert_non_null(t->files);
    *state = t;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static int tree_close(void **state)
{
    struct tree *t = *state;

    ax_files_free(t->files);
    ax_mime_free(t->mime);
    close(t->folder);
    assert_int_equal(nftw(t->top, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(t);
    return 0;
}

static enum ax_files_found get_at(struct tree *t, const char *name, int64_t us, struct ax_file **ret)
{
    struct ax_files_query q = {.route = 1, .folder = t->in, .name = ax_str(name)};

    return ax_files_get(t->files, &q, (ax_mono){us}, ret);
}

static unsigned descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* ---- names */

static void test_names(void **state)
{
    static const struct {
        const char *rest, *want; /* NULL = refused */
    } t[] = {
        {"", ""},
        {"a.txt", "a.txt"},
        {"a/b/c", "a/b/c"},
        {"a/", "a/"},
        {"a%20b", "a b"},
        {"caf%C3%A9", "caf\xc3\xa9"},
        {"%252e%252e", "%2e%2e"},
        {".well-known/x", ".well-known/x"},
        {"a..b", "a..b"},
        {"a.", "a."},
        {"~root", "~root"},
        {"/a", NULL},
        {"a//b", NULL},
        {"a//", NULL},
        {"//", NULL},
        {".env", NULL},
        {"%2eenv", NULL},
        {"a/.git/x", NULL},
        {".", NULL},
        {"..", NULL},
        {"%2e%2e", NULL},
        {"..%2fx", NULL},
        {"a%2fb", NULL},
        {"a%2Fb", NULL},
        {"a%5cb", NULL},
        {"a\\b", NULL},
        {"a%00", NULL},
        {"a%0ab", NULL},
        {"a%7f", NULL},
        {"%c0%ae%c0%ae", NULL},
        {"%ff", NULL},
        {".well-known2/x", NULL},
        {".Well-known/x", NULL},
    };
    char out[AX_FILES_PATH_MAX];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        size_t n = 0;
        bool ok = ax_files_name(ax_str(t[i].rest), out, &n);
        if (ok != (t[i].want != NULL) || (ok && !ax_str_eq((struct ax_str){out, n}, ax_str(t[i].want))))
            fail_msg("%s gave %d %.*s", t[i].rest, ok, (int)n, out);
    }
    char longest[AX_FILES_PATH_MAX + 1];
    size_t n;
    memset(longest, 'a', sizeof longest);
    assert_false(ax_files_name((struct ax_str){longest, sizeof longest}, out, &n));
    assert_false(ax_files_name((struct ax_str){longest, 256}, out, &n));
    assert_true(ax_files_name((struct ax_str){longest, 255}, out, &n));
}

/* ---- ways out: forms of "..", slashes, depths, ends and links; each as a request would bring it, and then,
 * decoded, at the opening itself, with openat2 and without */

static const char *const dots[] = {"..",       "%2e%2e",       "%2E.", ".%2e",       "%252e%252e",
                                   "..%00",    "%c0%ae%c0%ae", "..;",  "%e0%80%ae.", "...",
                                   "..%c0%af", ".%09.",        "..\\", "%2e%2e%5c"};
static const char *const slashes[] = {"/", "%2f", "%5c", "\\", "//", "%252f"};
static const char *const targets[] = {"secret", "outside/secret", ".secret"};

static void expect_closed(struct tree *t, const char *name)
{
    int (*const open_by[])(int, const char *) = {ax_files_open, ax_files_open_walk};
    char got[8];

    for (size_t i = 0; i < AX_COUNT(open_by); i++) {
        int fd = open_by[i](t->folder, name);
        ssize_t n = fd >= 0 ? read(fd, got, sizeof got) : 0;
        if (fd >= 0)
            close(fd);
        if (n > 0 && memcmp(got, "SECRET", 6 < n ? 6 : (size_t)n) == 0)
            fail_msg("%s was opened, way %zu", name, i);
    }
}

/* As intake.c and static.c do it. */
static void expect_refused(struct tree *t, const char *rest)
{
    char out[AX_FILES_PATH_MAX + 1], path[AX_FILES_PATH_MAX];
    struct ax_file *file;
    size_t n;

    snprintf(path, sizeof path, "/%s", rest);
    if (!ax_path_ok(ax_str(path)) || !ax_files_name(ax_str(rest), out, &n))
        return;
    struct ax_files_query q = {.route = 1, .folder = t->in, .name = {out, n}};
    if (ax_files_get(t->files, &q, (ax_mono){1}, &file) == AX_FILES_FILE)
        fail_msg("%s was served", rest);
}

static unsigned attempt(struct tree *t, const char *dot, const char *slash, unsigned depth,
                        const char *target)
{
    char rest[512] = "sub/deep/"; /* as deep as there are steps back */
    size_t n = depth > 1 ? strlen(rest) : 0;

    for (unsigned i = 0; i < depth + (n ? 2 : 0); i++)
        n += (size_t)snprintf(rest + n, sizeof rest - n, "%s%s", dot, slash);
    snprintf(rest + n, sizeof rest - n, "%s", target);
    expect_refused(t, rest);
    n = ax_path_decode(ax_str(rest), rest);
    rest[n] = '\0';
    if (!strcmp(target, ".secret")) /* lies within: only its name keeps it */
        return 1;
    expect_closed(t, rest);
    return 2;
}

static void test_ways_out(void **state)
{
    struct tree *t = *state;
    unsigned before = descriptors(), n = 0;

    for (size_t d = 0; d < AX_COUNT(dots); d++)
        for (size_t s = 0; s < AX_COUNT(slashes); s++)
            for (unsigned depth = 1; depth <= 3; depth++)
                for (size_t k = 0; k < AX_COUNT(targets); k++)
                    n += attempt(t, dots[d], slashes[s], depth, targets[k]);
    char *absolute = at(t, "secret");
    expect_closed(t, absolute);
    expect_refused(t, absolute);
    ax_free(absolute);
    assert_true(n > 1000);
    assert_in_range(descriptors(), before, before + 1); /* the folder, kept open */
}

static void test_links(void **state)
{
    struct tree *t = *state;
    static const char *const out[][2] = {
        {"../secret", "in/l1"},   {"../outside", "in/l2"},       {"../../secret", "in/sub/l3"},
        {"..", "in/l4"},          {"sub/../../secret", "in/l5"}, {"l1", "in/l6"},
        {"/etc/passwd", "in/l7"}, {"/proc/self/root", "in/l8"},  {"l10", "in/l9"},
        {"l9", "in/l10"},         {"../in/../secret", "in/l11"}, {"/proc/self/cwd", "in/l12"},
    };
    static const char *const tried[] = {"l1", "l2/secret",     "sub/l3", "l4/secret", "l5",  "l6",
                                        "l7", "l8/etc/passwd", "l9",     "l11",       "l12", "l4/in/a.txt",
                                        "l2"};
    struct ax_file *file;
    char *absolute = at(t, "secret");

    for (size_t i = 0; i < AX_COUNT(out); i++)
        make_link(t, out[i][0], out[i][1]);
    make_link(t, absolute, "in/l13");
    make_link(t, "a.txt", "in/good");
    make_link(t, "sub", "in/goodfolder");
    make_link(t, "../a.txt", "in/sub/good");
    expect_refused(t, "l13");
    for (size_t i = 0; i < AX_COUNT(tried); i++) {
        expect_closed(t, tried[i]);
        expect_refused(t, tried[i]);
        assert_true(ax_files_open_walk(t->folder, tried[i]) < 0);
    }
    static const char *const good[] = {"good", "goodfolder/b.html", "sub/good"};
    for (size_t i = 0; i < AX_COUNT(good); i++) {
        assert_int_equal(get_at(t, good[i], 1, &file), AX_FILES_FILE);
        ax_file_put(file);
        assert_true(ax_files_open_walk(t->folder, good[i]) < 0);
    }
    int fd = ax_files_open_walk(t->folder, "sub/deep/c.js");
    assert_true(fd >= 0);
    close(fd);
    ax_free(absolute);
}

static void test_no_files(void **state)
{
    struct tree *t = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    struct ax_file *file;
    char *fifo = at(t, "in/fifo");
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(mkfifo(fifo, 0600), 0);
    ax_free(fifo);
    snprintf(addr.sun_path, sizeof addr.sun_path, "%s/socket", t->in);
    assert_int_equal(bind(s, (struct sockaddr *)&addr, sizeof addr), 0);
    close(s);
    assert_int_equal(get_at(t, "fifo", 1, &file), AX_FILES_NONE);
    assert_int_equal(get_at(t, "socket", 1, &file), AX_FILES_NONE);
    assert_int_equal(get_at(t, "nothing", 1, &file), AX_FILES_NONE);
    assert_int_equal(get_at(t, "a.txt/x", 1, &file), AX_FILES_NONE);
    assert_int_equal(get_at(t, "sub", 1, &file), AX_FILES_FOLDER);
    struct ax_files_query q = {.route = 2, .folder = "/dev", .name = AX_STR("zero")};
    assert_int_equal(ax_files_get(t->files, &q, (ax_mono){1}, &file), AX_FILES_NONE);
    q = (struct ax_files_query){.route = 2, .folder = "/nonexistent", .name = AX_STR("x")};
    assert_int_equal(ax_files_get(t->files, &q, (ax_mono){5000000}, &file), AX_FILES_NONE);
}

/* ---- what is told, and kept */

static void test_lines(void **state)
{
    struct tree *t = *state;
    struct ax_file *file;

    write_file(t, "in/a.txt.gz", "gz");
    assert_int_equal(get_at(t, "a.txt", 1, &file), AX_FILES_FILE);
    assert_int_equal(file->size, 4);
    assert_int_equal(file->have, 1u << AX_CODING_GZIP);
    assert_true(ax_str_eq(file->lines,
                          AX_STR("Content-Type: text/plain; charset=utf-8\r\nAccept-Ranges: bytes\r\n")));
    assert_true(ax_str_eq(file->type, AX_STR("Content-Type: text/plain; charset=utf-8\r\n")));
    assert_true(file->etag.n > 10 && file->etag.p[0] == '"' && file->etag.p[file->etag.n - 1] == '"');
    assert_non_null(memmem(file->validators.p, file->validators.n, "Vary: Accept-Encoding\r\n", 23));
    ax_file_put(file);
    struct ax_files_query q = {
        .route = 1, .folder = t->in, .name = AX_STR("a.txt"), .coding = AX_CODING_GZIP, .typed = true};
    assert_int_equal(ax_files_get(t->files, &q, (ax_mono){1}, &file), AX_FILES_FILE);
    assert_int_equal(file->size, 2);
    assert_true(ax_str_eq(file->lines, AX_STR("Content-Encoding: gzip\r\nAccept-Ranges: bytes\r\n")));
    assert_memory_equal(file->etag.p + file->etag.n - 4, "-gz\"", 4);
    ax_file_put(file);
}

static void test_kept(void **state)
{
    struct tree *t = *state;
    struct ax_file *a, *b;
    char *name = at(t, "in/a.txt"), *other = at(t, "in/other");

    assert_int_equal(get_at(t, "a.txt", 1, &a), AX_FILES_FILE);
    assert_int_equal(get_at(t, "a.txt", 2, &b), AX_FILES_FILE);
    assert_ptr_equal(a, b);
    ax_file_put(b);
    assert_int_equal(get_at(t, "a.txt", 999999, &b), AX_FILES_FILE);
    assert_ptr_equal(a, b);
    ax_file_put(b);
    write_file(t, "in/a.txt", "longer"); /* the same file: seen in the next turn */
    assert_int_equal(get_at(t, "a.txt", 999999, &b), AX_FILES_FILE);
    assert_int_equal(b->size, 4);
    ax_file_put(b);
    assert_int_equal(get_at(t, "a.txt", 1000000, &b), AX_FILES_FILE);
    assert_ptr_not_equal(a, b);
    assert_int_equal(b->size, 6);
    assert_int_equal(a->size, 4); /* held, as it was */
    ax_file_put(a);
    ax_file_put(b);
    write_file(t, "in/other", "another");
    assert_int_equal(rename(other, name), 0); /* another file: the old one has no name left */
    assert_int_equal(get_at(t, "a.txt", 1000001, &b), AX_FILES_FILE);
    assert_int_equal(b->size, 7);
    ax_file_put(b);
    unlink(name);
    assert_int_equal(get_at(t, "a.txt", 1000002, &b), AX_FILES_NONE);
    ax_free(name);
    ax_free(other);
}

/* The folder is built anew, under the same name. */
static void test_folder_replaced(void **state)
{
    struct tree *t = *state;
    struct ax_file *file;
    char *in = at(t, "in"), *old = at(t, "old");

    assert_int_equal(get_at(t, "a.txt", 1, &file), AX_FILES_FILE);
    ax_file_put(file);
    assert_int_equal(rename(in, old), 0);
    make_folder(t, "in");
    write_file(t, "in/new.txt", "new");
    assert_int_equal(get_at(t, "new.txt", 2000000, &file), AX_FILES_FILE);
    ax_file_put(file);
    assert_int_equal(get_at(t, "a.txt", 2000000, &file), AX_FILES_NONE);
    ax_free(in);
    ax_free(old);
}

static void test_ceilings(void **state)
{
    struct tree *t = *state;
    unsigned before = descriptors(), n = AX_FILES_KEPT + 50;
    struct ax_file *file, *held[4];
    char name[32];

    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "in/f%u", i);
        write_file(t, name, "x");
        assert_int_equal(get_at(t, name + 3, 1, &file), AX_FILES_FILE);
        if (i < AX_COUNT(held))
            held[i] = file;
        else
            ax_file_put(file);
    }
    assert_in_range(descriptors(), before, before + AX_FILES_KEPT + AX_COUNT(held) + 1);
    for (unsigned i = 0; i < AX_COUNT(held); i++) {
        assert_int_equal(held[i]->size, 1);
        ax_file_forget(held[i]);
        ax_file_forget(held[i]);
        ax_file_put(held[i]);
    }
}

static void test_no_memory(void **state)
{
    struct tree *t = *state;
    unsigned before = descriptors();

    for (unsigned n = 1;; n++) {
        struct ax_file *file = NULL;
        enum ax_files_found found = AX_FILES_FAILED;
        ax_fail_alloc_at(n);
        struct ax_files *f = ax_files_new(1, t->mime);
        struct ax_files_query q = {.route = 1, .folder = t->in, .name = AX_STR("a.txt")};
        if (f)
            found = ax_files_get(f, &q, (ax_mono){1}, &file);
        ax_fail_alloc_at(0);
        if (found == AX_FILES_FILE)
            ax_file_put(file);
        else
            assert_int_equal(found, AX_FILES_FAILED);
        ax_files_free(f);
        assert_int_equal(descriptors(), before);
        if (found == AX_FILES_FILE)
            break;
    }
}

int main(void)
{
#define WITH_TREE(f) cmocka_unit_test_setup_teardown(f, tree_open, tree_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    WITH_TREE(test_ways_out), WITH_TREE(test_links),
        WITH_TREE(test_no_files),        WITH_TREE(test_lines),    WITH_TREE(test_kept),
        WITH_TREE(test_folder_replaced), WITH_TREE(test_ceilings), WITH_TREE(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
