#include "http/route_cache.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { CACHE_MAGIC = 0x51735e05, NONE = 0 /* entry numbers start at 1 */, FIRST_ENTRIES = 64 };

struct entry {
    uint32_t hash;
    uint32_t chain;        /* next of the same bucket */
    uint32_t newer, older; /* by use; a ring through entry 0 */
    uint32_t route;
    uint8_t method, nparams, path_len;
    struct {
        uint8_t off, n;
    } params[AX_CACHED_PARAMS_MAX];
    char path[AX_CACHED_PATH_MAX];
};

struct ax_route_cache {
    uint32_t magic;
    uint32_t used, cap, max; /* entries in use, allocated, at most */
    uint32_t mask;           /* buckets - 1 */
    uint64_t seed;
    uint32_t lookups, hits; /* in this window */
    uint32_t rest;          /* windows left to rest */
    uint32_t filled;        /* `used` when this window began */
    uint32_t *buckets;      /* entry numbers */
    struct entry *entries;  /* [0] is the head of the ring: [0].older is the newest, [0].newer the oldest */
};

static bool grow(struct ax_route_cache *c)
{
    uint32_t cap = c->cap ? c->cap * 2 : FIRST_ENTRIES;

    if (cap > c->max)
        cap = c->max;
    struct entry *v = ax_realloc(c->entries, (cap + 1) * sizeof *v);
    if (!v)
        return false;
    c->entries = v;
    c->cap = cap;
    return true;
}

int ax_route_cache_new(unsigned entries, uint64_t seed, struct ax_route_cache **ret, struct ax_err *reterr)
{
    struct ax_route_cache *c = ax_calloc(1, sizeof *c);
    uint32_t buckets = 64;

    if (!c)
        goto fail;
    while (buckets < entries && buckets < 1u << 30)
        buckets *= 2;
    c->magic = CACHE_MAGIC;
    c->max = entries;
    c->mask = buckets - 1;
    c->seed = seed;
    c->buckets = ax_calloc(buckets, sizeof *c->buckets);
    if (!c->buckets)
        goto fail_cache;
    if (!grow(c))
        goto fail_buckets;
    c->entries[0].newer = c->entries[0].older = 0;
    *ret = c;
    return 0;
fail_buckets:
    ax_free(c->buckets);
fail_cache:
    ax_free(c);
fail:
    return ax_fail(reterr, AX_E_NOMEM, "no memory for the route cache");
}

void ax_route_cache_free(struct ax_route_cache *c)
{
    if (!c)
        return;
    AX_ASSERT(c->magic == CACHE_MAGIC);
    c->magic = 0;
    ax_free(c->buckets);
    ax_free(c->entries);
    ax_free(c);
}

unsigned ax_route_cache_used(const struct ax_route_cache *c)
{
    return c->used;
}

/* ---- hashing: multiply and fold, eight bytes at a time */

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide r = (wide)a * b;

    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t load(const char *p, size_t n)
{
    uint64_t v = 0;

    memcpy(&v, p, n);
    return v;
}

static uint32_t hash_of(const struct ax_route_cache *c, enum ax_method m, struct ax_str s)
{
    uint64_t h = c->seed ^ ((uint64_t)m << 8 | s.n);

    while (s.n > 8) {
        h = mix(h ^ load(s.p, 8), 0x9e3779b97f4a7c15u);
        s.p += 8;
        s.n -= 8;
    }
    h = mix(h ^ load(s.p, s.n), 0xd6e8feb86659fd93u);
    return (uint32_t)(h ^ h >> 32);
}

/* ---- order of use */

static void unlink_entry(struct ax_route_cache *c, uint32_t i)
{
    struct entry *e = &c->entries[i];

    c->entries[e->newer].older = e->older;
    c->entries[e->older].newer = e->newer;
}

