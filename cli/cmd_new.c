/* `actix new DIR`: a small app that runs as it is. */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/str.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "cli/scaffold.h"
#include "supervisor/dirs.h"

enum { TEMPLATES_MAX = 64, NAME_MAX_BYTES = 64, LINE_BYTES = 200 };

static const struct ax_opt options[] = {
    {"template", 't', AX_OPT_VALUE, "NAME", "what to start from; default when not given", 0, NULL},
    {"list", 'l', AX_OPT_FLAG, NULL, "list the templates", AX_OPT_NO_ENV, NULL},
    {"force", 'f', AX_OPT_FLAG, NULL, "write into a folder that is not empty", AX_OPT_NO_ENV, NULL},
    AX_OPT_END,
};

/* ---- templates: every folder of SHARE/templates that has a manifest */

struct templates {
    char *dir;                  /* OWNED */
    char *names[TEMPLATES_MAX]; /* OWNED, sorted */
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void templates_fini(struct templates *t)
{
    for (size_t i = 0; i < t->n; i++)
        ax_free(t->names[i]);
    ax_free(t->dir);
}

static int templates_read(const char *share, struct templates *ret)
{
    DIR *d;

    *ret = (struct templates){.dir = ax_path_join(share, "templates")};
    d = ret->dir ? opendir(ret->dir) : NULL;
    if (!d) {
        ax_say("no templates at %s: is actix installed completely?", ret->dir ? ret->dir : share);
        return AX_EXIT_FAILED;
    }
    for (struct dirent *e; ret->n < TEMPLATES_MAX && (e = readdir(d));)
        if (e->d_name[0] != '.' && (ret->names[ret->n] = ax_strdup(e->d_name)))
            ret->n++;
    closedir(d);
    qsort(ret->names, ret->n, sizeof *ret->names, by_name);
    return AX_EXIT_OK;
}

/* A template says what it is in the first line of its manifest: "# ...". */
static void template_about(const struct templates *t, const char *name, char out[LINE_BYTES])
{
    char *path = ax_asprintf("%s/%s/actix.yaml", t->dir, name);
    FILE *f = path ? fopen(path, "re") : NULL;

    out[0] = '\0';
    if (f && fgets(out, LINE_BYTES, f)) {
        size_t skip = strspn(out, "# ");
        out[strcspn(out, "\n")] = '\0';
        memmove(out, out + skip, strlen(out + skip) + 1);
    }
    if (f)
        fclose(f);
    ax_free(path);
}

static int list(const struct ax_args *args, const struct templates *t)
{
    struct ax_table *table = ax_table_new();
    char about[LINE_BYTES];

    ax_table_column(table, "TEMPLATE", 0);
    ax_table_column(table, "ABOUT", 0);
    for (size_t i = 0; i < t->n; i++) {
        template_about(t, t->names[i], about);
        ax_table_row(table);
        ax_table_cell(table, "%s", t->names[i]);
        ax_table_cell(table, "%s", about);
    }
    return ax_table_print(table, args);
}

static int unknown_template(const struct ax_args *args, const struct templates *t, const char *name)
{
    const char *near = ax_nearest(name, (const char *const *)t->names, t->n);

    if (near)
        return ax_usage(args, "no template '%s'; did you mean '%s'?", name, near);
    return ax_usage(args, "no template '%s'; 'actix new --list' lists them", name);
}

/* ---- the app */

/* The folder's own name, in the letters that package names allow. */
static void app_name(const char *dir, char out[NAME_MAX_BYTES])
{
    char real[PATH_MAX];
    const char *base = realpath(dir, real) ? strrchr(real, '/') + 1 : "app";
    size_t n = 0;

    for (; *base && n + 1 < NAME_MAX_BYTES; base++) {
        char c = isalnum((unsigned char)*base) ? ax_lower(*base) : (strchr("._-", *base) ? *base : '-');
        if (n || isalnum((unsigned char)c))
            out[n++] = c;
    }
    out[n] = '\0';
    if (n == 0)
        snprintf(out, NAME_MAX_BYTES, "app");
}

/* Whether a shell finds this very installation: a program whose folder's neighbour is our LIB. */
static bool in_path(const struct ax_dirs *dirs)
{
    char found[PATH_MAX], real[PATH_MAX];
    size_t n = strlen(dirs->lib) - strlen("/lib/actix");

    for (const char *p = getenv("PATH"); p; p = strchr(p, ':') ? strchr(p, ':') + 1 : NULL) {
        snprintf(found, sizeof found, "%.*s/actix", (int)strcspn(p, ":"), p);
        if (access(found, X_OK) == 0 && realpath(found, real))
            return strncmp(real, dirs->lib, n) == 0 && real[n] == '/' && strchr(real + n + 1, '/') &&
                   !strchr(strchr(real + n + 1, '/') + 1, '/');
    }
    return false;
}

/* `actix-js` for tests and for plain Node without an install: npm makes the same link from package.json. And,
 * where no shell would find it, `actix` for npm's scripts. */
static int link_package(const struct ax_dirs *dirs, const char *dir, struct ax_err *reterr)
{
    char *package = ax_path_join(dir, "node_modules/actix-js");
    char *program = ax_path_join(dir, "node_modules/.bin/actix");
    char exe[PATH_MAX];
    int rc = package && program ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");

    if (rc == 0)
        rc = ax_scaffold_link("../types/actix-js", package, reterr);
    if (rc == 0 && !in_path(dirs) && realpath("/proc/self/exe", exe))
        rc = ax_scaffold_link(exe, program, reterr);
    ax_free(package);
    ax_free(program);
    return rc;
}

/* A file of the installed package. */
static int copy_installed(const struct ax_dirs *dirs, const char *file, const char *to, bool force,
                          unsigned *count, struct ax_err *reterr)
{
    char *src = ax_asprintf("%s/addon/%s", dirs->lib, file), *dst = ax_path_join(to, file);
    int rc = src && dst ? ax_scaffold_file(src, dst, "", force, count, reterr)
                        : ax_fail(reterr, AX_E_NOMEM, "out of memory");

    ax_free(src);
    ax_free(dst);
    return rc;
}

/* The package that leads to the installed one, and its types: editors and Node then know `actix-js`. */
static int copy_package(const struct ax_dirs *dirs, const struct templates *t, const char *dir,
                        const char *name, bool force, unsigned *count, struct ax_err *reterr)
{
    static const char *const installed[] = {"index.d.ts", "index.mjs", "test.d.ts"};
    char *from = ax_path_join(t->dir, ".package"), *to = ax_path_join(dir, "types/actix-js");
    int rc = from && to ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");

    for (size_t i = 0; rc == 0 && i < AX_COUNT(installed); i++)
        rc = copy_installed(dirs, installed[i], to, force, count, reterr);
    if (rc == 0)
        rc = ax_scaffold_tree(from, to, name, force, count, reterr);
    ax_free(from);
    ax_free(to);
    return rc;
}

static int copy(const struct ax_dirs *dirs, const struct templates *t, const char *from, const char *dir,
                bool force, unsigned *count, struct ax_err *reterr)
{
    char name[NAME_MAX_BYTES];
    int rc;

    app_name(dir, name);
    rc = ax_scaffold_tree(from, dir, name, force, count, reterr);
    if (rc == 0)
        rc = copy_package(dirs, t, dir, name, force, count, reterr);
    return rc == 0 ? link_package(dirs, dir, reterr) : rc;
}

static void print_quoted(const char *word)
{
    if (word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+@")] == '\0') {
        fputs(word, stdout);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*word);
    putchar('\'');
}

/* A template that needs packages names them: actix-js alone is there already. */
static bool needs_install(const char *dir)
{
    char *path = ax_path_join(dir, "package.json");
    FILE *f = path ? fopen(path, "re") : NULL;
    char line[LINE_BYTES];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, "\": \"^") != NULL;
    if (f)
        fclose(f);
    ax_free(path);
    return found;
}

