/* The native engine (native.h), and the functions of native.d.ts whose names begin with engine. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/trim.h"
#include "bridge.h"
#include "native.h"
#include "options.h"

napi_value ax_throw_err(napi_env env, const struct ax_err *err, const char *dflt)
{
    const char *name = err->os > 0 ? strerrorname_np(err->os) : NULL;

    napi_throw_error(env, name ? name : dflt, err->msg[0] ? err->msg : ax_code_text(err->code));
    return NULL;
}

struct ax_native *ax_native_of(napi_env env, napi_value handle)
{
    uint64_t address = 0;
    bool lossless = false;

    if (napi_get_value_bigint_uint64(env, handle, &address, &lossless) != napi_ok || !lossless || !address) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "engine must be a handle from engineNew");
        return NULL;
    }
    return AX_CAST(struct ax_native, (uintptr_t)address, AX_NATIVE_MAGIC);
}

static void free_native(struct ax_native *e)
{
    if (e->engine)
        ax_engine_free(e->engine);
    if (e->events) /* the accept thread has ended: nobody calls it */
        napi_release_threadsafe_function(e->events,
                                         napi_tsfn_abort); /* what was not delivered names routes */
    ax_site_unref(e->site);
    ax_free(e->culprits);
    ax_segment_free(e->segment);
    ax_board_free(e->board);
    ax_log_close(&e->access);
    ax_log_close(&e->log);
    pthread_mutex_destroy(&e->lock);
    e->magic = 0;
    ax_free(e);
}

static void read_logs(struct ax_reader *o, struct ax_arena *a, struct ax_native *e, struct ax_err *reterr)
{
    static const char *const formats[] = {"text", "json", "combined"};
    static const enum ax_log_format values[] = {AX_LOG_TEXT, AX_LOG_JSON, AX_LOG_COMBINED};
    struct ax_reader l = ax_read_object(o, "log");
    struct ax_str output = ax_read_str(&l, "output", false, a), access = ax_read_str(&l, "access", false, a);
    enum ax_log_format format = values[ax_read_choice(&l, "format", formats, 2)];
    enum ax_log_format access_format = values[ax_read_choice(&l, "accessFormat", formats, 3)];
    enum ax_log_level level = (enum ax_log_level)ax_read_int(&l, "level", AX_LOG_ERROR, AX_LOG_DEBUG);

    o->failed = o->failed || l.failed;
    if (o->failed || ax_log_open(&e->log, output.p, format, level, reterr) < 0)
        return;
    (void)ax_log_open(&e->access, access.p, access_format, AX_LOG_DEBUG, reterr);
}

enum { FDS_MAX = 64 };

static unsigned read_fds(struct ax_reader *o, int fds[FDS_MAX])
{
    napi_value list = ax_read(o, "fds", napi_object, false), v;
    uint32_t n = 0;

    if (!list)
        return 0;
    AX_NAPI_TRY(napi_get_array_length(o->env, list, &n));
    if (n > FDS_MAX)
        goto fail;
    for (uint32_t i = 0; i < n; i++) {
        AX_NAPI_TRY(napi_get_element(o->env, list, i, &v));
        AX_NAPI_TRY(napi_get_value_int32(o->env, v, &fds[i]));
    }
    return n;
fail:
    ax_read_bad(o, "fds", "an array of at most 64 descriptors");
    return 0;
}

static int attach_segment(struct ax_native *e, int fd, struct ax_err *reterr)
{
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return ax_fail_os(reterr, errno, "cannot use descriptor %d as metrics segment", fd);
    return ax_segment_attach(fd, &e->segment, reterr);
}

/* The mapping stays, the descriptor is not needed any more. */
static int attach_board(struct ax_native *e, int fd, struct ax_err *reterr)
{
    int rc = ax_board_attach(fd, &e->board, reterr);

    close(fd);
    return rc;
}

/* What the watchdog is given, and whom it tells. */
static void read_faults(struct ax_reader *o, struct ax_native *e, struct ax_engine_options *eo,
                        struct ax_err *reterr)
{
    eo->stall_us = e->stall_us = ax_read_int(o, "stallUs", -1, INT64_C(1) << 53);
    eo->mailbox_fd = (int)ax_read_int(o, "mailboxFd", -1, INT32_MAX);
    e->control_fd = (int)ax_read_int(o, "controlFd", -1, INT32_MAX);
    eo->event = ax_native_on_event;
    eo->event_ctx = e;
    int board_fd = (int)ax_read_int_or(o, "boardFd", -1, -1, INT32_MAX);
    eo->slot = (unsigned)ax_read_int_or(o, "slot", 0, 0, AX_BOARD_SLOTS_MAX - 1);
    if (!o->failed && board_fd >= 0 && attach_board(e, board_fd, reterr) == 0)
        eo->board = e->board;
    e->watched = e->stall_us > 0 || eo->mailbox_fd >= 0;
    napi_value fn = ax_read(o, "event", napi_function, true);
    if (fn && !ax_native_listen(e, o->env, fn))
        o->failed = true;
}

