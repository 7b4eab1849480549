/* `actix serve` and `actix dev`: what the supervisor needs from options and environment, and the way into the
 * background. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "cli/app.h"
#include "cli/dev_mode.h"
#include "cli/print.h"
#include "cli/serving.h"
#include "supervisor/cpus.h"
#include "supervisor/dirs.h"
#include "supervisor/supervisor.h"
#include "supervisor/upgrade.h"

enum { DEFAULT_PORT = 3001, WORKERS_MAX = 1024, HOST_MAX = 64 };

/* ---- where to listen, how many workers */
struct wish {
    struct ax_listen listen;
    char host[HOST_MAX];
    bool given; /* something replaces server.listen */
    unsigned workers;
    bool dev;
    char inspect[AX_INSPECT_MAX]; /* HOST:PORT; "" = no debugger */
};

static bool host_ok(const char *host)
{
    struct in6_addr any;

    return strcmp(host, "*") == 0 || strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &any) == 1 ||
           inet_pton(AF_INET6, host, &any) == 1;
}

static int take_host(const struct ax_args *args, const char *value, const char *source, struct wish *w)
{
    size_t n = strlen(value);
    bool brackets = n > 2 && value[0] == '[' && value[n - 1] == ']';

    snprintf(w->host, sizeof w->host, "%.*s", (int)(brackets ? n - 2 : n), value + brackets);
    if (n < sizeof w->host && host_ok(w->host))
        return AX_EXIT_OK;
    return ax_usage(args, "%s must be an IP address, localhost or * (found '%s')", source, value);
}

static int take_port(const struct ax_args *args, const char *value, const char *source, struct wish *w)
{
    uint64_t port;

    if (!ax_str_u64(ax_str(value), &port) || port > UINT16_MAX)
        return ax_usage(args, "%s must be a port, 0..65535 (found '%s')", source, value);
    w->listen.port = (unsigned)port;
    return AX_EXIT_OK;
}

/* A host alone keeps the manifest's port. */
static unsigned manifest_port(const struct ax_manifest *m)
{
    for (size_t i = 0; i < m->server.nlisten; i++)
        if (m->server.listen[i].kind == AX_LISTEN_TCP)
            return m->server.listen[i].port;
    return DEFAULT_PORT;
}

static int wish_listen(const struct ax_app *app, const struct ax_args *args, struct wish *w)
{
    const char *host_from, *port_from;
    const char *host = ax_app_host(app, args, &host_from), *port = ax_app_port(app, args, &port_from);
    int code = AX_EXIT_OK;

    w->given = host || port;
    w->listen = (struct ax_listen){.kind = AX_LISTEN_TCP,
                                   .host = w->host,
                                   .port = manifest_port(app->manifest),
                                   .port_only = !host,
                                   .mode = -1};
    if (host)
        code = take_host(args, host, host_from, w);
    if (code == AX_EXIT_OK && port)
        code = take_port(args, port, port_from, w);
    return code;
}

static int wish_workers(const struct ax_app *app, const struct ax_args *args, struct wish *w)
{
    const char *value = ax_app_option(app, args, "workers");
    uint64_t n;

    if (!value)
        return AX_EXIT_OK;
    if (strcmp(value, "auto") == 0) {
        w->workers = ax_cpus();
        return AX_EXIT_OK;
    }
    if (!ax_str_u64(ax_str(value), &n) || n < 1 || n > WORKERS_MAX)
        return ax_usage(args, "--workers must be auto or 1..%d (found '%s')", WORKERS_MAX, value);
    w->workers = (unsigned)n;
    return AX_EXIT_OK;
}

/* What dev and a debugger want else. */
static int wish_mode(struct ax_app *app, const struct ax_args *args, bool dev, struct wish *w)
{
    int code = ax_inspect_address(app, args, w->inspect);

    w->dev = dev;
    if (code != AX_EXIT_OK)
        return code;
    if (dev)
        ax_tune_dev(app->manifest);
    if (w->inspect[0])
        ax_tune_inspect(app->manifest);
    if (w->inspect[0] || (dev && !w->workers))
        w->workers = 1;
    return AX_EXIT_OK;
}

