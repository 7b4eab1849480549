#include "base/err.h"

#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static int record(struct ax_err *e, enum ax_code code, const char *fmt,
                                                        va_list ap)
{
    if (e && e->code == AX_OK) {
        e->code = code;
        vsnprintf(e->msg, sizeof e->msg, fmt, ap);
        for (char *p = e->msg; *p; p++)
            if (*p == '\n' || *p == '\r')
                *p = ' ';
    }
    return -(int)code;
}

int ax_fail(struct ax_err *reterr, enum ax_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int rc = record(reterr, code, fmt, ap);
    va_end(ap);
    return rc;
}

int ax_fail_os(struct ax_err *reterr, int os, const char *fmt, ...)
{
    va_list ap;

    if (reterr && reterr->code == AX_OK) {
        va_start(ap, fmt);
        record(reterr, AX_E_SYS, fmt, ap);
        va_end(ap);
        reterr->os = os;
        size_t n = strlen(reterr->msg);
        snprintf(reterr->msg + n, sizeof reterr->msg - n, ": %s", strerror(os));
    }
    return -(int)AX_E_SYS;
}

int ax_fail_at(struct ax_err *reterr, enum ax_code code, const char *file, unsigned line, unsigned col,
               const char *fmt, ...)
{
    va_list ap;

    if (reterr && reterr->code == AX_OK) {
        reterr->file = file;
        reterr->line = line;
        reterr->col = col;
    }
    va_start(ap, fmt);
    int rc = record(reterr, code, fmt, ap);
    va_end(ap);
    return rc;
}

const char *ax_code_text(enum ax_code code)
{
    static const char *const text[] = {"ok",
#define X(name, text) text,
                                       AX_ERR_MAP(X)
#undef X
    };
    return (unsigned)code < sizeof text / sizeof *text ? text[code] : "unknown error";
}
