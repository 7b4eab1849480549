#include "metrics/totals.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { TOTALS_MAGIC = 0x41785454, SOURCES_FIRST = 8, SERIES_FIRST = 64, HASH_SLOTS = 4096 };
enum { NONE = UINT32_MAX };

const uint32_t ax_totals_bound_us[AX_TOTALS_BOUNDS] = {5000,    10000,   25000,   50000,   75000,
                                                       100000,  250000,  500000,  750000,  1000000,
                                                       2500000, 5000000, 7500000, 10000000};

struct series {
    struct ax_total total; /* its texts are OWNED */
    uint32_t next;         /* in its hash slot; NONE = the last */
};

struct seen { /* a worker's area, as of the last take */
    struct ax_counters counters;
    struct ax_series **series; /* [nseries], NULL until first counted; OWNED */
    uint32_t *index;           /* [nseries]: which of ax_totals.series it adds to; OWNED */
    unsigned nseries;
    uint64_t turns; /* as of the last ax_totals_moved */
};

struct source {
    const struct ax_segment *segment; /* BORROWED */
    struct seen *workers;             /* OWNED */
    unsigned nworkers;
};

struct ax_totals {
    uint32_t magic;
    struct source *sources;
    unsigned nsources, sources_cap;
    struct series *series;
    unsigned nseries, series_cap;
    uint32_t slot[HASH_SLOTS]; /* first series of each hash; NONE = empty */
    struct ax_counters counters;
    uint8_t fold[AX_HIST_BUCKETS]; /* our bucket -> the one of ax_total */
};

/* ---- life */

static void make_fold(struct ax_totals *t)
{
    unsigned bound = 0;

    for (unsigned b = 0; b < AX_HIST_BUCKETS; b++) {
        uint64_t middle = (ax_hist_lower(b) + ax_hist_lower(b + 1) - 1) / 2;
        while (bound < AX_TOTALS_BOUNDS && middle > ax_totals_bound_us[bound])
            bound++;
        t->fold[b] = (uint8_t)bound;
    }
}

int ax_totals_new(struct ax_totals **ret, struct ax_err *reterr)
{
    struct ax_totals *t = ax_calloc(1, sizeof *t);

    if (!t)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the sums of the metrics");
    t->magic = TOTALS_MAGIC;
    for (unsigned i = 0; i < HASH_SLOTS; i++)
        t->slot[i] = NONE;
    make_fold(t);
    *ret = t;
    return 0;
}

static void free_source(struct source *src)
{
    for (unsigned w = 0; w < src->nworkers; w++) {
        struct seen *seen = &src->workers[w];
        for (unsigned i = 0; i < seen->nseries; i++)
            ax_free(seen->series[i]);
        ax_free(seen->series);
        ax_free(seen->index);
    }
    ax_free(src->workers);
}

void ax_totals_free(struct ax_totals *t)
{
    if (!t)
        return;
    AX_ASSERT(t->magic == TOTALS_MAGIC);
    for (unsigned i = 0; i < t->nsources; i++)
        free_source(&t->sources[i]);
    for (unsigned i = 0; i < t->nseries; i++) {
        ax_free((void *)(uintptr_t)t->series[i].total.method);
        ax_free((void *)(uintptr_t)t->series[i].total.pattern);
    }
    ax_free(t->sources);
    ax_free(t->series);
    t->magic = 0;
    ax_free(t);
}

int ax_totals_add(struct ax_totals *t, const struct ax_segment *s, struct ax_err *reterr)
{
    struct source src = {.segment = s, .nworkers = ax_segment_workers(s)};

    if (t->nsources == t->sources_cap) {
        unsigned cap = t->sources_cap ? t->sources_cap * 2 : SOURCES_FIRST;
        struct source *v = ax_realloc(t->sources, cap * sizeof *v);
        if (!v)
            return ax_fail(reterr, AX_E_NOMEM, "no memory for the sums of an engine's metrics");
        t->sources = v;
        t->sources_cap = cap;
    }
    src.workers = ax_calloc(src.nworkers, sizeof *src.workers);
    if (!src.workers)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the sums of an engine's metrics");
    t->sources[t->nsources++] = src;
    return 0;
}

/* ---- series by their names */

