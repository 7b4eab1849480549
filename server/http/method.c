#include "http/method.h"

#include "base/assert.h"

static const char *const names[] = {
#define METHOD(id, name) name,
#include "http/method.def"
#undef METHOD
    "ANY",
};

/* Known to HTTP's registry, never routed here. */
static bool is_other(struct ax_str name)
{
    static const char *const others[] = {
        "TRACE",  "CONNECT",    "PROPFIND", "PROPPATCH", "MKCOL",      "COPY", "MOVE",   "LOCK",
        "UNLOCK", "SEARCH",     "REPORT",   "LINK",      "UNLINK",     "BIND", "REBIND", "UNBIND",
        "ACL",    "MKACTIVITY", "CHECKOUT", "MERGE",     "MKCALENDAR", "PRI"};

    for (unsigned i = 0; i < AX_COUNT(others); i++)
        if (ax_str_eq(name, ax_str(others[i])))
            return true;
    return false;
}

/* The compiler makes each a length and a word or two. */
enum ax_method ax_method_parse(struct ax_str name)
{
#define METHOD(id, text)                                                                                     \
    if (name.n == sizeof(text) - 1 && memcmp(name.p, text, sizeof(text) - 1) == 0)                           \
        return AX_##id;
#include "http/method.def"
#undef METHOD
    return is_other(name) ? AX_OTHER_METHOD : AX_UNKNOWN_METHOD;
}

const char *ax_method_name(enum ax_method m)
{
    return (unsigned)m <= AX_ANY ? names[m] : "-";
}
