/* The life of the worker of an environment: the functions of native.d.ts whose names begin with worker.
 * EMPTY -> RUNNING (workerNew) -> CLOSING (workerClose, or the environment ends) -> CLOSED -> freed by the
 * next workerNew or by the finalizer: the watchdog may look at a worker until then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "bridge.h"
#include "native.h"
#include "options.h"

enum { OPTIONS_BYTES_MAX = 64 << 20 }; /* all texts of a route table; far beyond any real one */

/* ---- closing */

static void close_fds(struct ax_bridge *b)
{
    while (b->nfds)
        close(b->fds[--b->nfds]);
}

static void on_closed(void *ctx)
{
    struct ax_bridge *b = AX_CAST(struct ax_bridge, ctx, AX_BRIDGE_MAGIC);

    b->life = AX_BRIDGE_CLOSED;
    close_fds(b);
    ax_bridge_detach(b);
    ax_unref(b->env, &b->drained_ref);
    ax_bridge_call_once(b, &b->closed_ref);
    if (b->hook_waits) {
        b->hook_waits = false;
        napi_remove_async_cleanup_hook(b->hook);
        b->hook = NULL;
    }
}

static void unregister(struct ax_bridge *b)
{
    if (b->registered)
        ax_engine_unregister(b->native->engine, b->worker);
    b->registered = false;
}

/* No more connections are handed over; the watchdog looks on. */
static void withdraw(struct ax_bridge *b)
{
    if (b->registered)
        ax_engine_withdraw(b->native->engine, b->worker);
}

void ax_bridge_close(struct ax_bridge *b)
{
    if (b->life != AX_BRIDGE_RUNNING)
        return;
    b->life = AX_BRIDGE_CLOSING;
    unregister(b);
    ax_worker_close(b->worker, on_closed, b);
}

void ax_bridge_abandon(struct ax_bridge *b)
{
    if (b->life != AX_BRIDGE_RUNNING)
        return;
    if (b->registered && b->native->watched)
        (void)ax_engine_abort(b->native->engine, b->worker);
    /* From here on it is ours for good, or the watchdog has finished. */
    if (ax_worker_enter(b->worker) || !ax_worker_taken(b->worker))
        return;
    ax_worker_await_done(b->worker);
    while (b->native->control_fd >= 0)
        pause(); /* the watchdog ends the process, once its connections have left */
}

void ax_bridge_free_worker(struct ax_bridge *b)
{
    AX_ASSERT(b->life == AX_BRIDGE_EMPTY || b->life == AX_BRIDGE_CLOSED);
    if (b->worker)
        ax_worker_free(b->worker);
    b->worker = NULL;
    ax_batch_unref(b->batch);
    b->batch = NULL;
    b->draining = false;
    b->life = AX_BRIDGE_EMPTY;
}

/* ---- workerNew */

/* `name`: the property with the position of what is wrong. */
static napi_value throw_at(napi_env env, const struct ax_err *err, const char *text, const char *name,
                           int index)
{
    napi_value code, msg, e, i;

    AX_NAPI_TRY(napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &code));
    AX_NAPI_TRY(napi_create_string_utf8(env, err->msg, NAPI_AUTO_LENGTH, &msg));
    AX_NAPI_TRY(napi_create_error(env, code, msg, &e));
    AX_NAPI_TRY(napi_create_int32(env, index, &i));
    AX_NAPI_TRY(napi_set_named_property(env, e, name, i));
    AX_NAPI_TRY(napi_throw(env, e));
    return NULL;
fail:
    napi_throw_error(env, text, err->msg);
    return NULL;
}

static bool make_worker(struct ax_bridge *b, struct ax_site *site, unsigned id)
{
    struct ax_native *e = b->native;
    struct ax_worker_options wo = {.site = site,
                                   .dispatch = ax_bridge_dispatch(b),
                                   .stat = ax_segment_worker(e->segment, id),
                                   .log = &e->log,
                                   .access = e->access.fd >= 0 ? &e->access : NULL,
                                   .engine = e->engine,
                                   .id = id,
                                   .entering = &b->batch->words[AX_BATCH_AT]};
    struct ax_err err = {0};

    AX_NAPI_TRY(napi_get_uv_event_loop(b->env, &wo.loop));
    if (ax_worker_new(&wo, &b->worker, &err) < 0)
        goto fail;
    b->site = site;
    b->id = id;
    atomic_store(&e->culprits[id], 0);
    b->draining = false;
    b->life = AX_BRIDGE_RUNNING;
    return true;
fail:
    ax_throw_err(b->env, &err, "ERR_WORKER");
    return false;
}

