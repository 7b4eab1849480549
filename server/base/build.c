#include "base/build.h"

#include <string.h>

#include "base/alloc.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#ifdef __clang__
#define COMPILER "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#else
#define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#endif

/* Compiled without the Makefile, as by an editor's checker. */
#ifndef AX_BUILD_KIND
#define AX_BUILD_KIND   "unknown"
#define AX_BUILD_FLAGS  "unknown"
#define AX_BUILD_OPT    "unknown"
#define AX_BUILD_MARCH  "unknown"
#define AX_BUILD_LTO    "unknown"
#define AX_BUILD_PGO    "unknown"
#define AX_BUILD_STRIP  "unknown"
#define AX_BUILD_POOL   "unknown"
#define AX_BUILD_INTERN "unknown"
#endif

struct ax_build ax_build(void)
{
    struct ax_allocator a = ax_allocator();
    struct ax_build b = {.version = AX_VERSION,
                         .kind = AX_BUILD_KIND,
                         .compiler = COMPILER,
                         .flags = AX_BUILD_FLAGS,
                         .opt = AX_BUILD_OPT,
                         .march = AX_BUILD_MARCH,
                         .lto = AX_BUILD_LTO,
                         .pgo = AX_BUILD_PGO,
                         .strip = AX_BUILD_STRIP,
                         .pool = AX_BUILD_POOL,
                         .intern = AX_BUILD_INTERN,
                         .allocator = a.name};

    _Static_assert(sizeof b.allocator_version == sizeof a.version && sizeof b.allocator_why == sizeof a.why,
                   "");
    memcpy(b.allocator_version, a.version, sizeof a.version);
    memcpy(b.allocator_why, a.why, sizeof a.why);
    return b;
}
