#include "supervisor/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "supervisor/proc.h"

enum { WRITER_MAGIC = 0x57524954 };

struct event {
    ax_wall at;
    char *kind, *text; /* OWNED */
};

struct source {
    struct ax_segment *segment; /* OWNED */
    struct ax_source *source;   /* OWNED */
    pid_t engine;
    uint64_t cpu_us; /* already counted */
    bool gone;       /* under the mutex */
};

struct ax_writer {
    uint32_t magic;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, written;
    struct ax_log *log;
    pthread_mutex_t log_mutex;    /* held while the thread writes lines: the log's contents may change */
    struct ax_writer_watch watch; /* the main thread's */

    /* under the mutex */
    struct source sources[AX_WRITER_SOURCES_MAX];
    unsigned nsources;
    struct event events[AX_WRITER_EVENTS_MAX];
    unsigned nevents;
    uint64_t dropped, restarts, all_restarts, rss, rounds;
    int64_t interval_us, retention_us, max_bytes;
    bool stop, flush, busy; /* busy: a round is being written */
    void (*on_written)(void *ctx);
    void *ctx;

    /* the thread's own */
    struct ax_store *store; /* OWNED */
    uint64_t own_cpu_us;
    bool failing; /* the last write did not succeed: said once */
};

/* ---- what the main thread calls */
/* The CPU time of an engine up to now was counted by whoever noted how far its segment was. */
static uint64_t cpu_before(pid_t engine, const struct ax_segment *notes)
{
    struct ax_proc p;

    return notes && ax_proc_read(engine, &p) ? p.cpu_us : 0;
}

int ax_writer_adopt(struct ax_writer *w, struct ax_segment *s, pid_t engine, const struct ax_segment *notes,
                    struct ax_err *reterr)
{
    struct ax_source *source = ax_source_new(s);
    uint64_t cpu_us = cpu_before(engine, notes);
    int rc = !source ? ax_fail(reterr, AX_E_NOMEM, "out of memory")
             : notes ? ax_source_load(source, notes, reterr)
                     : 0;

    pthread_mutex_lock(&w->mutex);
    if (rc == 0 && w->nsources == AX_WRITER_SOURCES_MAX)
        rc = ax_fail(reterr, AX_E_LIMIT, "the metrics of %d ended engines still wait to be written",
                     AX_WRITER_SOURCES_MAX);
    else if (rc == 0)
        w->sources[w->nsources++] =
            (struct source){.segment = s, .source = source, .engine = engine, .cpu_us = cpu_us};
    pthread_mutex_unlock(&w->mutex);
    if (rc < 0)
        ax_source_free(source);
    else if (w->watch.added)
        w->watch.added(w->watch.ctx, s, engine);
    return rc;
}

int ax_writer_add(struct ax_writer *w, struct ax_segment *s, pid_t engine, struct ax_err *reterr)
{
    return ax_writer_adopt(w, s, engine, NULL, reterr);
}

void ax_writer_seed(struct ax_writer *w, uint64_t restarts, uint64_t dropped)
{
    struct ax_proc p;

    pthread_mutex_lock(&w->mutex);
    w->all_restarts += restarts;
    w->dropped += dropped;
    if (ax_proc_read(getpid(), &p))
        w->own_cpu_us = p.cpu_us; /* counted by the program that we were */
    pthread_mutex_unlock(&w->mutex);
}

void ax_writer_drop(struct ax_writer *w, struct ax_segment *s)
{
    if (w->watch.dropped)
        w->watch.dropped(w->watch.ctx, s);
    pthread_mutex_lock(&w->mutex);
    for (unsigned i = 0; i < w->nsources; i++)
        if (w->sources[i].segment == s)
            w->sources[i].gone = true;
    pthread_mutex_unlock(&w->mutex);
}

