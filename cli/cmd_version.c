/* `actix version`: this program, the Node it would run, the libraries that are loaded, and how it was built.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/build.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "supervisor/node.h"
#include "supervisor/spawn.h"

enum { VERSION_MAX = 64 };

/* Each library tells its version itself, by a function without arguments.  It is found by name at run time,
 * so that its header stays in the one folder that uses it. */
static const struct library {
    const char *name, *function;
} libraries[] = {
    {"libuv", "uv_version_string"},
    {"libyaml", "yaml_get_version_string"},
    {"sqlite", "sqlite3_libversion"},
    {"jansson", "jansson_version_str"},
};

static const char *library_version(const struct library *l)
{
    const char *(*call)(void);
    void *symbol = dlsym(RTLD_DEFAULT, l->function);

    if (!symbol)
        return "unknown";
    memcpy(&call, &symbol, sizeof call); /* POSIX allows what ISO C does not: dlsym(3) */
    return call();
}

struct node {
    char *path; /* OWNED; NULL = not found, and `why` says so */
    char version[VERSION_MAX];
    struct ax_err why;
};

/* What `node --version` prints, without the "v" and the end of the line. */
static void ask_version(struct node *n, const struct ax_env *env)
{
    char *argv[] = {n->path, (char[]){"--version"}, NULL}, text[VERSION_MAX];
    int out[2];

    if (pipe2(out, O_CLOEXEC) < 0) {
        ax_fail_os(&n->why, errno, "cannot ask %s for its version", n->path);
        return;
    }
    pid_t pid =
        ax_spawn(&(struct ax_spawn){.file = n->path, .argv = argv, .envp = env->v, .out = out[1]}, &n->why);
    close(out[1]);
    if (pid > 0) {
        ssize_t len = read(out[0], text, sizeof text - 1);
        ax_spawn_kill(pid);
        text[len > 0 ? len : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        snprintf(n->version, sizeof n->version, "%s", text + (text[0] == 'v'));
    }
    close(out[0]);
}

static void find_node(struct node *n)
{
    char root[] = ".";
    const struct ax_manifest defaults = {.root = root};
    struct ax_env env = {0};

    if (ax_env_make(&defaults, environ, NULL, &env, &n->why) == 0) {
        n->path = ax_node_find(&defaults, &env, &n->why);
        if (n->path)
            ask_version(n, &env);
    }
    ax_env_fini(&env);
}

/* One line; every fact with --verbose. */
static void print_build(bool verbose)
{
    const struct ax_build b = ax_build();

    printf("build %s: %s %s, %s, lto %s, pgo %s, allocator %s %s\n", b.kind, b.compiler, b.opt, b.march,
           b.lto, b.pgo, b.allocator, b.allocator_version);
#define FACT(name)                                                                                           \
    if (verbose && b.name[0])                                                                                \
        printf("  %s: %s\n", #name, b.name);
    AX_BUILD_FIELDS(FACT)
#undef FACT
}

static json_t *build_json(void)
{
    const struct ax_build b = ax_build();
    json_t *o = json_object();

#define FACT(name) json_object_set_new(o, #name, json_string(b.name));
    AX_BUILD_FIELDS(FACT)
#undef FACT
    return o;
}

static int print_text(const struct node *n, bool verbose)
{
    printf("actix %s\n", AX_VERSION);
    if (n->path)
        printf("node %s (%s)\n", n->version[0] ? n->version : "of unknown version", n->path);
    else
        printf("node not found: %s\n", n->why.msg);
    for (size_t i = 0; i < AX_COUNT(libraries); i++)
        printf("%s %s\n", libraries[i].name, library_version(&libraries[i]));
    print_build(verbose);
    return AX_EXIT_OK;
}

static int print_json(const struct node *n)
{
    json_t *libs = json_object();

    for (size_t i = 0; i < AX_COUNT(libraries); i++)
        json_object_set_new(libs, libraries[i].name, json_string(library_version(&libraries[i])));
    json_t *node = n->path ? json_pack("{s:s, s:s}", "version", n->version, "path", n->path) : json_null();
    return ax_print_json(json_pack("{s:s, s:o, s:o, s:o}", "version", AX_VERSION, "node", node, "libraries",
                                   libs, "build", build_json()));
}

static int version_run(struct ax_args *args)
{
    struct node n = {0};

    find_node(&n);
    int code = ax_args_flag(args, "json", false) ? print_json(&n)
                                                 : print_text(&n, ax_args_flag(args, "verbose", false));
    ax_free(n.path);
    return code;
}

static const struct ax_opt options[] = {
    AX_OPT_JSON, {.name = "verbose", .help = "every fact of how this program was built"}, AX_OPT_END};

const struct ax_cmd ax_cmd_version = {.name = "version",
                                      .summary = "show the versions of actix, Node and the libraries",
                                      .options = options,
                                      .run = version_run};
