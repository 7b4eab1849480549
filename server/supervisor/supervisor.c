#include "supervisor/supervisor.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "supervisor/dirs.h"
#include "supervisor/node.h"
#include "supervisor/supervisor_private.h"

enum {
    FILES_ENGINE = 64,
    FILES_PER_WORKER = 32
}; /* descriptors beside connections: Node's own, logs, loops */
enum { INT_ECHO_US = 20000 };
enum { FILES_KEPT = 16 }; /* so many connections are always left */

int64_t ax_fit_connections(int64_t connections, uint64_t files, unsigned workers)
{
    uint64_t own = FILES_ENGINE + (uint64_t)workers * FILES_PER_WORKER;
    uint64_t room = files > own + FILES_KEPT ? files - own : FILES_KEPT;

    return connections == AX_OFF || (uint64_t)connections <= room ? connections : (int64_t)room;
}

/* ---- set-up, one step each */
static int setup_node(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_dirs dirs;
    int rc = ax_env_make(s->m, s->o->environ, NULL, &s->env, reterr);

    if (rc < 0 || !(s->node = ax_node_find(s->m, &s->env, reterr)))
        return rc < 0 ? rc : -AX_E_MISSING;
    rc = ax_node_check(s->node, &s->env, reterr);
    if (rc < 0)
        return rc;
    rc = ax_install_dirs(&dirs, reterr);
    if (rc < 0)
        return rc;
    s->script = s->o->engine_js ? ax_strdup(s->o->engine_js) : ax_path_join(dirs.lib, "addon/engine.js");
    ax_install_dirs_fini(&dirs);
    return s->script ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

/* What AUTO means for access lines depends on where they go. */
static enum ax_log_format access_format(const struct ax_manifest *m)
{
    enum ax_log_format f = ax_log_format_of(m->log.format);
    int fd = !m->log.access ? -1 : strcmp(m->log.access, "stdout") == 0 ? STDOUT_FILENO : -1;

    if (f != AX_LOG_AUTO)
        return f;
    return fd >= 0 && isatty(fd) ? AX_LOG_TEXT : AX_LOG_JSON;
}

static int setup_log(struct ax_supervisor *s, struct ax_err *reterr)
{
    enum ax_log_format f = ax_log_format_of(s->m->log.format);
    char *target = ax_log_target(s->m, s->m->log.output ? s->m->log.output : "stderr");

    if (!target)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    /* "combined" is a form of access lines only */
    int rc = ax_log_open(&s->log, target, f == AX_LOG_COMBINED ? AX_LOG_AUTO : f,
                         ax_log_level_of(s->m->log.level), reterr);
    ax_free(target);
    s->access_format = access_format(s->m);
    return rc;
}

static int setup_state(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_err why = {0};
    int rc = ax_state_paths(&s->o->state, &s->state, reterr);

    if (rc < 0)
        return rc;
    rc = ax_state_take(&s->state, s->m->server.control.group, s->o->pid_file, &s->lock, &why);
    s->with_state = rc == 0;
    if (rc == -AX_E_STATE && !s->state.asked && !s->o->pid_file) {
        ax_log_warn(&s->log, "%s: running without metrics database and control socket", why.msg);
        return 0;
    }
    return rc < 0 ? ax_fail(reterr, why.code, "%s", why.msg) : 0;
}

static int setup_sockets(struct ax_supervisor *s, struct ax_err *reterr)
{
    const struct ax_listen *over = s->o->listen;
    struct ax_sockets_input in = {over ? over : s->m->server.listen, over ? 1 : s->m->server.nlisten,
                                  s->m->server.backlog, s->m->root, ax_in_container()};

    if (!over) {
        int rc = ax_sockets_inherit(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), &s->sockets, reterr);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
    return ax_sockets_open(&in, &s->sockets, reterr);
}

static void setup_limits(struct ax_supervisor *s)
{
    struct rlimit r;

    s->workers = ax_plan_workers(s->m, s->o->workers);
    s->connections = s->m->limits.connections;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    s->connections = ax_fit_connections(s->connections, r.rlim_max, s->workers);
    if (s->connections != s->m->limits.connections)
        ax_log_warn(&s->log,
                    "limits.connections is lowered to %" PRId64
                    ": the limit of open files (RLIMIT_NOFILE) is %" PRIu64,
                    s->connections, (uint64_t)r.rlim_max);
}

static int setup_writer(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_writer_options o = {
        .store = {.path = s->with_state ? s->state.database : NULL,
                  .retention_us = s->m->metrics.retention_us,
                  .max_bytes = s->m->metrics.size},
        .interval_us = s->m->metrics.interval_us,
        .log = &s->log,
    };

    return ax_writer_start(&o, &s->writer, reterr);
}

/* ---- signals */
static void on_hup(struct ax_supervisor *s)
{
    ax_log_warn(&s->log, "reload is not supported yet");
}

static void on_usr1(struct ax_supervisor *s)
{
    struct ax_err err = {0};

    if (ax_log_reopen(&s->log, &err) < 0)
        ax_log_error(&s->log, "%s", err.msg);
    if (s->engine)
        ax_engine_order(s->engine, AX_ORDER_REOPEN_LOGS);
}

/* `timeout` and `npm` send the INT on that the terminal sends to all: two within a moment are one. */
static void on_int(struct ax_supervisor *s)
{
    ax_mono now = ax_mono_now();

    if (s->phase < AX_LAME_DUCK)
        ax_run_stop(s);
    else if (s->first_int.us == 0 || now.us - s->first_int.us > INT_ECHO_US)
        ax_run_kill(s);
    if (s->first_int.us == 0)
        s->first_int = now;
}

static void on_signal(uv_signal_t *h, int sig)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, h->data, AX_SUPERVISOR_MAGIC);

    if (sig == SIGCHLD && s->engine)
        ax_engine_child(s->engine);
    else if (sig == SIGHUP)
        on_hup(s);
    else if (sig == SIGUSR1)
        on_usr1(s);
    else if (sig == SIGINT)
        on_int(s);
    else if (sig == SIGTERM)
        ax_run_stop(s);
}