/* Reads everything, then makes the engine; NULL with an exception pending. */
static struct ax_native *make(struct ax_reader *o, struct ax_arena *a)
{
    static const char *const balance[] = {"least_connections", "round_robin", "least_inflight"};
    struct ax_engine_options eo = {.workers = (unsigned)ax_read_int(o, "workers", 1, 1024)};
    struct ax_settings set;
    struct ax_err err = {0};
    int fds[FDS_MAX];
    struct ax_native *e = ax_calloc(1, sizeof *e);

    if (!e) {
        ax_fail(&err, AX_E_NOMEM, "no memory for an engine");
        goto fail;
    }
    e->magic = AX_NATIVE_MAGIC;
    e->workers = eo.workers;
    e->log.fd = e->access.fd = -1;
    pthread_mutex_init(&e->lock, NULL);
    ax_list_init(&e->bridges);
    eo.balance = (enum ax_balance_by)ax_read_choice(o, "balance", balance, AX_COUNT(balance));
    eo.min_ready = (unsigned)ax_read_int(o, "minReady", 0, 1024);
    eo.fds = fds;
    eo.nfds = read_fds(o, fds);
    int segment_fd = (int)ax_read_int(o, "segmentFd", -1, INT32_MAX);
    ax_read_settings(o, &set);
    read_faults(o, e, &eo, &err);
    e->culprits = ax_calloc(eo.workers ? eo.workers : 1, sizeof *e->culprits);
    if (!e->culprits)
        ax_fail(&err, AX_E_NOMEM, "no memory for an engine");
    eo.limit_connections = set.limit_connections;
    eo.limit_inflight = set.limit_inflight;
    eo.limit_body_memory = set.limit_body_memory;
    read_logs(o, a, e, &err);
    if (!o->failed && e->watched)
        ax_fault_install(&err);
    if (o->failed || err.code || attach_segment(e, segment_fd, &err) < 0)
        goto fail;
    if (ax_engine_new(&eo, &e->engine, &err) < 0)
        goto fail;
    return e;
fail:
    if (!o->failed)
        ax_throw_err(o->env, &err, "ERR_ENGINE");
    if (e)
        free_native(e);
    return NULL;
}

napi_value ax_js_engineNew(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg, ret = NULL;
    struct ax_arena a;

    if (napi_get_cb_info(env, info, &argc, &arg, NULL, NULL) != napi_ok)
        return NULL;
    ax_arena_init(&a, NULL, 0, 1u << 20);
    struct ax_reader o = ax_reader_over(env, arg, "", -1);
    struct ax_native *e = o.failed ? NULL : make(&o, &a);
    ax_arena_reset(&a);
    if (e && napi_create_bigint_uint64(env, (uint64_t)(uintptr_t)e, &ret) != napi_ok)
        free_native(e);
    return ret;
}

static struct ax_native *native_arg(napi_env env, napi_callback_info info)
{
    size_t argc = 1;
    napi_value arg;

    if (napi_get_cb_info(env, info, &argc, &arg, NULL, NULL) != napi_ok)
        return NULL;
    return ax_native_of(env, arg);
}

napi_value ax_js_engineAttach(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b;
    size_t argc = 2;
    napi_value argv[2];
    void *data;
    uint32_t serial = 0;

    AX_NAPI_TRY(napi_get_cb_info(env, info, &argc, argv, NULL, &data));
    b = AX_CAST(struct ax_bridge, data, AX_BRIDGE_MAGIC);
    struct ax_native *e = ax_native_of(env, argv[0]);
    if (!e)
        return NULL;
    AX_NAPI_TRY(napi_get_value_uint32(env, argv[1], &serial));
    b->native = e;
    ax_fault_attach(e, b, serial);
    return NULL;
fail:
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                          "engineAttach wants an engine and this thread's number");
    return NULL;
}

napi_value ax_js_engineSetStopping(napi_env env, napi_callback_info info)
{
    struct ax_native *e = native_arg(env, info);

    if (e)
        ax_engine_set_stopping(e->engine);
    return NULL;
}

napi_value ax_js_engineStopAccepting(napi_env env, napi_callback_info info)
{
    struct ax_native *e = native_arg(env, info);

    if (e)
        ax_engine_stop_accepting(e->engine);
    return NULL;
}

napi_value ax_js_engineReopenLogs(napi_env env, napi_callback_info info)
{
    struct ax_native *e = native_arg(env, info);
    struct ax_err err = {0};

    if (!e)
        return NULL;
    int rc = ax_log_reopen(&e->log, &err);
    int rc2 = ax_log_reopen(&e->access, &err); /* the first error is kept; both are tried */
    return rc < 0 || rc2 < 0 ? ax_throw_err(env, &err, "ERR_LOG") : NULL;
}

