#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/mime.h"

static void expect(const struct ax_mime *m, const char *name, const char *want)
{
    struct ax_str got = ax_mime_of(m, ax_str(name));

    if (!ax_str_eq(got, ax_str(want)))
        fail_msg("%s gave %.*s", name, (int)got.n, got.p);
}

static void test_built_in(void **state)
{
    static const char *const t[][2] = {
        {"index.html", "text/html; charset=utf-8"},
        {"a/b.c/INDEX.HTM", "text/html; charset=utf-8"},
        {"app.js", "text/javascript; charset=utf-8"},
        {"app.min.mjs", "text/javascript; charset=utf-8"},
        {"app.css", "text/css; charset=utf-8"},
        {"app.js.map", "application/json; charset=utf-8"},
        {"site.webmanifest", "application/manifest+json; charset=utf-8"},
        {"logo.svg", "image/svg+xml"},
        {"feed.xml", "application/xml"},
        {"a.png", "image/png"},
        {"a.woff2", "font/woff2"},
        {"a.wasm", "application/wasm"},
        {"a.mp4", "video/mp4"},
        {"a.unknown", "application/octet-stream"},
        {"README", "application/octet-stream"},
        {"a.d/README", "application/octet-stream"},
        {"a.", "application/octet-stream"},
        {".", "application/octet-stream"},
        {"", "application/octet-stream"},
        {"x.abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz", "application/octet-stream"},
    };
    struct ax_mime *m = ax_mime_new();

    (void)state;
    assert_int_equal(ax_mime_freeze(m, NULL), 0);
    for (size_t i = 0; i < AX_COUNT(t); i++)
        expect(m, t[i][0], t[i][1]);
    ax_mime_free(m);
}

static void test_tables(void **state)
{
    static const char types[] = "# a comment\n"
                                "text/x-own\t\t\town Own2\r\n"
                                "application/x-page html\n"
                                "application/x-tar-gz tar.gz\n"
                                "no-type a1\n"
                                "bad type/x a2\n"
                                "text/x-bad\x01 a3\n"
                                "text/no-ending\n"
                                "text/later own";
    static const char globs[] = "# a comment\n"
                                "50:text/x-globbed:*.globbed\n"
                                "50:text/x-case:*.cased:cs\n"
                                "50:text/x-name:Makefile\n"
                                "50:text/x-class:*.[ab]\n"
                                "50:broken\n"
                                "40:text/x-other:*.globbed\n";
    struct ax_mime *m = ax_mime_new();

    (void)state;
    assert_int_equal(ax_mime_add(m, AX_MIME_TYPES, ax_str(types), NULL), 0);
    assert_int_equal(ax_mime_add(m, AX_MIME_GLOBS, ax_str(globs), NULL), 0);
    assert_int_equal(ax_mime_freeze(m, NULL), 0);
    expect(m, "a.own", "text/x-own; charset=utf-8");
    expect(m, "a.own2", "text/x-own; charset=utf-8");
    expect(m, "a.html", "application/x-page");
    expect(m, "a.htm", "text/html; charset=utf-8");
    expect(m, "a.tar.gz", "application/x-tar-gz");
    expect(m, "a.gz", "application/gzip");
    expect(m, "a.globbed", "text/x-globbed; charset=utf-8");
    expect(m, "a.cased", "text/x-case; charset=utf-8");
    expect(m, "a.a", "application/octet-stream");
    expect(m, "x.a1", "application/octet-stream");
    expect(m, "x.a2", "application/octet-stream");
    expect(m, "x.a3", "application/octet-stream");
    ax_mime_free(m);
}

static int make(struct ax_mime **ret)
{
    int rc = -AX_E_NOMEM;

    *ret = ax_mime_new();
    if (*ret)
        rc = ax_mime_add(*ret, AX_MIME_TYPES, AX_STR("text/a a\ntext/b b c\n"), NULL);
    if (rc == 0)
        rc = ax_mime_freeze(*ret, NULL);
    return rc;
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_mime *m;
        ax_fail_alloc_at(n);
        int rc = make(&m);
        ax_fail_alloc_at(0);
        ax_mime_free(m);
        if (rc == 0)
            break;
        assert_int_equal(rc, -AX_E_NOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
