#include "supervisor/client.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "supervisor/unixsock.h"

enum { ANSWER_MAX = 4 << 20, STATUS_WAIT_S = 10, FLUSH_WAIT_S = 2 };

struct client {
    int fd;
    int peer; /* pidfd of the instance; -1 = the kernel does not tell */
    struct ax_buf in;
};

/* The peer's process, held before it can end: so its end can be awaited without mistaking another for it. */
static int peer_of(int fd)
{
    struct ucred u;
    socklen_t len = sizeof u;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) < 0 || u.pid <= 0)
        return -1;
    return pidfd_open(u.pid, 0);
}

static int open_client(const struct ax_state *s, struct client *c, struct ax_err *reterr)
{
    struct ax_err why = {0};
    int fd = ax_unix_connect(s->socket, &why);

    if (fd >= 0) {
        *c = (struct client){.fd = fd, .peer = peer_of(fd), .in = AX_BUF_INIT(ANSWER_MAX)};
        return 0;
    }
    pid_t pid = ax_state_holder(s);
    if (pid != 0)
        return ax_fail(reterr, AX_E_STATE, "process %ld serves this app but cannot be reached: %s", (long)pid,
                       why.msg);
    if (fd == -AX_E_MISSING || fd == -AX_E_STATE)
        return ax_fail(reterr, AX_E_MISSING, "no instance is running (state folder %s)", s->dir);
    return ax_fail(reterr, AX_E_STATE, "%s", why.msg);
}

static void close_client(struct client *c)
{
    close(c->fd);
    if (c->peer >= 0)
        close(c->peer);
    ax_buf_fini(&c->in);
}

static int send_all(struct client *c, const char *text, struct ax_err *reterr)
{
    size_t n = strlen(text);

    while (n) {
        ssize_t w = send(c->fd, text, n, MSG_NOSIGNAL);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return ax_fail(reterr, AX_E_STATE, "the running instance does not take commands: %s",
                           strerror(errno));
        text += w;
        n -= (size_t)w;
    }
    return 0;
}

/* One more chunk; 0 at the end, -code when nothing came in time. */
static int read_more(struct client *c, struct ax_err *reterr)
{
    char *to = ax_buf_reserve(&c->in, 4096);
    ssize_t n;

    if (!to)
        return ax_fail(reterr, AX_E_LIMIT, "the running instance answers with more than %d bytes",
                       ANSWER_MAX);
    do
        n = recv(c->fd, to, 4096, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET)
        return ax_fail(reterr, AX_E_STATE, "the running instance does not answer: %s", strerror(errno));
    c->in.n += n > 0 ? (size_t)n : 0;
    return n > 0;
}

