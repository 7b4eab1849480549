#include "net/out.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

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

bool ax_out_file(struct ax_out *o, int fd, int64_t at, size_t n, void (*release)(void *), void *owner)
{
    if (!ax_out_link(o, NULL, n, release, NULL, owner))
        return false;
    o->tail->file_at = at;
    o->tail->fd = fd;
    o->tail->file = true;
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
        if (AX_UNLIKELY(c->file))
            return n;
        if (AX_UNLIKELY(c->lent && !c->lent(c->owner)))
            return -1;
        v[n].iov_base = (void *)(uintptr_t)(c->data + c->off);
        v[n++].iov_len = c->len - c->off;
    }
    return n;
}

enum { COPIED_TURN = 16384 };

/* Few file systems cannot feed sendfile. */
static ssize_t send_copied(const struct ax_chunk *c, int64_t at, size_t n, int sock)
{
    char copy[COPIED_TURN];
    ssize_t got = pread(c->fd, copy, n < sizeof copy ? n : sizeof copy, (off_t)at);

    return got > 0 ? send(sock, copy, (size_t)got, MSG_NOSIGNAL) : got;
}

ssize_t ax_out_send_file(const struct ax_out *o, int sock)
{
    const struct ax_chunk *c = o->head;

    while (c->len == c->off)
        c = c->next;
    AX_DEBUG_ASSERT(c->file);
    int64_t at = c->file_at + (int64_t)c->off;
    off_t from = (off_t)at;
    size_t n = c->len - c->off < AX_OUT_FILE_TURN ? c->len - c->off : AX_OUT_FILE_TURN;
    ssize_t sent = sendfile(sock, c->fd, &from, n);
    if (AX_UNLIKELY(sent < 0 && (errno == EINVAL || errno == ENOSYS)))
        return send_copied(c, at, n, sock);
    return sent;
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