/* Segments that are not gone stay until the main thread drops them: they need no mutex. */
void ax_writer_watch(struct ax_writer *w, const struct ax_writer_watch *watch)
{
    struct source here[AX_WRITER_SOURCES_MAX];
    unsigned n = 0;

    w->watch = watch ? *watch : (struct ax_writer_watch){0};
    pthread_mutex_lock(&w->mutex);
    for (unsigned i = 0; i < w->nsources; i++)
        if (!w->sources[i].gone)
            here[n++] = w->sources[i];
    pthread_mutex_unlock(&w->mutex);
    for (unsigned i = 0; watch && i < n; i++)
        watch->added(watch->ctx, here[i].segment, here[i].engine);
}

void ax_writer_configure(struct ax_writer *w, int64_t interval_us, int64_t retention_us, int64_t max_bytes,
                         struct ax_log *log)
{
    pthread_mutex_lock(&w->log_mutex);
    struct ax_log before = *w->log;
    *w->log = *log;
    *log = before;
    pthread_mutex_unlock(&w->log_mutex);
    pthread_mutex_lock(&w->mutex);
    w->interval_us = interval_us < AX_WRITER_MIN_INTERVAL_US ? AX_WRITER_MIN_INTERVAL_US : interval_us;
    w->retention_us = retention_us;
    w->max_bytes = max_bytes;
    pthread_cond_signal(&w->wake); /* an hour's interval may have become a second's */
    pthread_mutex_unlock(&w->mutex);
}

void ax_writer_event(struct ax_writer *w, const char *kind, const char *text)
{
    struct event e = {ax_wall_now(), ax_strdup(kind), ax_strdup(text)};

    pthread_mutex_lock(&w->mutex);
    bool taken = e.kind && e.text && w->nevents < AX_WRITER_EVENTS_MAX;
    if (taken)
        w->events[w->nevents++] = e;
    else
        w->dropped++;
    pthread_mutex_unlock(&w->mutex);
    if (!taken) {
        ax_free(e.kind);
        ax_free(e.text);
    }
}

void ax_writer_restarted(struct ax_writer *w, unsigned workers)
{
    pthread_mutex_lock(&w->mutex);
    w->restarts += workers;
    w->all_restarts += workers;
    pthread_mutex_unlock(&w->mutex);
}

uint64_t ax_writer_dropped(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t n = w->dropped;
    pthread_mutex_unlock(&w->mutex);
    return n;
}

uint64_t ax_writer_rss(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t n = w->rss;
    pthread_mutex_unlock(&w->mutex);
    return n;
}

uint64_t ax_writer_restarts(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t n = w->all_restarts;
    pthread_mutex_unlock(&w->mutex);
    return n;
}

/* Under the mutex.  A round that is being written may have read the counts before: the one behind it counts.
 */
static uint64_t hurry(struct ax_writer *w)
{
    w->flush = true;
    pthread_cond_signal(&w->wake);
    return w->rounds + 1 + w->busy;
}

uint64_t ax_writer_hurry(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t n = hurry(w);
    pthread_mutex_unlock(&w->mutex);
    return n;
}

uint64_t ax_writer_rounds(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t n = w->rounds;
    pthread_mutex_unlock(&w->mutex);
    return n;
}

void ax_writer_notify(struct ax_writer *w, void (*written)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&w->mutex);
    w->on_written = written;
    w->ctx = ctx;
    pthread_mutex_unlock(&w->mutex);
}

