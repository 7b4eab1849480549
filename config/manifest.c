/* config/manifest.c - ax_manifest_load: the four steps in their order, and who owns what between them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "config/decode.h"
#include "config/mf_arena.h"
#include "config/mf_file.h"
#include "config/mf_policy.h"
#include "config/mf_routes.h"
#include "config/overlay.h"
#include "config/problems.h"
#include "config/validate.h"

static const char *const default_names[] = {"actix.yaml", "actix.yml"};

void ax_manifest_free(struct ax_manifest *m)
{
    if (!m)
        return;
    ax_mf_arena_free(m->arena);
    ax_free(m);
}

const struct ax_pairs *ax_manifest_dotenv(const struct ax_manifest *m)
{
    return &m->dotenv;
}

/* Which of the default names is there; NULL after the problem that names them. */
static const char *discover(struct ax_problems *p)
{
    char cwd[PATH_MAX];

    for (size_t i = 0; i < AX_COUNT(default_names); i++)
        if (access(default_names[i], F_OK) == 0)
            return default_names[i];
    if (!getcwd(cwd, sizeof cwd))
        snprintf(cwd, sizeof cwd, ".");
    const char *dir = strcmp(cwd, "/") == 0 ? "" : cwd;
    ax_problem(p, AX_E_MISSING, NULL, "no manifest: tried %.150s/%s and %.150s/%s; name one with -c FILE",
               dir, default_names[0], dir, default_names[1]);
    return NULL;
}

/* -c FILE is resolved anew at each load: a link to a release's folder is followed now and for this
 * generation. */
static int find_root(struct ax_mf *d, const char *file)
{
    char real[PATH_MAX];
    char *folder = ax_file_folder(d->tmp, file);

    if (folder && !realpath(folder, real)) {
        ax_problem(d->p, AX_E_SYS, NULL, "cannot read %s: %s", file, strerror(errno));
        return -AX_E_SYS;
    }
    d->m->file = ax_mf_strdup(d->arena, file);
    d->m->root = folder ? ax_mf_strdup(d->arena, real) : NULL;
    return d->m->file && d->m->root ? 0 : -AX_E_NOMEM;
}

static int read_tree(struct ax_mf *d, const char *file, struct ax_node **ret)
{
    struct ax_buf text = AX_BUF_INIT(AX_MF_FILE_MAX);
    struct ax_err err = {0};
    char *name = ax_mf_strdup(d->arena, file);

    int rc = name ? ax_file_read(file, &text, &err) : -AX_E_NOMEM;
    if (rc < 0 && err.code != AX_OK && err.code != AX_E_NOMEM)
        ax_problem(d->p, err.code, NULL, "%s", err.msg);
    if (rc == 0) {
        char *copy = ax_buf_reserve(&text, 1) ? text.p : NULL; /* an empty file has no buffer yet */
        if (copy)
            copy[text.n] = '\0';
        rc = copy ? ax_yaml_parse(copy, text.n, name, d->tmp, d->p, ret) : -AX_E_NOMEM;
    }
    ax_buf_fini(&text);
    return rc;
}

/* All files are read before the first failure counts, so that one run tells about each of them. */
static int read_trees(struct ax_mf *d, const char *const *files, size_t n)
{
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        struct ax_node *tree = NULL;
        int one = read_tree(d, files[i], &tree);
        if (one == -AX_E_NOMEM)
            return one;
        if (one < 0 && rc == 0)
            rc = one;
        if (tree && tree->kind != AX_NODE_MAP) {
            if (tree->kind != AX_NODE_BAD)
                ax_problem(d->p, AX_E_TYPE, &tree->at,
                           "a manifest is a map of keys such as server and routes");
            tree = NULL;
            rc = rc < 0 ? rc : -AX_E_TYPE;
        }
        if (tree && d->root)
            ax_overlay(d->root, tree);
        else if (tree)
            d->root = tree;
    }
    return d->root ? 0 : rc;
}

static int load_dotenv(struct ax_mf *d)
{
    struct ax_err err = {0};
    char *file = ax_mf_printf(d->tmp, "%s/.env", d->m->root);
    int rc = file ? ax_dotenv_load(file, &d->m->dotenv, d->arena, &err) : -AX_E_NOMEM;

    if (rc < 0 && err.code != AX_E_NOMEM && err.code != AX_OK)
        ax_problem(d->p, err.code, NULL, "%s", err.msg);
    return rc == -AX_E_NOMEM ? rc : 0;
}

static void decode(struct ax_mf *d, const struct ax_manifest_input *in)
{
    struct ax_lookup look = {.getenv = in->getenv, .ctx = in->ctx, .dotenv = &d->m->dotenv};

    ax_overlay_drop_extensions(d->root);
    ax_interpolate(d->root, &look, d->tmp, d->p);
    ax_decode_defaults(d, &ax_table_manifest, d->m);
    ax_decode_map(d, &ax_table_manifest, d->m, d->root, "");
    ax_decode_policy(d);
    ax_decode_routes(d);
}

static bool out_of_memory(const struct ax_mf *d)
{
    return d->arena->a.failed || d->tmp->a.failed || d->p->failed;
}

static int load(struct ax_mf *d, const struct ax_manifest_input *in, const char *const *files, size_t n)
{
    int rc = find_root(d, files[0]);

    if (rc == 0)
        rc = load_dotenv(d);
    if (rc == 0)
        rc = read_trees(d, files, n);
    if (rc == 0) {
        decode(d, in);
        if (!out_of_memory(d))
            ax_validate(d);
    }
    return out_of_memory(d) ? -AX_E_NOMEM : rc;
}

static int first_error(const struct ax_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (!p->v[i].warning)
            return -(int)p->v[i].err.code;
    return 0;
}

static int new_manifest(struct ax_mf *d)
{
    d->m = ax_calloc(1, sizeof *d->m);
    if (!d->m)
        return -AX_E_NOMEM;
    d->m->arena = d->arena = ax_mf_arena_new();
    d->tmp = ax_mf_arena_new();
    if (d->arena && d->tmp)
        return 0;
    ax_mf_arena_free(d->tmp);
    ax_manifest_free(d->m);
    return -AX_E_NOMEM;
}

int ax_manifest_load(const struct ax_manifest_input *in, struct ax_manifest **ret,
                     struct ax_problems *problems)
{
    struct ax_mf d = {.p = problems};
    const char *found = NULL;
    const char *const *files = in->nfiles ? in->files : &found;
    size_t n = in->nfiles ? in->nfiles : 1;

    *ret = NULL;
    if (!in->nfiles && !(found = discover(problems)))
        return problems->failed ? -AX_E_NOMEM : -AX_E_MISSING;
    int rc = new_manifest(&d);
    if (rc < 0)
        return rc;
    rc = load(&d, in, files, n);
    ax_problems_sort(problems, files, n);
    if (rc != -AX_E_NOMEM && problems->errors)
        rc = first_error(problems);
    if (rc < 0 && !(in->keep_broken && d.root && rc != -AX_E_NOMEM))
        ax_manifest_free(d.m);
    else
        *ret = d.m;
    ax_mf_arena_free(d.tmp);
    return rc;
}
