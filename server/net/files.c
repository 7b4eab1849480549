#include "net/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/list.h"
#include "http/path.h"

enum { FILES_MAGIC = 0x51735e21, FILE_MAGIC = 0x51735e22 };
enum { BUCKETS = 512, FRESH_US = 1000000, TRIES = 8, LINES_MAX = 512 };
enum { OPEN_FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC };

struct root {
    int fd; /* -1 = not open */
    dev_t dev;
    ino_t ino;
    int64_t looked_us;
};
struct entry {
    struct ax_file file; /* what others see; first, so that one is the other */
    uint32_t magic;
    unsigned refs;          /* the table's own among them */
    struct ax_files *files; /* BORROWED */
    struct entry *next;     /* in its bucket */
    struct ax_list used;    /* while in the table; the least lately used first */
    int64_t opened_us, looked_us;
    struct timespec mtime;
    uint32_t hash, route;
    enum ax_coding coding;
    size_t name_n;
    char name[]; /* then the lines */
};
struct ax_files {
    uint32_t magic;
    const struct ax_mime *mime; /* BORROWED */
    unsigned nroutes, kept, open;
    struct ax_list used;
    struct entry *buckets[BUCKETS];
    struct root roots[]; /* by route id */
};

/* ---- opening */

/* Devices and pipes are opened before they are known as such: O_NONBLOCK waits for nobody. */
static int open_segment(int folder, const char *name, bool last)
{
    int fd =
        openat(folder, name, last ? OPEN_FLAGS | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int ax_files_open_walk(int folder, const char *name)
{
    int at = folder;

    for (;;) {
        char segment[NAME_MAX + 1];
        const char *slash = strchr(name, '/');
        size_t n = slash ? (size_t)(slash - name) : strlen(name);
        int fd = n == 0 || n > NAME_MAX ? -ENOENT : 0;
        if (fd == 0) {
            memcpy(segment, name, n);
            segment[n] = '\0';
            fd = open_segment(at, segment, slash == NULL);
        }
        if (at != folder)
            close(at);
        if (fd < 0 || !slash)
            return fd;
        at = fd;
        name = slash + 1;
    }
}

int ax_files_open(int folder, const char *name)
{
    const struct open_how how = {.flags = OPEN_FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};

    for (int i = 0; i < TRIES; i++) {
        int fd = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
        if (fd >= 0)
            return fd;
        if (errno == ENOSYS || errno == EPERM) /* an old kernel; containers that know no such call */
            return ax_files_open_walk(folder, name);
        if (errno != EAGAIN && errno != EINTR) /* EAGAIN: something was renamed meanwhile */
            break;
    }
    return -errno;
}

/* ---- names */

static bool name_segment(struct ax_str s, char *out, size_t *at)
{
    const struct ax_str well_known = AX_STR(".well-known");
    char *p = out + *at;
    size_t n = ax_path_decode(s, p);

    if (n == 0 || n > NAME_MAX || (*p == '.' && !ax_str_eq((struct ax_str){p, n}, well_known)))
        return false;
    for (size_t i = 0; i < n; i++)
        if (p[i] == '/' || p[i] == '\\' || (unsigned char)p[i] < ' ' || p[i] == 0x7f)
            return false;
    *at += n;
    return ax_utf8_valid(p, n);
}

bool ax_files_name(struct ax_str rest, char *out, size_t *ret_n)
{
    size_t n = 0;

    if (rest.n >= AX_FILES_PATH_MAX)
        return false;
    while (rest.n) {
        const char *slash = memchr(rest.p, '/', rest.n);
        size_t k = slash ? (size_t)(slash - rest.p) : rest.n;
        if (!name_segment((struct ax_str){rest.p, k}, out, &n))
            return false;
        if (slash)
            out[n++] = '/';
        k += slash != NULL;
        rest = (struct ax_str){rest.p + k, rest.n - k};
    }
    *ret_n = n;
    return true;
}

/* ---- the table */

struct ax_files *ax_files_new(unsigned nroutes, const struct ax_mime *mime)
{
    struct ax_files *f = ax_calloc(1, sizeof *f + (nroutes + 1) * sizeof f->roots[0]);

    if (!f)
        return NULL;
    f->magic = FILES_MAGIC;
    f->mime = mime;
    f->nroutes = nroutes;
    ax_list_init(&f->used);
    for (unsigned i = 0; i <= nroutes; i++)
        f->roots[i].fd = -1;
    return f;
}

static uint32_t hash_of(const struct ax_files_query *q)
{
    uint32_t h = 2166136261u ^ q->route * 31u ^ (uint32_t)q->coding; /* FNV-1a */

    for (size_t i = 0; i < q->name.n; i++)
        h = (h ^ (unsigned char)q->name.p[i]) * 16777619u;
    return h;
}

static void entry_put(struct entry *e)
{
    if (--e->refs)
        return;
    close(e->file.fd);
    e->files->open--;
    e->magic = 0;
    ax_free(e);
}

void ax_file_hold(struct ax_file *file)
{
    struct entry *e = AX_CAST(struct entry, file, FILE_MAGIC);

    e->refs++;
}

void ax_file_put(void *file)
{
    entry_put(AX_CAST(struct entry, file, FILE_MAGIC));
}

static void take_out(struct entry *e)
{
    struct entry **at = &e->files->buckets[e->hash % BUCKETS];

    if (ax_list_empty(&e->used))
        return; /* it was already */
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    ax_list_remove(&e->used);
    e->files->kept--;
    entry_put(e);
}

void ax_file_forget(struct ax_file *file)
{
    take_out(AX_CAST(struct entry, file, FILE_MAGIC));
}

static void take_out_least_used(struct ax_files *f)
{
    take_out(AX_LIST_ENTRY(f->used.next, struct entry, used));
}

static void put_in(struct ax_files *f, struct entry *e)
{
    if (f->kept == AX_FILES_KEPT)
        take_out_least_used(f);
    e->next = f->buckets[e->hash % BUCKETS];
    f->buckets[e->hash % BUCKETS] = e;
    ax_list_push(&f->used, &e->used);
    f->kept++;
    e->refs++;
}

static void take_out_all(struct ax_files *f)
{
    while (f->kept)
        take_out_least_used(f);
}

void ax_files_free(struct ax_files *f)
{
    if (!f)
        return;
    AX_ASSERT(f->magic == FILES_MAGIC);
    take_out_all(f);
    AX_ASSERT(f->open == 0);
    for (unsigned i = 0; i <= f->nroutes; i++)
        if (f->roots[i].fd >= 0)
            close(f->roots[i].fd);
    f->magic = 0;
    ax_free(f);
}

static struct entry *find(struct ax_files *f, const struct ax_files_query *q, uint32_t hash)
{
    for (struct entry *e = f->buckets[hash % BUCKETS]; e; e = e->next)
        if (e->hash == hash && e->route == q->route && e->coding == q->coding &&
            ax_str_eq((struct ax_str){e->name, e->name_n}, q->name))
            return e;
    return NULL;
}

/* Is the open file still what was told of it?  Once a turn. */
static bool unchanged(struct entry *e, ax_mono now)
{
    struct stat st;

    if (e->looked_us == now.us)
        return true;
    if (now.us - e->opened_us >= FRESH_US || fstat(e->file.fd, &st) < 0)
        return false;
    e->looked_us = now.us;
    return st.st_nlink > 0 && (uint64_t)st.st_size == e->file.size && st.st_mtim.tv_sec == e->mtime.tv_sec &&
           st.st_mtim.tv_nsec == e->mtime.tv_nsec;
}

/* ---- making an entry */

static bool closed(struct root *r)
{
    if (r->fd >= 0)
        close(r->fd);
    r->fd = -1;
    return false;
}

/* The folder may be another one now: built anew, or a link that was switched. */
static bool open_root(struct root *r, const char *folder, ax_mono now)
{
    struct stat st;

    if (r->fd >= 0 && now.us - r->looked_us < FRESH_US)
        return true;
    if (stat(folder, &st) < 0)
        return closed(r);
    r->looked_us = now.us;
    if (r->fd >= 0 && st.st_dev == r->dev && st.st_ino == r->ino)
        return true;
    closed(r);
    r->fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    r->dev = st.st_dev;
    r->ino = st.st_ino;
    return r->fd >= 0;
}

static enum ax_files_found found_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return AX_FILES_DENIED;
    case EMFILE:
    case ENFILE:
        return AX_FILES_FULL;
    case ENOMEM:
    case EIO:
        return AX_FILES_FAILED;
    default: /* ENOENT, ENOTDIR, EXDEV, ELOOP, ENAMETOOLONG, ENXIO ... */
        return AX_FILES_NONE;
    }
}

