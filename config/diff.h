/* config/diff.h - what one manifest says otherwise than another: what `actix reload` tells.
 * Driven by the decoder's tables, so a new key needs no line here.  Pure; values of `env` are never told,
 * only names. */
#ifndef AX_CONFIG_DIFF_H
#define AX_CONFIG_DIFF_H

#include <stdbool.h>

#include "config/manifest.h"

enum { AX_DIFF_LINES_MAX = 200 }; /* one more line then says how many there are */

/* Calls `line` once for each difference, in the order of the tables: "timeouts.handler: 10s -> 2s",
 * "routes: + GET /new (handlers/new.js)", "env: ~ TOKEN".  `restart`: it counts only after a restart.
 * server.listen is not compared: what is really bound is for whoever binds to tell. */
void ax_manifest_diff(const struct ax_manifest *a, const struct ax_manifest *b,
                      void (*line)(void *ctx, bool restart, const char *text), void *ctx);

#endif
