/* Tokens: RFC 7515's own, and all that must be refused.  What node:crypto signs is tried in
 * tests/integration/policy.test.js. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "http/base64.h"
#include "http/jwt.h"
#include "tests/unit/http/base64url.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const char public_key[] = "-----BEGIN PUBLIC KEY-----\n"
                                 "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA33Uif+LIy40yg+e9QCBT\n"
                                 "QTb9dx/jQ6UHg8l0u137AThhk7/Sh/dfVLhr+Pd8wjP1mBY8Tx4W/el4XGkikKbI\n"
                                 "eMHWUH2xnyx1M42910pIwzivvTO58jee8zGVUbd18Pn8fUL3hm7nkZOqYw7YvIPY\n"
                                 "Bqnq8c9sAYodIjclo7gtNLT2AoeaEBkkuM1lG5fCbYqWuYjSFrO/4OljyF8NApjQ\n"
                                 "QA0RaYBLPztm8DuLzht9JU+1ahKWFCVWmxCljqNJEXe8PsCLA7YMkv96AC+ztfX0\n"
                                 "X3rCTGrbWZ95vZh7kqhinCOTPxrIsGQ2sl14NnvyeC5S0afGf3p8SlQAEgIzRO8p\n"
                                 "hwIDAQAB\n"
                                 "-----END PUBLIC KEY-----\n";
/* {"alg":"RS256"} {"sub":"ann","exp":2000,"aud":["a","b"]}, by openssl dgst -sha256 -sign */
static const char signed_token[] =
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4iLCJleHAiOjIwMDAsImF1ZCI6WyJhIiwiYiJdfQ.uxbRIyiflJEP7-JEu-"
    "3f1gzSmdp24xgoXLw4Lu4Lo3wht7Ms8YXhtvRXrioRRrXwpx9x30CPM1xemrdOu5fF4D-fnkGcpr85Vq1G-"
    "0W3XeFv0JoyCUtFCKTEJxuv1fg_mSalpY2PDX0uGGRRsbGlWaO5K7ERstdon_Sbv6cRAWbMlchTCdmJ8YVisN_"
    "awcDDSG7flukScOplQ1kRx2zBnWyPXtNsQOcDFnO79SIjOInICwQ6_aMa9It2ewpYyOkud3P3ai_VyXpz4V7EJAc_"
    "I12pHAbShcjseaSR3AuVVOUF1ZoOTNZSohxnVsBUeBecxE9bzCHPxtwDFTPA61Prug";

static struct ax_buf make(const struct ax_crypto *c, const char *head, const char *payload, struct ax_str key)
{
    struct ax_buf b = AX_BUF_INIT(1 << 20);
    unsigned char mac[AX_SHA256_BYTES];

    add_base64url(&b, ax_str(head));
    ax_buf_addc(&b, '.');
    add_base64url(&b, ax_str(payload));
    assert_true(ax_hmac_sha256(c, key, ax_buf_str(&b), mac));
    ax_buf_addc(&b, '.');
    add_base64url(&b, (struct ax_str){(const char *)mac, sizeof mac});
    return b;
}

#define HS "{\"alg\":\"HS256\"}"

