#include "supervisor/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "net/mailbox.h"
#include "supervisor/spawn.h"

enum { ENGINE_MAGIC = 0x454e4749, EOF_PATIENCE_MS = 2000, READ_CHUNK = 65536, ORDERS_MAX = 1 << 16 };
enum {
    ROUTES_PER_PATH = 8,
    ROUTES_IN_CODE = 1024
}; /* a path may export a route per method; modules may add some */

struct ax_engine {
    uint32_t magic;
    struct ax_engine_options o;
    uv_pipe_t control;
    uv_timer_t patience; /* runs from end of file on the control pair: a living engine never closes it */
    struct ax_buf line;  /* bytes of a message that has no end yet */
    pid_t pid;
    int status;
    bool ended, killed;
    unsigned open; /* handles to close before freeing */
};

pid_t ax_engine_pid(const struct ax_engine *e)
{
    return e->pid;
}

/* ---- what it says */
static void handle_line(struct ax_engine *e, struct ax_str line)
{
    struct ax_message m;
    struct ax_err err = {0};

    if (ax_str_trim(line).n == 0)
        return;
    if (ax_message_parse(line, &m, &err) < 0) {
        ax_log_error(e->o.log, "%s", err.msg);
        return;
    }
    e->o.on_message(e->o.ctx, &m);
    ax_message_fini(&m);
}

static void feed(struct ax_engine *e, const char *p, size_t n)
{
    if (!ax_buf_add(&e->line, p, n)) {
        if (e->line.n + n > AX_ENGINE_LINE_MAX)
            ax_log_error(e->o.log, "the engine sent a message of more than %d bytes", AX_ENGINE_LINE_MAX);
        else
            ax_log_error(e->o.log, "out of memory for a message of the engine");
        ax_buf_clear(&e->line);
        ax_engine_kill(e);
        return;
    }
    size_t done = 0;
    const char *nl;
    while ((nl = memchr(e->line.p + done, '\n', e->line.n - done))) {
        size_t end = (size_t)(nl - e->line.p);
        handle_line(e, (struct ax_str){e->line.p + done, end - done});
        done = end + 1;
    }
    ax_buf_drop(&e->line, done);
}

static void on_patience(uv_timer_t *t)
{
    struct ax_engine *e = AX_CAST(struct ax_engine, t->data, ENGINE_MAGIC);

    ax_log_error(e->o.log, "engine %ld closed its control channel and is killed", (long)e->pid);
    ax_engine_kill(e);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)h;
    (void)suggested;
    buf->base = ax_malloc(READ_CHUNK);
    buf->len = buf->base ? READ_CHUNK : 0;
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct ax_engine *e = AX_CAST(struct ax_engine, s->data, ENGINE_MAGIC);

    if (n > 0)
        feed(e, buf->base, (size_t)n);
    ax_free(buf->base);
    if (n < 0 && n != UV_ENOBUFS) {
        uv_read_stop(s);
        uv_timer_start(&e->patience, on_patience, EOF_PATIENCE_MS, 0);
    }
}

/* ---- its end */
static void on_closed(uv_handle_t *h)
{
    struct ax_engine *e = AX_CAST(struct ax_engine, h->data, ENGINE_MAGIC);

    if (--e->open > 0)
        return;
    struct ax_engine_options o = e->o;
    int status = e->status;
    ax_buf_fini(&e->line);
    e->magic = 0;
    ax_free(e);
    if (o.on_exit)
        o.on_exit(o.ctx, status);
}

static void close_handles(struct ax_engine *e)
{
    uv_close((uv_handle_t *)&e->control, on_closed);
    uv_close((uv_handle_t *)&e->patience, on_closed);
}

/* What it wrote just before its end still lies in the socket. */
static void read_rest(struct ax_engine *e)
{
    uv_os_fd_t fd;
    char buf[4096];
    ssize_t n;

    if (uv_fileno((uv_handle_t *)&e->control, &fd) < 0)
        return;
    for (;;) {
        n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        feed(e, buf, (size_t)n);
    }
}

void ax_engine_child(struct ax_engine *e)
{
    if (e->ended || !ax_spawn_ended(e->pid, &e->status))
        return;
    e->ended = true;
    read_rest(e);
    close_handles(e);
}

void ax_engine_kill(struct ax_engine *e)
{
    if (e->ended || e->killed)
        return;
    e->killed = true;
    if (kill(-e->pid, SIGKILL) < 0)
        kill(e->pid, SIGKILL);
}

