/* Opens jemalloc when the program or the addon is loaded; base/alloc.h says why the addon is not linked to
 * it.  It is opened for us alone (RTLD_LOCAL), so that its malloc takes nobody else's place, and stays open:
 * it frees what is a thread's when that ends. */
#include "base/heap.h"

#ifdef AX_ALLOC_JEMALLOC
#include <dlfcn.h>
#include <string.h>

/* Of jemalloc 3 and later: the functions that are called here have not changed since. */
static const char library[] = "libjemalloc.so.2";

struct ax_heap_jemalloc ax_heap_jemalloc;

/* POSIX lets an object pointer hold a function: dlsym(3). */
static void *find(void *handle, const char *name, void *function, size_t bytes)
{
    void *symbol = dlsym(handle, name);

    if (symbol)
        memcpy(function, &symbol, bytes);
    return symbol;
}

/* "5.3.0-0-g54eaed1d…" up to the first dash. */
static void ask_version(void *handle)
{
    int (*ctl)(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);
    const char *text = NULL;
    size_t n = sizeof text;

    if (!find(handle, "mallctl", &ctl, sizeof ctl))
        return;
    ax_heap_jemalloc.ctl = ctl;
    if (ctl("version", &text, &n, NULL, 0) == 0 && text)
        snprintf(ax_heap_jemalloc.version, sizeof ax_heap_jemalloc.version, "%.*s", (int)strcspn(text, "-"),
                 text);
}

__attribute__((constructor)) static void open_library(void)
{
    struct ax_heap_jemalloc h = {0};
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (handle && find(handle, "mallocx", &h.mallocx, sizeof h.mallocx) &&
        find(handle, "rallocx", &h.rallocx, sizeof h.rallocx) &&
        find(handle, "dallocx", &h.dallocx, sizeof h.dallocx)) {
        ax_heap_jemalloc = h;
        ask_version(handle);
        return;
    }
    const char *why = dlerror();
    snprintf(ax_heap_jemalloc.why, sizeof ax_heap_jemalloc.why, "%s", why ? why : library);
}
#endif
