/* How JavaScript enters native code: what it calls owns the worker while it runs, and the watchdog may take
 * the worker over only outside of it (net/worker.h).  When that has happened nothing is done and nothing is
 * said: a worker taken over has no request any more, and its environment is about to end.  Threads: the
 * environment's own. */
#include "bridge.h"

/* Reads (slot, gen, ...) and takes the worker; false when there is nothing to do: with a TypeError pending
 * when they are no integers.  Both travel as signed words: what fits those V8 keeps in the value itself,
 * while a generation from 2^31 on would be an object. */
static inline bool begin(napi_env env, napi_callback_info info, size_t max, struct ax_call *c)
{
    int32_t slot, gen;
    void *data;

    c->argc = max;
    AX_NAPI_TRY(napi_get_cb_info(env, info, &c->argc, c->argv, NULL, &data));
    c->b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    AX_NAPI_TRY(napi_get_value_int32(env, c->argv[0], &slot));
    AX_NAPI_TRY(napi_get_value_int32(env, c->argv[1], &gen));
    c->r = NULL;
    if (AX_UNLIKELY(c->b->life != AX_BRIDGE_RUNNING))
        return true;
    if (AX_UNLIKELY(!ax_worker_enter(c->b->worker)))
        return false;
    c->r = ax_request_get(c->b->worker, (uint32_t)slot, (uint32_t)gen);
    return true;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "slot and gen must be integers");
    return false;
}

static inline void end(struct ax_bridge *b)
{
    if (AX_LIKELY(b->life == AX_BRIDGE_RUNNING))
        ax_worker_leave(b->worker);
}

/* The bridge whose worker runs and is ours now; NULL, with an Error pending when there is no such worker. */
static struct ax_bridge *running(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b = ax_bridge_of(env, info);

    if (b && b->life == AX_BRIDGE_RUNNING)
        return ax_worker_enter(b->worker) ? b : NULL;
    napi_throw_error(env, "ERR_STATE", "no worker runs in this environment");
    return NULL;
}

#define FUNCTION(name)
#define WORKER(name)                                                                                         \
    napi_value ax_js_##name(napi_env env, napi_callback_info info)                                           \
    {                                                                                                        \
        struct ax_bridge *b = running(env, info);                                                            \
        napi_value ret = NULL;                                                                               \
        if (b) {                                                                                             \
            ret = ax_on_##name(b, info);                                                                     \
            end(b);                                                                                          \
        }                                                                                                    \
        return ret;                                                                                          \
    }
#define REQUEST(name, args)                                                                                  \
    napi_value ax_js_##name(napi_env env, napi_callback_info info)                                           \
    {                                                                                                        \
        struct ax_call c;                                                                                    \
        _Static_assert((args) <= AX_COUNT(c.argv), "an argument finds room");                                \
        if (AX_UNLIKELY(!begin(env, info, (args), &c)))                                                      \
            return NULL;                                                                                     \
        napi_value ret = ax_on_##name(&c);                                                                   \
        end(c.b);                                                                                            \
        return ret;                                                                                          \
    }
#include "native.def"
