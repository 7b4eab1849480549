#include "supervisor/control.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/list.h"
#include "supervisor/peercred.h"
#include "supervisor/state.h"
#include "supervisor/unixsock.h"

enum { CONTROL_MAGIC = 0x4354524c, CLIENT_MAGIC = 0x434c4945, BACKLOG = 16, OUTPUT_MAX = 1 << 20 };

struct ax_control {
    uint32_t magic;
    struct ax_control_options o;
    struct ax_peer_rule rule;
    uv_pipe_t server;
    struct ax_unix_file file;
    char *path; /* OWNED */
    struct ax_list clients;
    unsigned nclients; /* of them, those that are not closing */
    bool closing, server_closed;
};

struct client {
    uint32_t magic;
    struct ax_control *control; /* lives longer: it is freed after its last client */
    struct ax_list node;
    uv_pipe_t pipe;
    uv_timer_t idle;
    char in[AX_CONTROL_LINE_MAX];
    size_t n;       /* bytes in `in` */
    unsigned open;  /* handles to close before freeing */
    bool waits;     /* asked for stop: is told when all is over */
    bool reloads;   /* asked for a reload, which runs */
    uint64_t flush; /* asked for it: the number that it waits for; 0 = did not */
    bool half;      /* has sent all it will */
    bool last;      /* closes once what is being written has gone */
};

struct output {
    uv_write_t req;
    struct client *client;
    char *text; /* OWNED */
};

static void maybe_free(struct ax_control *c)
{
    if (!c->server_closed || !ax_list_empty(&c->clients))
        return;
    c->magic = 0;
    ax_free(c->path);
    ax_free(c);
}

/* ---- a client's end */
static void on_client_closed(uv_handle_t *h)
{
    struct client *cl = AX_CAST(struct client, h->data, CLIENT_MAGIC);
    struct ax_control *c = cl->control;

    if (--cl->open > 0)
        return;
    ax_list_remove(&cl->node);
    cl->magic = 0;
    ax_free(cl);
    maybe_free(c);
}

static void drop(struct client *cl)
{
    if (uv_is_closing((uv_handle_t *)&cl->pipe))
        return;
    cl->control->nclients--;
    uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
    uv_close((uv_handle_t *)&cl->idle, on_client_closed);
}

static void on_idle(uv_timer_t *t)
{
    drop(AX_CAST(struct client, t->data, CLIENT_MAGIC));
}

/* ---- answers */
static void on_written(uv_write_t *req, int status)
{
    struct output *out = AX_CONTAINER_OF(req, struct output, req);
    struct client *cl = AX_CAST(struct client, out->client, CLIENT_MAGIC);

    ax_free(out->text);
    ax_free(out);
    if (status < 0 || cl->last)
        drop(cl);
}

/* Takes `text` (NULL counts as out of memory) and ends the line. */
static void answer(struct client *cl, char *text)
{
    struct output *out = ax_calloc(1, sizeof *out);
    char *line = text ? ax_asprintf("%s\n", text) : NULL;

    ax_free(text);
    if (!out || !line || uv_stream_get_write_queue_size((uv_stream_t *)&cl->pipe) > OUTPUT_MAX)
        goto fail;
    out->client = cl;
    out->text = line;
    uv_buf_t buf = uv_buf_init(line, (unsigned)strlen(line));
    if (uv_write(&out->req, (uv_stream_t *)&cl->pipe, &buf, 1, on_written) == 0)
        return;
fail:
    ax_free(line);
    ax_free(out);
    drop(cl);
}

static char *error_line(const char *why)
{
    struct ax_buf b = AX_BUF_INIT(OUTPUT_MAX);

    ax_buf_adds(&b, "{\"error\":\"");
    ax_buf_add_json(&b, ax_str(why));
    ax_buf_adds(&b, "\"}");
    char *text = b.failed ? NULL : ax_strndup(b.p, b.n);
    ax_buf_fini(&b);
    return text;
}

static void refuse(struct client *cl, const char *why)
{
    cl->last = true;
    uv_read_stop((uv_stream_t *)&cl->pipe);
    answer(cl, error_line(why));
}

static void reload(struct client *cl)
{
    struct ax_control *c = cl->control;
    struct ax_err err = {0};

    if (cl->reloads) {
        refuse(cl, "a reload is already running");
        return;
    }
    cl->reloads = true; /* it may end within the call */
    uv_timer_stop(&cl->idle);
    if (c->o.reload(c->o.ctx, &err) == 0)
        return;
    cl->reloads = false;
    refuse(cl, err.msg);
}

