/* http/jwt.h - JSON Web Tokens (RFC 7519) in compact form (RFC 7515), HS256 or RS256.  Pure but for the
 * caller's clock.
 *
 * The algorithm is what the manifest says, never what the token says: a token that names another one (or
 * `none`) is refused before its signature is looked at, and a public key is never used as a secret.  `crit`
 * is refused: no extension is understood.  `exp` and `nbf` count where they are there, `aud` and `iss` where
 * the manifest names them. */
#ifndef AX_HTTP_JWT_H
#define AX_HTTP_JWT_H

#include <stdint.h>

#include "base/arena.h"
#include "http/crypto.h"

enum ax_jwt_alg { AX_JWT_HS256, AX_JWT_RS256 };
struct ax_jwt_rules {
    enum ax_jwt_alg alg;
    struct ax_str secret;           /* HS256 */
    struct ax_rsa_key *key;         /* RS256 */
    struct ax_str audience, issuer; /* empty = any */
    struct ax_str scope;            /* words, each must be in the token's `scope`; empty = none */
    int64_t leeway_s;
};

enum ax_jwt_verdict {
    AX_JWT_OK,
    AX_JWT_MALFORMED,
    AX_JWT_ALG,
    AX_JWT_SIGNATURE,
    AX_JWT_EXPIRED,
    AX_JWT_EARLY,
    AX_JWT_AUDIENCE,
    AX_JWT_ISSUER,
    AX_JWT_SCOPE, /* good, but not for this: 403 */
};
/* `now_s`: seconds since 1970.  *ret_claims: the payload, JSON, in the arena; on OK and SCOPE only. */
enum ax_jwt_verdict ax_jwt_verify(const struct ax_crypto *c, const struct ax_jwt_rules *r,
                                  struct ax_str token, int64_t now_s, struct ax_arena *a,
                                  struct ax_str *ret_claims);
/* The claims of a token that was verified before; p NULL when memory is out. */
struct ax_str ax_jwt_claims(struct ax_str token, struct ax_arena *a);
/* For the error_description of RFC 6750, 3; static. */
const char *ax_jwt_text(enum ax_jwt_verdict v);

#endif
