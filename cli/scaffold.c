#include "cli/scaffold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "supervisor/dirs.h"

enum { UNDO_FDS = 16, DEPTH_MAX = 32 };

/* "{{name}}" in two parts: this program, which may be linked into an app, has none itself. */
static const char opening[] = "{{", word[] = "name}}";

static int no_memory(struct ax_err *reterr)
{
    return ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* ---- folders */

/* Makes every folder of `path` up to its last slash. */
static int make_parents(const char *path, struct ax_err *reterr)
{
    char *copy = ax_strdup(path);
    int rc = 0;

    if (!copy)
        return no_memory(reterr);
    for (char *p = copy + 1; *copy && rc == 0 && (p = strchr(p, '/')); p++) {
        *p = '\0';
        if (mkdir(copy, 0777) < 0 && errno != EEXIST)
            rc = ax_fail_os(reterr, errno, "cannot make %s", copy);
        *p = '/';
    }
    ax_free(copy);
    return rc;
}

static int check_empty(const char *dir, struct ax_err *reterr)
{
    DIR *d = opendir(dir);
    int rc = 0;

    if (!d && errno == ENOTDIR)
        return ax_fail(reterr, AX_E_TYPE, "%s is no folder", dir);
    if (!d)
        return ax_fail_os(reterr, errno, "cannot read %s", dir);
    for (struct dirent *e; rc == 0 && (e = readdir(d));)
        if (!is_dots(e->d_name) && strcmp(e->d_name, ".git") != 0)
            rc = ax_fail(reterr, AX_E_STATE,
                         "%s is not empty (it has %s); --force writes into it all the same", dir, e->d_name);
    closedir(d);
    return rc;
}

int ax_scaffold_dir(const char *dir, bool force, bool *ret_made, struct ax_err *reterr)
{
    struct stat st;
    int rc = make_parents(dir, reterr);

    *ret_made = false;
    if (rc < 0)
        return rc;
    if (mkdir(dir, 0777) == 0) {
        *ret_made = true;
        return 0;
    }
    if (errno != EEXIST)
        return ax_fail_os(reterr, errno, "cannot make %s", dir);
    if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return ax_fail(reterr, AX_E_TYPE, "%s is no folder", dir);
    return force ? 0 : check_empty(dir, reterr);
}

static int undo_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    (void)remove(
        path); /* what stays is left for its owner to see: there is nobody to tell a second failure */
    return 0;
}

void ax_scaffold_undo(const char *dir)
{
    nftw(dir, undo_one, UNDO_FDS, FTW_DEPTH | FTW_PHYS);
}

/* ---- files */

static int read_file(int fd, const char *path, struct ax_buf *out, struct ax_err *reterr)
{
    enum { PIECE = 64 << 10 };

    for (;;) {
        char *room = ax_buf_reserve(out, PIECE);
        if (!room)
            return ax_fail(reterr, AX_E_LIMIT, "cannot hold %s in memory", path);
        ssize_t n = read(fd, room, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ax_fail_os(reterr, errno, "cannot read %s", path);
        if (n == 0)
            return 0;
        out->n += (size_t)n;
    }
}

/* The first placeholder from p on, or NULL. */
static const char *find_placeholder(const char *p, const char *end)
{
    size_t n = sizeof opening - 1, m = sizeof word - 1;

    while (p && (size_t)(end - p) >= n + m && (p = memmem(p, (size_t)(end - p), opening, n))) {
        if ((size_t)(end - p) >= n + m && memcmp(p + n, word, m) == 0)
            return p;
        p++;
    }
    return NULL;
}

static bool replace_name(const struct ax_buf *in, const char *name, struct ax_buf *out)
{
    const char *p = in->p, *end = in->p + in->n;

    for (const char *hit; in->n && (hit = find_placeholder(p, end));
         p = hit + sizeof opening - 1 + sizeof word - 1) {
        ax_buf_add(out, p, (size_t)(hit - p));
        ax_buf_adds(out, name);
    }
    ax_buf_add(out, p, (size_t)(end - p));
    return !out->failed;
}

static int write_file(const char *path, mode_t mode, bool force, const struct ax_buf *text,
                      struct ax_err *reterr)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (force ? O_TRUNC : O_EXCL), mode);
    size_t done = 0;
    int rc = 0;

    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot write %s", path);
    while (rc == 0 && done < text->n) {
        ssize_t n = write(fd, text->p + done, text->n - done);
        if (n < 0 && errno != EINTR)
            rc = ax_fail_os(reterr, errno, "cannot write %s", path);
        done += n > 0 ? (size_t)n : 0;
    }
    if (close(fd) < 0 && rc == 0)
        rc = ax_fail_os(reterr, errno, "cannot write %s", path);
    return rc;
}