/* Next line, OWNED and without its end; *ret NULL when the instance closed instead. */
static int read_line(struct client *c, char **ret, struct ax_err *reterr)
{
    const char *nl;

    *ret = NULL;
    while (!(nl = c->in.n ? memchr(c->in.p, '\n', c->in.n) : NULL)) {
        int rc = read_more(c, reterr);
        if (rc <= 0)
            return rc;
    }
    size_t n = (size_t)(nl - c->in.p);
    *ret = ax_strndup(c->in.p, n);
    ax_buf_drop(&c->in, n + 1);
    return *ret ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

int ax_client_status(const struct ax_state *s, char **ret, struct ax_err *reterr)
{
    struct timeval patience = {.tv_sec = STATUS_WAIT_S};
    struct client c;
    int rc = open_client(s, &c, reterr);

    if (rc < 0)
        return rc;
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    rc = send_all(&c, "{\"command\":\"status\"}\n", reterr);
    if (rc == 0)
        rc = read_line(&c, ret, reterr);
    if (rc == 0 && !*ret)
        rc = ax_fail(reterr, AX_E_STATE, "the running instance closed the control socket");
    close_client(&c);
    return rc;
}

int ax_client_flush(const struct ax_state *s, struct ax_err *reterr)
{
    struct timeval patience = {.tv_sec = FLUSH_WAIT_S};
    char *answer = NULL;
    struct client c;
    int rc = open_client(s, &c, reterr);

    if (rc < 0)
        return rc;
    setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    rc = send_all(&c, "{\"command\":\"flush\"}\n", reterr);
    if (rc == 0)
        rc = read_line(&c, &answer, reterr);
    ax_free(answer);
    close_client(&c);
    return rc;
}

static void wait_gone(const struct client *c)
{
    struct pollfd p = {.fd = c->peer, .events = POLLIN};

    while (c->peer >= 0 && poll(&p, 1, -1) < 0 && errno == EINTR)
        ;
}

/* Reads up to the last line of all; a connection that ends before it means that the instance was killed. */
static int await_stop(struct client *c, bool *forced, struct ax_err *reterr)
{
    for (;;) {
        char *line;
        int rc = read_line(c, &line, reterr);
        if (rc < 0)
            return rc;
        if (!line)
            return ax_fail(reterr, AX_E_STATE, "the instance ended without saying how");
        json_t *o = json_loads(line, 0, NULL);
        bool over = json_is_true(json_object_get(o, "stopped"));
        *forced = json_is_true(json_object_get(o, "forced"));
        json_decref(o);
        ax_free(line);
        if (over)
            return 0;
    }
}

static void tell_problem(const struct ax_client_reload *told, const json_t *p)
{
    struct ax_err err = {0};
    const char *file = json_string_value(json_object_get(p, "file"));
    const char *message = json_string_value(json_object_get(p, "message"));

    ax_fail_at(&err, AX_E_SYNTAX, file, (unsigned)json_integer_value(json_object_get(p, "line")),
               (unsigned)json_integer_value(json_object_get(p, "col")), "%s", message ? message : "?");
    told->problem(told->ctx, &err, json_is_true(json_object_get(p, "warning")));
}

/* 1: more to come; 0: it is done; -code: it failed. */
static int reload_line(const struct ax_client_reload *told, const json_t *o, unsigned *generation,
                       struct ax_err *reterr)
{
    const char *text;

    if ((text = json_string_value(json_object_get(o, "error"))))
        return ax_fail(reterr, json_is_true(json_object_get(o, "manifest")) ? AX_E_SYNTAX : AX_E_STATE, "%s",
                       text);
    if (json_is_true(json_object_get(o, "reloaded"))) {
        *generation = (unsigned)json_integer_value(json_object_get(o, "generation"));
        return 0;
    }
    if ((text = json_string_value(json_object_get(o, "note"))))
        told->note(told->ctx, text);
    else if ((text = json_string_value(json_object_get(o, "change"))))
        told->change(told->ctx, false, text);
    else if ((text = json_string_value(json_object_get(o, "restart"))))
        told->change(told->ctx, true, text);
    else if (json_is_object(json_object_get(o, "problem")))
        tell_problem(told, json_object_get(o, "problem"));
    return 1;
}

int ax_client_reload(const struct ax_state *s, const struct ax_client_reload *told, unsigned *ret_generation,
                     struct ax_err *reterr)
{
    struct client c;
    int rc = open_client(s, &c, reterr);

    if (rc < 0)
        return rc;
    rc = send_all(&c, "{\"command\":\"reload\"}\n", reterr);
    for (bool more = true; rc == 0 && more;) {
        char *line;
        rc = read_line(&c, &line, reterr);
        if (rc == 0 && !line)
            rc = ax_fail(reterr, AX_E_STATE,
                         "the instance ended, or closed the control socket, while it reloaded");
        if (rc < 0)
            break;
        json_t *o = json_loads(line, 0, NULL);
        rc = reload_line(told, o, ret_generation, reterr);
        more = rc > 0;
        rc = rc > 0 ? 0 : rc;
        json_decref(o);
        ax_free(line);
    }
    close_client(&c);
    return rc;
}

int ax_client_stop(const struct ax_state *s, bool *ret_forced, struct ax_err *reterr)
{
    struct client c;
    int rc = open_client(s, &c, reterr);

    if (rc < 0)
        return rc;
    rc = send_all(&c, "{\"command\":\"stop\"}\n", reterr);
    if (rc == 0)
        rc = await_stop(&c, ret_forced, reterr);
    if (rc == 0)
        wait_gone(&c);
    close_client(&c);
    return rc;
}
