#include "supervisor/quarantine.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"

enum { QUARANTINE_MAGIC = 0x51554152, NAME_MAX_BYTES = 256, TEXT_MAX = 512 };

struct entry {
    char method[AX_RECORD_METHOD + 1], pattern[NAME_MAX_BYTES];
    int64_t *at;      /* OWNED: when it killed, the last q->kills times, a ring; monotonic */
    unsigned kills;   /* in all since it was released */
    int64_t last_us;  /* the last of them */
    int64_t until_us; /* blocked until then; 0 = it is not */
};

struct ax_quarantine {
    uint32_t magic;
    struct ax_quarantine_options o;
    uv_timer_t timer; /* to the next release */
    int kills;
    int64_t within_us, for_us;
    struct entry entry[AX_QUARANTINE_ROUTES];
    unsigned n;
};

static bool is(const struct entry *e, const char *method, const char *pattern)
{
    return strcmp(e->method, method) == 0 && strcmp(e->pattern, pattern) == 0;
}

/* The route's entry; a new one takes the place of the quietest that is not blocked.  NULL: all are blocked,
 * or the names are longer than any route's we would tell apart. */
static struct entry *entry_of(struct ax_quarantine *q, const char *method, const char *pattern)
{
    struct entry *quiet = NULL;

    if (strlen(method) > AX_RECORD_METHOD || strlen(pattern) >= NAME_MAX_BYTES)
        return NULL;
    for (unsigned i = 0; i < q->n; i++) {
        struct entry *e = &q->entry[i];
        if (is(e, method, pattern))
            return e;
        if (!e->until_us && (!quiet || e->last_us < quiet->last_us))
            quiet = e;
    }
    if (q->n < AX_QUARANTINE_ROUTES)
        quiet = &q->entry[q->n];
    int64_t *at = quiet ? ax_calloc((size_t)q->kills, sizeof *at) : NULL;
    if (!at)
        return NULL;
    ax_free(quiet->at);
    *quiet = (struct entry){.at = at};
    snprintf(quiet->method, sizeof quiet->method, "%s", method);
    snprintf(quiet->pattern, sizeof quiet->pattern, "%s", pattern);
    q->n += quiet == &q->entry[q->n];
    return quiet;
}

/* ---- release */
static void release(struct ax_quarantine *q, struct entry *e)
{
    char text[TEXT_MAX];

    e->until_us = 0;
    e->kills = 0;
    snprintf(text, sizeof text, "%s %s is answered again: its quarantine is over", e->method, e->pattern);
    q->o.changed(q->o.ctx, e->method, e->pattern, 0, text);
}

static void on_timer(uv_timer_t *t);

static void schedule(struct ax_quarantine *q, int64_t now_us)
{
    int64_t next = 0;

    for (unsigned i = 0; i < q->n; i++)
        if (q->entry[i].until_us && (!next || q->entry[i].until_us < next))
            next = q->entry[i].until_us;
    if (next)
        uv_timer_start(&q->timer, on_timer, next > now_us ? (uint64_t)(next - now_us) / 1000 + 1 : 1, 0);
    else
        uv_timer_stop(&q->timer);
}

static void on_timer(uv_timer_t *t)
{
    struct ax_quarantine *q = AX_CAST(struct ax_quarantine, t->data, QUARANTINE_MAGIC);
    int64_t now = ax_mono_now().us;

    for (unsigned i = 0; i < q->n; i++)
        if (q->entry[i].until_us && q->entry[i].until_us <= now)
            release(q, &q->entry[i]);
    schedule(q, now);
}

/* ---- kills */
/* True when the last so many came within the time. */
static bool count(const struct ax_quarantine *q, struct entry *e, int64_t now)
{
    unsigned n = (unsigned)q->kills;

    e->at[e->kills++ % n] = now;
    e->last_us = now;
    return e->kills >= n && now - e->at[e->kills % n] <= q->within_us;
}

void ax_quarantine_kill(struct ax_quarantine *q, const char *method, const char *pattern, const char *why)
{
    int64_t now = ax_mono_now().us;
    struct entry *e = entry_of(q, method, pattern);
    char text[TEXT_MAX];

    if (!e || e->until_us || !count(q, e, now))
        return;
    e->until_us = now + q->for_us;
    snprintf(text, sizeof text,
             "%s %s has killed %d workers (last: %s): it is answered 503 for %" PRId64
             " s (server.quarantine)",
             e->method, e->pattern, q->kills, why, q->for_us / 1000000);
    q->o.changed(q->o.ctx, e->method, e->pattern, e->until_us, text);
    schedule(q, now);
}

/* ---- segments */
static bool equals(struct ax_str s, const char *text)
{
    return ax_str_eq(s, ax_str(text));
}

void ax_quarantine_set(struct ax_segment *s, const char *method, const char *pattern, int64_t until_us)
{
    unsigned n = s ? ax_segment_routes(s) : 0;

    for (unsigned id = 1; id <= n; id++) {
        struct ax_route_name name;
        if (ax_segment_route(s, id, &name) && equals(name.method, method) && equals(name.pattern, pattern))
            ax_segment_block(s, id, until_us);
    }
}

void ax_quarantine_apply(const struct ax_quarantine *q, struct ax_segment *s)
{
    for (unsigned i = 0; i < q->n; i++)
        if (q->entry[i].until_us)
            ax_quarantine_set(s, q->entry[i].method, q->entry[i].pattern, q->entry[i].until_us);
}

/* ---- status */
json_t *ax_quarantine_json(const struct ax_quarantine *q)
{
    int64_t now = ax_mono_now().us, wall = ax_wall_now().us;
    json_t *a = json_array();

    for (unsigned i = 0; a && i < q->n; i++) {
        const struct entry *e = &q->entry[i];
        char until[AX_RFC3339_LEN + 1];
        if (!e->until_us)
            continue;
        ax_rfc3339(until, (ax_wall){wall + e->until_us - now});
        json_t *o = json_pack("{s:s, s:s, s:s}", "method", e->method, "route", e->pattern, "until", until);
        if (json_array_append_new(a, o) < 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

/* ---- life */
void ax_quarantine_reset(struct ax_quarantine *q, const struct ax_manifest *m)
{
    for (unsigned i = 0; i < q->n; i++) {
        ax_free(q->entry[i].at);
        q->entry[i].at = NULL;
    }
    q->kills = m->server.quarantine.kills;
    q->within_us = m->server.quarantine.within_us;
    q->for_us = m->server.quarantine.for_us;
    q->n = 0;
    uv_timer_stop(&q->timer);
}

int ax_quarantine_new(const struct ax_quarantine_options *o, struct ax_quarantine **ret,
                      struct ax_err *reterr)
{
    struct ax_quarantine *q = ax_calloc(1, sizeof *q);

    if (!q)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    q->magic = QUARANTINE_MAGIC;
    q->o = *o;
    uv_timer_init(o->loop, &q->timer);
    q->timer.data = q;
    *ret = q;
    return 0;
}

void ax_quarantine_close(struct ax_quarantine *q)
{
    if (q)
        uv_close((uv_handle_t *)&q->timer, NULL);
}

void ax_quarantine_free(struct ax_quarantine *q)
{
    for (unsigned i = 0; q && i < q->n; i++)
        ax_free(q->entry[i].at);
    ax_free(q);
}
