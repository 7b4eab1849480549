/* addon/bridge.h - what one JavaScript environment (a worker thread, or the main thread of a plain `node
 * app.js`) owns on the native side, and the helpers that every native function uses. Threads: a bridge
 * belongs to its environment's thread; nothing here is shared but struct ax_native (native.h). Life: made by
 * the module's init, closed by the async cleanup hook, freed by the instance-data finalizer. */
#ifndef AX_ADDON_BRIDGE_H
#define AX_ADDON_BRIDGE_H

#include <node_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/err.h"
#include "base/list.h"
#include "net/reply.h"
#include "net/worker.h"

/* The one control-flow macro of the addon: any status but napi_ok goes to the label `fail`. */
#define AX_NAPI_TRY(call)                                                                                    \
    do {                                                                                                     \
        if (AX_UNLIKELY((call) != napi_ok))                                                                  \
            goto fail;                                                                                       \
    } while (0)

/* Built with -DAX_NO_INTERN everything is a string that is made anew: what interning saves can be measured.
 */
#ifdef AX_NO_INTERN
enum { AX_INTERN = 0 };
#else
enum { AX_INTERN = 1 };
#endif

enum { AX_BRIDGE_MAGIC = 0x41584252 };
enum { AX_BATCH_HEAD = 8, AX_BATCH_STEP = 3 }; /* words, see native.d.ts batchNew */
enum { AX_BATCH_N = 0, AX_BATCH_OVER = 1, AX_BATCH_AT = 2, AX_BATCH_SEND = 3 };
enum { AX_BATCH_MAX = 65536 };
enum { AX_BIND_MAX = 4 }; /* sockets of workerBind: localhost has two */

enum ax_bridge_life { AX_BRIDGE_EMPTY, AX_BRIDGE_RUNNING, AX_BRIDGE_CLOSING, AX_BRIDGE_CLOSED };

struct ax_native;

/* Words shared with JavaScript: an array over this memory, which outlives the environment as long as the
 * watchdog may read it.  References: one of the array, one of the bridge. */
struct ax_batch {
    atomic_uint refs;
    uint32_t max; /* requests that fit */
    int32_t words[];
};

struct ax_bridge {
    uint32_t magic;
    napi_env env;
    struct ax_native *native; /* BORROWED: the engine outlives its workers; NULL until workerNew */
    struct ax_site *site;     /* BORROWED from the worker, whose reference keeps it */
    struct ax_worker *worker; /* OWNED; set while life is RUNNING, CLOSING or CLOSED */
    enum ax_bridge_life life;
    bool registered;            /* with the engine */
    bool draining;              /* workerDrain or workerRetire was called */
    bool dying;                 /* JavaScript cannot be called any more */
    bool renew_context;         /* the batch's async context is to be made anew before the next batch */
    struct ax_batch *batch;     /* one reference, until the worker is freed; NULL without a worker */
    struct ax_batch *fresh;     /* one reference: of batchNew, for the next workerNew; NULL = none */
    ax_mono slice_end;          /* of the batch that runs now */
    uint32_t batch_n;           /* requests handed over by the batch that runs now; 0 = no batch runs */
    napi_async_context context; /* of the batch */
    napi_ref dispatch_ref, event_ref;
    napi_ref drained_ref,
        closed_ref; /* callbacks of workerDrain (or Retire) and workerClose; NULL = none waits */
    napi_async_cleanup_hook_handle hook;
    bool hook_waits;      /* the environment ends as soon as the worker is closed */
    int fds[AX_BIND_MAX]; /* OWNED: opened by workerBind */
    unsigned nfds;

    /* ---- for the engine's other threads, guarded by native->lock but where said otherwise; set by
     * engineAttach */
    struct ax_list node; /* in native->bridges */
    bool attached;       /* it is there */
    uint32_t serial;     /* of this thread among all that the engine has had */
    unsigned id;         /* of the worker */
    pthread_t thread;    /* alive as long as `attached` */
    atomic_bool parked;  /* the thread stands still for ever, in abort(): no lock */
};

/* ---- addon.c */
struct ax_bridge *ax_bridge_of(napi_env env, napi_callback_info info);

