#include "http/basic_auth.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "http/base64.h"
#include "http/chars.h"

struct ax_str ax_auth_credentials(struct ax_str field, struct ax_str scheme)
{
    static const struct ax_str none = {NULL, 0};

    if (field.n <= scheme.n || field.p[scheme.n] != ' ' ||
        !ax_str_eq_nocase((struct ax_str){field.p, scheme.n}, scheme))
        return none;
    return ax_str_trim((struct ax_str){field.p + scheme.n, field.n - scheme.n});
}

bool ax_basic_parse(struct ax_str credentials, struct ax_arena *a, struct ax_basic *ret)
{
    char *text = ax_arena_alloc(a, credentials.n / 4 * 3 + 4);
    size_t n;

    if (!text || !ax_base64_decode(credentials, text, &n))
        return false;
    text[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0' || ax_is_control(text[i]))
            return false;
    char *colon = n ? memchr(text, ':', n) : NULL; /* the first one: a name has none (RFC 7617, 2) */
    if (!colon)
        return false;
    *colon = '\0';
    ret->user = (struct ax_str){text, (size_t)(colon - text)};
    ret->password = (struct ax_str){colon + 1, n - ret->user.n - 1};
    return true;
}

/* ---- files */

static int by_name(const void *a, const void *b)
{
    const struct ax_user *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int add_user(struct ax_users *u, char *line, unsigned number, const struct ax_crypt *c,
                    struct ax_err *reterr)
{
    char *colon = strchr(line, ':');

    if (!colon || colon == line)
        return ax_fail(reterr, AX_E_SYNTAX, "line %u is no name:hash", number);
    *colon = '\0';
    char *hash = colon + 1;
    hash[strcspn(hash, ":")] = '\0'; /* further fields are somebody else's */
    if (!ax_crypt_knows(c, hash))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "line %u: the hash of %.60s is none of bcrypt, yescrypt, SHA-512 and SHA-256 crypt; "
                       "make it with htpasswd -B",
                       number, line);
    u->v[u->n++] = (struct ax_user){line, hash};
    return 0;
}

static int each_line(struct ax_users *u, const struct ax_crypt *c, struct ax_err *reterr)
{
    unsigned number = 0;
    int rc = 0;

    for (char *line = u->text, *next; rc == 0 && line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        number++;
        if (*line && *line != '#')
            rc = add_user(u, line, number, c, reterr);
    }
    return rc;
}

int ax_users_parse(struct ax_str text, const struct ax_crypt *c, struct ax_users *ret, struct ax_err *reterr)
{
    size_t lines = 1;

    if (text.n && memchr(text.p, '\0', text.n))
        return ax_fail(reterr, AX_E_SYNTAX, "is no text");
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    *ret = (struct ax_users){.text = ax_strndup(text.p ? text.p : "", text.n),
                             .v = ax_calloc(lines, sizeof *ret->v)};
    int rc = ret->text && ret->v ? each_line(ret, c, reterr)
                                 : ax_fail(reterr, AX_E_NOMEM, "no memory for the passwords");
    if (rc == 0 && ret->n == 0)
        rc = ax_fail(reterr, AX_E_SYNTAX, "has no user");
    if (rc < 0) {
        ax_users_fini(ret);
        return rc;
    }
    qsort(ret->v, ret->n, sizeof *ret->v, by_name);
    for (size_t i = 1; i < ret->n; i++)
        if (strcmp(ret->v[i - 1].name, ret->v[i].name) == 0) {
            rc = ax_fail(reterr, AX_E_DUPLICATE, "names %.60s twice", ret->v[i].name);
            ax_users_fini(ret);
            return rc;
        }
    return 0;
}

void ax_users_fini(struct ax_users *u)
{
    ax_free(u->v);
    ax_free(u->text);
    *u = (struct ax_users){0};
}

const char *ax_users_find(const struct ax_users *u, struct ax_str name)
{
    size_t low = 0, high = u->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const char *have = u->v[mid].name;
        size_t n = strlen(have);
        int c = memcmp(have, name.p, n < name.n ? n : name.n);
        if (c == 0 && n == name.n)
            return u->v[mid].hash;
        if (c < 0 || (c == 0 && n < name.n))
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}
