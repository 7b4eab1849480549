#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"

struct folder {
    char dir[64], file[96], moved[96];
};

static void folder_make(struct folder *f)
{
    snprintf(f->dir, sizeof f->dir, "/tmp/actix-log-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->file, sizeof f->file, "%s/a.log", f->dir);
    snprintf(f->moved, sizeof f->moved, "%s/a.log.1", f->dir);
}

static void folder_remove(struct folder *f)
{
    unlink(f->file);
    unlink(f->moved);
    assert_int_equal(rmdir(f->dir), 0);
}

static size_t slurp(const char *path, char *to, size_t cap)
{
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, to, cap - 1);
    assert_true(n >= 0);
    to[n] = '\0';
    close(fd);
    return (size_t)n;
}

/* A pipe whose writing end is the log. */
struct piped {
    int fd[2];
    struct ax_log log;
};

static void piped_make(struct piped *p, enum ax_log_format format)
{
    assert_int_equal(pipe2(p->fd, O_CLOEXEC), 0);
    p->log = (struct ax_log){.fd = p->fd[1], .level = AX_LOG_INFO, .format = format};
}

static void piped_read(struct piped *p, char *to, size_t cap)
{
    ssize_t n = read(p->fd[0], to, cap - 1);
    assert_true(n >= 0);
    to[n] = '\0';
}

static void piped_end(struct piped *p)
{
    close(p->fd[0]);
    close(p->fd[1]);
}

static void test_json_line(void **state)
{
    const struct ax_kv kv[] = {{"route", AX_STR("/a\"b\x1b"), 0}, {"n", {NULL, 0}, -42}};
    struct piped p;
    char line[1000];

    (void)state;
    piped_make(&p, AX_LOG_JSON);
    ax_log_write(&p.log, AX_LOG_WARN, kv, 2, "what\n%s", "now\xff");
    piped_read(&p, line, sizeof line);
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(strstr(line, ",\"level\""), ",\"level\":\"warn\",\"msg\":\"what\\nnow\xef\xbf\xbd\","
                                                    "\"route\":\"/a\\\"b\\u001b\",\"n\":-42}\n");
    piped_end(&p);
}

static void test_text_line(void **state)
{
    const struct ax_kv kv[] = {{"route", AX_STR("/a"), 0}, {"n", {NULL, 0}, 42}, {"none", AX_STR(""), 0}};
    struct piped p;
    char line[1000];

    (void)state;
    piped_make(&p, AX_LOG_TEXT);
    ax_log_write(&p.log, AX_LOG_ERROR, kv, 3, "clear \x1b[2J it %d%%", 50);
    piped_read(&p, line, sizeof line);
    assert_int_equal(line[10], 'T'); /* 2026-11-22T14:00:00 */
    assert_string_equal(line + 19, " error: clear \\u001b[2J it 50% route=/a n=42 none=\n");
    piped_end(&p);
}

static void test_stack_as_lines(void **state)
{
    const struct ax_kv kv[] = {{"stack", AX_STR("Error: a\n    at f (x.js:1:2)\n\x1b[2J"), 0},
                               {"n", {NULL, 0}, 1}};
    char many[200], line[1000];
    const struct ax_kv long_stack[] = {{"stack", {many, sizeof many}, 0}};
    struct piped p;
    unsigned lines = 0;

    (void)state;
    piped_make(&p, AX_LOG_TEXT);
    ax_log_write(&p.log, AX_LOG_ERROR, kv, 2, "failed");
    piped_read(&p, line, sizeof line);
    assert_string_equal(line + 19, " error: failed n=1\n  Error: a\n      at f (x.js:1:2)\n  \\u001b[2J\n");
    memset(many, '\n', sizeof many);
    ax_log_write(&p.log, AX_LOG_ERROR, long_stack, 1, "failed");
    piped_read(&p, line, sizeof line);
    for (const char *at = line; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 21); /* the rest is escaped */
    piped_end(&p);
}

