#include "supervisor/env.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static bool names(const char *entry, const char *name, size_t n)
{
    return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static const char *find(const struct ax_env *e, const char *name, size_t n)
{
    for (size_t i = 0; i < e->n; i++)
        if (names(e->v[i], name, n))
            return e->v[i] + n + 1;
    return NULL;
}

const char *ax_env_get(const struct ax_env *e, const char *name)
{
    return find(e, name, strlen(name));
}

/* Takes `entry`; false = out of memory (NULL counts as that too). */
static bool push(struct ax_env *e, char *entry)
{
    if (entry && e->n + 2 > e->cap) {
        size_t cap = e->cap ? 2 * e->cap : 64;
        char **v = ax_realloc(e->v, cap * sizeof *v);
        if (v) {
            e->v = v;
            e->cap = cap;
        }
    }
    if (!entry || e->n + 2 > e->cap) {
        ax_free(entry);
        return false;
    }
    e->v[e->n++] = entry;
    e->v[e->n] = NULL;
    return true;
}

static bool ours_alone(const char *entry)
{
    static const char *const list[] = {"LISTEN_PID",    "LISTEN_FDS",   "LISTEN_FDNAMES", "NOTIFY_SOCKET",
                                       "WATCHDOG_USEC", "WATCHDOG_PID", "ACTIX_UPGRADE"};

    for (size_t i = 0; i < AX_COUNT(list); i++)
        if (names(entry, list[i], strlen(list[i])))
            return true;
    return false;
}

static bool add_unset(struct ax_env *e, const char *name, const char *value)
{
    return ax_env_get(e, name) || push(e, ax_asprintf("%s=%s", name, value));
}

static bool add_pairs(struct ax_env *e, const struct ax_pairs *p)
{
    for (size_t i = 0; p && i < p->n; i++)
        if (!add_unset(e, p->v[i].key, p->v[i].value))
            return false;
    return true;
}

static bool add_ours(struct ax_env *e, char *const *ours, const char *extra)
{
    if (extra && !push(e, ax_strdup(extra)))
        return false;
    for (; *ours; ours++) {
        const char *eq = strchr(*ours, '=');
        if (!eq || ours_alone(*ours) || find(e, *ours, (size_t)(eq - *ours)))
            continue;
        if (!push(e, ax_strdup(*ours)))
            return false;
    }
    return true;
}

/* What the addon's allocator needs from the start of its process: behind what is set already, unless that
 * sets it. */
static bool add_tunable(struct ax_env *e, const char *tunable)
{
    static const char name[] = "GLIBC_TUNABLES";
    const char *set = ax_env_get(e, name);

    if (!tunable)
        return true;
    if (!set)
        return push(e, ax_asprintf("%s=%s", name, tunable));
    for (const char *at = set; at; at = strchr(at, ':')) {
        at += *at == ':';
        if (names(at, tunable, strcspn(tunable, "=")))
            return true;
    }
    for (size_t i = 0; i < e->n; i++) {
        if (!names(e->v[i], name, sizeof name - 1))
            continue;
        char *both = ax_asprintf("%s:%s", e->v[i], tunable);
        if (!both)
            return false;
        ax_free(e->v[i]);
        e->v[i] = both;
    }
    return true;
}

int ax_env_make(const struct ax_manifest *m, char *const *ours, const char *extra, struct ax_env *ret,
                struct ax_err *reterr)
{
    struct ax_env e = {0};

    if (!add_ours(&e, ours, extra) || !add_pairs(&e, ax_manifest_dotenv(m)) || !add_pairs(&e, &m->env) ||
        !add_unset(&e, "NODE_ENV", "production") || !add_tunable(&e, ax_alloc_tunable())) {
        ax_env_fini(&e);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    *ret = e;
    return 0;
}

void ax_env_fini(struct ax_env *e)
{
    for (size_t i = 0; i < e->n; i++)
        ax_free(e->v[i]);
    ax_free(e->v);
    *e = (struct ax_env){0};
}
