#include "supervisor/dev.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/list.h"
#include "supervisor/dirs.h"

enum { DEV_MAGIC = 0x44455657, FOLDER_MAGIC = 0x44455644, DEPTH_MAX = 32, NAME_MAX_BYTES = 512 };

struct folder {
    uint32_t magic;
    struct ax_dev *dev;
    struct ax_list node;
    uv_fs_event_t event;
    ino_t inode; /* another folder of that name is not watched */
    bool deep;   /* part of a tree: new folders in it are entered, and every source file in it counts */
    char path[]; /* absolute */
};

struct ax_dev {
    uint32_t magic;
    struct ax_dev_options o;
    uv_timer_t quiet;
    struct ax_list folders;
    size_t nfolders;
    char **skip, **files; /* OWNED */
    size_t nskip, nfiles;
    char last[NAME_MAX_BYTES]; /* the file told of next */
    bool closing, grown;       /* grown: a folder was made, so the tree is to be walked again */
    bool walked;               /* once: a folder that is new since may hold code that is news */
    unsigned open;             /* handles */
    char *root;                /* OWNED; NULL before ax_dev_tree */
};

/* ---- which files matter */
static bool has_end(const char *name, const char *const *ends, size_t n)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < n; i++)
        if (strcmp(dot, ends[i]) == 0)
            return true;
    return false;
}

static bool is_source(const char *name)
{
    static const char *const ends[] = {".js",  ".mjs", ".cjs", ".ts",   ".mts",
                                       ".cts", ".jsx", ".tsx", ".yaml", ".yml"};

    return has_end(name, ends, AX_COUNT(ends)) || strcmp(name, ".env") == 0 ||
           strcmp(name, "package.json") == 0;
}

static bool is_named(const struct ax_dev *d, const struct folder *f, const char *name)
{
    size_t n = strlen(f->path);

    for (size_t i = 0; i < d->nfiles; i++)
        if (strncmp(d->files[i], f->path, n) == 0 && d->files[i][n] == '/' &&
            strcmp(d->files[i] + n + 1, name) == 0)
            return true;
    return false;
}

static bool is_entered(const struct ax_dev *d, const char *path, const char *name)
{
    if (name[0] == '.' || strcmp(name, "node_modules") == 0)
        return false;
    for (size_t i = 0; i < d->nskip; i++)
        if (strcmp(d->skip[i], path) == 0)
            return false;
    return true;
}

/* ---- changes */
static void on_quiet(uv_timer_t *t)
{
    struct ax_dev *d = AX_CAST(struct ax_dev, t->data, DEV_MAGIC);

    if (d->grown) {
        d->grown = false;
        ax_dev_tree(d, d->root, NULL); /* what is beyond the limit was told at the start */
    }
    if (d->last[0])
        d->o.changed(d->o.ctx, d->last);
    d->last[0] = '\0';
}

static bool is_folder(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A folder that appears may have brought files along, before it was watched. */
static void on_new(struct folder *f, const char *name)
{
    struct ax_dev *d = f->dev;
    char path[NAME_MAX_BYTES * 2];

    snprintf(path, sizeof path, "%s/%s", f->path, name);
    if (!f->deep || !is_entered(d, path, name) || !is_folder(path))
        return;
    d->grown = true;
    uv_timer_start(&d->quiet, on_quiet, AX_DEV_QUIET_MS, 0);
}

static void on_event(uv_fs_event_t *h, const char *name, int events, int status)
{
    struct folder *f = AX_CAST(struct folder, h->data, FOLDER_MAGIC);
    struct ax_dev *d = f->dev;

    if (status < 0 || !name || d->closing)
        return;
    if (events & UV_RENAME)
        on_new(f, name);
    if (!(f->deep && is_source(name)) && !is_named(d, f, name))
        return;
    snprintf(d->last, sizeof d->last, "%s/%s", f->path, name);
    uv_timer_start(&d->quiet, on_quiet, AX_DEV_QUIET_MS, 0);
}

/* ---- watching */
static void on_closed(uv_handle_t *h)
{
    struct ax_dev *d = h->type == UV_TIMER ? AX_CAST(struct ax_dev, h->data, DEV_MAGIC)
                                           : AX_CAST(struct folder, h->data, FOLDER_MAGIC)->dev;

    if (h->type != UV_TIMER) {
        struct folder *f = h->data;
        ax_list_remove(&f->node);
        ax_free(f);
    }
    if (--d->open > 0)
        return;
    for (size_t i = 0; i < d->nskip; i++)
        ax_free(d->skip[i]);
    for (size_t i = 0; i < d->nfiles; i++)
        ax_free(d->files[i]);
    ax_free(d->skip);
    ax_free(d->files);
    ax_free(d->root);
    d->magic = 0;
    ax_free(d);
}

static struct folder *find(struct ax_dev *d, const char *path)
{
    AX_LIST_EACH(it, &d->folders)
    {
        struct folder *f = AX_LIST_ENTRY(it, struct folder, node);
        if (strcmp(f->path, path) == 0 && !uv_is_closing((uv_handle_t *)&f->event))
            return f;
    }
    return NULL;
}

static ino_t inode_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? st.st_ino : 0;
}

static int start(struct folder *f, struct ax_err *reterr)
{
    f->inode = inode_of(f->path);
    int rc = uv_fs_event_start(&f->event, on_event, f->path, 0);

    if (rc == 0)
        return 0;
    uv_close((uv_handle_t *)&f->event, on_closed);
    f->dev->nfolders--;
    if (rc == UV_ENOSPC)
        return ax_fail(reterr, AX_E_LIMIT,
                       "cannot watch %s: no inotify watch is left (sysctl fs.inotify.max_user_watches)",
                       f->path);
    return ax_fail(reterr, AX_E_SYS, "cannot watch %s: %s", f->path, uv_strerror(rc));
}