void ax_writer_flush(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t until = hurry(w);
    while (w->rounds < until)
        pthread_cond_wait(&w->written, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

/* ---- the thread */
static void own_sample(struct ax_writer *w, struct ax_server_sample *s)
{
    struct ax_proc p;

    if (!ax_proc_read(getpid(), &p))
        return;
    s->rss_bytes += p.rss_bytes;
    s->cpu_us += p.cpu_us - w->own_cpu_us;
    w->own_cpu_us = p.cpu_us;
}

/* An engine that has ended has no /proc entry any more: the little that it used last is lost. */
static void engine_sample(struct source *src, struct ax_server_sample *s)
{
    struct ax_proc p;

    if (src->gone || !ax_proc_read(src->engine, &p) || p.cpu_us < src->cpu_us)
        return;
    s->rss_bytes += p.rss_bytes;
    s->cpu_us += p.cpu_us - src->cpu_us;
    src->cpu_us = p.cpu_us;
}

struct round { /* what one write works on, taken from the shared part */
    struct ax_source *list[AX_WRITER_SOURCES_MAX];
    bool gone[AX_WRITER_SOURCES_MAX];
    unsigned n;
    struct ax_server_sample sample;
    int64_t retention_us, max_bytes;
};

/* Entries of w->sources stay where they are while the thread works: only the thread removes any. */
static void begin_round(struct ax_writer *w, struct round *r)
{
    r->n = w->nsources;
    r->sample = (struct ax_server_sample){.worker_restarts = w->restarts};
    w->restarts = 0;
    for (unsigned i = 0; i < r->n; i++) {
        r->list[i] = w->sources[i].source;
        r->gone[i] = w->sources[i].gone;
        engine_sample(&w->sources[i], &r->sample);
    }
    own_sample(w, &r->sample);
    w->rss = r->sample.rss_bytes;
    r->retention_us = w->retention_us;
    r->max_bytes = w->max_bytes;
    w->busy = true;
}

static void say(struct ax_writer *w, enum ax_log_level level, const char *what, const char *why)
{
    pthread_mutex_lock(&w->log_mutex);
    ax_log_write(w->log, level, NULL, 0, "%s%s", what, why);
    pthread_mutex_unlock(&w->log_mutex);
}

static void take_events(struct ax_writer *w)
{
    for (;;) {
        pthread_mutex_lock(&w->mutex);
        struct event e = {0};
        if (w->nevents) {
            e = w->events[0];
            memmove(w->events, w->events + 1, --w->nevents * sizeof *w->events);
        }
        pthread_mutex_unlock(&w->mutex);
        if (!e.kind)
            return;
        struct ax_err err = {0};
        /* one that cannot be written now waits in the store, and the round's own write tells of that */
        if (ax_store_event(w->store, e.at, e.kind, e.text, &err) < 0 && err.code != AX_E_DB)
            say(w, AX_LOG_WARN, "an event is not recorded: ", err.msg);
        ax_free(e.kind);
        ax_free(e.text);
    }
}

static void write_round(struct ax_writer *w, struct round *r)
{
    struct ax_err err = {0};
    ax_wall now = ax_wall_now();

    for (unsigned i = 0; i < r->n; i++)
        if (r->gone[i])
            ax_source_end(r->list[i]);
    ax_store_limits(w->store, r->retention_us, r->max_bytes);
    take_events(w);
    int rc = ax_store_write(w->store, r->list, r->n, &r->sample, now, &err);
    if (rc == 0)
        rc = ax_store_fold(w->store, now, &err);
    if (rc < 0 && !w->failing)
        say(w, AX_LOG_WARN, "metrics cannot be written now, they are kept and retried: ", err.msg);
    else if (rc == 0 && w->failing)
        say(w, AX_LOG_INFO, "metrics are written again", "");
    w->failing = rc < 0;
}

/* What an ended engine counted is in the store now, written or kept: its segment may go. */
static void end_round(struct ax_writer *w, const struct round *r)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < w->nsources; i++) {
        if (i < r->n && r->gone[i]) {
            ax_source_free(w->sources[i].source);
            ax_segment_free(w->sources[i].segment);
        } else {
            w->sources[kept++] = w->sources[i];
        }
    }
    w->nsources = kept;
    w->rounds++;
    w->busy = false;
    pthread_cond_broadcast(&w->written);
}

/* Under the mutex; false when it is time to end.  The interval may change meanwhile. */
static bool wait_interval(struct ax_writer *w, ax_mono start)
{
    while (!w->stop && !w->flush) {
        int64_t until = start.us + w->interval_us;
        struct timespec ts = {until / 1000000, until % 1000000 * 1000};
        if (until <= ax_mono_now().us || pthread_cond_timedwait(&w->wake, &w->mutex, &ts) == ETIMEDOUT)
            break;
    }
    w->flush = false;
    return !w->stop;
}

