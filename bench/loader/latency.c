#include "latency.h"

enum { PARTS = 1 << AX_LATENCY_PART_BITS };

/* Below PARTS each nanosecond has its bucket; above, each power of two has PARTS. */
static unsigned bucket_of(uint64_t ns)
{
    if (ns < PARTS)
        return (unsigned)ns;
    unsigned top = 63u - (unsigned)__builtin_clzll(ns);
    if (top >= AX_LATENCY_TOP_BITS)
        return AX_LATENCY_BUCKETS - 1;
    unsigned shift = top - AX_LATENCY_PART_BITS;
    return ((shift + 1) << AX_LATENCY_PART_BITS) + ((unsigned)(ns >> shift) & (PARTS - 1));
}

static uint64_t middle_of(unsigned bucket)
{
    if (bucket < PARTS)
        return bucket;
    unsigned shift = (bucket >> AX_LATENCY_PART_BITS) - 1;
    uint64_t width = 1ull << shift;
    return (uint64_t)(PARTS + (bucket & (PARTS - 1))) * width + width / 2;
}

void ax_latency_add(struct ax_latency *l, int64_t ns)
{
    uint64_t took = ns > 0 ? (uint64_t)ns : 0;

    l->samples++;
    if (took > l->max_ns)
        l->max_ns = took;
    l->count[bucket_of(took)]++;
}

void ax_latency_merge(struct ax_latency *sum, const struct ax_latency *l)
{
    sum->samples += l->samples;
    if (l->max_ns > sum->max_ns)
        sum->max_ns = l->max_ns;
    for (unsigned i = 0; i < AX_LATENCY_BUCKETS; i++)
        sum->count[i] += l->count[i];
}

uint64_t ax_latency_quantile(const struct ax_latency *l, double q)
{
    uint64_t rank = (uint64_t)((double)l->samples * q), seen = 0;

    if (rank < 1)
        rank = 1;
    for (unsigned i = 0; i < AX_LATENCY_BUCKETS; i++) {
        seen += l->count[i];
        if (seen >= rank)
            return middle_of(i) < l->max_ns ? middle_of(i) : l->max_ns;
    }
    return 0;
}
