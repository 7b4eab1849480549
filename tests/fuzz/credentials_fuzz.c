/* What stands in Authorization, Accept-Encoding and Accept.  Input: one field value.  Read as Basic, as a
 * token under HS256, as the payload of a well-signed token, and as lists.  A token that nobody signed never
 * passes; what passes is an object and gives its claims; nothing is read beyond its end. */
#include "fuzz.h"
#include "http/accept_encoding.h"
#include "http/base64.h"
#include "http/basic_auth.h"
#include "http/encoding.h"
#include "http/json.h"
#include "http/jwt.h"
#include "tests/unit/http/base64url.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";

static bool any_member(void *ctx, struct ax_str name, struct ax_str value)
{
    (void)ctx;
    (void)name;
    return value.n > 0;
}

/* Signed by us, so that the claims are looked at too. */
static void fuzz_claims(const struct ax_crypto *c, const struct ax_jwt_rules *rules, struct ax_str text)
{
    struct ax_buf b = AX_BUF_INIT(FUZZ_OUT_MAX);
    unsigned char mac[AX_SHA256_BYTES];
    struct ax_arena a;
    struct ax_str claims = {0};

    ax_arena_init(&a, NULL, 0, FUZZ_OUT_MAX);
    add_base64url(&b, AX_STR("{\"alg\":\"HS256\"}"));
    ax_buf_addc(&b, '.');
    add_base64url(&b, text);
    AX_ASSERT(ax_hmac_sha256(c, rules->secret, ax_buf_str(&b), mac));
    ax_buf_addc(&b, '.');
    add_base64url(&b, (struct ax_str){(const char *)mac, sizeof mac});
    enum ax_jwt_verdict v = ax_jwt_verify(c, rules, ax_buf_str(&b), 1000, &a, &claims);
    AX_ASSERT(v != AX_JWT_ALG && v != AX_JWT_SIGNATURE);
    if (v == AX_JWT_OK)
        AX_ASSERT(ax_str_eq(claims, text) && ax_json_members(text, any_member, NULL));
    ax_arena_reset(&a);
    ax_buf_fini(&b);
}

static void fuzz_token(const struct ax_crypto *c, const struct ax_jwt_rules *rules, struct ax_str text)
{
    struct ax_arena a;
    struct ax_str claims = {0};

    ax_arena_init(&a, NULL, 0, FUZZ_OUT_MAX);
    AX_ASSERT(ax_jwt_verify(c, rules, text, 1000, &a, &claims) != AX_JWT_OK);
    (void)ax_jwt_claims(text, &a);
    ax_arena_reset(&a);
}

static void fuzz_basic(struct ax_str text)
{
    struct ax_arena a;
    struct ax_basic b;
    struct ax_str given = ax_auth_credentials(text, AX_STR("Basic"));

    ax_arena_init(&a, NULL, 0, FUZZ_OUT_MAX);
    if (ax_basic_parse(given.p ? given : text, &a, &b)) {
        AX_ASSERT(strlen(b.user.p) == b.user.n && strlen(b.password.p) == b.password.n);
        AX_ASSERT(!memchr(b.user.p, ':', b.user.n));
    }
    ax_arena_reset(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ax_crypto *c;
    char *copy = malloc(n ? n : 1);

    if (n)
        memcpy(copy, data, n);
    struct ax_str text = {copy, n};
    const struct ax_jwt_rules rules = {.alg = AX_JWT_HS256, .secret = ax_str(secret)};
    const struct ax_jwt_rules strict = {.alg = AX_JWT_HS256,
                                        .secret = ax_str(secret),
                                        .audience = AX_STR("api"),
                                        .issuer = AX_STR("me"),
                                        .scope = AX_STR("read")};
    AX_ASSERT(ax_crypto_new(&c, NULL) == 0);
    fuzz_token(c, &rules, text);
    fuzz_claims(c, &rules, text);
    fuzz_claims(c, &strict, text);
    fuzz_basic(text);
    (void)ax_accepts_html(text);
    (void)ax_list_has(text, AX_STR("no-transform"));
    (void)ax_type_compresses(text, (struct ax_str){0});
    AX_ASSERT(ax_accept_encoding(text, 1u << AX_CODING_GZIP) != AX_CODING_BR);
    ax_crypto_free(c);
    free(copy);
    return 0;
}
