#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "supervisor/proc.h"
#include "supervisor/supervisor_private.h"

/* jansson's setters fail for a NULL value: *ok is sticky. */
static void put(json_t *o, const char *key, json_t *v, bool *ok)
{
    if (json_object_set_new(o, key, v) < 0)
        *ok = false;
}

static void put_int(json_t *o, const char *key, uint64_t v, bool *ok)
{
    put(o, key, json_integer((json_int_t)v), ok);
}

static json_t *addresses(const struct ax_supervisor *s, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < s->sockets.n; i++)
        if (json_array_append_new(a, json_string(s->sockets.v[i].url)) < 0)
            *ok = false;
    return a;
}

struct urls {
    json_t *list;
    bool *ok;
};

static void add_url(void *ctx, const char *url)
{
    struct urls *u = ctx;

    if (json_array_append_new(u->list, json_string(url)) < 0)
        *u->ok = false;
}

static json_t *admin(const struct ax_supervisor *s, bool *ok)
{
    struct urls u = {json_array(), ok};

    if (s->admin)
        ax_admin_each(s->admin, add_url, &u);
    return u.list;
}

static const struct ax_message_worker *seen(const struct ax_supervisor *s, unsigned id)
{
    for (unsigned i = 0; i < s->nworkers_seen; i++)
        if (s->workers_seen[i].id == id)
            return &s->workers_seen[i];
    return NULL;
}

static json_t *worker(const struct ax_supervisor *s, unsigned id, const struct ax_counters *c, bool *ok)
{
    const struct ax_message_worker *w = seen(s, id);
    json_t *o = json_object();

    put_int(o, "id", id, ok);
    put(o, "state", json_string(w ? w->state : s->engine_ready ? "ready" : "starting"), ok);
    put_int(o, "restarts", w ? w->restarts : 0, ok);
    put_int(o, "connections", c->connections, ok);
    put_int(o, "inflight", c->inflight, ok);
    put_int(o, "requests", c->requests, ok);
    put_int(o, "batches", c->batches, ok);
    put_int(o, "pool_high", c->pool_high, ok);
    put_int(o, "pool_dry", c->pool_dry, ok);
    return o;
}

static json_t *workers(const struct ax_supervisor *s, struct ax_counters *sum, bool *ok)
{
    json_t *a = json_array();

    *sum = (struct ax_counters){0};
    for (unsigned i = 0; s->segment && i < ax_segment_workers(s->segment); i++) {
        struct ax_counters c;
        ax_segment_read_counters(s->segment, i, &c);
        sum->connections += c.connections;
        sum->inflight += c.inflight;
        sum->requests += c.requests;
        sum->batches += c.batches;
        sum->pool_high = c.pool_high > sum->pool_high ? c.pool_high : sum->pool_high;
        sum->pool_dry += c.pool_dry;
        if (json_array_append_new(a, worker(s, i, &c, ok)) < 0)
            *ok = false;
    }
    return a;
}

static json_t *engine(const struct ax_supervisor *s, uint64_t *memory, bool *ok)
{
    struct ax_proc p;
    json_t *o = json_object();

    if (s->engine && ax_proc_read(ax_engine_pid(s->engine), &p)) {
        *memory += p.rss_bytes;
        put_int(o, "pid", (uint64_t)ax_engine_pid(s->engine), ok);
        put_int(o, "memory", p.rss_bytes, ok);
    } else {
        put(o, "pid", json_null(), ok);
    }
    put_int(o, "restarts", s->restarts, ok);
    return o;
}

char *ax_status_text(struct ax_supervisor *s)
{
    struct ax_counters sum;
    struct ax_proc own = {0};
    bool ok = true;
    json_t *o = json_object();

    ax_proc_read(getpid(), &own);
    uint64_t memory = own.rss_bytes;
    put_int(o, "pid", (uint64_t)getpid(), &ok);
    put(o, "version", json_string(AX_VERSION), &ok);
    put(o, "state", json_string(ax_phase_name(s)), &ok);
    put_int(o, "uptime_s", (uint64_t)(ax_mono_now().us - s->started.us) / 1000000, &ok);
    put(o, "manifest", json_string(s->m->file), &ok);
    put(o, "root", json_string(s->m->root), &ok);
    put_int(o, "generation", s->generation, &ok);
    put(o, "addresses", addresses(s, &ok), &ok);
    put(o, "admin", admin(s, &ok), &ok);
    put(o, "workers", workers(s, &sum, &ok), &ok);
    put_int(o, "connections", sum.connections, &ok);
    put_int(o, "inflight", sum.inflight, &ok);
    put_int(o, "requests", sum.requests, &ok);
    put_int(o, "batches", sum.batches, &ok);
    put_int(o, "pool_high", sum.pool_high, &ok);
    put_int(o, "pool_dry", sum.pool_dry, &ok);
    put(o, "engine", engine(s, &memory, &ok), &ok);
    put_int(o, "memory", memory, &ok);
    put_int(o, "dropped", ax_writer_dropped(s->writer), &ok);
    char *raw = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    char *text = raw ? ax_strdup(raw) : NULL;
    free(raw); /* jansson's own allocation */
    json_decref(o);
    return text;
}
