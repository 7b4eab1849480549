/* metrics/store_take.c - from shared segments to a batch of rows.  What was taken is remembered per series,
 * so a series moves on only when its row is safely in a batch: no memory means "next time", never "lost". */
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/store_private.h"

enum { QUIET_S = 10 }; /* an idle server writes one sample in this time instead of one a second */
enum { UNMAPPED = UINT32_MAX };

struct seen_worker {
    struct ax_counters counters;
    struct ax_series **series; /* [nseries], NULL until first counted; OWNED */
    unsigned nseries;
};

struct ax_source {
    uint32_t magic;
    struct ax_segment *segment; /* BORROWED */
    bool ended;
    unsigned nworkers;
    struct seen_worker *workers;      /* OWNED */
    const struct ax_store *mapped_by; /* whose indexes route_index holds */
    uint32_t *route_index;            /* OWNED: segment route -> index in ax_store.routes, or UNMAPPED */
    unsigned nroutes;                 /* entries of it; 0 until the routes are set */
};

struct ax_source *ax_source_new(struct ax_segment *s)
{
    struct ax_source *src = ax_calloc(1, sizeof *src);

    if (!src)
        return NULL;
    src->magic = AX_SOURCE_MAGIC;
    src->segment = s;
    src->nworkers = ax_segment_workers(s);
    src->workers = ax_calloc(src->nworkers, sizeof *src->workers);
    if (!src->workers) {
        ax_free(src);
        return NULL;
    }
    return src;
}

void ax_source_free(struct ax_source *src)
{
    if (!src)
        return;
    AX_ASSERT(src->magic == AX_SOURCE_MAGIC);
    for (unsigned w = 0; w < src->nworkers; w++) {
        for (unsigned i = 0; i < src->workers[w].nseries; i++)
            ax_free(src->workers[w].series[i]);
        ax_free(src->workers[w].series);
    }
    ax_free(src->workers);
    ax_free(src->route_index);
    src->magic = 0;
    ax_free(src);
}

void ax_source_end(struct ax_source *src)
{
    src->ended = true;
}

/* ---- names */

static bool same_name(const struct ax_store_route *have, const struct ax_route_name *name)
{
    return ax_str_eq(ax_str(have->pattern), name->pattern) && ax_str_eq(ax_str(have->method), name->method) &&
           ax_str_eq(ax_str(have->handler), name->handler);
}

static void *grow(void *p, size_t n, size_t *cap, size_t each)
{
    if (n < *cap)
        return p;
    size_t more = *cap ? *cap * 2 : 16;
    void *q = ax_realloc(p, more * each);
    if (q)
        *cap = more;
    return q;
}

int64_t ax_store_route_index(struct ax_store *st, const struct ax_route_name *name)
{
    for (size_t i = 0; i < st->nroutes; i++)
        if (same_name(&st->routes[i], name))
            return (int64_t)i;
    struct ax_store_route *grown = grow(st->routes, st->nroutes, &st->routes_cap, sizeof *grown);
    if (!grown)
        return -AX_E_NOMEM;
    st->routes = grown;
    struct ax_store_route r = {ax_strndup(name->method.p, name->method.n),
                               ax_strndup(name->pattern.p, name->pattern.n),
                               ax_strndup(name->handler.p, name->handler.n), -1};
    if (!r.method || !r.pattern || !r.handler) {
        ax_free(r.method);
        ax_free(r.pattern);
        ax_free(r.handler);
        return -AX_E_NOMEM;
    }
    st->routes[st->nroutes] = r;
    return (int64_t)st->nroutes++;
}

/* The routes of a segment are set once; until then every request is "(none)" and nothing is mapped. */
static int prepare_map(struct ax_store *st, struct ax_source *src)
{
    unsigned n = ax_segment_routes(src->segment);

    if (src->mapped_by == st && src->nroutes == n + 1)
        return 0;
    uint32_t *map = ax_malloc((n + 1) * sizeof *map);
    if (!map)
        return -AX_E_NOMEM;
    for (unsigned i = 0; i <= n; i++)
        map[i] = UNMAPPED;
    map[AX_ROUTE_NONE] = 0;
    ax_free(src->route_index);
    src->route_index = map;
    src->nroutes = n + 1;
    src->mapped_by = st;
    return 0;
}

/* Index of a route of the segment; a number that the segment does not name counts as "(none)". */
static int64_t route_of(struct ax_store *st, struct ax_source *src, uint32_t route)
{
    struct ax_route_name name;

    if (route >= src->nroutes)
        return 0;
    if (src->route_index[route] == UNMAPPED) {
        if (!ax_segment_route(src->segment, route, &name))
            return 0;
        int64_t index = ax_store_route_index(st, &name);
        if (index < 0)
            return index;
        src->route_index[route] = (uint32_t)index;
    }
    return src->route_index[route];
}

