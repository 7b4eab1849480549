#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/segment.h"

static struct ax_route_name name(const char *method, const char *pattern, const char *handler)
{
    return (struct ax_route_name){ax_str(method), ax_str(pattern), ax_str(handler)};
}

static struct ax_segment *private_segment(unsigned workers, unsigned routes)
{
    struct ax_segment *s = NULL;

    assert_int_equal(ax_segment_private(workers, routes, &s, NULL), 0);
    return s;
}

/* Sum over the classes and workers of a route; by the reader's own interface. */
static uint64_t count_of(const struct ax_segment *s, uint32_t route, int class)
{
    uint64_t sum = 0;
    struct ax_series one;

    for (unsigned w = 0; w < ax_segment_workers(s); w++)
        for (unsigned i = 0; i < ax_segment_series_count(s, w); i++) {
            ax_segment_read_series(s, w, i, &one);
            if (one.route == route && (class < 0 || one.status_class == (uint32_t) class))
                sum += one.count;
        }
    return sum;
}

static void test_status_classes(void **state)
{
    static const struct {
        uint32_t route;
        unsigned status;
        uint32_t want_route;
        int want_class;
    } t[] = {
        {1, 200, 1, 2}, {1, 204, 1, 2}, {1, 599, 1, 5}, {1, 100, 1, 1},          {1, 0, 1, 0},
        {2, 302, 2, 3}, {0, 404, 0, 4}, {9, 200, 0, 2}, {UINT32_MAX, 500, 0, 5}, {2, 600, 2, 0},
        {2, 999, 2, 0},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_segment *s = private_segment(1, 2);
        ax_count_request(ax_segment_worker(s, 0), t[i].route, t[i].status, 1, 2, 3, 4, 5);
        assert_int_equal(count_of(s, t[i].want_route, t[i].want_class), 1);
        assert_int_equal(count_of(s, t[i].want_route, -1), 1);
        ax_segment_free(s);
    }
}

static void test_sums(void **state)
{
    struct ax_segment *s = private_segment(2, 1);
    struct ax_wstat *w = ax_segment_worker(s, 1);
    struct ax_series got;

    (void)state;
    ax_count_request(w, 1, 200, 10, 100, 1, 20, 3);
    ax_count_request(w, 1, 201, 11, 101, 2, 30, 4);
    assert_int_equal(ax_segment_series_count(s, 1), AX_STATUS_CLASSES + 1);
    assert_int_equal(ax_segment_series_count(s, 0), AX_STATUS_CLASSES);
    ax_segment_read_series(s, 1, AX_STATUS_CLASSES, &got);
    assert_int_equal(got.route, 1);
    assert_int_equal(got.status_class, 2);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.bytes_in, 21);
    assert_int_equal(got.bytes_out, 201);
    assert_int_equal(got.queue_us, 3);
    assert_int_equal(got.handler_us, 50);
    assert_int_equal(got.send_us, 7);
    assert_int_equal(got.max_us, 36);
    assert_int_equal(got.histogram[24], 1);
    assert_int_equal(got.histogram[36], 1);
    assert_int_equal(ax_segment_series(s, 1, AX_STATUS_CLASSES)->count, 2);
    ax_segment_free(s);
}

/* More (route, class) pairs than series: nothing is lost, the rest counts under "(none)". */
static void test_series_exhausted(void **state)
{
    enum { ROUTES = 3000 };
    struct ax_segment *s = private_segment(1, ROUTES);
    struct ax_wstat *w = ax_segment_worker(s, 0);
    struct ax_counters c;
    struct ax_series one;
    uint64_t all = 0;

    (void)state;
    for (uint32_t route = 1; route <= ROUTES; route++)
        for (unsigned status = 200; status <= 400; status += 200)
            ax_count_request(w, route, status, 0, 0, 0, 0, 0);
    for (unsigned i = 0; i < ax_segment_series_count(s, 0); i++) {
        ax_segment_read_series(s, 0, i, &one);
        all += one.count;
    }
    ax_segment_read_counters(s, 0, &c);
    assert_int_equal(all, 2 * ROUTES);
    assert_true(c.dropped > 0);
    assert_int_equal(count_of(s, AX_ROUTE_NONE, -1), c.dropped);
    assert_int_equal(count_of(s, 1, 2), 1);
    ax_segment_free(s);
}

static void test_names(void **state)
{
    const struct ax_route_name names[] = {name("GET", "/", "home.js"), name("ANY", "/a/:b", ""),
                                          name("POST", "/a/:b", "a.js#post")};
    const struct ax_route_name other[] = {names[0], names[1], name("POST", "/a/:b", "b.js")};
    struct ax_segment *s = private_segment(1, 3);
    struct ax_route_name got;
    struct ax_err err = {0};

    (void)state;
    assert_int_equal(ax_segment_routes(s), 0);
    assert_true(ax_segment_route(s, 0, &got));
    assert_true(ax_str_eq(got.pattern, AX_STR("(none)")));
    assert_false(ax_segment_route(s, 1, &got));
    assert_int_equal(ax_segment_set_routes(s, names, 3, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, names, 3, NULL), 0);
    assert_int_equal(ax_segment_set_routes(s, other, 3, &err), -AX_E_STATE);
    assert_int_equal(ax_segment_set_routes(s, names, 2, NULL), -AX_E_STATE);
    assert_int_equal(ax_segment_set_routes(s, names, 4, NULL), -AX_E_LIMIT);
    assert_int_equal(ax_segment_routes(s), 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ax_segment_route(s, i + 1, &got));
        assert_true(ax_str_eq(got.method, names[i].method) && ax_str_eq(got.pattern, names[i].pattern) &&
                    ax_str_eq(got.handler, names[i].handler));
    }
    assert_false(ax_segment_route(s, 4, &got));
    ax_segment_free(s);
}

