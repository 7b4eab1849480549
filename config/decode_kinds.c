#include "config/decode_kinds.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "config/mf_arena.h"
#include "config/mf_policy.h"
#include "config/problems.h"
#include "config/units.h"

enum { WORDS_MAX = 16 };

static const char *want_of(const struct ax_field *f)
{
    static const char *const want[AX_NKINDS] = {
        [AX_K_BOOL] = "true or false",
        [AX_K_INT] = "a whole number",
        [AX_K_COUNT] = "a whole number",
        [AX_K_SIZE] = "a size such as 16KiB",
        [AX_K_TIME] = "a time such as 10s",
        [AX_K_MODE] = "permission bits in octal such as 0660",
        [AX_K_ENUM] = "one word",
        [AX_K_WORD] = "one word",
        [AX_K_STR] = "a text",
        [AX_K_RATE] = "a rate such as 100/s",
    };
    return want[f->kind] ? want[f->kind] : "a list";
}

/* ---- numbers */

static void number_text(char out[AX_UNIT_TEXT], enum ax_kind kind, int64_t v)
{
    if (kind == AX_K_TIME)
        ax_duration_text(out, v);
    else if (kind == AX_K_SIZE)
        ax_size_text(out, v);
    else if (kind == AX_K_MODE)
        snprintf(out, AX_UNIT_TEXT, "%04" PRIo64, (uint64_t)v);
    else
        snprintf(out, AX_UNIT_TEXT, "%" PRId64, v);
}

static bool in_range(struct ax_mf *d, const struct ax_field *f, const struct ax_node *n, int64_t v,
                     const char *name)
{
    char min[AX_UNIT_TEXT], max[AX_UNIT_TEXT];

    if (v >= f->min && v <= f->max)
        return true;
    number_text(min, f->kind, f->min);
    number_text(max, f->kind, f->max);
    const char *word = f->flags & AX_F_AUTO ? ", or auto" : f->flags & AX_F_OFF ? ", or off" : "";
    if (f->min == f->max)
        ax_problem(d->p, AX_E_RANGE, &n->at, "%s must be %s (found \"%.60s\")", name, min, n->text);
    else
        ax_problem(d->p, AX_E_RANGE, &n->at, "%s must be %s to %s%s (found \"%.60s\")", name, min, max, word,
                   n->text);
    return false;
}

static int parse_number(const struct ax_field *f, const char *text, int64_t *ret, struct ax_err *err)
{
    int mode = 0;

    if (f->kind == AX_K_TIME)
        return ax_duration_parse(text, f->flags & AX_F_OFF, ret, err);
    if (f->kind == AX_K_SIZE)
        return ax_size_parse(text, f->flags & AX_F_OFF, ret, err);
    if (f->kind != AX_K_MODE)
        return ax_count_parse(text, ret, err);
    int rc = ax_mode_parse(text, &mode, err);
    *ret = mode;
    return rc;
}

static void store_number(const struct ax_field *f, void *to, int64_t v)
{
    if (f->kind == AX_K_INT || f->kind == AX_K_MODE)
        *(int *)to = (int)v;
    else
        *(int64_t *)to = v;
}

static void decode_number(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                          const char *name)
{
    const char *text = ax_scalar(d, n, name, want_of(f), false);
    struct ax_err err = {0};
    int64_t v = 0;

    if (!text)
        return;
    if ((f->flags & AX_F_AUTO) && strcmp(text, "auto") == 0)
        store_number(f, to, AX_AUTO);
    else if (parse_number(f, text, &v, &err) < 0)
        ax_problem(d->p, err.code, &n->at, strncmp(err.msg, "must", 4) == 0 ? "%s %s" : "%s: %s", name,
                   err.msg);
    else if (v == AX_OFF || in_range(d, f, n, v, name))
        store_number(f, to, v);
}

static void decode_bool(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                        const char *name)
{
    const char *text = ax_scalar(d, n, name, want_of(f), false);

    if (!text)
        return;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        *(bool *)to = text[0] == 't';
    else
        ax_problem(d->p, AX_E_TYPE, &n->at, "%s must be true or false (found \"%.60s\")", name, text);
}

/* ---- words and text */

