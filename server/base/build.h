/* base/build.h - how this program, or the addon, was built.  The two are linked apart and may differ.
 * The facts come from the Makefile, which defines AX_BUILD_* for build.c alone.  Thread: any. */
#ifndef AX_BASE_BUILD_H
#define AX_BASE_BUILD_H

struct ax_build {
    /* Static strings. */
    const char *version;  /* of actix */
    const char *kind;     /* BUILD: release, debug, asan, tsan, cover, pgo, pgo-gen */
    const char *compiler; /* as it names itself: "gcc 12.2.0", "clang 14.0.6" */
    const char *flags;    /* without warnings and macros */
    const char *opt;      /* "-O3" */
    const char *march;    /* portable, native, x86-64-v2, x86-64-v3 */
    const char *lto;      /* on, off */
    const char *pgo;      /* on, off, training */
    const char *strip;    /* on, off */
    const char *pool;     /* default, malloc */
    const char *intern;   /* on, off */
    /* What ax_malloc really calls in this process, which the addon finds out when it is loaded: base/alloc.h.
     */
    const char *allocator;      /* default, jemalloc, mimalloc */
    char allocator_version[24]; /* as the library itself says at run time */
    char allocator_why[160];    /* why it is not the one that was built for; "" = it is */
};

/* X(field) for each of them, in that order: who prints them all needs no list of its own. */
#define AX_BUILD_FIELDS(X)                                                                                   \
    X(version)                                                                                               \
    X(kind)                                                                                                  \
    X(compiler)                                                                                              \
    X(flags)                                                                                                 \
    X(opt)                                                                                                   \
    X(march)                                                                                                 \
    X(lto)                                                                                                   \
    X(pgo)                                                                                                   \
    X(strip)                                                                                                 \
    X(pool)                                                                                                  \
    X(intern)                                                                                                \
    X(allocator)                                                                                             \
    X(allocator_version)                                                                                     \
    X(allocator_why)

struct ax_build ax_build(void);

#endif
