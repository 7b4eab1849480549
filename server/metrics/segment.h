/* metrics/segment.h - the shared metrics segment: one memfd per engine, made by the supervisor, mapped by
 * both. Workers only add, each into its own area, with plain (relaxed) stores and no system call; the
 * supervisor's writer thread reads.  So a killed engine loses no count.
 *
 * Layout (all offsets from the start, header says the sizes; ax_segment.layout is its version):
 *   header | route table (names, written once by the engine before it is ready) | worker areas
 * A worker area: counters (metrics.def) | series index [routes][6] -> series number | flight recorder | ring
 * of request records | series.  A series is one (route, status class): counts and a histogram.  A worker
 * claims series as they occur, so memory and scanning cost follow use; the memfd is sparse.  When no series
 * is left, requests count under route 0 of their class and `dropped` is incremented.  The reader trusts no
 * number in it: an engine that scribbles over its segment spoils its own figures and nothing else; the memfd
 * is sealed against resizing.
 *
 * Threads: a worker area has one writer.  Readers see every field whole (aligned, relaxed) but fields of one
 * series may be of slightly different moments; sums are exact once the worker is quiet. */
#ifndef AX_METRICS_SEGMENT_H
#define AX_METRICS_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "metrics/histogram.h"

enum { AX_SEGMENT_LAYOUT = 2 };
enum { AX_ROUTE_NONE = 0 };     /* route id of requests that matched no route: "(none)" */
enum { AX_STATUS_CLASSES = 6 }; /* status / 100; 0 = no status (aborted) */
enum {
    AX_RECORD_PATH = 200,
    AX_RECORD_ERROR = 64,
    AX_RECORD_REMOTE = 46,
    AX_RECORD_ID = 64,
    AX_RECORD_METHOD = 15
};
enum { AX_FLIGHT_ID = 16, AX_FLIGHTS = 1024 }; /* per worker: request slots that the flight recorder covers */
enum { AX_RING_RECORDS = 1024 };               /* request records per worker that may wait for the writer */

struct ax_counters { /* one per worker */
#define M(name, kind, unit, help) uint64_t name;
#include "metrics/metrics.def"
#undef M
};

struct ax_series { /* one (route, status class) of one worker; a duration's sums are in microseconds */
    uint32_t route, status_class;
    uint64_t count, bytes_in, bytes_out, queue_us, handler_us, send_us, max_us;
    uint32_t histogram[AX_HIST_BUCKETS]; /* of queue + handler + send; wraps, so readers take differences */
};

struct ax_request_record { /* one request, for `requests` */
    int64_t ts_us;         /* wall clock when its head was complete */
    uint64_t duration_us, bytes_in, bytes_out;
    uint32_t route;
    uint16_t status; /* 0 = aborted before a status was sent */
    /* Texts by length, cut where they are longer: fill them with ax_record_text.  method is the name ("GET";
     * "-" for one that is not known): metrics knows no enum of http. */
    uint8_t method_len, id_len, remote_len, path_len, error_len;
    char method[AX_RECORD_METHOD], id[AX_RECORD_ID], remote[AX_RECORD_REMOTE], path[AX_RECORD_PATH],
        error[AX_RECORD_ERROR];
};

/* r->path_len = ax_record_text(r->path, sizeof r->path, path): copies what fits (whole UTF-8 characters). */
uint8_t ax_record_text(char *dst, size_t cap, struct ax_str s);

/* The flight recorder: requests that JavaScript has and has not answered, by request slot. */
struct ax_flight {
    uint32_t route; /* 0 = none */
    char id[AX_FLIGHT_ID];
};

struct ax_route_name {                      /* BORROWED strings */
    struct ax_str method, pattern, handler; /* handler: "handlers/users.js#show", "redirect", "health" ... */
};

struct ax_segment; /* a mapping; opaque: segment.c */
struct ax_wstat;   /* a worker's area in it; opaque but for the inline below */

/* Supervisor: a memfd for `workers` workers and at most `max_routes` routes.  *ret_fd is OWNED: close it. */
int ax_segment_create(unsigned workers, unsigned max_routes, struct ax_segment **ret, int *ret_fd,
                      struct ax_err *reterr);
/* Engine: maps an inherited memfd; -AX_E_PROTO when its layout is another. */
int ax_segment_attach(int fd, struct ax_segment **ret, struct ax_err *reterr);
/* Plain `node app.js` and tests: anonymous memory, no descriptor. */
int ax_segment_private(unsigned workers, unsigned max_routes, struct ax_segment **ret, struct ax_err *reterr);
void ax_segment_free(struct ax_segment *s); /* unmaps; NULL is fine */

