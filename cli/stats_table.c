/* `actix stats` for people: the window, a table with a total, the server's own figures, what happened. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/print.h"
#include "cli/stats_out.h"
#include "cli/when.h"

enum { EVENTS_SHOWN = 20 };

/* Columns of status classes that have no request are left out. */
struct shown {
    bool status[AX_STATUS_CLASSES];
};

static struct shown columns_of(const struct ax_stats *s)
{
    struct shown c = {0};

    for (int i = 0; i < AX_STATUS_CLASSES; i++)
        c.status[i] = s->total.status[i] > 0;
    c.status[2] = true;
    c.status[5] = false; /* that is the column ERRORS */
    return c;
}

static void add_columns(struct ax_table *t, int by, const struct shown *c)
{
    static const char *const key[] = {
        [AX_BY_STATUS] = "STATUS", [AX_BY_TIME] = "TIME", [AX_BY_WORKER] = "WORKER"};
    static const char *const heads[] = {"ABORTED", "1XX", "2XX", "3XX", "4XX", "5XX"};
    static const char *const numbers[] = {"REQ/S", "MEAN",  "P50",     "P90", "P99",
                                          "MAX",   "QUEUE", "HANDLER", "SEND"};

    if (by == AX_BY_ROUTE) {
        ax_table_column(t, "METHOD", 0);
        ax_table_column(t, "ROUTE", 0);
    } else {
        ax_table_column(t, key[by], 0);
    }
    ax_table_column(t, "REQUESTS", AX_COL_RIGHT);
    ax_table_column(t, "ERRORS", AX_COL_RIGHT);
    for (int i = 1; i <= AX_STATUS_CLASSES; i++)
        if (c->status[i % AX_STATUS_CLASSES])
            ax_table_column(t, heads[i % AX_STATUS_CLASSES], AX_COL_RIGHT);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ax_table_column(t, numbers[i], AX_COL_RIGHT);
}

static void cell_us(struct ax_table *t, uint64_t us)
{
    char text[AX_SHORT_MAX];

    ax_table_cell(t, "%s", ax_short_us(text, us));
}

static void cell_count(struct ax_table *t, uint64_t n)
{
    char text[AX_SHORT_MAX];

    ax_table_cell(t, "%s", ax_short_count(text, n));
}

static void add_numbers(struct ax_table *t, const struct ax_stats_row *r, const struct shown *c)
{
    cell_count(t, r->requests);
    cell_count(t, r->errors);
    for (int i = 1; i <= AX_STATUS_CLASSES; i++)
        if (c->status[i % AX_STATUS_CLASSES])
            cell_count(t, r->status[i % AX_STATUS_CLASSES]);
    ax_table_cell(t, r->rps < 10 ? "%.2f" : "%.0f", r->rps);
    cell_us(t, r->latency.mean);
    cell_us(t, r->latency.p50);
    cell_us(t, r->latency.p90);
    cell_us(t, r->latency.p99);
    cell_us(t, r->latency.max);
    cell_us(t, r->queue_us);
    cell_us(t, r->handler_us);
    cell_us(t, r->send_us);
}

static void add_key(struct ax_table *t, const struct ax_stats_view *v, const struct ax_stats_row *r)
{
    int64_t us;
    char shown[AX_WHEN_MAX];
    struct ax_when when = {.now_us = v->now_us, .utc = true};

    if (v->by == AX_BY_ROUTE) {
        ax_table_cell(t, "%s", r->method ? r->method : "-");
        ax_table_cell(t, "%s", r->pattern ? r->pattern : "-");
    } else if (v->by == AX_BY_TIME && r->key && ax_when_parse(r->key, &when, &us, NULL) == 0) {
        ax_table_cell(t, "%s", ax_when_show(shown, us, v->utc));
    } else {
        ax_table_cell(t, "%s", r->key ? r->key : "-");
    }
}

