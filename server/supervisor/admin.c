#include "supervisor/admin.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/site.h"
#include "supervisor/admin_private.h"
#include "supervisor/proc.h"

enum { BACKLOG = 64 };

/* ---- the segments of the engines */

static void on_added(void *ctx, struct ax_segment *s, pid_t pid)
{
    struct ax_admin *a = AX_CAST(struct ax_admin, ctx, AX_ADMIN_MAGIC);
    struct ax_err err = {0};

    a->engine[a->engines++] = (struct ax_admin_engine){.segment = s, .pid = pid};
    if (ax_totals_add(a->totals, s, &err) < 0)
        ax_log_warn(a->o.log, "/metrics will lack what an engine counts: %s", err.msg);
}

static void forget_engine(struct ax_admin *a, const struct ax_segment *s)
{
    unsigned i = 0;

    while (i < a->engines && a->engine[i].segment != s)
        i++;
    if (!AX_NEVER(i == a->engines))
        a->engine[i] = a->engine[--a->engines];
}

static void on_dropped(void *ctx, struct ax_segment *s)
{
    struct ax_admin *a = AX_CAST(struct ax_admin, ctx, AX_ADMIN_MAGIC);
    struct ax_err err = {0};

    forget_engine(a, s);
    if (ax_totals_drop(a->totals, s, &err) < 0)
        ax_log_warn(a->o.log, "/metrics lacks some of what an engine counted: %s", err.msg);
}

/* What a process used between the last look and its end is lost. */
static void count_cpu(struct ax_admin *a, uint64_t *counted, const struct ax_proc *p)
{
    if (p->cpu_us < *counted)
        return;
    a->cpu_us += p->cpu_us - *counted;
    *counted = p->cpu_us;
}

uint64_t ax_admin_usage(struct ax_admin *a)
{
    struct ax_proc p;
    uint64_t rss = 0;

    if (ax_proc_read(getpid(), &p)) {
        count_cpu(a, &a->own_cpu_us, &p);
        rss += p.rss_bytes;
    }
    for (unsigned i = 0; i < a->engines; i++)
        if (ax_proc_read(a->engine[i].pid, &p)) {
            count_cpu(a, &a->engine[i].cpu_us, &p);
            rss += p.rss_bytes;
        }
    return rss;
}

static void on_look(uv_timer_t *t)
{
    struct ax_admin *a = AX_CAST(struct ax_admin, t->data, AX_ADMIN_MAGIC);
    uint64_t ms = ax_admin_look(a);

    ax_admin_usage(a);
    uv_timer_start(t, on_look, ms, 0);
}

int ax_admin_read(struct ax_admin *a, struct ax_err *reterr)
{
    if (a->totals)
        return 0;
    int rc = ax_totals_new(&a->totals, reterr);
    if (rc < 0)
        return rc;
    ax_writer_watch(a->o.writer, &(struct ax_writer_watch){on_added, on_dropped, a});
    a->moved_at = ax_mono_now();
    uv_timer_start(&a->look, on_look, 0, 0);
    return 0;
}

static void stop_reading(struct ax_admin *a)
{
    if (!a->totals)
        return;
    if (!a->closing)
        uv_timer_stop(&a->look);
    ax_writer_watch(a->o.writer, NULL);
    ax_totals_free(a->totals);
    a->totals = NULL;
    a->engines = 0;
}

/* ---- the end of a door */

static void maybe_free(struct ax_admin *a)
{
    if (!a->closing || !a->look_closed || a->ndoors)
        return;
    stop_reading(a);
    a->magic = 0;
    ax_free(a);
}

static void free_door(struct ax_door *d)
{
    struct ax_admin *a = d->admin;

    ax_list_remove(&d->node);
    ax_worker_free(d->worker);
    ax_sockets_close(&d->sockets);
    ax_segment_free(d->segment);
    ax_free(d->key);
    d->magic = 0;
    ax_free(d);
    a->ndoors--;
}

static void on_worker_closed(void *ctx)
{
    struct ax_door *d = AX_CAST(struct ax_door, ctx, AX_DOOR_MAGIC);
    struct ax_admin *a = d->admin;

    free_door(d);
    maybe_free(a);
}

/* The sockets go at once: somebody else may want the address. */
static void close_door(struct ax_door *d)
{
    ax_list_remove(&d->node);
    ax_worker_close(d->worker, on_worker_closed, d);
    ax_sockets_close(&d->sockets);
}

/* ---- a new one */

static char *key_of(const struct ax_listen *l, const char *root)
{
    if (l->kind == AX_LISTEN_UNIX)
        return ax_asprintf("unix %s %s", l->path[0] == '/' ? "" : root, l->path);
    return ax_asprintf("tcp %s %u %d", l->host, l->port, l->port_only);
}

static int make_worker(struct ax_door *d, struct ax_err *reterr)
{
    struct ax_admin *a = d->admin;
    struct ax_site *site;
    int rc = ax_admin_site(&site, reterr);

    if (rc < 0)
        return rc;
    struct ax_worker_options o = {.loop = a->o.loop,
                                  .site = site,
                                  .dispatch = {.ctx = a, .run = ax_admin_run},
                                  .stat = ax_segment_worker(d->segment, 0),
                                  .log = a->o.log};
    rc = ax_worker_new(&o, &d->worker, reterr);
    ax_site_unref(site); /* the worker has its own reference */
    return rc;
}

static int make_parts(struct ax_door *d, const char *key, struct ax_err *reterr)
{
    if (!(d->key = ax_strdup(key)))
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the admin listener");
    int rc = ax_segment_private(1, 1, &d->segment, reterr);
    return rc < 0 ? rc : make_worker(d, reterr);
}

