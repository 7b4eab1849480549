/* ax_router_match over 10, 500 and 5,000 routes: a third each without, with one and with two parameters.  The
 * paths of a row come in an order that no branch predictor learns; "same path" is one over and over. */
#include "bench.h"
#include "http/path.h"
#include "http/router.h"

enum { PATHS = 4096, TEXT = 64, KINDS = 3 };

struct lookup {
    const struct ax_router *router;
    struct ax_str path[PATHS];
    char text[PATHS][TEXT];
};

/* The pattern, or the path, of a kind of route with a number in its name. */
static void write_text(char *out, unsigned kind, unsigned i, bool pattern)
{
    if (kind == 0)
        snprintf(out, TEXT, "/api/v1/res%u/list", i);
    else if (kind == 1)
        snprintf(out, TEXT, pattern ? "/api/v1/users%u/:id" : "/api/v1/users%u/4711", i);
    else
        snprintf(out, TEXT,
                 pattern ? "/api/v2/team%u/:team/members/:id" : "/api/v2/team%u/red/members/9b2d-77", i);
}

static struct ax_router *router_of(unsigned routes)
{
    struct ax_router *r = ax_router_new();
    struct ax_err err = {0};
    char text[TEXT];

    AX_ASSERT(r != NULL);
    for (unsigned i = 0; i < routes; i++) {
        write_text(text, i % KINDS, i / KINDS, true);
        ax_bench_must(ax_router_add(r, AX_GET, ax_str(text), i, &err), &err);
    }
    ax_bench_must(ax_router_freeze(r, &err), &err);
    return r;
}

static void match(void *arg, unsigned n)
{
    const struct lookup *l = arg;
    struct ax_match got;

    for (unsigned i = 0; i < n; i++) {
        ax_router_match(l->router, AX_GET, l->path[i % PATHS], &got);
        AX_BENCH_USE(&got);
    }
}

static void check(void *arg, unsigned n)
{
    const struct lookup *l = arg;

    for (unsigned i = 0; i < n; i++)
        AX_BENCH_USE(ax_path_ok(l->path[i % PATHS]));
}

struct row {
    const char *name;
    unsigned kind;
    const char *form; /* instead of the kind's: %u is a number */
    bool one;         /* always the same path */
    ax_bench_op *op;
};

static void fill(struct lookup *l, const struct row *row, unsigned routes)
{
    uint32_t state = AX_BENCH_SEED;

    for (unsigned i = 0; i < PATHS; i++) {
        unsigned k = row->one ? 0 : ax_bench_next(&state) % ((routes + KINDS - 1 - row->kind) / KINDS);
        write_text(l->text[i], row->kind, k, false);
        if (row->form && strcmp(row->form, "404") == 0)
            snprintf(l->text[i], TEXT, "/api/v1/res%u/lisp", k);
        else if (row->form)
            snprintf(l->text[i], TEXT, "/api/v1/res%u/%%6Cist", k);
        l->path[i] = ax_str(l->text[i]);
    }
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {10, 500, 5000};
    static const struct row rows[] = {
        {"no parameter", 0, NULL, false, match},         {"one parameter", 1, NULL, false, match},
        {"two parameters", 2, NULL, false, match},       {"not found", 0, "404", false, match},
        {"an encoded byte", 0, "encoded", false, match}, {"same path", 1, NULL, true, match},
        {"is the path valid", 0, NULL, false, check},
    };
    struct ax_bench b = ax_bench_init(argc, argv, "router");
    struct lookup *l = calloc(1, sizeof *l);

    AX_ASSERT(l != NULL);
    for (unsigned i = 0; i < AX_COUNT(sizes); i++) {
        struct ax_router *r = router_of(sizes[i]);
        l->router = r;
        for (unsigned k = 0; k < AX_COUNT(rows); k++) {
            char name[AX_BENCH_NAME];
            snprintf(name, sizeof name, "%u routes, %s", sizes[i], rows[k].name);
            fill(l, &rows[k], sizes[i]);
            ax_bench_row(&b, name, rows[k].op, l);
        }
        ax_router_free(r);
    }
    free(l);
    return 0;
}
