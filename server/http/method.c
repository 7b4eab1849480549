#include "http/method.h"

#include "base/assert.h"

static const char *const names[] = {
#define METHOD(id, name) name,
#include "http/method.def"
#undef METHOD
    "ANY",
};

/* Known to HTTP's registry, never routed here. */
static const char *const others[] = {"TRACE",    "CONNECT", "PROPFIND",   "PROPPATCH", "MKCOL",  "COPY",
                                     "MOVE",     "LOCK",    "UNLOCK",     "SEARCH",    "REPORT", "LINK",
                                     "UNLINK",   "BIND",    "REBIND",     "UNBIND",    "ACL",    "MKACTIVITY",
                                     "CHECKOUT", "MERGE",   "MKCALENDAR", "PRI"};

enum ax_method ax_method_parse(struct ax_str name)
{
    for (unsigned i = 0; i < AX_METHODS; i++)
        if (ax_str_eq(name, ax_str(names[i])))
            return (enum ax_method)i;
    for (unsigned i = 0; i < AX_COUNT(others); i++)
        if (ax_str_eq(name, ax_str(others[i])))
            return AX_OTHER_METHOD;
    return AX_UNKNOWN_METHOD;
}

const char *ax_method_name(enum ax_method m)
{
    return (unsigned)m <= AX_ANY ? names[m] : "-";
}
