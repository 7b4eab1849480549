/* Between the loop and JavaScript: the batch, the end of watched requests, and callbacks that are called
 * once. Thread: the environment's own. */
#include "bridge.h"
#include "base/alloc.h"
#include "native.h"
#include "options.h"

void ax_unref(napi_env env, napi_ref *ref)
{
    if (*ref)
        napi_delete_reference(env, *ref);
    *ref = NULL;
}

struct ax_bridge *ax_bridge_of(napi_env env, napi_callback_info info)
{
    size_t none = 0;
    void *data;

    if (napi_get_cb_info(env, info, &none, NULL, NULL, &data) != napi_ok)
        return NULL;
    return AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
}

static bool make_context(napi_env env, napi_async_context *ret)
{
    napi_value resource, name;

    AX_NAPI_TRY(napi_create_object(env, &resource));
    AX_NAPI_TRY(napi_create_string_latin1(env, "ACTIX_BATCH", NAPI_AUTO_LENGTH, &name));
    AX_NAPI_TRY(napi_async_init(env, resource, name, ret));
    return true;
fail:
    return false;
}

/* ---- the batch */

void ax_batch_unref(struct ax_batch *batch)
{
    if (batch && atomic_fetch_sub(&batch->refs, 1) == 1)
        ax_free(batch);
}

static void on_array_gone(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)data;
    ax_batch_unref(hint);
}

static size_t batch_words(uint32_t max)
{
    return AX_BATCH_HEAD + (size_t)AX_BATCH_STEP * max;
}

static napi_value array_over(napi_env env, struct ax_batch *batch)
{
    napi_value buffer, ret;
    size_t words = batch_words(batch->max);

    atomic_fetch_add(&batch->refs, 1);
    if (napi_create_external_arraybuffer(env, batch->words, words * sizeof *batch->words, on_array_gone,
                                         batch, &buffer) != napi_ok) {
        ax_batch_unref(batch);
        return NULL;
    }
    return napi_create_typedarray(env, napi_int32_array, words, buffer, 0, &ret) == napi_ok ? ret : NULL;
}

napi_value ax_js_batchNew(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b;
    struct ax_batch *batch;
    size_t argc = 1;
    napi_value arg, ret;
    void *data;
    uint32_t max = 0;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, &arg, NULL, &data));
    b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    if (napi_get_value_uint32(env, arg, &max) != napi_ok || max < 1 || max > AX_BATCH_MAX) {
        napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "a batch has room for 1 to 65536 requests");
        return NULL;
    }
    batch = ax_calloc(1, sizeof *batch + batch_words(max) * sizeof *batch->words);
    if (!batch)
        goto fail;
    atomic_init(&batch->refs, 1);
    batch->max = max;
    ax_batch_unref(b->fresh);
    b->fresh = batch;
    ret = array_over(env, batch);
    if (ret)
        return ret;
fail:
    napi_throw_error(env, "ERR_NOMEM", "out of memory for a batch");
    return NULL;
}

/* ---- setting up */

/* It must be the array of the last batchNew, and have room enough. */
static void take_batch(struct ax_bridge *b, struct ax_reader *o, uint32_t batch_max)
{
    napi_value v = ax_read(o, "batch", napi_object, false);
    napi_typedarray_type type;
    void *data;

    if (!v)
        return;
    if (napi_get_typedarray_info(b->env, v, &type, NULL, &data, NULL, NULL) != napi_ok || !b->fresh ||
        data != b->fresh->words || b->fresh->max < batch_max) {
        ax_read_bad(o, "batch", "an Int32Array from batchNew, with room for settings.batch requests");
        return;
    }
    b->batch = b->fresh;
    b->fresh = NULL;
}

