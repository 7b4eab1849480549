#include "supervisor/writer.h"

#include <fcntl.h>

#include "supervisor/fixture.h"

#define HOUR_US INT64_C(3600000000)

static struct ax_stats *query(const char *path)
{
    int64_t now = ax_wall_now().us;
    struct ax_stats_query q = {
        .path = path, .since_us = now - HOUR_US, .until_us = now + HOUR_US, .by = AX_BY_ROUTE};
    struct ax_stats *s = NULL;
    struct ax_err err = {0};

    int rc = ax_store_query(&q, &s, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rc, 0);
    return s;
}

static struct ax_writer *start(const char *path, struct ax_log *log)
{
    struct ax_writer_options o = {
        .store = {.path = path, .retention_us = INT64_MAX, .max_bytes = INT64_MAX},
        .interval_us = HOUR_US, /* only when told */
        .log = log,
    };
    struct ax_writer *w = NULL;

    assert_int_equal(ax_writer_start(&o, &w, NULL), 0);
    return w;
}

static void count(struct ax_segment *s, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ax_count_request(ax_segment_worker(s, 0), AX_ROUTE_NONE, 200, 1, 2, 3, 4, 5);
}

/* Engines come and go: what each counted is there, once. */
static void test_counts(void **state)
{
    char *dir = ax_fx_dir(), *path = NULL;
    struct ax_log log = {.fd = -1};
    struct ax_segment *one, *two;

    (void)state;
    assert_true(asprintf(&path, "%s/metrics.db", dir) > 0);
    struct ax_writer *w = start(path, &log);
    assert_int_equal(ax_segment_private(1, 8, &one, NULL), 0);
    assert_int_equal(ax_writer_add(w, one, getpid(), NULL), 0);
    count(one, 3);
    ax_writer_event(w, "start", "here we go");
    ax_writer_restarted(w, 2);
    ax_writer_flush(w);
    count(one, 4); /* and then it dies */
    ax_writer_drop(w, one);
    assert_int_equal(ax_segment_private(1, 8, &two, NULL), 0);
    assert_int_equal(ax_writer_add(w, two, 0x7ffffff0, NULL), 0);
    ax_writer_flush(w);
    count(two, 5);
    assert_true(ax_writer_rss(w) > 100000);
    assert_int_equal(ax_writer_dropped(w), 0);
    ax_writer_stop(w); /* writes once more */
    struct ax_stats *s = query(path);
    assert_int_equal(s->total.requests, 12);
    assert_int_equal(s->total.bytes_out, 24);
    assert_int_equal(s->server.worker_restarts, 2);
    assert_int_equal(s->nevents, 1);
    assert_string_equal(s->events[0].kind, "start");
    ax_stats_free(s);
    free(path);
    ax_fx_remove(dir);
    free(dir);
}

static void test_ceilings(void **state)
{
    struct ax_log log = {.fd = -1};
    struct ax_writer *w = start(NULL, &log);
    struct ax_segment *s;
    struct ax_err err = {0};
    int rc = 0;

    (void)state;
    for (unsigned i = 0; i <= AX_WRITER_SOURCES_MAX; i++) {
        assert_int_equal(ax_segment_private(1, 1, &s, NULL), 0);
        rc = ax_writer_add(w, s, getpid(), &err);
        if (rc < 0)
            ax_segment_free(s);
    }
    assert_int_equal(rc, -AX_E_LIMIT);
    ax_fail_alloc_at(1);
    ax_writer_event(w, "stop", "no memory for it");
    ax_fail_alloc_at(0);
    assert_int_equal(ax_writer_dropped(w), 1);
    ax_writer_stop(w);
    ax_writer_stop(NULL);
}

static void test_nomem(void **state)
{
    struct ax_writer_options o = {.store = {.path = NULL, .retention_us = INT64_MAX, .max_bytes = INT64_MAX}};

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        struct ax_writer *w;
        ax_fail_alloc_at(n);
        int rc = ax_writer_start(&o, &w, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            ax_writer_stop(w);
            break;
        }
        assert_int_equal(err.code, AX_E_NOMEM);
    }
}

/* Another's write transaction: byte 120 of the -shm file is the lock of writers (SQLite,
 * walformat.html, 2.3.1). */
static int lock_database(const char *path)
{
    struct flock writer = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 120, .l_len = 1};
    char *shm = ax_asprintf("%s-shm", path);
    int fd = open(shm, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &writer), 0);
    ax_free(shm);
    return fd;
}

/* What cannot be written is kept, events too; the log tells it once, and when it is over. */
static void test_locked(void **state)
{
    char *dir = ax_fx_dir(), *path = ax_asprintf("%s/metrics.db", dir), *file = ax_asprintf("%s/log", dir);
    char text[1024];
    struct ax_log log;
    struct ax_segment *s;

    (void)state;
    assert_int_equal(ax_log_open(&log, file, AX_LOG_JSON, AX_LOG_INFO, NULL), 0);
    struct ax_writer *w = start(path, &log);
    assert_int_equal(ax_segment_private(1, 8, &s, NULL), 0);
    assert_int_equal(ax_writer_add(w, s, getpid(), NULL), 0);
    ax_writer_flush(w);
    int lock = lock_database(path);
    for (unsigned i = 0; i < 2; i++) {
        count(s, 3);
        ax_writer_event(w, "limit", "while it is locked");
        ax_writer_flush(w);
    }
    close(lock);
    ax_writer_flush(w);
    ax_writer_drop(w, s);
    ax_writer_stop(w);
    ax_log_close(&log);
    struct ax_stats *got = query(path);
    assert_int_equal(got->total.requests, 6);
    assert_int_equal(got->nevents, 2);
    ax_stats_free(got);
    FILE *f = fopen(file, "r");
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *kept = strstr(text, "kept and retried");
    assert_non_null(kept);
    assert_null(strstr(kept + 1, "kept and retried"));
    assert_non_null(strstr(kept, "written again"));
    assert_null(strstr(text, "not recorded"));
    ax_free(path);
    ax_free(file);
    ax_fx_remove(dir);
    free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_locked),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_nomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
