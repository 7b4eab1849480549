#include "supervisor/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "supervisor/cpus.h"
#include "supervisor/dirs.h"
#include "supervisor/plan_policy.h"

enum { MIB = 1 << 20 };

static int64_t or_off(int64_t v)
{
    return v == AX_OFF ? -1 : v;
}

/* What one engine gets of a ceiling that is the whole server's. */
static int64_t share(const struct ax_plan_input *in, int64_t limit)
{
    int64_t n = in->engines ? in->engines : 1;

    return limit == AX_OFF ? limit : (limit + n - 1) / n;
}

void ax_plan_settings(const struct ax_plan_input *in, struct ax_settings *ret)
{
    const struct ax_manifest *m = in->manifest;

    ax_settings_default(ret);
    ret->batch = m->server.batch;
    ret->slice_us = or_off(m->server.slice_us);
    ret->trailing_slash = m->server.trailing_slash;
    ret->limit_header = or_off(m->limits.header);
    ret->limit_header_count = or_off(m->limits.header_count);
    ret->limit_uri = or_off(m->limits.uri);
    ret->limit_body = or_off(m->limits.body);
    ret->limit_body_memory = or_off(m->limits.body_memory);
    ret->limit_body_rate = or_off(m->limits.body_rate);
    ret->limit_connections = or_off(in->connections);
    ret->limit_inflight = or_off(share(in, m->limits.inflight));
    ret->limit_pipeline = or_off(m->limits.pipeline);
    ret->limit_output = or_off(m->limits.output);
    ret->timeout_header_us = or_off(m->timeouts.header);
    ret->timeout_body_us = or_off(m->timeouts.body);
    ret->timeout_handler_us = or_off(m->timeouts.handler);
    ret->timeout_keep_alive_us = or_off(m->timeouts.keep_alive);
    ret->timeout_send_us = or_off(m->timeouts.send);
    ret->pool_requests = m->pools.requests;
    ret->pool_connections = m->pools.connections;
    ret->pool_prewarm = m->pools.prewarm;
    ret->cache_routes = m->cache.routes;
    ret->record = m->metrics.requests;
    ret->record_slow_us = or_off(m->metrics.slow_us);
    ret->access_format = in->access_format == AX_LOG_COMBINED ? AX_ACCESS_COMBINED
                         : in->access_format == AX_LOG_JSON   ? AX_ACCESS_JSON
                                                              : AX_ACCESS_TEXT;
    if (in->dev && ret->access_format == AX_ACCESS_TEXT)
        ret->access_format = in->color ? AX_ACCESS_DEV_COLOR : AX_ACCESS_DEV;
    ret->log_level = ax_log_level_of(m->log.level);
}

enum ax_log_level ax_log_level_of(const char *name)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};

    for (unsigned i = 0; name && i < AX_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum ax_log_level)i;
    return AX_LOG_INFO;
}

enum ax_log_format ax_log_format_of(const char *name)
{
    static const char *const names[] = {"auto", "text", "json", "combined"};

    for (unsigned i = 0; name && i < AX_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum ax_log_format)i;
    return AX_LOG_AUTO;
}

char *ax_log_target(const struct ax_manifest *m, const char *output)
{
    if (!output || strcmp(output, "off") == 0)
        return ax_strdup("off");
    if (strcmp(output, "stderr") == 0 || strcmp(output, "stdout") == 0)
        return ax_strdup(output);
    return ax_path_join(m->root, output);
}

unsigned ax_plan_workers(const struct ax_manifest *m, unsigned option)
{
    if (option)
        return option;
    return m->server.workers == AX_AUTO ? ax_cpus() : (unsigned)m->server.workers;
}

/* ---- JSON.  jansson's setters take NULL for "out of memory" and fail, so each function's result says it
 * all: *ok is sticky. */
static void put(json_t *o, const char *key, json_t *v, bool *ok)
{
    if (json_object_set_new(o, key, v) < 0)
        *ok = false;
}

static void put_str(json_t *o, const char *key, const char *s, bool *ok)
{
    put(o, key, json_string(s), ok);
}