static int wish_all(struct ax_app *app, const struct ax_args *args, bool dev, struct wish *w)
{
    int code = wish_listen(app, args, w);

    if (code == AX_EXIT_OK)
        code = wish_workers(app, args, w);
    return code == AX_EXIT_OK ? wish_mode(app, args, dev, w) : code;
}

struct background {
    bool on;
    int ready; /* one byte tells the parent that the app answers; -1 = not in the background */
    int log;   /* where the app's output goes from then on */
};

/* ---- reading the app again, for a reload */
struct serving { /* what the callbacks of the supervisor need */
    struct ax_args *args;
    struct background *bg;
    bool dev;
    char *cwd; /* $PWD as it was at the start, if it named the folder that we are in; NULL = it did not */
};

struct again { /* one reading; OWNED by the supervisor */
    struct ax_app app;
    struct wish wish;
};

/* The folder's name as the shell knows it: a link in it is followed again at each reload. */
static char *logical_cwd(void)
{
    const char *pwd = getenv("PWD");
    struct stat named, here;

    if (!pwd || *pwd != '/' || stat(pwd, &named) < 0 || stat(".", &here) < 0 || named.st_dev != here.st_dev ||
        named.st_ino != here.st_ino)
        return NULL;
    return ax_strdup(pwd);
}

static int on_read(void *ctx, struct ax_reading *ret,
                   void (*problem)(void *to, const struct ax_err *err, bool warning), void *to)
{
    const struct serving *s = ctx;
    struct again *a = ax_calloc(1, sizeof *a);
    int rc = -AX_E_NOMEM;

    if (a && (!s->cwd || chdir(s->cwd) == 0)) {
        int code = ax_app_read(s->args, &a->app);
        for (size_t i = 0; i < a->app.problems.n; i++)
            problem(to, &a->app.problems.v[i].err, a->app.problems.v[i].warning);
        rc = code != AX_EXIT_OK                                           ? -AX_E_SYNTAX
             : wish_all(&a->app, s->args, s->dev, &a->wish) == AX_EXIT_OK ? 0
                                                                          : -AX_E_RANGE; /* said on stderr */
    } else if (a) {
        struct ax_err err = {0};
        ax_fail_os(&err, errno, "cannot enter %s", s->cwd);
        problem(to, &err, false);
    }
    if (rc == 0) {
        *ret =
            (struct ax_reading){a->app.manifest, a->wish.given ? &a->wish.listen : NULL, a->wish.workers, a};
        return 0;
    }
    if (a)
        ax_app_fini(&a->app);
    ax_free(a);
    return rc;
}

static void on_release(void *ctx, struct ax_reading *r)
{
    struct again *a = r->owner;

    (void)ctx;
    ax_app_fini(&a->app);
    ax_free(a);
}

/* ---- into the background */
static const char *lookup(const char *name, void *ctx)
{
    return ax_app_getenv(ctx, name);
}

/* Standard output has no reader in the background: STATE/actix.log keeps it, appended to and never cut by us.
 */
