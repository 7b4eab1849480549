/* http/password.h - password hashes as crypt(3) of this system has them: yescrypt, bcrypt, SHA-512 and
 * SHA-256.  Apache's own $apr1$ and {SHA} are not among them: both are far too fast.  libcrypt is opened when
 * the first policy needs it (base/library.h).  Thread: made on one, then shared read-only. */
#ifndef AX_HTTP_PASSWORD_H
#define AX_HTTP_PASSWORD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct ax_crypt;
int ax_crypt_new(struct ax_crypt **ret, struct ax_err *reterr); /* -AX_E_MISSING: no such library */
void ax_crypt_free(struct ax_crypt *c);                         /* NULL is fine */
/* One of them, and not one of those that were given up long ago (DES, MD5). */
bool ax_crypt_knows(const struct ax_crypt *c, const char *hash);
/* Slow on purpose, tens of milliseconds and more: not on a loop's thread.  Both are NUL-terminated. */
bool ax_crypt_matches(const struct ax_crypt *c, const char *password, const char *hash);

#endif
