#include "http/traceparent.h"

#include <stdbool.h>
#include <string.h>

/* version "-" trace-id "-" parent-id "-" trace-flags, in lower case hexadecimal digits */
enum {
    TRACE_AT = 3,
    PARENT_AT = TRACE_AT + AX_TRACE_ID_LEN + 1,
    PARENT_LEN = 16,
    FLAGS_AT = PARENT_AT + PARENT_LEN + 1,
    FLAGS_LEN = 2,
    LEN = FLAGS_AT + FLAGS_LEN,
};

static bool hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
    return true;
}

static bool zeros(const char *p, size_t n)
{
    return strspn(p, "0") >= n;
}

/* Version 00 ends there; a later one may go on behind a "-", and ff is none. */
static bool version_ok(struct ax_str v)
{
    if (memcmp(v.p, "00", 2) == 0)
        return v.n == LEN;
    return memcmp(v.p, "ff", 2) != 0 && (v.n == LEN || v.p[LEN] == '-');
}

struct ax_str ax_trace_id(struct ax_str v)
{
    static const struct ax_str none = {NULL, 0};

    if (v.n < LEN || v.p[TRACE_AT - 1] != '-' || v.p[PARENT_AT - 1] != '-' || v.p[FLAGS_AT - 1] != '-')
        return none;
    if (!hex(v.p, TRACE_AT - 1) || !hex(v.p + TRACE_AT, AX_TRACE_ID_LEN) ||
        !hex(v.p + PARENT_AT, PARENT_LEN) || !hex(v.p + FLAGS_AT, FLAGS_LEN))
        return none;
    if (!version_ok(v) || zeros(v.p + TRACE_AT, AX_TRACE_ID_LEN) || zeros(v.p + PARENT_AT, PARENT_LEN))
        return none;
    return (struct ax_str){v.p + TRACE_AT, AX_TRACE_ID_LEN};
}
