/* metrics/segment.c - see segment.h.  Nothing in the shared memory is a pointer, and sizes are never taken
 * from it: both sides compute the geometry from (workers, max_routes) and keep it in their own memory. */
#include "metrics/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { SEGMENT_MAGIC = 0x41785347, SHARED_MAGIC = 0x41785348, WSTAT_MAGIC = 0x41785753 };
enum { PAGE = 4096, LINE = 64 };
enum { WORKERS_MAX = 4096, ROUTES_MAX = 1000000 };
enum { SERIES_MAX = 4096 }; /* per worker: at most 15 MB, touched as they are claimed */
enum {
    NAME_BYTES = 1024
}; /* room per route for its three names, on average; the heap is shared and sparse */
enum { UNSET, WRITING, SET }; /* shared.names_state */

struct route_entry { /* offset into the heap; the three texts lie behind each other */
    uint32_t at, method_n, pattern_n, handler_n;
};

struct shared { /* the header, at the start of the memory */
    uint32_t magic, layout, workers, max_routes;
    uint32_t counters_bytes, series_bytes, record_bytes, nroutes;
    uint32_t names_state;
    struct route_entry routes[];
};

struct ax_wstat { /* start of a worker's area; index and series follow at the offsets */
    uint32_t magic;
    uint32_t routes; /* rows of the index: max_routes + 1 */
    uint32_t series_max;
    uint32_t series_used; /* stored with release by the worker when a new series is readable */
    size_t index_at, series_at, blocks_back; /* the last: bytes from the quarantine's array to here */
    struct ax_counters counters __attribute__((aligned(LINE)));
    struct ax_flight flights[AX_FLIGHTS] __attribute__((aligned(LINE)));
    uint64_t head __attribute__((aligned(LINE))); /* ring: records ever put, by the worker */
    uint64_t tail __attribute__((aligned(LINE))); /* ring: records ever taken, by the reader */
    struct ax_request_record ring[AX_RING_RECORDS] __attribute__((aligned(LINE)));
};

struct geometry {
    uint32_t workers, max_routes, series_max;
    size_t blocks_at; /* int64_t[max_routes + 1]: quarantine */
    size_t heap_at, heap_bytes;
    size_t areas_at, area_bytes; /* of one worker */
    size_t index_at, series_at;  /* within an area */
    size_t total;
};

struct ax_segment {
    uint32_t magic;
    char *base; /* OWNED mapping of g.total bytes */
    struct geometry g;
};

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static void compute(struct geometry *g, uint32_t workers, uint32_t max_routes)
{
    size_t series = ((size_t)max_routes + 1) * AX_STATUS_CLASSES;

    *g = (struct geometry){.workers = workers, .max_routes = max_routes};
    g->series_max = series < SERIES_MAX ? (uint32_t)series : SERIES_MAX;
    g->blocks_at = round_up(sizeof(struct shared) + max_routes * sizeof(struct route_entry), LINE);
    g->heap_at = round_up(g->blocks_at + ((size_t)max_routes + 1) * sizeof(int64_t), PAGE);
    g->heap_bytes = round_up((size_t)max_routes * NAME_BYTES, PAGE);
    g->areas_at = g->heap_at + g->heap_bytes;
    g->index_at = sizeof(struct ax_wstat);
    g->series_at = round_up(g->index_at + series * sizeof(uint32_t), LINE);
    g->area_bytes = round_up(g->series_at + g->series_max * sizeof(struct ax_series), PAGE);
    g->total = g->areas_at + workers * g->area_bytes;
}

static struct shared *shared_of(const struct ax_segment *s)
{
    return (void *)s->base;
}

static struct ax_wstat *area_of(const struct ax_segment *s, unsigned worker)
{
    AX_ASSERT(worker < s->g.workers);
    return (void *)(s->base + s->g.areas_at + worker * s->g.area_bytes);
}

static int64_t *blocks_of(const struct ax_segment *s)
{
    return (void *)(s->base + s->g.blocks_at);
}