static void test_hs256(void **state)
{
    static const struct {
        const char *head, *payload;
        enum ax_jwt_verdict want;
    } t[] = {
        {HS, "{}", AX_JWT_AUDIENCE},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"x read\"}", AX_JWT_OK},
        {HS, "{\"aud\":[\"x\",\"a\\u0070i\"],\"iss\":\"me\",\"scope\":\"read\",\"exp\":1001}", AX_JWT_OK},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"reader\"}", AX_JWT_SCOPE},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\"}", AX_JWT_SCOPE},
        {HS, "{\"aud\":\"api\",\"iss\":\"you\",\"scope\":\"read\"}", AX_JWT_ISSUER},
        {HS, "{\"aud\":[\"x\",1],\"iss\":\"me\",\"scope\":\"read\"}", AX_JWT_AUDIENCE},
        {HS, "{\"aud\":\"api\",\"aud\":\"x\",\"iss\":\"me\"}", AX_JWT_MALFORMED},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"read\",\"exp\":990}", AX_JWT_EXPIRED},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"read\",\"exp\":991}", AX_JWT_OK}, /* leeway 10 */
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"read\",\"exp\":\"991\"}", AX_JWT_MALFORMED},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"read\",\"nbf\":1011}", AX_JWT_EARLY},
        {HS, "{\"aud\":\"api\",\"iss\":\"me\",\"scope\":\"read\",\"nbf\":1010}", AX_JWT_OK},
        {HS, "[]", AX_JWT_MALFORMED},
        {HS, "{\"a\":\"\377\"}", AX_JWT_MALFORMED},
        {"{\"alg\":\"none\"}", "{}", AX_JWT_ALG},
        {"{\"alg\":\"RS256\"}", "{}", AX_JWT_ALG},
        {"{\"alg\":\"hs256\"}", "{}", AX_JWT_ALG},
        {"{\"alg\":1}", "{}", AX_JWT_ALG},
        {"{\"alg\":\"HS256\",\"alg\":\"none\"}", "{}", AX_JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "{}", AX_JWT_MALFORMED},
        {"{}", "{}", AX_JWT_MALFORMED},
        {"", "{}", AX_JWT_MALFORMED},
    };
    const struct ax_jwt_rules rules = {.alg = AX_JWT_HS256,
                                       .secret = ax_str(secret),
                                       .audience = AX_STR("api"),
                                       .issuer = AX_STR("me"),
                                       .scope = AX_STR("read"),
                                       .leeway_s = 10};
    struct ax_crypto *c;
    struct ax_arena a;
    (void)state;
    assert_int_equal(ax_crypto_new(&c, NULL), 0);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_str claims = {0};
        struct ax_buf b = make(c, t[i].head, t[i].payload, ax_str(secret));
        ax_arena_init(&a, NULL, 0, 1 << 20);
        enum ax_jwt_verdict v = ax_jwt_verify(c, &rules, ax_buf_str(&b), 1000, &a, &claims);
        if (v != t[i].want)
            fail_msg("%s %s: %s", t[i].head, t[i].payload, ax_jwt_text(v));
        if (v == AX_JWT_OK)
            assert_true(ax_str_eq(claims, ax_str(t[i].payload)));
        struct ax_buf wrong = make(c, HS, t[i].payload, AX_STR("0123456789abcdef0123456789abcdeg"));
        assert_int_equal(ax_jwt_verify(c, &rules, ax_buf_str(&wrong), 1000, &a, &claims), AX_JWT_SIGNATURE);
        ax_buf_fini(&wrong);
        ax_buf_fini(&b);
        ax_arena_reset(&a);
    }
    ax_crypto_free(c);
}

/* RFC 7515, A.1: line breaks inside its payload, a time long ago. */
static void test_rfc(void **state)
{
    static const char token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
                                "LmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    static const char key[] =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    char bytes[80];
    size_t n;
    struct ax_crypto *c;
    struct ax_arena a;
    struct ax_str claims;
    (void)state;
    assert_true(ax_base64url_decode(ax_str(key), bytes, &n));
    struct ax_jwt_rules rules = {.alg = AX_JWT_HS256, .secret = {bytes, n}};
    assert_int_equal(ax_crypto_new(&c, NULL), 0);
    ax_arena_init(&a, NULL, 0, 1 << 20);
    assert_int_equal(ax_jwt_verify(c, &rules, ax_str(token), 1300819379, &a, &claims), AX_JWT_OK);
    assert_int_equal(ax_jwt_verify(c, &rules, ax_str(token), 1300819380, &a, &claims), AX_JWT_EXPIRED);
    ax_arena_reset(&a);
    ax_crypto_free(c);
}