/* What the core takes as it is.  With none of the latter two it would never read a request. */
static bool settings_ok(struct ax_reader *o, const struct ax_settings *s)
{
    if (s->batch < 1 || s->batch > AX_BATCH_MAX)
        ax_read_bad(o, "settings.batch", "from 1 to 65536");
    else if (s->limit_pipeline == 0 || s->limit_pipeline > INT32_MAX)
        ax_read_bad(o, "settings.limit_pipeline", "from 1 to 2147483647, or -1 for no limit");
    else if (s->limit_output == 0)
        ax_read_bad(o, "settings.limit_output", "from 1, or -1 for no limit");
    return !o->failed;
}

/* Everything is read before anything is made. */
static void start(struct ax_bridge *b, struct ax_reader *o, struct ax_arena *a)
{
    napi_value handle = ax_read(o, "engine", napi_bigint, false);
    struct ax_native *e = handle ? ax_native_of(o->env, handle) : NULL;
    struct ax_settings set;
    struct ax_site *site;
    struct ax_err err = {0};
    unsigned n;
    int bad, login;

    if (!e)
        return;
    unsigned id = (unsigned)ax_read_int(o, "id", 0, (int64_t)e->workers - 1);
    ax_read_settings(o, &set);
    struct ax_site_parts parts = {.routes = ax_read_routes(o, a, &n)};
    parts.nroutes = n;
    parts.proxies = ax_read_proxies(o, a, &parts.nproxies);
    parts.policies = ax_read_policies(o, a);
    if (o->failed || !settings_ok(o, &set))
        return;
    if (ax_native_site(e, &set, &parts, &site, &bad, &login, &err) < 0) {
        if (login >= 0)
            throw_at(o->env, &err, "ERR_AUTH", "login", login);
        else if (bad >= 0 || err.code == AX_E_STATE)
            throw_at(o->env, &err, err.code == AX_E_STATE ? "ERR_ROUTES_DIFFER" : "ERR_ROUTE", "index", bad);
        else
            ax_throw_err(o->env, &err, "ERR_WORKER");
        return;
    }
    b->native = e;
    if (ax_bridge_attach(b, o->obj, (uint32_t)ax_site_settings(site)->batch) == 0 &&
        !make_worker(b, site, id)) {
        ax_bridge_detach(b);
        b->fresh = b->batch; /* it was not used */
        b->batch = NULL;
    }
    ax_site_unref(site); /* the worker has its own reference */
}

napi_value ax_js_workerNew(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg;
    void *data;
    struct ax_arena a;

    if (napi_get_cb_info(env, info, &argc, &arg, NULL, &data) != napi_ok)
        return NULL;
    struct ax_bridge *b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    if (b->life == AX_BRIDGE_CLOSED)
        ax_bridge_free_worker(b);
    if (b->life != AX_BRIDGE_EMPTY) {
        napi_throw_error(env, "ERR_STATE", "this environment has a worker already");
        return NULL;
    }
    ax_arena_init(&a, NULL, 0, OPTIONS_BYTES_MAX);
    struct ax_reader o = ax_reader_over(env, arg, "", -1);
    if (!o.failed)
        start(b, &o, &a);
    ax_arena_reset(&a);
    return NULL;
}

/* ---- running */

static int bind_all(struct ax_bridge *b, const char *host, uint16_t port, int backlog, char *url,
                    size_t url_bytes, struct ax_err *reterr)
{
    int rc = ax_bind_open(host, port, backlog, b->fds, &b->nfds, url, url_bytes, reterr);

    for (unsigned i = 0; rc == 0 && i < b->nfds; i++)
        rc = ax_worker_listen(b->worker, b->fds[i], reterr);
    return rc;
}

