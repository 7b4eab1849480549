#include "net/static.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/conditional.h"
#include "http/range.h"
#include "net/files.h"
#include "net/internal.h"

/* Up to here a file is read into the output beside its head: one write, and no page is mapped.  Above it
 * sendfile(2) is cheaper. */
enum { READ_MAX = 16384 };
enum { MIME_BYTES_MAX = 4 << 20, LINES_MAX = 1024, PART_MAX = 512, BOUNDARY_MAX = 32 };

/* ---- media types */

bool ax_static_has_type(struct ax_str lines)
{
    const struct ax_str name = AX_STR("content-type:");

    while (lines.n >= name.n) {
        if (ax_str_eq_nocase((struct ax_str){lines.p, name.n}, name))
            return true;
        const char *nl = memchr(lines.p, '\n', lines.n);
        size_t k = nl ? (size_t)(nl - lines.p) + 1 : lines.n;
        lines = (struct ax_str){lines.p + k, lines.n - k};
    }
    return false;
}

/* All of a file of the system's; false when it cannot be had, which is no error. */
static bool slurp(const char *name, struct ax_buf *b)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    char *p;

    while (fd >= 0 && (p = ax_buf_reserve(b, 65536)) && (n = read(fd, p, 65536)) > 0)
        b->n += (size_t)n;
    if (fd >= 0)
        close(fd);
    return n == 0 && b->n > 0;
}

