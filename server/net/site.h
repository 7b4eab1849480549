/* net/site.h - what a worker serves: settings, routes and their router, frozen.
 * Built on one thread, frozen, then shared read-only; reference counted (atomic), so that generations can
 * overlap. */
#ifndef AX_NET_SITE_H
#define AX_NET_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "http/forwarded.h"
#include "http/mime.h"
#include "http/router.h"
#include "metrics/segment.h"
#include "net/policy.h"
#include "net/settings.h"

enum ax_site_kind {
    AX_SITE_JS,     /* answered by the dispatcher */
    AX_SITE_FIXED,  /* `respond` and `redirect`: answered in C */
    AX_SITE_HEALTH, /* answered in C */
    AX_SITE_FILES,  /* `static`: answered in C, see static.h; its method is GET */
};

struct ax_route {
    enum ax_site_kind kind;
    enum ax_method method;
    struct ax_str pattern; /* "/users/:id" */
    struct ax_str name;    /* what answers, for people: "handlers/users.js#show", "redirect" ... */
    struct ax_str headers; /* rendered lines "name: value\r\n" added to every response of the route */
    struct ax_str body;    /* FIXED */
    uint16_t status;       /* FIXED */
    bool health_live;      /* HEALTH: live, else ready */
    struct ax_str folder;  /* FILES: absolute */
    struct ax_str index;   /* FILES: the file of a folder, or, where the pattern has no *rest, the only one */
    struct ax_str fallback; /* FILES: for who accepts text/html and finds nothing; empty = none */
    bool rest, typed;       /* FILES: its pattern has a *rest; `headers` have a Content-Type; set by add */
    int64_t timeout_us;     /* -1 = off */
    int64_t body_max;       /* bytes */
    bool stream;            /* JS: entered when its head is complete; its body is read by net/stream.h */
    uint32_t max_inflight;  /* JS: requests in progress at once, over all workers; 0 = no limit of its own */
    uint32_t group; /* routes of one group (not 0) share that: the METHODs of a path that says it for all */
    uint32_t queue; /* and so many more may wait; without max_inflight it means nothing */
    struct ax_policy_use use;       /* of the site's policies; all 0 = none */
    const struct ax_policy *policy; /* made of it by add; NULL = none */
    unsigned timeout_index;         /* which of ax_site's distinct handler timeouts; set by freeze */
    unsigned gate;                  /* 1 .. ax_gates_count, 0 = none; set by freeze */
};

struct ax_gates; /* net/admission.h */
struct ax_site;
struct ax_site *ax_site_new(const struct ax_settings *s); /* OWNED (one reference); NULL = out of memory */
/* Copies everything.  The nth call makes route id n (from 1; 0 is "no route"). */
int ax_site_add(struct ax_site *site, const struct ax_route *route, struct ax_err *reterr);
/* One of server.trusted_proxies, see ax_proxies_add. */
int ax_site_trust(struct ax_site *site, struct ax_str proxy, struct ax_err *reterr);
/* Before the routes that use them; at most once.  As ax_policies_new. */
int ax_site_police(struct ax_site *site, const struct ax_policy_spec *spec, int *ret_bad,
                   struct ax_err *reterr);
int ax_site_freeze(struct ax_site *site, struct ax_err *reterr);
struct ax_site *ax_site_ref(struct ax_site *site);
void ax_site_unref(struct ax_site *site); /* NULL is fine */

const struct ax_settings *ax_site_settings(const struct ax_site *site);
const struct ax_router *ax_site_router(const struct ax_site *site);
const struct ax_proxies *ax_site_proxies(const struct ax_site *site); /* NULL = nobody is trusted */
const struct ax_mime *ax_site_mime(const struct ax_site *site);       /* NULL = no route has files */
struct ax_policies *ax_site_policies(const struct ax_site *site);     /* NULL = none */
unsigned ax_site_routes(const struct ax_site *site);
const struct ax_route *ax_site_route(const struct ax_site *site, uint32_t id); /* id 1..n */
/* Those of the routes with a max_inflight, which all workers of the site share: the one part of it that
 * moves. */
struct ax_gates *ax_site_gates(const struct ax_site *site);
/* Distinct handler timeouts, so that a worker needs one queue for each. */
unsigned ax_site_timeouts(const struct ax_site *site, const int64_t **ret_us);
/* Writes the names of the routes into a segment (see ax_segment_set_routes). */
int ax_site_publish(const struct ax_site *site, struct ax_segment *seg, struct ax_err *reterr);

#endif
