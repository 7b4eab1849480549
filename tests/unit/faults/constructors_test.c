/* Whatever opens something fails as a whole: with each of its allocations failing once, and with no
 * descriptor left from each of its own on.  A failure has its reason and leaves no descriptor behind;
 * sanitizers see the memory. */
#include "supervisor/fixture.h"

#include <dirent.h>
#include <sys/resource.h>

#include "base/log.h"
#include "metrics/segment.h"
#include "metrics/store.h"
#include "metrics/totals.h"
#include "net/admission.h"
#include "net/board.h"
#include "net/listener.h"
#include "net/mailbox.h"
#include "supervisor/admin.h"
#include "supervisor/control.h"
#include "supervisor/unixsock.h"
#include "supervisor/writer.h"

enum { ALLOCATIONS_MAX = 2000, DESCRIPTORS_MAX = 40, ENOUGH = 8, ALL = 1 << 20 };

struct world {
    char *dir, path[128];
    struct ax_log log;
    uv_loop_t loop;
    struct ax_segment *segment, *counts;
    struct ax_site *site;
    int fd, fd2;
    void *made;
};

/* ---- descriptors */

static unsigned open_below(unsigned limit)
{
    DIR *d = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        unsigned long fd = strtoul(e->d_name, NULL, 10);
        n += e->d_name[0] != '.' && fd < limit && (int)fd != dirfd(d);
    }
    closedir(d);
    return n;
}