int ax_scaffold_link(const char *target, const char *path, struct ax_err *reterr)
{
    int rc = make_parents(path, reterr);

    if (rc == 0 && symlink(target, path) < 0 && errno != EEXIST)
        rc = ax_fail_os(reterr, errno, "cannot make the link %s", path);
    return rc;
}

int ax_scaffold_file(const char *from, const char *to, const char *name, bool force, unsigned *count,
                     struct ax_err *reterr)
{
    struct ax_buf in = AX_BUF_INIT(AX_SCAFFOLD_FILE_MAX + (64 << 10)),
                  out = AX_BUF_INIT(2 * AX_SCAFFOLD_FILE_MAX);
    struct stat st;
    int fd = open(from, O_RDONLY | O_CLOEXEC), rc;

    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot read %s", from);
    if (fstat(fd, &st) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot read %s", from);
        goto done;
    }
    rc = read_file(fd, from, &in, reterr);
    if (rc == 0 && !replace_name(&in, name, &out))
        rc = no_memory(reterr);
    if (rc == 0)
        rc = make_parents(to, reterr);
    if (rc == 0)
        rc = write_file(to, st.st_mode & 0777, force, &out, reterr);
    *count += rc == 0;
done:
    close(fd);
    ax_buf_fini(&in);
    ax_buf_fini(&out);
    return rc;
}

/* ---- the tree */

struct copying {
    const char *name;
    bool force;
    unsigned *count, depth;
};

static int copy_dir(const struct copying *c, const char *from, const char *to, struct ax_err *reterr);

/* npm packs no file of the name .gitignore: there templates have it under another one. */
static const char *real_name(const char *name)
{
    return strcmp(name, "_gitignore") == 0 ? ".gitignore" : name;
}

static int copy_entry(const struct copying *c, const char *from, const char *to, struct ax_err *reterr)
{
    struct copying below = {c->name, c->force, c->count, c->depth + 1};
    struct stat st;

    if (lstat(from, &st) < 0)
        return ax_fail_os(reterr, errno, "cannot read %s", from);
    if (S_ISREG(st.st_mode))
        return ax_scaffold_file(from, to, c->name, c->force, c->count, reterr);
    if (!S_ISDIR(st.st_mode) || below.depth > DEPTH_MAX)
        return ax_fail(reterr, AX_E_TYPE, "%s is neither a file nor a folder", from);
    if (mkdir(to, 0777) < 0 && errno != EEXIST)
        return ax_fail_os(reterr, errno, "cannot make %s", to);
    return copy_dir(&below, from, to, reterr);
}

static int copy_dir(const struct copying *c, const char *from, const char *to, struct ax_err *reterr)
{
    DIR *d = opendir(from);
    int rc = 0;

    if (!d)
        return ax_fail_os(reterr, errno, "cannot read %s", from);
    for (struct dirent *e; rc == 0 && (e = readdir(d));) {
        if (is_dots(e->d_name))
            continue;
        char *src = ax_path_join(from, e->d_name), *dst = ax_path_join(to, real_name(e->d_name));
        rc = src && dst ? copy_entry(c, src, dst, reterr) : no_memory(reterr);
        ax_free(src);
        ax_free(dst);
    }
    closedir(d);
    return rc;
}

int ax_scaffold_tree(const char *from, const char *to, const char *name, bool force, unsigned *count,
                     struct ax_err *reterr)
{
    struct copying c = {name, force, count, 0};

    return copy_dir(&c, from, to, reterr);
}