/* ---- bridge.c */
struct ax_dispatch ax_bridge_dispatch(struct ax_bridge *b);
/* Takes batch, dispatch and event of workerNew's options; 0, or -1 with an exception pending. */
int ax_bridge_attach(struct ax_bridge *b, napi_value options, uint32_t batch_max);
void ax_bridge_detach(struct ax_bridge *b);
void ax_batch_unref(struct ax_batch *batch); /* NULL is fine */
/* Calls a function that JavaScript left with us, once, and forgets it.  From the loop, never from within
 * JavaScript, and while the worker is not ours. */
void ax_bridge_call_once(struct ax_bridge *b, napi_ref *fn);
void ax_unref(napi_env env, napi_ref *ref); /* *ref may be NULL; becomes NULL */

/* ---- life.c */
/* Begins to close the worker, if there is one; nothing to do when it is closed or closing. */
void ax_bridge_close(struct ax_bridge *b);
/* The environment ends though nobody has closed its worker: process.exit in a handler, an empty heap,
 * terminate(). Entered requests are answered 502 and everything else goes to other workers, as in a
 * take-over. */
void ax_bridge_abandon(struct ax_bridge *b);
void ax_bridge_free_worker(struct ax_bridge *b);

/* ---- fault.c */
/* The environment's thread is about to end: nobody sends it anything any more. */
void ax_bridge_unlist(struct ax_bridge *b);

/* ---- bind.c: plain Node's own listening sockets */
/* Opens and binds host:port into fds (at most AX_BIND_MAX, non-blocking, close-on-exec, OWNED by the caller)
 * and writes the URL of the first.  `localhost` gives both families on one port. */
int ax_bind_open(const char *host, uint16_t port, int backlog, int *fds, unsigned *ret_n, char *url,
                 size_t url_bytes, struct ax_err *reterr);

/* ---- calls that name a request */
struct ax_call {
    struct ax_bridge *b;
    struct ax_request *r; /* NULL = the handle is stale */
    size_t argc;          /* arguments really given */
    napi_value argv[6];   /* beyond argc: undefined */
};

/* ---- the functions of native.d.ts: ax_js_NAME is NAME as JavaScript calls it, ax_on_NAME what it does once
 * the worker is ours (native.def, calls.c) */
#define FUNCTION(name) napi_value ax_js_##name(napi_env env, napi_callback_info info);
#define WORKER(name)                                                                                         \
    napi_value ax_js_##name(napi_env env, napi_callback_info info);                                          \
    napi_value ax_on_##name(struct ax_bridge *b, napi_callback_info info);
#define REQUEST(name, args)                                                                                  \
    napi_value ax_js_##name(napi_env env, napi_callback_info info);                                          \
    napi_value ax_on_##name(struct ax_call *c);
#include "native.def"
#undef FUNCTION
#undef WORKER
#undef REQUEST

/* For functions that do without a worker: true when there is one and it is ours; ax_worker_leave follows. */
static inline bool ax_bridge_enter(const struct ax_bridge *b)
{
    return AX_LIKELY(b->life == AX_BRIDGE_RUNNING) && ax_worker_enter(b->worker);
}

/* A first send that comes after the server has answered.  The worker is ours. */
static inline void ax_send_late(struct ax_bridge *b)
{
    if (b->life == AX_BRIDGE_RUNNING)
        ax_count_add(&ax_worker_counters(b->worker)->late_sends, 1);
}

/* ---- send.c: bodies */
/* Header lines in latin1 that checkHeader has seen, or undefined; *ret_own is what must be freed.  -AX_E_TYPE
 * | -AX_E_NOMEM. */
enum { AX_HEADERS_STACK = 2048 }; /* rendered header lines up to this size need no allocation */
int ax_headers_of(napi_env env, napi_value v, char stack[AX_HEADERS_STACK], struct ax_str *ret,
                  char **ret_own);
enum { AX_PIN_BYTES = 16384 }; /* larger Uint8Arrays are written from where they are */
/* Fills in body of a Uint8Array, and where it is large release, lent and owner; without memory for that it is
 * to be copied.  -AX_E_TYPE when v is none. */
int ax_bytes_of(napi_env env, napi_value v, struct ax_reply *ret);

/* Throws an Error with `code`: the name of the system's error (EADDRINUSE) where there is one, else dflt.
 * NULL. */
napi_value ax_throw_err(napi_env env, const struct ax_err *err, const char *dflt);

#endif
