/* addon/native.h - the native engine: what the workers of one process share.  Made on the main thread, its
 * address travels to the workers as a BigInt; each checks the magic number and borrows it.  It outlives all
 * of them. Threads: `lock` guards the site and the segment, which the first worker makes; everything else is
 * set once, or belongs to objects that are safe to share. */
#ifndef AX_ADDON_NATIVE_H
#define AX_ADDON_NATIVE_H

#include <node_api.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "metrics/segment.h"
#include "net/listener.h"
#include "net/site.h"

enum { AX_NATIVE_MAGIC = 0x41584e45 };

struct ax_native {
    uint32_t magic;
    unsigned workers;
    struct ax_engine *engine;  /* OWNED */
    struct ax_log log, access; /* OWNED; access.fd is -1 when there are no access lines */
    pthread_mutex_t lock;
    struct ax_segment *segment; /* OWNED; NULL until the first worker when it is private memory */
    struct ax_site *site;       /* one reference; NULL until the first worker */
};

/* The handle as JavaScript passes it; NULL with an exception pending. */
struct ax_native *ax_native_of(napi_env env, napi_value handle);

/* What a site is made of; BORROWED. */
struct ax_site_parts {
    const struct ax_route *routes;
    unsigned nroutes;
    const struct ax_str *proxies; /* server.trusted_proxies */
    unsigned nproxies;
};
/* The site for a worker that wants these routes: made and published by the first worker, compared by the
 * others. A reference is returned.  -AX_E_STATE: the table differs.  *ret_bad is the index of the route at
 * fault, or -1. */
int ax_native_site(struct ax_native *e, const struct ax_settings *settings, const struct ax_site_parts *parts,
                   struct ax_site **ret, int *ret_bad, struct ax_err *reterr);

#endif