/* ---- what it is told */
static void on_written(uv_write_t *req, int status)
{
    (void)status; /* a broken pair shows as end of file */
    ax_free(req);
}

void ax_engine_order(struct ax_engine *e, enum ax_order order)
{
    static const struct ax_str text[] = {
        AX_STR("{\"type\":\"lame_duck\"}\n"),
        AX_STR("{\"type\":\"stop\",\"reason\":\"stop\"}\n"),
        AX_STR("{\"type\":\"stop\",\"reason\":\"reload\"}\n"),
        AX_STR("{\"type\":\"handover\"}\n"),
        AX_STR("{\"type\":\"workers\"}\n"),
        AX_STR("{\"type\":\"reopen_logs\"}\n"),
    };
    struct ax_str t = text[order];
    union {
        const char *from;
        char *to;
    } p = {.from = t.p}; /* libuv reads it only */
    uv_buf_t buf = uv_buf_init(p.to, (unsigned)t.n);

    if (e->ended || uv_stream_get_write_queue_size((uv_stream_t *)&e->control) > ORDERS_MAX)
        return;
    uv_write_t *req = ax_malloc(sizeof *req);
    if (!req || uv_write(req, (uv_stream_t *)&e->control, &buf, 1, on_written) < 0)
        ax_free(req);
}

/* ---- its start */
struct start {
    int fds[AX_SOCKETS_MAX + 5];
    unsigned nfds;
    int segment_fd, plan_fd, pair[2], mailbox[2]; /* pair, mailbox: ours, the engine's */
    char plan_text[16], control_text[16];
};

static int open_channels(struct start *st, struct ax_err *reterr)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, st->pair) < 0)
        return ax_fail_os(reterr, errno, "cannot make the engine's control channel");
    return ax_mailbox_pair(&st->mailbox[1], &st->mailbox[0], reterr);
}

/* In the order of the engine's descriptors; returns the number that `fd` will have there. */
static int give(struct start *st, int fd)
{
    st->fds[st->nfds] = fd;
    return AX_SPAWN_FIRST_FD + (int)st->nfds++;
}

static int open_fds(const struct ax_engine_options *o, struct start *st, struct ax_segment **segment,
                    struct ax_err *reterr)
{
    struct ax_plan_input in = o->plan;
    unsigned routes = (unsigned)in.manifest->nroutes * ROUTES_PER_PATH + ROUTES_IN_CODE;

