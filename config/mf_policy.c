#include "config/mf_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/pattern.h"
#include "config/mf_arena.h"
#include "config/mf_file.h"
#include "config/problems.h"
#include "config/units.h"

enum { SECRET_MIN = 32 }; /* bytes of an HS256 secret: RFC 7518, 3.2 */
enum { NAMES_MAX = 64 };

static void name_of(char out[AX_NAME_MAX], const char *section, const struct ax_node *n)
{
    snprintf(out, AX_NAME_MAX, "%s.%.80s", section, n->key->text);
}

/* What was written, whole, for comparing. */
static void write_node(struct ax_buf *b, const struct ax_node *n)
{
    if (n->key)
        ax_buf_addf(b, "%s=", n->key->text);
    if (n->kind == AX_NODE_SCALAR)
        ax_buf_addf(b, "'%s'", n->text);
    for (const struct ax_node *i = n->kind == AX_NODE_SCALAR ? NULL : n->first; i; i = i->next) {
        ax_buf_addc(b, '(');
        write_node(b, i);
        ax_buf_addc(b, ')');
    }
}

static char *text_of(struct ax_mf *d, const struct ax_node *n)
{
    struct ax_buf b = AX_BUF_INIT(AX_MF_FILE_MAX);

    write_node(&b, n);
    char *text = b.failed ? NULL : ax_mf_strndup(d->arena, b.p ? b.p : "", b.n);
    if (b.failed)
        d->arena->a.failed = true;
    ax_buf_fini(&b);
    return text;
}

static bool decode_entry(struct ax_mf *d, const struct ax_table *t, void *to, const struct ax_node *n,
                         const char *name)
{
    ax_decode_defaults(d, t, to);
    if (n->kind == AX_NODE_MAP)
        ax_decode_map(d, t, to, n, name);
    else if (ax_scalar(d, n, name, "a map", false))
        ax_problem(d->p, AX_E_TYPE, &n->at, "%s must be a map (found \"%.60s\")", name, n->text);
    return n->kind == AX_NODE_MAP;
}

/* Exactly one of two keys of a map, or of none of both when it is not `needed`. */
static void need_one(struct ax_mf *d, const struct ax_node *map, const char *a, const char *b, bool needed,
                     const char *name)
{
    const struct ax_node *x = ax_node_get(map, a), *y = ax_node_get(map, b);

    if (x && y)
        ax_problem(d->p, AX_E_DUPLICATE, &y->key->at, "%s: %s and %s say the same; give one of them", name, a,
                   b);
    else if (needed && !x && !y)
        ax_problem(d->p, AX_E_MISSING, &map->at, "%s needs %s or %s", name, b, a);
    else if (!needed && (x || y))
        ax_problem(d->p, AX_E_SYNTAX, x ? &x->key->at : &y->key->at, "%s: %s goes with %s", name, x ? a : b,
                   strcmp(a, "key") == 0 ? "alg: RS256" : "alg: HS256");
}

static void check_jwt(struct ax_mf *d, const struct ax_auth *a, const struct ax_node *n, const char *name)
{
    char full[AX_NAME_MAX + 8];
    const struct ax_node *secret = ax_node_get(n, "secret");

    if (n->kind != AX_NODE_MAP || !a->alg)
        return;
    snprintf(full, sizeof full, "%s.jwt", name);
    bool rsa = strcmp(a->alg, "RS256") == 0;
    need_one(d, n, "key", "key_file", rsa, full);
    need_one(d, n, "secret", "secret_file", !rsa, full);
    if (a->secret && secret && strlen(a->secret) < SECRET_MIN)
        ax_problem(d->p, AX_E_RANGE, &secret->at, "%s.secret must have %d bytes or more (RFC 7518, 3.2)",
                   full, SECRET_MIN);
}

