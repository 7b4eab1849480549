/* What the engine's watchdog tells: as text for people and in parts for engine.js, which is called on its own
 * thread. Where handlers run on that thread (isolation: process) nobody in JavaScript can react: the watchdog
 * then writes the messages of plan.d.ts itself, and ends the process when its connections have left. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "bridge.h"
#include "native.h"

enum { TEXT_MAX = 65536, EXIT_TAKEN = 70, WRITE_PATIENCE_MS = 1000 };
enum { ORPHAN_S = 15 }; /* so long its connections may wait for the process that takes its place */

/* OWNED by whoever handles it. */
struct event {
    struct ax_engine_event ev;
    uint32_t serial;           /* of the thread; 0 = unknown */
    bool parked;               /* it never ends */
    const struct ax_route *at; /* BORROWED from the site; NULL = nobody can say */
    struct ax_buf text;        /* what happened, one line */
    struct ax_buf counts;      /* what became of its requests and connections */
};

/* ---- who and where */

static const struct ax_route *route_of(const struct ax_native *e, uint32_t id)
{
    return e->site && id >= 1 && id <= ax_site_routes(e->site) ? ax_site_route(e->site, id) : NULL;
}

/* The latest thread that had this place is the one taken over: its successor starts when this is told. */
static void find_thread(struct ax_native *e, struct event *v)
{
    uint32_t route = v->ev.route ? v->ev.route : atomic_load(&e->culprits[v->ev.worker]);

    pthread_mutex_lock(&e->lock);
    AX_LIST_EACH(it, &e->bridges)
    {
        struct ax_bridge *b = AX_LIST_ENTRY(it, struct ax_bridge, node);
        if (b->id != v->ev.worker || b->serial < v->serial)
            continue;
        v->serial = b->serial;
        v->parked = atomic_load(&b->parked);
    }
    v->at = route_of(e, route);
    pthread_mutex_unlock(&e->lock);
}

/* ---- the text */

static void add_count(struct ax_buf *b, unsigned n, const char *what)
{
    if (n)
        ax_buf_addf(b, "%s%u %s", b->n ? ", " : "", n, what);
}

static void add_place(struct ax_buf *b, const struct event *v)
{
    if (v->at)
        ax_buf_addf(b, "%s %.*s", ax_method_name(v->at->method), (int)v->at->pattern.n, v->at->pattern.p);
    else
        ax_buf_adds(b, "a call into JavaScript");
    if (v->ev.id[0])
        ax_buf_addf(b, " (request %s)", v->ev.id);
}

static void describe(const struct ax_native *e, struct event *v)
{
    struct ax_buf *t = &v->text;

    add_count(&v->counts, v->ev.answered_504, "answered 504");
    add_count(&v->counts, v->ev.answered_502, "answered 502");
    add_count(&v->counts, v->ev.rerun, "run by another worker");
    add_count(&v->counts, v->ev.moved, v->ev.moved == 1 ? "connection moved" : "connections moved");
    ax_buf_addf(t, "worker %u: ", v->ev.worker);
    add_place(t, v);
    if (v->ev.kind == AX_EV_STUCK)
        ax_buf_addf(t, " is stuck in native code");
    else if (v->ev.why == AX_TAKE_ABORT)
        ax_buf_adds(t, v->parked ? " made V8 abort, most likely out of memory (limits.heap)"
                                 : " ended the worker");
    else
        ax_buf_addf(t, " did not return within timeouts.stall (%g s)", (double)e->stall_us / 1e6);
    if (v->counts.n)
        ax_buf_addf(t, "; %.*s", (int)v->counts.n, v->counts.p);
}

static void free_event(struct event *v)
{
    ax_buf_fini(&v->text);
    ax_buf_fini(&v->counts);
    ax_free(v);
}

static struct event *make_event(struct ax_native *e, const struct ax_engine_event *ev)
{
    struct event *v = ax_calloc(1, sizeof *v);

    if (!v)
        return NULL;
    v->ev = *ev;
    v->text = v->counts = AX_BUF_INIT(TEXT_MAX);
    find_thread(e, v);
    if (ev->kind != AX_EV_HANDED_OVER)
        describe(e, v);
    return v;
}

/* ---- to JavaScript */

static bool put(napi_env env, napi_value o, const char *name, napi_value v)
{
    return napi_set_named_property(env, o, name, v) == napi_ok;
}

static bool put_text(napi_env env, napi_value o, const char *name, struct ax_str s)
{
    napi_value v;

    return napi_create_string_utf8(env, s.p ? s.p : "", s.n, &v) == napi_ok && put(env, o, name, v);
}

static bool put_number(napi_env env, napi_value o, const char *name, uint32_t n)
{
    napi_value v;

    return napi_create_uint32(env, n, &v) == napi_ok && put(env, o, name, v);
}

static bool put_route(napi_env env, napi_value o, const struct ax_route *at)
{
    napi_value v;

    if (!at)
        return napi_get_null(env, &v) == napi_ok && put(env, o, "route", v);
    return napi_create_object(env, &v) == napi_ok &&
           put_text(env, v, "method", ax_str(ax_method_name(at->method))) &&
           put_text(env, v, "pattern", at->pattern) && put(env, o, "route", v);
}