int ax_bridge_attach(struct ax_bridge *b, napi_value options, uint32_t batch_max)
{
    struct ax_reader o = ax_reader_over(b->env, options, "", -1);

    take_batch(b, &o, batch_max);
    b->dispatch_ref = ax_read_ref(&o, "dispatch", napi_function);
    b->event_ref = ax_read_ref(&o, "event", napi_function);
    if (!o.failed && !make_context(b->env, &b->context))
        ax_read_bad(&o, "dispatch", "callable: no async context");
    if (!o.failed)
        return 0;
    ax_bridge_detach(b);
    if (b->batch)
        b->fresh = b->batch; /* it was not used */
    b->batch = NULL;
    return -1;
}

void ax_bridge_detach(struct ax_bridge *b)
{
    if (b->context)
        napi_async_destroy(b->env, b->context);
    b->context = NULL;
    ax_unref(b->env, &b->dispatch_ref);
    ax_unref(b->env, &b->event_ref);
}

/* ---- calling JavaScript from the loop */

static napi_status call(struct ax_bridge *b, napi_async_context context, napi_ref ref, size_t argc,
                        const napi_value *argv, napi_value *ret)
{
    napi_value fn, self;
    napi_status st = napi_get_reference_value(b->env, ref, &fn);

    if (st == napi_ok)
        st = napi_get_global(b->env, &self);
    if (st == napi_ok)
        st = napi_make_callback(b->env, context, self, fn, argc, argv, ret);
    return st;
}

/* After anything but napi_ok.  What was thrown (in a process.nextTick callback, say: dispatch itself catches)
 * is made an uncaught exception; then JavaScript is asked whether it still runs: a worker being terminated
 * does not. */
static bool survives(struct ax_bridge *b)
{
    bool pending = false;
    napi_value v;

    if (napi_is_exception_pending(b->env, &pending) == napi_ok && pending &&
        napi_get_and_clear_last_exception(b->env, &v) == napi_ok)
        napi_fatal_exception(b->env, v);
    b->dying =
        napi_create_string_latin1(b->env, "0", 1, &v) != napi_ok || napi_run_script(b->env, v, &v) != napi_ok;
    return !b->dying;
}

static void renew_context(struct ax_bridge *b)
{
    napi_async_context fresh;

    b->renew_context = false;
    if (!make_context(b->env, &fresh))
        return; /* the environment is dying; the call that follows says so */
    napi_async_destroy(b->env, b->context);
    b->context = fresh;
}

static void fill(const struct ax_bridge *b, struct ax_request *const *reqs, uint32_t n)
{
    int32_t *w = b->batch->words;

    w[AX_BATCH_N] = (int32_t)n;
    w[AX_BATCH_OVER] = 0;
    w += AX_BATCH_HEAD;
    for (uint32_t i = 0; i < n; i++, w += AX_BATCH_STEP) {
        w[0] = (int32_t)reqs[i]->index;
        w[1] = (int32_t)reqs[i]->gen;
        w[2] = (int32_t)reqs[i]->route;
    }
}

/* Who was being entered when JavaScript ended; beyond the last one microtasks ran, and nobody can say. */
static void note_culprit(struct ax_bridge *b, uint32_t n)
{
    const int32_t *w = b->batch->words;
    uint32_t at = (uint32_t)w[AX_BATCH_AT];

    if (at < n)
        atomic_store(&b->native->culprits[b->id], (unsigned)w[AX_BATCH_HEAD + AX_BATCH_STEP * at + 2]);
}

/* JavaScript runs the batch; returns how many were entered, 0 = the environment is dying. */
static uint32_t dispatch(struct ax_bridge *b, uint32_t n)
{
    napi_value v;
    uint32_t entered = 0;

    if (AX_UNLIKELY(b->renew_context))
        renew_context(b);
    napi_status st = call(b, b->context, b->dispatch_ref, 0, NULL, &v);
    if (AX_LIKELY(st == napi_ok))
        st = napi_get_value_uint32(b->env, v, &entered);
    if (AX_LIKELY(st == napi_ok))
        return entered > n ? n : entered ? entered : 1;
    if (survives(b)) {
        entered = (uint32_t)b->batch->words[AX_BATCH_AT] + 1;
        return entered > n ? n : entered ? entered : 1;
    }
    note_culprit(b, n);
    return 0;
}

