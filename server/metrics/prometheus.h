/* metrics/prometheus.h - the sums of metrics/totals.h as a page for Prometheus: text format 0.0.4
 * (prometheus.io/docs/instrumenting/exposition_formats).  What workers count comes from metrics.def, row by
 * row; requests are named as OpenTelemetry's HTTP semantic conventions 1.23 name them. Thread: the caller's.
 */
#ifndef AX_METRICS_PROMETHEUS_H
#define AX_METRICS_PROMETHEUS_H

#include "base/buf.h"
#include "base/clock.h"
#include "metrics/totals.h"

#define AX_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Ceiling of a page.  Series that do not fit are left out whole, the latest first, and actix_series_omitted
 * says how many. */
enum { AX_PROMETHEUS_MAX = 16 << 20 };

struct ax_prometheus_facts { /* what the totals do not know */
    const char *version;
    ax_wall started;            /* of the supervisor */
    uint64_t rss_bytes, cpu_us; /* supervisor and engines; cpu_us never falls */
    uint64_t engine_restarts, worker_restarts;
    uint64_t dropped;                /* records that found no room in the supervisor, beside the workers' */
    unsigned workers_ready, zombies; /* zombies: stalled workers that could not be ended yet */
    bool live, ready;
};

/* Appends the page to `out`, whose ceiling must be AX_PROMETHEUS_MAX at least.  0 or -AX_E_NOMEM. */
int ax_prometheus(const struct ax_totals *t, const struct ax_prometheus_facts *facts, struct ax_buf *out,
                  struct ax_err *reterr);
/* `s` as the inside of a label value: backslash, quote and line feed escaped.  What is no UTF-8, and NUL,
 * which would spoil the page, becomes "?". */
void ax_prometheus_label(struct ax_buf *out, struct ax_str s);

#endif
