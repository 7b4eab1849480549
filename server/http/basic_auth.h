/* http/basic_auth.h - Basic credentials (RFC 7617) and files of passwords as htpasswd writes them.  Pure. */
#ifndef AX_HTTP_BASIC_AUTH_H
#define AX_HTTP_BASIC_AUTH_H

#include "base/arena.h"
#include "base/err.h"
#include "http/password.h"

/* The credentials behind `scheme` ("Basic", "Bearer") in an Authorization field; p NULL when it has another
 * scheme. */
struct ax_str ax_auth_credentials(struct ax_str field, struct ax_str scheme);

/* "user:password", NUL-terminated both, in the arena; false: malformed, a NUL or control byte inside, or
 * memory is out. */
struct ax_basic {
    struct ax_str user, password;
};
bool ax_basic_parse(struct ax_str credentials, struct ax_arena *a, struct ax_basic *ret);

struct ax_users {
    struct ax_user {
        char *name, *hash; /* hash: NUL-terminated */
    } * v;                 /* OWNED, in order of their names */
    size_t n;
    char *text; /* OWNED: what they point into */
};
/* Lines "name:hash", empty ones and # comments.  *reterr has the line; what is wrong with it is said without
 * what it holds. */
int ax_users_parse(struct ax_str text, const struct ax_crypt *c, struct ax_users *ret, struct ax_err *reterr);
void ax_users_fini(struct ax_users *u);
/* The hash of a name; NULL = nobody has it. */
const char *ax_users_find(const struct ax_users *u, struct ax_str name);

#endif
