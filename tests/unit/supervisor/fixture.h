/* What the tests of this folder share: a temporary folder with a manifest in it. */
#ifndef AX_TESTS_SUPERVISOR_FIXTURE_H
#define AX_TESTS_SUPERVISOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "config/manifest.h"

static inline int ax_fx_remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void ax_fx_remove(const char *dir)
{
    nftw(dir, ax_fx_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* OWNED by the caller: free. */
static inline char *ax_fx_dir(void)
{
    char *dir = strdup("/tmp/actix-test-XXXXXX");

    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline char *ax_fx_file(const char *dir, const char *name, const char *text)
{
    char *path = NULL;

    assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static inline const char *ax_fx_getenv(const char *name, void *ctx)
{
    (void)ctx;
    return getenv(name);
}

/* A loaded manifest; OWNED: ax_manifest_free. */
static inline struct ax_manifest *ax_fx_manifest(const char *dir, const char *yaml)
{
    char *path = ax_fx_file(dir, "actix.yaml", yaml);
    const char *files[] = {path};
    struct ax_manifest_input in = {.files = files, .nfiles = 1, .getenv = ax_fx_getenv};
    struct ax_manifest *m = NULL;
    struct ax_problems problems = {0};

    int rc = ax_manifest_load(&in, &m, &problems);
    for (size_t i = 0; i < problems.n; i++)
        print_message("%s:%u:%u: %s\n", problems.v[i].err.file, problems.v[i].err.line, problems.v[i].err.col,
                      problems.v[i].err.msg);
    assert_int_equal(rc, 0);
    ax_problems_fini(&problems);
    free(path);
    return m;
}

#endif
