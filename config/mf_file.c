#include "config/mf_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/mf_arena.h"

enum { FILES_LOOKED_AT = 1000 };

static int read_all(int fd, const char *file, struct ax_buf *out, struct ax_err *reterr)
{
    for (;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ax_fail_os(reterr, errno, "cannot read %s", file);
        if (out->n + (size_t)n > AX_MF_FILE_MAX)
            return ax_fail(reterr, AX_E_LIMIT, "%s is larger than %d MiB", file, AX_MF_FILE_MAX >> 20);
        if (!ax_buf_add(out, chunk, (size_t)n))
            return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
}

int ax_file_read(const char *file, struct ax_buf *out, struct ax_err *reterr)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return ax_fail_os(reterr, errno, "cannot read %s", file);
    int rc = read_all(fd, file, out, reterr);
    close(fd);
    return rc;
}

char *ax_file_join(struct ax_mf_arena *a, const char *root, const char *path)
{
    return path[0] == '/' ? ax_mf_strdup(a, path) : ax_mf_printf(a, "%s/%s", root, path);
}

char *ax_file_folder(struct ax_mf_arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return ax_mf_strdup(a, ".");
    return ax_mf_strndup(a, path, slash == path ? 1 : (size_t)(slash - path));
}

int ax_file_check(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno;
    return S_ISREG(st.st_mode) ? 0 : EISDIR;
}

bool ax_file_is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A forgotten extension is farther away than ax_nearest looks, and the commonest slip of all. */
static const char *without_extension(const char *name, const char *const *names, size_t n)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < n; i++)
        if (strncmp(names[i], name, len) == 0 && names[i][len] == '.')
            return names[i];
    return NULL;
}

static size_t list_folder(struct ax_mf_arena *a, const char *folder, const char **names)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    if (!dir)
        return 0;
    for (struct dirent *e; n < FILES_LOOKED_AT && (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        names[n] = ax_mf_strdup(a, e->d_name);
        if (!names[n])
            break;
        n++;
    }
    closedir(dir);
    return n;
}

char *ax_file_nearest(struct ax_mf_arena *a, const char *root, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char **names = ax_mf_alloc(a, FILES_LOOKED_AT * sizeof *names);
    char *full = ax_file_join(a, root, path);
    char *folder = full ? ax_file_folder(a, full) : NULL;

    if (!names || !folder)
        return NULL;
    size_t n = list_folder(a, folder, names);
    const char *best = *name ? without_extension(name, names, n) : NULL;
    if (!best)
        best = ax_nearest(name, names, n);
    return best ? ax_mf_printf(a, "%.*s%s", (int)(name - path), path, best) : NULL;
}
