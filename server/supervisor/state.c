#include "supervisor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "supervisor/dirs.h"

static const char *lookup(const struct ax_state_input *in, const char *name)
{
    const char *v = in->getenv ? in->getenv(name, in->ctx) : NULL;

    return v && *v ? v : NULL;
}

static char *absolute(const char *path)
{
    char cwd[PATH_MAX];

    if (*path == '/')
        return ax_strdup(path);
    return getcwd(cwd, sizeof cwd) ? ax_path_join(cwd, path) : ax_strdup(path);
}

/* systemd separates several folders by colons (systemd.exec(5), StateDirectory=); the first is ours. */
static char *first_of(const char *list)
{
    return ax_strndup(list, strcspn(list, ":"));
}

static void choose(const struct ax_state_input *in, struct ax_state *s, char **runtime)
{
    const struct ax_manifest *m = in->manifest;
    const char *v;

    s->asked = true;
    *runtime = NULL;
    if ((v = in->option) || (v = lookup(in, "ACTIX_STATE"))) {
        s->dir = absolute(v);
    } else if ((v = lookup(in, "STATE_DIRECTORY"))) {
        s->dir = first_of(v);
        v = lookup(in, "RUNTIME_DIRECTORY");
        *runtime = v ? first_of(v) : NULL;
    } else {
        s->dir = ax_path_join(m->root, m->server.state ? m->server.state : ".actix");
        s->asked = m->server.state_given;
    }
}

int ax_state_paths(const struct ax_state_input *in, struct ax_state *ret, struct ax_err *reterr)
{
    struct ax_state s = {0};
    const char *db = in->manifest->metrics.database;
    char *runtime;

    choose(in, &s, &runtime);
    if (s.dir) {
        const char *rt = runtime ? runtime : s.dir;
        s.database = db ? ax_path_join(s.dir, db) : NULL;
        s.socket = ax_path_join(rt, "control.sock");
        s.pid_file = ax_path_join(rt, "actix.pid");
        s.lock = ax_path_join(s.dir, "lock");
    }
    ax_free(runtime);
    if (!s.dir || (db && !s.database) || !s.socket || !s.pid_file || !s.lock) {
        ax_state_fini(&s);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    *ret = s;
    return 0;
}

void ax_state_fini(struct ax_state *s)
{
    ax_free(s->dir);
    ax_free(s->database);
    ax_free(s->socket);
    ax_free(s->pid_file);
    ax_free(s->lock);
    *s = (struct ax_state){0};
}

int ax_group_id(const char *name, gid_t *ret, struct ax_err *reterr)
{
    char space[16384];
    struct group g, *found = NULL;
    uint64_t n;

    if (getgrnam_r(name, &g, space, sizeof space, &found) == 0 && found)
        *ret = g.gr_gid;
    else if (ax_str_u64(ax_str(name), &n) && n < UINT32_MAX)
        *ret = (gid_t)n;
    else
        return ax_fail(reterr, AX_E_UNKNOWN, "no group is called %s", name);
    return 0;
}

static int make_dir(const char *dir, const char *group, struct ax_err *reterr)
{
    gid_t gid = 0;

    if (group) {
        int rc = ax_group_id(group, &gid, reterr);
        if (rc < 0)
            return rc;
    }
    if (mkdir(dir, 0700) < 0) {
        if (errno == EEXIST)
            return 0;
        return ax_fail(reterr, AX_E_STATE, "cannot make the state folder %s: %s", dir, strerror(errno));
    }
    /* Members may pass through to control.sock, and see nothing else. */
    if (group && (chown(dir, (uid_t)-1, gid) < 0 || chmod(dir, 0710) < 0)) {
        return ax_fail(reterr, AX_E_STATE, "cannot give the state folder %s to group %s: %s", dir, group,
                       strerror(errno));
    }
    return 0;
}

int ax_state_make(const struct ax_state *s, const char *group, struct ax_err *reterr)
{
    return make_dir(s->dir, group, reterr);
}

static pid_t read_pid(int fd)
{
    char text[32];
    ssize_t n = pread(fd, text, sizeof text, 0);
    uint64_t pid = 0;

    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n <= 0 || !ax_str_u64((struct ax_str){text, (size_t)n}, &pid) || pid > INT_MAX)
        return 0;
    return (pid_t)pid;
}

static int write_pid(int fd, const char *path, struct ax_err *reterr)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n)
        return 0;
    return ax_fail(reterr, AX_E_STATE, "cannot write %s: %s", path, strerror(errno));
}

static int write_pid_file(const char *path, struct ax_err *reterr)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0) {
        return ax_fail(reterr, AX_E_STATE, "cannot write the pid file %s: %s", path, strerror(errno));
    }
    int rc = write_pid(fd, path, reterr);
    close(fd);
    return rc;
}

/* An open file description lock: it goes when the last descriptor goes, so with the process, however it ends.
 */
static int take_lock(const struct ax_state *s, struct ax_err *reterr)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(s->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

    if (fd < 0) {
        return ax_fail(reterr, AX_E_STATE, "cannot write in the state folder %s: %s", s->dir,
                       strerror(errno));
    }
    if (fcntl(fd, F_OFD_SETLK, &all) < 0) {
        int os = errno;
        pid_t pid = read_pid(fd);
        close(fd);
        if (os != EAGAIN && os != EACCES) {
            return ax_fail(reterr, AX_E_STATE, "cannot lock %s: %s", s->lock, strerror(os));
        }
        return ax_fail(reterr, AX_E_BUSY,
                       "this app is already being served, by process %ld (state folder %s)", (long)pid,
                       s->dir);
    }
    int rc = write_pid(fd, s->lock, reterr);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}

int ax_state_take(const struct ax_state *s, const char *group, const char *extra_pid_file,
                  struct ax_state_lock *ret, struct ax_err *reterr)
{
    struct ax_state_lock l = {.fd = -1};
    const char *files[2] = {s->pid_file, extra_pid_file};
    int rc = make_dir(s->dir, group, reterr);

    if (rc < 0)
        return rc;
    rc = l.fd = take_lock(s, reterr);
    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < 2 && files[i]; i++) {
        rc = write_pid_file(files[i], reterr);
        if (rc < 0)
            goto fail;
        l.pid_files[i] = ax_strdup(files[i]);
        if (!l.pid_files[i]) {
            unlink(files[i]);
            rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
            goto fail;
        }
    }
    *ret = l;
    return 0;
fail:
    ax_state_release(&l);
    return rc;
}

void ax_state_release(struct ax_state_lock *l)
{
    for (unsigned i = 0; i < 2; i++) {
        if (l->pid_files[i])
            unlink(l->pid_files[i]);
        ax_free(l->pid_files[i]);
    }
    if (l->fd >= 0) {
        if (ftruncate(l->fd, 0) < 0)
            errno = 0; /* a stale number in a file that nobody locks is not read */
        close(l->fd);
    }
    *l = (struct ax_state_lock){.fd = -1};
}

pid_t ax_state_holder(const struct ax_state *s)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    pid_t pid = 0;
    int fd = open(s->lock, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (fcntl(fd, F_OFD_GETLK, &all) == 0 && all.l_type != F_UNLCK)
        pid = read_pid(fd) > 0 ? read_pid(fd) : -1;
    close(fd);
    return pid;
}
