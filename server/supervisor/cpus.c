#include "supervisor/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

enum { CPUS_MAX = 8192, SMALL_FILE = 256 };

static unsigned affinity(void)
{
    cpu_set_t *set = CPU_ALLOC(CPUS_MAX);
    size_t bytes = CPU_ALLOC_SIZE(CPUS_MAX);
    int n = 0;

    if (set && sched_getaffinity(0, bytes, set) == 0)
        n = CPU_COUNT_S(bytes, set);
    CPU_FREE(set);
    long online = n > 0 ? n : sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

/* First line of a small file, without its end; false = not readable. */
static bool read_line(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(out, (int)size, f) != NULL;

    if (f)
        fclose(f);
    if (ok)
        out[strcspn(out, "\n")] = '\0';
    return ok;
}

static bool read_number(const char *path, uint64_t *ret)
{
    char line[SMALL_FILE];

    return read_line(path, line, sizeof line) && ax_str_u64(ax_str(line), ret);
}

static unsigned rounded_up(uint64_t quota, uint64_t period)
{
    uint64_t n = period ? (quota + period - 1) / period : 0;

    return n > CPUS_MAX ? CPUS_MAX : (unsigned)n;
}

/* cpu.max holds "QUOTA PERIOD" or "max PERIOD", microseconds (cgroup v2 documentation of the kernel). */
static unsigned quota_v2(const char *dir)
{
    char path[PATH_MAX + SMALL_FILE], line[SMALL_FILE];
    uint64_t quota, period;

    snprintf(path, sizeof path, "%s/cpu.max", dir);
    if (!read_line(path, line, sizeof line))
        return 0;
    char *space = strchr(line, ' ');
    if (!space || !ax_str_u64((struct ax_str){line, (size_t)(space - line)}, &quota) ||
        !ax_str_u64(ax_str(space + 1), &period))
        return 0;
    return rounded_up(quota, period);
}

/* v1: a quota of -1 means none, and is no number here. */
static unsigned quota_v1(const char *dir)
{
    char path[PATH_MAX + SMALL_FILE];
    uint64_t quota, period;

    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    if (!read_number(path, &quota))
        return 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    return read_number(path, &period) ? rounded_up(quota, period) : 0;
}

/* The smallest quota of `group` and all levels above it.  In a container without a namespace the path of the
 * host is not there: then only the levels that exist count, and the mount itself is the container's own
 * group. */
static unsigned smallest(const char *mount, const char *group, unsigned (*quota)(const char *dir))
{
    char dir[PATH_MAX];
    unsigned least = 0;
    int n = snprintf(dir, sizeof dir, "%s%s", mount, group);

    if (n < 0 || (size_t)n >= sizeof dir)
        return 0;
    for (;;) {
        unsigned q = quota(dir);
        if (q && (!least || q < least))
            least = q;
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < strlen(mount))
            return least;
        *slash = '\0';
    }
}

static bool has_word(const char *list, size_t n, const char *word)
{
    size_t k = strlen(word);

    for (const char *p = list, *end = list + n; p + k <= end; p++)
        if (memcmp(p, word, k) == 0 && (p == list || p[-1] == ',') && (p + k == end || p[k] == ','))
            return true;
    return false;
}

/* A line of /proc/self/cgroup: "ID:CONTROLLERS:PATH"; v2 has no controllers. */
static unsigned quota_of_line(const char *root, char *line)
{
    char mount[PATH_MAX + SMALL_FILE];
    char *list = strchr(line, ':');
    char *path = list ? strchr(list + 1, ':') : NULL;

    if (!path)
        return 0;
    list++;
    size_t n = (size_t)(path - list);
    path++;
    path[strcspn(path, "\n")] = '\0';
    if (strcmp(path, "/") == 0)
        path = path + 1;
    if (n == 0) {
        snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
        return smallest(mount, path, quota_v2);
    }
    if (!has_word(list, n, "cpu"))
        return 0;
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%.*s", root, (int)n, list);
    unsigned q = smallest(mount, path, quota_v1);
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
    return q ? q : smallest(mount, path, quota_v1);
}

unsigned ax_cpus_quota(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    unsigned least = 0;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        unsigned q = quota_of_line(root, line);
        if (q && (!least || q < least))
            least = q;
    }
    if (f)
        fclose(f);
    return least;
}

unsigned ax_cpus(void)
{
    unsigned n = affinity(), quota = ax_cpus_quota("");

    return quota && quota < n ? quota : n;
}
