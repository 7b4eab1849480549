#include "http/jwt.h"

#include "base/assert.h"
#include "http/base64.h"
#include "http/json.h"

const char *ax_jwt_text(enum ax_jwt_verdict v)
{
    static const char *const text[] = {
        [AX_JWT_OK] = "ok",
        [AX_JWT_MALFORMED] = "the token is malformed",
        [AX_JWT_ALG] = "the token has another algorithm",
        [AX_JWT_SIGNATURE] = "the signature is wrong",
        [AX_JWT_EXPIRED] = "the token has expired",
        [AX_JWT_EARLY] = "the token is not valid yet",
        [AX_JWT_AUDIENCE] = "the token is for another audience",
        [AX_JWT_ISSUER] = "the token is of another issuer",
        [AX_JWT_SCOPE] = "the token lacks a scope",
    };

    return text[v];
}

/* ---- the three parts */

struct parts {
    struct ax_str head, payload, signature; /* as sent */
    struct ax_str text;                     /* what is signed */
};

static bool split(struct ax_str token, struct parts *ret)
{
    const char *end = token.p + token.n;
    const char *a = token.n ? memchr(token.p, '.', token.n) : NULL;
    const char *b = a ? memchr(a + 1, '.', (size_t)(end - a) - 1) : NULL;

    if (!b || memchr(b + 1, '.', (size_t)(end - b) - 1))
        return false;
    ret->head = (struct ax_str){token.p, (size_t)(a - token.p)};
    ret->payload = (struct ax_str){a + 1, (size_t)(b - a) - 1};
    ret->signature = (struct ax_str){b + 1, (size_t)(end - b) - 1};
    ret->text = (struct ax_str){token.p, (size_t)(b - token.p)};
    return true;
}

static struct ax_str decoded(struct ax_str text, struct ax_arena *a)
{
    char *out = ax_arena_alloc(a, text.n / 4 * 3 + 3);
    size_t n;

    if (!out || !ax_base64url_decode(text, out, &n))
        return (struct ax_str){0};
    return (struct ax_str){out, n};
}

struct ax_str ax_jwt_claims(struct ax_str token, struct ax_arena *a)
{
    struct parts p;

    return split(token, &p) ? decoded(p.payload, a) : (struct ax_str){0};
}

/* ---- members */

struct header {
    struct ax_str alg;
    bool crit;
};

/* A name given twice is no JSON that two readers understand alike (RFC 8259, 4). */
static bool put(struct ax_str *to, struct ax_str value)
{
    if (to->p)
        return false;
    *to = value;
    return true;
}

static bool on_header(void *ctx, struct ax_str name, struct ax_str value)
{
    struct header *h = ctx;

    h->crit = h->crit || ax_str_eq(name, AX_STR("crit"));
    return ax_str_eq(name, AX_STR("alg")) ? put(&h->alg, value) : true;
}

struct claims {
    struct ax_str exp, nbf, aud, iss, scope;
};

static bool on_claim(void *ctx, struct ax_str name, struct ax_str value)
{
    struct claims *c = ctx;
    const struct {
        struct ax_str name, *to;
    } t[] = {{AX_STR("exp"), &c->exp},
             {AX_STR("nbf"), &c->nbf},
             {AX_STR("aud"), &c->aud},
             {AX_STR("iss"), &c->iss},
             {AX_STR("scope"), &c->scope}};

    for (size_t i = 0; i < AX_COUNT(t); i++)
        if (ax_str_eq(name, t[i].name))
            return put(t[i].to, value);
    return true;
}

struct seek {
    struct ax_str want;
    struct ax_arena *a;
    bool found;
};

static bool on_audience(void *ctx, struct ax_str value)
{
    struct seek *s = ctx;
    struct ax_str text = ax_json_string(value, s->a);

    s->found = s->found || (text.p && ax_str_eq(text, s->want));
    return text.p != NULL;
}

static bool is_text(struct ax_str value, struct ax_str want, struct ax_arena *a)
{
    struct ax_str text = ax_json_string(value, a);

    return text.p && ax_str_eq(text, want);
}

