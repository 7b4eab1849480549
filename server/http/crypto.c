#include "http/crypto.h"

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/library.h"

#define FUNCTIONS(F)                                                                                         \
    F(OPENSSL_init_crypto)                                                                                   \
    F(ERR_clear_error)                                                                                       \
    F(EVP_sha256)                                                                                            \
    F(HMAC)                                                                                                  \
    F(BIO_new_mem_buf)                                                                                       \
    F(BIO_free)                                                                                              \
    F(PEM_read_bio_PUBKEY)                                                                                   \
    F(EVP_PKEY_free)                                                                                         \
    F(EVP_PKEY_is_a)                                                                                         \
    F(EVP_PKEY_get_bits)                                                                                     \
    F(EVP_MD_CTX_new)                                                                                        \
    F(EVP_MD_CTX_free)                                                                                       \
    F(EVP_DigestVerifyInit)                                                                                  \
    F(EVP_DigestVerify)

struct ax_crypto {
#define F(name) __typeof__(&name) name;
    FUNCTIONS(F)
#undef F
};

struct ax_rsa_key { /* never made: an EVP_PKEY by another name */
    char unused;
};

int ax_crypto_new(struct ax_crypto **ret, struct ax_err *reterr)
{
    static const char *const names[] = {"libcrypto.so.3", NULL};
    struct ax_crypto *c = ax_calloc(1, sizeof *c);

    if (!c)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the keys");
    const struct ax_symbol v[] = {
#define F(name) {#name, &c->name},
        FUNCTIONS(F)
#undef F
    };
    int rc = ax_library_open(names, v, AX_COUNT(v), reterr);
    if (rc < 0) {
        ax_free(c);
        return rc;
    }
    /* Nothing of it runs when the process ends: threads of other workers may be in it still. */
    c->OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    *ret = c;
    return 0;
}

void ax_crypto_free(struct ax_crypto *c)
{
    ax_free(c);
}

bool ax_hmac_sha256(const struct ax_crypto *c, struct ax_str key, struct ax_str text,
                    unsigned char out[AX_SHA256_BYTES])
{
    unsigned n = AX_SHA256_BYTES;

    return c->HMAC(c->EVP_sha256(), key.p, (int)key.n, (const unsigned char *)text.p, text.n, out, &n) !=
           NULL;
}

int ax_rsa_key_new(const struct ax_crypto *c, struct ax_str pem, struct ax_rsa_key **ret,
                   struct ax_err *reterr)
{
    BIO *bio = c->BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = bio ? c->PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
    int rc = 0;

    if (bio)
        c->BIO_free(bio);
    c->ERR_clear_error();
    if (!key)
        return ax_fail(reterr, AX_E_SYNTAX, "holds no public key in PEM (BEGIN PUBLIC KEY)");
    if (!c->EVP_PKEY_is_a(key, "RSA"))
        rc = ax_fail(reterr, AX_E_SYNTAX, "is no RSA key");
    else if (c->EVP_PKEY_get_bits(key) < AX_RSA_BITS_MIN)
        rc = ax_fail(reterr, AX_E_SYNTAX, "is a key of fewer than %d bits (RFC 7518, 3.3)", AX_RSA_BITS_MIN);
    if (rc < 0)
        c->EVP_PKEY_free(key);
    else
        *ret = (struct ax_rsa_key *)(void *)key;
    return rc;
}

void ax_rsa_key_free(const struct ax_crypto *c, struct ax_rsa_key *key)
{
    if (key)
        c->EVP_PKEY_free((EVP_PKEY *)(void *)key);
}

bool ax_rsa_verify(const struct ax_crypto *c, struct ax_rsa_key *key, struct ax_str text,
                   struct ax_str signature)
{
    EVP_MD_CTX *ctx = c->EVP_MD_CTX_new();
    bool ok = ctx &&
              c->EVP_DigestVerifyInit(ctx, NULL, c->EVP_sha256(), NULL, (EVP_PKEY *)(void *)key) == 1 &&
              c->EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.n,
                                  (const unsigned char *)text.p, text.n) == 1;

    c->EVP_MD_CTX_free(ctx);
    c->ERR_clear_error();
    return ok;
}

bool ax_same_secret(struct ax_str a, struct ax_str b)
{
    volatile unsigned char differs = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        differs = (unsigned char)(differs | (a.p[i] ^ b.p[i]));
    return differs == 0;
}