static void test_levels(void **state)
{
    struct piped p;
    char text[1000];

    (void)state;
    piped_make(&p, AX_LOG_TEXT);
    p.log.level = AX_LOG_WARN;
    ax_log_info(&p.log, "not me");
    ax_log_warn(&p.log, "me");
    ax_log_error(&p.log, "me too");
    piped_read(&p, text, sizeof text);
    assert_null(strstr(text, "not me"));
    assert_non_null(strstr(text, " warn: me\n"));
    assert_non_null(strstr(text, " error: me too\n"));
    p.log.fd = -1;
    ax_log_error(&p.log, "to nobody");
    assert_int_equal(p.log.dropped, 0);
    piped_end(&p);
}

static void test_full_pipe_never_blocks(void **state)
{
    struct piped p;
    char text[65536];
    unsigned written = 0, whole = 0;

    (void)state;
    piped_make(&p, AX_LOG_TEXT); /* a blocking descriptor: the call must not even try */
    while (p.log.dropped == 0) {
        ax_log_info(&p.log, "line %u", written++);
        assert_true(written < 100000);
    }
    ax_log_info(&p.log, "dropped too");
    assert_int_equal(p.log.dropped, 2);
    fcntl(p.fd[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = read(p.fd[0], text, sizeof text)) > 0;) {
        for (ssize_t i = 0; i < n; i++)
            whole += text[i] == '\n';
        assert_int_equal(text[n - 1], '\n'); /* only whole lines */
    }
    assert_int_equal(whole, written - 1);
    ax_log_info(&p.log, "there is room again");
    assert_int_equal(p.log.dropped, 2);
    piped_end(&p);
}

static void test_reader_gone(void **state)
{
    struct piped p;

    (void)state;
    piped_make(&p, AX_LOG_TEXT);
    close(p.fd[0]);
    ax_log_info(&p.log, "to nobody"); /* no SIGPIPE: it would kill this test */
    assert_int_equal(p.log.dropped, 1);
    close(p.fd[1]);
}

static void test_too_long_is_dropped(void **state)
{
    static char longer[AX_LOG_LINE_MAX];
    struct ax_kv kv = {"s", {longer, sizeof longer}, 0};
    struct piped p;

    (void)state;
    memset(longer, 'x', sizeof longer);
    piped_make(&p, AX_LOG_JSON);
    ax_log_write(&p.log, AX_LOG_INFO, &kv, 1, "x");
    assert_int_equal(p.log.dropped, 1);
    ax_fail_alloc_at(1);
    ax_log_info(&p.log, "no memory");
    ax_fail_alloc_at(0);
    assert_int_equal(p.log.dropped, 2);
    piped_end(&p);
}

