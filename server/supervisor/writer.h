/* supervisor/writer.h - the writer thread: owns the store and what it reads from the engines' segments.
 * Every metrics.interval it takes the differences, commits them as one transaction and folds; at the end it
 * writes once more.  The loop never waits for it, except in ax_writer_stop. Threads: all calls are for the
 * main thread; what they hand over crosses under one mutex. */
#ifndef AX_SUPERVISOR_WRITER_H
#define AX_SUPERVISOR_WRITER_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/log.h"
#include "metrics/segment.h"
#include "metrics/store.h"

struct ax_writer;

struct ax_writer_options {
    struct ax_store_options store;
    int64_t interval_us; /* 100 ms at least */
    struct ax_log *log;  /* BORROWED, and changed by ax_writer_configure alone: what cannot be written is said
                            here, once until it works again */
};

enum { AX_WRITER_MIN_INTERVAL_US = 100000, AX_WRITER_EVENTS_MAX = 1024, AX_WRITER_SOURCES_MAX = 2304 };

/* Opens the store and starts the thread.  *ret is OWNED: ax_writer_stop. */
int ax_writer_start(const struct ax_writer_options *o, struct ax_writer **ret, struct ax_err *reterr);
/* The last write, then the end of the thread.  NULL is fine. */
void ax_writer_stop(struct ax_writer *w);

/* A new generation's settings, from the next interval on.  The contents of the log given at the start and of
 * *log are exchanged, while the thread writes no line. */
void ax_writer_configure(struct ax_writer *w, int64_t interval_us, int64_t retention_us, int64_t max_bytes,
                         struct ax_log *log);
/* From now on the segment is read too.  It is OWNED by the writer, which frees it after ax_writer_drop; until
 * then the main thread may read it.  -AX_E_LIMIT when too many still wait to be read out. */
int ax_writer_add(struct ax_writer *w, struct ax_segment *s, pid_t engine, struct ax_err *reterr);
/* Its engine is gone: the writer takes what it counted last and frees it.  The caller forgets it now. */
void ax_writer_drop(struct ax_writer *w, struct ax_segment *s);
/* Whoever keeps sums of its own: `added` is told of each segment, those that are here already within this
 * call, and `dropped` when its engine is gone, before it is freed.  At most one watcher; NULL ends it. */
struct ax_writer_watch {
    void (*added)(void *ctx, struct ax_segment *s, pid_t engine);
    void (*dropped)(void *ctx, struct ax_segment *s);
    void *ctx;
};
void ax_writer_watch(struct ax_writer *w, const struct ax_writer_watch *watch);
/* For the `events` table; copies.  Beyond AX_WRITER_EVENTS_MAX waiting ones it is dropped, and that is
 * counted. */
void ax_writer_event(struct ax_writer *w, const char *kind, const char *text);
void ax_writer_restarted(struct ax_writer *w, unsigned workers); /* workers that were replaced */
uint64_t ax_writer_dropped(struct ax_writer *w);
/* Resident bytes of us and the engines, as of the last interval. */
uint64_t ax_writer_rss(struct ax_writer *w);
/* Workers that were replaced since the start. */
uint64_t ax_writer_restarts(struct ax_writer *w);
/* One interval now; does not wait.  What was counted before the call has been written, or kept for later,
 * when ax_writer_rounds has reached the result. */
uint64_t ax_writer_hurry(struct ax_writer *w);
uint64_t ax_writer_rounds(struct ax_writer *w);
/* `written` is called by the writer's thread after each interval; it may only wake the caller's.  After a
 * call with NULL it is called no more. */
void ax_writer_notify(struct ax_writer *w, void (*written)(void *ctx), void *ctx);

/* ---- over to another process, which goes on with the same segments */
/* Writes once more and ends the thread: nothing is taken from the segments until ax_writer_resume. */
void ax_writer_pause(struct ax_writer *w);
int ax_writer_resume(struct ax_writer *w, struct ax_err *reterr);
/* Paused: how far this segment was counted, as notes (ax_source_save).  Returns a descriptor, OWNED by the
 * caller, or -code. */
int ax_writer_notes(struct ax_writer *w, const struct ax_segment *s, struct ax_err *reterr);
/* Paused: seconds of counts that could not be written so far. */
unsigned ax_writer_waiting(const struct ax_writer *w);
/* As ax_writer_add, for a segment that another process has counted up to these notes. */
int ax_writer_adopt(struct ax_writer *w, struct ax_segment *s, pid_t engine, const struct ax_segment *notes,
                    struct ax_err *reterr);
/* Sums of a process before us: ax_writer_restarts and ax_writer_dropped go on from there. */
void ax_writer_seed(struct ax_writer *w, uint64_t restarts, uint64_t dropped);

/* Tests: one interval now; returns when it has been written. */
void ax_writer_flush(struct ax_writer *w);

#endif
