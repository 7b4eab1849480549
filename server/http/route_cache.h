/* http/route_cache.h - the last routes found, so that a path seen before needs no walk through the router.
 * Keyed by method and path as received; least recently used entries leave first.  Only matches with
 * parameters are kept (a static path is found by the router as fast), and only what fits an entry: longer
 * paths and matches with more parameters are looked up each time. Memory grows with use up to the ceiling
 * given.  Thread: one cache per worker, no locks.  Pure. */
#ifndef AX_HTTP_ROUTE_CACHE_H
#define AX_HTTP_ROUTE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "http/router.h"

enum { AX_CACHED_PATH_MAX = 64, AX_CACHED_PARAMS_MAX = 4, AX_CACHE_WINDOW = 4096, AX_CACHE_REST = 15 };

struct ax_route_cache;
/* `entries` > 0.  `seed` should differ from process to process, so that no client can choose paths that
 * collide. */
int ax_route_cache_new(unsigned entries, uint64_t seed, struct ax_route_cache **ret, struct ax_err *reterr);
void ax_route_cache_free(struct ax_route_cache *c); /* NULL is fine */
/* True: *ret is what the router answered for this method and path; its parameters are slices of `path`. */
bool ax_route_cache_get(struct ax_route_cache *c, enum ax_method m, struct ax_str path, struct ax_match *ret);
/* Keeps a match of the router for `path`, if it is of the kind that is kept; its parameters lie in `path`.
 * Without memory nothing is kept. */
void ax_route_cache_put(struct ax_route_cache *c, enum ax_method m, struct ax_str path,
                        const struct ax_match *match);
unsigned ax_route_cache_used(const struct ax_route_cache *c);

#endif
