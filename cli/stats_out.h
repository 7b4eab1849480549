/* cli/stats_out.h - the three shapes of `actix stats`: tables for people, JSON and CSV for programs.
 * Each prints to stdout and returns an exit code. */
#ifndef AX_CLI_STATS_OUT_H
#define AX_CLI_STATS_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/cmd.h"
#include "metrics/store.h"

struct ax_stats_view {
    const struct ax_stats *routes; /* BORROWED: rows by route */
    const struct ax_stats *rows;   /* BORROWED: rows as --by asks; the same as `routes` by default */
    int by;                        /* AX_BY_ROUTE ... */
    bool utc;                      /* times for people; programs always get RFC 3339 UTC */
    int64_t now_us;
    const struct ax_args *args;
};

int ax_stats_print(const struct ax_stats_view *v);
int ax_stats_print_json(const struct ax_stats_view *v);
int ax_stats_print_csv(const struct ax_stats_view *v);

/* Names of the status classes, by number: "aborted" (no status was sent), "1xx" ... "5xx". */
extern const char *const ax_status_names[AX_STATUS_CLASSES];
/* Names of --by, by number, NULL-terminated: "route" "status" "time" "worker". */
extern const char *const ax_by_names[];

#endif