/* ax_dispatch.run: one call into JavaScript for the whole batch; leaving it drains microtasks, once.  The
 * worker may be taken over from `leave` on; then nothing of it is touched. */
static int run(void *ctx, struct ax_request *const *reqs, unsigned n)
{
    struct ax_bridge *b = AX_CAST(struct ax_bridge, ctx, AX_BRIDGE_MAGIC);
    napi_handle_scope scope;

    b->batch->words[AX_BATCH_AT] = -1; /* none is entered yet; JavaScript may end before it enters one */
    if (b->dying || napi_open_handle_scope(b->env, &scope) != napi_ok)
        return AX_DISPATCH_DYING;
    if (n > b->batch->max)
        n = b->batch->max;
    fill(b, reqs, n);
    b->batch_n = n;
    b->slice_end.us = ax_worker_now(b->worker).us + ax_site_settings(b->site)->slice_us;
    ax_worker_leave(b->worker);
    uint32_t entered = dispatch(b, n);
    b->batch_n = 0;
    napi_close_handle_scope(b->env, scope);
    if (AX_UNLIKELY(!ax_worker_enter(b->worker)))
        return AX_DISPATCH_TAKEN;
    return entered ? (int)entered : AX_DISPATCH_DYING;
}

/* Has an async context of its own and cannot leak the batch's. */
static void tell(struct ax_bridge *b, uint32_t index, uint32_t gen, enum ax_event what)
{
    napi_async_context context;
    napi_value argv[3], v;

    AX_NAPI_TRY(napi_create_int32(b->env, (int32_t)index, &argv[0]));
    AX_NAPI_TRY(napi_create_int32(b->env, (int32_t)gen, &argv[1]));
    AX_NAPI_TRY(napi_create_uint32(b->env, (uint32_t)what, &argv[2]));
    if (!make_context(b->env, &context))
        goto fail;
    napi_status st = call(b, context, b->event_ref, 3, argv, &v);
    napi_async_destroy(b->env, context);
    if (st == napi_ok)
        return;
fail:
    survives(b);
}

/* ax_dispatch.event: rare, but for streams. */
static bool event(void *ctx, struct ax_request *r, enum ax_event what)
{
    struct ax_bridge *b = AX_CAST(struct ax_bridge, ctx, AX_BRIDGE_MAGIC);
    napi_handle_scope scope;

    if (b->dying || b->life != AX_BRIDGE_RUNNING || napi_open_handle_scope(b->env, &scope) != napi_ok)
        return true;
    uint32_t index = r->index, gen = r->gen;
    ax_worker_leave(b->worker);
    tell(b, index, gen, what);
    napi_close_handle_scope(b->env, scope);
    return ax_worker_enter(b->worker);
}

struct ax_dispatch ax_bridge_dispatch(struct ax_bridge *b)
{
    return (struct ax_dispatch){.ctx = b, .run = run, .event = event};
}

void ax_bridge_call_once(struct ax_bridge *b, napi_ref *fn)
{
    napi_ref ref = *fn;
    napi_handle_scope scope;
    napi_async_context context;
    napi_value v;

    *fn = NULL;
    if (!ref)
        return;
    if (!b->dying && napi_open_handle_scope(b->env, &scope) == napi_ok) {
        bool made = make_context(b->env, &context);
        if (!made || call(b, context, ref, 0, NULL, &v) != napi_ok)
            survives(b);
        if (made)
            napi_async_destroy(b->env, context);
        napi_close_handle_scope(b->env, scope);
    }
    ax_unref(b->env, &ref);
}

napi_value ax_js_renewContext(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b = ax_bridge_of(env, info);

    if (b)
        b->renew_context = true;
    return NULL;
}
