/* What the admin listener answers.  Everything here is open to whoever can reach the address, since there is
 * no login: on one that is neither loopback nor a Unix socket nothing but health and metrics may be answered.
 * A page that tells more, or does something, needs a site of its own for local doors. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "metrics/prometheus.h"
#include "net/reply.h"
#include "net/site.h"
#include "supervisor/admin_private.h"

enum { PAGE_MAGIC = 0x50414745, WHY_MAX = 120 };
/* Pages that slow readers may keep in memory together; a scraper has one at a time. */
enum { PAGES_MAX = 8 };
/* Who scrapes needs one connection.  More would only take descriptors from what serves the app. */
enum { CONNECTIONS_MAX = 256, POOL = 8, BODY_MAX = 4096, OUTPUT_MAX = 65536 };
enum { LOOK_LEAST_MS = 10, LOOK_MOST_MS = 250, LOOKS = 16 }; /* so many in timeouts.stall */
/* `stall: off` says nothing about loops; then an app without any engine for this long is not alive. */
#define NO_ENGINE_US INT64_C(10000000)

#define NO_STORE "Cache-Control: no-store\r\n"

/* ---- routes */

enum page { METRICS = 1, LIVE, READY }; /* route ids, in the order of ax_admin_site */

int ax_admin_site(struct ax_site **ret, struct ax_err *reterr)
{
    static const char *const patterns[] = {"/metrics", "/health/live", "/health/ready"};
    struct ax_settings set;
    int rc = 0;

    ax_settings_default(&set);
    set.limit_connections = CONNECTIONS_MAX;
    set.limit_body = BODY_MAX;
    set.limit_output = OUTPUT_MAX;
    set.pool_requests = set.pool_connections = POOL;
    set.pool_prewarm = set.cache_routes = 0;
    set.record = AX_KEEP_NONE;
    struct ax_site *site = ax_site_new(&set);
    if (!site)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the admin pages");
    for (unsigned i = 0; rc == 0 && i < AX_COUNT(patterns); i++) {
        struct ax_route r = {.kind = AX_SITE_JS,
                             .method = AX_GET,
                             .pattern = ax_str(patterns[i]),
                             .name = AX_STR("admin"),
                             .headers = AX_STR(NO_STORE),
                             .body_max = BODY_MAX,
                             .timeout_us = -1};
        rc = ax_site_add(site, &r, reterr);
    }
    if (rc == 0)
        rc = ax_site_freeze(site, reterr);
    if (rc == 0)
        *ret = site;
    else
        ax_site_unref(site);
    return rc;
}

/* ---- health */

static int64_t patience(const struct ax_admin_facts *f)
{
    return f->stall_us == AX_OFF ? NO_ENGINE_US : f->stall_us;
}

static uint64_t look_ms(const struct ax_admin_facts *f)
{
    uint64_t ms = (uint64_t)patience(f) / 1000 / LOOKS;

    return ms < LOOK_LEAST_MS ? LOOK_LEAST_MS : ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms;
}

/* A worker whose loop sleeps is woken by its engine's watchdog for a heartbeat, some four times in `stall`
 * (net/watchdog.c).  The start has a timeout of its own. */
static void look(struct ax_admin *a, const struct ax_admin_facts *f)
{
    bool moved = a->totals && ax_totals_moved(a->totals);

    if (moved || f->starting || (f->stall_us == AX_OFF && a->engines))
        a->moved_at = ax_mono_now();
}

uint64_t ax_admin_look(struct ax_admin *a)
{
    struct ax_admin_facts f = {0};

    a->o.facts(a->o.ctx, &f);
    look(a, &f);
    return look_ms(&f);
}

static bool is_live(struct ax_admin *a, const struct ax_admin_facts *f)
{
    look(a, f);
    return ax_mono_now().us - a->moved_at.us <= patience(f);
}

bool ax_admin_live(struct ax_admin *a)
{
    struct ax_admin_facts f = {0};

    a->o.facts(a->o.ctx, &f);
    return is_live(a, &f);
}

static bool is_ready(const struct ax_admin_facts *f)
{
    return !f->starting && !f->stopping && f->ready >= f->min_ready;
}

static int reply_json(struct ax_request *r, struct ax_str body)
{
    return ax_reply(r, &(struct ax_reply){.status = 200, .content = AX_CONTENT_JSON, .body = body});
}

static int reply_live(struct ax_admin *a, const struct ax_admin_facts *f, struct ax_request *r)
{
    if (is_live(a, f))
        return reply_json(r, AX_STR("{\"status\":\"live\"}"));
    return ax_reply_error(r, 503, a->engines ? "no worker has moved for timeouts.stall" : "no engine runs",
                          NULL);
}

