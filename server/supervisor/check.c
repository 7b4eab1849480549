#include "supervisor/check.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "supervisor/dirs.h"
#include "supervisor/env.h"
#include "supervisor/node.h"
#include "supervisor/plan.h"
#include "supervisor/spawn.h"

enum { RESULT_MAX = 64 << 20, DEFAULT_TIMEOUT_US = 10000000, CHUNK = 65536 };

/* ---- the result, decoded */
static unsigned number(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));

    return v > 0 && v <= UINT32_MAX ? (unsigned)v : 0;
}

/* An OWNED copy; *ok false = out of memory.  NULL when there is none and `otherwise` is NULL. */
static char *text(const json_t *o, const char *key, const char *otherwise, bool *ok)
{
    const char *s = json_string_value(json_object_get(o, key));

    s = s ? s : otherwise;
    char *copy = s ? ax_strdup(s) : NULL;
    if (s && !copy)
        *ok = false;
    return copy;
}

static void add_error(struct ax_check_result *r, const json_t *at, char *message, bool *ok)
{
    *ok = *ok && message;
    r->errors[r->nerrors++] =
        (struct ax_check_error){text(at, "file", NULL, ok), number(at, "line"), number(at, "col"), message};
}

/* `more`: room for so many beyond those of the list. */
static void decode_errors(const json_t *list, struct ax_check_result *r, size_t more, bool *ok)
{
    size_t n = json_array_size(list);

    r->errors = ax_calloc(n + more, sizeof *r->errors);
    *ok = *ok && r->errors;
    for (size_t i = 0; *ok && i < n; i++) {
        const json_t *e = json_array_get(list, i);
        add_error(r, json_object_get(e, "at"), text(e, "message", "unknown error", ok), ok);
    }
}

static void decode_routes(const json_t *list, struct ax_check_result *r, bool *ok)
{
    size_t n = json_array_size(list);

    r->routes = ax_calloc(n, sizeof *r->routes);
    *ok = *ok && r->routes;
    for (size_t i = 0; *ok && i < n; i++) {
        const json_t *e = json_array_get(list, i), *at = json_object_get(e, "at");
        r->routes[r->nroutes++] = (struct ax_check_route){
            text(e, "method", "?", ok), text(e, "pattern", "?", ok), text(e, "name", "", ok),
            text(at, "file", NULL, ok), number(at, "line"),          number(at, "col")};
    }
}

/* The last whole line: what came behind it was cut off. */
static struct ax_str last_line(const struct ax_buf *b)
{
    const char *end = b->n ? memrchr(b->p, '\n', b->n) : NULL;
    const char *before = end ? memrchr(b->p, '\n', (size_t)(end - b->p)) : NULL;
    const char *start = before ? before + 1 : b->p;

    return end ? (struct ax_str){start, (size_t)(end - start)} : AX_STR("");
}

/* What the Node said last is the result, or which module it was about to load: then how it ended is that
 * module's error. */
static int decode(const struct ax_buf *b, const struct ax_err *end, struct ax_check_result *ret,
                  struct ax_err *reterr)
{
    struct ax_check_result r = {0};
    struct ax_str line = last_line(b);
    json_t *o = json_loadb(line.p, line.n, 0, NULL);
    const char *loading = json_string_value(json_object_get(o, "loading"));
    bool ok = true;

    if (!json_is_object(o)) {
        json_decref(o);
        return end->code == AX_E_PROTO
                   ? ax_fail(reterr, end->code, "the check of the handlers ended without a result")
                   : ax_fail(reterr, end->code, "the check of the handlers %s", end->msg);
    }
    decode_errors(json_object_get(o, "errors"), &r, loading != NULL, &ok);
    if (ok && loading)
        add_error(&r, json_object_get(o, "at"), ax_asprintf("loading %s %s", loading, end->msg), &ok);
    decode_routes(json_object_get(o, "routes"), &r, &ok);
    json_decref(o);
    if (!ok) {
        ax_check_result_free(&r);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    *ret = r;
    return 0;
}

void ax_check_result_free(struct ax_check_result *r)
{
    for (size_t i = 0; i < r->nerrors; i++) {
        ax_free(r->errors[i].file);
        ax_free(r->errors[i].message);
    }
    for (size_t i = 0; i < r->nroutes; i++) {
        ax_free(r->routes[i].method);
        ax_free(r->routes[i].pattern);
        ax_free(r->routes[i].name);
        ax_free(r->routes[i].file);
    }
    ax_free(r->errors);
    ax_free(r->routes);
    *r = (struct ax_check_result){0};
}

/* ---- the process */
/* All that comes until end of file.  -AX_E_LIMIT: out of time; the message then is the end of a sentence. */
static int collect(int fd, int64_t timeout_us, struct ax_buf *b, struct ax_err *reterr)
{
    ax_mono start = ax_mono_now();
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        int64_t left = timeout_us - (ax_mono_now().us - start.us);
        int rc = left > 0 ? poll(&p, 1, (int)(left / 1000) + 1) : 0;
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc == 0)
            return ax_fail(reterr, AX_E_LIMIT, "takes longer than %d s", (int)(timeout_us / 1000000));
        char *to = ax_buf_reserve(b, CHUNK);
        if (rc < 0 || !to)
            return ax_fail(reterr, AX_E_SYS, "the result of the check cannot be read");
        ssize_t n = read(fd, to, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        b->n += (size_t)n;
    }
}

