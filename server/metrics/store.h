/* metrics/store.h - metrics.db: the writer (supervisor's writer thread) and the reader (`actix stats`).
 * The only owner of sqlite3.h.  Schema and folding: docs/metrics.md.  A store may be in memory (path
 * NULL). A full disk or a locked database never blocks: what could not be written is kept (bounded) and
 * retried with the next write, what is dropped is counted.  A newer database is set aside as FILE.vN, a
 * corrupt one as FILE.corrupt-TIME. */
#ifndef AX_METRICS_STORE_H
#define AX_METRICS_STORE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "metrics/segment.h"

struct ax_store;

struct ax_store_options {
    const char *path;     /* NULL = in memory */
    int64_t retention_us; /* INT64_MAX = for ever */
    int64_t max_bytes;    /* INT64_MAX = no ceiling; less than 256 KiB counts as 256 KiB */
};

/* ---- writer: one thread (the caller's) owns the handle */
int ax_store_open(const struct ax_store_options *o, struct ax_store **ret, struct ax_err *reterr);
/* Another retention and ceiling from the next fold on; units as in the options. */
void ax_store_limits(struct ax_store *st, int64_t retention_us, int64_t max_bytes);
void ax_store_close(struct ax_store *st); /* tries once more to write what waits; NULL is fine */
/* The name that an unusable database got (newer or corrupt), for the log; NULL = none was set aside. */
const char *ax_store_set_aside(const struct ax_store *st); /* BORROWED, until close */
/* Seconds of counts, samples and events that wait to be written; 0 = all is in the file. */
unsigned ax_store_waiting(const struct ax_store *st);

/* A segment as seen by the store: keeps what was already counted, so that each write takes differences. */
struct ax_source;
struct ax_source *ax_source_new(struct ax_segment *s); /* BORROWS s; NULL = out of memory */
void ax_source_free(struct ax_source *src);
/* Its engine is gone: what it counted is still taken, its gauges (connections, inflight) are no longer. */
void ax_source_end(struct ax_source *src);

/* How far it was counted, for another process that goes on with the same segment: as notes in a segment of
 * the same size (ax_segment_like), and back from there.  -AX_E_NOMEM, -AX_E_PROTO when the sizes differ. */
int ax_source_save(const struct ax_source *src, struct ax_segment *notes, struct ax_err *reterr);
int ax_source_load(struct ax_source *src, const struct ax_segment *notes, struct ax_err *reterr);

struct ax_server_sample {       /* what the supervisor knows beside the segment */
    uint64_t rss_bytes, cpu_us; /* of supervisor and engines; cpu as a difference since the last sample */
    uint64_t worker_restarts;   /* difference */
};
/* Takes the differences of all sources since the last call and commits them as one transaction at second
 * `now`. Returns 0, or -AX_E_DB with the data kept for the next call. */
int ax_store_write(struct ax_store *st, struct ax_source *const *sources, unsigned n,
                   const struct ax_server_sample *sample, ax_wall now, struct ax_err *reterr);
/* kind: start stop reload crash restart stall timeout quarantine limit. */
int ax_store_event(struct ax_store *st, ax_wall now, const char *kind, const char *text,
                   struct ax_err *reterr);
/* Folds 1 s -> 10 s -> 1 min -> 10 min and drops what is past retention or over max_bytes.  Cheap when there
 * is nothing to do; call it after each write. */
int ax_store_fold(struct ax_store *st, ax_wall now, struct ax_err *reterr);

/* ---- reader: any process that may read the file, whether or not the server runs */
enum ax_stats_by { AX_BY_ROUTE, AX_BY_STATUS, AX_BY_TIME, AX_BY_WORKER };
struct ax_stats_query {
    const char *path;
    int64_t since_us, until_us; /* wall clock, us; since <= 0 = from the first row on */
    const char *route;          /* NULL = all; else the pattern, or "METHOD pattern" */
    enum ax_stats_by by;
};
struct ax_stats_latency {
    uint64_t mean, p50, p90, p99, max; /* us */
};
struct ax_stats_row {
    /* BY_STATUS "2xx" ("other": none or beyond 599), BY_TIME RFC 3339 start, BY_WORKER number or "-" for what
     * is folded, BY_ROUTE NULL. */
    char *key;
    char *method, *pattern, *handler; /* BY_ROUTE; "(none)" for no route */
    uint64_t requests, errors, status[AX_STATUS_CLASSES], bytes_in, bytes_out;
    double rps;
    struct ax_stats_latency latency;
    uint64_t queue_us, handler_us, send_us; /* means per request */
};
struct ax_stats_event {
    int64_t ts_us;
    char *kind, *text;
};
struct ax_stats_limit {
    char *name; /* "limits.inflight" */
    uint64_t refused;
};
struct ax_stats {
    int64_t since_us, until_us;
    struct ax_stats_row total;
    struct ax_stats_row *rows; /* most requests first; BY_TIME by time */
    size_t nrows;
    struct {
        uint64_t rss_bytes, cpu_us, connections, inflight, accepted, pool_high, pool_dry, cache_hits,
            cache_misses, late_sends, worker_restarts, dropped;
    } server;                      /* counters: sums over the window; gauges: the highest sample */
    struct ax_stats_limit *limits; /* that have refused requests, by name */
    size_t nlimits;
    struct ax_stats_event *events;
    size_t nevents;
    int64_t
        last_request_us; /* wall clock of the newest request in the database (of q->route), 0 = none ever */
};
/* -AX_E_MISSING when there is no file, -AX_E_DB otherwise.  *ret is OWNED: ax_stats_free. */
int ax_store_query(const struct ax_stats_query *q, struct ax_stats **ret, struct ax_err *reterr);
/* The same over the writer's handle, by the writer's thread: for a store in memory.  q->path is ignored. */
int ax_store_query_live(struct ax_store *st, const struct ax_stats_query *q, struct ax_stats **ret,
                        struct ax_err *reterr);
void ax_stats_free(struct ax_stats *s);

#endif
