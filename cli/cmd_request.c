/* `actix request METHOD PATH`: one request to the running app, or to a server of its own, with the time by
 * phase. Node sends it (addon/ask.js): it is there in any case, and its client is the one that people use. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/throwaway.h"
#include "supervisor/client.h"
#include "supervisor/dirs.h"
#include "supervisor/env.h"
#include "supervisor/node.h"
#include "supervisor/spawn.h"

enum { HEADERS_MAX = 100, RESULT_MAX = 1 << 30 };

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"header", 'H', AX_OPT_LIST, "LINE", "send this header, 'name: value'; repeatable", AX_OPT_NO_ENV, NULL},
    {"data", 'd', AX_OPT_VALUE, "DATA", "send this body; @FILE reads it from there, @- from standard input",
     AX_OPT_NO_ENV, NULL},
    {"fresh", 0, AX_OPT_FLAG, NULL, "send it to a server of its own, though the app runs", AX_OPT_NO_ENV,
     NULL},
    AX_OPT_JSON,
    AX_OPT_END,
};

struct ask {
    const struct ax_args *args;
    const struct ax_manifest *m;
    char method[32];
    char address[256]; /* as `listening on` tells it */
    struct ax_throwaway own;
    bool fresh;     /* own is there */
    json_t *result; /* OWNED */
};

/* ---- where to */
/* The first address of the running app; false = none runs. */
static bool find_running(struct ax_app *app, struct ask *a)
{
    struct ax_state state;
    char *text = NULL;

    if (ax_args_flag(a->args, "fresh", false) || ax_app_state(app, a->args, &state) != AX_EXIT_OK)
        return false;
    int rc = ax_client_status(&state, &text, NULL);
    ax_state_fini(&state);
    json_t *o = rc == 0 ? json_loads(text, 0, NULL) : NULL;
    const char *first = json_string_value(json_array_get(json_object_get(o, "addresses"), 0));
    if (first)
        snprintf(a->address, sizeof a->address, "%s", first);
    json_decref(o);
    ax_free(text);
    return first != NULL;
}

static int find_server(struct ax_app *app, struct ask *a)
{
    struct ax_err err = {0};

    if (find_running(app, a))
        return AX_EXIT_OK;
    if (ax_throwaway_start(a->args, &a->own, &err) < 0)
        return err.code == AX_E_STATE && a->own.exit_code ? a->own.exit_code
                                                          : ax_say_err(&err, AX_EXIT_FAILED);
    a->fresh = true;
    snprintf(a->address, sizeof a->address, "%s", a->own.url);
    return AX_EXIT_OK;
}

/* ---- what to send */
/* "http://[::1]:3001" or "unix:/run/app.sock", as node:http takes it. */
static json_t *target(const char *address, json_t *spec)
{
    static const char unix_scheme[] = "unix:", http[] = "http://";

    if (strncmp(address, unix_scheme, sizeof unix_scheme - 1) == 0) {
        json_object_set_new(spec, "host", json_string("localhost"));
        return json_pack("{s:s}", "socketPath", address + sizeof unix_scheme - 1);
    }
    const char *host = strncmp(address, http, sizeof http - 1) == 0 ? address + sizeof http - 1 : address;
    const char *colon = strrchr(host, ':');
    size_t n = colon ? (size_t)(colon - host) : strlen(host);
    json_object_set_new(spec, "host", json_string(host));
    bool brackets = n > 2 && host[0] == '[';
    return json_pack("{s:s%, s:i}", "host", host + brackets, n - 2 * (size_t)brackets, "port",
                     colon ? (int)strtol(colon + 1, NULL, 10) : 80);
}

static json_t *spec_of(const struct ask *a)
{
    const char *lines[HEADERS_MAX], *data = ax_args_value(a->args, "data");
    char *store = NULL;
    size_t n = ax_args_list(a->args, "header", lines, HEADERS_MAX, &store);
    json_t *spec = json_object(), *headers = json_array();

    for (size_t i = 0; n != AX_ARGS_NOMEM && i < n && i < HEADERS_MAX; i++)
        json_array_append_new(headers, json_string(lines[i]));
    ax_free(store);
    json_object_set_new(spec, "method", json_string(a->method));
    json_object_set_new(spec, "path", json_string(a->args->operands[1]));
    json_object_set_new(spec, "headers", headers);
    if (data)
        json_object_set_new(spec, "data", json_string(data));
    json_object_set_new(spec, "json", json_boolean(ax_args_flag(a->args, "json", false)));
    json_object_set_new(spec, "color", json_boolean(ax_color(a->args, stdout)));
    json_object_set_new(spec, "version", json_string(AX_VERSION));
    json_object_set_new(spec, "to", target(a->address, spec));
    return spec;
}

/* A file without a name, its offset at 0; -1. */
static int memory_file(const char *text)
{
    int fd = memfd_create("actix-request", MFD_CLOEXEC);
    size_t n = text ? strlen(text) : 0;

    if (fd >= 0 && n && pwrite(fd, text, n, 0) != (ssize_t)n) {
        close(fd);
        return -1;
    }
    return fd;
}

static json_t *read_result(int fd)
{
    struct ax_buf b = AX_BUF_INIT(RESULT_MAX);
    ssize_t n = 1;

    while (n > 0) {
        char *to = ax_buf_reserve(&b, 65536);
        n = to ? pread(fd, to, 65536, (off_t)b.n) : -1;
        b.n += n > 0 ? (size_t)n : 0;
    }
    json_t *o = n == 0 && b.n ? json_loadb(b.p, b.n, 0, NULL) : NULL;
    ax_buf_fini(&b);
    return o;
}