static void *writer_main(void *arg)
{
    struct ax_writer *w = AX_CAST(struct ax_writer, arg, WRITER_MAGIC);
    struct round r;
    bool more = true;

    pthread_mutex_lock(&w->mutex);
    while (more) {
        more = wait_interval(w, ax_mono_now());
        begin_round(w, &r);
        pthread_mutex_unlock(&w->mutex);
        write_round(w, &r);
        pthread_mutex_lock(&w->mutex);
        end_round(w, &r);
        if (w->on_written)
            w->on_written(w->ctx);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

/* ---- life */
static int start_thread(struct ax_writer *w, struct ax_err *reterr)
{
    sigset_t all, before;

    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int os = pthread_create(&w->thread, NULL, writer_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return os ? ax_fail_os(reterr, os, "cannot start the metrics writer") : 0;
}

static void init_sync(struct ax_writer *w)
{
    pthread_condattr_t mono;

    pthread_mutex_init(&w->mutex, NULL);
    pthread_mutex_init(&w->log_mutex, NULL);
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &mono);
    pthread_cond_init(&w->written, NULL);
    pthread_condattr_destroy(&mono);
}

static void free_writer(struct ax_writer *w)
{
    for (unsigned i = 0; i < w->nsources; i++) {
        ax_source_free(w->sources[i].source);
        ax_segment_free(w->sources[i].segment);
    }
    for (unsigned i = 0; i < w->nevents; i++) {
        ax_free(w->events[i].kind);
        ax_free(w->events[i].text);
    }
    ax_store_close(w->store);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->log_mutex);
    pthread_mutex_destroy(&w->mutex);
    w->magic = 0;
    ax_free(w);
}

int ax_writer_start(const struct ax_writer_options *o, struct ax_writer **ret, struct ax_err *reterr)
{
    struct ax_writer *w = ax_calloc(1, sizeof *w);

    if (!w)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    w->magic = WRITER_MAGIC;
    w->log = o->log;
    w->retention_us = o->store.retention_us;
    w->max_bytes = o->store.max_bytes;
    w->interval_us = o->interval_us < AX_WRITER_MIN_INTERVAL_US ? AX_WRITER_MIN_INTERVAL_US : o->interval_us;
    init_sync(w);
    int rc = ax_store_open(&o->store, &w->store, reterr);
    if (rc == 0) {
        if (ax_store_set_aside(w->store))
            ax_log_warn(w->log, "the metrics database could not be used and was set aside as %s",
                        ax_store_set_aside(w->store));
        rc = start_thread(w, reterr);
    }
    if (rc < 0) {
        free_writer(w);
        return rc;
    }
    *ret = w;
    return 0;
}

void ax_writer_pause(struct ax_writer *w)
{
    pthread_mutex_lock(&w->mutex);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
}

int ax_writer_resume(struct ax_writer *w, struct ax_err *reterr)
{
    w->stop = false;
    return start_thread(w, reterr);
}

int ax_writer_notes(struct ax_writer *w, const struct ax_segment *s, struct ax_err *reterr)
{
    struct ax_segment *notes;
    unsigned i = 0;
    int fd;

    while (i < w->nsources && w->sources[i].segment != s)
        i++;
    if (AX_NEVER(i == w->nsources))
        return ax_fail(reterr, AX_E_UNKNOWN, "no such segment");
    int rc = ax_segment_like(s, &notes, &fd, reterr);
    if (rc < 0)
        return rc;
    rc = ax_source_save(w->sources[i].source, notes, reterr);
    ax_segment_free(notes);
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

unsigned ax_writer_waiting(const struct ax_writer *w)
{
    return ax_store_waiting(w->store);
}

void ax_writer_stop(struct ax_writer *w)
{
    if (!w)
        return;
    ax_writer_pause(w);
    free_writer(w);
}
