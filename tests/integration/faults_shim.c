/* Faults on demand, for tests/integration/faults.test.js: LD_PRELOAD puts these in front of libc's calls.
 * FAULTS names a file of 64-bit numbers, mapped by every process: the test writes into it while they run.
 * A fault is an errno, 0 = none. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* In the order of FAULTS in faults.test.js. */
enum fault { CLOCK_S, MEMFD, ACCEPT, PAIR, DB_WRITE, DB_OPEN, ACCEPTS_REFUSED, DB_REFUSED, FAULTS };

static volatile int64_t *page(void)
{
    static volatile int64_t *mapped;
    static int64_t none[FAULTS];

    if (mapped)
        return mapped;
    const char *name = getenv("FAULTS");
    int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1; /* its name is not the database's */
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    mapped = p == MAP_FAILED ? none : p;
    return mapped;
}

/* True, with errno set, when that fault is on. */
static int fails(enum fault f, enum fault count)
{
    int64_t e = page()[f];

    if (e == 0)
        return 0;
    if (count)
        __atomic_fetch_add(&page()[count], 1, __ATOMIC_RELAXED);
    errno = (int)e;
    return 1;
}

#define REAL(type, name, ...)                                                                                \
    static type (*real)(__VA_ARGS__);                                                                        \
    if (!real)                                                                                               \
    *(void **)(&real) = dlsym(RTLD_NEXT, #name)

/* ---- the clock */

int clock_gettime(clockid_t id, struct timespec *ts)
{
    REAL(int, clock_gettime, clockid_t, struct timespec *);
    int rc = real(id, ts);

    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        ts->tv_sec += page()[CLOCK_S];
    return rc;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    REAL(int, gettimeofday, struct timeval *, void *);
    int rc = real(tv, zone);

    if (rc == 0)
        tv->tv_sec += page()[CLOCK_S];
    return rc;
}

time_t time(time_t *ret)
{
    REAL(time_t, time, time_t *);
    time_t t = real(NULL) + (time_t)page()[CLOCK_S];

    if (ret)
        *ret = t;
    return t;
}

/* ---- memory, descriptors */

int memfd_create(const char *name, unsigned flags)
{
    REAL(int, memfd_create, const char *, unsigned);
    return fails(MEMFD, 0) ? -1 : real(name, flags);
}

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    REAL(int, accept4, int, struct sockaddr *, socklen_t *, int);
    struct sockaddr_storage own;
    socklen_t n = sizeof own;

    /* the control socket stays as it is: the test asks over it */
    if (getsockname(fd, (struct sockaddr *)&own, &n) == 0 && own.ss_family != AF_UNIX &&
        fails(ACCEPT, ACCEPTS_REFUSED))
        return -1;
    return real(fd, addr, len, flags);
}

int socketpair(int domain, int type, int protocol, int fds[2])
{
    REAL(int, socketpair, int, int, int, int *);
    return fails(PAIR, 0) ? -1 : real(domain, type, protocol, fds);
}

/* ---- the database's files */

static int is_database(const char *path)
{
    const char *base = path ? strrchr(path, '/') : NULL;

    base = base ? base + 1 : path;
    return base && strncmp(base, "metrics.db", 10) == 0;
}

static int to_database(int fd)
{
    char link[64], path[512];

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return is_database(path);
}

static int write_fails(int fd)
{
    return page()[DB_WRITE] && to_database(fd) && fails(DB_WRITE, DB_REFUSED);
}

ssize_t write(int fd, const void *p, size_t n)
{
    REAL(ssize_t, write, int, const void *, size_t);
    return write_fails(fd) ? -1 : real(fd, p, n);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t);
    return write_fails(fd) ? -1 : real(fd, p, n, at);
}

int open64(const char *path, int flags, ...)
{
    REAL(int, open64, const char *, int, mode_t);
    va_list args;

    va_start(args, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
    va_end(args);
    if (is_database(path) && fails(DB_OPEN, DB_REFUSED))
        return -1;
    return real(path, flags, mode);
}