/* The soft limit that leaves so many. */
static void leave(unsigned n)
{
    struct rlimit r;
    unsigned limit = n;

    while (limit - open_below(limit) < n)
        limit++;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = limit;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

static void leave_many(void)
{
    struct rlimit r;

    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* ---- what is made; 0, or -code with the reason */

static int make_segment(struct world *w, struct ax_err *err)
{
    return ax_segment_create(2, 8, &w->segment, &w->fd, err);
}

static void end_segment(struct world *w)
{
    ax_segment_free(w->segment);
    close(w->fd);
}

static int make_board(struct world *w, struct ax_err *err)
{
    struct ax_board *b;
    int rc = ax_board_create(4, &b, &w->fd, err);

    w->made = rc == 0 ? b : NULL;
    return rc;
}

static void end_board(struct world *w)
{
    ax_board_free(w->made);
    close(w->fd);
}

static int make_mailbox(struct world *w, struct ax_err *err)
{
    return ax_mailbox_pair(&w->fd, &w->fd2, err);
}

static void end_mailbox(struct world *w)
{
    close(w->fd);
    close(w->fd2);
}

static int make_parcel(struct world *w, struct ax_err *err)
{
    w->made = ax_parcel_new(-1);
    return w->made ? 0 : ax_fail(err, AX_E_NOMEM, "no parcel");
}

static void end_parcel(struct world *w)
{
    ax_parcel_free(w->made);
}

static int make_gates(struct world *w, struct ax_err *err)
{
    w->made = ax_gates_new(3);
    return w->made ? 0 : ax_fail(err, AX_E_NOMEM, "no gates");
}

static void end_gates(struct world *w)
{
    ax_gates_free(w->made);
}

static int make_totals(struct world *w, struct ax_err *err)
{
    struct ax_totals *t = NULL;
    int rc = ax_totals_new(&t, err);

    w->made = t;
    return rc;
}

static void end_totals(struct world *w)
{
    ax_totals_free(w->made);
}

static int make_log(struct world *w, struct ax_err *err)
{
    snprintf(w->path, sizeof w->path, "%s/log", w->dir);
    return ax_log_open(&w->log, w->path, AX_LOG_JSON, AX_LOG_INFO, err);
}

static void end_log(struct world *w)
{
    ax_log_close(&w->log);
    w->log = (struct ax_log){.fd = -1};
}

static int make_store(struct world *w, struct ax_err *err)
{
    struct ax_store *st = NULL;

    snprintf(w->path, sizeof w->path, "%s/metrics.db", w->dir);
    int rc = ax_store_open(&(struct ax_store_options){w->path, INT64_MAX, INT64_MAX}, &st, err);
    w->made = st;
    return rc;
}

static void end_store(struct world *w)
{
    ax_store_close(w->made);
}

static int make_writer(struct world *w, struct ax_err *err)
{
    struct ax_writer_options o = {
        .store = {w->path, INT64_MAX, INT64_MAX}, .interval_us = 1000000, .log = &w->log};
    struct ax_writer *writer = NULL;

    snprintf(w->path, sizeof w->path, "%s/writer.db", w->dir);
    int rc = ax_writer_start(&o, &writer, err);
    w->made = writer;
    return rc;
}

static void end_writer(struct world *w)
{
    ax_writer_stop(w->made);
}

static int make_unix(struct world *w, struct ax_err *err)
{
    snprintf(w->path, sizeof w->path, "%s/sock", w->dir);
    return w->fd = ax_unix_listen(&(struct ax_unix_bind){w->path, 0600, NULL, 4}, err);
}

static void end_unix(struct world *w)
{
    close(w->fd);
    unlink(w->path);
}

static int make_control(struct world *w, struct ax_err *err)
{
    struct ax_control *c = NULL;

    snprintf(w->path, sizeof w->path, "%s/control", w->dir);
    int rc = ax_control_open(&(struct ax_control_options){.loop = &w->loop, .path = w->path, .mode = 0600},
                             &c, err);
    w->made = c;
    return rc;
}

static void end_control(struct world *w)
{
    ax_control_close(w->made, false);
}

static int run_nothing(void *ctx, struct ax_request *const *reqs, unsigned n)
{
    (void)ctx;
    (void)reqs;
    return (int)n;
}

/* The site is not what is tested: made without faults. */
static struct ax_site *site(struct world *w)
{
    struct ax_settings set;
    struct ax_err err = {0};

    ax_settings_default(&set);
    set.pool_requests = set.pool_connections = 4;
    struct ax_site *s = ax_site_new(&set);
    assert_non_null(s);
    assert_int_equal(ax_site_freeze(s, &err), 0);
    assert_int_equal(ax_segment_private(1, 8, &w->counts, &err), 0);
    assert_int_equal(ax_site_publish(s, w->counts, &err), 0);
    return s;
}

static int make_worker(struct world *w, struct ax_err *err)
{
    struct ax_worker *worker = NULL;

    int rc = ax_worker_new(&(struct ax_worker_options){.loop = &w->loop,
                                                       .site = w->site,
                                                       .dispatch = {.run = run_nothing},
                                                       .stat = ax_segment_worker(w->counts, 0)},
                           &worker, err);
    w->made = worker;
    return rc;
}

static void end_worker(struct world *w)
{
    ax_worker_close(w->made, NULL, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    ax_worker_free(w->made);
}

static int make_engine(struct world *w, struct ax_err *err)
{
    struct ax_engine *e = NULL;
    int rc = ax_engine_new(&(struct ax_engine_options){.workers = 2,
                                                       .limit_connections = -1,
                                                       .limit_inflight = -1,
                                                       .limit_body_memory = -1,
                                                       .stall_us = -1,
                                                       .mailbox_fd = -1},
                           &e, err);

    w->made = e;
    return rc;
}

static void end_engine(struct world *w)
{
    ax_engine_free(w->made);
}

static void no_facts(void *ctx, struct ax_admin_facts *ret)
{
    (void)ctx;
    *ret = (struct ax_admin_facts){0};
}

/* Its address and folder are all that is looked at. */
static int make_admin(struct world *w, struct ax_err *err)
{
    char host[] = "127.0.0.1";
    struct ax_listen at = {.kind = AX_LISTEN_TCP, .host = host, .mode = -1};
    struct ax_manifest m = {.root = w->dir, .admin = {.listen = &at, .nlisten = 1}};
    struct ax_admin *a = NULL;
    int rc = make_writer(w, err);

    if (rc < 0)
        return rc;
    struct ax_writer *writer = w->made;
    struct ax_admin_options o = {.loop = &w->loop, .writer = writer, .log = &w->log, .facts = no_facts};
    rc = ax_admin_new(&o, &a, err);
    if (rc == 0)
        rc = ax_admin_prepare(a, &m, err);
    if (rc == 0)
        ax_admin_commit(a);
    ax_admin_close(a);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    ax_writer_stop(writer);
    return rc;
}

static void end_admin(struct world *w)
{
    (void)w; /* ended where it was made: it has two things to end */
}

static const struct constructor {
    const char *name;
    int (*make)(struct world *w, struct ax_err *err);
    void (*end)(struct world *w);
    bool loop; /* wants one, which is made before the faults: libuv's own failures are not ours to mend */
} all[] = {
    {"segment", make_segment, end_segment, false},
    {"board", make_board, end_board, false},
    {"mailbox", make_mailbox, end_mailbox, false},
    {"parcel", make_parcel, end_parcel, false},
    {"gates", make_gates, end_gates, false},
    {"totals", make_totals, end_totals, false},
    {"log", make_log, end_log, false},
    {"store", make_store, end_store, false},
    {"writer", make_writer, end_writer, false},
    {"unix socket", make_unix, end_unix, false},
    {"control", make_control, end_control, true},
    {"worker", make_worker, end_worker, true},
    {"engine", make_engine, end_engine, false},
    {"admin", make_admin, end_admin, true},
};

/* ---- the faults */

enum fault { ALLOCATION, DESCRIPTORS };

/* One try; true when it was made after all. */
static bool try_one(const struct constructor *c, struct world *w, enum fault fault, unsigned n)
{
    static const char *const names[] = {"allocation", "descriptors left:"};
    unsigned before = open_below(ALL);
    struct ax_err err = {0};

    if (c->loop)
        assert_int_equal(uv_loop_init(&w->loop), 0);
    if (fault == DESCRIPTORS)
        leave(n);
    else
        ax_fail_alloc_at(n);
    int rc = c->make(w, &err);
    ax_fail_alloc_at(0);
    leave_many();
    if (rc < 0 && (err.msg[0] == '\0' || rc != -(int)err.code))
        fail_msg("%s, %s %u: %d, reason %d: %s", c->name, names[fault], n, rc, (int)err.code, err.msg);
    if (rc >= 0)
        c->end(w);
    if (c->loop) {
        uv_run(&w->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&w->loop), 0);
    }
    if (open_below(ALL) != before)
        fail_msg("%s, %s %u: %u descriptors, not %u", c->name, names[fault], n, open_below(ALL), before);
    return rc >= 0;
}

/* From the first on, until it is made: a few times, as some failures are survived. */
static void try_all(enum fault fault, unsigned from, unsigned max, unsigned enough)
{
    for (size_t i = 0; i < AX_COUNT(all); i++) {
        unsigned made = 0;
        struct world w = {.dir = ax_fx_dir(), .log = {.fd = -1}, .fd = -1, .fd2 = -1};
        w.site = site(&w);
        for (unsigned n = from; made < enough && n < max; n++)
            made = try_one(&all[i], &w, fault, n) ? made + 1 : 0;
        if (made < enough)
            fail_msg("%s is never made", all[i].name);
        ax_site_unref(w.site);
        ax_segment_free(w.counts);
        ax_fx_remove(w.dir);
        free(w.dir);
    }
}

static void test_allocations(void **state)
{
    (void)state;
    try_all(ALLOCATION, 1, ALLOCATIONS_MAX, ENOUGH);
}

static void test_descriptors(void **state)
{
    (void)state;
    try_all(DESCRIPTORS, 0, DESCRIPTORS_MAX, 1);
}

/* libuv keeps a pipe for signals from its first loop on. */
static int warm_up(void **state)
{
    uv_loop_t loop;

    (void)state;
    return uv_loop_init(&loop) == 0 ? uv_loop_close(&loop) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_allocations),
                                       cmocka_unit_test(test_descriptors)};

    return cmocka_run_group_tests(tests, warm_up, NULL);
}
