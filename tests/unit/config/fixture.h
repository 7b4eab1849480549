/* tests/unit/config/fixture.h - a temporary folder with files, and manifests loaded from it. */
#ifndef AX_TEST_CONFIG_FIXTURE_H
#define AX_TEST_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "config/manifest.h"

enum { FIXTURE_FILES = 16 };

struct fixture {
    char dir[64];
    char files[FIXTURE_FILES][160];
    size_t n;
};

static inline const char *fixture_file(struct fixture *f, const char *name, const char *text, size_t n)
{
    assert_true(f->n < FIXTURE_FILES);
    char path[sizeof f->files[0]];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->files[i], path) == 0)
            return f->files[i];
    memcpy(f->files[f->n], path, sizeof path);
    return f->files[f->n++];
}

static inline const char *fixture_text(struct fixture *f, const char *name, const char *text)
{
    return fixture_file(f, name, text, strlen(text));
}

/* A folder with handlers/home.js and handlers/users.js. */
static inline void fixture_open(struct fixture *f)
{
    char sub[100];

    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/ax-config-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(sub, sizeof sub, "%s/handlers", f->dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    fixture_text(f, "handlers/home.js", "");
    fixture_text(f, "handlers/users.js", "");
}

static inline void fixture_close(struct fixture *f)
{
    char sub[100];

    for (size_t i = 0; i < f->n; i++)
        unlink(f->files[i]);
    snprintf(sub, sizeof sub, "%s/handlers", f->dir);
    rmdir(sub);
    assert_int_equal(rmdir(f->dir), 0);
}

/* The environment of the tests: HOST, PORT, EMPTY, LIST. */
static inline const char *fixture_env(const char *name, void *ctx)
{
    (void)ctx;
    if (strcmp(name, "PORT") == 0)
        return "4002";
    if (strcmp(name, "EMPTY") == 0)
        return "";
    return strcmp(name, "LIST") == 0 ? "--a, --b" : NULL;
}

struct loaded {
    int rc;
    struct ax_manifest *m;
    struct ax_problems p;
};

static inline struct loaded fixture_load(const char *const *files, size_t n)
{
    struct loaded l = {.m = NULL};
    struct ax_manifest_input in = {.files = files, .nfiles = n, .getenv = fixture_env};

    l.rc = ax_manifest_load(&in, &l.m, &l.p);
    return l;
}

static inline struct loaded fixture_load_text(struct fixture *f, const char *text)
{
    const char *file = fixture_text(f, "actix.yaml", text);

    return fixture_load(&file, 1);
}

static inline void loaded_free(struct loaded *l)
{
    ax_manifest_free(l->m);
    ax_problems_fini(&l->p);
}

static inline void print_problems(const struct ax_problems *p)
{
    for (size_t i = 0; i < p->n; i++)
        print_message("%u:%u: %s%s\n", p->v[i].err.line, p->v[i].err.col, p->v[i].warning ? "warning: " : "",
                      p->v[i].err.msg);
}

/* Exactly one problem, at line:col, with `text` in its message. */
static inline void assert_one_problem(const struct ax_problems *p, unsigned line, unsigned col,
                                      const char *text)
{
    if (p->n != 1 || p->v[0].err.line != line || p->v[0].err.col != col || !strstr(p->v[0].err.msg, text)) {
        print_message("wanted %u:%u: ...%s..., got %zu:\n", line, col, text, p->n);
        print_problems(p);
        fail();
    }
}

struct mistake {
    const char *text;
    unsigned line, col;
    const char *says;
};

/* Each text alone, between those two, is refused with one problem. */
static inline void assert_mistakes(struct fixture *f, const char *before, const char *behind,
                                   const struct mistake *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[400];
        assert_true(snprintf(text, sizeof text, "%s%s%s", before, t[i].text, behind) < (int)sizeof text);
        struct loaded l = fixture_load_text(f, text);
        if (l.rc >= 0 || l.p.n != 1)
            print_message("%s", text);
        assert_true(l.rc < 0);
        assert_one_problem(&l.p, t[i].line, t[i].col, t[i].says);
        loaded_free(&l);
    }
}

static inline const struct ax_manifest_route *route_of(const struct ax_manifest *m, const char *method,
                                                       const char *pattern)
{
    for (size_t i = 0; i < m->nroutes; i++)
        if (strcmp(m->routes[i].method, method) == 0 && strcmp(m->routes[i].pattern, pattern) == 0)
            return &m->routes[i];
    fail_msg("no route %s %s", method, pattern);
    return NULL;
}

#endif
