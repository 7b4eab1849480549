/* cli/route_table.h - the routes of an app as rows: `actix routes` prints them, `actix explain` asks them,
 * and `actix check` looks for such as hide each other.  Thread: none. */
#ifndef AX_CLI_ROUTE_TABLE_H
#define AX_CLI_ROUTE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "config/manifest.h"
#include "supervisor/check.h"

enum { AX_ROUTE_NO_TIMEOUT = -1 }; /* answered without JavaScript: nothing to time */

/* Strings are BORROWED from the manifest and the result of the check, or OWNED by the table. */
struct ax_route_row {
    const char *method, *path, *handler;
    const char *file; /* NULL = registered in code */
    unsigned line, col;
    int64_t timeout_us;
    int64_t max_inflight, queue;            /* 0 = none */
    const struct ax_manifest_route *origin; /* the line of the manifest it came from; NULL = code */
};

struct ax_route_table {
    struct ax_route_row *rows; /* OWNED */
    char **names;              /* OWNED: handlers that had to be put together */
    size_t n;
};

/* `loaded`: what a throw-away Node found; NULL = only what the manifest says.  -AX_E_NOMEM. */
int ax_route_table_make(const struct ax_manifest *m, const struct ax_check_result *loaded,
                        struct ax_route_table *ret, struct ax_err *reterr);
void ax_route_table_fini(struct ax_route_table *t);

/* Warnings about routes that hide each other (supervisor/explain.h), each at its row; the text is BORROWED
 * for the call.  Returns how many; `warn` may be NULL. */
size_t ax_route_table_lint(const struct ax_route_table *t,
                           void (*warn)(void *ctx, const struct ax_route_row *row, const char *text),
                           void *ctx);

#endif