napi_value ax_js_engineTrim(napi_env env, napi_callback_info info)
{
    napi_value ret;

    (void)info;
    return napi_create_double(env, (double)ax_trim_program(), &ret) == napi_ok ? ret : NULL;
}

napi_value ax_js_engineHandedOver(napi_env env, napi_callback_info info)
{
    struct ax_native *e = native_arg(env, info);
    napi_value ret;

    return e && napi_get_boolean(env, ax_engine_handed_over(e->engine), &ret) == napi_ok ? ret : NULL;
}

/* A closed worker of this environment is freed with it: its last requests are still counted in the segment.
 */
napi_value ax_js_engineFree(napi_env env, napi_callback_info info)
{
    struct ax_bridge *b = ax_bridge_of(env, info);
    struct ax_native *e = native_arg(env, info);

    if (!b || !e)
        return NULL;
    if (b->native == e) {
        if (b->life == AX_BRIDGE_RUNNING || b->life == AX_BRIDGE_CLOSING) {
            napi_throw_error(env, "ERR_STATE", "the engine has a worker that is not closed");
            return NULL;
        }
        ax_bridge_unlist(b);
        ax_bridge_free_worker(b);
        b->native = NULL;
    }
    free_native(e);
    return NULL;
}

/* ---- the site */

static bool same_route(const struct ax_route *a, const struct ax_route *b)
{
    return a->kind == b->kind && a->method == b->method && ax_str_eq(a->pattern, b->pattern) &&
           ax_str_eq(a->name, b->name) && ax_str_eq(a->headers, b->headers) && ax_str_eq(a->body, b->body) &&
           ax_str_eq(a->folder, b->folder) && ax_str_eq(a->index, b->index) &&
           ax_str_eq(a->fallback, b->fallback) && a->status == b->status &&
           a->health_live == b->health_live && a->timeout_us == b->timeout_us && a->body_max == b->body_max &&
           a->stream == b->stream && a->max_inflight == b->max_inflight && a->queue == b->queue &&
           a->group == b->group && a->use.login == b->use.login && a->use.cors == b->use.cors &&
           a->use.rate == b->use.rate && a->use.compress == b->use.compress;
}

static int compare(const struct ax_site *site, const struct ax_route *routes, unsigned n, int *ret_bad,
                   struct ax_err *reterr)
{
    unsigned have = ax_site_routes(site);

    for (unsigned i = 0; i < n && i < have; i++) {
        const struct ax_route *r = ax_site_route(site, i + 1);
        if (!same_route(r, &routes[i])) {
            *ret_bad = (int)i;
            return ax_fail(reterr, AX_E_STATE,
                           "the routes differ between workers: %s %.*s here, %s %.*s in the first worker",
                           ax_method_name(routes[i].method), (int)routes[i].pattern.n, routes[i].pattern.p,
                           ax_method_name(r->method), (int)r->pattern.n, r->pattern.p);
        }
    }
    if (n != have)
        return ax_fail(reterr, AX_E_STATE,
                       "the routes differ between workers: %u here, %u in the first worker", n, have);
    return 0;
}

static int build(struct ax_native *e, const struct ax_settings *settings, const struct ax_site_parts *parts,
                 int *ret_bad, int *ret_login, struct ax_err *reterr)
{
    unsigned n = parts->nroutes;
    struct ax_site *site = ax_site_new(settings);
    int rc = site ? 0 : ax_fail(reterr, AX_E_NOMEM, "no memory for the routes");

    if (rc == 0 && parts->policies)
        rc = ax_site_police(site, parts->policies, ret_login, reterr);
    for (unsigned i = 0; rc == 0 && i < n; i++) {
        rc = ax_site_add(site, &parts->routes[i], reterr);
        if (rc < 0)
            *ret_bad = (int)i;
    }
    for (unsigned i = 0; rc == 0 && i < parts->nproxies; i++)
        rc = ax_site_trust(site, parts->proxies[i], reterr);
    if (rc < 0 || (rc = ax_site_freeze(site, reterr)) < 0)
        goto fail;
    if (!e->segment && (rc = ax_segment_private(e->workers, n + 1, &e->segment, reterr)) < 0)
        goto fail;
    rc = ax_site_publish(site, e->segment, reterr);
    if (rc < 0)
        goto fail;
    e->site = site;
    return 0;
fail:
    ax_site_unref(site);
    return rc;
}

int ax_native_site(struct ax_native *e, const struct ax_settings *settings, const struct ax_site_parts *parts,
                   struct ax_site **ret, int *ret_bad, int *ret_login, struct ax_err *reterr)
{
    *ret_bad = *ret_login = -1;
    pthread_mutex_lock(&e->lock);
    int rc = e->site ? compare(e->site, parts->routes, parts->nroutes, ret_bad, reterr)
                     : build(e, settings, parts, ret_bad, ret_login, reterr);
    if (rc == 0)
        *ret = ax_site_ref(e->site);
    pthread_mutex_unlock(&e->lock);
    return rc;
}
