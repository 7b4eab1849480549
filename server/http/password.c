#include "http/password.h"

#include <crypt.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/library.h"
#include "http/crypto.h"

struct ax_crypt {
    char *(*crypt_r)(const char *phrase, const char *setting, struct crypt_data *data);
};

int ax_crypt_new(struct ax_crypt **ret, struct ax_err *reterr)
{
    static const char *const names[] = {"libcrypt.so.1", "libcrypt.so.2", NULL};
    struct ax_crypt *c = ax_calloc(1, sizeof *c);

    if (!c)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the passwords");
    const struct ax_symbol v[] = {{"crypt_r", &c->crypt_r}};
    int rc = ax_library_open(names, v, AX_COUNT(v), reterr);
    if (rc < 0)
        ax_free(c);
    else
        *ret = c;
    return rc;
}

void ax_crypt_free(struct ax_crypt *c)
{
    ax_free(c);
}

bool ax_crypt_knows(const struct ax_crypt *c, const char *hash)
{
    static const char *const kinds[] = {"$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$5$", "$6$"};

    (void)c;
    for (size_t i = 0; i < AX_COUNT(kinds); i++)
        if (strncmp(hash, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

bool ax_crypt_matches(const struct ax_crypt *c, const char *password, const char *hash)
{
    struct crypt_data *data = ax_calloc(1, sizeof *data); /* 32 KB */
    const char *made = data ? c->crypt_r(password, hash, data) : NULL;
    bool same = made && made[0] != '*' && ax_same_secret(ax_str(made), ax_str(hash));

    if (data)
        explicit_bzero(data, sizeof *data);
    ax_free(data);
    return same;
}