    int rc = ax_segment_create(in.workers, routes, segment, &st->segment_fd, reterr);
    if (rc == 0)
        rc = open_channels(st, reterr);
    if (rc < 0)
        return rc;
    in.first_fd = AX_SPAWN_FIRST_FD;
    for (size_t i = 0; in.sockets && i < in.sockets->n; i++)
        give(st, in.sockets->v[i].fd);
    in.segment_fd = give(st, st->segment_fd);
    int control_fd = give(st, st->pair[1]);
    in.mailbox_fd = give(st, st->mailbox[1]);
    in.board_fd = o->board_fd >= 0 ? give(st, o->board_fd) : -1;
    rc = st->plan_fd = ax_plan_memfd(&in, reterr);
    if (rc < 0)
        return rc;
    snprintf(st->plan_text, sizeof st->plan_text, "%d", give(st, st->plan_fd));
    snprintf(st->control_text, sizeof st->control_text, "%d", control_fd);
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* A worker thread gets limits.heap from whoever starts it; a worker that is the main thread from its program.
 */
static void heap_option(const struct ax_plan_input *in, char *out, size_t bytes)
{
    int64_t mb = in->manifest->server.isolation == AX_ISOLATION_PROCESS ? ax_plan_heap_mb(in->manifest) : 0;

    out[0] = '\0';
    if (mb > 0)
        snprintf(out, bytes, "--max-old-space-size=%lld", (long long)mb);
}

static pid_t spawn(const struct ax_engine_options *o, struct start *st, struct ax_err *reterr)
{
    const struct ax_strings *opts = &o->plan.manifest->server.node_options;
    const char *tail[] = {o->script, "--plan-fd", st->plan_text, "--control-fd", st->control_text};
    const char **argv = ax_calloc(opts->n + AX_COUNT(tail) + 3, sizeof *argv);
    char heap[48];
    size_t n = 0;

    if (!argv)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    heap_option(&o->plan, heap, sizeof heap);
    argv[n++] = o->node;
    if (heap[0])
        argv[n++] = heap;
    for (size_t i = 0; i < opts->n; i++)
        argv[n++] = opts->v[i];
    for (size_t i = 0; i < AX_COUNT(tail); i++)
        argv[n++] = tail[i];
    /* exec takes char *const[] for history's sake and changes nothing (POSIX, exec, RATIONALE) */
    union {
        const char **from;
        char *const *to;
    } v = {.from = argv};
    pid_t pid = ax_spawn(
        &(struct ax_spawn){o->node, v.to, o->env->v, st->fds, st->nfds, o->output, o->output}, reterr);
    ax_free(argv);
    return pid;
}

static int listen_to(struct ax_engine *e, int *fd, struct ax_err *reterr)
{
    uv_timer_init(e->o.loop, &e->patience);
    int rc = uv_pipe_init(e->o.loop, &e->control, 0);
    e->control.data = e->patience.data = e;
    e->open = 2;
    if (rc == 0 && (rc = uv_pipe_open(&e->control, *fd)) == 0) {
        *fd = -1; /* the handle's now */
        rc = uv_read_start((uv_stream_t *)&e->control, on_alloc, on_read);
    }
    if (rc < 0)
        ax_fail(reterr, AX_E_SYS, "cannot listen to the engine: %s", uv_strerror(rc));
    return rc < 0 ? -AX_E_SYS : 0;
}

static void close_start(const struct start *st)
{
    close_fd(st->plan_fd);
    close_fd(st->pair[1]);
    close_fd(st->mailbox[1]);
}

int ax_engine_start(const struct ax_engine_options *o, struct ax_engine **ret,
                    struct ax_engine_parts *ret_parts, struct ax_err *reterr)
{
    struct start st = {.segment_fd = -1, .plan_fd = -1, .pair = {-1, -1}, .mailbox = {-1, -1}};
    struct ax_segment *segment = NULL;
    struct ax_engine *e = ax_calloc(1, sizeof *e);
    int rc = e ? open_fds(o, &st, &segment, reterr) : ax_fail(reterr, AX_E_NOMEM, "out of memory");

    if (rc == 0) {
        *e = (struct ax_engine){.magic = ENGINE_MAGIC, .o = *o, .line = AX_BUF_INIT(AX_ENGINE_LINE_MAX)};
        rc = e->pid = spawn(o, &st, reterr);
    }
    close_start(&st);
    if (rc > 0 && listen_to(e, &st.pair[0], reterr) == 0) {
        *ret = e;
        *ret_parts = (struct ax_engine_parts){segment, st.segment_fd, st.mailbox[0]};
        return 0;
    }
    close_fd(st.segment_fd);
    close_fd(st.pair[0]);
    close_fd(st.mailbox[0]);
    ax_segment_free(segment);
    if (rc <= 0) {
        ax_free(e);
        return rc;
    }
    ax_spawn_kill(e->pid); /* its handles are on the loop: they free it */
    e->ended = true;
    e->o.on_exit = NULL;
    close_handles(e);
    return -AX_E_SYS;
}

/* ---- from one program to the next */
int ax_engine_adopt(const struct ax_engine_options *o, pid_t pid, int control, struct ax_str rest,
                    struct ax_engine **ret, struct ax_err *reterr)
{
    struct ax_engine *e = ax_calloc(1, sizeof *e);

    if (!e)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    *e = (struct ax_engine){
        .magic = ENGINE_MAGIC, .o = *o, .pid = pid, .line = AX_BUF_INIT(AX_ENGINE_LINE_MAX)};
    if (!ax_buf_add(&e->line, rest.p, rest.n)) {
        ax_buf_fini(&e->line);
        ax_free(e);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    int rc = listen_to(e, &control, reterr);
    if (rc == 0) {
        *ret = e;
        return 0;
    }
    e->ended = true; /* its handles are on the loop: they free it */
    e->o.on_exit = NULL;
    close_handles(e);
    return rc;
}

bool ax_engine_leave(const struct ax_engine *e, int *ret_control, struct ax_str *ret_rest)
{
    uv_os_fd_t fd;

    if (e->ended || uv_stream_get_write_queue_size((const uv_stream_t *)&e->control) > 0 ||
        uv_fileno((const uv_handle_t *)&e->control, &fd) < 0)
        return false;
    *ret_control = fd;
    *ret_rest = ax_buf_str(&e->line);
    return true;
}