static void test_raw_in_pieces(void **state)
{
    static char lines[20000], back[sizeof lines + 1];
    struct piped p;
    struct folder f;

    (void)state;
    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
    piped_make(&p, AX_LOG_TEXT);
    assert_int_equal(ax_log_raw(p.fd[1], lines, sizeof lines), sizeof lines);
    piped_read(&p, back, sizeof back);
    assert_memory_equal(back, lines, sizeof lines);
    memset(lines, 'x', sizeof lines); /* no line end at all: still written */
    assert_int_equal(ax_log_raw(p.fd[1], lines, sizeof lines), sizeof lines);
    piped_end(&p);
    folder_make(&f);
    int fd = open(f.file, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(ax_log_raw(fd, lines, sizeof lines), sizeof lines);
    close(fd);
    assert_int_equal(slurp(f.file, back, sizeof back), sizeof lines);
    assert_int_equal(ax_log_raw(-1, "x", 1), 0);
    folder_remove(&f);
}

static void test_open(void **state)
{
    static const struct {
        const char *output;
        int fd;
    } t[] = {{"stderr", 2}, {"stdout", 1}, {"off", -1}};
    struct ax_log log;
    struct ax_err err = {0};
    struct folder f;
    struct stat st;
    char text[1000];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        assert_int_equal(ax_log_open(&log, t[i].output, AX_LOG_TEXT, AX_LOG_INFO, &err), 0);
        assert_int_equal(log.fd, t[i].fd);
        ax_log_close(&log);
    }
    assert_true(fcntl(1, F_GETFD) >= 0); /* never closed */
    assert_true(fcntl(2, F_GETFD) >= 0);
    folder_make(&f);
    assert_int_equal(ax_log_open(&log, f.file, AX_LOG_AUTO, AX_LOG_INFO, &err), 0);
    assert_int_equal(log.format, AX_LOG_JSON); /* no terminal */
    assert_int_equal(fcntl(log.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ax_log_info(&log, "one");
    ax_log_close(&log);
    ax_log_close(&log); /* twice is harmless */
    assert_int_equal(stat(f.file, &st), 0);
    assert_int_equal(st.st_mode & 0137, 0); /* at most 0640 */
    assert_int_equal(ax_log_open(&log, f.file, AX_LOG_TEXT, AX_LOG_INFO, &err), 0);
    ax_log_info(&log, "two"); /* appends */
    ax_log_close(&log);
    slurp(f.file, text, sizeof text);
    assert_non_null(strstr(text, "\"msg\":\"one\"}\n2"));
    assert_non_null(strstr(text, " info: two\n"));
    folder_remove(&f);
}

static void test_open_fails(void **state)
{
    struct ax_log log;
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_log_open(&log, "/nonexistent/a.log", AX_LOG_AUTO, AX_LOG_INFO, &err), -AX_E_SYS);
    assert_non_null(strstr(err.msg, "/nonexistent/a.log"));
    assert_int_equal(log.fd, -1);
    assert_null(log.path);
    err = (struct ax_err){0};
    ax_fail_alloc_at(1);
    assert_int_equal(ax_log_open(&log, "/tmp/never-made.log", AX_LOG_AUTO, AX_LOG_INFO, &err), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    assert_int_equal(access("/tmp/never-made.log", F_OK), -1);
}

static void test_reopen(void **state)
{
    struct ax_log log;
    struct ax_err err = {0};
    struct folder f;
    char text[1000];

    (void)state;
    folder_make(&f);
    assert_int_equal(ax_log_open(&log, f.file, AX_LOG_TEXT, AX_LOG_INFO, &err), 0);
    int before = log.fd;
    ax_log_info(&log, "first");
    assert_int_equal(rename(f.file, f.moved), 0);
    ax_log_info(&log, "still the old file");
    assert_int_equal(ax_log_reopen(&log, &err), 0);
    assert_int_equal(log.fd, before);
    assert_int_equal(fcntl(log.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ax_log_info(&log, "second");
    slurp(f.moved, text, sizeof text);
    assert_non_null(strstr(text, "still the old file"));
    assert_null(strstr(text, "second"));
    slurp(f.file, text, sizeof text);
    assert_non_null(strstr(text, "second"));
    /* a file that cannot be opened: the old one is kept */
    unlink(f.file);
    assert_int_equal(mkdir(f.file, 0700), 0);
    assert_int_equal(ax_log_reopen(&log, &err), -AX_E_SYS);
    ax_log_info(&log, "kept");
    assert_int_equal(log.dropped, 0);
    rmdir(f.file);
    ax_log_close(&log);
    folder_remove(&f);
    struct ax_log none = {.fd = 2};
    assert_int_equal(ax_log_reopen(&none, &err), 0);
}

static void test_full_disk(void **state)
{
    struct ax_log log = {.fd = open("/dev/full", O_WRONLY), .level = AX_LOG_INFO, .format = AX_LOG_TEXT};

    (void)state;
    assert_true(log.fd >= 0);
    ax_log_info(&log, "lost");
    assert_int_equal(log.dropped, 1);
    close(log.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_line),
        cmocka_unit_test(test_text_line),
        cmocka_unit_test(test_stack_as_lines),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_full_pipe_never_blocks),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_too_long_is_dropped),
        cmocka_unit_test(test_raw_in_pieces),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_open_fails),
        cmocka_unit_test(test_reopen),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
