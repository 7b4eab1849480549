#include "net/compress.h"

#include <brotli/encode.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/library.h"
#include "http/accept_encoding.h"
#include "http/encoding.h"
#include "net/internal.h"
#include "net/policy.h"

enum { GZIP_LEVEL = 5, GZIP_STORED = 0, GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8, BROTLI_LEVEL = 4 };
enum { LINES_MAX = 131072 };

struct ax_compressor {
    __typeof__(&deflateInit2_) deflateInit2_;
    __typeof__(&deflateBound) deflateBound;
    __typeof__(&deflateParams) deflateParams;
    __typeof__(&deflate) deflate;
    __typeof__(&deflateEnd) deflateEnd;
    __typeof__(&BrotliEncoderMaxCompressedSize) brotli_bound;
    __typeof__(&BrotliEncoderCompress) brotli;
};

int ax_compressor_new(struct ax_compressor **ret, struct ax_err *reterr)
{
    static const char *const zlib[] = {"libz.so.1", NULL}, *const brotli[] = {"libbrotlienc.so.1", NULL};
    struct ax_compressor *c = ax_calloc(1, sizeof *c);

    if (!c)
        return ax_fail(reterr, AX_E_NOMEM, "no memory to compress");
    const struct ax_symbol z[] = {{"deflateInit2_", &c->deflateInit2_},
                                  {"deflateBound", &c->deflateBound},
                                  {"deflateParams", &c->deflateParams},
                                  {"deflate", &c->deflate},
                                  {"deflateEnd", &c->deflateEnd}};
    const struct ax_symbol b[] = {{"BrotliEncoderMaxCompressedSize", &c->brotli_bound},
                                  {"BrotliEncoderCompress", &c->brotli}};
    int rc = ax_library_open(zlib, z, AX_COUNT(z), reterr);
    if (rc == 0)
        rc = ax_library_open(brotli, b, AX_COUNT(b), reterr);
    if (rc < 0)
        ax_free(c);
    else
        *ret = c;
    return rc;
}

void ax_compressor_free(struct ax_compressor *c)
{
    ax_free(c);
}

/* ---- bodies; OWNED, p NULL when memory is out or it came out no shorter */

static bool gzip_begin(const struct ax_compressor *c, z_stream *z)
{
    return c->deflateInit2_(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY,
                            ZLIB_VERSION, (int)sizeof *z) == Z_OK;
}

static struct ax_str gzip(const struct ax_compressor *c, struct ax_str body)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)body.p, .avail_in = (uInt)body.n};
    struct ax_str ret = {NULL, 0};

    if (!gzip_begin(c, &z))
        return ret;
    size_t room = c->deflateBound(&z, body.n);
    char *out = ax_malloc(room);
    z.next_out = (Bytef *)out;
    z.avail_out = out ? (uInt)room : 0;
    if (out && c->deflate(&z, Z_FINISH) == Z_STREAM_END)
        ret = (struct ax_str){out, z.total_out};
    c->deflateEnd(&z);
    if (!ret.p)
        ax_free(out);
    return ret;
}

static struct ax_str brotli(const struct ax_compressor *c, struct ax_str body)
{
    size_t n = c->brotli_bound(body.n);
    char *out = n ? ax_malloc(n) : NULL;

    if (!out)
        return (struct ax_str){0};
    if (c->brotli(BROTLI_LEVEL, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, body.n, (const uint8_t *)body.p, &n,
                  (uint8_t *)out) == BROTLI_TRUE)
        return (struct ax_str){out, n};
    ax_free(out);
    return (struct ax_str){0};
}

static struct ax_str compressed(const struct ax_compressor *c, enum ax_coding coding, struct ax_str body)
{
    struct ax_str out = coding == AX_CODING_BR ? brotli(c, body) : gzip(c, body);

    if (out.p && out.n < body.n)
        return out;
    ax_free((void *)(uintptr_t)out.p);
    return (struct ax_str){0};
}

/* ---- heads */

/* The next line of rendered ones, without its CRLF. */
static bool next_line(struct ax_str *rest, struct ax_str *ret)
{
    const char *nl = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;

    if (!nl)
        return false;
    *ret = (struct ax_str){rest->p, (size_t)(nl - rest->p) - 1};
    size_t n = (size_t)(nl - rest->p) + 1;
    *rest = (struct ax_str){rest->p + n, rest->n - n};
    return true;
}