static void print_next(const char *dir, const char *name, unsigned count)
{
    printf("created %s from template %s, %u files\n\nnext:\n", dir, name, count);
    if (strcmp(dir, ".") != 0) {
        fputs(dir[0] == '-' ? "  cd -- " : "  cd ", stdout);
        print_quoted(dir);
        putchar('\n');
    }
    if (needs_install(dir))
        puts("  npm install");
    puts("  actix serve");
}

static int create(const struct ax_args *args, const struct ax_dirs *dirs, const struct templates *t,
                  const char *name)
{
    const char *dir = args->operands[0];
    bool force = ax_args_flag(args, "force", false), made = false;
    struct ax_err err = {0};
    unsigned count = 0;
    char *from = ax_path_join(t->dir, name);
    int rc = from ? ax_scaffold_dir(dir, force, &made, &err) : ax_fail(&err, AX_E_NOMEM, "out of memory");

    if (rc == 0) {
        rc = copy(dirs, t, from, dir, force, &count, &err);
        if (rc < 0 && made)
            ax_scaffold_undo(dir);
    }
    ax_free(from);
    if (rc < 0)
        return ax_say_err(&err, AX_EXIT_FAILED);
    print_next(dir, name, count);
    return AX_EXIT_OK;
}

static int new_run(struct ax_args *args)
{
    const char *name = ax_args_value(args, "template");
    const char *wanted[1] = {name ? name : "default"};
    struct templates t = {0};
    struct ax_dirs dirs;
    struct ax_err err = {0};

    if (args->noperands == 0 && !ax_args_flag(args, "list", false))
        return ax_usage(args, "'new' needs a folder: actix new DIR");
    if (args->noperands && !*args->operands[0])
        return ax_usage(args, "the folder's name is empty");
    if (ax_install_dirs(&dirs, &err) < 0)
        return ax_say_err(&err, AX_EXIT_FAILED);
    int code = templates_read(dirs.share, &t);
    if (code == AX_EXIT_OK && ax_args_flag(args, "list", false))
        code = list(args, &t);
    else if (code == AX_EXIT_OK && !bsearch(wanted, t.names, t.n, sizeof *t.names, by_name))
        code = unknown_template(args, &t, wanted[0]);
    else if (code == AX_EXIT_OK)
        code = create(args, &dirs, &t, wanted[0]);
    templates_fini(&t);
    ax_install_dirs_fini(&dirs);
    return code;
}

const struct ax_cmd ax_cmd_new = {.name = "new",
                                  .summary = "make a new app in DIR",
                                  .options = options,
                                  .run = new_run,
                                  .operands = "DIR",
                                  .max_operands = 1};