static void test_rs256(void **state)
{
    struct ax_crypto *c;
    struct ax_rsa_key *key;
    struct ax_arena a;
    struct ax_str claims;
    char token[sizeof signed_token];
    (void)state;
    assert_int_equal(ax_crypto_new(&c, NULL), 0);
    assert_int_equal(ax_rsa_key_new(c, ax_str(public_key), &key, NULL), 0);
    struct ax_jwt_rules rules = {.alg = AX_JWT_RS256, .key = key, .audience = AX_STR("b")};
    ax_arena_init(&a, NULL, 0, 1 << 20);
    assert_int_equal(ax_jwt_verify(c, &rules, ax_str(signed_token), 1999, &a, &claims), AX_JWT_OK);
    assert_int_equal(ax_jwt_verify(c, &rules, ax_str(signed_token), 2000, &a, &claims), AX_JWT_EXPIRED);
    memcpy(token, signed_token, sizeof token);
    for (size_t i = strlen("eyJhbGciOiJSUzI1NiJ9."); i + 1 < sizeof token;
         i += 7) { /* no bit of it is free */
        token[i] = (char)(token[i] == 'A' ? 'B' : 'A');
        assert_int_not_equal(ax_jwt_verify(c, &rules, ax_str(token), 1999, &a, &claims), AX_JWT_OK);
        token[i] = signed_token[i];
    }
    /* the public key as a secret */
    struct ax_buf b = make(c, "{\"alg\":\"HS256\"}", "{\"aud\":\"b\"}", ax_str(public_key));
    assert_int_equal(ax_jwt_verify(c, &rules, ax_buf_str(&b), 1999, &a, &claims), AX_JWT_ALG);
    ax_buf_fini(&b);
    b = make(c, "{\"alg\":\"RS256\"}", "{\"aud\":\"b\"}", ax_str(public_key));
    assert_int_equal(ax_jwt_verify(c, &rules, ax_buf_str(&b), 1999, &a, &claims), AX_JWT_SIGNATURE);
    ax_buf_fini(&b);
    ax_arena_reset(&a);
    ax_rsa_key_free(c, key);
    ax_crypto_free(c);
}

static void test_shapes(void **state)
{
    static const char *const bad[] = {"", ".", "..", "a.b", "a.b.c.d", "e30.e30.", "=.=.=", "e30=.e30.e30"};
    const struct ax_jwt_rules rules = {.alg = AX_JWT_HS256, .secret = ax_str(secret)};
    struct ax_crypto *c;
    struct ax_arena a;
    struct ax_str claims;
    struct ax_rsa_key *key;
    struct ax_err err = {.code = AX_OK};
    (void)state;
    assert_int_equal(ax_crypto_new(&c, NULL), 0);
    ax_arena_init(&a, NULL, 0, 1 << 20);
    for (size_t i = 0; i < AX_COUNT(bad); i++)
        assert_int_equal(ax_jwt_verify(c, &rules, ax_str(bad[i]), 0, &a, &claims), AX_JWT_MALFORMED);
    assert_int_equal(ax_rsa_key_new(c, AX_STR("no key"), &key, &err), -AX_E_SYNTAX);
    assert_non_null(strstr(err.msg, "no public key"));
    assert_false(ax_same_secret(AX_STR("a"), AX_STR("ab")));
    assert_false(ax_same_secret(AX_STR("aa"), AX_STR("ab")));
    assert_true(ax_same_secret(AX_STR("ab"), AX_STR("ab")));
    ax_arena_reset(&a);
    ax_crypto_free(c);
    ax_fail_alloc_at(1);
    assert_int_equal(ax_crypto_new(&c, NULL), -AX_E_NOMEM);
    ax_fail_alloc_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hs256), cmocka_unit_test(test_rfc),
                                       cmocka_unit_test(test_rs256), cmocka_unit_test(test_shapes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