napi_value ax_on_workerBind(struct ax_bridge *b, napi_callback_info info)
{
    napi_env env = b->env;
    size_t argc = 3, n;
    napi_value argv[3], ret = NULL;
    char host[256], url[320];
    uint32_t port;
    int32_t backlog;
    struct ax_err err = {0};

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, argv, NULL, NULL));
    AX_NAPI_TRY(napi_get_value_string_utf8(env, argv[0], host, sizeof host, &n));
    AX_NAPI_TRY(napi_get_value_uint32(env, argv[1], &port));
    AX_NAPI_TRY(napi_get_value_int32(env, argv[2], &backlog));
    if (n == sizeof host - 1 || port > UINT16_MAX || backlog < 1 || b->nfds)
        goto fail;
    if (bind_all(b, host, (uint16_t)port, backlog, url, sizeof url, &err) < 0)
        return ax_throw_err(env, &err, "ERR_LISTEN");
    AX_NAPI_TRY(napi_create_string_utf8(env, url, NAPI_AUTO_LENGTH, &ret));
    return ret;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE",
                          "workerBind wants a host, a port from 0 to 65535 and a backlog, once");
    return NULL;
}

napi_value ax_on_workerReady(struct ax_bridge *b, napi_callback_info info)
{
    struct ax_err err = {0};

    (void)info;
    if (b->registered)
        return NULL;
    if (ax_engine_register(b->native->engine, b->worker, &err) < 0)
        return ax_throw_err(b->env, &err, "ERR_WORKER");
    b->registered = true;
    return NULL;
}

napi_value ax_on_workerLameDuck(struct ax_bridge *b, napi_callback_info info)
{
    (void)info;
    ax_worker_lame_duck(b->worker);
    return NULL;
}

/* Keeps the callback of a call; false with an Error pending. */
static bool keep_callback(napi_env env, napi_callback_info info, napi_ref *ref)
{
    size_t argc = 1;
    napi_value fn;
    napi_valuetype t;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &fn, NULL, NULL));
    AX_NAPI_TRY(napi_typeof(env, fn, &t));
    if (t != napi_function || *ref)
        goto fail;
    AX_NAPI_TRY(napi_create_reference(env, fn, 1, ref));
    return true;
fail:
    napi_throw_error(env, "ERR_STATE", "a callback is wanted, and only one call at a time");
    return false;
}

/* From the loop, while the worker is not ours: the core calls it so. */
static void on_drained(void *ctx)
{
    struct ax_bridge *b = AX_CAST(struct ax_bridge, ctx, AX_BRIDGE_MAGIC);

    ax_bridge_call_once(b, &b->drained_ref);
}

static bool begin_draining(struct ax_bridge *b, napi_callback_info info)
{
    if (b->draining) {
        napi_throw_error(b->env, "ERR_STATE", "the worker is draining already");
        return false;
    }
    b->draining = keep_callback(b->env, info, &b->drained_ref);
    return b->draining;
}

napi_value ax_on_workerDrain(struct ax_bridge *b, napi_callback_info info)
{
    if (!begin_draining(b, info))
        return NULL;
    withdraw(b);
    ax_worker_drain(b->worker, on_drained, b);
    return NULL;
}

napi_value ax_on_workerRetire(struct ax_bridge *b, napi_callback_info info)
{
    if (!begin_draining(b, info))
        return NULL;
    withdraw(b);
    ax_worker_retire(b->worker, on_drained, b);
    return NULL;
}

napi_value ax_on_workerCutStreams(struct ax_bridge *b, napi_callback_info info)
{
    (void)info;
    ax_worker_cut_streams(b->worker);
    return NULL;
}

napi_value ax_on_workerClose(struct ax_bridge *b, napi_callback_info info)
{
    if (keep_callback(b->env, info, &b->closed_ref))
        ax_bridge_close(b);
    return NULL;
}

napi_value ax_js_workerAbandon(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b = ax_bridge_of(env, info);

    if (b)
        ax_bridge_abandon(b);
    return NULL;
}

static bool set_number(napi_env env, napi_value obj, const char *name, uint64_t v)
{
    napi_value n;

    AX_NAPI_TRY(napi_create_double(env, (double)v, &n));
    AX_NAPI_TRY(napi_set_named_property(env, obj, name, n));
    return true;
fail:
    return false;
}

napi_value ax_on_workerStats(struct ax_bridge *b, napi_callback_info info)
{
    napi_env env = b->env;
    napi_value ret;

    (void)info;
    if (napi_create_object(env, &ret) != napi_ok)
        return NULL;
    const struct ax_counters *c = ax_worker_counters(b->worker);
#define M(name, kind, unit, help)                                                                            \
    if (!set_number(env, ret, #name, c->name))                                                               \
        return NULL;
#include "metrics/metrics.def"
#undef M
    struct ax_load load = ax_worker_load(b->worker);
    set_number(env, ret, "connections", load.connections);
    set_number(env, ret, "inflight", load.inflight);
    return ret;
}