static void decode_auth(struct ax_mf *d, const struct ax_node *n)
{
    struct ax_auth a = {.at = n->at};
    char name[AX_NAME_MAX];
    size_t errors = d->p->errors;

    name_of(name, "auth", n);
    if (!decode_entry(d, &ax_table_auth, &a, n, name))
        return;
    const struct ax_node *basic = ax_node_get(n, "basic"), *bearer = ax_node_get(n, "bearer"),
                         *jwt = ax_node_get(n, "jwt");
    if ((basic != NULL) + (bearer != NULL) + (jwt != NULL) != 1 && d->p->errors == errors)
        ax_problem(d->p, AX_E_SYNTAX, &n->at, "%s needs one of basic, bearer and jwt", name);
    a.kind = jwt ? AX_AUTH_JWT : bearer ? AX_AUTH_BEARER : AX_AUTH_BASIC;
    if (bearer && bearer->kind == AX_NODE_MAP)
        need_one(d, bearer, "token", "token_file", true, name);
    if (jwt)
        check_jwt(d, &a, jwt, name);
    a.name = ax_mf_strdup(d->arena, n->key->text);
    a.text = text_of(d, n);
    struct ax_auth *v = ax_mf_grow(d->arena, d->m->auths, d->m->nauths, sizeof *v);
    if (!v)
        return;
    d->m->auths = v;
    v[d->m->nauths++] = a;
}

/* ---- cors */

static bool is_token(const char *s)
{
    static const char others[] = "!#$%&'*+-.^_`|~0123456789";

    for (const char *p = s; *p; p++)
        if (!(ax_lower(*p) >= 'a' && ax_lower(*p) <= 'z') && !strchr(others, *p))
            return false;
    return *s != '\0';
}

/* As a browser sends it: scheme://host[:port] in lower case, nothing behind (RFC 6454, 6.2). */
static bool is_origin(const char *s)
{
    const char *host = strstr(s, "://");

    if (!host || host == s || !host[3])
        return false;
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == '*' || (*p >= 'A' && *p <= 'Z') ||
            (p >= host + 3 && strchr("/?#@", *p)))
            return false;
    return true;
}

/* The place of the i-th text: of the list's item, or of the one text that holds them all. */
static const struct ax_place *place_of(const struct ax_node *list, size_t i)
{
    const struct ax_node *n = list->kind == AX_NODE_LIST ? list->first : NULL;

    for (; n && i > 0; i--)
        n = n->next;
    return n ? &n->at : &list->at;
}

static void check_tokens(struct ax_mf *d, const struct ax_node *map, const char *key,
                         const struct ax_strings *list, bool credentials, const char *name)
{
    const struct ax_node *n = ax_node_get(map, key);

    for (size_t i = 0; n && i < list->n; i++) {
        if (!is_token(list->v[i]))
            ax_problem(d->p, AX_E_SYNTAX, place_of(n, i), "%s.%s: \"%.60s\" is no name of HTTP", name, key,
                       list->v[i]);
        else if (credentials && strcmp(list->v[i], "*") == 0)
            ax_problem(d->p, AX_E_SYNTAX, place_of(n, i),
                       "%s.%s: \"*\" does not go with credentials: browsers refuse it; name them", name, key);
    }
}

static void check_origins(struct ax_mf *d, const struct ax_node *map, const struct ax_cors *c,
                          const char *name)
{
    const struct ax_node *n = ax_node_get(map, "origins");

    if (n && n->kind == AX_NODE_LIST && !n->first)
        ax_problem(d->p, AX_E_MISSING, &n->at, "%s.origins needs an origin", name);
    for (size_t i = 0; n && i < c->origins.n; i++) {
        bool all = strcmp(c->origins.v[i], "*") == 0;
        if (all && c->credentials)
            ax_problem(d->p, AX_E_SYNTAX, place_of(n, i),
                       "%s.origins: \"*\" does not go with credentials: every site could read a user's data; "
                       "name the origins",
                       name);
        else if (all && c->origins.n > 1)
            ax_problem(d->p, AX_E_SYNTAX, place_of(n, i), "%s.origins: \"*\" stands alone", name);
        else if (!all && !is_origin(c->origins.v[i]))
            ax_problem(d->p, AX_E_SYNTAX, place_of(n, i),
                       "%s.origins: an origin is scheme://host or scheme://host:port in lower case, without "
                       "a path (found \"%.60s\")",
                       name, c->origins.v[i]);
    }
}

static void decode_cors(struct ax_mf *d, const struct ax_node *n)
{
    struct ax_cors c = {0};
    char name[AX_NAME_MAX];

    name_of(name, "cors", n);
    if (!decode_entry(d, &ax_table_cors, &c, n, name))
        return;
    check_origins(d, n, &c, name);
    check_tokens(d, n, "methods", &c.methods, c.credentials, name);
    check_tokens(d, n, "headers", &c.headers, c.credentials, name);
    check_tokens(d, n, "expose", &c.expose, c.credentials, name);
    c.name = ax_mf_strdup(d->arena, n->key->text);
    c.text = text_of(d, n);
    struct ax_cors *v = ax_mf_grow(d->arena, d->m->cors, d->m->ncors, sizeof *v);
    if (!v)
        return;
    d->m->cors = v;
    v[d->m->ncors++] = c;
}

