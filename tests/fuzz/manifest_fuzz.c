/* actix.yaml.  Input: the manifest, and behind lines "%%%%" an overlay (-c twice) and the .env.  A manifest
 * is loaded or refused with reasons; each reason has its place in a file that was given; running out of
 * memory anywhere is told as that and leaves nothing behind. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/manifest.h"
#include "fuzz.h"

enum { FILES = 3 };

struct folder { /* the files that the loader reads */
    char dir[64];
    char path[FILES][96];
};

static const char *const names[FILES] = {"actix.yaml", "over.yaml", ".env"};

static void remove_folder(void)
{
    char path[96];
    char dir[64];

    snprintf(dir, sizeof dir, "/tmp/actix-fuzz-%ld", (long)getpid());
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static void open_folder(struct folder *f)
{
    static bool registered;

    snprintf(f->dir, sizeof f->dir, "/tmp/actix-fuzz-%ld", (long)getpid());
    for (int i = 0; i < FILES; i++)
        snprintf(f->path[i], sizeof f->path[i], "%s/%s", f->dir, names[i]);
    if (registered)
        return;
    registered = true;
    AX_ASSERT(mkdir(f->dir, 0700) == 0);
    atexit(remove_folder);
}

static void put(const char *path, struct ax_str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    AX_ASSERT(fd >= 0 && write(fd, text.p ? text.p : "", text.n) == (ssize_t)text.n);
    close(fd);
}

static const char *lookup(const char *name, void *ctx)
{
    (void)ctx;
    return strcmp(name, "HOME") == 0 ? "/home/x" : strcmp(name, "PORT") == 0 ? "3001" : NULL;
}

/* Pieces between lines of "%%%%". */
static unsigned split(struct ax_str all, struct ax_str part[FILES])
{
    struct ax_str mark = AX_STR("\n%%%%\n");
    unsigned n = 0;

    while (n < FILES - 1) {
        char *at = all.n ? memmem(all.p, all.n, mark.p, mark.n) : NULL;
        if (!at)
            break;
        part[n++] = (struct ax_str){all.p, (size_t)(at - all.p) + 1};
        all.n -= (size_t)(at - all.p) + mark.n;
        all.p = at + mark.n;
    }
    part[n++] = all;
    return n;
}

static unsigned lines(struct ax_str s)
{
    unsigned n = 1;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n' || s.p[i] == '\r';
    return n;
}

static void check_problem(const struct ax_problem *p, const struct folder *f, const struct ax_str part[FILES])
{
    const struct ax_err *e = &p->err;

    AX_ASSERT(e->msg[0] && !strchr(e->msg, '\n') && (p->warning || e->code != AX_OK));
    AX_ASSERT(memchr(e->msg, '\0', sizeof e->msg));
    if (!e->file) /* .env, and what no line can be blamed for */
        return;
    bool over = strcmp(e->file, f->path[1]) == 0;
    AX_ASSERT(over || strcmp(e->file, f->path[0]) == 0);
    AX_ASSERT(e->line >= 1 && e->col >= 1 && e->line <= lines(part[over]) + 1);
}

static int load(const struct folder *f, unsigned nfiles, const struct ax_str part[FILES], bool keep,
                unsigned fail_at, size_t *ret_problems)
{
    const char *const files[] = {f->path[0], f->path[1]};
    struct ax_manifest_input in = {.files = files, .nfiles = nfiles, .getenv = lookup, .keep_broken = keep};
    struct ax_problems problems = {0};
    struct ax_manifest *m = NULL;

    ax_fail_alloc_at(fail_at);
    int rc = ax_manifest_load(&in, &m, &problems);
    ax_fail_alloc_at(0);
    if (rc == 0)
        AX_ASSERT(m && problems.errors == 0);
    else
        AX_ASSERT((keep || !m) && (problems.errors || rc == -AX_E_NOMEM));
    AX_ASSERT(rc != -AX_E_NOMEM || !m);
    for (size_t i = 0; i < problems.n; i++)
        check_problem(&problems.v[i], f, part);
    *ret_problems = problems.n;
    ax_problems_fini(&problems);
    ax_manifest_free(m);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n);
    struct ax_str part[FILES] = {{0}};
    unsigned parts = split((struct ax_str){(const char *)data, n}, part);
    struct folder f;
    size_t first, second;

    open_folder(&f);
    put(f.path[0], part[0]);
    put(f.path[1], part[1]);
    put(f.path[2], part[2]);
    unsigned nfiles = parts > 1 && part[1].n ? 2 : 1;
    int rc = load(&f, nfiles, part, false, 0, &first);
    AX_ASSERT(rc != -AX_E_NOMEM);
    AX_ASSERT(load(&f, nfiles, part, true, 0, &second) == rc && first == second);
    int failed = load(&f, nfiles, part, roll(&d, 2), (unsigned)(1 + roll(&d, 40)), &second);
    AX_ASSERT(failed == rc || failed == -AX_E_NOMEM);
    return 0;
}