/* ---- sending */
static int run_node(struct ask *a, const char *node, const char *script, const struct ax_env *env,
                    const int fds[3], struct ax_err *reterr)
{
    const char *argv[] = {node, script, NULL};
    union { /* exec takes char *const[] for history's sake and changes nothing (POSIX, exec, RATIONALE) */
        const char **from;
        char *const *to;
    } v = {.from = argv};
    int status;

    fflush(NULL);
    pid_t pid =
        ax_spawn(&(struct ax_spawn){node, v.to, env->v, fds, 3, STDOUT_FILENO, STDERR_FILENO}, reterr);
    if (pid < 0)
        return pid;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    a->result = read_result(fds[2]);
    if (!json_is_object(a->result))
        return ax_fail(reterr, AX_E_PROTO, "Node did not send the request");
    const char *why = json_string_value(json_object_get(a->result, "error"));
    return why ? ax_fail(reterr, AX_E_PROTO, "%s", why) : 0;
}

static int ask(struct ask *a, struct ax_err *reterr)
{
    struct ax_dirs dirs = {0};
    struct ax_env env = {0};
    json_t *spec = spec_of(a);
    char *text = json_dumps(spec, JSON_COMPACT), *node = NULL, *script = NULL;
    int fds[3] = {memory_file(text), STDIN_FILENO, memory_file(NULL)};
    int rc = ax_install_dirs(&dirs, reterr);

    if (rc == 0)
        rc = ax_env_make(a->m, environ, NULL, &env, reterr);
    if (rc == 0) {
        node = ax_node_find(a->m, &env, reterr);
        script = ax_path_join(dirs.lib, "addon/ask.js");
        rc = node && script ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    if (rc == 0 && (fds[0] < 0 || fds[2] < 0))
        rc = ax_fail_os(reterr, errno, "cannot make a file in memory");
    if (rc == 0)
        rc = run_node(a, node, script, &env, fds, reterr);
    if (fds[0] >= 0)
        close(fds[0]);
    if (fds[2] >= 0)
        close(fds[2]);
    free(text); /* jansson's own allocation */
    json_decref(spec);
    ax_free(node);
    ax_free(script);
    ax_env_fini(&env);
    ax_install_dirs_fini(&dirs);
    return rc;
}

/* ---- telling */
static const char *phase(const json_t *time, const char *name, char out[AX_SHORT_MAX])
{
    return ax_short_us(out, (uint64_t)json_integer_value(json_object_get(time, name)));
}

/* On stderr, so that the response can be piped on. */
static void print_time(const struct ask *a, const struct ax_throwaway_time *server)
{
    const json_t *t = json_object_get(a->result, "time_us");
    char c[AX_SHORT_MAX], w[AX_SHORT_MAX], r[AX_SHORT_MAX], all[AX_SHORT_MAX];

    fflush(stdout);
    fprintf(stderr, "\n%s: connect %s, wait %s, receive %s, total %s\n",
            a->fresh ? "a server of its own" : a->address, phase(t, "connect", c), phase(t, "wait", w),
            phase(t, "receive", r), phase(t, "total", all));
    if (server)
        fprintf(stderr, "in the server: queue %s, handler %s, send %s\n", ax_short_us(c, server->queue_us),
                ax_short_us(w, server->handler_us), ax_short_us(r, server->send_us));
}

static int print_json(struct ask *a, const struct ax_throwaway_time *server)
{
    json_t *o = a->result;

    a->result = NULL;
    json_object_set_new(o, "server", a->fresh ? json_null() : json_string(a->address));
    json_object_set_new(o, "server_us",
                        server
                            ? json_pack("{s:I, s:I, s:I}", "queue", (json_int_t)server->queue_us, "handler",
                                        (json_int_t)server->handler_us, "send", (json_int_t)server->send_us)
                            : json_null());
    return ax_print_json(o);
}

static int request_run(struct ax_args *args)
{
    struct ax_app app;
    struct ask a = {.args = args};
    struct ax_throwaway_time time;
    struct ax_err err = {0};

    if (args->operands[1][0] != '/')
        return ax_usage(args, "a path starts with / (found '%s')", args->operands[1]);
    snprintf(a.method, sizeof a.method, "%s", args->operands[0]);
    for (char *p = a.method; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    int code = ax_app_load(args, &app);
    a.m = app.manifest;
    if (code == AX_EXIT_OK)
        code = find_server(&app, &a);
    if (code == AX_EXIT_OK) {
        int rc = ask(&a, &err);
        bool counted = a.fresh && ax_throwaway_stop(&a.own, &time);
        if (rc < 0)
            code = ax_say_err(&err, AX_EXIT_FAILED);
        else if (ax_args_flag(args, "json", false))
            code = print_json(&a, counted ? &time : NULL);
        else
            print_time(&a, counted ? &time : NULL);
    }
    json_decref(a.result);
    ax_app_fini(&app);
    return code;
}

const struct ax_cmd ax_cmd_request = {
    .name = "request",
    .summary = "send a request and show its time by phase",
    .options = options,
    .run = request_run,
    .operands = "METHOD PATH",
    .min_operands = 2,
    .max_operands = 2,
    .about =
        "Goes to the running app, else to a server of its own that is gone afterwards.  The response is\n"
        "printed on stdout, the times on stderr.  The exit code is 0 whatever the status of the response.\n"};