static bool is_field(struct ax_str line, struct ax_str name)
{
    return line.n > name.n && line.p[name.n] == ':' &&
           ax_str_eq_nocase((struct ax_str){line.p, name.n}, name);
}

static struct ax_str value_of(struct ax_str line, size_t name)
{
    return ax_str_trim((struct ax_str){line.p + name + 1, line.n - name - 1});
}

static struct ax_str find(struct ax_str lines, struct ax_str name)
{
    struct ax_str line;

    while (next_line(&lines, &line))
        if (is_field(line, name))
            return value_of(line, name.n);
    return (struct ax_str){0};
}

static struct ax_str either(const struct ax_reply *reply, const struct ax_route *route, struct ax_str name)
{
    struct ax_str v = find(reply->headers, name);

    return v.p ? v : find(route->headers, name);
}

static struct ax_str type_of(const struct ax_reply *reply, const struct ax_route *route)
{
    static const struct ax_str types[] = {
        [AX_CONTENT_TEXT] = {"text/plain", 10},
        [AX_CONTENT_JSON] = {"application/json", 16},
        [AX_CONTENT_BYTES] = {"application/octet-stream", 24},
        [AX_CONTENT_HTML] = {"text/html", 9},
    };

    return reply->content != AX_CONTENT_NONE ? types[reply->content]
                                             : either(reply, route, AX_STR("content-type"));
}

static bool is_long_enough(uint64_t n, const struct ax_route *route)
{
    return n > 0 && n >= (uint64_t)route->policy->compress->min;
}

/* Whatever the client takes: bodies behind such a head are compressed for those who do. */
static bool is_fit(const struct ax_reply *reply, const struct ax_route *route)
{
    struct ax_str control = either(reply, route, AX_STR("cache-control"));

    if (reply->status == 204 || reply->status == 205 || reply->status == 206 || reply->status == 304)
        return false;
    return ax_type_compresses(type_of(reply, route), route->policy->compress->types) &&
           !either(reply, route, AX_STR("content-encoding")).p &&
           !either(reply, route, AX_STR("content-range")).p && !ax_list_has(control, AX_STR("no-transform"));
}

/* The reply's own lines and those of the coding, in the request's arena; p NULL when memory is out. */
static struct ax_str lines_for(struct ax_request *r, const struct ax_reply *reply, enum ax_coding coding)
{
    struct ax_buf b = AX_BUF_INIT(LINES_MAX);
    struct ax_str rest = reply->headers, line;

    while (next_line(&rest, &line)) {
        struct ax_str tag = coding && is_field(line, AX_STR("etag")) ? value_of(line, 4) : (struct ax_str){0};
        if (tag.n && tag.p[0] == '"')
            ax_buf_addf(&b, "ETag: W/%.*s", (int)tag.n, tag.p);
        else
            ax_buf_add(&b, line.p, line.n);
        ax_buf_adds(&b, "\r\n");
    }
    ax_buf_adds(&b, "Vary: Accept-Encoding\r\n");
    if (coding)
        ax_buf_addf(&b, "Content-Encoding: %s\r\n", coding == AX_CODING_BR ? "br" : "gzip");
    char *p = b.failed ? NULL : ax_arena_dup(&r->arena, ax_buf_str(&b));
    struct ax_str ret = {p, p ? b.n : 0};
    ax_buf_fini(&b);
    return ret;
}

/* Of those in `offered`, bits by enum ax_coding. */
static enum ax_coding coding_for(struct ax_request *r, unsigned offered)
{
    struct ax_str accepts = ax_head_field(&r->head, AX_STR("accept-encoding"));

    return accepts.p ? ax_accept_encoding(accepts, offered) : AX_CODING_IDENTITY;
}

static const struct ax_compressor *compressor_of(const struct ax_request *r)
{
    return ax_policies_compressor(ax_site_policies(r->worker->site));
}

