#include "supervisor/dirs.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

char *ax_path_join(const char *dir, const char *name)
{
    return *name == '/' ? ax_strdup(name) : ax_asprintf("%s/%s", dir, name);
}

/* Cuts the last part of a path; "/" stays. */
static void to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash)
        slash[slash == path] = '\0';
}

int ax_install_dirs(struct ax_dirs *ret, struct ax_err *reterr)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    if (n < 0)
        return ax_fail_os(reterr, errno, "cannot tell where this program is (/proc/self/exe)");
    exe[n] = '\0';
    to_parent(exe); /* the program's name */
    to_parent(exe); /* bin */
    const char *prefix = strcmp(exe, "/") == 0 ? "" : exe;
    struct ax_dirs d = {ax_asprintf("%s/lib/actix", prefix), ax_asprintf("%s/share/actix", prefix)};
    if (!d.lib || !d.share) {
        ax_install_dirs_fini(&d);
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    }
    *ret = d;
    return 0;
}

void ax_install_dirs_fini(struct ax_dirs *d)
{
    ax_free(d->lib);
    ax_free(d->share);
    *d = (struct ax_dirs){0};
}
