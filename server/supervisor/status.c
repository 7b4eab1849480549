#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "supervisor/proc.h"
#include "supervisor/quarantine.h"
#include "supervisor/runner.h"
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

static const struct ax_message_worker *seen(const struct ax_runner *r, unsigned id)
{
    for (unsigned i = 0; i < r->nworkers; i++)
        if (r->workers[i].id == id)
            return &r->workers[i];
    return NULL;
}

static json_t *worker(const struct ax_runner *r, unsigned id, const struct ax_counters *c, bool *ok)
{
    const struct ax_message_worker *w = seen(r, id);
    bool ready = r->state == AX_RUNNER_READY;
    unsigned again = r->gen->board ? r->slot->restarts : 0; /* its engine is its own */
    json_t *o = json_object();

    put_int(o, "id", id, ok);
    put(o, "state", json_string(!ready ? ax_runner_state_name(r) : w ? w->state : "ready"), ok);
    put_int(o, "restarts", (w ? w->restarts : 0) + again, ok);
    put_int(o, "connections", c->connections, ok);
    put_int(o, "inflight", c->inflight, ok);
    put_int(o, "requests", c->requests, ok);
    put_int(o, "batches", c->batches, ok);
    put_int(o, "pool_high", c->pool_high, ok);
    put_int(o, "pool_dry", c->pool_dry, ok);
    return o;
}

static void add_up(struct ax_counters *sum, const struct ax_counters *c)
{
    sum->connections += c->connections;
    sum->inflight += c->inflight;
    sum->requests += c->requests;
    sum->batches += c->batches;
    sum->pool_high = c->pool_high > sum->pool_high ? c->pool_high : sum->pool_high;
    sum->pool_dry += c->pool_dry;
}

/* Those of the engines that serve; under `isolation: process` an engine has one of them, its slot's. */
static void add_workers(const struct ax_slot *slot, json_t *a, struct ax_counters *sum, bool *ok)
{
    const struct ax_runner *r = slot->now;

    for (unsigned i = 0; r && r->segment && i < ax_segment_workers(r->segment); i++) {
        struct ax_counters c;
        if (r->gen->board && i != slot->id)
            continue;
        ax_segment_read_counters(r->segment, i, &c);
        add_up(sum, &c);
        if (json_array_append_new(a, worker(r, i, &c, ok)) < 0)
            *ok = false;
    }
}

static json_t *workers(const struct ax_supervisor *s, struct ax_counters *sum, bool *ok)
{
    json_t *a = json_array();

    *sum = (struct ax_counters){0};
    for (unsigned i = 0; i < s->nslots; i++)
        add_workers(s->slots[i], a, sum, ok);
    return a;
}

static json_t *engine(const struct ax_runner *r, uint64_t *memory, bool *ok)
{
    struct ax_proc p = {0};
    json_t *o = json_object();

    put_int(o, "slot", r->slot->id, ok);
    put_int(o, "generation", r->gen->number, ok);
    put_int(o, "pid", (uint64_t)ax_runner_pid(r), ok);
    put(o, "state", json_string(ax_runner_state_name(r)), ok);
    if (ax_proc_read(ax_runner_pid(r), &p))
        *memory += p.rss_bytes;
    put_int(o, "memory", p.rss_bytes, ok);
    put_int(o, "workers", r->gen->workers / r->gen->engines, ok);
    put_int(o, "zombies", r->zombies, ok);
    put_int(o, "inflight", ax_runner_inflight(r), ok);
    put_int(o, "restarts", r->slot->restarts, ok);
    return o;
}

/* Every process there is: those that serve, that start, and that hand over or drain. */
static json_t *engines(const struct ax_supervisor *s, uint64_t *memory, bool *ok)
{
    json_t *a = json_array();

    AX_LIST_EACH(it, &s->runners)
    {
        if (json_array_append_new(a, engine(AX_LIST_ENTRY(it, struct ax_runner, node), memory, ok)) < 0)
            *ok = false;
    }
    return a;
}

/* The first slot's, for whoever wants to know of one. */
static json_t *first_engine(const struct ax_supervisor *s, bool *ok)
{
    const struct ax_runner *r = s->nslots ? s->slots[0]->now : NULL;
    struct ax_proc p;
    unsigned restarts = 0;
    json_t *o = json_object();

    for (unsigned i = 0; i < s->nslots; i++)
        restarts += s->slots[i]->restarts;
    if (r && ax_proc_read(ax_runner_pid(r), &p)) {
        put_int(o, "pid", (uint64_t)ax_runner_pid(r), ok);
        put_int(o, "memory", p.rss_bytes, ok);
    } else {
        put(o, "pid", json_null(), ok);
    }
    put_int(o, "restarts", restarts, ok);
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
    put_int(o, "generation", s->gen->number, &ok);
    put(o, "isolation", json_string(s->gen->board ? "process" : "thread"), &ok);
    put(o, "addresses", addresses(s, &ok), &ok);
    put(o, "admin", admin(s, &ok), &ok);
    put(o, "workers", workers(s, &sum, &ok), &ok);
    put_int(o, "connections", sum.connections, &ok);
    put_int(o, "inflight", sum.inflight, &ok);
    put_int(o, "requests", sum.requests, &ok);
    put_int(o, "batches", sum.batches, &ok);
    put_int(o, "pool_high", sum.pool_high, &ok);
    put_int(o, "pool_dry", sum.pool_dry, &ok);
    put(o, "engine", first_engine(s, &ok), &ok);
    put(o, "engines", engines(s, &memory, &ok), &ok);
    put(o, "quarantined", ax_quarantine_json(s->quarantine), &ok);
    put_int(o, "memory", memory, &ok);
    put_int(o, "dropped", ax_writer_dropped(s->writer), &ok);
    char *raw = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    char *text = raw ? ax_strdup(raw) : NULL;
    free(raw); /* jansson's own allocation */
    json_decref(o);
    return text;
}
