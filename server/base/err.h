/* base/err.h - one error struct, passed as the last parameter, untouched on success.
 * Library code fills it and returns -code; only cli/ and addon/ print it.
 * Thread: a plain value, owned by the caller. */
#ifndef AX_BASE_ERR_H
#define AX_BASE_ERR_H

#include <stdarg.h>

#define AX_ERR_MAP(X)                                                                                        \
    X(NOMEM, "out of memory")                                                                                \
    X(SYNTAX, "malformed")                                                                                   \
    X(RANGE, "value out of range")                                                                           \
    X(TYPE, "value of a wrong type")                                                                         \
    X(UNKNOWN, "unknown name")                                                                               \
    X(DUPLICATE, "given twice")                                                                              \
    X(MISSING, "missing")                                                                                    \
    X(UNSUPPORTED, "not supported yet")                                                                      \
    X(LIMIT, "over a limit")                                                                                 \
    X(SYS, "system call failed")                                                                             \
    X(DB, "database error")                                                                                  \
    X(BUSY, "in use")                                                                                        \
    X(STATE, "not possible in this state")                                                                   \
    X(PROTO, "protocol error")

enum ax_code {
    AX_OK = 0,
#define X(name, text) AX_E_##name,
    AX_ERR_MAP(X)
#undef X
};

struct ax_err {
    enum ax_code code;  /* AX_OK until something fails */
    int os;             /* errno, uv or sqlite code; 0 = none */
    const char *file;   /* BORROWED from whoever loaded it; outlives the error */
    unsigned line, col; /* 1-based; 0 = not about a place in a file */
    char msg[400];      /* what is wrong, what was found, what to do; lower case, no full stop, no newline */
};

/* Records the first failure in *reterr (NULL is fine) and returns -code: `return ax_fail(...)`. */
int ax_fail(struct ax_err *reterr, enum ax_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));
/* As ax_fail with AX_E_SYS; keeps `os` and appends ": strerror(os)". */
int ax_fail_os(struct ax_err *reterr, int os, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), cold));
/* As ax_fail, at a place of a file. */
int ax_fail_at(struct ax_err *reterr, enum ax_code code, const char *file, unsigned line, unsigned col,
               const char *fmt, ...) __attribute__((format(printf, 6, 7), cold));
const char *ax_code_text(enum ax_code code);

#endif
