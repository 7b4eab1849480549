#include "http/mime.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "http/response.h"

enum { ENDING_MAX = 32 }; /* bytes; longer ones are no endings */

struct row {
    struct ax_str ending, type; /* ending in lower case */
    size_t order;               /* as added: the first of one ending counts */
};
struct ax_mime {
    struct row *rows; /* OWNED; by ending once frozen */
    size_t n, cap;
    struct ax_arena arena; /* their strings */
};

static const struct ax_str octets = {"application/octet-stream", 24};

struct ax_mime *ax_mime_new(void)
{
    struct ax_mime *m = ax_calloc(1, sizeof *m);

    if (m)
        ax_arena_init(&m->arena, NULL, 0, SIZE_MAX);
    return m;
}

void ax_mime_free(struct ax_mime *m)
{
    if (!m)
        return;
    ax_arena_reset(&m->arena);
    ax_free(m->rows);
    ax_free(m);
}

/* ---- what is text */

static bool ends(struct ax_str s, struct ax_str with)
{
    return s.n >= with.n && ax_str_eq_nocase((struct ax_str){s.p + s.n - with.n, with.n}, with);
}

static bool is_text(struct ax_str type)
{
    return type.n > 5 && ax_str_eq_nocase((struct ax_str){type.p, 5}, AX_STR("text/"));
}

static bool is_json(struct ax_str type)
{
    return ax_str_eq_nocase(type, AX_STR("application/json")) || ends(type, AX_STR("+json"));
}

static bool is_script(struct ax_str type)
{
    return ends(type, AX_STR("/javascript")) || ends(type, AX_STR("/x-javascript")) ||
           ends(type, AX_STR("/ecmascript"));
}

static bool is_xml(struct ax_str type)
{
    return ends(type, AX_STR("/xml")) || ends(type, AX_STR("+xml"));
}

/* XML says itself how it is encoded, and a charset would overrule it (RFC 7303, 3.2). */
static bool wants_charset(struct ax_str type)
{
    return !is_xml(type) && (is_text(type) || is_json(type) || is_script(type));
}

/* ---- adding */

static struct ax_str own_type(struct ax_mime *m, struct ax_str type)
{
    const struct ax_str charset = AX_STR("; charset=utf-8");
    size_t more = wants_charset(type) ? charset.n : 0;
    char *p = ax_arena_alloc(&m->arena, type.n + more + 1);

    if (!p)
        return (struct ax_str){0};
    memcpy(p, type.p, type.n);
    memcpy(p + type.n, charset.p, more);
    return (struct ax_str){p, type.n + more};
}

static struct row *more_room(struct ax_mime *m)
{
    size_t cap = m->cap ? m->cap * 2 : 256;

    if (m->n < m->cap)
        return &m->rows[m->n];
    struct row *v = ax_realloc(m->rows, cap * sizeof *v);
    if (!v)
        return NULL;
    m->rows = v;
    m->cap = cap;
    return &v[m->n];
}

/* `type` is of the arena, or static. */
static bool add(struct ax_mime *m, struct ax_str ending, struct ax_str type)
{
    if (ending.n == 0 || ending.n > ENDING_MAX)
        return true;
    struct row *r = more_room(m);
    char *p = r ? ax_arena_alloc(&m->arena, ending.n) : NULL;
    if (!p)
        return false;
    for (size_t i = 0; i < ending.n; i++)
        p[i] = ax_lower(ending.p[i]);
    *r = (struct row){{p, ending.n}, type, m->n};
    m->n++;
    return true;
}

/* "a/b" of what may stand in a field value. */
static bool is_type(struct ax_str s)
{
    const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;

    return slash && ax_field_name_ok((struct ax_str){s.p, (size_t)(slash - s.p)}) &&
           ax_field_name_ok((struct ax_str){slash + 1, s.n - (size_t)(slash + 1 - s.p)});
}

