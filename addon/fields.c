/* The fields of a request's head.  Names of http/field_name.def are numbers here: JavaScript has their
 * strings, made once (fieldNames), so no name is made, lower-cased or compared per request.  Values are
 * latin1, as Node has them.  A stale handle gives undefined (a NULL napi_value). */
#include "base/alloc.h"
#include "base/buf.h"
#include "bridge.h"
#include "http/field_name.h"

/* Words of the table that ax_js_fields fills, see native.d.ts. */
enum { TABLE_N = 0, TABLE_HEAD = 1, TABLE_STEP = 5 };
enum { COOKIES_MAX = 2 * 65536 }; /* bytes: a head has at most 65,535, and each line takes more than "; " */
enum { REPEATED = 1 << 6 };       /* of a known name: it was there before; beyond every enum ax_field_name */
_Static_assert((int)AX_FIELD_NAMES <= (int)REPEATED, "a number and the flag share a word");

enum { UTF8_MAX = 4 }; /* bytes of a character */

/* Without interning the core finds no numbers, so none are offered. */
enum { KNOWN = AX_INTERN ? AX_FIELD_NAMES : 1 };

static napi_value value_or_null(napi_env env, struct ax_str v)
{
    napi_value ret;
    napi_status st = v.p ? napi_create_string_latin1(env, v.p, v.n, &ret) : napi_get_null(env, &ret);

    return st == napi_ok ? ret : NULL;
}

napi_value ax_js_fieldNames(napi_env env, napi_callback_info info)
{
    napi_value list, v;

    (void)info;
    AX_NAPI_TRY(napi_create_array_with_length(env, KNOWN, &list));
    for (uint32_t i = 0; i < KNOWN; i++) {
        struct ax_str name = ax_field_name_str((enum ax_field_name)i);
        AX_NAPI_TRY(napi_create_string_latin1(env, name.p, name.n, &v));
        AX_NAPI_TRY(napi_set_element(env, list, i, v));
    }
    return list;
fail:
    return NULL;
}

napi_value ax_on_headerAt(struct ax_call *c)
{
    napi_env env = c->b->env;
    uint32_t id;

    if (napi_get_value_uint32(env, c->argv[2], &id) != napi_ok || id >= AX_FIELD_NAMES) {
        napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "no known field name has this number");
        return NULL;
    }
    return c->r ? value_or_null(env, ax_head_known(&c->r->head, (enum ax_field_name)id)) : NULL;
}

/* A name that the stack has no room for; none that is longer than the head is in it. */
static napi_value header_of_long_name(const struct ax_call *c)
{
    napi_env env = c->b->env;
    const struct ax_head *h = &c->r->head;
    size_t n;

    if (napi_get_value_string_utf8(env, c->argv[2], NULL, 0, &n) != napi_ok)
        return NULL;
    if (n > h->bytes)
        return value_or_null(env, (struct ax_str){0});
    char *name = ax_malloc(n + 1);
    if (!name) {
        napi_throw_error(env, "ERR_NOMEM", "out of memory");
        return NULL;
    }
    napi_get_value_string_utf8(env, c->argv[2], name, n + 1, &n);
    napi_value ret = value_or_null(env, ax_head_field(h, (struct ax_str){name, n}));
    ax_free(name);
    return ret;
}

napi_value ax_on_header(struct ax_call *c)
{
    napi_env env = c->b->env;
    char name[256];
    size_t n;

    if (napi_get_value_string_utf8(env, c->argv[2], name, sizeof name, &n) != napi_ok) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "the name of a header must be a string");
        return NULL;
    }
    if (!c->r)
        return NULL;
    /* Cut before a character of several bytes, a name fills less than the room there is. */
    if (AX_UNLIKELY(n + UTF8_MAX >= sizeof name))
        return header_of_long_name(c);
    return value_or_null(env, ax_head_field(&c->r->head, (struct ax_str){name, n}));
}

static inline bool is_cookie(const struct ax_head *h, const struct ax_field *f)
{
    return AX_INTERN ? f->id == AX_FIELD_COOKIE : ax_str_eq_nocase(ax_head_str(h, f->name), AX_STR("cookie"));
}

/* Several lines are one (RFC 9113, 8.2.3); clients of HTTP/1.1 send one (RFC 6265, 5.4). */
napi_value ax_on_cookie(struct ax_call *c)
{
    napi_env env = c->b->env;
    struct ax_buf joined = AX_BUF_INIT(COOKIES_MAX);
    struct ax_str one = {0};
    unsigned n = 0;

    if (!c->r)
        return NULL;
    const struct ax_head *h = &c->r->head;
    for (uint32_t i = 0; i < h->nfields; i++) {
        if (!is_cookie(h, &h->fields[i]))
            continue;
        struct ax_str v = ax_head_str(h, h->fields[i].value);
        if (n == 1)
            ax_buf_add(&joined, one.p, one.n);
        if (n++ == 0) {
            one = v;
            continue;
        }
        ax_buf_adds(&joined, "; ");
        ax_buf_add(&joined, v.p, v.n);
    }
    napi_value ret = NULL;
    if (joined.failed)
        napi_throw_error(env, "ERR_NOMEM", "out of memory");
    else
        ret = value_or_null(env, n > 1 ? ax_buf_str(&joined) : one);
    ax_buf_fini(&joined);
    return ret;
}

static void fill(const struct ax_head *h, uint32_t from, uint32_t room, uint16_t *table)
{
    uint64_t seen = 0;
    uint32_t n = 0;

    for (uint32_t i = 0; i < h->nfields && n < room; i++) {
        const struct ax_field *f = &h->fields[i];
        unsigned id = f->id < KNOWN ? f->id : AX_FIELD_OTHER;
        bool again = seen >> id & 1;
        seen |= UINT64_C(1) << id;
        if (i < from)
            continue;
        uint16_t *w = table + TABLE_HEAD + (size_t)TABLE_STEP * n++;
        w[0] = (uint16_t)(id && again ? id | REPEATED : id);
        w[1] = f->name.off;
        w[2] = (uint16_t)(f->name.off + f->name.n);
        w[3] = f->value.off;
        w[4] = (uint16_t)(f->value.off + f->value.n);
    }
    table[TABLE_N] = (uint16_t)n;
}

/* One string and places in it cost a quarter of what a string for each name and value does. */
napi_value ax_on_fields(struct ax_call *c)
{
    napi_env env = c->b->env;
    napi_typedarray_type type;
    napi_value ret;
    size_t words;
    uint32_t from;
    void *table;

    if (napi_get_typedarray_info(env, c->argv[2], &type, &words, &table, NULL, NULL) != napi_ok ||
        type != napi_uint16_array || words < TABLE_HEAD + TABLE_STEP ||
        napi_get_value_uint32(env, c->argv[3], &from) != napi_ok) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE",
                              "fields wants slot, gen, a Uint16Array with room for a field, and the first");
        return NULL;
    }
    if (!c->r)
        return NULL;
    const struct ax_head *h = &c->r->head;
    fill(h, from, (uint32_t)((words - TABLE_HEAD) / TABLE_STEP), table);
    return napi_create_string_latin1(env, h->base, h->bytes, &ret) == napi_ok ? ret : NULL;
}
