/* loader/latency.h - durations in buckets of at most 1/128 of their lower bound, so that the middle of a
 * bucket is off by less than 0.4 %.  From 1 ns to 2^40 ns (18 minutes); longer ones land in the last bucket.
 * The server's own histogram (metrics/histogram.h) is coarser and counts whole microseconds.
 * Thread: none; merge after the threads have ended. */
#ifndef AX_BENCH_LOADER_LATENCY_H
#define AX_BENCH_LOADER_LATENCY_H

#include <stdint.h>

enum { AX_LATENCY_PART_BITS = 7, AX_LATENCY_TOP_BITS = 40 };
enum { AX_LATENCY_BUCKETS = (AX_LATENCY_TOP_BITS - AX_LATENCY_PART_BITS + 1) << AX_LATENCY_PART_BITS };

/* All zero: empty. */
struct ax_latency {
    uint64_t samples, max_ns;
    uint64_t count[AX_LATENCY_BUCKETS];
};

void ax_latency_add(struct ax_latency *l, int64_t ns);
void ax_latency_merge(struct ax_latency *sum, const struct ax_latency *l);
/* Nanoseconds at quantile q (0..1), never above max_ns; 0 when empty. */
uint64_t ax_latency_quantile(const struct ax_latency *l, double q);

#endif