int ax_static_mime(struct ax_mime **ret, struct ax_err *reterr)
{
    struct ax_mime *m = ax_mime_new();
    struct ax_buf b = AX_BUF_INIT(MIME_BYTES_MAX);
    int rc = 0;

    if (!m)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for media types");
    if (slurp("/etc/mime.types", &b)) {
        rc = ax_mime_add(m, AX_MIME_TYPES, ax_buf_str(&b), reterr);
    } else {
        ax_buf_clear(&b);
        if (slurp("/usr/share/mime/globs2", &b))
            rc = ax_mime_add(m, AX_MIME_GLOBS, ax_buf_str(&b), reterr);
    }
    ax_buf_fini(&b);
    if (rc == 0)
        rc = ax_mime_freeze(m, reterr);
    if (rc < 0) {
        ax_mime_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

/* ---- what was asked */

/* All lines of a field as one list; p NULL = there is none, or (out of memory) as if. */
static struct ax_str field(struct ax_request *r, enum ax_field_name id)
{
    struct ax_str first = ax_head_known(&r->head, id);
    const struct ax_str name = ax_field_name_str(id);
    struct ax_buf b;
    unsigned n = 0;

    for (unsigned i = 0; first.p && i < r->head.nfields; i++)
        n += ax_str_eq_nocase(ax_head_str(&r->head, r->head.fields[i].name), name);
    if (AX_LIKELY(n < 2))
        return first;
    b = AX_BUF_INIT(r->head.bytes + 2u * r->head.nfields);
    for (unsigned i = 0; i < r->head.nfields; i++) {
        struct ax_str value = ax_head_str(&r->head, r->head.fields[i].value);
        if (!ax_str_eq_nocase(ax_head_str(&r->head, r->head.fields[i].name), name))
            continue;
        ax_buf_adds(&b, b.n ? ", " : "");
        ax_buf_add(&b, value.p, value.n);
    }
    char *p = b.failed ? NULL : ax_arena_dup(&r->arena, ax_buf_str(&b));
    struct ax_str all = {p, p ? b.n : 0};
    ax_buf_fini(&b);
    return all;
}

/* Names text/html; what takes anything is no page that somebody goes to. */
static bool accepts_html(struct ax_request *r)
{
    struct ax_str list = field(r, AX_FIELD_ACCEPT);

    while (list.n) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t n = comma ? (size_t)(comma - list.p) : list.n;
        struct ax_str item = {list.p, n};
        const char *semi = memchr(item.p, ';', item.n);
        struct ax_str type = ax_str_trim(semi ? (struct ax_str){item.p, (size_t)(semi - item.p)} : item);
        struct ax_str weight = semi ? (struct ax_str){semi + 1, n - (size_t)(semi + 1 - item.p)} : AX_STR("");
        bool refused =
            weight.n && memmem(weight.p, weight.n, "q=0", 3) && !memmem(weight.p, weight.n, "q=0.", 4);
        if ((ax_str_eq_nocase(type, AX_STR("text/html")) || ax_str_eq_nocase(type, AX_STR("text/*"))) &&
            !refused)
            return true;
        n += comma != NULL;
        list = (struct ax_str){list.p + n, list.n - n};
    }
    return false;
}

/* ---- the body */

struct body {
    struct ax_file *file; /* HELD */
    struct ax_pool *blocks;
    struct ax_str type;   /* Content-Type line of the file, maybe empty */
    const char *boundary; /* NULL = one range, and no parts */
    unsigned n;
    struct ax_range range[AX_RANGES_MAX];
};

static uint64_t length_of(const struct ax_range *r)
{
    return r->last - r->first + 1;
}

static void release_body(void *owner)
{
    const struct body *b = owner;

    ax_file_put(b->file);
}

static bool add_range(struct ax_out *out, const struct body *b, const struct ax_range *r)
{
    ax_file_hold(b->file);
    if (ax_out_file(out, b->file->fd, (int64_t)r->first, length_of(r), ax_file_put, b->file))
        return true;
    ax_file_put(b->file);
    return false;
}

/* RFC 9110, 14.6. */
static size_t part_head(const struct body *b, unsigned i, char out[PART_MAX])
{
    if (i == b->n)
        return (size_t)snprintf(out, PART_MAX, "\r\n--%s--\r\n", b->boundary);
    return (size_t)snprintf(out, PART_MAX,
                            "%s--%s\r\n%.*sContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
                            i ? "\r\n" : "", b->boundary, (int)b->type.n, b->type.p, b->range[i].first,
                            b->range[i].last, b->file->size);
}

static bool add_part_head(struct ax_out *out, const struct body *b, unsigned i)
{
    char text[PART_MAX];
    size_t n = part_head(b, i, text), room;
    char *p = ax_out_room(out, b->blocks, n, &room);

    if (!p)
        return false;
    memcpy(p, text, n);
    ax_out_grow(out, n);
    return true;
}

static bool add_body(struct ax_out *out, const struct ax_reply *reply)
{
    const struct body *b = reply->owner;

    for (unsigned i = 0; i < b->n; i++)
        if ((b->boundary && !add_part_head(out, b, i)) || !add_range(out, b, &b->range[i]))
            return false;
    if (b->boundary && !add_part_head(out, b, b->n))
        return false;
    ax_file_put(b->file);
    return true;
}

static uint64_t body_bytes(const struct body *b)
{
    char text[PART_MAX];
    uint64_t n = b->boundary ? part_head(b, b->n, text) : 0;

    for (unsigned i = 0; i < b->n; i++)
        n += length_of(&b->range[i]) + (b->boundary ? part_head(b, i, text) : 0);
    return n;
}

/* ---- answers; each of them puts the file */

static struct ax_str joined(struct ax_request *r, struct ax_str a, struct ax_str b)
{
    char *p = ax_arena_alloc(&r->arena, a.n + b.n + 1);

    if (!p)
        return (struct ax_str){0};
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    return (struct ax_str){p, a.n + b.n};
}

/* A refusal that says something in its head; JSON as all that the server says itself. */
static void answer_refused(struct ax_request *r, unsigned status, struct ax_str text, struct ax_str lines)
{
    ax_reply(
        r, &(struct ax_reply){.status = status, .content = AX_CONTENT_JSON, .headers = lines, .body = text});
}

static void answer_not_modified(struct ax_request *r, struct ax_file *file)
{
    ax_reply(r, &(struct ax_reply){.status = 304, .headers = file->validators});
    ax_file_put(file);
}

static void answer_unsatisfiable(struct ax_request *r, struct ax_file *file)
{
    char line[64];
    int n = snprintf(line, sizeof line, "Content-Range: bytes */%" PRIu64 "\r\n", file->size);

    answer_refused(r, 416, AX_STR("{\"error\":\"Range Not Satisfiable\"}"), (struct ax_str){line, (size_t)n});
    ax_file_put(file);
}

static void answer_failed(struct ax_request *r, struct ax_file *file)
{
    answer_refused(r, 412, AX_STR("{\"error\":\"Precondition Failed\"}"), AX_STR(""));
    ax_file_put(file);
}

static void answer_body(struct ax_request *r, unsigned status, struct ax_str lines, struct body *b)
{
    uint64_t n = body_bytes(b);

    ax_reply(r, &(struct ax_reply){.status = status,
                                   .headers = lines,
                                   .body = {NULL, n},
                                   .release = release_body,
                                   .owner = b,
                                   .add = add_body});
}

static void answer_ranges(struct ax_request *r, struct body *b)
{
    const struct ax_file *file = b->file;
    char lines[LINES_MAX], boundary[BOUNDARY_MAX];
    int n;

    b->blocks = &r->worker->block_pool;
    b->type = file->type;
    if (b->n == 1) {
        n = snprintf(lines, sizeof lines,
                     "%.*sContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n%.*s",
                     (int)file->lines.n, file->lines.p, b->range[0].first, b->range[0].last, file->size,
                     (int)file->validators.n, file->validators.p);
    } else {
        snprintf(boundary, sizeof boundary, "ranges_%016" PRIx64,
                 (uint64_t)r->worker->now.us * UINT64_C(0x9e3779b97f4a7c15) + r->index);
        b->boundary = boundary;
        n = snprintf(lines, sizeof lines, "Content-Type: multipart/byteranges; boundary=%s\r\n%.*s%.*s",
                     boundary, (int)(file->lines.n - file->type.n), file->lines.p + file->type.n,
                     (int)file->validators.n, file->validators.p);
    }
    AX_ASSERT(n > 0 && (size_t)n < sizeof lines);
    answer_body(r, 206, (struct ax_str){lines, (size_t)n}, b);
}

/* Read into the output itself; false = not this way, and nothing has happened. */
static bool answer_read(struct ax_request *r, struct ax_file *file, struct ax_str lines)
{
    struct ax_reply reply = {.status = 200, .headers = lines, .body = {NULL, file->size}};
    size_t room;

    if (file->size > READ_MAX || r->head.method != AX_GET)
        return false;
    char *p = ax_reply_begin(r, &reply, file->size, &room);
    if (!p || pread(file->fd, p, file->size, 0) != (ssize_t)file->size)
        return false;
    ax_reply_end(r, file->size);
    ax_file_put(file);
    return true;
}

static void answer_whole(struct ax_request *r, struct ax_file *file, bool fell_back)
{
    struct ax_str lines = {file->lines.p, file->lines.n + file->validators.n};
    struct body b = {.file = file, .n = file->size > 0, .range = {{0, file->size - 1}}};

    if (AX_UNLIKELY(fell_back))
        lines = joined(r, lines, AX_STR("Vary: Accept\r\n"));
    if (!answer_read(r, file, lines))
        answer_body(r, 200, lines, &b);
}

/* ---- RFC 9110, 13.2.2 */

static int64_t unix_now(void)
{
    return ax_wall_now().us / 1000000;
}

static enum ax_precondition check(struct ax_request *r, const struct ax_validators *v)
{
    const uint64_t any = UINT64_C(1) << AX_FIELD_IF_MATCH | UINT64_C(1) << AX_FIELD_IF_NONE_MATCH |
                         UINT64_C(1) << AX_FIELD_IF_MODIFIED_SINCE |
                         UINT64_C(1) << AX_FIELD_IF_UNMODIFIED_SINCE;

#ifndef AX_NO_INTERN
    if (AX_LIKELY(!(r->head.known & any)))
        return AX_PRE_HOLDS;
#else
    (void)any;
#endif
    return ax_preconditions_check(
        &(struct ax_preconditions){
            field(r, AX_FIELD_IF_MATCH), ax_head_known(&r->head, AX_FIELD_IF_UNMODIFIED_SINCE),
            field(r, AX_FIELD_IF_NONE_MATCH), ax_head_known(&r->head, AX_FIELD_IF_MODIFIED_SINCE)},
        v, unix_now());
}

/* Range means something for GET alone (14.2), and where If-Range holds. */
static enum ax_ranges ranges(struct ax_request *r, const struct ax_validators *v, struct body *b)
{
    struct ax_str range = r->head.method == AX_GET ? field(r, AX_FIELD_RANGE) : (struct ax_str){0};

    if (AX_LIKELY(!range.p))
        return AX_RANGES_NONE;
    struct ax_str condition = ax_head_known(&r->head, AX_FIELD_IF_RANGE);
    if (condition.p && !ax_if_range_holds(condition, v, unix_now()))
        return AX_RANGES_NONE;
    return ax_ranges_parse(range, b->file->size, b->range, &b->n);
}

static void answer_file(struct ax_request *r, struct ax_file *file, bool fell_back)
{
    struct ax_validators v = {file->etag, file->modified};
    struct body b = {.file = file};

    switch (check(r, &v)) {
    case AX_PRE_NOT_MODIFIED:
        answer_not_modified(r, file);
        return;
    case AX_PRE_FAILED:
        answer_failed(r, file);
        return;
    case AX_PRE_HOLDS:
        break;
    }
    switch (ranges(r, &v, &b)) {
    case AX_RANGES_SOME:
        answer_ranges(r, &b);
        return;
    case AX_RANGES_UNSATISFIABLE:
        answer_unsatisfiable(r, file);
        return;
    case AX_RANGES_NONE:
        break;
    }
    answer_whole(r, file, fell_back);
}

/* ---- which file */

static void answer_none(struct ax_request *r, enum ax_files_found why)
{
    switch (why) {
    case AX_FILES_DENIED:
        ax_reply_error(r, 403, "Forbidden", NULL);
        break;
    case AX_FILES_FULL:
        ax_reply_error(r, 503, "too many files are open", NULL);
        break;
    case AX_FILES_FAILED:
        ax_reply_error(r, 500, "Internal Server Error", NULL);
        break;
    case AX_FILES_FILE:
    case AX_FILES_FOLDER:
    case AX_FILES_NONE:
        ax_reply_error(r, 404, "Not Found", NULL);
        break;
    }
}

/* The path as it was sent, with a slash, and its query. */
static void answer_folder(struct ax_request *r)
{
    struct ax_str path = ax_head_str(&r->head, r->head.path), query = ax_head_str(&r->head, r->head.query);
    struct ax_buf b = AX_BUF_INIT(2 * (size_t)UINT16_MAX);

    ax_buf_adds(&b, "Location: ");
    ax_buf_add(&b, path.p, path.n);
    ax_buf_addc(&b, '/');
    if (r->head.has_query) {
        ax_buf_addc(&b, '?');
        ax_buf_add(&b, query.p, query.n);
    }
    ax_buf_adds(&b, "\r\n");
    if (b.failed)
        ax_reply_error(r, 500, "out of memory", NULL);
    else
        ax_reply(r, &(struct ax_reply){.status = 308, .headers = ax_buf_str(&b)});
    ax_buf_fini(&b);
}

/* The file itself, or what lies beside it in a coding that the client likes better. */
static enum ax_files_found get(struct ax_request *r, struct ax_str name, struct ax_file **ret)
{
    struct ax_worker *w = r->worker;
    struct ax_files_query q = {
        .route = r->route, .folder = r->site_route->folder.p, .name = name, .typed = r->site_route->typed};
    struct ax_file *coded;

    if (AX_UNLIKELY(!w->files) && !(w->files = ax_files_new(ax_site_routes(w->site), ax_site_mime(w->site))))
        return AX_FILES_FAILED;
    enum ax_files_found found = ax_files_get(w->files, &q, w->now, ret);
    if (found != AX_FILES_FILE || AX_LIKELY(!(*ret)->have))
        return found;
    q.coding = ax_accept_encoding(field(r, AX_FIELD_ACCEPT_ENCODING), (*ret)->have);
    if (q.coding == AX_CODING_IDENTITY || ax_files_get(w->files, &q, w->now, &coded) != AX_FILES_FILE)
        return found;
    ax_file_put(*ret);
    *ret = coded;
    return AX_FILES_FILE;
}

/* What the path names: a file's name below the folder; false = nothing that is ever served. */
static bool name_of(const struct ax_request *r, char out[AX_FILES_PATH_MAX], size_t *ret_n)
{
    const struct ax_route *route = r->site_route;
    size_t n = 0;

    if (route->rest && (!r->nparams || !ax_files_name(r->params[r->nparams - 1], out, &n)))
        return false;
    if (n == 0 || out[n - 1] == '/') {
        if (!route->index.n || n + route->index.n >= AX_FILES_PATH_MAX)
            return false;
        memcpy(out + n, route->index.p, route->index.n);
        n += route->index.n;
    }
    *ret_n = n;
    return true;
}

void ax_static_answer(struct ax_request *r)
{
    const struct ax_route *route = r->site_route;
    char name[AX_FILES_PATH_MAX];
    struct ax_file *file;
    size_t n;

    if (!name_of(r, name, &n)) {
        answer_none(r, AX_FILES_NONE);
        return;
    }
    enum ax_files_found found = get(r, (struct ax_str){name, n}, &file);
    struct ax_str path = ax_head_str(&r->head, r->head.path);
    if (found == AX_FILES_FOLDER && route->rest && path.p[path.n - 1] != '/') {
        answer_folder(r);
        return;
    }
    bool fell_back =
        (found == AX_FILES_NONE || found == AX_FILES_FOLDER) && route->fallback.n && accepts_html(r);
    if (fell_back)
        found = get(r, route->fallback, &file);
    if (found == AX_FILES_FILE)
        answer_file(r, file, fell_back);
    else
        answer_none(r, found);
}
