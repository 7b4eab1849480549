#include "net/body_store.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "net/internal.h"

/* Bytes of a block, how many are made at start, and how many more are kept: AX_BODY_STOCK in all. */
static const struct {
    size_t bytes;
    unsigned warm, keep;
} classes[AX_BODY_CLASSES] = {{4096, 32, 64}, {16384, 8, 32}, {AX_BODY_CLASS_MAX, 4, 16}};

int ax_body_store_init(struct ax_body_store *s, bool warm, struct ax_err *reterr)
{
    s->large = 0;
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++) {
        int rc = ax_pool_init(&s->pool[i], "body", classes[i].bytes, warm ? classes[i].warm : 0, 0, reterr);
        if (rc < 0) {
            while (i-- > 0)
                ax_pool_fini(&s->pool[i]);
            return rc;
        }
        s->pool[i].keep = classes[i].keep;
        s->pool[i].low = classes[i].warm;
    }
    return 0;
}

void ax_body_store_fini(struct ax_body_store *s)
{
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        ax_pool_fini(&s->pool[i]);
}

/* The pool whose blocks have `cap` bytes; NULL = the allocator's. */
static struct ax_pool *pool_of(struct ax_body_store *s, size_t cap)
{
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        if (classes[i].bytes == cap)
            return &s->pool[i];
    return NULL;
}

/* What the body of r can come to: no block is larger. */
static size_t body_max(const struct ax_request *r)
{
    uint64_t max = (uint64_t)r->site_route->body_max;

    return (size_t)(!r->head.chunked && r->head.content_length < max ? r->head.content_length : max);
}

/* Of the block that holds n bytes.  Beyond the classes it doubles, up to `max`: a client must not take memory
 * by announcing a body. */
static size_t cap_for(size_t cap, size_t n, size_t max)
{
    for (unsigned i = 0; i < AX_BODY_CLASSES; i++)
        if (n <= classes[i].bytes)
            return classes[i].bytes;
    cap = cap < AX_BODY_CLASS_MAX ? AX_BODY_CLASS_MAX : cap;
    while (cap < n)
        cap += cap;
    return cap < max ? cap : max;
}

static char *block_get(struct ax_body_store *s, size_t cap)
{
    struct ax_pool *pool = pool_of(s, cap);

    if (pool)
        return ax_pool_get(pool);
    s->large++;
    return ax_malloc(cap);
}

static void block_put(struct ax_body_store *s, char *p, size_t cap)
{
    struct ax_pool *pool = pool_of(s, cap);

    if (pool)
        ax_pool_put(pool, p);
    else
        ax_free(p);
}

/* Moves the body into a block of `cap` bytes. */
static bool grow(struct ax_request *r, size_t cap)
{
    struct ax_body_store *s = &r->worker->bodies;
    char *p;

    if (r->body_cap > AX_BODY_CLASS_MAX) {
        p = ax_realloc(r->body_block, cap);
        if (!p)
            return false;
    } else {
        p = block_get(s, cap);
        if (!p)
            return false;
        if (r->body_cap) {
            memcpy(p, r->body_block, r->body.n);
            block_put(s, r->body_block, r->body_cap);
        }
    }
    r->body_block = p;
    r->body_cap = cap;
    r->body.p = p;
    return true;
}

bool ax_body_add(struct ax_request *r, const char *p, size_t n)
{
    struct ax_engine *e = r->worker->engine;

    if (r->body.n + n > r->body_cap) {
        size_t had = r->body_cap, cap = cap_for(had, r->body.n + n, body_max(r));
        int64_t more = (int64_t)(cap - had);
        AX_DEBUG_ASSERT(cap >= r->body.n + n);
        if (e && !ax_engine_take_memory(e, more))
            return false;
        if (!grow(r, cap)) {
            if (e)
                ax_engine_put_memory(e, more);
            return false;
        }
    }
    memcpy(r->body_block + r->body.n, p, n);
    r->body.n += n;
    return true;
}

bool ax_body_fits(const struct ax_request *r)
{
    size_t n = body_max(r);

    return !r->worker->engine || ax_engine_has_memory(r->worker->engine, (int64_t)cap_for(0, n, n));
}

void ax_body_drop(struct ax_request *r)
{
    struct ax_worker *w = r->worker;

    r->body = (struct ax_str){0};
    if (!r->body_cap)
        return;
    block_put(&w->bodies, r->body_block, r->body_cap);
    if (w->engine)
        ax_engine_put_memory(w->engine, (int64_t)r->body_cap);
    r->body_block = NULL;
    r->body_cap = 0;
}