/* FNV-1a, 64 bits. */
static uint64_t hash_more(uint64_t h, struct ax_str s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static unsigned slot_of(const struct ax_route_name *name, unsigned class)
{
    uint64_t h = hash_more(UINT64_C(0xcbf29ce484222325), name->pattern);

    return (unsigned)((hash_more(h, name->method) ^ class) % HASH_SLOTS);
}

static bool grow_series(struct ax_totals *t)
{
    unsigned cap = t->series_cap ? t->series_cap * 2 : SERIES_FIRST;

    if (t->nseries < t->series_cap)
        return true;
    struct series *v = ax_realloc(t->series, cap * sizeof *v);
    if (!v)
        return false;
    t->series = v;
    t->series_cap = cap;
    return true;
}

static uint32_t find(const struct ax_totals *t, const struct ax_route_name *name, unsigned class)
{
    uint32_t i = t->slot[slot_of(name, class)];

    for (; i != NONE; i = t->series[i].next) {
        const struct ax_total *have = &t->series[i].total;
        if (have->status_class == class && ax_str_eq(ax_str(have->pattern), name->pattern) &&
            ax_str_eq(ax_str(have->method), name->method))
            break;
    }
    return i;
}

/* Its index; NONE = no memory. */
static uint32_t find_or_make(struct ax_totals *t, const struct ax_route_name *name, unsigned class)
{
    uint32_t i = find(t, name, class);

    if (i != NONE || !grow_series(t))
        return i;
    char *method = ax_strndup(name->method.p, name->method.n);
    char *pattern = ax_strndup(name->pattern.p, name->pattern.n);
    if (!method || !pattern) {
        ax_free(method);
        ax_free(pattern);
        return NONE;
    }
    unsigned slot = slot_of(name, class);
    t->series[t->nseries] = (struct series){
        .total = {.method = method, .pattern = pattern, .status_class = class}, .next = t->slot[slot]};
    return t->slot[slot] = t->nseries++;
}

static uint32_t index_of(struct ax_totals *t, const struct source *src, const struct ax_series *s)
{
    unsigned class = s->status_class < AX_STATUS_CLASSES ? s->status_class : 0;
    struct ax_route_name name;

    if (!ax_segment_route(src->segment, s->route, &name))
        ax_segment_route(src->segment, AX_ROUTE_NONE, &name);
    if (t->nseries >= AX_TOTALS_SERIES_MAX && find(t, &name, class) == NONE)
        name = (struct ax_route_name){AX_STR("-"), AX_STR("(other)"), AX_STR("-")};
    return find_or_make(t, &name, class);
}

/* ---- differences */

/* A number that fell was spoiled by its engine: better nothing than 2^64. */
static uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

static void add_difference(const struct ax_totals *t, struct ax_total *to, const struct ax_series *now,
                           const struct ax_series *then)
{
    for (unsigned i = 0; i < AX_HIST_BUCKETS; i++) {
        uint32_t n = now->histogram[i] - then->histogram[i]; /* 32 bits that wrap */
        to->bucket[t->fold[i]] += n;
        to->count += n;
    }
    to->bytes_in += since(now->bytes_in, then->bytes_in);
    to->bytes_out += since(now->bytes_out, then->bytes_out);
    to->queue_us += since(now->queue_us, then->queue_us);
    to->handler_us += since(now->handler_us, then->handler_us);
    to->send_us += since(now->send_us, then->send_us);
}

static bool remember(struct seen *w, unsigned i)
{
    if (i >= w->nseries) {
        struct ax_series **series = ax_realloc(w->series, (i + 1) * sizeof *series);
        if (!series)
            return false;
        w->series = series;
        uint32_t *index = ax_realloc(w->index, (i + 1) * sizeof *index);
        if (!index)
            return false;
        w->index = index;
        memset(series + w->nseries, 0, (i + 1 - w->nseries) * sizeof *series);
        w->nseries = i + 1;
    }
    if (!w->series[i])
        w->series[i] = ax_calloc(1, sizeof **w->series);
    return w->series[i];
}

/* False: no memory, it stays for the next time. */
static bool take_series(struct ax_totals *t, struct source *src, unsigned worker, unsigned i)
{
    struct seen *w = &src->workers[worker];
    uint64_t count = __atomic_load_n(&ax_segment_series(src->segment, worker, i)->count, __ATOMIC_ACQUIRE);
    struct ax_series now;

    if (count == 0 || (i < w->nseries && w->series[i] && w->series[i]->count == count))
        return true;
    if (!remember(w, i))
        return false;
    ax_segment_read_series(src->segment, worker, i, &now);
    if (w->series[i]->count == 0 && (w->index[i] = index_of(t, src, &now)) == NONE)
        return false;
    add_difference(t, &t->series[w->index[i]].total, &now, w->series[i]);
    *w->series[i] = now;
    return true;
}

enum kind { COUNTER, GAUGE };

static void take_counters(struct ax_totals *t, struct source *src, unsigned worker)
{
    struct ax_counters now, *then = &src->workers[worker].counters, *sum = &t->counters;
    uint64_t high;

    ax_segment_read_counters(src->segment, worker, &now);
    high = sum->pool_high > now.pool_high ? sum->pool_high : now.pool_high;
#define M(name, kind, unit, help) sum->name += kind == COUNTER ? since(now.name, then->name) : now.name;
#include "metrics/metrics.def"
#undef M
    sum->pool_high = high;
    *then = now;
}

static bool take_source(struct ax_totals *t, struct source *src)
{
    bool all = true;

    for (unsigned w = 0; w < src->nworkers; w++) {
        take_counters(t, src, w);
        unsigned n = ax_segment_series_count(src->segment, w);
        for (unsigned i = 0; i < n; i++)
            all = take_series(t, src, w, i) && all;
    }
    return all;
}

static void clear_gauges(struct ax_totals *t)
{
#define M(name, kind, unit, help)                                                                            \
    if (kind == GAUGE)                                                                                       \
        t->counters.name = 0;
#include "metrics/metrics.def"
#undef M
}

int ax_totals_take(struct ax_totals *t, struct ax_err *reterr)
{
    bool all = true;

    clear_gauges(t);
    for (unsigned i = 0; i < t->nsources; i++)
        all = take_source(t, &t->sources[i]) && all;
    return all ? 0 : ax_fail(reterr, AX_E_NOMEM, "no memory to sum up all metrics");
}

int ax_totals_drop(struct ax_totals *t, const struct ax_segment *s, struct ax_err *reterr)
{
    unsigned i = 0;

    while (i < t->nsources && t->sources[i].segment != s)
        i++;
    if (i == t->nsources)
        return 0;
    bool all = take_source(t, &t->sources[i]);
    free_source(&t->sources[i]);
    t->sources[i] = t->sources[--t->nsources];
    return all ? 0
               : ax_fail(reterr, AX_E_NOMEM, "no memory to sum up the metrics of an engine that has ended");
}

bool ax_totals_moved(struct ax_totals *t)
{
    bool moved = false;

    for (unsigned i = 0; i < t->nsources; i++) {
        struct source *src = &t->sources[i];
        for (unsigned w = 0; w < src->nworkers; w++) {
            uint64_t turns = __atomic_load_n(&ax_segment_counters(src->segment, w)->turns, __ATOMIC_RELAXED);
            moved = moved || turns != src->workers[w].turns;
            src->workers[w].turns = turns;
        }
    }
    return moved;
}

/* ---- over to another process */
static void subtract_series(const struct ax_totals *t, struct ax_total *from, struct ax_series *seen)
{
    struct ax_total part = {0};
    const struct ax_series none = {0};

    add_difference(t, &part, seen, &none);
    for (unsigned i = 0; i <= AX_TOTALS_BOUNDS; i++)
        from->bucket[i] -= part.bucket[i];
    from->count -= part.count;
    from->bytes_in -= part.bytes_in;
    from->bytes_out -= part.bytes_out;
    from->queue_us -= part.queue_us;
    from->handler_us -= part.handler_us;
    from->send_us -= part.send_us;
    *seen = (struct ax_series){.count = 0};
}

static void rewind_worker(struct ax_totals *t, struct seen *w)
{
    struct ax_counters *sum = &t->counters;

    for (unsigned i = 0; i < w->nseries; i++)
        if (w->series[i] && w->series[i]->count)
            subtract_series(t, &t->series[w->index[i]].total, w->series[i]);
#define M(name, kind, unit, help) sum->name -= kind == COUNTER ? w->counters.name : 0;
#include "metrics/metrics.def"
#undef M
    w->counters = (struct ax_counters){0};
}

void ax_totals_rewind(struct ax_totals *t)
{
    for (unsigned i = 0; i < t->nsources; i++)
        for (unsigned w = 0; w < t->sources[i].nworkers; w++)
            rewind_worker(t, &t->sources[i].workers[w]);
}

int ax_totals_seed(struct ax_totals *t, const struct ax_total *sum, struct ax_err *reterr)
{
    struct ax_route_name name = {ax_str(sum->method), ax_str(sum->pattern), AX_STR("-")};
    uint32_t i = sum->status_class < AX_STATUS_CLASSES ? find_or_make(t, &name, sum->status_class) : NONE;

    if (i == NONE)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the sums of the metrics");
    struct ax_total *to = &t->series[i].total;
    for (unsigned k = 0; k <= AX_TOTALS_BOUNDS; k++)
        to->bucket[k] += sum->bucket[k];
    to->count += sum->count;
    to->bytes_in += sum->bytes_in;
    to->bytes_out += sum->bytes_out;
    to->queue_us += sum->queue_us;
    to->handler_us += sum->handler_us;
    to->send_us += sum->send_us;
    return 0;
}

void ax_totals_seed_counters(struct ax_totals *t, const struct ax_counters *sums)
{
#define M(name, kind, unit, help) t->counters.name += kind == COUNTER ? sums->name : 0;
#include "metrics/metrics.def"
#undef M
}

const struct ax_counters *ax_totals_counters(const struct ax_totals *t)
{
    return &t->counters;
}

unsigned ax_totals_count(const struct ax_totals *t)
{
    return t->nseries;
}

const struct ax_total *ax_totals_at(const struct ax_totals *t, unsigned i)
{
    AX_ASSERT(i < t->nseries);
    return &t->series[i].total;
}
