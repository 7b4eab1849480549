/* supervisor/check.h - loads every module of a manifest in a throw-away Node, for `actix check` and `actix
 * routes`. Runs LIB/addon/check.js with ACTIX_CHECK=1: no onStart, 10 s at most, then its whole process group
 * is killed. What handlers print goes to stderr.  Thread: any; blocks. */
#ifndef AX_SUPERVISOR_CHECK_H
#define AX_SUPERVISOR_CHECK_H

#include <stddef.h>

#include "base/err.h"
#include "config/manifest.h"

struct ax_check_error {
    char *file; /* NULL = not about a place in a file */
    unsigned line, col;
    char *message;
};
struct ax_check_route {
    char *method, *pattern, *name; /* name: "handlers/users.js#show", "redirect", ... */
    char *file;                    /* NULL = registered in code */
    unsigned line, col;
};
/* After expansion of exports and of routes that modules register in code (CheckResult of addon/plan.d.ts). */
struct ax_check_result {
    struct ax_check_error *errors;
    size_t nerrors;
    struct ax_check_route *routes;
    size_t nroutes;
};

struct ax_check_options {
    const char *script; /* NULL = LIB/addon/check.js */
    int64_t timeout_us; /* 0 = 10 s */
};

/* 0 with *ret filled (OWNED: ax_check_result_free), whatever was found; or -code when the check could not be
 * made: no Node, too old a Node, out of time (-AX_E_LIMIT), a crash.  `o` may be NULL. */
int ax_check_run(const struct ax_manifest *m, const struct ax_check_options *o, struct ax_check_result *ret,
                 struct ax_err *reterr);
void ax_check_result_free(struct ax_check_result *r);

#endif
