#include "supervisor/node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "supervisor/dirs.h"
#include "supervisor/spawn.h"

enum { VERSION_WAIT_MS = 10000, VERSION_MAX = 64 };

static bool runnable(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* An empty part of PATH is the current folder (POSIX, "PATH"). */
static char *search(const char *list, const char *name, bool *nomem)
{
    for (const char *p = list;; p++) {
        size_t n = strcspn(p, ":");
        char *path = n ? ax_asprintf("%.*s/%s", (int)n, p, name) : ax_asprintf("./%s", name);
        *nomem = !path;
        if (!path || runnable(path))
            return path;
        ax_free(path);
        p += n;
        if (!*p)
            return NULL;
    }
}

char *ax_node_find(const struct ax_manifest *m, const struct ax_env *env, struct ax_err *reterr)
{
    const char *name = m->server.node ? m->server.node : "node", *list = ax_env_get(env, "PATH");
    bool nomem = false;
    char *path;

    if (strchr(name, '/')) {
        path = ax_path_join(m->root, name);
        nomem = !path;
        if (path && !runnable(path)) {
            ax_fail(reterr, AX_E_MISSING, "there is no Node at %s: set server.node to where it is", path);
            ax_free(path);
            return NULL;
        }
    } else {
        path = search(list ? list : "/usr/local/bin:/usr/bin:/bin", name, &nomem);
    }
    if (nomem)
        ax_fail(reterr, AX_E_NOMEM, "out of memory");
    else if (!path)
        ax_fail(reterr, AX_E_MISSING,
                "cannot find %s in PATH: install Node.js %d.%d or later, or set server.node", name,
                AX_NODE_MAJOR, AX_NODE_MINOR);
    return path;
}

/* All that comes until end of file, at most `size`; -1 = it took too long. */
static ssize_t read_some(int fd, char *out, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;

    while (n < size) {
        int rc = poll(&p, 1, VERSION_WAIT_MS);
        if (rc < 0 && errno == EINTR)
            continue;
        ssize_t k = rc > 0 ? read(fd, out + n, size - n) : -1;
        if (k < 0)
            return -1;
        if (k == 0)
            break;
        n += (size_t)k;
    }
    return (ssize_t)n;
}

/* "v20.11.1\n" */
static bool parse_version(struct ax_str s, uint64_t *major, uint64_t *minor)
{
    const char *dot = s.n > 1 && s.p[0] == 'v' ? memchr(s.p, '.', s.n) : NULL;
    const char *second = dot ? memchr(dot + 1, '.', (size_t)(s.p + s.n - dot - 1)) : NULL;

    return second && ax_str_u64((struct ax_str){s.p + 1, (size_t)(dot - s.p - 1)}, major) &&
           ax_str_u64((struct ax_str){dot + 1, (size_t)(second - dot - 1)}, minor);
}

static int judge(const char *node, const char *text, size_t n, struct ax_err *reterr)
{
    struct ax_str s = {text, n && text[n - 1] == '\n' ? n - 1 : n};
    uint64_t major, minor;

    if (!parse_version(s, &major, &minor))
        return ax_fail(reterr, AX_E_UNSUPPORTED, "%s is no Node: it does not tell its version", node);
    if (major < AX_NODE_MAJOR || (major == AX_NODE_MAJOR && minor < AX_NODE_MINOR))
        return ax_fail(reterr, AX_E_UNSUPPORTED,
                       "%s is Node %.*s, which is too old: %d.%d or later is needed", node, (int)s.n - 1,
                       s.p + 1, AX_NODE_MAJOR, AX_NODE_MINOR);
    return 0;
}

int ax_node_check(const char *node, const struct ax_env *env, struct ax_err *reterr)
{
    char text[VERSION_MAX];
    char *name = ax_strdup(node), *flag = ax_strdup("--version");
    char *argv[] = {name, flag, NULL};
    int out[2] = {-1, -1}, rc;

    if (!name || !flag) {
        rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
        goto done;
    }
    if (pipe2(out, O_CLOEXEC) < 0) {
        rc = ax_fail_os(reterr, errno, "cannot ask %s for its version", node);
        goto done;
    }
    rc = ax_spawn(&(struct ax_spawn){.file = node, .argv = argv, .envp = env->v, .out = out[1]}, reterr);
    close(out[1]);
    if (rc > 0) {
        ssize_t n = read_some(out[0], text, sizeof text);
        ax_spawn_kill(rc);
        rc = judge(node, text, n < 0 ? 0 : (size_t)n, reterr);
    }
    close(out[0]);
done:
    ax_free(name);
    ax_free(flag);
    return rc;
}
