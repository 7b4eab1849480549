/* supervisor/explain.h - which route answers a request, and why, by the router that the workers use; for
 * `actix explain`.  And what is wrong with a table of routes though each of them is right: `actix routes` and
 * `actix check`.  Thread: none; nothing is started and no request is sent. */
#ifndef AX_SUPERVISOR_EXPLAIN_H
#define AX_SUPERVISOR_EXPLAIN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/manifest.h"

/* One row of the table, after expansion of exports; BORROWED strings. */
struct ax_explain_route {
    const char *method, *pattern; /* method: "GET" ... "ANY" */
};

enum ax_explain_verdict {
    AX_EXPLAIN_ROUTE,      /* `route` answers */
    AX_EXPLAIN_REDIRECT,   /* 308 to the path with its last slash toggled (server.trailing_slash: redirect) */
    AX_EXPLAIN_OPTIONS,    /* 204 with Allow: no route is asked */
    AX_EXPLAIN_MALFORMED,  /* 400 */
    AX_EXPLAIN_NO_PATH,    /* 404 */
    AX_EXPLAIN_NO_METHOD,  /* 405 with Allow */
    AX_EXPLAIN_BAD_METHOD, /* 501 */
};

enum ax_explain_lost {
    AX_LOST_METHOD, /* the same path, but not this method */
    AX_LOST_ANY,    /* the same path; a METHOD beats ANY, and GET answers HEAD only where HEAD is not given */
    AX_LOST_WEAKER, /* another pattern is more specific: static beats :param beats *rest */
};

struct ax_explain_candidate { /* a route whose pattern the path matches */
    size_t route;             /* index into the table */
    enum ax_explain_lost lost;
};

struct ax_explain_param {
    char *name, *value; /* OWNED; the value decoded, as the handler sees it */
};

struct ax_explain {
    enum ax_explain_verdict verdict;
    unsigned status;                 /* what the server answers by itself; 0 = ROUTE */
    size_t route;                    /* ROUTE, REDIRECT: index into the table */
    bool other_slash;                /* ROUTE: by server.trailing_slash: ignore */
    char *location;                  /* OWNED; REDIRECT */
    char allow[64];                  /* "GET, HEAD, OPTIONS"; OPTIONS, NO_METHOD */
    struct ax_explain_param *params; /* OWNED */
    size_t nparams;
    struct ax_explain_candidate *lost; /* OWNED; in the order of the table */
    size_t nlost;
};

/* `target`: a path, with or without a query, as a client would send it.  0 with *ret OWNED (ax_explain_fini);
 * or -code when the table itself cannot be served. */
int ax_explain(const struct ax_explain_route *routes, size_t n, enum ax_trailing trailing, const char *method,
               const char *target, struct ax_explain *ret, struct ax_err *reterr);
void ax_explain_fini(struct ax_explain *e);

/* Of route `route`; the text is BORROWED for the call. */
typedef void ax_routes_warning(void *ctx, size_t route, const char *text);
/* Every finding in the order of the table: routes that others hide, and such as no request can reach. */
void ax_routes_lint(const struct ax_explain_route *routes, size_t n, ax_routes_warning *told, void *ctx);

#endif
