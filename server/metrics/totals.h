/* metrics/totals.h - what all engines of a run have counted together: sums that never go backwards, whatever
 * engines start, end or replace each other.  Differences are taken from their segments, as the store does,
 * but in memory and at any moment, so they need no database. What a segment says is not trusted: a number
 * that fell adds nothing, a route without a name is "(none)". Thread: one at a time (the supervisor's main
 * thread). */
#ifndef AX_METRICS_TOTALS_H
#define AX_METRICS_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "metrics/segment.h"

struct ax_totals;

/* Upper bounds, in microseconds: those that OpenTelemetry advises for http.server.request.duration (semantic
 * conventions 1.23, "HTTP metrics").  A bucket of ours counts below a bound when its middle does, so a bound
 * is off by at most half a bucket, 1.6 % (metrics/histogram.h). */
enum { AX_TOTALS_BOUNDS = 14 };
extern const uint32_t ax_totals_bound_us[AX_TOTALS_BOUNDS];

/* So many (method, pattern, class) are told apart: what comes later, after many reloads with new routes,
 * counts under the pattern "(other)", method "-". */
enum { AX_TOTALS_SERIES_MAX = 16384 };

struct ax_total { /* one (method, pattern, class); durations in microseconds */
    const char *method, *pattern;
    unsigned status_class; /* status / 100; 0 = none was sent */
    uint64_t bucket[AX_TOTALS_BOUNDS +
                    1]; /* requests by duration, each counted once; the last: above all bounds */
    uint64_t count;     /* the sum of bucket[] */
    uint64_t bytes_in, bytes_out, queue_us, handler_us, send_us;
};

int ax_totals_new(struct ax_totals **ret, struct ax_err *reterr); /* OWNED: ax_totals_free */
void ax_totals_free(struct ax_totals *t);                         /* NULL is fine */

/* From now on the segment counts, with all that it has counted before.  BORROWED until ax_totals_drop. */
int ax_totals_add(struct ax_totals *t, const struct ax_segment *s, struct ax_err *reterr);
/* Takes what was counted last; its values of the moment (connections, ...) no longer count.  Unknown ones are
 * fine.  -AX_E_NOMEM when something could not be taken, which is then lost here (the store has it). */
int ax_totals_drop(struct ax_totals *t, const struct ax_segment *s, struct ax_err *reterr);
/* Brings the sums up to date.  -AX_E_NOMEM: something is left for the next call. */
int ax_totals_take(struct ax_totals *t, struct ax_err *reterr);
/* Has any worker's loop turned since the last call?  Looks at the heartbeats alone. */
bool ax_totals_moved(struct ax_totals *t);

/* ---- over to another process, which reads the same segments from their beginnings */
/* The sums lose what the segments that are here have counted, and the next take counts it again: what is left
 * is what no other reader can know. */
void ax_totals_rewind(struct ax_totals *t);
/* Adds what another process has summed up; of the counters only those that are COUNTERs.  -AX_E_NOMEM. */
int ax_totals_seed(struct ax_totals *t, const struct ax_total *sum, struct ax_err *reterr);
void ax_totals_seed_counters(struct ax_totals *t, const struct ax_counters *sums);

/* As of the last take.  COUNTERs are sums over all engines there ever were, GAUGEs those of the segments that
 * are there now: sums, but of pool_high the largest. */
const struct ax_counters *ax_totals_counters(const struct ax_totals *t);
unsigned ax_totals_count(const struct ax_totals *t);
/* In order of appearance; BORROWED until the next take or drop. */
const struct ax_total *ax_totals_at(const struct ax_totals *t, unsigned i);

#endif