static char *on_status(void *ctx)
{
    return ax_status_text(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC));
}

static void on_stop(void *ctx)
{
    ax_run_stop(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC));
}

static uint64_t on_flush(void *ctx)
{
    return ax_writer_hurry(AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC)->writer);
}

/* The writer's thread. */
static void on_round(void *ctx)
{
    uv_async_send(&AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC)->written);
}

static void on_written(uv_async_t *h)
{
    struct ax_supervisor *s = AX_CAST(struct ax_supervisor, h->data, AX_SUPERVISOR_MAGIC);

    ax_control_flushed(s->control, ax_writer_rounds(s->writer));
}

static int setup_control(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_control_options o = {.loop = &s->loop,
                                   .path = s->state.socket,
                                   .mode = s->m->server.control.mode,
                                   .group = s->m->server.control.group,
                                   .status = on_status,
                                   .stop = on_stop,
                                   .flush = on_flush,
                                   .ctx = s};

    return s->with_state ? ax_control_open(&o, &s->control, reterr) : 0;
}

/* ---- the loop */
static int open_handles(struct ax_supervisor *s, struct ax_err *reterr)
{
    static const int numbers[AX_SIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
    uv_timer_t *timers[] = {&s->retry, &s->startup, &s->lame, &s->shutdown, &s->report};
    int rc = 0;

    s->written.data = s;
    ax_writer_notify(s->writer, on_round, s);
    for (unsigned i = 0; i < AX_COUNT(timers); i++) {
        uv_timer_init(&s->loop, timers[i]);
        timers[i]->data = s;
    }
    for (unsigned i = 0; i < AX_SIGNALS; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        if (rc == 0)
            rc = uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
    if (rc < 0)
        return ax_fail(reterr, AX_E_SYS, "cannot watch signals: %s", uv_strerror(rc));
    return 0;
}

void ax_supervisor_over(struct ax_supervisor *s)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&s->retry, (uv_handle_t *)&s->startup, (uv_handle_t *)&s->lame,
                              (uv_handle_t *)&s->shutdown, (uv_handle_t *)&s->report};

    if (s->phase == AX_OVER)
        return;
    s->phase = AX_OVER;
    ax_writer_notify(s->writer, NULL, NULL);
    uv_close((uv_handle_t *)&s->written, NULL);
    for (unsigned i = 0; i < AX_COUNT(handles); i++)
        uv_close(handles[i], NULL);
    for (unsigned i = 0; i < AX_SIGNALS; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    ax_control_close(s->control, s->result.forced);
    s->control = NULL;
    ax_admin_close(s->admin);
    s->admin = NULL;
}

static int run(struct ax_supervisor *s, struct ax_err *reterr)
{
    int rc = uv_loop_init(&s->loop);

    if (rc < 0)
        return ax_fail(reterr, AX_E_SYS, "cannot make the event loop: %s", uv_strerror(rc));
    rc = uv_async_init(&s->loop, &s->written, on_written);
    if (rc < 0) {
        uv_loop_close(&s->loop);
        return ax_fail(reterr, AX_E_SYS, "cannot watch the metrics writer: %s", uv_strerror(rc));
    }
    rc = open_handles(s, reterr);
    if (rc == 0)
        rc = setup_control(s, reterr);
    if (rc == 0)
        rc = ax_supervisor_admin(s, reterr);
    if (rc == 0)
        rc = ax_run_engine(s, reterr);
    if (rc < 0) {
        s->failed = true;
        ax_supervisor_over(s);
    }
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    return rc;
}

static int setup(struct ax_supervisor *s, struct ax_err *reterr)
{
    int rc = setup_log(s, reterr);

    if (rc < 0 || (rc = setup_node(s, reterr)) < 0 || (rc = setup_state(s, reterr)) < 0 ||
        (rc = setup_sockets(s, reterr)) < 0)
        return rc;
    setup_limits(s);
    return setup_writer(s, reterr);
}

/* The last write of the metrics, and the pid files before the lock: who then takes the lock finds none. */
static void teardown(struct ax_supervisor *s)
{
    ax_writer_stop(s->writer);
    ax_sockets_close(&s->sockets);
    ax_state_release(&s->lock);
    ax_state_fini(&s->state);
    ax_env_fini(&s->env);
    ax_free(s->node);
    ax_free(s->script);
    ax_log_close(&s->log);
    s->magic = 0;
    ax_free(s);
}

int ax_serve(const struct ax_serve_options *o, struct ax_serve_result *ret, struct ax_err *reterr)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct ax_supervisor *s = ax_calloc(1, sizeof *s);

    if (!s)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    *s = (struct ax_supervisor){
        .magic = AX_SUPERVISOR_MAGIC, .o = o, .m = o->manifest, .started = ax_mono_now()};
    s->lock.fd = -1;
    s->log.fd = -1;
    sigaction(SIGPIPE, &ignore, &before);
    int rc = setup(s, &s->err);
    if (rc == 0)
        rc = run(s, &s->err);
    if (rc == 0 && s->failed)
        rc = s->err.code ? -(int)s->err.code : -AX_E_STATE;
    if (rc < 0 && s->err.code && reterr && reterr->code == AX_OK)
        *reterr = s->err;
    *ret = s->result;
    teardown(s);
    sigaction(SIGPIPE, &before, NULL);
    return rc;
}
