#include "supervisor/unixsock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "supervisor/state.h"

static int new_socket(struct ax_err *reterr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? ax_fail_os(reterr, errno, "cannot make a socket") : fd;
}

static bool fits(const char *path)
{
    return strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path;
}

static void set_path(struct sockaddr_un *a, const char *path)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(a->sun_path, path, strlen(path));
}

/* Connects through an O_PATH descriptor of the socket file: it works for a path of any length. */
static int connect_at(int fd, const char *path)
{
    char via[64];
    struct sockaddr_un a;
    int at = open(path, O_PATH | O_CLOEXEC);

    if (at < 0)
        return -1;
    snprintf(via, sizeof via, "/proc/self/fd/%d", at);
    set_path(&a, fits(path) ? path : via);
    int rc;
    do
        rc = connect(fd, (struct sockaddr *)&a, sizeof a);
    while (rc < 0 && errno == EINTR);
    int os = errno;
    close(at);
    errno = os;
    return rc;
}

int ax_unix_connect(const char *path, struct ax_err *reterr)
{
    int fd = new_socket(reterr);

    if (fd < 0)
        return fd;
    if (connect_at(fd, path) == 0)
        return fd;
    int os = errno;
    close(fd);
    if (os == ENOENT || os == ENOTDIR)
        return ax_fail(reterr, AX_E_MISSING, "there is no %s", path);
    if (os == ECONNREFUSED)
        return ax_fail(reterr, AX_E_STATE, "nobody listens on %s", path);
    return ax_fail_os(reterr, os, "cannot connect to %s", path);
}

/* Makes room at `path`: 0 when nothing is there, or when what was there is a socket that nobody answers on.
 */
static int clear_stale(const char *path, struct ax_err *reterr)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : ax_fail_os(reterr, errno, "cannot listen on unix:%s", path);
    if (!S_ISSOCK(st.st_mode))
        return ax_fail(reterr, AX_E_BUSY, "cannot listen on unix:%s: there is a file that is no socket",
                       path);
    int fd = new_socket(reterr);
    if (fd < 0)
        return fd;
    /* Non-blocking: a full backlog must not hold us; EAGAIN means that somebody is there. */
    int rc = fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -1 : connect_at(fd, path);
    int os = errno;
    close(fd);
    if (rc == 0 || os != ECONNREFUSED)
        return ax_fail(reterr, AX_E_BUSY, "unix:%s is in use by another process", path);
    if (unlink(path) < 0)
        return ax_fail_os(reterr, errno, "cannot remove the stale socket %s", path);
    return 0;
}

/* Binds in the path's folder under a short name, then renames: for paths longer than sun_path. */
static int bind_long(int fd, const char *path)
{
    char via[64], tmp[32];
    struct sockaddr_un a;
    const char *slash = strrchr(path, '/');
    char *dir = slash ? ax_strndup(path, (size_t)(slash - path) + 1) : ax_strdup(".");
    int at = dir ? open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    int os = dir ? errno : ENOMEM;
    int rc = -1;

    if (at >= 0) {
        snprintf(tmp, sizeof tmp, ".ax%ld", (long)getpid());
        snprintf(via, sizeof via, "/proc/self/fd/%d/%s", at, tmp);
        set_path(&a, via);
        unlinkat(at, tmp, 0); /* of a process that had our number and was killed */
        rc = bind(fd, (struct sockaddr *)&a, sizeof a);
        if (rc == 0 && renameat(at, tmp, at, slash ? slash + 1 : path) < 0) {
            rc = -1;
            os = errno;
            unlinkat(at, tmp, 0);
        } else {
            os = errno;
        }
        close(at);
    }
    ax_free(dir);
    errno = os;
    return rc;
}

static int bind_at(int fd, const char *path)
{
    struct sockaddr_un a;

    if (!fits(path))
        return bind_long(fd, path);
    set_path(&a, path);
    return bind(fd, (struct sockaddr *)&a, sizeof a);
}

int ax_unix_listen(const struct ax_unix_bind *b, struct ax_err *reterr)
{
    gid_t gid = 0;
    int rc = b->group ? ax_group_id(b->group, &gid, reterr) : 0;

    if (rc < 0 || (rc = clear_stale(b->path, reterr)) < 0)
        return rc;
    int fd = new_socket(reterr);
    if (fd < 0)
        return fd;
    /* bind makes the file with the socket's own mode less umask, so it is never open to more than `mode` */
    if (fchmod(fd, (mode_t)b->mode) < 0 || bind_at(fd, b->path) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot listen on unix:%s", b->path);
        goto fail;
    }
    if ((b->group && lchown(b->path, (uid_t)-1, gid) < 0) || chmod(b->path, (mode_t)b->mode) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot set mode and group of unix:%s", b->path);
        goto fail_file;
    }
    if (listen(fd, b->backlog) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot listen on unix:%s", b->path);
        goto fail_file;
    }
    return fd;
fail_file:
    unlink(b->path);
fail:
    close(fd);
    return rc;
}

void ax_unix_remember(const char *path, struct ax_unix_file *ret)
{
    struct stat st;

    *ret = lstat(path, &st) == 0 ? (struct ax_unix_file){st.st_dev, st.st_ino} : (struct ax_unix_file){0};
}

static bool is_ours(const char *path, const struct ax_unix_file *f, struct stat *ret)
{
    return lstat(path, ret) == 0 && S_ISSOCK(ret->st_mode) && ret->st_dev == f->dev && ret->st_ino == f->ino;
}

static bool differs(const struct stat *st, struct ax_unix_access want)
{
    return (int)(st->st_mode & 07777) != want.mode || (want.gid != (gid_t)-1 && st->st_gid != want.gid);
}

bool ax_unix_differs(const char *path, const struct ax_unix_file *f, struct ax_unix_access want)
{
    struct stat st;

    return is_ours(path, f, &st) && differs(&st, want);
}

/* The group first, and nobody in between: the old mode is not meant for the new group. */
int ax_unix_permit(const char *path, const struct ax_unix_file *f, struct ax_unix_access want,
                   struct ax_err *reterr)
{
    struct stat st;

    if (!is_ours(path, f, &st) || !differs(&st, want))
        return 0;
    bool give = want.gid != (gid_t)-1 && st.st_gid != want.gid;
    if ((give &&
         (chmod(path, st.st_mode & (mode_t)want.mode & 0700) < 0 || lchown(path, (uid_t)-1, want.gid) < 0)) ||
        chmod(path, (mode_t)want.mode) < 0)
        return ax_fail_os(reterr, errno, "cannot set mode and group of unix:%s", path);
    return 0;
}

bool ax_unix_may_give(gid_t gid)
{
    gid_t mine[1024]; /* more than that: the attempt will tell */
    int n = getgroups((int)(sizeof mine / sizeof *mine), mine);

    if (geteuid() == 0 || gid == getegid() || n < 0)
        return true;
    for (int i = 0; i < n; i++)
        if (mine[i] == gid)
            return true;
    return false;
}

void ax_unix_remove(const char *path, const struct ax_unix_file *f)
{
    struct stat st;

    if (is_ours(path, f, &st))
        unlink(path);
}