/* ---- names */

bool ax_policy_is_name(const char *key)
{
    return strcmp(key, "auth") == 0 || strcmp(key, "cors") == 0;
}

void ax_policy_check_name(struct ax_mf *d, const struct ax_node *n, const char *name)
{
    const struct ax_node *all = ax_node_get(d->root, n->key->text);
    const char *names[NAMES_MAX];
    size_t count = 0;

    if (n->kind != AX_NODE_SCALAR || ax_node_is_null(n) || !n->text[0] || ax_is_off(n->text) ||
        ax_node_get(all, n->text))
        return;
    for (const struct ax_node *i = all && all->kind == AX_NODE_MAP ? all->first : NULL;
         i && count < NAMES_MAX; i = i->next)
        names[count++] = i->key->text;
    const char *near = ax_nearest(n->text, names, count);
    ax_problem(d->p, AX_E_UNKNOWN, &n->at, "%s%s%s: there is no %s named \"%.60s\"%s%s%s", name,
               name[0] == '/' ? " " : ".", n->key->text, n->key->text, n->text, near ? ", did you mean " : "",
               near ? near : "", near ? "?" : "");
}

/* ---- compress */

static void check_types(struct ax_mf *d, const struct ax_node *n, const struct ax_compress *c,
                        const char *name)
{
    for (size_t i = 0; n && i < c->types.n; i++) {
        const char *slash = strchr(c->types.v[i], '/');
        bool ok = slash && slash != c->types.v[i] && is_token(slash + 1) &&
                  (strcmp(slash + 1, "*") == 0 || !strchr(slash, '*'));
        for (const char *p = c->types.v[i]; ok && p < slash; p++)
            ok = *p != '*' && *p != ' ';
        if (!ok)
            ax_problem(d->p, AX_E_SYNTAX, place_of(n, i),
                       "%s.types takes content types such as text/html or text/* (found \"%.60s\")", name,
                       c->types.v[i]);
    }
}

void ax_decode_compress(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                        const char *name)
{
    struct ax_compress c = {0};

    ax_decode_defaults(d, f->map, &c);
    if (n->kind == AX_NODE_MAP) {
        c.on = true;
        ax_decode_map(d, f->map, &c, n, name);
        check_types(d, ax_node_get(n, "types"), &c, name);
    } else {
        const char *text = ax_scalar(d, n, name, "true, false or a map", false);
        if (!text)
            return;
        c.on = strcmp(text, "true") == 0;
        if (!c.on && !ax_is_off(text)) {
            ax_problem(d->p, AX_E_TYPE, &n->at,
                       "%s must be true, false, or a map of types and min (found \"%.60s\")", name, text);
            return;
        }
    }
    *(struct ax_compress *)to = c;
}

void ax_rate_parse(const char *text, int64_t *ret_n, int64_t *ret_unit_us, int64_t *ret_burst)
{
    char *end;
    const char *burst = strstr(text, " burst ");

    *ret_n = (int64_t)strtoull(text, &end, 10);
    *ret_unit_us = end[1] == 'h' ? INT64_C(3600000000) : end[1] == 'm' ? INT64_C(60000000) : INT64_C(1000000);
    *ret_burst = burst ? (int64_t)strtoull(burst + strlen(" burst "), NULL, 10) : *ret_n;
}

/* ---- rules */

/* A rule while the others are laid over it. */
struct reading {
    const struct ax_node *node;
    char *prefix; /* without a slash at its end; "" = all */
    char *shape;
    struct ax_route_keys keys;
};

