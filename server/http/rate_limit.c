#include "http/rate_limit.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/forwarded.h"

enum { WAYS = 8, PLACES_MIN = 1 << 10, PLACES_MAX = 1 << 20, LOCKS = 64, NS_PER_US = 1000 };

struct place {
    uint64_t key;    /* hash of id and client */
    int64_t full_ns; /* when its bucket is full again; in the past = free */
};

struct ax_rate_table {
    uint64_t secret[2]; /* so that nobody can choose addresses that meet in one set */
    uint64_t nsets;     /* a power of two */
    pthread_mutex_t locks[LOCKS];
    struct place v[];
};

struct ax_rate_table *ax_rate_table_new(uint64_t clients)
{
    uint64_t n = PLACES_MIN;

    while (n < clients && n < PLACES_MAX)
        n *= 2;
    struct ax_rate_table *t = ax_calloc(1, sizeof *t + n * sizeof t->v[0]);
    if (!t)
        return NULL;
    t->nsets = n / WAYS;
    if (getrandom(t->secret, sizeof t->secret, 0) != sizeof t->secret)
        t->secret[0] = (uint64_t)(uintptr_t)t; /* an old kernel that is not ready yet */
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_init(&t->locks[i], NULL);
    return t;
}

void ax_rate_table_free(struct ax_rate_table *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&t->locks[i]);
    ax_free(t);
}

uint64_t ax_rate_table_places(const struct ax_rate_table *t)
{
    return t->nsets * WAYS;
}

struct ax_rate ax_rate_of(uint32_t id, int64_t n, int64_t unit_us, int64_t burst)
{
    int64_t interval = unit_us * NS_PER_US / n, most = INT64_MAX / 4 / (interval > 0 ? interval : 1);

    return (struct ax_rate){
        .id = id, .interval_ns = interval > 0 ? interval : 1, .burst = burst < most ? burst : most};
}

/* ---- SipHash-2-4 (Aumasson, Bernstein) of the 24 bytes of a bucket's name */

static inline uint64_t turn(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void mix(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = turn(v[1], 13) ^ v[0];
    v[0] = turn(v[0], 32);
    v[2] += v[3];
    v[3] = turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = turn(v[1], 17) ^ v[2];
    v[2] = turn(v[2], 32);
}

static uint64_t hash(const uint64_t secret[2], const uint64_t word[3])
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575, secret[1] ^ 0x646f72616e646f6d,
                     secret[0] ^ 0x6c7967656e657261, secret[1] ^ 0x7465646279746573};

    for (unsigned i = 0; i <= 3; i++) {
        uint64_t m = i < 3 ? word[i] : (uint64_t)24 << 56;
        v[3] ^= m;
        mix(v);
        mix(v);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        mix(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* IPv4 whole, IPv6 by its /64; "unix" and what is no address are all one client. */
static uint64_t key_of(const struct ax_rate_table *t, uint32_t id, struct ax_str client)
{
    static const unsigned char v4[12] = {[10] = 0xff, [11] = 0xff};
    struct ax_addr a = {.kind = AX_ADDR_NONE};
    uint64_t word[3] = {id, 0, 0};

    if (ax_addr_parse(client, &a) && a.kind == AX_ADDR_IP) {
        memcpy(&word[1], a.ip, sizeof word[1]);
        if (memcmp(a.ip, v4, sizeof v4) == 0)
            memcpy(&word[2], a.ip + 8, sizeof word[2]);
    }
    return hash(t->secret, word);
}

/* Its bucket, or the one whose place it takes. */
static struct place *find(struct place *set, uint64_t key)
{
    struct place *best = set;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].full_ns < best->full_ns)
            best = &set[i];
    }
    *best = (struct place){.key = key};
    return best;
}

int64_t ax_rate_take(struct ax_rate_table *t, const struct ax_rate *r, struct ax_str client, int64_t now_us)
{
    uint64_t key = key_of(t, r->id, client), set = key & (t->nsets - 1);
    int64_t now = now_us * NS_PER_US, wait = 0;
    pthread_mutex_t *lock = &t->locks[set % LOCKS];

    pthread_mutex_lock(lock);
    struct place *p = find(&t->v[set * WAYS], key);
    int64_t full = (p->full_ns > now ? p->full_ns : now) + r->interval_ns;
    int64_t over = full - now - r->interval_ns * r->burst;
    if (over <= 0)
        p->full_ns = full;
    else
        wait = (over + NS_PER_US - 1) / NS_PER_US;
    pthread_mutex_unlock(lock);
    return wait;
}