int ax_admin_door(struct ax_admin *a, const char *key, struct ax_sockets *sockets, struct ax_err *reterr)
{
    struct ax_door *d = ax_calloc(1, sizeof *d);

    if (!d)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the admin listener");
    *d = (struct ax_door){.magic = AX_DOOR_MAGIC, .admin = a, .fresh = true};
    ax_list_push(&a->doors, &d->node);
    a->ndoors++;
    int rc = make_parts(d, key, reterr);
    if (rc < 0) {
        free_door(d);
        return rc;
    }
    d->sockets = *sockets;
    sockets->n = 0;
    for (size_t i = 0; rc == 0 && i < d->sockets.n; i++)
        rc = ax_worker_listen(d->worker, d->sockets.v[i].fd, reterr);
    return rc; /* the caller cancels what was opened */
}

static int open_door(struct ax_admin *a, const struct ax_listen *l, const char *key, const char *root,
                     struct ax_err *reterr)
{
    struct ax_sockets_input in = {l, 1, BACKLOG, root, ax_in_container()};
    struct ax_sockets sockets = {.n = 0};
    int rc = ax_sockets_open(&in, &sockets, reterr);

    if (rc == 0)
        rc = ax_admin_door(a, key, &sockets, reterr);
    ax_sockets_close(&sockets);
    return rc;
}

static struct ax_door *find_door(const struct ax_admin *a, const char *key)
{
    AX_LIST_EACH(it, &a->doors)
    {
        struct ax_door *d = AX_LIST_ENTRY(it, struct ax_door, node);
        if (strcmp(d->key, key) == 0)
            return d;
    }
    return NULL;
}

/* Keeps the door of this address, or opens one. */
static int want_door(struct ax_admin *a, const struct ax_listen *l, const char *root, struct ax_err *reterr)
{
    struct ax_sockets_input in = {l, 1, BACKLOG, root, ax_in_container()};
    char *key = key_of(l, root);
    struct ax_door *d = key ? find_door(a, key) : NULL;
    int rc = 0;

    if (!key)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the admin listener");
    if (d)
        d->leaving = false;
    else
        rc = open_door(a, l, key, root, reterr);
    ax_free(key);
    return d && l->kind == AX_LISTEN_UNIX ? ax_sockets_renew(&in, &d->sockets, &d->wanted, reterr) : rc;
}

/* ---- all of them */

int ax_admin_prepare(struct ax_admin *a, const struct ax_manifest *m, struct ax_err *reterr)
{
    int rc = m->admin.nlisten ? ax_admin_read(a, reterr) : 0;

    AX_LIST_EACH(it, &a->doors)
    {
        struct ax_door *d = AX_LIST_ENTRY(it, struct ax_door, node);
        d->leaving = true;
        d->fresh = false;
    }
    for (size_t i = 0; rc == 0 && i < m->admin.nlisten; i++)
        rc = want_door(a, &m->admin.listen[i], m->root, reterr);
    if (rc < 0)
        ax_admin_cancel(a);
    return rc;
}

void ax_admin_commit(struct ax_admin *a)
{
    AX_LIST_EACH(it, &a->doors)
    {
        struct ax_door *d = AX_LIST_ENTRY(it, struct ax_door, node);
        struct ax_err err = {0};
        d->fresh = false;
        if (d->leaving)
            close_door(d);
        else if (d->wanted.n && ax_sockets_replace(&d->sockets, &d->wanted, BACKLOG, &err) < 0)
            ax_log_warn(a->o.log, "%s", err.msg);
    }
    if (ax_list_empty(&a->doors) && !a->watched)
        stop_reading(a);
}

void ax_admin_cancel(struct ax_admin *a)
{
    AX_LIST_EACH(it, &a->doors)
    {
        struct ax_door *d = AX_LIST_ENTRY(it, struct ax_door, node);
        d->leaving = false;
        ax_sockets_close_but(&d->wanted, &d->sockets);
        if (d->fresh)
            close_door(d);
    }
    if (ax_list_empty(&a->doors) && !a->watched)
        stop_reading(a);
}

int ax_admin_watch(struct ax_admin *a, struct ax_err *reterr)
{
    int rc = ax_admin_read(a, reterr);

    a->watched = rc == 0;
    return rc;
}

void ax_admin_each(const struct ax_admin *a, void (*each)(void *ctx, const char *url), void *ctx)
{
    AX_LIST_EACH(it, &a->doors)
    {
        const struct ax_door *d = AX_LIST_ENTRY(it, struct ax_door, node);
        for (size_t i = 0; i < d->sockets.n; i++)
            each(ctx, d->sockets.v[i].url);
    }
}

/* ---- life */

int ax_admin_new(const struct ax_admin_options *o, struct ax_admin **ret, struct ax_err *reterr)
{
    struct ax_admin *a = ax_calloc(1, sizeof *a);

    if (!a)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the admin listener");
    *a = (struct ax_admin){.magic = AX_ADMIN_MAGIC, .o = *o, .started = ax_wall_now()};
    ax_list_init(&a->doors);
    uv_timer_init(o->loop, &a->look);
    a->look.data = a;
    uv_unref((uv_handle_t *)&a->look);
    *ret = a;
    return 0;
}

static void on_look_closed(uv_handle_t *h)
{
    struct ax_admin *a = AX_CAST(struct ax_admin, h->data, AX_ADMIN_MAGIC);

    a->look_closed = true;
    maybe_free(a);
}

void ax_admin_close(struct ax_admin *a)
{
    if (!a)
        return;
    a->closing = true;
    AX_LIST_EACH(it, &a->doors)
    close_door(AX_LIST_ENTRY(it, struct ax_door, node));
    uv_close((uv_handle_t *)&a->look, on_look_closed);
}
