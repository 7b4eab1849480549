#include "net/out.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static void append(struct ax_out *o, struct ax_chunk *c)
{
    c->next = NULL;
    if (o->tail)
        o->tail->next = c;
    else
        o->head = c;
    o->tail = c;
}

static struct ax_chunk *block_new(struct ax_pool *blocks, size_t want)
{
    bool pooled = want <= AX_OUT_BLOCK - sizeof(struct ax_chunk);
    struct ax_chunk *c = pooled ? ax_pool_get(blocks) : ax_malloc(sizeof *c + want);

    if (!c)
        return NULL;
    *c = (struct ax_chunk){
        .data = (char *)(c + 1), .cap = pooled ? AX_OUT_BLOCK - sizeof *c : want, .pooled = pooled};
    return c;
}

char *ax_out_room(struct ax_out *o, struct ax_pool *blocks, size_t want, size_t *ret_room)
{
    struct ax_chunk *c = o->tail;

    if (!c || c->cap - c->len < want || c->cap == 0) {
        c = block_new(blocks, want);
        if (!c)
            return NULL;
        append(o, c);
    }
    *ret_room = c->cap - c->len;
    return (char *)(c + 1) + c->len;
}

void ax_out_grow(struct ax_out *o, size_t n)
{
    AX_DEBUG_ASSERT(o->tail && o->tail->cap - o->tail->len >= n);
    o->tail->len += n;
    o->bytes += n;
}

bool ax_out_link(struct ax_out *o, const char *p, size_t n, void (*release)(void *), bool (*lent)(void *),
                 void *owner)
{
    struct ax_chunk *c = ax_malloc(sizeof *c);

    if (!c)
        return false;
    *c = (struct ax_chunk){.data = p, .len = n, .release = release, .lent = lent, .owner = owner};
    append(o, c);
    o->bytes += n;
    return true;
}

void ax_out_splice(struct ax_out *to, struct ax_out *from)
{
    if (!from->head)
        return;
    if (to->tail)
        to->tail->next = from->head;
    else
        to->head = from->head;
    to->tail = from->tail;
    to->bytes += from->bytes;
    *from = (struct ax_out){0};
}

int ax_out_vec(const struct ax_out *o, struct iovec *v, int max)
{
    int n = 0;

    for (const struct ax_chunk *c = o->head; c && n < max; c = c->next) {
        if (c->len == c->off)
            continue;
        if (AX_UNLIKELY(c->lent && !c->lent(c->owner)))
            return -1;
        v[n].iov_base = (void *)(uintptr_t)(c->data + c->off);
        v[n++].iov_len = c->len - c->off;
    }
    return n;
}

static void chunk_free(struct ax_chunk *c, struct ax_pool *blocks)
{
    if (c->release)
        c->release(c->owner);
    if (c->pooled)
        ax_pool_put(blocks, c);
    else
        ax_free(c);
}

void ax_out_sent(struct ax_out *o, struct ax_pool *blocks, size_t n)
{
    o->bytes -= n;
    while (o->head) {
        struct ax_chunk *c = o->head;
        size_t k = c->len - c->off < n ? c->len - c->off : n;
        c->off += k;
        n -= k;
        if (c->off < c->len)
            return;
        o->head = c->next;
        if (!o->head)
            o->tail = NULL;
        chunk_free(c, blocks);
    }
}

void ax_out_clear(struct ax_out *o, struct ax_pool *blocks)
{
    ax_out_sent(o, blocks, o->bytes);
    AX_DEBUG_ASSERT(!o->head);
}
