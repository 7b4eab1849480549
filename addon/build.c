/* How the addon was built: native.build(). */
#include "base/build.h"
#include "bridge.h"

napi_value ax_js_build(napi_env env, napi_callback_info info)
{
    const struct ax_build build = ax_build();
    napi_value facts, value;

    (void)info;
    AX_NAPI_TRY(napi_create_object(env, &facts));
#define FACT(name)                                                                                           \
    AX_NAPI_TRY(napi_create_string_utf8(env, build.name, NAPI_AUTO_LENGTH, &value));                         \
    AX_NAPI_TRY(napi_set_named_property(env, facts, #name, value));
    AX_BUILD_FIELDS(FACT)
#undef FACT
    return facts;
fail:
    napi_throw_error(env, "ERR_ENGINE", "cannot say how the addon was built");
    return NULL;
}