static int open_log(const struct ax_app *app, const struct ax_args *args)
{
    struct ax_state state;
    char *path = NULL;
    int fd = -1;

    if (ax_app_state(app, args, &state) == AX_EXIT_OK) {
        struct ax_err why = {0};
        if (ax_state_make(&state, app->manifest->server.control.group, &why) == 0)
            path = ax_path_join(state.dir, "actix.log");
        ax_state_fini(&state);
    }
    if (path)
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    ax_free(path);
    return fd >= 0 ? fd : open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/* The parent's half: 0 once the app answers, else the exit code of the one that was to serve it. */
static int await_ready(int fd, pid_t child)
{
    char byte;
    int status = 0;
    ssize_t n;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    close(fd);
    if (n == 1)
        return AX_EXIT_OK;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : AX_EXIT_FAILED;
}

/* In the parent *ret_code is what to exit with and the result is false; in the child it is true.  The
 * terminal stays until the app answers, so that whoever starts it reads why it did not. */
static bool go_background(const struct ax_app *app, const struct ax_args *args, struct background *bg,
                          int *ret_code)
{
    int ends[2];

    *ret_code = AX_EXIT_FAILED;
    bg->log = open_log(app, args);
    if (bg->log < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        ax_say("cannot go into the background: %s", strerror(errno));
        return false;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        ax_say("cannot go into the background: %s", strerror(errno));
        return false;
    }
    if (pid > 0) {
        close(ends[1]);
        *ret_code = await_ready(ends[0], pid);
        return false;
    }
    close(ends[0]);
    setsid();
    bg->on = true;
    bg->ready = ends[1];
    return true;
}

static void leave_terminal(struct background *bg)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    fflush(NULL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(bg->log, STDOUT_FILENO) < 0 ||
        dup2(bg->log, STDERR_FILENO) < 0)
        ax_say("cannot leave the terminal: %s", strerror(errno));
    if (null >= 0)
        close(null);
    if (write(bg->ready, "", 1) != 1)
        ax_say("cannot tell that the app is ready: %s", strerror(errno));
    close(bg->ready);
    bg->ready = -1;
}

/* ---- what the supervisor tells */
static void on_listening(void *ctx, const char *url, bool everywhere)
{
    (void)ctx;
    printf("listening on %s%s\n", url,
           everywhere ? " (and on all other addresses, since this is a container)" : "");
    fflush(stdout);
}

static void on_admin(void *ctx, const char *url)
{
    (void)ctx;
    printf("admin on %s\n", url);
    fflush(stdout);
}

static void on_ready(void *ctx)
{
    const struct serving *s = ctx;

    if (s->bg->on)
        leave_terminal(s->bg);
}

static void on_problem(void *ctx, const struct ax_err *err)
{
    const struct serving *s = ctx;

    if (s->dev)
        ax_dev_problem(err);
    else
        ax_say_err(err, AX_EXIT_FAILED);
}

static void on_reloaded(void *ctx, const char *file, unsigned ms, const char *why)
{
    (void)ctx;
    ax_dev_reloaded(file, ms, why);
}

static int serve(struct ax_app *app, struct ax_args *args, const struct wish *w, struct background *bg,
                 int left)
{
    struct serving serving = {args, bg, w->dev, logical_cwd()};
    const char *discovered[] = {app->manifest->file};
    struct ax_dev_mode dev = {.files = app->nfiles ? app->files : discovered,
                              .nfiles = app->nfiles ? app->nfiles : 1,
                              .color = ax_color(args, stdout),
                              .reloaded = on_reloaded};
    struct ax_serve_options o = {
        .manifest = app->manifest,
        .state = {.option = ax_args_value(args, "state"),
                  .getenv = lookup,
                  .ctx = app,
                  .manifest = app->manifest},
        .listen = w->given ? &w->listen : NULL,
        .workers = w->workers,
        .pid_file = ax_app_option(app, args, "pid-file"),
        .dev = w->dev ? &dev : NULL,
        .inspect = w->inspect[0] ? w->inspect : NULL,
        .cwd = serving.cwd,
        .left = left,
        .output = bg->on ? bg->log : -1,
        .environ = environ,
        .listening = on_listening,
        .ready = on_ready,
        .admin = on_admin,
        .problem = on_problem,
        .read = on_read,
        .release = on_release,
        .ctx = &serving,
    };
    struct ax_serve_result result = {0};
    struct ax_err err = {0};
    int rc = ax_serve(&o, &result, &err);

    ax_free(serving.cwd);
    if (rc == 0)
        return result.forced ? AX_EXIT_FORCED : AX_EXIT_OK;
    if (err.code)
        ax_say_err(&err, AX_EXIT_FAILED);
    return result.manifest ? AX_EXIT_MANIFEST : AX_EXIT_FAILED;
}