static bool is_below(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);

    return strncmp(path, prefix, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static void lay_over(struct ax_mf *d, struct ax_route_keys *k, const struct reading *r)
{
    const struct ax_policies_of *p = &r->keys.policy;

    if (ax_node_get(r->node, "auth"))
        k->policy.auth = p->auth;
    if (ax_node_get(r->node, "cors"))
        k->policy.cors = p->cors;
    if (ax_node_get(r->node, "rate_limit"))
        k->policy.rate_limit = p->rate_limit;
    if (ax_node_get(r->node, "compress"))
        k->policy.compress = p->compress;
    if (ax_node_get(r->node, "use"))
        k->policy.use = p->use;
    struct ax_pairs all = {0};
    for (size_t i = 0; i < k->headers.n + r->keys.headers.n; i++) {
        struct ax_pair pair = i < k->headers.n ? k->headers.v[i] : r->keys.headers.v[i - k->headers.n];
        size_t at = 0;
        while (at < all.n && strcmp(all.v[at].key, pair.key) != 0)
            at++;
        struct ax_pair *v = at < all.n ? all.v : ax_mf_grow(d->arena, all.v, all.n, sizeof *v);
        if (!v)
            return;
        all.v = v;
        all.n += at == all.n;
        v[at] = pair;
    }
    k->headers = all;
}

static int by_length(const void *a, const void *b)
{
    const struct reading *x = a, *y = b;
    size_t n = strlen(x->shape), m = strlen(y->shape);

    return n < m ? -1 : n > m ? 1 : strcmp(x->shape, y->shape);
}

/* Compared by it, %61 is the letter a.  What is no pattern is reported elsewhere. */
static char *shape_of(struct ax_mf *d, const char *text)
{
    struct ax_pattern p;

    if (ax_pattern_parse(&p, ax_str(text), NULL) < 0)
        return ax_mf_strdup(d->arena, text);
    return ax_mf_strndup(d->arena, p.shape, p.n);
}

static bool prefix_ok(struct ax_mf *d, const struct ax_node *key)
{
    const char *text = key->text;
    struct ax_err err = {0};

    if (ax_pattern_check(ax_str(text), &err) < 0) {
        ax_problem(d->p, err.code, &key->at, "rules: %s", err.msg);
        return false;
    }
    if (!strstr(text, "/:") && !strstr(text, "/*"))
        return true;
    ax_problem(d->p, AX_E_SYNTAX, &key->at,
               "rules: a prefix has no parameters, it stands for all paths below it (found \"%.80s\")", text);
    return false;
}

static bool read_rule(struct ax_mf *d, const struct ax_node *n, struct reading *r)
{
    char name[AX_NAME_MAX];
    size_t len = strlen(n->key->text);

    name_of(name, "rules", n);
    *r = (struct reading){.node = n};
    if (!prefix_ok(d, n->key) || !decode_entry(d, &ax_table_rule, &r->keys, n, name))
        return false;
    for (const struct ax_node *i = n->first; i; i = i->next)
        if (ax_policy_is_name(i->key->text))
            ax_policy_check_name(d, i, name);
    r->prefix = ax_mf_strndup(d->arena, n->key->text, len - (n->key->text[len - 1] == '/'));
    r->shape = r->prefix ? shape_of(d, r->prefix) : NULL;
    return r->shape != NULL;
}

/* Each with what the shorter ones say, the longest first. */
static void keep_rules(struct ax_mf *d, struct reading *r, size_t n)
{
    struct ax_rule *v = ax_mf_alloc(d->arena, n * sizeof *v);

    for (size_t i = 0; v && i < n; i++) {
        struct ax_route_keys k = {0};
        for (size_t j = 0; j <= i; j++)
            if (is_below(r[i].shape, r[j].shape))
                lay_over(d, &k, &r[j]);
        v[n - 1 - i] = (struct ax_rule){.prefix = r[i].prefix,
                                        .shape = r[i].shape,
                                        .policy = k.policy,
                                        .headers = k.headers,
                                        .at = r[i].node->key->at};
        if (i > 0 && strcmp(r[i].shape, r[i - 1].shape) == 0)
            ax_problem(d->p, AX_E_DUPLICATE, &r[i].node->key->at, "rules: %s stands in line %u already",
                       r[i].node->key->text, r[i - 1].node->key->at.line);
    }
    d->m->rules = v;
    d->m->nrules = v ? n : 0;
}

static void decode_rules(struct ax_mf *d, const struct ax_node *rules)
{
    struct reading *r = ax_mf_alloc(d->tmp, rules->count * sizeof *r);
    size_t n = 0;

    if (!r)
        return;
    for (const struct ax_node *i = rules->first; i; i = i->next)
        if (read_rule(d, i, &r[n]))
            n++;
    if (n)
        qsort(r, n, sizeof *r, by_length);
    keep_rules(d, r, n);
}

void ax_decode_policy(struct ax_mf *d)
{
    static const struct {
        const char *key;
        void (*decode)(struct ax_mf *d, const struct ax_node *n);
    } sections[] = {{"auth", decode_auth}, {"cors", decode_cors}};
    const struct ax_node *rules = ax_node_get(d->root, "rules");

    for (size_t i = 0; i < AX_COUNT(sections); i++) {
        const struct ax_node *s = ax_node_get(d->root, sections[i].key);
        for (const struct ax_node *n = s && s->kind == AX_NODE_MAP ? s->first : NULL; n; n = n->next)
            sections[i].decode(d, n);
    }
    if (rules && rules->kind == AX_NODE_MAP)
        decode_rules(d, rules);
}

/* ---- routes */

/* Does a path that the pattern matches by a parameter lie below the prefix? */
static bool reaches_into(const char *pattern, const char *prefix)
{
    bool by_parameter = false;

    while (*prefix == '/') {
        size_t n = strcspn(prefix + 1, "/") + 1, m = strcspn(pattern + 1, "/") + 1;
        if (*pattern != '/')
            return false;
        if (pattern[1] == AX_SHAPE_REST)
            return true;
        if (pattern[1] == AX_SHAPE_PARAM)
            by_parameter = true;
        else if (n != m || strncmp(pattern, prefix, n) != 0)
            return false;
        prefix += n;
        pattern += m;
    }
    return by_parameter;
}

void ax_policy_inherit(struct ax_mf *d, const struct ax_node *key, struct ax_route_keys *k)
{
    const char *shape = d->m->nrules ? shape_of(d, key->text) : NULL;
    bool found = false;

    for (size_t i = 0; shape && i < d->m->nrules; i++) {
        const struct ax_rule *r = &d->m->rules[i];
        if (!is_below(shape, r->shape)) {
            if ((r->policy.auth || r->policy.rate_limit) && reaches_into(shape, r->shape))
                ax_problem_warn(d->p, &key->at,
                                "%.100s also answers paths below %.80s, and there the rule of line %u does "
                                "not count: rules go by the route's path",
                                key->text, r->prefix, r->at.line);
            continue;
        }
        if (found)
            continue;
        found = true;
        k->policy = r->policy;
        k->headers = r->headers;
    }
}

/* ---- files */

static void check_file(struct ax_mf *d, const struct ax_node *n, const char *name)
{
    if (!n || n->kind != AX_NODE_SCALAR || !n->text[0])
        return;
    char *full = ax_file_join(d->tmp, d->m->root, n->text);
    int why = full ? ax_file_check(full) : 0;
    if (why == 0)
        return;
    const char *near = why == ENOENT ? ax_file_nearest(d->tmp, d->m->root, n->text) : NULL;
    ax_problem(d->p, why == ENOENT ? AX_E_MISSING : AX_E_SYS, &n->at, "%s: %s %.150s%s%s%s", name,
               why == ENOENT   ? "no file"
               : why == EISDIR ? "no regular file:"
                               : "cannot read",
               n->text, near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

static void check_auth_files(struct ax_mf *d, const struct ax_node *n)
{
    static const char *const keys[][2] = {
        {"bearer", "token_file"}, {"jwt", "key_file"}, {"jwt", "secret_file"}};
    char name[AX_NAME_MAX], full[AX_NAME_MAX + 32];

    name_of(name, "auth", n);
    snprintf(full, sizeof full, "%s.basic", name);
    check_file(d, ax_node_get(n, "basic"), full);
    for (size_t i = 0; i < AX_COUNT(keys); i++) {
        const struct ax_node *map = ax_node_get(n, keys[i][0]);
        snprintf(full, sizeof full, "%s.%s.%s", name, keys[i][0], keys[i][1]);
        check_file(d, map ? ax_node_get(map, keys[i][1]) : NULL, full);
    }
}

void ax_policy_validate(struct ax_mf *d)
{
    const struct ax_node *auth = ax_node_get(d->root, "auth"), *errors = ax_node_get(d->root, "errors");

    for (const struct ax_node *n = auth && auth->kind == AX_NODE_MAP ? auth->first : NULL; n; n = n->next)
        check_auth_files(d, n);
    for (const struct ax_node *n = errors && errors->kind == AX_NODE_MAP ? errors->first : NULL; n;
         n = n->next) {
        char name[AX_NAME_MAX];
        name_of(name, "errors", n);
        for (size_t i = 0; i < d->m->errors.n; i++) /* a key that is no status was reported */
            if (strcmp(d->m->errors.v[i].key, n->key->text) == 0)
                check_file(d, n, name);
    }
}
