/* metrics/histogram.h - durations in fixed buckets, so that histograms merge by adding.
 * Log-linear: values below 64 us have a bucket each; above, every power of two is cut into 32 equal parts, so
 * a bucket is at most 1/32 of its lower bound wide and its middle is off by at most 1.6 % (at most 2 % is
 * promised, from 1 us to 1 h).  2^32 us = 71 min; longer durations land in the last bucket. */
#ifndef AX_METRICS_HISTOGRAM_H
#define AX_METRICS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { AX_HIST_BUCKETS = 64 + (32 - 6) * 32 };

/* us -> bucket; on the request path, so inline and branch-light. */
static inline unsigned ax_hist_bucket(uint64_t us)
{
    if (us < 64)
        return (unsigned)us;
    if (us > UINT32_MAX)
        return AX_HIST_BUCKETS - 1;
    unsigned top = 31u - (unsigned)__builtin_clz((uint32_t)us); /* 6..31 */
    return 64u + (top - 6u) * 32u + ((unsigned)(us >> (top - 5u)) & 31u);
}

/* Lower bound of a bucket in us (inclusive); bucket AX_HIST_BUCKETS gives 2^32. */
uint64_t ax_hist_lower(unsigned bucket);
/* The value at quantile q (0..1) of counts[AX_HIST_BUCKETS]: middle of its bucket, us; 0 for an empty
 * histogram. */
uint64_t ax_hist_quantile(const uint64_t counts[AX_HIST_BUCKETS], double q);

/* Sparse encoding for the database: varint pairs (gap to the previous bucket, count).  Returns bytes written,
 * at most AX_HIST_BLOB_MAX. */
enum { AX_HIST_BLOB_MAX = AX_HIST_BUCKETS * 12 };
size_t ax_hist_encode(const uint64_t counts[AX_HIST_BUCKETS], uint8_t out[AX_HIST_BLOB_MAX]);
/* Adds an encoded histogram to counts.  0, or -AX_E_SYNTAX when the bytes are none (counts may be half
 * added). */
int ax_hist_decode_add(const uint8_t *blob, size_t n, uint64_t counts[AX_HIST_BUCKETS]);

#endif