static uint32_t *index_of(struct ax_wstat *w)
{
    return (void *)((char *)w + w->index_at);
}

static struct ax_series *series_of(struct ax_wstat *w)
{
    return (void *)((char *)w + w->series_at);
}

/* ---- making and mapping */

/* Series 1..6 (index entries are number + 1) belong to route 0, so that there is always one to fall back on.
 */
static void format_area(const struct ax_segment *s, unsigned worker)
{
    struct ax_wstat *w = area_of(s, worker);

    w->magic = WSTAT_MAGIC;
    w->routes = s->g.max_routes + 1;
    w->series_max = s->g.series_max;
    w->series_used = AX_STATUS_CLASSES;
    w->index_at = s->g.index_at;
    w->series_at = s->g.series_at;
    w->blocks_back = (size_t)((char *)w - (char *)blocks_of(s));
    for (uint32_t class = 0; class < AX_STATUS_CLASSES; class ++) {
        index_of(w)[class] = class + 1;
        series_of(w)[class].status_class = class;
    }
}

static void format(const struct ax_segment *s)
{
    struct shared *h = shared_of(s);

    *h = (struct shared){.magic = SHARED_MAGIC,
                         .layout = AX_SEGMENT_LAYOUT,
                         .workers = s->g.workers,
                         .max_routes = s->g.max_routes,
                         .counters_bytes = sizeof(struct ax_counters),
                         .series_bytes = sizeof(struct ax_series),
                         .record_bytes = sizeof(struct ax_request_record)};
    for (unsigned i = 0; i < s->g.workers; i++)
        format_area(s, i);
}

