/* The page is read back by a parser that accepts nothing but the text format 0.0.4. */
#include "metrics/prometheus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { SAMPLES_MAX = 4096, LABELS_MAX = 8, TEXT_MAX = 512 };

struct sample {
    char name[128], series[TEXT_MAX]; /* series: name and labels but le, as they stand there */
    struct {
        char name[64], value[TEXT_MAX]; /* unescaped */
    } label[LABELS_MAX];
    unsigned nlabels;
    double value;
};

struct page {
    struct sample *v; /* OWNED */
    unsigned n;
    char family[128], type[16];
    char seen[TEXT_MAX * 16]; /* families, each once */
};

static size_t word(const char *p, bool colon)
{
    size_t n = 0;

    while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || p[n] == '_' ||
           (colon && p[n] == ':') || (n && p[n] >= '0' && p[n] <= '9'))
        n++;
    assert_true(n > 0);
    return n;
}

static void take(char *to, size_t cap, const char *from, size_t n)
{
    assert_true(n < cap);
    memcpy(to, from, n);
    to[n] = '\0';
}

static void append(char *to, size_t cap, const char *from, size_t n)
{
    size_t have = strlen(to);

    take(to + have, cap - have, from, n);
}

static const char *parse_value(const char *p, char *out)
{
    size_t n = 0;

    for (assert_int_equal(*p, '"'), p++; *p != '"'; p++) {
        assert_true(*p != '\0' && *p != '\n' && n < TEXT_MAX - 1);
        if (*p == '\\') {
            p++;
            assert_true(*p == '\\' || *p == '"' || *p == 'n');
            out[n++] = *p == 'n' ? '\n' : *p;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
    return p + 1;
}

static const char *parse_labels(const char *p, struct sample *s)
{
    for (p++; *p != '}'; s->nlabels++) {
        assert_true(s->nlabels < LABELS_MAX);
        size_t n = word(p, false);
        take(s->label[s->nlabels].name, 64, p, n);
        assert_int_equal(p[n], '=');
        const char *from = p;
        p = parse_value(p + n + 1, s->label[s->nlabels].value);
        if (strcmp(s->label[s->nlabels].name, "le") != 0)
            append(s->series, sizeof s->series, from, (size_t)(p - from));
        if (*p == ',')
            p++;
        else
            assert_int_equal(*p, '}');
    }
    return p + 1;
}

/* A sample belongs to the family above it. */
static void check_family(const struct page *page, const struct sample *s)
{
    static const char *const suffix[] = {"_bucket", "_sum", "_count"};
    size_t n = strlen(page->family);

    assert_int_equal(strncmp(s->name, page->family, n), 0);
    bool ok = strcmp(page->type, "histogram") != 0 && s->name[n] == '\0';
    for (unsigned i = 0; i < 3; i++)
        ok = ok || (strcmp(page->type, "histogram") == 0 && strcmp(s->name + n, suffix[i]) == 0);
    assert_true(ok);
    if (strcmp(page->type, "counter") == 0)
        assert_string_equal(s->name + strlen(s->name) - 6, "_total");
}

static void parse_sample(struct page *page, const char *p)
{
    assert_true(page->n < SAMPLES_MAX);
    struct sample *s = &page->v[page->n++];
    size_t n = word(p, true);
    char *end;

    memset(s, 0, sizeof *s);
    take(s->name, sizeof s->name, p, n);
    take(s->series, sizeof s->series, p, n);
    p += n;
    if (*p == '{')
        p = parse_labels(p, s);
    assert_int_equal(*p, ' ');
    s->value = strtod(p + 1, &end);
    assert_true(end > p + 1 && *end == '\0');
    check_family(page, s);
}

static void parse_comment(struct page *page, const char *p)
{
    char name[128], entry[160];

    if (strncmp(p, "# HELP ", 7) == 0) {
        size_t n = word(p + 7, true);
        assert_true(p[7 + n] == ' ' && p[8 + n] != '\0' && !strchr(p, '\\'));
        take(page->family, sizeof page->family, p + 7, n);
        snprintf(entry, sizeof entry, " %s ", page->family);
        assert_null(strstr(page->seen, entry));
        append(page->seen, sizeof page->seen, entry, strlen(entry));
        return;
    }
    assert_int_equal(sscanf(p, "# TYPE %127s %15s", name, page->type), 2);
    assert_string_equal(name, page->family);
    assert_true(strcmp(page->type, "counter") == 0 || strcmp(page->type, "gauge") == 0 ||
                strcmp(page->type, "histogram") == 0);
}

static void parse(struct page *page, const struct ax_buf *b)
{
    char *text = ax_strndup(b->p, b->n), *line = text;

    *page = (struct page){.v = calloc(SAMPLES_MAX, sizeof *page->v)};
    assert_non_null(page->v);
    assert_int_equal(strlen(text), b->n); /* no NUL */
    assert_int_equal(text[b->n - 1], '\n');
    assert_true(ax_utf8_valid(text, b->n));
    while (*line) {
        char *end = strchr(line, '\n');
        *end = '\0';
        if (line[0] == '#')
            parse_comment(page, line);
        else
            parse_sample(page, line);
        line = end + 1;
    }
    ax_free(text);
}

static const struct sample *find(const struct page *page, const char *name, const char *label,
                                 const char *value)
{
    for (unsigned i = 0; i < page->n; i++) {
        const struct sample *s = &page->v[i];
        bool has = label == NULL;
        for (unsigned k = 0; !has && k < s->nlabels; k++)
            has = strcmp(s->label[k].name, label) == 0 && strcmp(s->label[k].value, value) == 0;
        if (has && strcmp(s->name, name) == 0)
            return s;
    }
    return NULL;
}

static double value_of(const struct page *page, const char *name)
{
    const struct sample *s = find(page, name, NULL, NULL);

    if (!s)
        fail_msg("no %s", name);
    return s->value;
}

static const struct ax_prometheus_facts facts = {.version = "1.2.3-\"x\"",
                                                 .started = {1700000000250000},
                                                 .rss_bytes = 12345678,
                                                 .cpu_us = 1500000,
                                                 .engine_restarts = 2,
                                                 .worker_restarts = 3,
                                                 .dropped = 4,
                                                 .workers_ready = 5,
                                                 .zombies = 6,
                                                 .live = true};

static struct ax_segment *segment_of(const char *const *patterns, unsigned n)
{
    struct ax_route_name names[64];
    struct ax_segment *s = NULL;

    assert_int_equal(ax_segment_private(1, n, &s, NULL), 0);
    for (unsigned i = 0; i < n; i++)
        names[i] = (struct ax_route_name){AX_STR("GET"), ax_str(patterns[i]), AX_STR("h.js")};
    assert_int_equal(ax_segment_set_routes(s, names, n, NULL), 0);
    return s;
}

static struct ax_totals *totals_of(struct ax_segment *s)
{
    struct ax_totals *t = NULL;

    assert_int_equal(ax_totals_new(&t, NULL), 0);
    assert_int_equal(ax_totals_add(t, s, NULL), 0);
    assert_int_equal(ax_totals_take(t, NULL), 0);
    return t;
}

static void count(struct ax_segment *s, uint32_t route, unsigned status, uint64_t us)
{
    ax_count_request(ax_segment_worker(s, 0), route, status, 100, 200, us / 4, us / 2, us / 4);
}

static void check_histogram(const struct page *page)
{
    static const char name[] = "http_server_request_duration_seconds_bucket";
    unsigned buckets = 0;
    double below = 0, bound = 0;

    for (unsigned i = 0; i < page->n; i++) {
        const struct sample *s = &page->v[i];
        if (strcmp(s->name, name) != 0)
            continue;
        const char *le = s->label[s->nlabels - 1].value;
        assert_string_equal(s->label[s->nlabels - 1].name, "le");
        if (buckets++ % (AX_TOTALS_BOUNDS + 1) == 0)
            below = bound = 0;
        assert_true(s->value >= below);
        assert_true(strtod(le, NULL) > bound);
        below = s->value;
        bound = strtod(le, NULL);
        if (strcmp(le, "+Inf") == 0) { /* then _sum, then _count */
            assert_string_equal(page->v[i + 2].name, "http_server_request_duration_seconds_count");
            assert_true(page->v[i + 2].value == s->value);
            assert_string_equal(page->v[i + 2].series + strlen(page->v[i + 2].name),
                                s->series + strlen(name));
        }
    }
    assert_true(buckets > 0 && buckets % (AX_TOTALS_BOUNDS + 1) == 0);
}

static void test_page(void **state)
{
    static const char *const patterns[] = {"/a", "/users/:id"};
    struct ax_segment *s = segment_of(patterns, 2);
    struct ax_buf b = AX_BUF_INIT(AX_PROMETHEUS_MAX);
    struct page page;

    (void)state;
    count(s, 1, 200, 4000);
    count(s, 1, 204, 80000);
    count(s, 1, 204, 40000000);
    count(s, 2, 500, 1000000);
    count(s, 0, 404, 8);
    struct ax_counters *c = ax_wstat_counters(ax_segment_worker(s, 0));
    ax_count_set(&c->inflight, 7);
    ax_count_add(&c->dropped, 10);
    struct ax_totals *t = totals_of(s);
    assert_int_equal(ax_prometheus(t, &facts, &b, NULL), 0);
    parse(&page, &b);
    check_histogram(&page);
    const struct sample *n = find(&page, "http_server_request_duration_seconds_count", "http_route", "/a");
    assert_true(n->value == 3);
    assert_string_equal(n->label[0].name, "http_request_method");
    assert_string_equal(n->label[0].value, "GET");
    assert_string_equal(n->label[2].name, "http_response_status_class");
    assert_string_equal(n->label[2].value, "2xx");
    assert_true(find(&page, "http_server_request_duration_seconds_sum", "http_route", "/a")->value == 40.084);
    assert_true(find(&page, "http_server_request_duration_seconds_bucket", "le", "0.005")->value == 1);
    n = find(&page, "http_server_request_duration_seconds_count", "http_route", "(none)");
    assert_string_equal(n->label[0].value, "_OTHER");
    assert_true(find(&page, "actix_response_bytes_total", "http_route", "/a")->value == 600);
    assert_true(find(&page, "actix_request_part_seconds_total", "http_route", "/a")->value == 10.021);
    assert_true(value_of(&page, "http_server_active_requests") == 7);
    assert_true(value_of(&page, "actix_dropped_total") == 14);
    assert_true(value_of(&page, "actix_engine_restarts_total") == 2);
    assert_true(value_of(&page, "actix_worker_restarts_total") == 3);
    assert_true(value_of(&page, "actix_workers_ready") == 5);
    assert_true(value_of(&page, "actix_zombie_workers") == 6);
    assert_true(value_of(&page, "actix_live") == 1 && value_of(&page, "actix_ready") == 0);
    assert_true(value_of(&page, "process_cpu_seconds_total") == 1.5);
    assert_true(value_of(&page, "process_start_time_seconds") == 1700000000.25);
    assert_true(value_of(&page, "process_resident_memory_bytes") == 12345678);
    assert_true(value_of(&page, "actix_series_omitted") == 0);
    assert_non_null(find(&page, "actix_build_info", "version", "1.2.3-\"x\""));
#define M(name, kind, unit, help)                                                                            \
    assert_true(sizeof #kind != 8 || value_of(&page, "actix_" #name "_total") >= 0);
#include "metrics/metrics.def"
#undef M
    free(page.v);
    ax_buf_fini(&b);
    ax_totals_free(t);
    ax_segment_free(s);
}

static void test_empty(void **state)
{
    static const char *const patterns[] = {"/a"};
    struct ax_segment *s = segment_of(patterns, 1);
    struct ax_totals *t = totals_of(s);
    struct ax_buf b = AX_BUF_INIT(AX_PROMETHEUS_MAX);
    struct page page;

    (void)state;
    assert_int_equal(ax_prometheus(t, &facts, &b, NULL), 0);
    parse(&page, &b);
    assert_true(value_of(&page, "actix_requests_total") == 0);
    free(page.v);
    ax_buf_fini(&b);
    ax_totals_free(t);
    ax_segment_free(s);
}

/* What a pattern may hold that would end a label, a line or the page. */
static void test_labels(void **state)
{
    static const struct {
        struct ax_str s;
        const char *want;
    } t[] = {
        {{"", 0}, ""},
        {AX_STR("/users/:id"), "/users/:id"},
        {AX_STR("/a\"b"), "/a\\\"b"},
        {AX_STR("/a\\b"), "/a\\\\b"},
        {AX_STR("/a\nb"), "/a\\nb"},
        {AX_STR("/\\\"\n"), "/\\\\\\\"\\n"},
        {AX_STR("/a{b}=,#"), "/a{b}=,#"},
        {AX_STR("/\xc3\xa9"), "/\xc3\xa9"},
        {AX_STR("/\xc3"), "/?"},
        {AX_STR("/\xc3\xa9\xff"), "/???"},
        {AX_STR("/a\0b"), "/a?b"},
    };

    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct ax_buf b = AX_BUF_INIT(1024);
        ax_prometheus_label(&b, t[i].s);
        assert_string_equal(ax_buf_cstr(&b), t[i].want);
        ax_buf_fini(&b);
    }
    static const char *const patterns[] = {"/a\"b\\c\nd", "/\xff", "/}\n# TYPE x counter\nx 1"};
    struct ax_segment *s = segment_of(patterns, AX_COUNT(patterns));
    for (uint32_t i = 1; i <= AX_COUNT(patterns); i++)
        count(s, i, 200, 100);
    struct ax_totals *sums = totals_of(s);
    struct ax_buf b = AX_BUF_INIT(AX_PROMETHEUS_MAX);
    struct page page;
    assert_int_equal(ax_prometheus(sums, &facts, &b, NULL), 0);
    parse(&page, &b);
    for (size_t i = 0; i < AX_COUNT(patterns); i++)
        assert_non_null(find(&page, "actix_request_bytes_total", "http_route", i == 1 ? "/?" : patterns[i]));
    free(page.v);
    ax_buf_fini(&b);
    ax_totals_free(sums);
    ax_segment_free(s);
}

/* More series than a page holds: those on it are whole, and it says how many are missing. */
static void test_ceiling(void **state)
{
    enum { ROUTES = 3000, LONG = 900 };
    static char text[ROUTES][LONG + 16];
    static struct ax_route_name names[ROUTES];
    struct ax_buf b = AX_BUF_INIT(AX_PROMETHEUS_MAX);
    struct ax_segment *s = NULL;

    (void)state;
    assert_int_equal(ax_segment_private(1, ROUTES, &s, NULL), 0);
    for (unsigned i = 0; i < ROUTES; i++) {
        memset(text[i], '"', LONG);
        snprintf(text[i] + LONG, 16, "%u", i);
        names[i] = (struct ax_route_name){AX_STR("GET"), ax_str(text[i]), AX_STR("h.js")};
    }
    assert_int_equal(ax_segment_set_routes(s, names, ROUTES, NULL), 0);
    for (uint32_t i = 1; i <= ROUTES; i++)
        count(s, i, 200, 100);
    struct ax_totals *t = totals_of(s);
    assert_int_equal(ax_prometheus(t, &facts, &b, NULL), 0);
    assert_true(b.n <= AX_PROMETHEUS_MAX && b.n > AX_PROMETHEUS_MAX / 2);
    const char *page = ax_buf_cstr(&b), *omitted = strstr(page, "\nactix_series_omitted ");
    unsigned whole = 0, half = 0;
    for (const char *p = page; (p = strstr(p, "\nhttp_server_request_duration_seconds_count{")); p++)
        whole++;
    for (const char *p = page; (p = strstr(p, "\nactix_response_bytes_total{")); p++)
        half++;
    assert_int_equal(whole, half);
    assert_int_equal(ROUTES - whole, strtoul(omitted + strlen("\nactix_series_omitted "), NULL, 10));
    assert_true(whole < ROUTES);
    ax_buf_fini(&b);
    ax_totals_free(t);
    ax_segment_free(s);
}

static void test_no_memory(void **state)
{
    static const char *const patterns[] = {"/a"};
    struct ax_segment *s = segment_of(patterns, 1);
    struct ax_totals *t;

    (void)state;
    count(s, 1, 200, 100);
    t = totals_of(s);
    for (unsigned n = 1;; n++) {
        struct ax_buf b = AX_BUF_INIT(AX_PROMETHEUS_MAX);
        struct ax_err err = {0};
        ax_fail_alloc_at(n);
        int rc = ax_prometheus(t, &facts, &b, &err);
        ax_fail_alloc_at(0);
        ax_buf_fini(&b);
        if (rc == 0)
            break;
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    ax_totals_free(t);
    ax_segment_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),    cmocka_unit_test(test_empty),     cmocka_unit_test(test_labels),
        cmocka_unit_test(test_ceiling), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