void ax_compress_reply(struct ax_request *r, const struct ax_reply *reply, struct ax_reply *ret)
{
    const struct ax_route *route = r->site_route;
    struct ax_str body = {0}, lines = {0};

    *ret = *reply;
    if (!reply->body.p || reply->add || reply->body.n > AX_COMPRESS_MAX ||
        !is_long_enough(reply->body.n, route) || !is_fit(reply, route))
        return;
    enum ax_coding coding = coding_for(r, 1u << AX_CODING_GZIP | 1u << AX_CODING_BR);
    if (coding && !(reply->lent && !reply->lent(reply->owner)))
        body = compressed(compressor_of(r), coding, reply->body);
    lines = lines_for(r, reply, body.p ? coding : AX_CODING_IDENTITY);
    if (lines.p)
        ret->headers = lines;
    if (!body.p)
        return;
    if (!lines.p) { /* without its line nobody could read it */
        ax_free((void *)(uintptr_t)body.p);
        return;
    }
    if (reply->release)
        reply->release(reply->owner);
    ret->body = body;
    ret->release = ax_free;
    ret->lent = NULL;
    ret->owner = (void *)(uintptr_t)body.p;
}

/* ---- in pieces */

struct ax_encoder {
    const struct ax_compressor *lib; /* BORROWED */
    z_stream z;
    int level;
    char part[16384]; /* what came out and was not given away */
};
enum { SLICE = 1 << 30 }; /* zlib counts in 32 bits */

static void empty(struct ax_encoder *e)
{
    e->z.next_out = (Bytef *)e->part;
    e->z.avail_out = sizeof e->part;
}

static struct ax_encoder *encoder_new(const struct ax_compressor *c)
{
    struct ax_encoder *e = ax_calloc(1, sizeof *e);

    if (!e)
        return NULL;
    e->lib = c;
    e->level = GZIP_LEVEL;
    empty(e);
    if (gzip_begin(c, &e->z))
        return e;
    ax_free(e);
    return NULL;
}

void ax_encoder_free(struct ax_encoder *e)
{
    if (!e)
        return;
    e->lib->deflateEnd(&e->z);
    ax_free(e);
}

struct ax_encoder *ax_compress_open(struct ax_request *r, const struct ax_reply *head, int64_t length,
                                    struct ax_reply *ret)
{
    const struct ax_route *route = r->site_route;
    struct ax_encoder *e = NULL;

    *ret = *head;
    if ((length >= 0 && !is_long_enough((uint64_t)length, route)) || !is_fit(head, route))
        return NULL;
    if (coding_for(r, 1u << AX_CODING_GZIP) == AX_CODING_GZIP)
        e = encoder_new(compressor_of(r));
    struct ax_str lines = lines_for(r, head, e ? AX_CODING_GZIP : AX_CODING_IDENTITY);
    if (lines.p) {
        ret->headers = lines;
        return e;
    }
    ax_encoder_free(e); /* without its line nobody could read it */
    return NULL;
}

/* Between two pieces nothing is pending, so only the bits of an empty block may come of it. */
static void set_level(struct ax_encoder *e, size_t piece)
{
    int level = piece > AX_COMPRESS_MAX ? GZIP_STORED : GZIP_LEVEL;

    if (level != e->level && e->lib->deflateParams(&e->z, level, Z_DEFAULT_STRATEGY) == Z_OK)
        e->level = level;
}

static bool add(struct ax_encoder *e, const char *p, size_t n, int flush, ax_coded_fn put, void *ctx)
{
    bool more = true, all = false;

    e->z.next_in = (Bytef *)(uintptr_t)p;
    e->z.avail_in = (uInt)n;
    while (more && !all) {
        e->lib->deflate(&e->z, flush); /* Z_BUF_ERROR is no error: there was nothing left to do */
        size_t coded = sizeof e->part - e->z.avail_out;
        all = e->z.avail_out > 0;
        empty(e);
        if (coded)
            more = put(ctx, e->part, coded);
    }
    return more;
}

bool ax_encoder_add(struct ax_encoder *e, struct ax_str piece, bool last, ax_coded_fn put, void *ctx)
{
    bool more = true;

    set_level(e, piece.n);
    for (; more && piece.n > SLICE; piece = (struct ax_str){piece.p + SLICE, piece.n - SLICE})
        more = add(e, piece.p, SLICE, Z_NO_FLUSH, put, ctx);
    return more && add(e, piece.p, piece.n, last ? Z_FINISH : Z_SYNC_FLUSH, put, ctx);
}