/* ---- batches */

static void free_batch(struct ax_store_batch *b)
{
    for (size_t i = 0; i < b->nrows; i++)
        ax_free(b->rows[i].histogram);
    ax_free(b->rows);
    ax_free(b->records);
    ax_free(b);
}

void ax_store_free_batches(struct ax_store *st)
{
    while (st->first) {
        struct ax_store_batch *b = st->first;
        st->first = b->next;
        free_batch(b);
    }
    st->last = NULL;
    st->nbatches = 0;
    st->nrecords = st->bytes = 0;
}

static bool is_full(const struct ax_store *st)
{
    return st->nbatches >= AX_STORE_BATCHES_MAX || (st->nbatches > 0 && st->bytes >= AX_STORE_WAITING_MAX);
}

/* The batch to fill: a new one, or the newest when as much waits as may. */
static struct ax_store_batch *open_batch(struct ax_store *st, int64_t ts)
{
    if (is_full(st))
        return st->last;
    struct ax_store_batch *b = ax_calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->ts = ts;
    if (st->last)
        st->last->next = b;
    else
        st->first = b;
    st->last = b;
    st->nbatches++;
    st->bytes += sizeof *b;
    return b;
}

static int set_histogram(struct ax_store *st, struct ax_store_row *row,
                         const uint64_t counts[AX_HIST_BUCKETS])
{
    uint8_t blob[AX_HIST_BLOB_MAX];
    size_t n = ax_hist_encode(counts, blob);
    uint8_t *p = ax_malloc(n);

    if (!p)
        return -AX_E_NOMEM;
    memcpy(p, blob, n);
    st->bytes += n - row->histogram_n; /* unsigned wrap-around is meant when it shrinks, which it does not */
    ax_free(row->histogram);
    row->histogram = p;
    row->histogram_n = n;
    return 0;
}

/* The row of the same series in a batch that was already filled. */
static struct ax_store_row *find_row(const struct ax_store_batch *b, const struct ax_store_row *like)
{
    for (size_t i = 0; i < b->nrows; i++) {
        struct ax_store_row *r = &b->rows[i];
        if (r->route == like->route && r->status == like->status && r->worker == like->worker)
            return r;
    }
    return NULL;
}

static int merge_row(struct ax_store *st, struct ax_store_row *into, const struct ax_store_row *row,
                     uint64_t counts[AX_HIST_BUCKETS])
{
    if (AX_NEVER(ax_hist_decode_add(into->histogram, into->histogram_n, counts) < 0))
        return -AX_E_SYNTAX;
    int rc = set_histogram(st, into, counts);
    if (rc < 0)
        return rc;
    into->count += row->count;
    into->bytes_in += row->bytes_in;
    into->bytes_out += row->bytes_out;
    into->queue_us += row->queue_us;
    into->handler_us += row->handler_us;
    into->send_us += row->send_us;
    if (row->max_us > into->max_us)
        into->max_us = row->max_us;
    return 0;
}

/* `mixed`: the batch holds rows of an earlier second.  counts are spoiled. */
static int add_row(struct ax_store *st, struct ax_store_batch *b, bool mixed, struct ax_store_row *row,
                   uint64_t counts[AX_HIST_BUCKETS])
{
    struct ax_store_row *same = mixed ? find_row(b, row) : NULL;

    if (same)
        return merge_row(st, same, row, counts);
    struct ax_store_row *grown = grow(b->rows, b->nrows, &b->rows_cap, sizeof *grown);
    if (!grown)
        return -AX_E_NOMEM;
    b->rows = grown;
    int rc = set_histogram(st, row, counts);
    if (rc == 0) {
        b->rows[b->nrows++] = *row;
        st->bytes += sizeof *row;
    }
    return rc;
}

/* ---- differences */

/* The largest duration of an interval: exact when it beats all before; else known to its bucket only. */
static uint64_t interval_max(const struct ax_series *now, const struct ax_series *then,
                             const uint64_t counts[AX_HIST_BUCKETS])
{
    if (now->max_us > then->max_us)
        return now->max_us;
    uint64_t top = ax_hist_quantile(counts, 1);
    return top < now->max_us ? top : now->max_us;
}

/* A number that fell was spoiled by its engine: better nothing than 2^64. */
static uint64_t since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

