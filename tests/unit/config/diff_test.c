#include "config/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/buf.h"

static char *file_in(const char *dir, const char *name, const char *text)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static struct ax_manifest *load(const char *dir, const char *yaml)
{
    char *path = file_in(dir, "actix.yaml", yaml);
    const char *files[] = {path};
    struct ax_manifest_input in = {.files = files, .nfiles = 1};
    struct ax_problems problems = {0};
    struct ax_manifest *m = NULL;

    assert_int_equal(ax_manifest_load(&in, &m, &problems), 0);
    ax_problems_fini(&problems);
    unlink(path);
    free(path);
    return m;
}

static void on_line(void *ctx, bool restart, const char *text)
{
    ax_buf_addf(ctx, "%s%s\n", restart ? "! " : "", text);
}

static void test_lines(void **state)
{
    static const struct {
        const char *a, *b, *lines;
    } t[] = {
        {"routes: { /: a.js }\n", "routes: { /: a.js }\n", ""},
        {"timeouts: { handler: 10s }\n", "timeouts: { handler: 2s }\n",
         "timeouts.handler: 10s -> 2s\ntimeouts.stall: 10s -> 2s\n"},
        {"limits: { memory: off, body: 1MiB }\n", "limits: { memory: 1GiB, body: 2MiB }\n",
         "limits.body: 1MiB -> 2MiB\nlimits.memory: off -> 1GiB\n"},
        {"server: { workers: auto, isolation: thread }\n", "server: { workers: 3, isolation: process }\n",
         "server.workers: auto -> 3\nserver.isolation: thread -> process\n"},
        {"server: { state: a, control: { mode: 0600 } }\n", "server: { state: b, control: { mode: 0660 } }\n",
         "! server.state: a -> b\n! server.control.mode: 0600 -> 0660\n"},
        {"metrics: { database: off }\n", "metrics: { database: m.db }\n",
         "! metrics.database: off -> m.db\n"},
        {"env: { A: one, B: two }\n", "env: { A: other, C: three }\n", "env: ~ A\nenv: - B\nenv: + C\n"},
        {"server: { node_options: [--a, --b] }\n", "server: { node_options: [--b, --c] }\n",
         "server.node_options: - --a\nserver.node_options: + --c\n"},
        {"server: { node_options: [--a, --b] }\n", "server: { node_options: [--b, --a] }\n",
         "server.node_options: in another order, or another number of times\n"},
        {"server: { listen: 3001 }\n", "server: { listen: 3002 }\n", ""}, /* told by whoever binds */
        {"admin: off\n", "admin: { listen: 3002 }\n", "admin.listen: + 3002\n"},
        {"modules: [a.js]\n", "modules: [b.js]\n", "modules: - a.js\nmodules: + b.js\n"},
        {"routes: { /: a.js, /old: b.js }\n", "routes: { /: b.js, /new: { GET: a.js#get } }\n",
         "routes: ANY /: a.js -> b.js\nroutes: - ANY /old\nroutes: + GET /new (a.js#get)\n"},
        {"routes: { /: { node: a.js }, /h: a.js }\n",
         "routes: { /: { node: \"b.js#app\" }, /h: { node: a.js } }\n",
         "routes: ANY /: node a.js -> node b.js#app\nroutes: ANY /h: a.js -> node a.js\n"},
        {"routes: { /: { handler: a.js, timeout: 1s } }\n",
         "routes: { /: { handler: a.js, timeout: off, body: 5, headers: { x-a: b } } }\n",
         "routes: ANY /: timeout: 1s -> off\nroutes: ANY /: body: 1MiB -> 5B\nroutes: ANY /: headers: + "
         "x-a\n"},
        {"routes: { /: { respond: a }, /o: { redirect: /x } }\n",
         "routes: { /: { respond: b }, /o: { redirect: /y, status: 301 } }\n",
         "routes: ANY /: respond 200 a -> respond 200 b\nroutes: ANY /o: redirect 308 to /x -> redirect 301 "
         "to "
         "/y\n"},
    };
    char dir[] = "/tmp/actix-test-XXXXXX";

    (void)state;
    assert_non_null(mkdtemp(dir));
    char *a_js = file_in(dir, "a.js", ""), *b_js = file_in(dir, "b.js", "");
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_buf b = AX_BUF_INIT(1 << 16);
        struct ax_manifest *before = load(dir, t[i].a), *after = load(dir, t[i].b);
        ax_manifest_diff(before, after, on_line, &b);
        assert_string_equal(b.n ? ax_buf_cstr(&b) : "", t[i].lines);
        ax_buf_fini(&b);
        ax_manifest_free(before);
        ax_manifest_free(after);
    }
    unlink(a_js);
    unlink(b_js);
    rmdir(dir);
    free(a_js);
    free(b_js);
}

static void count(void *ctx, bool restart, const char *text)
{
    unsigned *n = ctx;

    (void)restart;
    (*n)++;
    if (*n > AX_DIFF_LINES_MAX)
        assert_string_equal(text, "and 100 more");
}

static void test_bounded(void **state)
{
    char dir[] = "/tmp/actix-test-XXXXXX";
    struct ax_buf b = AX_BUF_INIT(1 << 20);
    unsigned n = 0;

    (void)state;
    assert_non_null(mkdtemp(dir));
    ax_buf_adds(&b, "routes:\n");
    for (unsigned i = 0; i < AX_DIFF_LINES_MAX + 100; i++)
        ax_buf_addf(&b, "  /r%u: { respond: a }\n", i);
    struct ax_manifest *none = load(dir, "version: 1\n"), *many = load(dir, ax_buf_cstr(&b));
    ax_manifest_diff(none, many, count, &n);
    assert_int_equal(n, AX_DIFF_LINES_MAX + 1);
    ax_manifest_free(none);
    ax_manifest_free(many);
    ax_buf_fini(&b);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
