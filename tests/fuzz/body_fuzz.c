/* Message bodies.  A body is read in one piece, in pieces, and, when chunked, by a decoder that is too simple
 * to be wrong: verdict, content and the bytes used are the same. */
#include "fuzz.h"
#include "http/body.h"

struct result {
    enum ax_body_result rc;
    struct ax_buf content;
    size_t used;
};

static bool sink(void *ctx, const char *p, size_t n)
{
    AX_ASSERT(n > 0);
    return ax_buf_add(ctx, p, n);
}

static void read_body(struct result *r, const struct ax_head *h, const char *p, size_t n, struct dice *cuts)
{
    struct ax_body_reader b;
    size_t at = 0;

    *r = (struct result){.rc = AX_BODY_MORE, .content = AX_BUF_INIT(FUZZ_OUT_MAX)};
    ax_body_begin(&b, h);
    do {
        size_t end = !cuts ? n : at < n ? next_cut(cuts, at, n) : n, used = 0;
        char *piece = exact(p + at, end - at);
        r->rc = ax_body_feed(&b, piece, end - at, &used, sink, &r->content);
        free(piece);
        AX_ASSERT(used <= end - at);
        AX_ASSERT(r->rc != AX_BODY_MORE || used == end - at);
        r->used += used;
        at = end;
    } while (r->rc == AX_BODY_MORE && at < n);
    AX_ASSERT(!r->content.failed && r->content.n <= n);
}

/* ---- the simple decoder: RFC 9112, 7.1 */

struct reader {
    const char *p;
    size_t n, at;
    size_t extra;
    bool bad;
    bool blank; /* white space behind the size: an extension must follow */
};

/* The offset of the CR that ends the line, or n when it has not come; control bytes are bad at once. */
static size_t line_end(struct reader *r, bool (*ok)(struct reader *r, size_t col, char c, bool *mark),
                       bool *mark)
{
    size_t i = r->at;

    for (; i < r->n && r->p[i] != '\r'; i++) {
        unsigned char c = (unsigned char)r->p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f || !ok(r, i - r->at, (char)c, mark)) {
            r->bad = true;
            return r->n;
        }
    }
    return i;
}

static bool is_token(char c)
{
    static const char all[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return memchr(all, c, sizeof all - 1) != NULL;
}

static bool in_size(struct reader *r, size_t col, char c, bool *mark)
{
    if (*mark)
        return ++r->extra <= AX_CHUNK_EXTRA_MAX;
    *mark = c == ';' && col > 0;
    r->blank = col > 0 && (r->blank || c == ' ' || c == '\t');
    if (r->blank && !*mark)
        return (c == ' ' || c == '\t') && ++r->extra <= AX_CHUNK_EXTRA_MAX;
    return *mark || (ax_hex(c) >= 0 && col < 16);
}

static bool in_trailer(struct reader *r, size_t col, char c, bool *mark)
{
    if (++r->extra > AX_CHUNK_EXTRA_MAX)
        return false;
    if (*mark)
        return true;
    *mark = c == ':' && col > 0;
    return *mark || is_token(c);
}

/* Takes CR LF at the reader; false when it is cut short or something else, which is bad. */
static bool crlf(struct reader *r)
{
    if (r->at < r->n && r->p[r->at] != '\r')
        r->bad = true;
    else if (r->at + 1 < r->n && r->p[r->at + 1] != '\n')
        r->bad = true;
    if (r->bad || r->at + 2 > r->n)
        return false;
    r->at += 2;
    return true;
}

static bool size_line(struct reader *r, uint64_t *ret)
{
    bool mark = false;

    r->blank = false;
    size_t end = line_end(r, in_size, &mark);

    *ret = 0;
    for (size_t i = r->at; i < end && ax_hex(r->p[i]) >= 0; i++)
        *ret = *ret << 4 | (unsigned)ax_hex(r->p[i]);
    r->bad = r->bad || (end < r->n && (end == r->at || (r->blank && !mark)));
    r->at = end;
    return !r->bad && crlf(r);
}

static bool trailers(struct reader *r)
{
    for (;;) {
        bool mark = false;
        size_t start = r->at, end = line_end(r, in_trailer, &mark);
        r->bad = r->bad || (end < r->n && end > start && !mark);
        r->at = end;
        if (r->bad || !crlf(r))
            return false;
        if (end == start)
            return true;
    }
}

static enum ax_body_result simple(const char *p, size_t n, struct ax_buf *content, size_t *ret_used)
{
    struct reader r = {.p = p, .n = n};
    uint64_t size;

    for (;;) {
        if (!size_line(&r, &size))
            break;
        if (size == 0) {
            if (!trailers(&r))
                break;
            *ret_used = r.at;
            return AX_BODY_DONE;
        }
        uint64_t take = size < n - r.at ? size : n - r.at;
        ax_buf_add(content, p + r.at, (size_t)take);
        r.at += (size_t)take;
        if (take < size || !crlf(&r))
            break;
    }
    return r.bad ? AX_BODY_REFUSED : AX_BODY_MORE;
}

static void same(const struct result *a, const struct result *b)
{
    AX_ASSERT(a->rc == b->rc);
    AX_ASSERT(ax_str_eq(ax_buf_str(&a->content), ax_buf_str(&b->content)));
    AX_ASSERT(a->rc == AX_BODY_REFUSED || a->used == b->used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dice d = dice_of(data, n);
    struct ax_head h = {.chunked = true};
    struct result whole, pieces;
    const char *p = (const char *)data;

    read_body(&whole, &h, p, n, NULL);
    for (int i = 0; i < 3; i++) {
        read_body(&pieces, &h, p, n, &d);
        same(&whole, &pieces);
        ax_buf_fini(&pieces.content);
    }
    struct result want = {.content = AX_BUF_INIT(FUZZ_OUT_MAX), .used = n};
    want.rc = simple(p, n, &want.content, &want.used);
    same(&want, &whole);
    ax_buf_fini(&want.content);
    ax_buf_fini(&whole.content);

    h = (struct ax_head){.content_length = n ? data[0] : 0};
    read_body(&whole, &h, p, n, NULL);
    read_body(&pieces, &h, p, n, &d);
    same(&whole, &pieces);
    AX_ASSERT(whole.rc == (h.content_length <= n ? AX_BODY_DONE : AX_BODY_MORE));
    AX_ASSERT(whole.content.n == (h.content_length < n ? h.content_length : n));
    ax_buf_fini(&whole.content);
    ax_buf_fini(&pieces.content);
    return 0;
}
