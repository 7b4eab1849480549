/* http/crypto.h - the little of OpenSSL that checking tokens needs: HMAC-SHA-256, and RSA signatures with
 * SHA-256.  libcrypto 3 is opened when the first policy needs it (base/library.h says why it is not linked).
 * Thread: made on one, then shared read-only; each call is independent. */
#ifndef AX_HTTP_CRYPTO_H
#define AX_HTTP_CRYPTO_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum { AX_SHA256_BYTES = 32, AX_RSA_BITS_MIN = 2048 }; /* RFC 7518, 3.3 */

struct ax_crypto;
struct ax_rsa_key;

int ax_crypto_new(struct ax_crypto **ret, struct ax_err *reterr); /* -AX_E_MISSING: no such library */
void ax_crypto_free(struct ax_crypto *c);                         /* NULL is fine */
bool ax_hmac_sha256(const struct ax_crypto *c, struct ax_str key, struct ax_str text,
                    unsigned char out[AX_SHA256_BYTES]);
/* The public key in a PEM text ("BEGIN PUBLIC KEY").  -AX_E_SYNTAX: there is none, it is no RSA key, or one
 * of fewer than AX_RSA_BITS_MIN bits. */
int ax_rsa_key_new(const struct ax_crypto *c, struct ax_str pem, struct ax_rsa_key **ret,
                   struct ax_err *reterr);
void ax_rsa_key_free(const struct ax_crypto *c, struct ax_rsa_key *key);
/* RSASSA-PKCS1-v1_5 (RS256). */
bool ax_rsa_verify(const struct ax_crypto *c, struct ax_rsa_key *key, struct ax_str text,
                   struct ax_str signature);

/* Takes as long whatever is in them; the length is no secret. */
bool ax_same_secret(struct ax_str a, struct ax_str b);

#endif
