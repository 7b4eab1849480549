/* Module init: one bridge per environment, handed to every function as its data pointer, so that no call has
 * to look it up.  Order at the end of an environment: the async cleanup hook closes the worker's handles,
 * libuv lets go of them, then the instance data's finalizer frees. */
#include "base/alloc.h"
#include "bridge.h"

static void free_bridge(napi_env env, void *data, void *hint)
{
    struct ax_bridge *b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);

    (void)env;
    (void)hint;
    ax_bridge_unlist(b);
    ax_bridge_free_worker(b);
    ax_batch_unref(b->fresh);
    b->magic = 0;
    ax_free(b);
}

static void on_env_ends(napi_async_cleanup_hook_handle handle, void *arg)
{
    struct ax_bridge *b = AX_CAST(struct ax_bridge, arg, AX_BRIDGE_MAGIC);

    b->dying = true;
    b->hook_waits = true;
    ax_bridge_abandon(b);
    ax_bridge_close(b);
    if (b->life == AX_BRIDGE_EMPTY || b->life == AX_BRIDGE_CLOSED) {
        b->hook_waits = false;
        b->hook = NULL;
        napi_remove_async_cleanup_hook(handle);
    }
}

static bool export_functions(napi_env env, napi_value exports, struct ax_bridge *b)
{
    napi_value version;
    napi_property_descriptor props[] = {
#define FUNCTION(name)      {#name, NULL, ax_js_##name, NULL, NULL, NULL, napi_enumerable, b},
#define WORKER(name)        FUNCTION(name)
#define REQUEST(name, args) FUNCTION(name)
#include "native.def"
#undef FUNCTION
#undef WORKER
#undef REQUEST
        {"version", NULL, NULL, NULL, NULL, NULL, napi_enumerable, NULL},
    };

    AX_NAPI_TRY(napi_create_string_latin1(env, AX_VERSION, NAPI_AUTO_LENGTH, &version));
    props[AX_COUNT(props) - 1].value = version;
    AX_NAPI_TRY(napi_define_properties(env, exports, AX_COUNT(props), props));
    return true;
fail:
    return false;
}

/* NAPI_MODULE_INIT defines it without a prototype. */
NAPI_MODULE_EXPORT int32_t node_api_module_get_api_version_v1(void);

NAPI_MODULE_INIT()
{
    struct ax_bridge *b = ax_calloc(1, sizeof *b);

    if (!b) {
        napi_throw_error(env, "ERR_NOMEM", "out of memory");
        return NULL;
    }
    b->magic = AX_BRIDGE_MAGIC;
    b->env = env;
    ax_list_init(&b->node);
    if (napi_set_instance_data(env, b, free_bridge, NULL) != napi_ok) {
        ax_free(b);
        goto fail;
    }
    if (!export_functions(env, exports, b))
        goto fail;
    AX_NAPI_TRY(napi_add_async_cleanup_hook(env, on_env_ends, b, &b->hook));
    return exports;
fail:
    napi_throw_error(env, "ERR_ENGINE", "cannot set up the native module");
    return NULL;
}
