#include "base/trim.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"

/* One entry of /proc/self/smaps, proc(5). */
struct mapping {
    uintptr_t from, to;
    bool program; /* read-only or executable, of the program's own file */
    size_t rss_kb, own_kb;
};

/* "00400000-00b6f000 r--p 00000000 fe:00 247823      /usr/bin/node" */
static bool parse_head(const char *line, const char *program, struct mapping *ret)
{
    char perms[8], path[4096] = "";
    unsigned long from, to;

    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095[^\n]", &from, &to, perms, path) < 3)
        return false;
    *ret = (struct mapping){.from = from, .to = to, .program = perms[1] == '-' && strcmp(path, program) == 0};
    return true;
}

/* A page that this process has changed is a copy of its own, "anonymous", and is nowhere else. */
static void parse_field(const char *line, struct mapping *m)
{
    unsigned long kb;

    if (sscanf(line, "Rss: %lu", &kb) == 1)
        m->rss_kb = kb;
    else if (sscanf(line, "Anonymous: %lu", &kb) == 1 || sscanf(line, "Swap: %lu", &kb) == 1)
        m->own_kb += kb;
}

static size_t drop(const struct mapping *m)
{
    if (!m->program || m->own_kb || !m->rss_kb)
        return 0;
    return madvise((void *)m->from, m->to - m->from, MADV_DONTNEED) == 0 ? m->rss_kb * 1024 : 0;
}

size_t ax_trim_program(void)
{
    char program[4096], line[4352];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    FILE *f = n > 0 ? fopen("/proc/self/smaps", "re") : NULL;
    struct mapping m = {0}, next;
    size_t bytes = 0;

    ax_alloc_trim();
    if (!f)
        return 0;
    program[n] = '\0';
    while (fgets(line, sizeof line, f)) {
        if (parse_head(line, program, &next)) {
            bytes += drop(&m);
            m = next;
        } else {
            parse_field(line, &m);
        }
    }
    bytes += drop(&m);
    fclose(f);
    return bytes;
}
