/* supervisor/node.h - the Node that runs engines: where it is, and whether it is new enough.
 * Thread: as spawn.h; blocks while `node --version` runs. */
#ifndef AX_SUPERVISOR_NODE_H
#define AX_SUPERVISOR_NODE_H

#include "base/err.h"
#include "config/manifest.h"
#include "supervisor/env.h"

/* 18.19: module.register exists since then (docs/handlers.md). */
enum { AX_NODE_MAJOR = 18, AX_NODE_MINOR = 19 };

/* server.node: a name is looked up in the environment's PATH, a path with a slash starts at the manifest's
 * folder. OWNED, NULL with *reterr: one sentence that says where it was sought. */
char *ax_node_find(const struct ax_manifest *m, const struct ax_env *env, struct ax_err *reterr);
/* Asks it for its version; -AX_E_UNSUPPORTED names the version found. */
int ax_node_check(const char *node, const struct ax_env *env, struct ax_err *reterr);

#endif