/* `path`: with the coding's ending.  *ret_fd is OWNED where a file was found. */
static enum ax_files_found open_file(int folder, const char *path, struct stat *ret, int *ret_fd)
{
    int fd = ax_files_open(folder, path);

    if (fd < 0)
        return found_of(-fd);
    if (fstat(fd, ret) == 0 && S_ISREG(ret->st_mode)) {
        *ret_fd = fd;
        return AX_FILES_FILE;
    }
    close(fd);
    return S_ISDIR(ret->st_mode) ? AX_FILES_FOLDER : AX_FILES_NONE;
}

static const char *const endings[AX_CODINGS] = {"", ".gz", ".br"};

/* Which codings lie beside it; only files count, and only what may be read. */
static unsigned look_beside(int folder, char *path, size_t n)
{
    unsigned have = 0;
    struct stat st;
    int fd;

    for (int c = AX_CODING_IDENTITY + 1; c < AX_CODINGS; c++) {
        memcpy(path + n, endings[c], strlen(endings[c]) + 1);
        if (open_file(folder, path, &st, &fd) != AX_FILES_FILE)
            continue;
        close(fd);
        have |= 1u << c;
    }
    path[n] = '\0';
    return have;
}

static size_t write_lines(struct entry *e, const struct ax_files_query *q, char *out)
{
    struct ax_str type = ax_mime_of(e->files->mime, q->name);
    char date[AX_HTTP_DATE_LEN + 1];
    bool coded = e->coding != AX_CODING_IDENTITY;
    size_t n = 0, room = LINES_MAX;

    if (!q->typed)
        n +=
            (size_t)snprintf(out, room, "Content-Type: %.*s\r\n", (int)(type.n < 128 ? type.n : 128), type.p);
    e->file.type = (struct ax_str){out, n};
    if (coded)
        n += (size_t)snprintf(out + n, room - n, "Content-Encoding: %s\r\n", ax_coding_name(e->coding));
    n += (size_t)snprintf(out + n, room - n, "Accept-Ranges: bytes\r\n");
    e->file.lines = (struct ax_str){out, n};
    size_t tag = n + sizeof "ETag: " - 1;
    n += (size_t)snprintf(out + n, room - n, "ETag: \"%" PRIx64 "%09lx-%" PRIx64 "%s%s\"\r\n",
                          (uint64_t)e->mtime.tv_sec, (unsigned long)e->mtime.tv_nsec, e->file.size,
                          coded ? "-" : "", coded ? endings[e->coding] + 1 : "");
    e->file.etag = (struct ax_str){out + tag, n - 2 - tag};
    ax_http_date(date, e->file.modified);
    n += (size_t)snprintf(out + n, room - n, "Last-Modified: %s\r\n", date);
    if (coded || e->file.have)
        n += (size_t)snprintf(out + n, room - n, "Vary: Accept-Encoding\r\n");
    e->file.validators = (struct ax_str){out + e->file.lines.n, n - e->file.lines.n};
    return n;
}