static void test_long_names(void **state)
{
    static char longest[8192];
    struct ax_segment *s = private_segment(1, 2);
    struct ax_route_name n = {AX_STR("GET"), {longest, 4000}, AX_STR("")};

    (void)state;
    memset(longest, 'x', sizeof longest);
    n.pattern.n = sizeof longest;
    assert_int_equal(ax_segment_set_routes(s, &n, 1, NULL), -AX_E_LIMIT);
    n.pattern.n = 4000;
    assert_int_equal(ax_segment_set_routes(s, &n, 1, NULL), 0);
    ax_segment_free(s);
}

static void test_ring(void **state)
{
    struct ax_segment *s = private_segment(1, 0);
    struct ax_wstat *w = ax_segment_worker(s, 0);
    struct ax_request_record r = {.status = 500}, got;
    struct ax_counters c;

    (void)state;
    assert_false(ax_segment_take_record(s, 0, &got));
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < AX_RING_RECORDS + 10; i++) {
            r.duration_us = i;
            ax_record_request(w, &r);
        }
        for (unsigned i = 0; i < AX_RING_RECORDS; i++) {
            assert_true(ax_segment_take_record(s, 0, &got));
            assert_int_equal(got.duration_us, i);
        }
        assert_false(ax_segment_take_record(s, 0, &got));
        ax_segment_read_counters(s, 0, &c);
        assert_int_equal(c.dropped, 10 * (round + 1));
    }
    ax_segment_free(s);
}

/* What an engine may have scribbled into its segment must not lead the reader out of bounds. */
static void test_wild_record(void **state)
{
    struct ax_segment *s = private_segment(1, 0);
    struct ax_request_record r, got;

    (void)state;
    memset(&r, 0xff, sizeof r);
    ax_record_request(ax_segment_worker(s, 0), &r);
    assert_true(ax_segment_take_record(s, 0, &got));
    assert_int_equal(got.method_len, AX_RECORD_METHOD);
    assert_int_equal(got.id_len, AX_RECORD_ID);
    assert_int_equal(got.remote_len, AX_RECORD_REMOTE);
    assert_int_equal(got.path_len, AX_RECORD_PATH);
    assert_int_equal(got.error_len, AX_RECORD_ERROR);
    ax_segment_free(s);
}

static void test_record_text(void **state)
{
    static const struct {
        const char *in, *want;
    } t[] = {{"", ""},
             {"abc", "abc"},
             {"abcdef", "abcd"},
             {"abc\xc3\xa4", "abc"}, /* a character of two bytes that would be cut */
             {"ab\xc3\xa4x", "ab\xc3\xa4"},
             {"a\xf0\x9f\x98\x80", "a"}};
    char dst[4];

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        uint8_t n = ax_record_text(dst, sizeof dst, ax_str(t[i].in));
        assert_int_equal(n, strlen(t[i].want));
        assert_memory_equal(dst, t[i].want, n);
    }
}

/* ---- threads: four workers count while a reader looks */

enum { THREADS = 4, REQUESTS = 50000 };
struct job {
    struct ax_segment *s;
    unsigned worker;
    pthread_t thread;
};

static void *count_many(void *arg)
{
    struct job *j = arg;
    struct ax_wstat *w = ax_segment_worker(j->s, j->worker);
    struct ax_request_record r = {.status = 200};
    const struct ax_route_name names[] = {name("GET", "/", "a.js"), name("GET", "/b", "b.js")};

    if (ax_segment_set_routes(j->s, names, 2, NULL) < 0)
        return NULL;
    for (unsigned i = 0; i < REQUESTS; i++) {
        ax_count_request(w, i % 3, 200 + 100 * (i % 4), 1, 2, i % 100, i % 1000, i % 10);
        ax_count_add(&ax_wstat_counters(w)->requests, 1);
        ax_count_set(&ax_wstat_counters(w)->inflight, i % 7);
        r.duration_us = i;
        ax_record_request(w, &r);
    }
    return j;
}

/* Counts never fall, and the other sums are never behind `count`. */
static void look(struct ax_segment *s, uint64_t *records)
{
    static uint64_t last[THREADS][64];
    struct ax_series one;
    struct ax_request_record r;
    struct ax_counters c;

    for (unsigned w = 0; w < THREADS; w++) {
        ax_segment_read_counters(s, w, &c);
        for (unsigned i = 0; i < ax_segment_series_count(s, w); i++) {
            uint64_t in_buckets = 0;
            ax_segment_read_series(s, w, i, &one);
            for (unsigned b = 0; b < AX_HIST_BUCKETS; b++)
                in_buckets += one.histogram[b];
            assert_true(one.count >= last[w][i] && in_buckets >= one.count && one.bytes_in >= one.count);
            last[w][i] = one.count;
        }
        while (ax_segment_take_record(s, w, &r))
            records[w]++;
    }
}