static void differ(const struct ax_series *now, const struct ax_series *then, struct ax_store_row *row,
                   uint64_t counts[AX_HIST_BUCKETS])
{
    for (unsigned i = 0; i < AX_HIST_BUCKETS; i++)
        counts[i] = now->histogram[i] - then->histogram[i]; /* 32 bits that wrap */
    row->count = since(now->count, then->count);
    row->bytes_in = since(now->bytes_in, then->bytes_in);
    row->bytes_out = since(now->bytes_out, then->bytes_out);
    row->queue_us = since(now->queue_us, then->queue_us);
    row->handler_us = since(now->handler_us, then->handler_us);
    row->send_us = since(now->send_us, then->send_us);
    row->max_us = interval_max(now, then, counts);
}

static int remember(struct seen_worker *w, unsigned i)
{
    if (i >= w->nseries) {
        struct ax_series **grown = ax_realloc(w->series, (i + 1) * sizeof *grown);
        if (!grown)
            return -AX_E_NOMEM;
        memset(grown + w->nseries, 0, (i + 1 - w->nseries) * sizeof *grown);
        w->series = grown;
        w->nseries = i + 1;
    }
    if (!w->series[i] && !(w->series[i] = ax_calloc(1, sizeof **w->series)))
        return -AX_E_NOMEM;
    return 0;
}

int ax_source_save(const struct ax_source *src, struct ax_segment *notes, struct ax_err *reterr)
{
    if (ax_segment_workers(notes) != src->nworkers)
        return ax_fail(reterr, AX_E_PROTO, "notes of another size");
    for (unsigned w = 0; w < src->nworkers; w++) {
        const struct seen_worker *seen = &src->workers[w];
        ax_segment_put_counters(notes, w, &seen->counters);
        for (unsigned i = 0; i < seen->nseries; i++)
            if (seen->series[i] && !ax_segment_put_series(notes, w, i, seen->series[i]))
                return ax_fail(reterr, AX_E_PROTO, "notes of another size");
    }
    return 0;
}

int ax_source_load(struct ax_source *src, const struct ax_segment *notes, struct ax_err *reterr)
{
    struct ax_series s;

    if (ax_segment_workers(notes) != src->nworkers)
        return ax_fail(reterr, AX_E_PROTO, "notes of another size");
    for (unsigned w = 0; w < src->nworkers; w++) {
        ax_segment_read_counters(notes, w, &src->workers[w].counters);
        for (unsigned i = 0; i < ax_segment_series_count(notes, w); i++) {
            ax_segment_read_series(notes, w, i, &s);
            if (s.count == 0)
                continue;
            if (remember(&src->workers[w], i) < 0)
                return ax_fail(reterr, AX_E_NOMEM, "no memory for what was counted");
            *src->workers[w].series[i] = s;
        }
    }
    return 0;
}

static int take_series(struct ax_store *st, struct ax_store_batch *b, bool mixed, struct ax_source *src,
                       unsigned worker, unsigned i)
{
    struct seen_worker *w = &src->workers[worker];
    uint64_t counts[AX_HIST_BUCKETS];
    struct ax_series now;
    uint64_t count = __atomic_load_n(&ax_segment_series(src->segment, worker, i)->count, __ATOMIC_ACQUIRE);

    if (count == 0 || (i < w->nseries && w->series[i] && w->series[i]->count == count))
        return 0;
    int rc = remember(w, i);
    if (rc < 0)
        return rc;
    ax_segment_read_series(src->segment, worker, i, &now);
    int64_t route = route_of(st, src, now.route);
    if (route < 0)
        return (int)route;
    struct ax_store_row row = {.route = (uint32_t)route, .status = now.status_class, .worker = worker};
    if (row.status >= AX_STATUS_CLASSES)
        row.status = 0;
    differ(&now, w->series[i], &row, counts);
    rc = add_row(st, b, mixed, &row, counts);
    if (rc == 0)
        *w->series[i] = now;
    return rc;
}

static int take_records(struct ax_store *st, struct ax_store_batch *b, struct ax_source *src, unsigned worker)
{
    for (unsigned i = 0; i < AX_RING_RECORDS && (st->nrecords < AX_STORE_RECORDS_MAX || src->ended); i++) {
        struct ax_store_record *grown = grow(b->records, b->nrecords, &b->records_cap, sizeof *grown);
        if (!grown)
            return -AX_E_NOMEM; /* the record stays in its ring */
        b->records = grown;
        struct ax_store_record *rec = &b->records[b->nrecords];
        if (!ax_segment_take_record(src->segment, worker, &rec->r))
            break;
        int64_t route = route_of(st, src, rec->r.route);
        rec->route = route < 0 ? 0 : (uint32_t)route;
        rec->worker = worker;
        b->nrecords++;
        st->nrecords++;
        st->bytes += sizeof *rec;
    }
    return 0;
}

static void take_counters(struct ax_store *st, struct ax_source *src, unsigned worker,
                          struct ax_store_sample *gauges)
{
    struct ax_counters now, *then = &src->workers[worker].counters;