unsigned ax_segment_workers(const struct ax_segment *s);
/* Once, before anything is counted: names[i] is route id i + 1.  -AX_E_LIMIT when there are more than
 * max_routes. Calling it again with equal names is fine (every worker of an engine does). */
int ax_segment_set_routes(struct ax_segment *s, const struct ax_route_name *names, unsigned n,
                          struct ax_err *reterr);
unsigned ax_segment_routes(const struct ax_segment *s); /* 0 until set */
/* id 0 is "-" "(none)" "-" always; 1..n once set; false beyond. */
bool ax_segment_route(const struct ax_segment *s, unsigned id, struct ax_route_name *ret);

/* ---- request path: the worker's own thread */
struct ax_wstat *ax_segment_worker(struct ax_segment *s, unsigned worker); /* 0 .. workers - 1 */
struct ax_counters *ax_wstat_counters(struct ax_wstat *w);
/* For the worker's own counters: a reader in another thread never sees half a number, and no bus lock is
 * paid. */
static inline void ax_count_set(uint64_t *counter, uint64_t v)
{
    __atomic_store_n(counter, v, __ATOMIC_RELAXED);
}
static inline void ax_count_add(uint64_t *counter, uint64_t n)
{
    __atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}
/* The request in `slot` is handed to JavaScript, or (route 0) is not there any more.  Slots from AX_FLIGHTS
 * on are not recorded.  `id` is AX_FLIGHT_ID characters. */
void ax_flight_begin(struct ax_wstat *w, uint32_t slot, uint32_t route, const char *id);
void ax_flight_end(struct ax_wstat *w, uint32_t slot);
/* Until when a route is answered 503 (microseconds of the monotonic clock; 0 = it is not): any thread. */
int64_t ax_segment_blocked(const struct ax_segment *s, uint32_t route);
/* The same as an array by route id, for the request path: read it relaxed. */
const int64_t *ax_wstat_blocks(const struct ax_wstat *w);
/* One answered request.  Claims the series on first use.  About 10 ns. */
void ax_count_request(struct ax_wstat *w, uint32_t route, unsigned status, uint64_t bytes_in,
                      uint64_t bytes_out, uint64_t queue_us, uint64_t handler_us, uint64_t send_us);
/* Copies *r into the ring; full = counted as dropped. */
void ax_record_request(struct ax_wstat *w, const struct ax_request_record *r);

/* ---- the supervisor */
/* Quarantine: every worker of the engine answers the route 503 from now on, until then; 0 ends it. */
void ax_segment_block(struct ax_segment *s, uint32_t route, int64_t until_us);
/* What JavaScript had in hand (after a crash: what was running); at most max, returns how many. */
unsigned ax_segment_flights(const struct ax_segment *s, unsigned worker, struct ax_flight *ret, unsigned max);

/* ---- reader: the supervisor's writer thread */
const struct ax_counters *ax_segment_counters(const struct ax_segment *s,
                                              unsigned worker); /* read relaxed, or: */
void ax_segment_read_counters(const struct ax_segment *s, unsigned worker, struct ax_counters *ret);
unsigned ax_segment_series_count(const struct ax_segment *s, unsigned worker);
/* In shared memory: read its fields with relaxed loads, or copy it whole with ax_segment_read_series.  A
 * series that was never counted has count 0 (the six of route 0 are there from the start). */
const struct ax_series *ax_segment_series(const struct ax_segment *s, unsigned worker, unsigned i);
/* `count` is read first and written last: the other sums are never behind it. */
void ax_segment_read_series(const struct ax_segment *s, unsigned worker, unsigned i, struct ax_series *ret);
/* ---- a reader's own notes in the form of a segment: how far it had read another one */
enum { AX_LAYOUT_TEXT = 64 };
/* What another program must say of itself to be able to read segments made by this one. */
void ax_segment_layout(char out[AX_LAYOUT_TEXT]);
/* An empty one for as many workers and routes.  As ax_segment_create. */
int ax_segment_like(const struct ax_segment *s, struct ax_segment **ret, int *ret_fd, struct ax_err *reterr);
/* `i` may be beyond those that are there; false beyond what there can be. */
bool ax_segment_put_series(struct ax_segment *s, unsigned worker, unsigned i, const struct ax_series *v);
void ax_segment_put_counters(struct ax_segment *s, unsigned worker, const struct ax_counters *v);

/* Takes the oldest waiting record of a worker; false when there is none.  One reader. */
bool ax_segment_take_record(struct ax_segment *s, unsigned worker, struct ax_request_record *ret);

#endif
