#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"

static const struct ax_head_limits limits = {.bytes = 8192, .uri = 256, .fields = 40};

/* A parsed head, in memory that is exactly as long as it is. */
struct parsed {
    char *copy;
    struct ax_arena arena;
    _Alignas(16) char inline_bytes[256];
    struct ax_head head;
};

static void parse(struct parsed *r, const char *fields)
{
    char text[8192];
    struct ax_refusal why;
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: own.example\r\n%s\r\n", fields);

    assert_true(n > 0 && (size_t)n < sizeof text);
    r->copy = malloc((size_t)n);
    assert_non_null(r->copy);
    memcpy(r->copy, text, (size_t)n);
    ax_arena_init(&r->arena, r->inline_bytes, sizeof r->inline_bytes, 65536);
    if (!ax_head_parse(r->copy, (size_t)n, &limits, &r->arena, &r->head, &why))
        fail_msg("%s: %s", fields, why.text);
}

static void done(struct parsed *r)
{
    ax_arena_reset(&r->arena);
    free(r->copy);
}

static void add(struct ax_proxies *p, const char *list)
{
    struct ax_err err = {0};

    while (*list) {
        size_t n = strcspn(list, " ");
        if (ax_proxies_add(p, (struct ax_str){list, n}, &err) < 0)
            fail_msg("%s", err.msg);
        list += n + (list[n] == ' ');
    }
}

/* ---- addresses */

static void test_addresses(void **state)
{
    static const struct {
        const char *in, *want; /* NULL = malformed */
    } t[] = {
        {"1.2.3.4", "1.2.3.4"},
        {"1.2.3.4:80", "1.2.3.4"},
        {"1.2.3.4:_secret", "1.2.3.4"},
        {"::1", "::1"},
        {"[::1]", "::1"},
        {"[::1]:65535", "::1"},
        {"[2001:DB8::0:1]:_x", "2001:db8::1"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"[::ffff:1.2.3.4]:9", "1.2.3.4"},
        {"255.255.255.255", "255.255.255.255"},
        {"", NULL},
        {" 1.2.3.4", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"256.1.1.1", NULL},
        {"01.2.3.4", NULL},
        {"1.2.3.4:", NULL},
        {"1.2.3.4:123456", NULL},
        {"1.2.3.4:8x", NULL},
        {"1.2.3.4:_", NULL},
        {"1.2.3.4:80:80", NULL},
        {"[1.2.3.4]", NULL},
        {"[::1", NULL},
        {"[::1]80", NULL},
        {"[::1]:", NULL},
        {"[]", NULL},
        {"::1]:80", NULL},
        {"fe80::1%eth0", NULL},
        {"example.com", NULL},
        {"unknown", NULL},
        {"_hidden", NULL},
        {"unix", NULL},
        {"-", NULL},
        {"1.2.3.4/8", NULL},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_addr a = {0};
        char text[AX_ADDR_TEXT];
        char *exact = malloc(strlen(t[i].in) + 1);
        memcpy(exact, t[i].in, strlen(t[i].in) + 1);
        bool ok = ax_addr_parse(ax_str(exact), &a);
        ax_addr_text(&a, text);
        if (ok != (t[i].want != NULL) || (ok && strcmp(text, t[i].want) != 0))
            fail_msg("%s: %s", t[i].in, ok ? text : "refused");
        free(exact);
    }
    struct ax_addr none = {.kind = AX_ADDR_NONE}, unix_socket = {.kind = AX_ADDR_UNIX};
    char text[AX_ADDR_TEXT];
    ax_addr_text(&none, text);
    assert_string_equal(text, "");
    ax_addr_text(&unix_socket, text);
    assert_string_equal(text, "unix");
}

