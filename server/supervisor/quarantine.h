/* supervisor/quarantine.h - routes that keep killing workers (server.quarantine): counts the kills of each,
 * blocks a route in the segments of all engines when there were too many, and releases it in time.
 * A kill is a worker that ended because of a request of the route: it stalled, ran out of heap, threw where
 * nobody catches, ended its process; and an engine that crashed while requests of one route alone were
 * running.  Bounded: AX_QUARANTINE_ROUTES routes are remembered, the one that has been quiet for longest goes
 * first.  Thread: the loop's. */
#ifndef AX_SUPERVISOR_QUARANTINE_H
#define AX_SUPERVISOR_QUARANTINE_H

#include <stdbool.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "config/manifest.h"
#include "metrics/segment.h"

enum { AX_QUARANTINE_ROUTES = 64 };

struct ax_quarantine_options {
    uv_loop_t *loop;
    /* A route's state has changed: `until_us` on the monotonic clock, 0 = released.  The text is for log and
     * events. */
    void (*changed)(void *ctx, const char *method, const char *pattern, int64_t until_us, const char *text);
    void *ctx;
};

struct ax_quarantine;
struct json_t; /* jansson */

int ax_quarantine_new(const struct ax_quarantine_options *o, struct ax_quarantine **ret,
                      struct ax_err *reterr);
void ax_quarantine_close(struct ax_quarantine *q); /* its timer; NULL is fine */
void ax_quarantine_free(struct ax_quarantine *q);  /* after the loop; NULL is fine */
/* The rules from now on, with nothing remembered: a new generation. */
void ax_quarantine_reset(struct ax_quarantine *q, const struct ax_manifest *m);
/* One kill; `why`: "stall", "crash", "heap", "exit". */
void ax_quarantine_kill(struct ax_quarantine *q, const char *method, const char *pattern, const char *why);
/* Blocks in `s` what is blocked now; NULL is fine. */
void ax_quarantine_apply(const struct ax_quarantine *q, struct ax_segment *s);
/* Blocks or releases one route in a segment. */
void ax_quarantine_set(struct ax_segment *s, const char *method, const char *pattern, int64_t until_us);
/* [{"method","route","until"}] for the status, `until` RFC 3339; OWNED, NULL = out of memory. */
struct json_t *ax_quarantine_json(const struct ax_quarantine *q);

#endif