static int spawn(const struct ax_manifest *m, const char *node, const char *script, const struct ax_env *env,
                 const int fds[2], struct ax_err *reterr)
{
    const struct ax_strings *opts = &m->server.node_options;
    const char **argv = ax_calloc(opts->n + 5, sizeof *argv);
    size_t n = 0;

    if (!argv)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    argv[n++] = node;
    for (size_t i = 0; i < opts->n; i++)
        argv[n++] = opts->v[i];
    argv[n++] = script;
    argv[n++] = "--plan-fd";
    argv[n++] = "4";
    union { /* exec takes char *const[] for history's sake and changes nothing (POSIX, exec, RATIONALE) */
        const char **from;
        char *const *to;
    } v = {.from = argv};
    pid_t pid = ax_spawn(&(struct ax_spawn){node, v.to, env->v, fds, 2, STDERR_FILENO, 0}, reterr);
    ax_free(argv);
    return pid;
}

/* Descriptor 3 of the child is the pipe for the result, 4 the plan. */
static int run(const struct ax_manifest *m, const char *node, const char *script, const struct ax_env *env,
               int64_t timeout_us, struct ax_check_result *ret, struct ax_err *reterr)
{
    struct ax_plan_input in = {.manifest = m,
                               .generation = 1,
                               .workers = 1,
                               .connections = m->limits.connections,
                               .format = AX_LOG_TEXT,
                               .access_format = AX_LOG_TEXT,
                               .segment_fd = -1,
                               .mailbox_fd = -1,
                               .board_fd = -1};
    struct ax_buf b = AX_BUF_INIT(RESULT_MAX);
    int result[2], plan = ax_plan_memfd(&in, reterr);

    if (plan < 0)
        return plan;
    if (pipe2(result, O_CLOEXEC) < 0) {
        close(plan);
        return ax_fail_os(reterr, errno, "cannot make a pipe");
    }
    int rc = spawn(m, node, script, env, (int[]){result[1], plan}, reterr);
    close(result[1]);
    close(plan);
    if (rc > 0) {
        pid_t pid = rc;
        struct ax_err end = {0};
        rc = collect(result[0], timeout_us, &b, &end);
        ax_spawn_kill(pid); /* all of its group: a handler may have started something */
        if (rc == 0)
            ax_fail(&end, AX_E_PROTO, "ends the process");
        if (end.code == AX_E_SYS)
            rc = ax_fail(reterr, end.code, "%s", end.msg);
        else
            rc = decode(&b, &end, ret, reterr);
    }
    close(result[0]);
    ax_buf_fini(&b);
    return rc;
}

int ax_check_run(const struct ax_manifest *m, const struct ax_check_options *o, struct ax_check_result *ret,
                 struct ax_err *reterr)
{
    struct ax_dirs dirs = {0};
    struct ax_env env = {0};
    char *node = NULL, *script = NULL;
    int64_t timeout_us = o && o->timeout_us ? o->timeout_us : DEFAULT_TIMEOUT_US;
    int rc = ax_install_dirs(&dirs, reterr);

    if (rc == 0)
        rc = ax_env_make(m, environ, "ACTIX_CHECK=1", &env, reterr);
    if (rc < 0)
        goto done;
    node = ax_node_find(m, &env, reterr);
    script = o && o->script ? ax_strdup(o->script) : ax_path_join(dirs.lib, "addon/check.js");
    if (!node || !script) {
        rc = node ? ax_fail(reterr, AX_E_NOMEM, "out of memory") : -AX_E_MISSING;
        goto done;
    }
    rc = ax_node_check(node, &env, reterr);
    if (rc == 0)
        rc = run(m, node, script, &env, timeout_us, ret, reterr);
done:
    ax_free(node);
    ax_free(script);
    ax_env_fini(&env);
    ax_install_dirs_fini(&dirs);
    return rc;
}