static void test_trust(void **state)
{
    static const struct {
        const char *proxies, *addr;
        bool want;
    } t[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true},
        {"192.168.4.0/23", "192.168.5.255", true},
        {"192.168.4.0/23", "192.168.6.0", false},
        {"0.0.0.0/0", "1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"::/0", "1.2.3.4", true},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"::ffff:10.0.0.0/104", "11.1.1.1", false},
        {"fd00::/8", "fd12:3456::1", true},
        {"fd00::/8", "fe00::1", false},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"::1", "::1", true},
        {"::1 127.0.0.1", "127.0.0.1", true},
        {"unix", "127.0.0.1", false},
        {"", "127.0.0.1", false},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_proxies p = {0};
        struct ax_addr a;
        add(&p, t[i].proxies);
        assert_true(ax_addr_parse(ax_str(t[i].addr), &a));
        if (ax_proxies_trust(&p, &a) != t[i].want)
            fail_msg("%s in %s", t[i].addr, t[i].proxies);
        assert_int_equal(ax_proxies_any(&p), t[i].proxies[0] != '\0');
        ax_proxies_fini(&p);
    }
    struct ax_addr unix_socket = {.kind = AX_ADDR_UNIX}, none = {0};
    struct ax_proxies p = {0};
    add(&p, "::/0");
    assert_false(ax_proxies_trust(&p, &unix_socket));
    add(&p, "unix");
    assert_true(ax_proxies_trust(&p, &unix_socket));
    assert_false(ax_proxies_trust(&p, &none));
    ax_proxies_fini(&p);
}

static void test_bad_proxies(void **state)
{
    static const char *const t[] = {
        "",     "10.0.0.0/33", "::1/129",    "10.0.0.0/", "/8", "a/b", "10.0.0.0/-1", "10.0.0.0/8/8",
        "Unix", "localhost",   "1.2.3.4:80", "[::1]",     "*"};

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_proxies p = {0};
        struct ax_err err = {0};
        if (ax_proxies_add(&p, ax_str(t[i]), &err) != -AX_E_TYPE || err.code != AX_E_TYPE)
            fail_msg("%s passed", t[i]);
        assert_false(ax_proxies_any(&p));
        ax_proxies_fini(&p);
    }
}

