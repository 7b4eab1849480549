/* What was given: on the command line, or else in ACTIX_<NAME>. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "cli/options.h"

enum { ENV_NAME_MAX = 64 };

static const struct ax_given *last_given(const struct ax_args *a, const char *name)
{
    for (size_t i = a->ngiven; i-- > 0;)
        if (strcmp(a->given[i].opt->name, name) == 0)
            return &a->given[i];
    return NULL;
}

void ax_opt_env_name(const char *name, char *out, size_t size)
{
    snprintf(out, size, "ACTIX_%s", name);
    for (; *out; out++)
        *out = *out == '-' ? '_' : (char)toupper((unsigned char)*out);
}

/* The value of ACTIX_<NAME>, for an option that the command has and that is not on the command line. */
static const char *from_env(const struct ax_args *a, const char *name)
{
    const struct ax_opt *o = ax_opt_find(a->cmd, name);
    char env[ENV_NAME_MAX];

    if (!o || (o->flags & AX_OPT_NO_ENV))
        return NULL;
    ax_opt_env_name(name, env, sizeof env);
    const char *v = getenv(env);
    return v && *v ? v : NULL;
}

static bool says_yes(const char *v)
{
    static const char *const no[] = {"0", "false", "no", "off"};

    for (size_t i = 0; i < AX_COUNT(no); i++)
        if (strcasecmp(v, no[i]) == 0)
            return false;
    return true;
}

bool ax_args_flag(const struct ax_args *a, const char *name, bool when_not_given)
{
    const struct ax_given *g = last_given(a, name);

    if (g)
        return !g->off;
    const char *v = from_env(a, name);
    return v ? says_yes(v) : when_not_given;
}

const char *ax_args_value(const struct ax_args *a, const char *name)
{
    const struct ax_given *g = last_given(a, name);

    return g ? g->value : from_env(a, name);
}

size_t ax_args_list(const struct ax_args *a, const char *name, const char **ret, size_t max, char **ret_store)
{
    size_t n = 0;

    *ret_store = NULL;
    for (size_t i = 0; i < a->ngiven; i++)
        if (strcmp(a->given[i].opt->name, name) == 0 && n++ < max)
            ret[n - 1] = a->given[i].value;
    const char *env = n ? NULL : from_env(a, name);
    if (!env)
        return n;
    *ret_store = ax_strdup(env);
    if (!*ret_store)
        return AX_ARGS_NOMEM;
    for (char *w = *ret_store, *end; *w; w = end) {
        end = w + strcspn(w, ":");
        if (end > w && n++ < max)
            ret[n - 1] = w;
        if (*end)
            *end++ = '\0';
    }
    return n;
}

const char *ax_args_source(const struct ax_args *a, const char *name, char *buf, size_t bufsize)
{
    if (last_given(a, name))
        snprintf(buf, bufsize, "--%s", name);
    else if (from_env(a, name))
        ax_opt_env_name(name, buf, bufsize);
    else
        return NULL;
    return buf;
}

int ax_args_number(const struct ax_args *a, const char *name, long min, long max, long *ret,
                   struct ax_err *reterr)
{
    const char *v = ax_args_value(a, name);
    char source[ENV_NAME_MAX], *end;

    if (!v)
        return 0;
    ax_args_source(a, name, source, sizeof source);
    errno = 0;
    long n = strtol(v, &end, 10);
    if (errno || end == v || *end || !isdigit((unsigned char)v[v[0] == '-']))
        return ax_fail(reterr, AX_E_SYNTAX, "%s must be a number (found '%s')", source, v);
    if (n < min || n > max)
        return ax_fail(reterr, AX_E_RANGE, "%s must be %ld..%ld (found %s)", source, min, max, v);
    *ret = n;
    return 0;
}