/* fd -1 = anonymous memory. */
static int map(const struct geometry *g, int fd, struct ax_segment **ret, struct ax_err *reterr)
{
    struct ax_segment *s = ax_calloc(1, sizeof *s);

    if (!s)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the metrics segment");
    s->magic = SEGMENT_MAGIC;
    s->g = *g;
    int flags = fd < 0 ? MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_NORESERVE;
    s->base = mmap(NULL, g->total, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (s->base == MAP_FAILED) {
        int os = errno;
        ax_free(s);
        return ax_fail_os(reterr, os, "cannot map the metrics segment of %zu bytes", g->total);
    }
    *ret = s;
    return 0;
}

static int check_counts(unsigned workers, unsigned max_routes, struct ax_err *reterr)
{
    if (workers < 1 || workers > WORKERS_MAX)
        return ax_fail(reterr, AX_E_RANGE, "metrics for 1..%d workers (found %u)", WORKERS_MAX, workers);
    if (max_routes > ROUTES_MAX)
        return ax_fail(reterr, AX_E_RANGE, "metrics for at most %d routes (found %u)", ROUTES_MAX,
                       max_routes);
    return 0;
}

int ax_segment_private(unsigned workers, unsigned max_routes, struct ax_segment **ret, struct ax_err *reterr)
{
    struct geometry g;
    int rc = check_counts(workers, max_routes, reterr);

    if (rc < 0)
        return rc;
    compute(&g, workers, max_routes);
    rc = map(&g, -1, ret, reterr);
    if (rc == 0)
        format(*ret);
    return rc;
}

/* Sealed, so that nobody who holds the descriptor can make the other side fault by shrinking it. */
static int make_memfd(size_t bytes, struct ax_err *reterr)
{
    int fd = memfd_create("actix-metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot make the metrics segment");
    if (ftruncate(fd, (off_t)bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int os = errno;
        close(fd);
        return ax_fail_os(reterr, os, "cannot size the metrics segment to %zu bytes", bytes);
    }
    return fd;
}

int ax_segment_create(unsigned workers, unsigned max_routes, struct ax_segment **ret, int *ret_fd,
                      struct ax_err *reterr)
{
    struct geometry g;
    int rc = check_counts(workers, max_routes, reterr);

    if (rc < 0)
        return rc;
    compute(&g, workers, max_routes);
    int fd = make_memfd(g.total, reterr);
    if (fd < 0)
        return fd;
    rc = map(&g, fd, ret, reterr);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    format(*ret);
    *ret_fd = fd;
    return 0;
}

void ax_segment_layout(char out[AX_LAYOUT_TEXT])
{
    snprintf(out, AX_LAYOUT_TEXT, "%d.%zu.%zu.%zu", AX_SEGMENT_LAYOUT, sizeof(struct ax_counters),
             sizeof(struct ax_series), sizeof(struct ax_request_record));
}

int ax_segment_like(const struct ax_segment *s, struct ax_segment **ret, int *ret_fd, struct ax_err *reterr)
{
    return ax_segment_create(s->g.workers, s->g.max_routes, ret, ret_fd, reterr);
}

static int check_header(const struct shared *h, size_t file_bytes, struct geometry *ret,
                        struct ax_err *reterr)
{
    if (h->magic != SHARED_MAGIC)
        return ax_fail(reterr, AX_E_PROTO, "the inherited descriptor is no metrics segment");
    if (h->layout != AX_SEGMENT_LAYOUT || h->counters_bytes != sizeof(struct ax_counters) ||
        h->series_bytes != sizeof(struct ax_series) || h->record_bytes != sizeof(struct ax_request_record))
        return ax_fail(reterr, AX_E_PROTO, "the metrics segment has layout %u, this program knows layout %d",
                       h->layout, AX_SEGMENT_LAYOUT);
    if (check_counts(h->workers, h->max_routes, NULL) < 0)
        return ax_fail(reterr, AX_E_PROTO, "the metrics segment says %u workers and %u routes", h->workers,
                       h->max_routes);
    compute(ret, h->workers, h->max_routes);
    if (ret->total != file_bytes)
        return ax_fail(reterr, AX_E_PROTO, "the metrics segment has %zu bytes instead of %zu", file_bytes,
                       ret->total);
    return 0;
}

int ax_segment_attach(int fd, struct ax_segment **ret, struct ax_err *reterr)
{
    struct shared h;
    struct geometry g;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return ax_fail_os(reterr, errno, "cannot use descriptor %d as metrics segment", fd);
    ssize_t n = pread(fd, &h, sizeof h, 0);
    if (n != (ssize_t)sizeof h)
        return ax_fail(reterr, AX_E_PROTO, "descriptor %d is no metrics segment", fd);
    int rc = check_header(&h, (size_t)st.st_size, &g, reterr);
    return rc < 0 ? rc : map(&g, fd, ret, reterr);
}

void ax_segment_free(struct ax_segment *s)
{
    if (!s)
        return;
    AX_ASSERT(s->magic == SEGMENT_MAGIC);
    munmap(s->base, s->g.total);
    s->magic = 0;
    ax_free(s);
}

unsigned ax_segment_workers(const struct ax_segment *s)
{
    return s->g.workers;
}

/* ---- route names */

static void write_names(const struct ax_segment *s, const struct ax_route_name *names, unsigned n)
{
    struct shared *h = shared_of(s);
    char *heap = s->base + s->g.heap_at;
    size_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct ax_str *texts[] = {&names[i].method, &names[i].pattern, &names[i].handler};
        h->routes[i] = (struct route_entry){(uint32_t)at, (uint32_t)names[i].method.n,
                                            (uint32_t)names[i].pattern.n, (uint32_t)names[i].handler.n};
        for (unsigned k = 0; k < AX_COUNT(texts); k++) {
            if (texts[k]->n)
                memcpy(heap + at, texts[k]->p, texts[k]->n);
            at += texts[k]->n;
        }
    }
    h->nroutes = n;
    __atomic_store_n(&h->names_state, SET, __ATOMIC_RELEASE);
}

static bool same_names(const struct ax_segment *s, const struct ax_route_name *names, unsigned n)
{
    struct ax_route_name have;

    if (ax_segment_routes(s) != n)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!ax_segment_route(s, i + 1, &have) || !ax_str_eq(have.method, names[i].method) ||
            !ax_str_eq(have.pattern, names[i].pattern) || !ax_str_eq(have.handler, names[i].handler))
            return false;
    return true;
}