static void test_threads(void **state)
{
    struct ax_segment *s = private_segment(THREADS, 2);
    struct job jobs[THREADS];
    uint64_t records[THREADS] = {0};
    struct ax_counters c;

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.s = s, .worker = i};
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, count_many, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < 200; i++)
        look(s, records);
    for (unsigned i = 0; i < THREADS; i++) {
        void *ret = NULL;
        pthread_join(jobs[i].thread, &ret);
        assert_ptr_equal(ret, &jobs[i]);
    }
    look(s, records);
    assert_int_equal(count_of(s, 0, -1) + count_of(s, 1, -1) + count_of(s, 2, -1), THREADS * REQUESTS);
    for (unsigned i = 0; i < THREADS; i++) {
        ax_segment_read_counters(s, i, &c);
        assert_int_equal(c.requests, REQUESTS);
        assert_int_equal(records[i] + c.dropped, REQUESTS);
    }
    ax_segment_free(s);
}

/* ---- processes */

/* A killed engine loses no count. */
static void test_shared(void **state)
{
    struct ax_segment *s = NULL;
    int fd = -1, status;

    (void)state;
    assert_int_equal(ax_segment_create(2, 3, &s, &fd, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct ax_segment *mine = NULL;
        const struct ax_route_name n = name("GET", "/x", "x.js");
        if (ax_segment_attach(fd, &mine, NULL) == 0 && ax_segment_set_routes(mine, &n, 1, NULL) == 0)
            for (unsigned i = 0; i < 1000; i++)
                ax_count_request(ax_segment_worker(mine, 1), 1, 200, 0, 0, 0, 0, 0);
        kill(getpid(), SIGKILL);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(count_of(s, 1, 2), 1000);
    assert_int_equal(ax_segment_routes(s), 1);
    assert_int_equal(ftruncate(fd, 0), -1); /* sealed */
    ax_segment_free(s);
    close(fd);
}

static void test_attach_refuses(void **state)
{
    static const uint32_t wrong[][2] = {{0, 0}, {0x41785348, 999}, {0x41785348, AX_SEGMENT_LAYOUT}};
    struct ax_segment *s = NULL;

    (void)state;
    assert_int_equal(ax_segment_attach(-1, &s, NULL), -AX_E_SYS);
    for (size_t i = 0; i < AX_COUNT(wrong); i++) {
        int fd = memfd_create("test", MFD_CLOEXEC);
        assert_int_equal(ax_segment_attach(fd, &s, NULL), -AX_E_PROTO); /* empty */
        assert_int_equal(pwrite(fd, wrong[i], sizeof wrong[i], 0), sizeof wrong[i]);
        assert_int_equal(ftruncate(fd, 65536), 0);
        assert_int_equal(ax_segment_attach(fd, &s, NULL), -AX_E_PROTO);
        close(fd);
    }
    assert_null(s);
}

/* A true header whose file has another length. */
static void test_attach_short(void **state)
{
    struct ax_segment *s = NULL, *t = NULL;
    char head[256];
    int fd = -1, copy = memfd_create("test", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ax_segment_create(1, 1, &s, &fd, NULL), 0);
    assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
    assert_int_equal(pwrite(copy, head, sizeof head, 0), sizeof head);
    assert_int_equal(ax_segment_attach(copy, &t, NULL), -AX_E_PROTO);
    ax_segment_free(s);
    close(fd);
    close(copy);
}

static void test_ranges(void **state)
{
    struct ax_segment *s = NULL;
    int fd = -1;

    (void)state;
    assert_int_equal(ax_segment_private(0, 1, &s, NULL), -AX_E_RANGE);
    assert_int_equal(ax_segment_private(1, UINT32_MAX, &s, NULL), -AX_E_RANGE);
    assert_int_equal(ax_segment_create(UINT32_MAX, 1, &s, &fd, NULL), -AX_E_RANGE);
    assert_int_equal(fd, -1);
    ax_segment_free(NULL);
}

static void test_no_memory(void **state)
{
    struct ax_segment *s = NULL;
    int fd = -1;

    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_segment_create(1, 1, &s, &fd, &err);
        ax_fail_alloc_at(0);
        if (rc == 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
        assert_int_equal(fd, -1);
    }
    ax_segment_free(s);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_classes),   cmocka_unit_test(test_sums),
        cmocka_unit_test(test_series_exhausted), cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names),       cmocka_unit_test(test_ring),
        cmocka_unit_test(test_wild_record),      cmocka_unit_test(test_record_text),
        cmocka_unit_test(test_threads),          cmocka_unit_test(test_shared),
        cmocka_unit_test(test_attach_refuses),   cmocka_unit_test(test_attach_short),
        cmocka_unit_test(test_ranges),           cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
