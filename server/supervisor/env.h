/* supervisor/env.h - the environment of an engine: ours, then .env, then the manifest's `env` for names that
 * neither sets; NODE_ENV is "production" unless set.  What systemd passed to us alone (LISTEN_*,
 * NOTIFY_SOCKET) is left out.  GLIBC_TUNABLES gets what the addon's allocator needs, if anything
 * (base/alloc.h). Thread: any. */
#ifndef AX_SUPERVISOR_ENV_H
#define AX_SUPERVISOR_ENV_H

#include <stddef.h>

#include "config/manifest.h"

/* "NAME=value" strings, NULL at the end. */
struct ax_env {
    char **v; /* OWNED, and each string */
    size_t n, cap;
};

/* `ours` is environ; `extra` a "NAME=value" that beats all, or NULL. */
int ax_env_make(const struct ax_manifest *m, char *const *ours, const char *extra, struct ax_env *ret,
                struct ax_err *reterr);
void ax_env_fini(struct ax_env *e);
/* BORROWED value; NULL = unset. */
const char *ax_env_get(const struct ax_env *e, const char *name);

#endif