static struct entry *entry_new(struct ax_files *f, const struct ax_files_query *q, const struct stat *st,
                               unsigned have, ax_mono now)
{
    struct entry *e = ax_malloc(sizeof *e + q->name.n + LINES_MAX);

    if (!e)
        return NULL;
    *e = (struct entry){.file = {.size = (uint64_t)st->st_size, .modified = st->st_mtim.tv_sec, .have = have},
                        .magic = FILE_MAGIC,
                        .refs = 1,
                        .files = f,
                        .opened_us = now.us,
                        .looked_us = now.us,
                        .mtime = st->st_mtim,
                        .hash = hash_of(q),
                        .route = q->route,
                        .coding = q->coding,
                        .name_n = q->name.n};
    ax_list_init(&e->used);
    memcpy(e->name, q->name.p, q->name.n);
    write_lines(e, q, e->name + q->name.n);
    return e;
}

static enum ax_files_found open_entry(struct ax_files *f, const struct ax_files_query *q, ax_mono now,
                                      struct entry **ret)
{
    struct root *root = &f->roots[q->route];
    char path[AX_FILES_PATH_MAX + 4];
    struct stat st = {0};
    int fd = -1;

    if (f->open >= AX_FILES_OPEN_MAX && f->kept)
        take_out_all(f);
    if (f->open >= AX_FILES_OPEN_MAX)
        return AX_FILES_FULL;
    if (!open_root(root, q->folder, now))
        return found_of(errno);
    memcpy(path, q->name.p, q->name.n);
    memcpy(path + q->name.n, endings[q->coding], strlen(endings[q->coding]) + 1);
    enum ax_files_found found = open_file(root->fd, path, &st, &fd);
    if (found == AX_FILES_FULL && f->kept) {
        take_out_all(f);
        found = open_file(root->fd, path, &st, &fd);
    }
    if (found != AX_FILES_FILE)
        return found;
    bool plain = q->coding == AX_CODING_IDENTITY;
    *ret = entry_new(f, q, &st, plain ? look_beside(root->fd, path, q->name.n) : 0, now);
    if (!*ret) {
        close(fd);
        return AX_FILES_FAILED;
    }
    (*ret)->file.fd = fd;
    f->open++;
    return AX_FILES_FILE;
}

enum ax_files_found ax_files_get(struct ax_files *f, const struct ax_files_query *q, ax_mono now,
                                 struct ax_file **ret)
{
    struct entry *e = find(f, q, hash_of(q));

    AX_DEBUG_ASSERT(q->route >= 1 && q->route <= f->nroutes);
    if (e && !unchanged(e, now)) {
        take_out(e);
        e = NULL;
    }
    if (e) {
        ax_list_remove(&e->used);
        ax_list_push(&f->used, &e->used);
        e->refs++;
        *ret = &e->file;
        return AX_FILES_FILE;
    }
    enum ax_files_found found = open_entry(f, q, now, &e);
    if (found != AX_FILES_FILE)
        return found;
    put_in(f, e);
    *ret = &e->file;
    return AX_FILES_FILE;
}