int ax_segment_set_routes(struct ax_segment *s, const struct ax_route_name *names, unsigned n,
                          struct ax_err *reterr)
{
    uint32_t *state = &shared_of(s)->names_state, unset = UNSET;
    size_t bytes = 0;

    if (n > s->g.max_routes)
        return ax_fail(reterr, AX_E_LIMIT, "metrics have room for %u routes (found %u)", s->g.max_routes, n);
    for (unsigned i = 0; i < n; i++)
        bytes += names[i].method.n + names[i].pattern.n + names[i].handler.n;
    if (bytes > s->g.heap_bytes)
        return ax_fail(reterr, AX_E_LIMIT, "metrics have room for %zu bytes of route names (found %zu)",
                       s->g.heap_bytes, bytes);
    if (__atomic_compare_exchange_n(state, &unset, WRITING, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        write_names(s, names, n);
        return 0;
    }
    while (__atomic_load_n(state, __ATOMIC_ACQUIRE) != SET) /* another worker of this engine is at it */
        sched_yield();
    if (!same_names(s, names, n))
        return ax_fail(reterr, AX_E_STATE, "the workers of one engine have different routes");
    return 0;
}

unsigned ax_segment_routes(const struct ax_segment *s)
{
    const struct shared *h = shared_of(s);

    if (__atomic_load_n(&h->names_state, __ATOMIC_ACQUIRE) != SET)
        return 0;
    return h->nroutes < s->g.max_routes ? h->nroutes : s->g.max_routes;
}

bool ax_segment_route(const struct ax_segment *s, unsigned id, struct ax_route_name *ret)
{
    if (id == AX_ROUTE_NONE) {
        *ret = (struct ax_route_name){AX_STR("-"), AX_STR("(none)"), AX_STR("-")};
        return true;
    }
    if (id > ax_segment_routes(s))
        return false;
    struct route_entry e = shared_of(s)->routes[id - 1];
    if ((uint64_t)e.at + e.method_n + e.pattern_n + e.handler_n > s->g.heap_bytes)
        return false;
    const char *p = s->base + s->g.heap_at + e.at;
    *ret = (struct ax_route_name){
        {p, e.method_n}, {p + e.method_n, e.pattern_n}, {p + e.method_n + e.pattern_n, e.handler_n}};
    return true;
}

/* ---- request path */

struct ax_wstat *ax_segment_worker(struct ax_segment *s, unsigned worker)
{
    struct ax_wstat *w = area_of(s, worker);