static void run_command(struct client *cl, const char *line, size_t n)
{
    struct ax_control *c = cl->control;
    json_t *o = json_loadb(line, n, 0, NULL);
    const char *command = json_string_value(json_object_get(o, "command"));

    if (!command) {
        refuse(cl, "one JSON object a line is wanted, with a command");
    } else if (strcmp(command, "status") == 0) {
        answer(cl, c->o.status(c->o.ctx));
    } else if (strcmp(command, "stop") == 0) {
        cl->waits = true;
        uv_timer_stop(&cl->idle);
        answer(cl, ax_asprintf("{\"ok\":true,\"pid\":%ld}", (long)getpid()));
        c->o.stop(c->o.ctx);
    } else if (strcmp(command, "flush") == 0) {
        cl->flush = c->o.flush(c->o.ctx);
    } else if (strcmp(command, "reload") == 0) {
        reload(cl);
    } else {
        refuse(cl, "unknown command");
    }
    json_decref(o);
}

/* ---- questions */
static void take_lines(struct client *cl)
{
    char *nl;

    while (!cl->last && !uv_is_closing((uv_handle_t *)&cl->pipe) && (nl = memchr(cl->in, '\n', cl->n))) {
        size_t len = (size_t)(nl - cl->in);
        run_command(cl, cl->in, len);
        cl->n -= len + 1;
        memmove(cl->in, nl + 1, cl->n);
    }
    if (!cl->last && cl->n == sizeof cl->in)
        refuse(cl, "the line is too long");
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct client *cl = AX_CAST(struct client, h->data, CLIENT_MAGIC);

    (void)suggested;
    *buf = uv_buf_init(cl->in + cl->n, (unsigned)(sizeof cl->in - cl->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    struct client *cl = AX_CAST(struct client, s->data, CLIENT_MAGIC);

    (void)buf;
    if (n < 0) {
        /* one that has said all it wants (`printf … | nc -U`) may still wait for what it asked for */
        if (n == UV_EOF && (cl->waits || cl->flush || cl->reloads || uv_stream_get_write_queue_size(s) > 0)) {
            cl->last = !cl->waits && !cl->reloads;
            cl->half = true;
            uv_read_stop(s);
        } else {
            drop(cl);
        }
        return;
    }
    cl->n += (size_t)n;
    if (!cl->waits && !cl->reloads)
        uv_timer_again(&cl->idle);
    take_lines(cl);
}

/* Asked again, whatever the mode of the file is by now. */
static bool may_talk(const struct ax_control *c, const uv_pipe_t *pipe)
{
    uv_os_fd_t fd;

    return uv_fileno((const uv_handle_t *)pipe, &fd) == 0 && ax_peer_may_talk(&c->rule, fd);
}

static struct client *new_client(struct ax_control *c)
{
    struct client *cl = ax_calloc(1, sizeof *cl);

    if (!cl)
        return NULL;
    cl->magic = CLIENT_MAGIC;
    cl->control = c;
    uv_pipe_init(c->o.loop, &cl->pipe, 0);
    uv_timer_init(c->o.loop, &cl->idle);
    cl->pipe.data = cl->idle.data = cl;
    cl->open = 2;
    ax_list_push(&c->clients, &cl->node);
    c->nclients++;
    return cl;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct ax_control *c = AX_CAST(struct ax_control, server->data, CONTROL_MAGIC);
    struct client *cl = status == 0 ? new_client(c) : NULL;

    if (!cl)
        return;
    bool in = uv_accept(server, (uv_stream_t *)&cl->pipe) == 0 && c->nclients <= AX_CONTROL_CLIENTS_MAX;
    if (in && !may_talk(c, &cl->pipe))
        refuse(cl, "this user may not control the server");
    else if (in && uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read) == 0)
        uv_timer_start(&cl->idle, on_idle, c->o.idle_ms, c->o.idle_ms);
    else
        drop(cl);
}

void ax_control_flushed(struct ax_control *c, uint64_t number)
{
    if (!c || c->closing)
        return;
    AX_LIST_EACH(it, &c->clients)
    {
        struct client *cl = AX_LIST_ENTRY(it, struct client, node);
        if (!cl->flush || cl->flush > number || uv_is_closing((uv_handle_t *)&cl->pipe))
            continue;
        cl->flush = 0;
        answer(cl, ax_strdup("{\"ok\":true}"));
    }
}

static struct client *who_reloads(const struct ax_control *c)
{
    AX_LIST_EACH(it, &c->clients)
    {
        struct client *cl = AX_LIST_ENTRY(it, struct client, node);
        if (cl->reloads && !uv_is_closing((uv_handle_t *)&cl->pipe))
            return cl;
    }
    return NULL;
}

void ax_control_reloading(struct ax_control *c, char *text, bool last)
{
    struct client *who = c && !c->closing ? who_reloads(c) : NULL;

    if (!who) { /* a HUP asked for it, or the client has gone */
        ax_free(text);
        return;
    }
    who->reloads = !last;
    who->last = last && who->half;
    if (last && !who->half)
        uv_timer_start(&who->idle, on_idle, c->o.idle_ms, c->o.idle_ms);
    answer(who, text);
}

/* ---- life */
static void on_server_closed(uv_handle_t *h)
{
    struct ax_control *c = AX_CAST(struct ax_control, h->data, CONTROL_MAGIC);

    c->server_closed = true;
    maybe_free(c);
}

static int rule_of(const struct ax_control_options *o, struct ax_peer_rule *ret, struct ax_err *reterr)
{
    *ret = (struct ax_peer_rule){geteuid(), getegid(), o->mode};
    if (o->left) {
        ret->mode = o->left->mode;
        ret->group = o->left->group;
        return 0;
    }
    return o->group ? ax_group_id(o->group, &ret->group, reterr) : 0;
}

static void adopt_client(struct ax_control *c, const struct ax_control_client *left)
{
    struct client *cl = new_client(c);

    if (!cl || uv_pipe_open(&cl->pipe, left->fd) < 0) {
        close(left->fd);
        if (cl)
            drop(cl);
        return;
    }
    cl->reloads = left->reloads;
    cl->half = left->half;
    cl->last = left->half && !left->reloads;
    if (left->flush)
        cl->flush = c->o.flush(c->o.ctx);
    if (!left->half && uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read) < 0)
        drop(cl);
    else if (!left->reloads)
        uv_timer_start(&cl->idle, on_idle, c->o.idle_ms, c->o.idle_ms);
}

