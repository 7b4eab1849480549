/* http/router.h - (method, path) -> route id.  No I/O, no JavaScript, no clock.
 * A radix tree over whole segments' bytes; static beats :param beats *rest at each segment, with
 * backtracking, so
 * `/a/:x/c` and `/a/b/d` both answer what they should.
 * A pattern (base/pattern.h): '/' and segments; `:name` is one segment that is not empty; `*name` (or a lone
 * `*`, whose name is "*") is all that is left and may be empty.  Anything else is static and may be written
 * plain or percent-encoded: `/café` and `/caf%C3%A9` are the same pattern, and both match both in a request
 * (RFC 3986, 6.2.2.2); an encoded slash is part of its segment. Thread: built and frozen on one thread, then
 * shared read-only by every worker. */
#ifndef AX_HTTP_ROUTER_H
#define AX_HTTP_ROUTER_H

#include <stdint.h>

#include "base/err.h"
#include "base/pattern.h"
#include "base/str.h"
#include "http/method.h"

struct ax_router; /* opaque: router.c */
enum ax_found {
    AX_FOUND,
    AX_NO_PATH,   /* 404 */
    AX_NO_METHOD, /* 405; `allow` says which methods there are */
};
struct ax_match {
    uint32_t route; /* id given to ax_router_add */
    unsigned nparams;
    struct ax_str params[AX_ROUTE_PARAMS_MAX]; /* BORROWED from `path`, percent-encoded as sent */
    uint8_t allow; /* AX_NO_METHOD: bit (1 << enum ax_method) of each method that matches */
};

struct ax_router *ax_router_new(void);    /* OWNED by the caller; NULL = out of memory */
void ax_router_free(struct ax_router *r); /* NULL is fine; half-built is fine */
/* Copies `pattern`.  0, or what ax_pattern_parse says of it | -AX_E_DUPLICATE (same method and shape, `/a/:x`
 * and `/a/:y` are the same shape) | -AX_E_RANGE (m cannot be routed) | -AX_E_STATE (frozen) | -AX_E_NOMEM;
 * then nothing has changed.  A route id may be added
 * under several methods and patterns; its parameter names are those of its first pattern. */
int ax_router_add(struct ax_router *r, enum ax_method m, struct ax_str pattern, uint32_t route,
                  struct ax_err *reterr);
/* Lays the routes out for matching.  0, or -AX_E_NOMEM (may be tried again) | -AX_E_LIMIT | -AX_E_STATE
 * (frozen). */
int ax_router_freeze(struct ax_router *r, struct ax_err *reterr);
/* Parameter names of a route id, in the order of ax_match.params; BORROWED from the router.  Returns how
 * many. */
unsigned ax_router_params(const struct ax_router *r, uint32_t route,
                          struct ax_str names[AX_ROUTE_PARAMS_MAX]);

/* `path`: as received, from '/' up to '?', and ax_path_ok; r is frozen.  O(path bytes) without backtracking,
 * at worst O(nodes * path bytes), as each node is visited at most once; never allocates.  *ret is undefined
 * but for what the answer makes meaningful. A METHOD beats ANY on the same path; HEAD falls back to GET; what
 * is only found under other methods is AX_NO_METHOD. A path whose best node has no such method is not retried
 * at a weaker node: 405 there, as docs/manifest.md orders. */
enum ax_found ax_router_match(const struct ax_router *r, enum ax_method m, struct ax_str path,
                              struct ax_match *ret);

#endif