static void put_int(json_t *o, const char *key, int64_t v, bool *ok)
{
    put(o, key, json_integer(v), ok);
}

static void put_bool(json_t *o, const char *key, bool v, bool *ok)
{
    put(o, key, json_boolean(v), ok);
}

static void put_path(json_t *o, const char *key, const struct ax_manifest *m, const char *name, bool *ok)
{
    char *path = ax_path_join(m->root, name);

    put(o, key, path ? json_string(path) : NULL, ok);
    ax_free(path);
}

static void append(json_t *array, json_t *v, bool *ok)
{
    if (json_array_append_new(array, v) < 0)
        *ok = false;
}

static json_t *place(const struct ax_place *at, bool *ok)
{
    json_t *o = json_object();

    put_str(o, "file", at->file ? at->file : "", ok);
    put_int(o, "line", at->line, ok);
    put_int(o, "col", at->col, ok);
    return o;
}

static json_t *modules(const struct ax_manifest *m, const struct ax_modules *l, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < l->n; i++) {
        json_t *o = json_object();
        put_path(o, "file", m, l->v[i].file, ok);
        put(o, "at", place(&l->v[i].at, ok), ok);
        append(a, o, ok);
    }
    return a;
}

static json_t *uploads(const struct ax_manifest *m, const struct ax_uploads *u, bool *ok)
{
    json_t *o = json_object();

    put_path(o, "dir", m, u->dir, ok);
    put_bool(o, "keep", u->keep, ok);
    put_int(o, "file", or_off(u->file), ok);
    put_int(o, "files", or_off(u->files), ok);
    put_int(o, "fields", or_off(u->fields), ok);
    put_int(o, "field", or_off(u->field), ok);
    return o;
}

static bool has_header(const struct ax_manifest_route *r, const char *name)
{
    for (size_t i = 0; i < r->headers.n; i++)
        if (strcmp(r->headers.v[i].key, name) == 0)
            return true;
    return false;
}

/* "name: value\r\n" each; what could split a head was refused when the manifest was validated. */
static json_t *header_lines(const struct ax_manifest_route *r, bool *ok)
{
    struct ax_buf b = AX_BUF_INIT(MIB);

    for (size_t i = 0; i < r->headers.n; i++)
        ax_buf_addf(&b, "%s: %s\r\n", r->headers.v[i].key, r->headers.v[i].value);
    if (r->kind == AX_ROUTE_REDIRECT)
        ax_buf_addf(&b, "location: %s\r\n", r->to);
    if (r->kind == AX_ROUTE_STATIC && !has_header(r, "x-content-type-options"))
        ax_buf_adds(&b, "x-content-type-options: nosniff\r\n");
    *ok = *ok && !b.failed;
    json_t *s = json_stringn(b.p ? b.p : "", b.n);
    ax_buf_fini(&b);
    return s;
}

/* A handler, or a node mount: that is entered with its head alone, and reads its body as it comes. */
static void put_module(json_t *o, const struct ax_manifest *m, const struct ax_manifest_route *r, bool *ok)
{
    char *name = r->export_name ? ax_asprintf("%s#%s", r->module, r->export_name) : ax_strdup(r->module);

    put_str(o, "kind", r->kind == AX_ROUTE_NODE ? "node" : "handler", ok);
    put(o, "name", name ? json_string(name) : NULL, ok);
    ax_free(name);
    put_path(o, "module", m, r->module, ok);
    if (r->export_name)
        put_str(o, "export", r->export_name, ok);
    if (r->by_exports)
        put_bool(o, "byExports", true, ok);
    if (r->kind == AX_ROUTE_NODE || r->stream)
        put_bool(o, "stream", true, ok);
    if (r->policy.use.n)
        put(o, "use", modules(m, &r->policy.use, ok), ok);
}

static void put_fixed(json_t *o, const struct ax_manifest_route *r, bool *ok)
{
    put_str(o, "kind", "fixed", ok);
    put_str(o, "name", r->kind == AX_ROUTE_REDIRECT ? "redirect" : "respond", ok);
    put_int(o, "status", r->status, ok);
    put_str(o, "body", r->body ? r->body : "", ok);
}

