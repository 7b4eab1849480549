/* base/library.h - a shared library opened by name when something first needs it.
 * The addon lives inside Node, which exports an OpenSSL, a zlib and a brotli of its own: what is linked in
 * the usual way would be bound to those.  A library opened here is bound to itself (RTLD_DEEPBIND), is seen
 * by nobody else (RTLD_LOCAL), stays loaded (it may keep what is a thread's), and is needed only by who uses
 * it. Thread: any. */
#ifndef AX_BASE_LIBRARY_H
#define AX_BASE_LIBRARY_H

#include <stddef.h>

#include "base/err.h"

struct ax_symbol {
    const char *name;
    void *to; /* address of a pointer to a function */
};

/* The first of names[] (NULL-terminated) that is there, with every symbol of v[0..n) stored; -AX_E_MISSING,
 * and nothing stored, when there is none or it lacks one. */
int ax_library_open(const char *const *names, const struct ax_symbol *v, size_t n, struct ax_err *reterr);

#endif