/* Up to the next of `ends`, which is taken, too. */
static struct ax_str take(struct ax_str *s, const char *stops)
{
    size_t n = 0;

    while (n < s->n && !strchr(stops, s->p[n]))
        n++;
    struct ax_str got = {s->p, n};
    n += n < s->n;
    *s = (struct ax_str){s->p + n, s->n - n};
    return got;
}

static bool add_types_line(struct ax_mime *m, struct ax_str line)
{
    struct ax_str type = take(&line, " \t"), kept = {0};

    if (!is_type(type))
        return true;
    while (line.n) {
        struct ax_str ending = take(&line, " \t");
        if (ending.n && !kept.p && !(kept = own_type(m, type)).p)
            return false;
        if (!add(m, ending, kept))
            return false;
    }
    return true;
}

static bool add_globs_line(struct ax_mime *m, struct ax_str line)
{
    take(&line, ":");
    struct ax_str type = take(&line, ":"), glob = take(&line, ":");

    if (!is_type(type) || glob.n < 3 || glob.p[0] != '*' || glob.p[1] != '.')
        return true;
    for (size_t i = 2; i < glob.n; i++)
        if (strchr("*?[]", glob.p[i]))
            return true;
    struct ax_str kept = own_type(m, type);
    return kept.p && add(m, (struct ax_str){glob.p + 2, glob.n - 2}, kept);
}

int ax_mime_add(struct ax_mime *m, enum ax_mime_table kind, struct ax_str text, struct ax_err *reterr)
{
    while (text.n) {
        struct ax_str line = take(&text, "\r\n");
        if (line.n == 0 || *line.p == '#')
            continue;
        if (!(kind == AX_MIME_TYPES ? add_types_line(m, line) : add_globs_line(m, line)))
            return ax_fail(reterr, AX_E_NOMEM, "no memory for media types");
    }
    return 0;
}

/* ---- looking up */

static int compare(struct ax_str a, struct ax_str b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static int by_ending(const void *pa, const void *pb)
{
    const struct row *a = pa, *b = pb;
    int c = compare(a->ending, b->ending);

    return c ? c : (a->order > b->order) - (a->order < b->order);
}

int ax_mime_freeze(struct ax_mime *m, struct ax_err *reterr)
{
    static const char *const web[][2] = {
#define TYPE(ending, type) {ending, type},
#include "http/mime.def"
#undef TYPE
    };
    size_t n = 0;

    for (size_t i = 0; i < AX_COUNT(web); i++) {
        struct ax_str type = own_type(m, ax_str(web[i][1]));
        if (!type.p || !add(m, ax_str(web[i][0]), type))
            return ax_fail(reterr, AX_E_NOMEM, "no memory for media types");
    }
    qsort(m->rows, m->n, sizeof *m->rows, by_ending);
    for (size_t i = 0; i < m->n; i++)
        if (n == 0 || !ax_str_eq(m->rows[n - 1].ending, m->rows[i].ending))
            m->rows[n++] = m->rows[i];
    m->n = n;
    return 0;
}

static const struct row *find(const struct ax_mime *m, struct ax_str ending)
{
    size_t lo = 0, hi = m->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = compare(ending, m->rows[mid].ending);
        if (c == 0)
            return &m->rows[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

struct ax_str ax_mime_of(const struct ax_mime *m, struct ax_str name)
{
    char low[ENDING_MAX];
    const char *slash = name.n ? memrchr(name.p, '/', name.n) : NULL, *end = name.p + name.n;
    const char *p = slash ? slash + 1 : name.p;

    while (p < end && (p = memchr(p, '.', (size_t)(end - p)))) {
        size_t n = (size_t)(end - ++p);
        for (size_t i = 0; i < n && n <= sizeof low; i++)
            low[i] = ax_lower(p[i]);
        const struct row *r = n && n <= sizeof low ? find(m, (struct ax_str){low, n}) : NULL;
        if (r)
            return r->type;
    }
    return octets;
}