static void link_newest(struct ax_route_cache *c, uint32_t i)
{
    struct entry *head = &c->entries[0];
    uint32_t was = head->older;

    c->entries[i].older = was;
    c->entries[i].newer = 0;
    c->entries[was].newer = i;
    head->older = i;
}

/* ---- lookup */

static uint32_t find(const struct ax_route_cache *c, uint32_t hash, enum ax_method m, struct ax_str path)
{
    uint32_t i = c->buckets[hash & c->mask];

    for (; i != NONE; i = c->entries[i].chain) {
        const struct entry *e = &c->entries[i];
        if (e->hash == hash && e->method == m && e->path_len == path.n &&
            memcmp(e->path, path.p, path.n) == 0)
            return i;
    }
    return NONE;
}

/* While the cache still fills, misses say nothing about the traffic. */
static void end_window(struct ax_route_cache *c)
{
    if (c->rest)
        c->rest--;
    else if (c->hits < c->lookups / 2 && (c->used == c->max || c->used < c->filled + AX_CACHE_WINDOW / 4))
        c->rest = AX_CACHE_REST;
    c->filled = c->used;
    c->lookups = c->hits = 0;
}

bool ax_route_cache_get(struct ax_route_cache *c, enum ax_method m, struct ax_str path, struct ax_match *ret)
{
    if (AX_UNLIKELY(++c->lookups == AX_CACHE_WINDOW))
        end_window(c);
    if (c->rest || path.n > AX_CACHED_PATH_MAX)
        return false;
    uint32_t i = find(c, hash_of(c, m, path), m, path);
    if (i == NONE)
        return false;
    const struct entry *e = &c->entries[i];
    c->hits++;
    if (c->entries[0].older != i) {
        unlink_entry(c, i);
        link_newest(c, i);
    }
    ret->route = e->route;
    ret->nparams = e->nparams;
    for (unsigned k = 0; k < e->nparams; k++)
        ret->params[k] = (struct ax_str){path.p + e->params[k].off, e->params[k].n};
    return true;
}

/* ---- keeping */

static void drop_oldest(struct ax_route_cache *c, uint32_t i)
{
    uint32_t *at = &c->buckets[c->entries[i].hash & c->mask];

    while (*at != i)
        at = &c->entries[*at].chain;
    *at = c->entries[i].chain;
    unlink_entry(c, i);
}

/* An entry to fill: a new one while there may be, else the one that was not used for longest. */
static uint32_t take_entry(struct ax_route_cache *c)
{
    if (c->used < c->cap || (c->cap < c->max && grow(c)))
        return ++c->used;
    uint32_t oldest = c->entries[0].newer;
    drop_oldest(c, oldest);
    return oldest;
}

static bool fits(struct ax_str path, const struct ax_match *match)
{
    return path.n <= AX_CACHED_PATH_MAX && match->nparams >= 1 && match->nparams <= AX_CACHED_PARAMS_MAX;
}

void ax_route_cache_put(struct ax_route_cache *c, enum ax_method m, struct ax_str path,
                        const struct ax_match *match)
{
    if (c->rest || !fits(path, match))
        return;
    uint32_t hash = hash_of(c, m, path);
    if (find(c, hash, m, path) != NONE)
        return;
    uint32_t i = take_entry(c);
    struct entry *e = &c->entries[i];
    e->hash = hash;
    e->route = match->route;
    e->method = (uint8_t)m;
    e->nparams = (uint8_t)match->nparams;
    e->path_len = (uint8_t)path.n;
    memcpy(e->path, path.p, path.n);
    for (unsigned k = 0; k < match->nparams; k++) {
        AX_DEBUG_ASSERT(match->params[k].p >= path.p &&
                        match->params[k].p + match->params[k].n <= path.p + path.n);
        e->params[k].off = (uint8_t)(match->params[k].p - path.p);
        e->params[k].n = (uint8_t)match->params[k].n;
    }
    e->chain = c->buckets[hash & c->mask];
    c->buckets[hash & c->mask] = i;
    link_newest(c, i);
}