/* ---- the program takes the place of another one in its process, or is asked whether it could */
struct succession {
    bool asked; /* only says what it is */
    int left;   /* what the one before has left; 0 = nothing, an ordinary start */
};

/* Nobody else shall see it. */
static int succession(const struct ax_args *args, struct succession *ret)
{
    const char *value = getenv(AX_UPGRADE_ENV);
    uint64_t fd = 0;

    *ret = (struct succession){.asked = value && strcmp(value, AX_UPGRADE_CHECK) == 0};
    if (value && !ret->asked && (!ax_str_u64(ax_str(value), &fd) || fd <= STDERR_FILENO || fd > INT_MAX))
        return ax_usage(args, "%s is not for people (found '%s')", AX_UPGRADE_ENV, value);
    ret->left = (int)fd;
    unsetenv(AX_UPGRADE_ENV);
    return AX_EXIT_OK;
}

static int tell_what_it_is(void)
{
    char text[AX_UPGRADE_TEXT];

    ax_upgrade_tell(text);
    printf("%s\n", text);
    return AX_EXIT_OK;
}

static int run(struct ax_args *args, bool dev)
{
    struct ax_app app;
    struct wish w = {.given = false};
    struct background bg = {.ready = -1, .log = -1};
    struct succession su;
    int code = succession(args, &su);

    if (code != AX_EXIT_OK)
        return code;
    code = ax_app_load(args, &app);
    if (code == AX_EXIT_OK)
        code = wish_all(&app, args, dev, &w);
    if (code == AX_EXIT_OK && dev)
        ax_dev_environment(&app);
    if (code == AX_EXIT_OK && w.inspect[0])
        fprintf(stderr, "one worker, for a debugger at %s; timeouts.stall, handler and startup are off\n",
                w.inspect);
    bool stays = su.left || !ax_args_flag(args, "daemon", false);
    if (code == AX_EXIT_OK && su.asked)
        code = tell_what_it_is();
    else if (code == AX_EXIT_OK && (stays || go_background(&app, args, &bg, &code)))
        code = serve(&app, args, &w, &bg, su.left);
    if (bg.log >= 0)
        close(bg.log);
    ax_app_fini(&app);
    return code;
}

static int serve_run(struct ax_args *args)
{
    return run(args, false);
}

int ax_serving_dev(struct ax_args *args)
{
    return run(args, true);
}

static const struct ax_opt options[] = {
    AX_OPTS_APP,
    {"host", 0, AX_OPT_VALUE, "H", "address to listen on, instead of server.listen", 0, NULL},
    {"port", 'p', AX_OPT_VALUE, "P", "port to listen on, instead of server.listen; 0 picks a free one", 0,
     NULL},
    {"workers", 'w', AX_OPT_VALUE, "N", "JavaScript workers, or auto", 0, NULL},
    {"inspect", 0, AX_OPT_OPTIONAL, "H:P", "let a debugger connect; one worker", 0, NULL},
    {"daemon", 0, AX_OPT_FLAG, NULL, "run in the background; returns when the app answers", 0, NULL},
    {"pid-file", 0, AX_OPT_VALUE, "FILE", "write the process id here too", 0, NULL},
    AX_OPT_END,
};

const struct ax_cmd ax_cmd_serve = {
    .name = "serve",
    .summary = "run the app",
    .options = options,
    .run = serve_run,
    .about = "With --daemon the app's output goes to actix.log in the state folder.\n"
             "Signals: TERM and INT drain (a second INT stops at once), HUP reloads, "
             "USR1 reopens the log files.\n"};
