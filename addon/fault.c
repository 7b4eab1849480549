/* Threads that do not end as they should: V8 aborts on some exhaustions of a heap (`new Array(2e8).fill({})`,
 * a growing Map), and a system call may block for ever.
 *
 * abort() on a worker's thread, while JavaScript runs there: the watchdog is asked to take the worker over,
 * and the thread stands still for ever, with whatever it holds; all other threads go on.  Anywhere else the
 * process dies as it would have. Threads: the handlers run on the thread concerned; only what is
 * async-signal-safe is called (signal-safety(7)). */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "bridge.h"
#include "native.h"

/* Of the worker that runs on this thread.  In the thread's own static block: reading it calls nothing. */
static _Thread_local struct ax_bridge *mine __attribute__((tls_model("initial-exec")));

/* What wakes a thread that waits in a system call: nobody else uses it, and what it does by itself is
 * nothing. */
enum { WAKE = SIGURG };

/* ---- aborts */

_Noreturn static void park(void)
{
    sigset_t all;

    sigfillset(&all);
    for (;;)
        sigsuspend(&all);
}

static bool given_up(struct ax_bridge *b)
{
    if (!b || b->life != AX_BRIDGE_RUNNING || !b->registered || !b->native->watched)
        return false;
    atomic_store(&b->parked, true); /* before the watchdog tells of it */
    return ax_worker_taken(b->worker) || ax_engine_abort(b->native->engine, b->worker);
}

static void on_abort(int sig)
{
    if (given_up(mine))
        park();
    signal(sig, SIG_DFL); /* it is blocked now, and comes again when this returns */
    raise(sig);
}

static void on_wake(int sig)
{
    (void)sig; /* the call returns EINTR: that is all */
}

static int handle(int sig, void (*fn)(int), struct ax_err *reterr)
{
    struct sigaction sa = {.sa_handler = fn}; /* without SA_RESTART */

    sigemptyset(&sa.sa_mask);
    return sigaction(sig, &sa, NULL) < 0 ? ax_fail_os(reterr, errno, "cannot handle signal %d", sig) : 0;
}

int ax_fault_install(struct ax_err *reterr)
{
    int rc = handle(SIGABRT, on_abort, reterr);

    return rc < 0 ? rc : handle(WAKE, on_wake, reterr);
}

/* ---- the engine's threads */

void ax_fault_attach(struct ax_native *e, struct ax_bridge *b, uint32_t serial)
{
    pthread_mutex_lock(&e->lock);
    b->serial = serial;
    b->thread = pthread_self();
    b->id = UINT_MAX; /* it has no worker yet: what befalls the worker of that number is not its own */
    if (!b->attached)
        ax_list_push(&e->bridges, &b->node);
    b->attached = true;
    pthread_mutex_unlock(&e->lock);
    mine = b;
}

void ax_bridge_unlist(struct ax_bridge *b)
{
    if (!b->attached)
        return;
    pthread_mutex_lock(&b->native->lock);
    ax_list_remove(&b->node);
    b->attached = false;
    pthread_mutex_unlock(&b->native->lock);
    mine = NULL;
}

static bool wake(struct ax_native *e, uint32_t serial)
{
    bool found = false;

    pthread_mutex_lock(&e->lock);
    AX_LIST_EACH(it, &e->bridges)
    {
        const struct ax_bridge *b = AX_LIST_ENTRY(it, struct ax_bridge, node);
        if (b->serial == serial)
            found = pthread_kill(b->thread, WAKE) == 0;
    }
    pthread_mutex_unlock(&e->lock);
    return found;
}

napi_value ax_js_engineWake(napi_env env, napi_callback_info info)
{
    size_t argc = 2;
    napi_value argv[2], ret;
    uint32_t serial;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
    struct ax_native *e = ax_native_of(env, argv[0]);
    if (!e)
        return NULL;
    AX_NAPI_TRY(napi_get_value_uint32(env, argv[1], &serial));
    AX_NAPI_TRY(napi_get_boolean(env, wake(e, serial), &ret));
    return ret;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "engineWake wants an engine and a thread's number");
    return NULL;
}

/* process.exit() waits for every thread: with one that never ends it would hang. */
napi_value ax_js_exitNow(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg;
    int32_t code = 1;

    if (napi_get_cb_info(env, info, &argc, &arg, NULL, NULL) == napi_ok)
        (void)napi_get_value_int32(env, arg, &code);
    _exit(code);
}
