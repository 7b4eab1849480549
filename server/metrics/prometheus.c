#include "metrics/prometheus.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SERIES_LINES = AX_TOTALS_BOUNDS + 1 + 2 + 5, /* buckets, sum and count, bytes and parts */
    LINE_MOST = 128,                             /* bytes of a line without what its labels hold */
    REST = 64 << 10,                             /* what all the lines beside those of series may take */
};

static const char *const bound_text[AX_TOTALS_BOUNDS] = {
    "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5", "10"};

static const char *const class_text[AX_STATUS_CLASSES] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};

/* ---- pieces */

static void add_escaped(struct ax_buf *out, char c)
{
    if (c == '\n')
        ax_buf_adds(out, "\\n");
    else if (c == '\\' || c == '"')
        ax_buf_addf(out, "\\%c", c);
    else
        ax_buf_addc(out, c ? c : '?');
}

void ax_prometheus_label(struct ax_buf *out, struct ax_str s)
{
    bool utf8 = ax_utf8_valid(s.p, s.n);

    for (size_t i = 0; i < s.n; i++)
        add_escaped(out, utf8 || (unsigned char)s.p[i] < 0x80 ? s.p[i] : '?');
}

static void head(struct ax_buf *out, const char *name, const char *type, const char *help)
{
    ax_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void number(struct ax_buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
    head(out, name, type, help);
    ax_buf_addf(out, "%s %" PRIu64 "\n", name, v);
}

/* Microseconds as seconds, without the rounding of a double. */
static void add_seconds(struct ax_buf *out, uint64_t us)
{
    ax_buf_addf(out, "%" PRIu64 ".%06" PRIu64 "\n", us / 1000000, us % 1000000);
}

static void seconds(struct ax_buf *out, const char *name, const char *type, const char *help, uint64_t us)
{
    head(out, name, type, help);
    ax_buf_addf(out, "%s ", name);
    add_seconds(out, us);
}

/* `name{labels`, without the closing brace.  OpenTelemetry's name for a method that is none is _OTHER. */
static void labels(struct ax_buf *out, const char *name, const struct ax_total *t)
{
    const char *method = t->method[0] == '-' ? "_OTHER" : t->method;

    ax_buf_addf(out, "%s{http_request_method=\"", name);
    ax_prometheus_label(out, ax_str(method));
    ax_buf_adds(out, "\",http_route=\"");
    ax_prometheus_label(out, ax_str(t->pattern));
    ax_buf_addf(out, "\",http_response_status_class=\"%s\"", class_text[t->status_class]);
}

/* ---- series */

/* How many, from the first on, fit into a page for certain: an escaped byte takes two. */
static unsigned fitting(const struct ax_totals *t)
{
    uint64_t bytes = REST;
    unsigned n = 0;

    for (; n < ax_totals_count(t); n++) {
        const struct ax_total *one = ax_totals_at(t, n);
        uint64_t texts = 2 * (strlen(one->method) + strlen(one->pattern));
        bytes += SERIES_LINES * (LINE_MOST + texts);
        if (bytes > AX_PROMETHEUS_MAX)
            break;
    }
    return n;
}

static void durations_of(struct ax_buf *out, const struct ax_total *t)
{
    uint64_t below = 0;

    for (unsigned i = 0; i <= AX_TOTALS_BOUNDS; i++) {
        below += t->bucket[i];
        labels(out, "http_server_request_duration_seconds_bucket", t);
        ax_buf_addf(out, ",le=\"%s\"} %" PRIu64 "\n", i < AX_TOTALS_BOUNDS ? bound_text[i] : "+Inf", below);
    }
    labels(out, "http_server_request_duration_seconds_sum", t);
    ax_buf_adds(out, "} ");
    add_seconds(out, t->queue_us + t->handler_us + t->send_us);
    labels(out, "http_server_request_duration_seconds_count", t);
    ax_buf_addf(out, "} %" PRIu64 "\n", t->count);
}

static void durations(struct ax_buf *out, const struct ax_totals *t, unsigned n)
{
    head(out, "http_server_request_duration_seconds", "histogram",
         "Duration of requests, from the complete head to the last byte of the response.");
    for (unsigned i = 0; i < n; i++)
        durations_of(out, ax_totals_at(t, i));
}

static void parts(struct ax_buf *out, const struct ax_totals *t, unsigned n)
{
    static const char name[] = "actix_request_part_seconds_total";
    static const char *const part[] = {"queue", "handler", "send"};

    head(out, name, "counter",
         "Time requests took until the handler was entered, in it, and to send the response.");
    for (unsigned i = 0; i < n; i++) {
        const struct ax_total *one = ax_totals_at(t, i);
        const uint64_t us[] = {one->queue_us, one->handler_us, one->send_us};
        for (unsigned k = 0; k < 3; k++) {
            labels(out, name, one);
            ax_buf_addf(out, ",part=\"%s\"} ", part[k]);
            add_seconds(out, us[k]);
        }
    }
}

static void bytes(struct ax_buf *out, const struct ax_totals *t, unsigned n)
{
    static const char in[] = "actix_request_bytes_total", back[] = "actix_response_bytes_total";

    head(out, in, "counter", "Bytes of requests, heads and bodies.");
    for (unsigned i = 0; i < n; i++) {
        labels(out, in, ax_totals_at(t, i));
        ax_buf_addf(out, "} %" PRIu64 "\n", ax_totals_at(t, i)->bytes_in);
    }
    head(out, back, "counter", "Bytes of responses, heads and bodies.");
    for (unsigned i = 0; i < n; i++) {
        labels(out, back, ax_totals_at(t, i));
        ax_buf_addf(out, "} %" PRIu64 "\n", ax_totals_at(t, i)->bytes_out);
    }
}

/* ---- the rest */

static const char *type_of(bool gauge)
{
    return gauge ? "gauge" : "counter";
}

enum kind { COUNTER, GAUGE };

/* One row of metrics.def; the supervisor's own drops are added to the workers'. */
static void row(struct ax_buf *out, const char *name, enum kind kind, const char *help, uint64_t v)
{
    char full[64];

    snprintf(full, sizeof full, "actix_%s%s", name, kind == COUNTER ? "_total" : "");
    number(out, full, type_of(kind == GAUGE), help, v);
}

static void counters(struct ax_buf *out, const struct ax_counters *sum, const struct ax_prometheus_facts *f)
{
    struct ax_counters c = *sum;

    c.dropped += f->dropped;
#define M(name, kind, unit, help) row(out, #name, kind, help, c.name);
#include "metrics/metrics.def"
#undef M
    number(out, "http_server_active_requests", "gauge", "Requests in progress.", c.inflight);
}

static void process(struct ax_buf *out, const struct ax_prometheus_facts *f)
{
    head(out, "actix_build_info", "gauge", "Which actix this is; always 1.");
    ax_buf_adds(out, "actix_build_info{version=\"");
    ax_prometheus_label(out, ax_str(f->version));
    ax_buf_adds(out, "\"} 1\n");
    number(out, "actix_engine_restarts_total", "counter",
           "Engine processes started in place of ones that ended.", f->engine_restarts);
    number(out, "actix_worker_restarts_total", "counter", "Workers that were replaced.", f->worker_restarts);
    number(out, "actix_workers_ready", "gauge", "Workers that take requests.", f->workers_ready);
    number(out, "actix_zombie_workers", "gauge", "Replaced workers that could not be ended yet.", f->zombies);
    number(out, "actix_live", "gauge", "What /health/live says: 1 or 0.", f->live);
    number(out, "actix_ready", "gauge", "What /health/ready says: 1 or 0.", f->ready);
    number(out, "process_resident_memory_bytes", "gauge",
           "Resident memory of the supervisor and its engines.", f->rss_bytes);
    seconds(out, "process_cpu_seconds_total", "counter", "CPU time of the supervisor and its engines.",
            f->cpu_us);
    seconds(out, "process_start_time_seconds", "gauge", "Unix time at which the supervisor started.",
            (uint64_t)f->started.us);
}

int ax_prometheus(const struct ax_totals *t, const struct ax_prometheus_facts *facts, struct ax_buf *out,
                  struct ax_err *reterr)
{
    unsigned n = fitting(t);

    durations(out, t, n);
    parts(out, t, n);
    bytes(out, t, n);
    counters(out, ax_totals_counters(t), facts);
    process(out, facts);
    number(out, "actix_series_omitted", "gauge", "Series that found no room on this page.",
           ax_totals_count(t) - n);
    return out->failed ? ax_fail(reterr, AX_E_NOMEM, "no memory for the page of metrics") : 0;
}
