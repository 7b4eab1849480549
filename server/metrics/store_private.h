/* metrics/store_private.h - what store.c, store_take.c, store_write.c and store_fold.c share: the writer's
 * state. Data flows one way: segments -> (store_take) batches that wait -> (store_write) one transaction.  A
 * batch leaves the queue only once it is committed.  Thread: the writer's. */
#ifndef AX_METRICS_STORE_PRIVATE_H
#define AX_METRICS_STORE_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "metrics/limits.h"
#include "metrics/store.h"
#include "metrics/store_sql.h"

enum { AX_STORE_MAGIC = 0x41785354, AX_SOURCE_MAGIC = 0x41785352 };
enum {
    AX_STORE_BATCHES_MAX = 600,      /* seconds that wait; beyond it counts are added to the newest batch */
    AX_STORE_WAITING_MAX = 8 << 20,  /* bytes that wait; likewise */
    AX_STORE_RECORDS_MAX = 8192,     /* request records that wait; beyond it they stay in their rings */
    AX_STORE_EVENTS_MAX = 1000,      /* events that wait; beyond it they are dropped and counted */
    AX_STORE_BYTES_MIN = 256 * 1024, /* smallest ceiling of the file that makes sense */
};

struct ax_store_route { /* a name that rows refer to by its index in ax_store.routes; [0] is "(none)" */
    char *method, *pattern, *handler; /* OWNED */
    int64_t id;                       /* routes.id; -1 = not looked up, or not committed */
};

struct ax_store_row { /* of request_stats */
    uint32_t route;   /* index */
    uint32_t status;  /* class */
    uint32_t worker;
    uint64_t count, bytes_in, bytes_out, queue_us, handler_us, send_us, max_us;
    uint8_t *histogram; /* OWNED, encoded */
    size_t histogram_n;
};

struct ax_store_record {        /* of requests */
    struct ax_request_record r; /* r.route is not used */
    uint32_t route;             /* index */
    uint32_t worker;
};

struct ax_store_sample { /* of server_stats */
#define COLUMN(name) uint64_t name;
    AX_SAMPLE_MAP(COLUMN, COLUMN)
#undef COLUMN
};

struct ax_store_batch { /* what one ax_store_write took */
    struct ax_store_batch *next;
    int64_t ts; /* unix seconds */
    struct ax_store_row *rows;
    size_t nrows, rows_cap;
    struct ax_store_record *records;
    size_t nrecords, records_cap;
    struct ax_store_sample sample;
    bool has_sample;
};

struct ax_store_event {
    struct ax_store_event *next;
    int64_t ts_us;
    char *kind, *text; /* OWNED */
};

enum ax_store_insert {
    AX_INSERT_ROW,
    AX_INSERT_RECORD,
    AX_INSERT_SAMPLE,
    AX_INSERT_EVENT,
    AX_INSERT_ROUTE,
    AX_FIND_ROUTE,
    AX_INSERTS
};

struct ax_store {
    uint32_t magic;
    char *path; /* OWNED; NULL = in memory */
    int64_t retention_us, max_bytes;
    struct sqlite3
        *db;   /* NULL while the file cannot be used (locked when opened): tried again at each write */
    dev_t dev; /* of the open file, to notice that somebody has removed it */
    ino_t ino;
    struct sqlite3_stmt *inserts[AX_INSERTS];
    char *set_aside; /* OWNED */

    struct ax_store_route *routes; /* OWNED; grows by the routes of each generation */
    size_t nroutes, routes_cap;
    struct ax_store_batch *first, *last; /* OWNED: oldest and newest batch that wait */
    struct ax_store_event *first_event, *last_event;
    unsigned nbatches, nevents;
    size_t nrecords, bytes; /* of all batches */

    uint64_t limited[AX_LIMITS];                 /* refused, and not told as an event yet */
    int64_t limited_s;                           /* the second of the last such events */
    struct ax_store_sample held;                 /* counters of quiet seconds, for the next sample */
    int64_t sampled_s;                           /* when the last sample was taken; 0 = never */
    int64_t folded_s[AX_STORE_STEPS], expired_s; /* cut of the last folding per step; last expiry */
    ax_wall wall;                                /* both clocks at the last folding; 0 = never */
    ax_mono mono, expire_at;                     /* nothing is too old before expire_at */
};

/* store.c: opens, checks, sets aside and migrates as needed; 0 when st->db can be used. */
int ax_store_ready(struct ax_store *st, struct ax_err *reterr);
/* Closes the database and renames it FILE.corrupt-TIME; the next ax_store_ready makes a new one. */
int ax_store_corrupt_aside(struct ax_store *st, struct ax_err *reterr);
void ax_store_shut(struct ax_store *st); /* statements and handle; what waits stays */

/* store_take.c: moves the differences of the sources into a batch. */
int ax_store_take(struct ax_store *st, struct ax_source *const *sources, unsigned n,
                  const struct ax_server_sample *sample, int64_t ts, struct ax_err *reterr);
void ax_store_free_batches(struct ax_store *st);
/* Index of a name, added when it is new; -AX_E_NOMEM. */
int64_t ax_store_route_index(struct ax_store *st, const struct ax_route_name *name);

/* store_limits.c: what the limits have refused becomes events. */
int ax_store_put_limits(struct ax_store *st, int64_t ts, struct ax_err *reterr);

/* store_write.c: commits all that waits. */
int ax_store_flush(struct ax_store *st, struct ax_err *reterr);
/* Rolls back after SQLite's code sql_rc, and sets a corrupt file aside.  Returns -AX_E_DB. */
int ax_store_failed(struct ax_store *st, int sql_rc, const char *what, struct ax_err *reterr);
/* Keeps an event for the next flush; beyond AX_STORE_EVENTS_MAX it is dropped and counted. */
int ax_store_queue_event(struct ax_store *st, ax_wall now, const char *kind, const char *text,
                         struct ax_err *reterr);
void ax_store_free_events(struct ax_store *st);

#endif
