/* A pool against the allocator below it, for objects of the size of a request and of a small one.
 * "one": got and put back at once, the way of a request that is answered at once.  "64": that many are got,
 * then put back in the order in which they came.  "burst": four times what was pre-warmed; the pool keeps
 * nothing of it, or all.  ns are per get and put of one object; of each, the first word is written. */
#include "base/alloc.h"
#include "base/pool.h"
#include "bench.h"

enum { WARM = 256, BURST = 4 * WARM, SOME = 64 };

struct work {
    struct ax_pool *pool; /* NULL: the allocator */
    size_t bytes;
    unsigned held; /* objects held at once */
    void *obj[BURST];
};

static void *get(struct work *w)
{
    void *obj = w->pool ? ax_pool_get(w->pool) : ax_malloc(w->bytes);

    AX_ASSERT(obj != NULL);
    memset(obj, 0, sizeof(void *));
    AX_BENCH_USE(obj);
    return obj;
}

static void put(struct work *w, void *obj)
{
    if (w->pool)
        ax_pool_put(w->pool, obj);
    else
        ax_free(obj);
}

static void get_and_put(void *arg, unsigned n)
{
    struct work *w = arg;

    for (unsigned done = 0, some; done < n; done += some) {
        some = n - done < w->held ? n - done : w->held;
        for (unsigned i = 0; i < some; i++)
            w->obj[i] = get(w);
        for (unsigned i = 0; i < some; i++)
            put(w, w->obj[i]);
    }
}

static void row(const struct ax_bench *b, struct work *w, const char *how, unsigned held, const char *much)
{
    char name[AX_BENCH_NAME];

    w->held = held;
    snprintf(name, sizeof name, "%s, %zu bytes, %s", how, w->bytes, much);
    ax_bench_row(b, name, get_and_put, w);
}

static void rows(const struct ax_bench *b, struct work *w, size_t bytes)
{
    struct ax_err err = {0};
    struct ax_pool pool;

    *w = (struct work){.bytes = bytes};
    row(b, w, "malloc", 1, "one");
    row(b, w, "malloc", SOME, "64");
    row(b, w, "malloc", BURST, "burst");
    ax_bench_must(ax_pool_init(&pool, "bench", bytes, WARM, 0, &err), &err);
    w->pool = &pool;
    row(b, w, "pool", 1, "one");
    row(b, w, "pool", SOME, "64");
    row(b, w, "pool", BURST, "burst");
    pool.keep = BURST;
    row(b, w, "pool", BURST, "burst, kept");
    ax_pool_trim(&pool);
    ax_pool_fini(&pool);
}

int main(int argc, char **argv)
{
    struct ax_bench b = ax_bench_init(argc, argv, "pool");
    struct work w;

    rows(&b, &w, 64);
    rows(&b, &w, 2048);
    return 0;
}
