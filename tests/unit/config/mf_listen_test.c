#include "fixture.h"

static void test_forms(void **state)
{
    static const struct {
        const char *text;
        enum ax_listen_kind kind;
        const char *where; /* NULL = refused */
        unsigned port;
        bool port_only;
        const char *says;
    } t[] = {
        {"3001", AX_LISTEN_TCP, "127.0.0.1", 3001, true, ""},
        {"0", AX_LISTEN_TCP, "127.0.0.1", 0, true, ""},
        {"127.0.0.1:80", AX_LISTEN_TCP, "127.0.0.1", 80, false, ""},
        {"0.0.0.0:65535", AX_LISTEN_TCP, "0.0.0.0", 65535, false, ""},
        {"localhost:3001", AX_LISTEN_TCP, "localhost", 3001, false, ""},
        {"*:3001", AX_LISTEN_TCP, "*", 3001, false, ""},
        {"[::1]:3001", AX_LISTEN_TCP, "::1", 3001, false, ""},
        {"[::]:0", AX_LISTEN_TCP, "::", 0, false, ""},
        {"[fe80::1%eth0]:80", AX_LISTEN_TCP, "fe80::1%eth0", 80, false, ""},
        {"unix:/run/a.sock", AX_LISTEN_UNIX, "/run/a.sock", 0, false, ""},
        {"unix:a b", AX_LISTEN_UNIX, "a b", 0, false, ""},
        {"", 0, NULL, 0, false, "needs a port"},
        {"65536", 0, NULL, 0, false, "0 to 65535"},
        {"99999999999999999999999", 0, NULL, 0, false, "must be a number"},
        {"127.0.0.1", 0, NULL, 0, false, "needs a port"},
        {"127.0.0.1:", 0, NULL, 0, false, "must be a number"},
        {"127.0.0.1:x", 0, NULL, 0, false, "must be a number"},
        {"127.0.0.1:-1", 0, NULL, 0, false, "must be a number"},
        {"127.0.0.256:80", 0, NULL, 0, false, "must be an IP address"},
        {"example.com:80", 0, NULL, 0, false, "must be an IP address"},
        {":80", 0, NULL, 0, false, "\"*:PORT\""},
        {"::1", 0, NULL, 0, false, "quote it"},
        {"[::1]", 0, NULL, 0, false, "needs a port"},
        {"[::1:80", 0, NULL, 0, false, "IPv6"},
        {"[x]:80", 0, NULL, 0, false, "IPv6"},
        {"[::1%]:80", 0, NULL, 0, false, "IPv6"},
        {"[::1]:99999", 0, NULL, 0, false, "0 to 65535"},
        {"unix:", 0, NULL, 0, false, "needs a path"},
        {"http://localhost:80", 0, NULL, 0, false, "no scheme"},
        {"localhost:85[::]:80", 0, NULL, 0, false, "the host must be"},
        {"localhost:1:80", 0, NULL, 0, false, "the host must be"},
        {"*:1:80", 0, NULL, 0, false, "the host must be"},
    };
    struct ax_mf_arena *a = ax_mf_arena_new();
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {0};
        struct ax_listen l = {0};
        int rc = ax_listen_parse(t[i].text, &l, a, &err);
        const char *where = l.kind == AX_LISTEN_UNIX ? l.path : l.host;
        bool same = t[i].where ? rc == 0 && l.kind == t[i].kind && strcmp(where, t[i].where) == 0 &&
                                     l.port == t[i].port && l.port_only == t[i].port_only && l.mode == -1
                               : rc < 0 && strstr(err.msg, t[i].says);
        if (!same)
            fail_msg("%s: %d %s", t[i].text, rc, err.msg);
    }
    ax_mf_arena_free(a);
}

static void test_no_memory(void **state)
{
    static const char *const texts[] = {"3001", "[::1]:1", "*:80", "unix:x"};
    (void)state;
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct ax_mf_arena *a = ax_mf_arena_new();
        struct ax_listen l;
        struct ax_err err = {0};
        for (int full = 0; full < 200; full++) /* use up the arena's own block */
            assert_int_equal(ax_listen_parse("unix:a-path-of-some-length", &l, a, NULL), 0);
        int rc = 0;
        for (int n = 0; n < 2000 && rc == 0; n++) {
            ax_fail_alloc_at(1);
            rc = ax_listen_parse(texts[i], &l, a, &err);
        }
        ax_fail_alloc_at(0);
        assert_int_equal(rc, -AX_E_NOMEM);
        assert_int_equal(err.code, AX_E_NOMEM);
        ax_mf_arena_free(a);
    }
    ax_fail_alloc_at(1);
    assert_null(ax_mf_arena_new());
    ax_fail_alloc_at(0);
    ax_mf_arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