static int reply_ready(const struct ax_admin_facts *f, struct ax_request *r)
{
    char why[WHY_MAX];

    if (is_ready(f))
        return reply_json(r, AX_STR("{\"status\":\"ready\"}"));
    if (f->starting || f->stopping)
        return ax_reply_error(r, 503, f->stopping ? "stopping" : "starting", NULL);
    snprintf(why, sizeof why, "%u of the %u workers wanted (server.min_ready) are ready", f->ready,
             f->min_ready);
    return ax_reply_error(r, 503, why, NULL);
}

/* ---- metrics */

struct page_text { /* one rendering, for all who ask in one turn of the loop */
    uint32_t magic;
    unsigned refs;
    struct ax_admin *admin;
    struct ax_buf text;
};

static void page_release(void *owner)
{
    struct page_text *p = AX_CAST(struct page_text, owner, PAGE_MAGIC);

    if (--p->refs > 0)
        return;
    p->admin->pages--;
    p->magic = 0;
    ax_buf_fini(&p->text);
    ax_free(p);
}

static void fill_facts(struct ax_admin *a, const struct ax_admin_facts *f, struct ax_prometheus_facts *ret)
{
    uint64_t rss = ax_admin_usage(a);

    *ret = (struct ax_prometheus_facts){
        .version = AX_VERSION,
        .started = a->started,
        .rss_bytes = rss,
        .cpu_us = a->cpu_us,
        .engine_restarts = f->engine_restarts,
        .worker_restarts = ax_writer_restarts(a->o.writer),
        .dropped = ax_writer_dropped(a->o.writer),
        .workers_ready = f->ready,
        .zombies = f->zombies,
        .live = is_live(a, f),
        .ready = is_ready(f),
    };
}

/* NULL: *reterr says why. */
static struct page_text *render(struct ax_admin *a, const struct ax_admin_facts *f, struct ax_err *reterr)
{
    struct ax_prometheus_facts facts;

    if (a->pages >= PAGES_MAX) {
        ax_fail(reterr, AX_E_LIMIT, "too many readers of /metrics take too long");
        return NULL;
    }
    struct page_text *p = ax_calloc(1, sizeof *p);
    if (!p) {
        ax_fail(reterr, AX_E_NOMEM, "no memory for the page of metrics");
        return NULL;
    }
    *p = (struct page_text){PAGE_MAGIC, 1, a, AX_BUF_INIT(AX_PROMETHEUS_MAX)};
    a->pages++;
    fill_facts(a, f, &facts);
    if (ax_totals_take(a->totals, reterr) == 0 && ax_prometheus(a->totals, &facts, &p->text, reterr) == 0)
        return p;
    page_release(p);
    return NULL;
}

static int reply_metrics(struct ax_request *r, struct page_text *p)
{
    p->refs++;
    return ax_reply(r, &(struct ax_reply){.status = 200,
                                          .content = AX_CONTENT_NONE,
                                          .headers = AX_STR("Content-Type: " AX_PROMETHEUS_TYPE "\r\n"),
                                          .body = ax_buf_str(&p->text),
                                          .release = page_release,
                                          .owner = p});
}

/* ---- the dispatcher */

struct turn { /* what one call needs, made when it is first wanted */
    struct ax_admin_facts facts;
    struct page_text *page; /* a reference */
    struct ax_err why;      /* there is none */
};

static void answer(struct ax_admin *a, struct turn *t, struct ax_request *r)
{
    if (r->route == LIVE) {
        reply_live(a, &t->facts, r);
    } else if (r->route == READY) {
        reply_ready(&t->facts, r);
    } else {
        if (!t->page && t->why.code == AX_OK)
            t->page = render(a, &t->facts, &t->why);
        if (t->page)
            reply_metrics(r, t->page);
        else
            ax_reply_error(r, 503, t->why.msg, NULL);
    }
}

/* All replies are given here and now; that one goes nowhere, or that its connection is out of memory, is the
 * core's to know. */
int ax_admin_run(void *admin, struct ax_request *const *reqs, unsigned n)
{
    struct ax_admin *a = AX_CAST(struct ax_admin, admin, AX_ADMIN_MAGIC);
    struct turn t = {.page = NULL};
    unsigned done = 0;

    a->o.facts(a->o.ctx, &t.facts);
    while (done < n) {
        struct ax_request *r = reqs[done++];
        answer(a, &t, r);
        if (ax_request_backed_up(r))
            break;
    }
    if (t.page)
        page_release(t.page);
    return (int)done;
}