/* One that has sent half a line, or has not read its answer, is not worth it: its connection ends. */
static bool leave_client(struct client *cl, struct ax_control_client *ret)
{
    uv_os_fd_t fd;

    if (uv_is_closing((uv_handle_t *)&cl->pipe) || cl->n || (cl->last && !cl->flush) ||
        uv_stream_get_write_queue_size((uv_stream_t *)&cl->pipe) > 0 ||
        uv_fileno((uv_handle_t *)&cl->pipe, &fd) < 0)
        return false;
    *ret = (struct ax_control_client){fd, cl->reloads, cl->flush > 0, cl->half};
    return true;
}

void ax_control_leave(const struct ax_control *c, struct ax_control_left *ret)
{
    uv_os_fd_t fd;

    *ret = (struct ax_control_left){.fd = -1, .mode = c->rule.mode, .group = c->rule.group};
    if (uv_fileno((const uv_handle_t *)&c->server, &fd) == 0)
        ret->fd = fd;
    AX_LIST_EACH(it, &c->clients)
    {
        struct client *cl = AX_LIST_ENTRY(it, struct client, node);
        if (ret->n < AX_CONTROL_CLIENTS_MAX && leave_client(cl, &ret->client[ret->n]))
            ret->n++;
    }
}

int ax_control_open(const struct ax_control_options *o, struct ax_control **ret, struct ax_err *reterr)
{
    struct ax_control *c = ax_calloc(1, sizeof *c);
    char *path = ax_strdup(o->path);
    struct ax_peer_rule rule;
    int fd = -1, rc = -AX_E_SYS;

    if (!c || !path) {
        rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
        goto fail;
    }
    rc = rule_of(o, &rule, reterr);
    if (rc < 0)
        goto fail;
    if (o->left)
        rc = fd = o->left->fd;
    else
        rc = fd = ax_unix_listen(&(struct ax_unix_bind){path, o->mode, o->group, BACKLOG}, reterr);
    if (rc < 0)
        goto fail;
    *c = (struct ax_control){.magic = CONTROL_MAGIC, .o = *o, .rule = rule, .path = path};
    c->o.idle_ms = o->idle_ms ? o->idle_ms : AX_CONTROL_IDLE_MS;
    ax_unix_remember(path, &c->file);
    ax_list_init(&c->clients);
    uv_pipe_init(o->loop, &c->server, 0);
    c->server.data = c;
    rc = uv_pipe_open(&c->server, fd);
    if (rc < 0)
        close(fd);
    else
        rc = uv_listen((uv_stream_t *)&c->server, BACKLOG, on_connection);
    if (rc < 0) { /* the handle is on the loop: it frees the rest */
        ax_control_close(c, false);
        return ax_fail(reterr, AX_E_SYS, "cannot listen on %s: %s", o->path, uv_strerror(rc));
    }
    for (unsigned i = 0; o->left && i < o->left->n; i++)
        adopt_client(c, &o->left->client[i]);
    *ret = c;
    return 0;
fail:
    ax_free(path);
    ax_free(c);
    return rc;
}

void ax_control_close(struct ax_control *c, bool forced)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    ax_unix_remove(c->path, &c->file);
    AX_LIST_EACH(it, &c->clients)
    {
        struct client *cl = AX_LIST_ENTRY(it, struct client, node);
        if (cl->waits && !uv_is_closing((uv_handle_t *)&cl->pipe)) {
            char line[64];
            int n =
                snprintf(line, sizeof line, "{\"stopped\":true,\"forced\":%s}\n", forced ? "true" : "false");
            uv_buf_t buf = uv_buf_init(line, (unsigned)n);
            uv_try_write((uv_stream_t *)&cl->pipe, &buf,
                         1); /* a client that does not read learns it by the end */
        }
        drop(cl);
    }
    uv_close((uv_handle_t *)&c->server, on_server_closed);
}