    ax_segment_read_counters(src->segment, worker, &now);
    st->held.accepted += since(now.accepted, then->accepted);
    st->held.pool_dry += since(now.pool_dry, then->pool_dry);
    st->held.cache_hits += since(now.cache_hits, then->cache_hits);
    st->held.cache_misses += since(now.cache_misses, then->cache_misses);
    st->held.late_sends += since(now.late_sends, then->late_sends);
    st->held.dropped += since(now.dropped, then->dropped);
    for (unsigned i = 0; i < AX_LIMITS; i++)
        st->limited[i] += since(ax_limit_count(&now, i), ax_limit_count(then, i));
    *then = now;
    if (now.pool_high >
        gauges->pool_high) /* a mark that was reached, also by an engine that has ended since */
        gauges->pool_high = now.pool_high;
    if (src->ended)
        return;
    gauges->connections += now.connections;
    gauges->inflight += now.inflight;
}

static int take_source(struct ax_store *st, struct ax_store_batch *b, bool mixed, struct ax_source *src,
                       struct ax_store_sample *gauges)
{
    int rc = prepare_map(st, src), first = rc;

    if (rc < 0)
        return rc;
    for (unsigned w = 0; w < src->nworkers; w++) {
        take_counters(st, src, w, gauges);
        unsigned n = ax_segment_series_count(src->segment, w);
        for (unsigned i = 0; i < n; i++)
            if ((rc = take_series(st, b, mixed, src, w, i)) < 0)
                first = rc;
        if ((rc = take_records(st, b, src, w)) < 0)
            first = rc;
    }
    return first;
}

/* ---- the sample */

/* Moves what is held into the batch.  A quiet second (nothing but time has passed) is held back. */
static void put_sample(struct ax_store *st, struct ax_store_batch *b, const struct ax_store_sample *gauges)
{
    const struct ax_store_sample *h = &st->held;
    bool counted = h->accepted || h->pool_dry || h->cache_hits || h->cache_misses || h->late_sends ||
                   h->worker_restarts || h->dropped;
    bool moved = gauges->connections != h->connections || gauges->inflight != h->inflight;

    if (!counted && !moved && b->nrows == 0 && b->nrecords == 0 && st->nevents == 0 &&
        b->ts >= st->sampled_s && b->ts - st->sampled_s < QUIET_S)
        return;
    struct ax_store_sample *s = &b->sample;
    s->rss_bytes = gauges->rss_bytes;
    s->connections = gauges->connections;
    s->inflight = gauges->inflight;
    s->pool_high = gauges->pool_high;
#define COUNTER(name) s->name += h->name;
#define GAUGE(name)
    AX_SAMPLE_MAP(COUNTER, GAUGE)
#undef GAUGE
#undef COUNTER
    b->has_sample = true;
    st->held = (struct ax_store_sample){.connections = gauges->connections, .inflight = gauges->inflight};
    st->sampled_s = b->ts;
}

/* A batch that got nothing is taken back: nothing to write, nothing that waits. */
static void drop_if_empty(struct ax_store *st, struct ax_store_batch *b)
{
    struct ax_store_batch **link = &st->first, *before = NULL;

    if (b->nrows || b->nrecords || b->has_sample)
        return;
    while (*link != b) {
        before = *link;
        link = &before->next;
    }
    *link = NULL; /* it is the newest */
    st->last = before;
    st->nbatches--;
    st->bytes -= sizeof *b;
    free_batch(b);
}

int ax_store_take(struct ax_store *st, struct ax_source *const *sources, unsigned n,
                  const struct ax_server_sample *sample, int64_t ts, struct ax_err *reterr)
{
    struct ax_store_sample gauges = {0};
    bool mixed = is_full(st);
    struct ax_store_batch *b = open_batch(st, ts);
    int rc = 0;

    if (sample) {
        st->held.cpu_us += sample->cpu_us;
        st->held.worker_restarts += sample->worker_restarts;
        gauges.rss_bytes = sample->rss_bytes;
    }
    if (!b)
        return ax_fail(reterr, AX_E_NOMEM, "no memory to take metrics; they stay where they are");
    for (unsigned i = 0; i < n; i++) {
        AX_ASSERT(sources[i]->magic == AX_SOURCE_MAGIC);
        /* Two sources may have the same worker numbers: an engine and the one it replaces. */
        int failed = take_source(st, b, mixed || i > 0, sources[i], &gauges);
        if (failed < 0)
            rc = ax_fail(reterr, AX_E_NOMEM, "no memory to take metrics; they stay where they are");
    }
    int told = ax_store_put_limits(st, ts, reterr);
    put_sample(st, b, &gauges);
    drop_if_empty(st, b);
    return rc < 0 ? rc : told;
}
