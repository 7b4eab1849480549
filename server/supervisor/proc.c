#include "supervisor/proc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool ax_proc_read(pid_t pid, struct ax_proc *ret)
{
    char path[64], line[1024];
    unsigned long long utime, stime;
    long long rss;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(line, 1, sizeof line - 1, f);
    fclose(f);
    line[n] = '\0';
    /* the name, in parentheses, may hold anything: count from its end; fields 14, 15 and 24 */
    char *end = strrchr(line, ')');
    if (!end ||
        sscanf(end + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d %*d %*u %*u %lld",
               &utime, &stime, &rss) != 3)
        return false;
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    ret->cpu_us = (utime + stime) * 1000000 / (hz ? hz : 100);
    ret->rss_bytes = rss > 0 ? (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return true;
}