static void test_no_memory(void **state)
{
    struct ax_proxies p = {0};
    struct ax_err err = {0};

    (void)state;
    ax_fail_alloc_at(1);
    assert_int_equal(ax_proxies_add(&p, AX_STR("10.0.0.0/8"), &err), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    assert_false(ax_proxies_any(&p));
    add(&p, "10.0.0.0/8");
    ax_fail_alloc_at(1);
    assert_int_equal(ax_proxies_add(&p, AX_STR("::1"), &err), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    assert_int_equal(p.n, 1);
    ax_proxies_fini(&p);
}

/* ---- who the client is; the peer is 10.0.0.1, and 10.0.0.0/8, fd00::/8 and Unix sockets are trusted */

#define XFF   "X-Forwarded-For: "
#define PROTO "X-Forwarded-Proto: "
#define HOST  "X-Forwarded-Host: "
#define FWD   "Forwarded: "
#define NL    "\r\n"

static const char *proto_text(enum ax_proto p)
{
    return p == AX_PROTO_HTTPS ? "https" : p == AX_PROTO_HTTP ? "http" : "";
}

static void test_forwarded(void **state)
{
    static const struct {
        const char *fields, *client, *proto, *host;
    } t[] = {
        {"", "10.0.0.1", "", ""},
        /* X-Forwarded-For */
        {XFF "1.2.3.4" NL, "1.2.3.4", "", ""},
        {"x-forwarded-for:1.2.3.4" NL, "1.2.3.4", "", ""},
        {XFF "6.6.6.6, 1.2.3.4" NL, "1.2.3.4", "", ""},
        {XFF "1.2.3.4, 10.2.2.2" NL, "1.2.3.4", "", ""},
        {XFF "6.6.6.6,1.2.3.4,10.2.2.2,10.3.3.3" NL, "1.2.3.4", "", ""},
        {XFF "1.2.3.4" NL XFF "10.2.2.2" NL, "1.2.3.4", "", ""},
        {XFF "6.6.6.6" NL XFF "1.2.3.4" NL, "1.2.3.4", "", ""},
        {XFF "10.5.5.5, 10.2.2.2" NL, "10.5.5.5", "", ""},
        {XFF "2001:db8::1" NL, "2001:db8::1", "", ""},
        {XFF "[2001:db8::1]:443" NL, "2001:db8::1", "", ""},
        {XFF "1.2.3.4:5678" NL, "1.2.3.4", "", ""},
        {XFF "1.2.3.4, fd00::7" NL, "1.2.3.4", "", ""},
        {XFF "1.2.3.4, ::ffff:10.2.2.2" NL, "1.2.3.4", "", ""},
        {XFF "1.2.3.4, , ,10.2.2.2,," NL, "1.2.3.4", "", ""},
        {XFF NL, "10.0.0.1", "", ""},
        {XFF ", ," NL, "10.0.0.1", "", ""},
        {XFF "unknown" NL, "10.0.0.1", "", ""},
        {XFF "1.2.3.4, unknown" NL, "10.0.0.1", "", ""},
        {XFF "1.2.3.4, garbage, 10.2.2.2" NL, "10.2.2.2", "", ""},
        {XFF "unix" NL, "10.0.0.1", "", ""},
        {XFF "\"1.2.3.4\"" NL, "10.0.0.1", "", ""},
        {XFF "1.2.3.4 10.2.2.2" NL, "10.0.0.1", "", ""},
        /* X-Forwarded-Proto and -Host */
        {PROTO "https" NL, "10.0.0.1", "https", ""},
        {PROTO "HTTP" NL, "10.0.0.1", "http", ""},
        {PROTO "wss" NL, "10.0.0.1", "", ""},
        {XFF "1.2.3.4" NL PROTO "https" NL HOST "a.example" NL, "1.2.3.4", "https", "a.example"},
        {XFF "1.2.3.4" NL PROTO "https, http" NL, "1.2.3.4", "http", ""},
        {XFF "1.2.3.4, 10.2.2.2" NL PROTO "https, http" NL, "1.2.3.4", "https", ""},
        {XFF "1.2.3.4, 10.2.2.2" NL PROTO "https" NL, "1.2.3.4", "https", ""},
        {XFF "1.2.3.4, 10.2.2.2" NL HOST "evil, a.example, b.example" NL, "1.2.3.4", "", "a.example"},
        {HOST "a.example:8443" NL, "10.0.0.1", "", "a.example:8443"},
        {HOST "[::1]:8443" NL, "10.0.0.1", "", "[::1]:8443"},
        {HOST "a b" NL, "10.0.0.1", "", ""},
        {HOST "user@a" NL, "10.0.0.1", "", ""},
        {HOST ":80" NL, "10.0.0.1", "", ""},
        {HOST "a/b" NL, "10.0.0.1", "", ""},
        {HOST NL, "10.0.0.1", "", ""},
        /* Forwarded */
        {FWD "for=1.2.3.4" NL, "1.2.3.4", "", ""},
        {FWD "For=\"1.2.3.4:80\"" NL, "1.2.3.4", "", ""},
        {FWD "for=\"[2001:db8::1]\"" NL, "2001:db8::1", "", ""},
        {FWD "for=\"[2001:db8::1]:4711\";proto=https" NL, "2001:db8::1", "https", ""},
        {FWD "for=2001:db8::1" NL, "2001:db8::1", "", ""},
        {FWD "for=1.2.3.4;proto=https;by=10.0.0.1;host=a.example" NL, "1.2.3.4", "https", "a.example"},
        {FWD "host=\"a.example:8443\" ; PROTO=\"https\" ; for=1.2.3.4" NL, "1.2.3.4", "https",
         "a.example:8443"},
        {FWD "for=6.6.6.6;proto=https;host=evil, for=1.2.3.4" NL, "1.2.3.4", "", ""},
        {FWD "for=6.6.6.6, for=1.2.3.4;proto=https, for=10.2.2.2;proto=http" NL, "1.2.3.4", "https", ""},
        {FWD "for=1.2.3.4, for=10.2.2.2;proto=https;host=a" NL, "1.2.3.4", "https", "a"},
        {FWD "for=1.2.3.4" NL FWD "for=10.2.2.2" NL, "1.2.3.4", "", ""},
        {FWD "for=unknown;proto=https" NL, "10.0.0.1", "https", ""},
        {FWD "for=1.2.3.4, for=_hidden;proto=https, for=10.2.2.2" NL, "10.2.2.2", "https", ""},
        {FWD "for=_SEVKISEK, for=10.2.2.2" NL, "10.2.2.2", "", ""},
        {FWD "proto=https" NL, "10.0.0.1", "https", ""},
        {FWD "for=1.2.3.4;ext=\"a, b; c\\\" d\"" NL, "1.2.3.4", "", ""},
        {FWD "for=6.6.6.6, for=1.2.3.4;ext=\"x, for=7.7.7.7\"" NL, "1.2.3.4", "", ""},
        {FWD "for=\"6.6.6.6, for=1.2.3.4" NL, "1.2.3.4", "", ""},       /* a quote left open by the client */
        {FWD "for=\"a\\\", for=1.2.3.4" NL, "1.2.3.4", "", ""},         /* and one that looks escaped */
        {FWD "for=1.2.3.4;for=10.2.2.2" NL, "10.0.0.1", "", ""},        /* twice */
        {FWD "for=1.2.3.4, for, for=10.2.2.2" NL, "10.2.2.2", "", ""},  /* malformed: the walk ends */
        {FWD "for=1.2.3.4, for=, for=10.2.2.2" NL, "10.2.2.2", "", ""}, /* */
        {FWD "for=1.2.3.4, for=\"\", for=10.2.2.2" NL, "10.2.2.2", "", ""}, /* */
        {FWD "for=1.2.3.4, =x, for=10.2.2.2" NL, "10.2.2.2", "", ""},       /* */
        {FWD "for=1.2.3.4 proto=https" NL, "10.0.0.1", "", ""},
        {FWD "for =1.2.3.4" NL, "10.0.0.1", "", ""},
        {FWD "for=1.2.3.4;;proto=https;" NL, "1.2.3.4", "https", ""},
        {FWD "for=1.2.3.4;host=\"a b\"" NL, "1.2.3.4", "", ""},
        {FWD NL, "10.0.0.1", "", ""},
        /* both: X-Forwarded-* alone counts */
        {XFF "1.2.3.4" NL FWD "for=6.6.6.6;proto=https;host=evil" NL, "1.2.3.4", "", ""},
        {FWD "for=6.6.6.6;host=evil" NL PROTO "https" NL, "10.0.0.1", "https", ""},
        {FWD "for=6.6.6.6" NL HOST "a" NL, "10.0.0.1", "", "a"},
    };
    struct ax_proxies p = {0};
    struct ax_addr peer;

    (void)state;
    add(&p, "10.0.0.0/8 fd00::/8 unix");
    assert_true(ax_addr_parse(AX_STR("10.0.0.1"), &peer));
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct parsed r;
        struct ax_forwarded f;
        char text[AX_ADDR_TEXT];
        parse(&r, t[i].fields);
        ax_forwarded_read(&r.head, &p, &peer, &f);
        ax_addr_text(&f.client, text);
        if (strcmp(text, t[i].client) != 0 || strcmp(proto_text(f.proto), t[i].proto) != 0 ||
            !ax_str_eq(f.host, ax_str(t[i].host)))
            fail_msg("row %zu: %s gave %s %s %.*s", i, t[i].fields, text, proto_text(f.proto), (int)f.host.n,
                     f.host.p ? f.host.p : "");
        done(&r);
    }
    ax_proxies_fini(&p);
}

static void test_unix_peer(void **state)
{
    struct ax_proxies p = {0};
    struct ax_addr peer = {.kind = AX_ADDR_UNIX};
    struct parsed r;
    struct ax_forwarded f;

    (void)state;
    add(&p, "unix");
    parse(&r, "");
    ax_forwarded_read(&r.head, &p, &peer, &f);
    assert_int_equal(f.client.kind, AX_ADDR_UNIX);
    done(&r);
    ax_proxies_fini(&p);
}

static void test_id(void **state)
{
    static const struct {
        const char *fields, *want;
    } t[] = {
        {"", ""},
        {"X-Request-Id: abc-123" NL, "abc-123"},
        {"x-request-id: AZaz09._~+/=-" NL, "AZaz09._~+/=-"},
        {"X-Request-Id: 0123456789012345678901234567890123456789012345678901234567890123" NL,
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"X-Request-Id: 01234567890123456789012345678901234567890123456789012345678901234" NL, ""},
        {"X-Request-Id:" NL, ""},
        {"X-Request-Id: a b" NL, ""},
        {"X-Request-Id: a\"b" NL, ""},
        {"X-Request-Id: a,b" NL, ""},
        {"X-Request-Id: caf\xc3\xa9" NL, ""},
        {"X-Request-Id: a" NL "X-Request-Id: b" NL, ""},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct parsed r;
        parse(&r, t[i].fields);
        if (!ax_str_eq(ax_forwarded_id(&r.head), ax_str(t[i].want)))
            fail_msg("row %zu: %s", i, t[i].fields);
        done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_trust),
        cmocka_unit_test(test_bad_proxies), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_forwarded),   cmocka_unit_test(test_unix_peer),
        cmocka_unit_test(test_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
