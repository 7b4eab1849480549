/* addon/native.h - the native engine: what the workers of one process share.  Made on the main thread, its
 * address travels to the workers as a BigInt; each checks the magic number and borrows it.  It outlives all
 * of them. Threads: `lock` guards the list of bridges, and the site and the segment, which the first worker
 * makes; everything else is set once, or belongs to objects that are safe to share. */
#ifndef AX_ADDON_NATIVE_H
#define AX_ADDON_NATIVE_H

#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "metrics/segment.h"
#include "net/listener.h"
#include "net/site.h"

struct ax_bridge;

enum { AX_NATIVE_MAGIC = 0x41584e45 };

struct ax_native {
    uint32_t magic;
    unsigned workers;
    struct ax_engine *engine;  /* OWNED */
    struct ax_log log, access; /* OWNED; access.fd is -1 when there are no access lines */
    pthread_mutex_t lock;
    struct ax_list bridges;     /* struct ax_bridge.node: environments with a worker, by engineAttach */
    struct ax_board *board;     /* OWNED; NULL: it is the only engine */
    struct ax_segment *segment; /* OWNED; NULL until the first worker when it is private memory */
    /* OWNED; by worker: the route that was being entered when its environment began to die; 0 = unknown */
    atomic_uint *culprits;
    struct ax_site *site;            /* one reference; NULL until the first worker */
    bool watched;                    /* it has a watchdog */
    int64_t stall_us;                /* as the events tell it; -1 = off */
    napi_threadsafe_function events; /* OWNED: engineNew's `event`; NULL = nobody listens */
    int control_fd; /* isolation: process: the watchdog itself tells what happened, and ends the process; -1
                       else */
    atomic_bool doomed; /* it ends as soon as everything has been handed over */
};

/* The handle as JavaScript passes it; NULL with an exception pending. */
struct ax_native *ax_native_of(napi_env env, napi_value handle);

/* What a site is made of; BORROWED. */
struct ax_site_parts {
    const struct ax_route *routes;
    unsigned nroutes;
    const struct ax_str *proxies; /* server.trusted_proxies */
    unsigned nproxies;
    const struct ax_policy_spec *policies; /* NULL = none */
};
/* The site for a worker that wants these routes: made and published by the first worker, compared by the
 * others. A reference is returned.  -AX_E_STATE: the table differs.  *ret_bad is the index of the route at
 * fault, or -1; *ret_login that of the login in policies->logins. */
int ax_native_site(struct ax_native *e, const struct ax_settings *settings, const struct ax_site_parts *parts,
                   struct ax_site **ret, int *ret_bad, int *ret_login, struct ax_err *reterr);

/* ---- fault.c */
/* Handlers of signals, for the whole process: aborts of worker threads park them, and the signal of
 * engineWake interrupts a blocked system call. */
int ax_fault_install(struct ax_err *reterr);
/* This environment's thread belongs to the engine as its thread number `serial`. */
void ax_fault_attach(struct ax_native *e, struct ax_bridge *b, uint32_t serial);

/* ---- event.c */
/* ax_engine_options.event: on the accept thread. */
void ax_native_on_event(void *native, const struct ax_engine_event *ev);
/* Lets the events call engineNew's `event` on this environment's thread; false with an exception pending. */
bool ax_native_listen(struct ax_native *e, napi_env env, napi_value fn);

#endif