static void not_a_word(struct ax_mf *d, const struct ax_field *f, const struct ax_node *n, const char *name)
{
    char all[120] = "";
    size_t count = 0, used = 0;

    for (; f->words[count]; count++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", count ? ", " : "", f->words[count]);
    const char *near = ax_nearest(n->text, f->words, count);
    ax_problem(d->p, AX_E_TYPE, &n->at, "%s must be one of %s (found \"%.60s\"%s%s%s)", name, all, n->text,
               near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

static void decode_word(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                        const char *name)
{
    const char *text = ax_scalar(d, n, name, want_of(f), false);
    int i = 0;

    if (!text)
        return;
    if (ax_is_off(text)) /* `requests: off`, which some editors write as false */
        text = "off";
    while (f->words[i] && strcmp(f->words[i], text) != 0)
        i++;
    if (!f->words[i])
        not_a_word(d, f, n, name);
    else if (f->kind == AX_K_ENUM)
        *(int *)to = i;
    else
        *(char **)to = ax_mf_strdup(d->arena, text);
}

static void decode_text(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                        const char *name)
{
    const char *text = ax_scalar(d, n, name, want_of(f), f->flags & AX_F_EMPTY);
    struct ax_err err = {0};

    if (!text)
        return;
    if ((f->flags & AX_F_OFF) && ax_is_off(text))
        *(char **)to = NULL;
    else if (f->kind == AX_K_RATE && ax_rate_check(text, &err) < 0)
        ax_problem(d->p, err.code, &n->at, "%s %s", name, err.msg);
    else
        *(char **)to = ax_mf_strdup(d->arena, text);
}

/* ---- lists of text: a list, or one text split at commas */

typedef void (*each_fn)(struct ax_mf *d, void *to, struct ax_node *item, const char *name);

static void each_of_text(struct ax_mf *d, void *to, struct ax_node *n, const char *name, each_fn each)
{
    for (const char *p = n->text; *p;) {
        size_t len = strcspn(p, ",");
        struct ax_str part = ax_str_trim((struct ax_str){p, len});
        struct ax_node item = {.kind = AX_NODE_SCALAR, .at = n->at};
        item.text = ax_mf_strndup(d->tmp, part.p, part.n);
        if (item.text)
            each(d, to, &item, name);
        p += len + (p[len] == ',');
    }
}

static void each_item(struct ax_mf *d, void *to, struct ax_node *n, const char *name, each_fn each)
{
    if (n->kind == AX_NODE_LIST)
        for (struct ax_node *i = n->first; i; i = i->next)
            each(d, to, i, name);
    else if (ax_scalar(d, n, name, "a list", true))
        each_of_text(d, to, n, name, each);
}

static void add_string(struct ax_mf *d, void *to, struct ax_node *item, const char *name)
{
    struct ax_strings *s = to;
    const char *text = ax_scalar(d, item, name, "a list of texts", false);
    char *own = text ? ax_mf_strdup(d->arena, text) : NULL;
    char **v = own ? ax_mf_grow(d->arena, s->v, s->n, sizeof *v) : NULL;

    if (!v)
        return;
    s->v = v;
    v[s->n++] = own;
}

static bool is_proxy(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    uint64_t bits = 0;

    if (strcmp(text, "unix") == 0)
        return true;
    if (n == 0 || n >= sizeof address || (slash && !ax_str_u64(ax_str(slash + 1), &bits)))
        return false;
    memcpy(address, text, n);
    address[n] = '\0';
    if (inet_pton(AF_INET, address, bytes) == 1)
        return bits <= 32;
    return inet_pton(AF_INET6, address, bytes) == 1 && bits <= 128;
}

static void add_proxy(struct ax_mf *d, void *to, struct ax_node *item, const char *name)
{
    if (item->kind == AX_NODE_SCALAR && item->text[0] && !is_proxy(item->text))
        ax_problem(d->p, AX_E_TYPE, &item->at, "%s takes addresses, CIDR blocks and unix (found \"%.60s\")",
                   name, item->text);
    else
        add_string(d, to, item, name);
}

static void decode_strings(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                           const char *name)
{
    struct ax_strings s = {0};

    each_item(d, &s, n, name, f->kind == AX_K_PROXIES ? add_proxy : add_string);
    *(struct ax_strings *)to = s;
}

static void add_module(struct ax_mf *d, void *to, struct ax_node *item, const char *name)
{
    struct ax_modules *m = to;
    const char *text = ax_scalar(d, item, name, "a list of files", false);
    char *own = text ? ax_mf_strdup(d->arena, text) : NULL;
    struct ax_module *v = own ? ax_mf_grow(d->arena, m->v, m->n, sizeof *v) : NULL;

    if (!v)
        return;
    m->v = v;
    v[m->n++] = (struct ax_module){.file = own, .at = item->at};
}

static void decode_modules(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                           const char *name)
{
    struct ax_modules m = {0};

    (void)f;
    each_item(d, &m, n, name, add_module);
    *(struct ax_modules *)to = m;
}

/* ---- listen */

static bool same_address(const struct ax_listen *a, const struct ax_listen *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == AX_LISTEN_UNIX)
        return strcmp(a->path, b->path) == 0;
    return a->port != 0 && a->port == b->port && strcmp(a->host, b->host) == 0;
}

static bool read_listen(struct ax_mf *d, struct ax_node *item, const char *name, struct ax_listen *ret)
{
    size_t errors = d->p->errors;
    struct ax_err err = {0};

    if (item->kind == AX_NODE_MAP) {
        *ret = (struct ax_listen){.kind = AX_LISTEN_UNIX, .mode = -1};
        ax_decode_map(d, &ax_table_listen, ret, item, name);
        return d->p->errors == errors && ret->path;
    }
    const char *text = ax_scalar(d, item, name, "an address", false);
    if (!text || ax_listen_parse(text, ret, d->arena, &err) == 0)
        return text != NULL;
    if (err.code != AX_E_NOMEM)
        ax_problem(d->p, err.code, &item->at, "%s: %s", name, err.msg);
    return false;
}

static void add_listen(struct ax_mf *d, void *to, struct ax_node *item, const char *name)
{
    struct ax_listens *l = to;
    struct ax_listen one = {0};

    if (!read_listen(d, item, name, &one))
        return;
    one.at = item->at;
    for (size_t i = 0; i < l->n; i++)
        if (same_address(&l->v[i], &one)) {
            ax_problem(d->p, AX_E_DUPLICATE, &item->at, "%s: the same address stands in line %u", name,
                       l->v[i].at.line);
            return;
        }
    struct ax_listen *v = ax_mf_grow(d->arena, l->v, l->n, sizeof *v);
    if (!v)
        return;
    l->v = v;
    v[l->n++] = one;
}

static void decode_listen(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                          const char *name)
{
    size_t errors = d->p->errors;
    struct ax_listens l = {0};

    (void)f;
    if (n->kind == AX_NODE_MAP)
        add_listen(d, &l, n, name);
    else
        each_item(d, &l, n, name, add_listen);
    if (l.n)
        *(struct ax_listens *)to = l;
    else if (d->p->errors == errors && !(n->kind == AX_NODE_LIST && n->count))
        ax_problem(d->p, AX_E_MISSING, &n->at, "%s needs an address", name);
}

/* ---- maps of text */

static bool is_token(const char *s)
{
    static const char other[] = "!#$%&'*+-.^_`|~0123456789"; /* RFC 9110, 5.6.2 */

    if (!*s)
        return false;
    for (; *s; s++)
        if (!(ax_lower(*s) >= 'a' && ax_lower(*s) <= 'z') && !strchr(other, *s))
            return false;
    return true;
}

static bool header_name(struct ax_mf *d, const struct ax_node *n, char *key, const char *name)
{
    static const char *const own[] = {"content-length", "transfer-encoding", "connection", "date", NULL};

    if (!is_token(key)) {
        ax_problem(d->p, AX_E_SYNTAX, &n->key->at, "%s: \"%.60s\" is no header name", name, key);
        return false;
    }
    for (char *c = key; *c; c++)
        *c = ax_lower(*c);
    for (size_t i = 0; own[i]; i++)
        if (strcmp(key, own[i]) == 0) {
            ax_problem(d->p, AX_E_SYNTAX, &n->key->at, "%s: %s belongs to the server", name, key);
            return false;
        }
    return true;
}

static bool header_value(struct ax_mf *d, const struct ax_node *n, const char *value, const char *name)
{
    for (const char *c = value; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f) {
            ax_problem(d->p, AX_E_SYNTAX, &n->at,
                       "%s: a header value cannot hold a line break or control byte", name);
            return false;
        }
    return true;
}

static bool env_name(struct ax_mf *d, const struct ax_node *n, const char *key, const char *name)
{
    bool ok = *key && (*key < '0' || *key > '9');

    for (const char *c = key; ok && *c; c++)
        ok = (ax_lower(*c) >= 'a' && ax_lower(*c) <= 'z') || (*c >= '0' && *c <= '9') || *c == '_';
    if (!ok)
        ax_problem(d->p, AX_E_SYNTAX, &n->key->at, "%s: \"%.60s\" is no variable name (A-Z, a-z, 0-9, _)",
                   name, key);
    return ok;
}

static bool error_name(struct ax_mf *d, const struct ax_node *n, const char *key, const char *name)
{
    bool ok = strlen(key) == 3 && (key[0] == '4' || key[0] == '5') &&
              (strcmp(key + 1, "xx") == 0 || strspn(key, "0123456789") == 3);

    if (!ok)
        ax_problem(d->p, AX_E_SYNTAX, &n->key->at, "%s takes 400 to 599, 4xx and 5xx (found \"%.60s\")", name,
                   key);
    return ok;
}

static bool pair_ok(struct ax_mf *d, enum ax_kind kind, const struct ax_node *n, char *key, const char *value,
                    const char *name)
{
    if (kind == AX_K_HEADERS)
        return header_name(d, n, key, name) && header_value(d, n, value, name);
    return kind == AX_K_ENV ? env_name(d, n, key, name) : error_name(d, n, key, name);
}

/* Replaces a pair that was there `before` (a path's header under a METHOD); one of this map is a mistake. */
static void add_pair(struct ax_mf *d, struct ax_pairs *to, size_t before, struct ax_pair pair,
                     const struct ax_node *n, const char *name)
{
    for (size_t i = 0; i < to->n; i++) {
        if (strcmp(to->v[i].key, pair.key) != 0)
            continue;
        if (i >= before)
            ax_problem(d->p, AX_E_DUPLICATE, &n->key->at, "%s: %.80s is given twice", name, pair.key);
        to->v[i] = pair;
        return;
    }
    struct ax_pair *v = ax_mf_grow(d->arena, to->v, to->n, sizeof *v);
    if (!v)
        return;
    to->v = v;
    v[to->n++] = pair;
}

static void decode_pairs(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                         const char *name)
{
    const struct ax_pairs *old = to;
    struct ax_pairs all = {0};

    if (n->kind != AX_NODE_MAP) {
        if (ax_scalar(d, n, name, "a map", false))
            ax_problem(d->p, AX_E_TYPE, &n->at, "%s must be a map (found a text)", name);
        return;
    }
    for (size_t i = 0; i < old->n; i++)
        add_pair(d, &all, 0, old->v[i], n, name);
    size_t before = all.n;
    for (struct ax_node *i = n->first; i; i = i->next) {
        char full[AX_NAME_MAX];
        snprintf(full, sizeof full, "%s.%s", name, i->key->text);
        const char *text = ax_scalar(d, i, full, "a text", f->kind != AX_K_ERRORS);
        struct ax_pair pair = {.key = text ? ax_mf_strdup(d->arena, i->key->text) : NULL};
        pair.value = pair.key ? ax_mf_strdup(d->arena, text) : NULL;
        if (pair.value && pair_ok(d, f->kind, i, pair.key, pair.value, name))
            add_pair(d, &all, before, pair, i, name);
    }
    *(struct ax_pairs *)to = all;
}

typedef void (*decode_fn)(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                          const char *name);

void ax_decode_kind(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n, const char *name)
{
    static const decode_fn decoders[AX_NKINDS] = {
        [AX_K_BOOL] = decode_bool,     [AX_K_INT] = decode_number,      [AX_K_COUNT] = decode_number,
        [AX_K_SIZE] = decode_number,   [AX_K_TIME] = decode_number,     [AX_K_MODE] = decode_number,
        [AX_K_ENUM] = decode_word,     [AX_K_WORD] = decode_word,       [AX_K_STR] = decode_text,
        [AX_K_RATE] = decode_text,     [AX_K_STRS] = decode_strings,    [AX_K_PROXIES] = decode_strings,
        [AX_K_HEADERS] = decode_pairs, [AX_K_ENV] = decode_pairs,       [AX_K_ERRORS] = decode_pairs,
        [AX_K_LISTEN] = decode_listen, [AX_K_MODULES] = decode_modules, [AX_K_COMPRESS] = ax_decode_compress,
    };
    if (!AX_NEVER(!decoders[f->kind]))
        decoders[f->kind](d, f, to, n, name);
}
