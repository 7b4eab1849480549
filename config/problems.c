#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "config/mf_arena.h"

void ax_problems_fini(struct ax_problems *p)
{
    ax_free(p->v);
    ax_mf_arena_free(p->arena);
    *p = (struct ax_problems){0};
}

/* The list's own copy of a file name: problems outlive the manifest that failed. */
static const char *own_file(struct ax_problems *p, const char *file)
{
    for (size_t i = p->n; i-- > 0;)
        if (p->v[i].err.file && strcmp(p->v[i].err.file, file) == 0)
            return p->v[i].err.file;
    if (!p->arena)
        p->arena = ax_mf_arena_new();
    return p->arena ? ax_mf_strdup(p->arena, file) : NULL;
}

static struct ax_problem *append(struct ax_problems *p)
{
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 8;
        struct ax_problem *v = ax_realloc(p->v, cap * sizeof *v);
        if (!v)
            return NULL;
        p->v = v;
        p->cap = cap;
    }
    return &p->v[p->n];
}

static bool known(const struct ax_problems *p, const struct ax_err *e)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct ax_err *o = &p->v[i].err;
        if (o->line == e->line && o->col == e->col && o->file == e->file && strcmp(o->msg, e->msg) == 0)
            return true;
    }
    return false;
}

static void add(struct ax_problems *p, bool warning, enum ax_code code, const struct ax_place *at,
                const char *fmt, va_list ap) __attribute__((format(printf, 5, 0)));
static void add(struct ax_problems *p, bool warning, enum ax_code code, const struct ax_place *at,
                const char *fmt, va_list ap)
{
    struct ax_problem *to = append(p);

    if (!to)
        goto fail;
    *to = (struct ax_problem){.warning = warning, .err = {.code = code}};
    vsnprintf(to->err.msg, sizeof to->err.msg, fmt, ap);
    for (char *c = to->err.msg; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    if (at && at->file) {
        to->err.line = at->line;
        to->err.col = at->col;
        to->err.file = own_file(p, at->file);
        if (!to->err.file)
            goto fail;
    }
    if (known(p, &to->err))
        return;
    p->n++;
    p->errors += !warning;
    return;
fail:
    p->failed = true;
}

void ax_problem(struct ax_problems *p, enum ax_code code, const struct ax_place *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(p, false, code, at, fmt, ap);
    va_end(ap);
}

void ax_problem_warn(struct ax_problems *p, const struct ax_place *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(p, true, AX_E_STATE, at, fmt, ap);
    va_end(ap);
}

static size_t file_rank(const char *file, const char *const *files, size_t n)
{
    for (size_t i = 0; file && i < n; i++)
        if (strcmp(file, files[i]) == 0)
            return i + 1;
    return file ? n + 1 : 0;
}

static bool before(const struct ax_err *a, const struct ax_err *b, const char *const *files, size_t n)
{
    size_t ra = file_rank(a->file, files, n), rb = file_rank(b->file, files, n);

    if (ra != rb)
        return ra < rb;
    return a->line != b->line ? a->line < b->line : a->col < b->col;
}

/* Insertion: stable, and a list that people read is short. */
void ax_problems_sort(struct ax_problems *p, const char *const *files, size_t n)
{
    for (size_t i = 1; i < p->n; i++) {
        struct ax_problem x = p->v[i];
        size_t j = i;
        for (; j > 0 && before(&x.err, &p->v[j - 1].err, files, n); j--)
            p->v[j] = p->v[j - 1];
        p->v[j] = x;
    }
}