    AX_ASSERT(w->magic == WSTAT_MAGIC);
    return w;
}

struct ax_counters *ax_wstat_counters(struct ax_wstat *w)
{
    return &w->counters;
}

/* The new series' number + 1; when there is none left, that of route 0, and the index stays as it is. */
__attribute__((cold, noinline)) static uint32_t claim(struct ax_wstat *w, uint32_t route, uint32_t class)
{
    uint32_t used = w->series_used;

    if (used == w->series_max) {
        ax_count_add(&w->counters.dropped, 1);
        return class + 1;
    }
    series_of(w)[used].route = route;
    series_of(w)[used].status_class = class;
    index_of(w)[route * AX_STATUS_CLASSES + class] = used + 1;
    __atomic_store_n(&w->series_used, used + 1, __ATOMIC_RELEASE);
    return used + 1;
}

void ax_count_request(struct ax_wstat *w, uint32_t route, unsigned status, uint64_t bytes_in,
                      uint64_t bytes_out, uint64_t queue_us, uint64_t handler_us, uint64_t send_us)
{
    unsigned class = status / 100;
    uint64_t total_us = queue_us + handler_us + send_us;

    if (AX_UNLIKELY(class >= AX_STATUS_CLASSES))
        class = 0;
    if (AX_UNLIKELY(route >= w->routes))
        route = AX_ROUTE_NONE;
    uint32_t number = index_of(w)[route * AX_STATUS_CLASSES + class];
    if (AX_UNLIKELY(number == 0))
        number = claim(w, route, class);
    struct ax_series *s = series_of(w) + (number - 1);
    uint32_t *bucket = &s->histogram[ax_hist_bucket(total_us)];
    __atomic_store_n(bucket, __atomic_load_n(bucket, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
    ax_count_add(&s->bytes_in, bytes_in);
    ax_count_add(&s->bytes_out, bytes_out);
    ax_count_add(&s->queue_us, queue_us);
    ax_count_add(&s->handler_us, handler_us);
    ax_count_add(&s->send_us, send_us);
    if (total_us > __atomic_load_n(&s->max_us, __ATOMIC_RELAXED))
        ax_count_set(&s->max_us, total_us);
    __atomic_store_n(&s->count, __atomic_load_n(&s->count, __ATOMIC_RELAXED) + 1, __ATOMIC_RELEASE);
}

/* ---- notes */

bool ax_segment_put_series(struct ax_segment *s, unsigned worker, unsigned i, const struct ax_series *v)
{
    struct ax_wstat *w = area_of(s, worker);

    if (i >= w->series_max)
        return false;
    series_of(w)[i] = *v;
    if (i >= w->series_used)
        w->series_used = i + 1;
    return true;
}

void ax_segment_put_counters(struct ax_segment *s, unsigned worker, const struct ax_counters *v)
{
    area_of(s, worker)->counters = *v;
}

uint8_t ax_record_text(char *dst, size_t cap, struct ax_str s)
{
    size_t n = s.n < cap ? s.n : cap;

    while (n < s.n && n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80)
        n--;
    if (n)
        memcpy(dst, s.p, n);
    return (uint8_t)n;
}

void ax_record_request(struct ax_wstat *w, const struct ax_request_record *r)
{
    uint64_t head = __atomic_load_n(&w->head, __ATOMIC_RELAXED);

    if (head - __atomic_load_n(&w->tail, __ATOMIC_ACQUIRE) >= AX_RING_RECORDS) {
        ax_count_add(&w->counters.dropped, 1);
        return;
    }
    w->ring[head % AX_RING_RECORDS] = *r;
    __atomic_store_n(&w->head, head + 1, __ATOMIC_RELEASE);
}

/* ---- flight recorder and quarantine */

/* The route is stored last and cleared first: what a reader finds with a route has its own id, or that of the
 * request before it in the same slot. */
void ax_flight_begin(struct ax_wstat *w, uint32_t slot, uint32_t route, const char *id)
{
    if (AX_UNLIKELY(slot >= AX_FLIGHTS))
        return;
    struct ax_flight *f = &w->flights[slot];
    memcpy(f->id, id, AX_FLIGHT_ID);
    __atomic_store_n(&f->route, route, __ATOMIC_RELEASE);
}

void ax_flight_end(struct ax_wstat *w, uint32_t slot)
{
    if (AX_LIKELY(slot < AX_FLIGHTS))
        __atomic_store_n(&w->flights[slot].route, 0, __ATOMIC_RELAXED);
}

unsigned ax_segment_flights(const struct ax_segment *s, unsigned worker, struct ax_flight *ret, unsigned max)
{
    const struct ax_wstat *w = area_of(s, worker);
    unsigned n = 0;

    for (unsigned i = 0; i < AX_FLIGHTS && n < max; i++) {
        uint32_t route = __atomic_load_n(&w->flights[i].route, __ATOMIC_ACQUIRE);
        if (!route || route > s->g.max_routes)
            continue;
        ret[n].route = route;
        memcpy(ret[n++].id, w->flights[i].id, AX_FLIGHT_ID);
    }
    return n;
}

void ax_segment_block(struct ax_segment *s, uint32_t route, int64_t until_us)
{
    if (route <= s->g.max_routes)
        __atomic_store_n(&blocks_of(s)[route], until_us, __ATOMIC_RELAXED);
}

int64_t ax_segment_blocked(const struct ax_segment *s, uint32_t route)
{
    return route <= s->g.max_routes ? __atomic_load_n(&blocks_of(s)[route], __ATOMIC_RELAXED) : 0;
}

const int64_t *ax_wstat_blocks(const struct ax_wstat *w)
{
    return (const void *)((const char *)w - w->blocks_back);
}

/* ---- reader */

const struct ax_counters *ax_segment_counters(const struct ax_segment *s, unsigned worker)
{
    return &area_of(s, worker)->counters;
}

void ax_segment_read_counters(const struct ax_segment *s, unsigned worker, struct ax_counters *ret)
{
    const struct ax_counters *c = ax_segment_counters(s, worker);

#define M(name, kind, unit, help) ret->name = __atomic_load_n(&c->name, __ATOMIC_RELAXED);
#include "metrics/metrics.def"
#undef M
}

unsigned ax_segment_series_count(const struct ax_segment *s, unsigned worker)
{
    uint32_t n = __atomic_load_n(&area_of(s, worker)->series_used, __ATOMIC_ACQUIRE);

    return n < s->g.series_max ? n : s->g.series_max;
}

const struct ax_series *ax_segment_series(const struct ax_segment *s, unsigned worker, unsigned i)
{
    AX_ASSERT(i < s->g.series_max);
    return (const struct ax_series *)(const void *)((const char *)area_of(s, worker) + s->g.series_at) + i;
}

void ax_segment_read_series(const struct ax_segment *s, unsigned worker, unsigned i, struct ax_series *ret)
{
    const struct ax_series *from = ax_segment_series(s, worker, i);

    ret->count = __atomic_load_n(&from->count, __ATOMIC_ACQUIRE);
    ret->route = from->route;
    ret->status_class = from->status_class;
    ret->bytes_in = __atomic_load_n(&from->bytes_in, __ATOMIC_RELAXED);
    ret->bytes_out = __atomic_load_n(&from->bytes_out, __ATOMIC_RELAXED);
    ret->queue_us = __atomic_load_n(&from->queue_us, __ATOMIC_RELAXED);
    ret->handler_us = __atomic_load_n(&from->handler_us, __ATOMIC_RELAXED);
    ret->send_us = __atomic_load_n(&from->send_us, __ATOMIC_RELAXED);
    ret->max_us = __atomic_load_n(&from->max_us, __ATOMIC_RELAXED);
    for (unsigned b = 0; b < AX_HIST_BUCKETS; b++)
        ret->histogram[b] = __atomic_load_n(&from->histogram[b], __ATOMIC_RELAXED);
}

static uint8_t at_most(uint8_t n, size_t cap)
{
    return n < cap ? n : (uint8_t)cap;
}

bool ax_segment_take_record(struct ax_segment *s, unsigned worker, struct ax_request_record *ret)
{
    struct ax_wstat *w = area_of(s, worker);
    uint64_t tail = __atomic_load_n(&w->tail, __ATOMIC_RELAXED);
    uint64_t head = __atomic_load_n(&w->head, __ATOMIC_ACQUIRE);

    if (head == tail)
        return false;
    *ret = w->ring[tail % AX_RING_RECORDS];
    ret->method_len = at_most(ret->method_len, sizeof ret->method);
    ret->id_len = at_most(ret->id_len, sizeof ret->id);
    ret->remote_len = at_most(ret->remote_len, sizeof ret->remote);
    ret->path_len = at_most(ret->path_len, sizeof ret->path);
    ret->error_len = at_most(ret->error_len, sizeof ret->error);
    __atomic_store_n(&w->tail, tail + 1, __ATOMIC_RELEASE);
    return true;
}