/* One file is the index of the folder it lies in. */
static void put_static(json_t *o, const struct ax_manifest *m, const struct ax_manifest_route *r, bool *ok)
{
    char *path = ax_path_join(m->root, r->dir), *name = ax_asprintf("static %s", r->dir);
    bool one = !strstr(r->pattern, "/*");
    char *slash = path && one ? strrchr(path, '/') : NULL;
    const char *index = one ? "" : r->index ? r->index : "";

    if (slash) {
        *slash = '\0';
        index = slash + 1;
    }
    put_str(o, "kind", "static", ok);
    put(o, "name", name ? json_string(name) : NULL, ok);
    put(o, "folder", path ? json_string(slash == path ? "/" : path) : NULL, ok);
    put_str(o, "index", index, ok);
    put_str(o, "fallback", !one && r->fallback ? r->fallback : "", ok);
    ax_free(name);
    ax_free(path);
}

static json_t *route(const struct ax_manifest *m, const struct ax_manifest_route *r, bool *ok)
{
    json_t *o = json_object();

    put_str(o, "pattern", r->pattern, ok);
    put_str(o, "method", r->method, ok);
    if (r->kind == AX_ROUTE_HANDLER || r->kind == AX_ROUTE_NODE) {
        put_module(o, m, r, ok);
    } else if (r->kind == AX_ROUTE_STATIC) {
        put_static(o, m, r, ok);
    } else if (r->kind == AX_ROUTE_HEALTH) {
        put_str(o, "kind", "health", ok);
        put_str(o, "name", "health", ok);
        put_str(o, "health", r->health == AX_HEALTH_LIVE ? "live" : "ready", ok);
    } else {
        put_fixed(o, r, ok);
    }
    put(o, "headers", header_lines(r, ok), ok);
    put(o, "policy", ax_plan_policy(m, &r->policy), ok);
    put_int(o, "timeout_us", or_off(r->timeout_us), ok);
    put_int(o, "body_max", or_off(r->body_max), ok);
    put_int(o, "max_inflight", r->max_inflight, ok);
    put_int(o, "inflight_group", r->inflight_group, ok);
    put_int(o, "queue", r->queue, ok);
    put(o, "uploads", uploads(m, &r->uploads, ok), ok);
    put(o, "at", place(&r->at, ok), ok);
    return o;
}

static json_t *routes(const struct ax_manifest *m, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->nroutes; i++)
        append(a, route(m, &m->routes[i], ok), ok);
    return a;
}

static json_t *proxies(const struct ax_manifest *m, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->server.trusted_proxies.n; i++)
        append(a, json_string(m->server.trusted_proxies.v[i]), ok);
    return a;
}

static json_t *sockets(const struct ax_plan_input *in, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; in->sockets && i < in->sockets->n; i++) {
        json_t *o = json_object();
        put_int(o, "fd", in->first_fd + (int)i, ok);
        put_str(o, "url", in->sockets->v[i].url, ok);
        append(a, o, ok);
    }
    return a;
}

static json_t *settings(const struct ax_plan_input *in, bool *ok)
{
    struct ax_settings s;
    json_t *o = json_object();

    ax_plan_settings(in, &s);
#define S(name, dflt, help) put_int(o, #name, s.name, ok);
#include "net/settings.def"
#undef S
    return o;
}

static const char *format_name(enum ax_log_format f)
{
    return f == AX_LOG_COMBINED ? "combined" : f == AX_LOG_JSON ? "json" : "text";
}

static void put_target(json_t *o, const char *key, const struct ax_manifest *m, const char *output, bool *ok)
{
    char *target = ax_log_target(m, output);

    put(o, key, target ? json_string(target) : NULL, ok);
    ax_free(target);
}

