#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

/* The sanitizers refuse to open anything with it; what runs under them is not inside Node. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
enum { BIND = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };
#else
enum { BIND = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_DEEPBIND };
#endif

static const char *reason(const char *otherwise)
{
    const char *why = dlerror();

    return why ? why : otherwise;
}

int ax_library_open(const char *const *names, const struct ax_symbol *v, size_t n, struct ax_err *reterr)
{
    void *handle = NULL;

    for (size_t i = 0; names[i] && !handle; i++)
        handle = dlopen(names[i], BIND);
    if (!handle)
        return ax_fail(reterr, AX_E_MISSING, "cannot open %s: %s", names[0], reason("not found"));
    for (size_t i = 0; i < n; i++)
        if (!dlsym(handle, v[i].name))
            return ax_fail(reterr, AX_E_MISSING, "%s is of no use here: %s", names[0], reason(v[i].name));
    for (size_t i = 0; i < n; i++) {
        void *symbol = dlsym(handle, v[i].name);
        memcpy(v[i].to, &symbol, sizeof symbol); /* POSIX lets an object pointer hold a function */
    }
    return 0;
}
