/* cli/when.h - points in time as people write them, and as we show them.
 * Forms: "1h" (that long ago; units of the manifest), "14:00" or "14:00:30" (the last time the clock showed
 * that), "2026-11-22", "2026-11-22 14:00", "2026-11-22T14:00:30" (on the local clock, or UTC), RFC 3339 with
 * Z or an offset, and "now".  All times are microseconds of the wall clock.  Thread: none that changes TZ. */
#ifndef AX_CLI_WHEN_H
#define AX_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ax_when {
    int64_t now_us;
    bool utc; /* clock times and dates are UTC, not local */
    bool end; /* a date alone means the end of that day: what --until wants, as its day belongs to the window
               */
};
int ax_when_parse(const char *text, const struct ax_when *w, int64_t *ret_us, struct ax_err *reterr);

enum { AX_WHEN_MAX = 40 };
/* "2026-11-22 14:00:05", with "Z" behind it when utc. */
const char *ax_when_show(char out[AX_WHEN_MAX], int64_t us, bool utc);
/* "3s", "12m", "5h", "9d": how long ago, for a sentence. */
const char *ax_when_ago(char out[AX_WHEN_MAX], int64_t us, int64_t now_us);

#endif
