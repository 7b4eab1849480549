/* Credentials, files of passwords, hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/basic_auth.h"

/* crypt_blowfish's own vector: "U*U" */
#define BCRYPT "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"

static void test_credentials(void **state)
{
    static const struct {
        const char *field, *user, *password; /* user NULL = refused */
    } t[] = {
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame"}, /* RFC 7617, 2 */
        {"bAsIc  QWxhZGRpbjpvcGVuIHNlc2FtZQ== ", "Aladdin", "open sesame"},
        {"Basic dGVzdDoxMjPCow==", "test", "123\302\243"},
        {"Basic YTpiOmM=", "a", "b:c"},
        {"Basic Og==", "", ""},
        {"Basic", NULL, NULL},
        {"Basic ", NULL, NULL},
        {"BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL, NULL},
        {"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", NULL, NULL},
        {"Basic bm9jb2xvbg==", NULL, NULL},
        {"Basic YTpiAA==", NULL, NULL},
        {"Basic YTpiCg==", NULL, NULL},
        {"Basic !!!!", NULL, NULL},
    };
    struct ax_arena a;
    (void)state;
    ax_arena_init(&a, NULL, 0, 1 << 20);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_basic b;
        struct ax_str given = ax_auth_credentials(ax_str(t[i].field), AX_STR("Basic"));
        bool ok = given.p && ax_basic_parse(given, &a, &b);
        if (ok != (t[i].user != NULL))
            fail_msg("%s", t[i].field);
        if (ok) {
            assert_string_equal(b.user.p, t[i].user);
            assert_string_equal(b.password.p, t[i].password);
        }
    }
    ax_arena_reset(&a);
}

static void test_users(void **state)
{
    static const struct {
        const char *text, *says; /* says NULL = good */
    } t[] = {
        {"ann:" BCRYPT "\nbob:" BCRYPT ":more\r\n\n# x\n", NULL},
        {"", "has no user"},
        {"# only\n", "has no user"},
        {"ann\n", "line 1 is no name:hash"},
        {"\n:" BCRYPT "\n", "line 2 is no name:hash"},
        {"ann:secret\n", "line 1: the hash of ann"},
        {"ann:$apr1$a$b\n", "htpasswd -B"},
        {"ann:$1$a$b\n", "is none of"},
        {"a:" BCRYPT "\na:" BCRYPT "\n", "names a twice"},
    };
    struct ax_crypt *c;
    (void)state;
    assert_int_equal(ax_crypt_new(&c, NULL), 0);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_err err = {.code = AX_OK};
        struct ax_users u;
        int rc = ax_users_parse(ax_str(t[i].text), c, &u, &err);
        assert_int_equal(rc == 0, t[i].says == NULL);
        if (rc < 0) {
            assert_non_null(strstr(err.msg, t[i].says));
            assert_null(strstr(err.msg, "secret"));
            continue;
        }
        assert_string_equal(ax_users_find(&u, AX_STR("ann")), BCRYPT);
        assert_string_equal(ax_users_find(&u, AX_STR("bob")), BCRYPT);
        assert_null(ax_users_find(&u, AX_STR("an")));
        assert_null(ax_users_find(&u, AX_STR("anna")));
        assert_null(ax_users_find(&u, AX_STR("")));
        assert_null(ax_users_find(&u, AX_STR("zoe")));
        ax_users_fini(&u);
    }
    ax_crypt_free(c);
}

static void test_hashes(void **state)
{
    struct ax_crypt *c;
    (void)state;
    assert_int_equal(ax_crypt_new(&c, NULL), 0);
    assert_true(ax_crypt_matches(c, "U*U", BCRYPT));
    assert_false(ax_crypt_matches(c, "U*V", BCRYPT));
    assert_false(ax_crypt_matches(c, "", BCRYPT));
    assert_false(ax_crypt_matches(c, "U*U", "$2a$05$short"));
    assert_false(ax_crypt_matches(c, "*0", "*0"));
    ax_crypt_free(c);
}

static void test_memory(void **state)
{
    struct ax_crypt *c;
    (void)state;
    ax_fail_alloc_at(1);
    assert_int_equal(ax_crypt_new(&c, NULL), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
    assert_int_equal(ax_crypt_new(&c, NULL), 0);
    for (unsigned n = 1;; n++) {
        struct ax_users u;
        ax_fail_alloc_at(n);
        int rc = ax_users_parse(AX_STR("ann:" BCRYPT "\n"), c, &u, NULL);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            ax_users_fini(&u);
            break;
        }
        assert_int_equal(rc, -AX_E_NOMEM);
    }
    ax_crypt_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_credentials), cmocka_unit_test(test_users),
                                       cmocka_unit_test(test_hashes), cmocka_unit_test(test_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