static int print_rows(const struct ax_stats_view *v)
{
    struct shown c = columns_of(v->rows);
    struct ax_table *t = ax_table_new();

    add_columns(t, v->by, &c);
    for (size_t i = 0; i < v->rows->nrows; i++) {
        ax_table_row(t);
        add_key(t, v, &v->rows->rows[i]);
        add_numbers(t, &v->rows->rows[i], &c);
    }
    ax_table_row(t);
    ax_table_cell(t, "total");
    if (v->by == AX_BY_ROUTE)
        ax_table_cell(t, "%s", "");
    add_numbers(t, &v->rows->total, &c);
    ax_table_bold(t);
    return ax_table_print(t, v->args);
}

static void print_server(const struct ax_stats *s)
{
    char a[AX_SHORT_MAX], b[AX_SHORT_MAX], c[AX_SHORT_MAX], d[AX_SHORT_MAX];

    printf("\nbytes in %s, out %s; connections accepted %s; peak memory %s; cpu ",
           ax_short_bytes(a, s->total.bytes_in), ax_short_bytes(b, s->total.bytes_out),
           ax_short_count(c, s->server.accepted), ax_short_bytes(d, s->server.rss_bytes));
    printf("%s; route cache %s hits, %s misses\n", ax_short_us(a, s->server.cpu_us),
           ax_short_count(b, s->server.cache_hits), ax_short_count(c, s->server.cache_misses));
    if (s->server.late_sends || s->server.worker_restarts || s->server.dropped || s->server.pool_dry)
        printf("late sends %s, worker restarts %s, dropped records %s, pools ran dry %s times\n",
               ax_short_count(a, s->server.late_sends), ax_short_count(b, s->server.worker_restarts),
               ax_short_count(c, s->server.dropped), ax_short_count(d, s->server.pool_dry));
}

static void print_limits(const struct ax_stats *s)
{
    char n[AX_SHORT_MAX];

    for (size_t i = 0; i < s->nlimits; i++)
        printf("%s%s %s%s", i ? ", " : "refused by ", s->limits[i].name,
               ax_short_count(n, s->limits[i].refused), i + 1 < s->nlimits ? "" : "\n");
}

static int print_events(const struct ax_stats_view *v)
{
    const struct ax_stats *s = v->routes;
    size_t first = s->nevents > EVENTS_SHOWN ? s->nevents - EVENTS_SHOWN : 0;
    char when[AX_WHEN_MAX];

    if (s->nevents == 0)
        return AX_EXIT_OK;
    putchar('\n');
    struct ax_table *t = ax_table_new();
    ax_table_column(t, "TIME", 0);
    ax_table_column(t, "EVENT", 0);
    ax_table_column(t, "WHAT", 0);
    for (size_t i = first; i < s->nevents; i++) {
        ax_table_row(t);
        ax_table_cell(t, "%s", ax_when_show(when, s->events[i].ts_us, v->utc));
        ax_table_cell(t, "%s", s->events[i].kind);
        ax_table_cell(t, "%s", s->events[i].text);
    }
    int code = ax_table_print(t, v->args);
    if (first)
        printf("%zu earlier events are not shown; --json has all\n", first);
    return code;
}

static void print_empty(const struct ax_stats_view *v)
{
    char when[AX_WHEN_MAX], ago[AX_WHEN_MAX];
    int64_t last = v->routes->last_request_us;
    const char *route = ax_args_value(v->args, "route");

    printf("no requests%s%s in this window", route ? " of " : "", route ? route : "");
    if (last)
        printf("; the last one was at %s (%s ago)\n", ax_when_show(when, last, v->utc),
               ax_when_ago(ago, last, v->now_us));
    else
        puts(", and none before it");
}

int ax_stats_print(const struct ax_stats_view *v)
{
    char since[AX_WHEN_MAX], until[AX_WHEN_MAX];

    printf("%s to %s\n\n", ax_when_show(since, v->routes->since_us, v->utc),
           ax_when_show(until, v->routes->until_us, v->utc));
    if (v->routes->total.requests == 0)
        print_empty(v);
    else if (print_rows(v) != AX_EXIT_OK)
        return AX_EXIT_FAILED;
    if (v->routes->total.requests || v->routes->server.rss_bytes) {
        print_server(v->routes);
        print_limits(v->routes);
    }
    return ax_finish(print_events(v));
}
