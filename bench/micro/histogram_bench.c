/* The server's own histogram: a duration counted, two histograms added up, a percentile, and the form that is
 * stored.  The durations are those of a server at work: around 200 us, a few much longer. */
#include "bench.h"
#include "metrics/histogram.h"

enum { DURATIONS = 4096 };

struct work {
    uint64_t us[DURATIONS];
    uint64_t counts[AX_HIST_BUCKETS], more[AX_HIST_BUCKETS];
    uint8_t blob[AX_HIST_BLOB_MAX];
    size_t blob_n;
};

static void record(void *arg, unsigned n)
{
    struct work *w = arg;

    for (unsigned i = 0; i < n; i++)
        w->counts[ax_hist_bucket(w->us[i % DURATIONS])]++;
    AX_BENCH_USE(w->counts);
}

static void merge(void *arg, unsigned n)
{
    struct work *w = arg;

    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; k < AX_HIST_BUCKETS; k++)
            w->more[k] += w->counts[k];
        AX_BENCH_USE(w->more);
    }
}

static void percentile(void *arg, unsigned n)
{
    const struct work *w = arg;

    for (unsigned i = 0; i < n; i++)
        AX_BENCH_USE(ax_hist_quantile(w->counts, 0.99));
}

static void encode(void *arg, unsigned n)
{
    struct work *w = arg;

    for (unsigned i = 0; i < n; i++) {
        w->blob_n = ax_hist_encode(w->counts, w->blob);
        AX_BENCH_USE(w->blob);
    }
}

static void decode(void *arg, unsigned n)
{
    struct work *w = arg;

    for (unsigned i = 0; i < n; i++) {
        int rc = ax_hist_decode_add(w->blob, w->blob_n, w->more);
        AX_ASSERT(rc == 0);
    }
}

int main(int argc, char **argv)
{
    struct ax_bench b = ax_bench_init(argc, argv, "histogram");
    struct work *w = calloc(1, sizeof *w);
    uint32_t state = AX_BENCH_SEED;

    AX_ASSERT(w != NULL);
    for (unsigned i = 0; i < DURATIONS; i++) {
        uint32_t r = ax_bench_next(&state);
        w->us[i] = 150 + r % 128 + (r % 64 == 0 ? r % 65536 : 0);
    }
    ax_bench_row(&b, "record a duration", record, w);
    ax_bench_row(&b, "merge two", merge, w);
    ax_bench_row(&b, "99th percentile", percentile, w);
    ax_bench_row(&b, "encode", encode, w);
    ax_bench_row(&b, "decode and add", decode, w);
    free(w);
    return 0;
}