static int watch(struct ax_dev *d, const char *path, bool deep, struct ax_err *reterr)
{
    struct folder *f = find(d, path);
    size_t n = strlen(path) + 1;

    if (f) {
        f->deep = f->deep || deep;
        return 0;
    }
    if (d->nfolders >= AX_DEV_FOLDERS_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "only %d folders are watched; %s is not", AX_DEV_FOLDERS_MAX,
                       path);
    f = ax_calloc(1, sizeof *f + n);
    if (!f)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    f->magic = FOLDER_MAGIC;
    f->dev = d;
    f->deep = deep;
    memcpy(f->path, path, n);
    ax_list_init(&f->node);
    uv_fs_event_init(d->o.loop, &f->event);
    f->event.data = f;
    d->open++;
    d->nfolders++;
    ax_list_push(&d->folders, &f->node);
    return start(f, reterr);
}

static int walk(struct ax_dev *d, const char *path, unsigned depth, struct ax_err *reterr)
{
    bool news = d->walked && !find(d, path);
    int rc = watch(d, path, true, reterr);
    DIR *dir = rc == 0 && depth < DEPTH_MAX ? opendir(path) : NULL;
    const struct dirent *e;

    while (rc == 0 && dir && (e = readdir(dir))) {
        if (news && is_source(e->d_name))
            snprintf(d->last, sizeof d->last, "%s/%s", path, e->d_name);
        if (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN)
            continue;
        char *below = ax_path_join(path, e->d_name);
        if (!below)
            rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
        else if (is_entered(d, below, e->d_name) && is_folder(below))
            rc = walk(d, below, depth + 1, reterr);
        ax_free(below);
    }
    if (dir)
        closedir(dir);
    return rc;
}

/* Folders that are gone: the kernel has forgotten them, and a new one of that name is another. */
static void drop_gone(struct ax_dev *d)
{
    AX_LIST_EACH(it, &d->folders)
    {
        struct folder *f = AX_LIST_ENTRY(it, struct folder, node);
        if (uv_is_closing((uv_handle_t *)&f->event) || inode_of(f->path) == f->inode)
            continue;
        d->nfolders--;
        uv_close((uv_handle_t *)&f->event, on_closed);
    }
}

int ax_dev_tree(struct ax_dev *d, const char *root, struct ax_err *reterr)
{
    if (!d->root || strcmp(d->root, root) != 0) {
        char *copy = ax_strdup(root);
        if (!copy)
            return ax_fail(reterr, AX_E_NOMEM, "out of memory");
        ax_free(d->root);
        d->root = copy;
    }
    drop_gone(d);
    int rc = walk(d, d->root, 0, reterr);
    d->walked = true;
    return rc;
}

/* Appends a copy. */
static int keep(char ***list, size_t *n, const char *text, struct ax_err *reterr)
{
    char **v = ax_realloc(*list, (*n + 1) * sizeof *v);

    if (v)
        *list = v;
    char *copy = v ? ax_strdup(text) : NULL;
    if (!copy)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    v[(*n)++] = copy;
    return 0;
}

void ax_dev_poke(struct ax_dev *d, const char *file)
{
    snprintf(d->last, sizeof d->last, "%s", file);
    if (!d->closing)
        uv_timer_start(&d->quiet, on_quiet, AX_DEV_QUIET_MS, 0);
}

int ax_dev_skip(struct ax_dev *d, const char *folder, struct ax_err *reterr)
{
    for (size_t i = 0; i < d->nskip; i++)
        if (strcmp(d->skip[i], folder) == 0)
            return 0;
    return keep(&d->skip, &d->nskip, folder, reterr);
}

int ax_dev_file(struct ax_dev *d, const char *path, struct ax_err *reterr)
{
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path || d->nfiles >= AX_DEV_FILES_MAX)
        return 0;
    for (size_t i = 0; i < d->nfiles; i++)
        if (strcmp(d->files[i], path) == 0)
            return 0;
    char *folder = ax_asprintf("%.*s", (int)(slash - path), path);
    int rc = folder ? watch(d, folder, false, reterr) : ax_fail(reterr, AX_E_NOMEM, "out of memory");
    ax_free(folder);
    return rc < 0 ? rc : keep(&d->files, &d->nfiles, path, reterr);
}

/* ---- life */
int ax_dev_open(const struct ax_dev_options *o, struct ax_dev **ret, struct ax_err *reterr)
{
    struct ax_dev *d = ax_calloc(1, sizeof *d);

    if (!d)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    *d = (struct ax_dev){.magic = DEV_MAGIC, .o = *o, .open = 1};
    ax_list_init(&d->folders);
    uv_timer_init(o->loop, &d->quiet);
    d->quiet.data = d;
    *ret = d;
    return 0;
}

void ax_dev_close(struct ax_dev *d)
{
    if (!d || d->closing)
        return;
    d->closing = true;
    AX_LIST_EACH(it, &d->folders)
    {
        struct folder *f = AX_LIST_ENTRY(it, struct folder, node);
        if (!uv_is_closing((uv_handle_t *)&f->event))
            uv_close((uv_handle_t *)&f->event, on_closed);
    }
    uv_close((uv_handle_t *)&d->quiet, on_closed);
}