/* One string, or an array of them (RFC 7519, 4.1.3). */
static bool audience_ok(struct ax_str aud, struct ax_str want, struct ax_arena *a)
{
    struct seek s = {.want = want, .a = a};

    if (!aud.p)
        return false;
    return aud.p[0] == '[' ? ax_json_items(aud, on_audience, &s) && s.found : is_text(aud, want, a);
}

static struct ax_str next_word(struct ax_str *rest)
{
    while (rest->n && *rest->p == ' ')
        *rest = (struct ax_str){rest->p + 1, rest->n - 1};
    if (rest->n == 0)
        return (struct ax_str){0};
    const char *end = memchr(rest->p, ' ', rest->n);
    struct ax_str w = {rest->p, end ? (size_t)(end - rest->p) : rest->n};
    *rest = (struct ax_str){rest->p + w.n, rest->n - w.n};
    return w;
}

static bool has_word(struct ax_str words, struct ax_str word)
{
    for (struct ax_str w = next_word(&words); w.n; w = next_word(&words))
        if (ax_str_eq(w, word))
            return true;
    return false;
}

/* Words with a space between them (RFC 8693, 4.2). */
static bool scope_ok(struct ax_str scope, struct ax_str want, struct ax_arena *a)
{
    struct ax_str have = scope.p ? ax_json_string(scope, a) : (struct ax_str){0};

    for (struct ax_str w = next_word(&want); w.n; w = next_word(&want))
        if (!have.p || !has_word(have, w))
            return false;
    return true;
}

/* ---- verdicts */

static bool signature_ok(const struct ax_crypto *c, const struct ax_jwt_rules *r, const struct parts *p,
                         struct ax_arena *a)
{
    unsigned char mac[AX_SHA256_BYTES];
    struct ax_str signature = decoded(p->signature, a);

    if (!signature.p)
        return false;
    if (r->alg == AX_JWT_RS256)
        return ax_rsa_verify(c, r->key, p->text, signature);
    return ax_hmac_sha256(c, r->secret, p->text, mac) &&
           ax_same_secret(signature, (struct ax_str){(const char *)mac, sizeof mac});
}

static enum ax_jwt_verdict time_ok(const struct claims *c, const struct ax_jwt_rules *r, int64_t now_s)
{
    double exp, nbf, now = (double)now_s, leeway = (double)r->leeway_s;

    if ((c->exp.p && !ax_json_number(c->exp, &exp)) || (c->nbf.p && !ax_json_number(c->nbf, &nbf)))
        return AX_JWT_MALFORMED;
    if (c->exp.p && now >= exp + leeway)
        return AX_JWT_EXPIRED;
    return c->nbf.p && now < nbf - leeway ? AX_JWT_EARLY : AX_JWT_OK;
}

enum ax_jwt_verdict ax_jwt_verify(const struct ax_crypto *c, const struct ax_jwt_rules *r,
                                  struct ax_str token, int64_t now_s, struct ax_arena *a,
                                  struct ax_str *ret_claims)
{
    struct parts p;
    struct header h = {{0}, false};
    struct claims claims = {{0}, {0}, {0}, {0}, {0}};

    if (!split(token, &p))
        return AX_JWT_MALFORMED;
    struct ax_str head = decoded(p.head, a), payload = decoded(p.payload, a);
    if (!head.p || !payload.p || !ax_json_members(head, on_header, &h) || h.crit || !h.alg.p)
        return AX_JWT_MALFORMED;
    if (!is_text(h.alg, r->alg == AX_JWT_HS256 ? AX_STR("HS256") : AX_STR("RS256"), a))
        return AX_JWT_ALG;
    if (!signature_ok(c, r, &p, a))
        return AX_JWT_SIGNATURE;
    if (!ax_utf8_valid(payload.p, payload.n) || !ax_json_members(payload, on_claim, &claims))
        return AX_JWT_MALFORMED;
    enum ax_jwt_verdict v = time_ok(&claims, r, now_s);
    if (v != AX_JWT_OK)
        return v;
    if (r->audience.n && !audience_ok(claims.aud, r->audience, a))
        return AX_JWT_AUDIENCE;
    if (r->issuer.n && !(claims.iss.p && is_text(claims.iss, r->issuer, a)))
        return AX_JWT_ISSUER;
    *ret_claims = payload;
    return scope_ok(claims.scope, r->scope, a) ? AX_JWT_OK : AX_JWT_SCOPE;
}