static json_t *logging(const struct ax_plan_input *in, bool *ok)
{
    const struct ax_manifest *m = in->manifest;
    json_t *o = json_object();

    put_target(o, "output", m, m->log.output, ok);
    put_str(o, "format", format_name(in->format), ok);
    put_int(o, "level", ax_log_level_of(m->log.level), ok);
    put_target(o, "access", m, m->log.access, ok);
    put_str(o, "accessFormat", format_name(in->access_format), ok);
    return o;
}

int64_t ax_plan_heap_mb(const struct ax_manifest *m)
{
    int64_t heap = m->limits.heap;

    return heap == AX_AUTO || heap == AX_OFF ? 0 : (heap + MIB - 1) / MIB;
}

static json_t *plan(const struct ax_plan_input *in, bool *ok)
{
    static const char *const balance[] = {"least_connections", "round_robin", "least_inflight"};
    const struct ax_manifest *m = in->manifest;
    json_t *o = json_object();

    put_int(o, "generation", in->generation, ok);
    put_str(o, "root", m->root, ok);
    put_str(o, "manifest", m->file, ok);
    put_bool(o, "dev", in->dev, ok);
    put_bool(o, "page", in->page, ok);
    if (in->inspect)
        put_str(o, "inspect", in->inspect, ok);
    put_int(o, "workers", in->workers, ok);
    put_str(o, "balance", balance[m->server.balance], ok);
    put_int(o, "minReady", m->server.min_ready, ok);
    put_int(o, "heapMb", ax_plan_heap_mb(m), ok);
    put_int(o, "startup_us", or_off(m->timeouts.startup), ok);
    put_int(o, "shutdown_us", or_off(m->timeouts.shutdown), ok);
    put_int(o, "drain_us", or_off(m->timeouts.drain), ok);
    put_int(o, "stall_us", or_off(m->timeouts.stall), ok);
    put_str(o, "isolation", m->server.isolation == AX_ISOLATION_PROCESS ? "process" : "thread", ok);
    put_int(o, "slot", in->slot, ok);
    put_bool(o, "first", in->first, ok);
    put_bool(o, "hold", in->hold, ok);
    put(o, "settings", settings(in, ok), ok);
    put(o, "log", logging(in, ok), ok);
    put(o, "uploads", uploads(m, &m->uploads, ok), ok);
    put(o, "trustedProxies", proxies(m, ok), ok);
    put(o, "modules", modules(m, &(struct ax_modules){m->modules, m->nmodules}, ok), ok);
    put(o, "policies", ax_plan_policies(m), ok);
    put(o, "routes", routes(m, ok), ok);
    put(o, "listen", sockets(in, ok), ok);
    put_int(o, "segmentFd", in->segment_fd, ok);
    put_int(o, "mailboxFd", in->mailbox_fd, ok);
    put_int(o, "boardFd", in->board_fd, ok);
    return o;
}

char *ax_plan_text(const struct ax_plan_input *in, struct ax_err *reterr)
{
    bool ok = true;
    json_t *o = plan(in, &ok);
    char *raw = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    char *text = raw ? ax_strdup(raw) : NULL;

    free(raw); /* jansson's own allocation */
    json_decref(o);
    if (!text)
        ax_fail(reterr, AX_E_NOMEM, "out of memory, or a text of the manifest is not valid UTF-8");
    return text;
}

static int fill(int fd, const char *text, struct ax_err *reterr)
{
    size_t n = strlen(text);

    for (size_t done = 0; done < n;) {
        ssize_t w = pwrite(fd, text + done, n - done, (off_t)done);
        if (w < 0)
            return ax_fail_os(reterr, errno, "cannot write the plan");
        done += (size_t)w;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return ax_fail_os(reterr, errno, "cannot seal the plan");
    return 0;
}

int ax_plan_memfd(const struct ax_plan_input *in, struct ax_err *reterr)
{
    char *text = ax_plan_text(in, reterr);

    if (!text)
        return -AX_E_NOMEM;
    int fd = memfd_create("actix-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int rc = fd < 0 ? ax_fail_os(reterr, errno, "cannot make the plan") : fill(fd, text, reterr);
    ax_free(text);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc < 0 ? rc : fd;
}
