/* `actix stats --json` (docs/cli.md) and --csv (RFC 4180). */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print.h"
#include "cli/stats_out.h"

const char *const ax_status_names[AX_STATUS_CLASSES] = {"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"};
const char *const ax_by_names[] = {[AX_BY_ROUTE] = "route",
                                   [AX_BY_STATUS] = "status",
                                   [AX_BY_TIME] = "time",
                                   [AX_BY_WORKER] = "worker",
                                   NULL};

static void set_count(json_t *o, const char *key, uint64_t v)
{
    json_object_set_new(o, key, json_integer((json_int_t)v));
}

/* The database holds what clients sent: what is no UTF-8 must not make the whole text fail. */
static json_t *text(const char *s)
{
    json_t *j = json_string(s ? s : "");

    return j ? j : json_string("(not UTF-8)");
}

static json_t *time_text(int64_t us)
{
    char t[AX_RFC3339_LEN + 1];

    ax_rfc3339(t, (ax_wall){us});
    return json_string(t);
}

static json_t *latency(const struct ax_stats_latency *l)
{
    json_t *o = json_object();

    set_count(o, "mean", l->mean);
    set_count(o, "p50", l->p50);
    set_count(o, "p90", l->p90);
    set_count(o, "p99", l->p99);
    set_count(o, "max", l->max);
    return o;
}

static json_t *split_us(const struct ax_stats_row *r)
{
    json_t *o = json_object();

    set_count(o, "queue", r->queue_us);
    set_count(o, "handler", r->handler_us);
    set_count(o, "send", r->send_us);
    return o;
}

static json_t *total(const struct ax_stats_row *r)
{
    json_t *o = json_object();

    set_count(o, "requests", r->requests);
    set_count(o, "errors", r->errors);
    json_object_set_new(o, "rps", json_real(r->rps));
    set_count(o, "bytes_in", r->bytes_in);
    set_count(o, "bytes_out", r->bytes_out);
    json_object_set_new(o, "latency_us", latency(&r->latency));
    return o;
}

static json_t *row(const struct ax_stats_row *r, int by)
{
    json_t *o = json_object(), *status = json_object();

    if (by == AX_BY_ROUTE) {
        json_object_set_new(o, "method", text(r->method));
        json_object_set_new(o, "route", text(r->pattern));
    } else {
        json_object_set_new(o, "key", text(r->key));
    }
    set_count(o, "requests", r->requests);
    set_count(o, "errors", r->errors);
    for (int i = 1; i <= AX_STATUS_CLASSES; i++) /* 1xx ... 5xx, aborted */
        set_count(status, ax_status_names[i % AX_STATUS_CLASSES], r->status[i % AX_STATUS_CLASSES]);
    json_object_set_new(o, "status", status);
    json_object_set_new(o, "rps", json_real(r->rps));
    json_object_set_new(o, "latency_us", latency(&r->latency));
    json_object_set_new(o, "split_us", split_us(r));
    return o;
}

static json_t *rows(const struct ax_stats *s, int by)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->nrows; i++)
        json_array_append_new(a, row(&s->rows[i], by));
    return a;
}

static json_t *limits(const struct ax_stats *s)
{
    json_t *o = json_object();

    for (size_t i = 0; i < s->nlimits; i++)
        set_count(o, s->limits[i].name, s->limits[i].refused);
    return o;
}

static json_t *server(const struct ax_stats *s)
{
    json_t *o = json_object();

    set_count(o, "rss_bytes", s->server.rss_bytes);
    set_count(o, "cpu_us", s->server.cpu_us);
    set_count(o, "connections", s->server.connections);
    set_count(o, "inflight", s->server.inflight);
    set_count(o, "accepted", s->server.accepted);
    set_count(o, "pool_high", s->server.pool_high);
    set_count(o, "pool_dry", s->server.pool_dry);
    set_count(o, "cache_hits", s->server.cache_hits);
    set_count(o, "cache_misses", s->server.cache_misses);
    set_count(o, "late_sends", s->server.late_sends);
    set_count(o, "worker_restarts", s->server.worker_restarts);
    set_count(o, "dropped", s->server.dropped);
    json_object_set_new(o, "limited", limits(s));
    return o;
}

static json_t *events(const struct ax_stats *s)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->nevents; i++) {
        json_t *o = json_object();

        json_object_set_new(o, "time", time_text(s->events[i].ts_us));
        json_object_set_new(o, "kind", text(s->events[i].kind));
        json_object_set_new(o, "text", text(s->events[i].text));
        json_array_append_new(a, o);
    }
    return a;
}

int ax_stats_print_json(const struct ax_stats_view *v)
{
    json_t *o = json_object();

    json_object_set_new(o, "since", time_text(v->routes->since_us));
    json_object_set_new(o, "until", time_text(v->routes->until_us));
    json_object_set_new(o, "total", total(&v->routes->total));
    json_object_set_new(o, "routes", rows(v->routes, AX_BY_ROUTE));
    if (v->by != AX_BY_ROUTE) {
        json_object_set_new(o, "by", json_string(ax_by_names[v->by]));
        json_object_set_new(o, "rows", rows(v->rows, v->by));
    }
    json_object_set_new(o, "server", server(v->routes));
    json_object_set_new(o, "events", events(v->routes));
    if (v->routes->total.requests == 0)
        json_object_set_new(o, "last_request",
                            v->routes->last_request_us ? time_text(v->routes->last_request_us) : json_null());
    return ax_print_json(o);
}

/* ---- CSV */

static void csv_text(const char *s)
{
    if (!s)
        s = "";
    if (!strpbrk(s, ",\"\r\n")) {
        fputs(s, stdout);
        return;
    }
    putchar('"');
    for (; *s; s++) {
        if (*s == '"')
            putchar('"');
        putchar(*s);
    }
    putchar('"');
}

static void csv_row(const struct ax_stats_row *r, int by)
{
    if (by == AX_BY_ROUTE) {
        csv_text(r->method);
        putchar(',');
        csv_text(r->pattern);
    } else {
        csv_text(r->key);
    }
    printf(",%ju,%ju", (uintmax_t)r->requests, (uintmax_t)r->errors);
    for (int i = 1; i <= AX_STATUS_CLASSES; i++)
        printf(",%ju", (uintmax_t)r->status[i % AX_STATUS_CLASSES]);
    printf(",%.3f,%ju,%ju,%ju,%ju,%ju,%ju,%ju,%ju,%ju,%ju\n", r->rps, (uintmax_t)r->bytes_in,
           (uintmax_t)r->bytes_out, (uintmax_t)r->latency.mean, (uintmax_t)r->latency.p50,
           (uintmax_t)r->latency.p90, (uintmax_t)r->latency.p99, (uintmax_t)r->latency.max,
           (uintmax_t)r->queue_us, (uintmax_t)r->handler_us, (uintmax_t)r->send_us);
}

int ax_stats_print_csv(const struct ax_stats_view *v)
{
    printf("%s,requests,errors", v->by == AX_BY_ROUTE ? "method,route" : ax_by_names[v->by]);
    for (int i = 1; i <= AX_STATUS_CLASSES; i++)
        printf(",%s", ax_status_names[i % AX_STATUS_CLASSES]);
    puts(",rps,bytes_in,bytes_out,mean_us,p50_us,p90_us,p99_us,max_us,queue_us,handler_us,send_us");
    for (size_t i = 0; i < v->rows->nrows; i++)
        csv_row(&v->rows->rows[i], v->by);
    return ax_finish(AX_EXIT_OK);
}