static bool to_object(napi_env env, const struct event *v, napi_value *ret)
{
    static const char *const kinds[] = {
        [AX_EV_TAKEN] = "taken", [AX_EV_STUCK] = "stuck", [AX_EV_HANDED_OVER] = "handed_over"};
    napi_value parked;

    return napi_create_object(env, ret) == napi_ok &&
           put_text(env, *ret, "kind", ax_str(kinds[v->ev.kind])) &&
           put_number(env, *ret, "worker", v->ev.worker) && put_number(env, *ret, "serial", v->serial) &&
           put_text(env, *ret, "why", ax_str(v->ev.why == AX_TAKE_ABORT ? "abort" : "stall")) &&
           napi_get_boolean(env, v->parked, &parked) == napi_ok && put(env, *ret, "parked", parked) &&
           put_route(env, *ret, v->at) && put_text(env, *ret, "text", ax_buf_str(&v->text)) &&
           put_text(env, *ret, "counts", ax_buf_str(&v->counts));
}

/* On the thread of engine.js; without an environment it is only freed. */
static void deliver(napi_env env, napi_value fn, void *ctx, void *data)
{
    struct event *v = data;
    napi_value arg, self, ret;

    (void)ctx;
    if (env && to_object(env, v, &arg) && napi_get_undefined(env, &self) == napi_ok)
        napi_call_function(env, self, fn, 1, &arg, &ret); /* what it throws is an uncaught exception there */
    free_event(v);
}

bool ax_native_listen(struct ax_native *e, napi_env env, napi_value fn)
{
    napi_value name;

    AX_NAPI_TRY(napi_create_string_latin1(env, "ACTIX_EVENT", NAPI_AUTO_LENGTH, &name));
    AX_NAPI_TRY(
        napi_create_threadsafe_function(env, fn, NULL, name, 0, 1, NULL, NULL, NULL, deliver, &e->events));
    AX_NAPI_TRY(napi_unref_threadsafe_function(env, e->events));
    return true;
fail:
    napi_throw_error(env, "ERR_ENGINE", "cannot listen to the engine");
    return false;
}

/* ---- to the supervisor */

static void add_json(struct ax_buf *b, const char *before, struct ax_str s)
{
    ax_buf_addf(b, "%s\"", before);
    ax_buf_add_json(b, s);
    ax_buf_adds(b, "\"");
}

static void add_messages(struct ax_buf *b, const struct event *v)
{
    bool stall = v->ev.kind == AX_EV_STUCK || v->ev.why == AX_TAKE_STALL;

    ax_buf_addf(b, "{\"type\":\"event\",\"kind\":\"%s\",\"worker\":%u", stall ? "stall" : "crash",
                v->ev.worker);
    add_json(b, ",\"text\":", ax_buf_str(&v->text));
    ax_buf_addf(b, "}\n{\"type\":\"killed\",\"worker\":%u,\"why\":\"%s\",\"route\":", v->ev.worker,
                stall       ? "stall"
                : v->parked ? "heap"
                            : "exit");
    if (v->at) {
        add_json(b, "{\"method\":", ax_str(ax_method_name(v->at->method)));
        add_json(b, ",\"pattern\":", v->at->pattern);
        ax_buf_adds(b, "}}\n");
    } else {
        ax_buf_adds(b, "null}\n");
    }
}

/* The process ends here: it may be waited for a reader, for a moment. */
static void write_all(int fd, struct ax_str s)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_DONTWAIT | MSG_NOSIGNAL);
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno != EAGAIN || poll(&p, 1, WRITE_PATIENCE_MS) <= 0))
            return;
        if (n > 0)
            s = (struct ax_str){s.p + n, s.n - (size_t)n};
    }
}

static void tell_supervisor(const struct ax_native *e, const struct event *v, bool waits)
{
    struct ax_buf b = AX_BUF_INIT(TEXT_MAX);

    add_messages(&b, v);
    if (waits)
        ax_buf_adds(&b, "{\"type\":\"renew\",\"why\":\"its worker was taken over\"}\n");
    if (!b.failed)
        write_all(e->control_fd, ax_buf_str(&b));
    ax_buf_fini(&b);
}

/* What a process that cannot go on still has to do: tell, and wait until its connections have left, to its
 * neighbours or, where it has none, to the process that takes its place. */
static void end_process(struct ax_native *e, const struct event *v)
{
    if (v->ev.kind == AX_EV_HANDED_OVER) {
        if (!atomic_load(&e->doomed))
            return;
        write_all(e->control_fd, AX_STR("{\"type\":\"drained\"}\n"));
        _exit(EXIT_TAKEN);
    }
    bool waits = v->ev.kind == AX_EV_TAKEN && !ax_engine_handed_over(e->engine);
    tell_supervisor(e, v, waits && ax_engine_wants_heir(e->engine));
    if (!waits)
        _exit(EXIT_TAKEN);
    atomic_store(&e->doomed, true);
    alarm(ORPHAN_S);
}

void ax_native_on_event(void *native, const struct ax_engine_event *ev)
{
    struct ax_native *e = AX_CAST(struct ax_native, native, AX_NATIVE_MAGIC);
    struct event *v = make_event(e, ev);

    if (v && e->control_fd >= 0)
        end_process(e, v);
    if (v && (!e->events || napi_call_threadsafe_function(e->events, v, napi_tsfn_nonblocking) != napi_ok))
        free_event(v);
}
