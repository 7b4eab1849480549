#include "supervisor/plan_policy.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "config/mf_policy.h"
#include "supervisor/dirs.h"

enum { TEXT_MAX = 1 << 20, US_PER_S = 1000000 };

/* json_pack and the setters take NULL for "out of memory" and fail; *ok is sticky. */
static void append(json_t *array, json_t *v, bool *ok)
{
    if (json_array_append_new(array, v) < 0)
        *ok = false;
}

static json_t *joined(const struct ax_strings *s, const char *between)
{
    struct ax_buf b = AX_BUF_INIT(TEXT_MAX);

    for (size_t i = 0; i < s->n; i++)
        ax_buf_addf(&b, "%s%s", i ? between : "", s->v[i]);
    json_t *v = b.failed ? NULL : json_stringn(b.p ? b.p : "", b.n);
    ax_buf_fini(&b);
    return v;
}

static json_t *place(const struct ax_place *at)
{
    return json_pack("{s:s, s:i, s:i}", "file", at->file ? at->file : "", "line", (int)at->line, "col",
                     (int)at->col);
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* ---- what is listed once, and found again by whoever uses it */

static const char *rate_at(const struct ax_manifest *m, size_t i)
{
    return i < m->nroutes ? m->routes[i].policy.rate_limit : m->rules[i - m->nroutes].policy.rate_limit;
}

static const struct ax_compress *compress_at(const struct ax_manifest *m, size_t i)
{
    return i < m->nroutes ? &m->routes[i].policy.compress : &m->rules[i - m->nroutes].policy.compress;
}

static size_t users_of(const struct ax_manifest *m)
{
    return m->nroutes + m->nrules;
}

/* The same pointer is the same bucket. */
static bool first_rate(const struct ax_manifest *m, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (rate_at(m, j) == rate_at(m, i))
            return false;
    return rate_at(m, i) != NULL;
}

static unsigned rate_number(const struct ax_manifest *m, const char *rate)
{
    unsigned n = 0;

    for (size_t i = 0; rate && i < users_of(m); i++) {
        n += first_rate(m, i);
        if (rate_at(m, i) == rate)
            return n;
    }
    return 0;
}

static bool same_compress(const struct ax_compress *a, const struct ax_compress *b)
{
    return a->on == b->on && a->min == b->min && a->types.v == b->types.v;
}

static bool first_compress(const struct ax_manifest *m, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_compress(compress_at(m, j), compress_at(m, i)))
            return false;
    return compress_at(m, i)->on;
}

static unsigned compress_number(const struct ax_manifest *m, const struct ax_compress *c)
{
    unsigned n = 0;

    for (size_t i = 0; c->on && i < users_of(m); i++) {
        n += first_compress(m, i);
        if (same_compress(compress_at(m, i), c))
            return n;
    }
    return 0;
}

static unsigned auth_number(const struct ax_manifest *m, const char *name)
{
    for (unsigned i = 0; name && i < m->nauths; i++)
        if (strcmp(m->auths[i].name, name) == 0)
            return i + 1;
    return 0;
}

static unsigned cors_number(const struct ax_manifest *m, const char *name)
{
    for (unsigned i = 0; name && i < m->ncors; i++)
        if (strcmp(m->cors[i].name, name) == 0)
            return i + 1;
    return 0;
}

json_t *ax_plan_policy(const struct ax_manifest *m, const struct ax_policies_of *p)
{
    return json_pack("{s:i, s:i, s:i, s:i}", "login", (int)auth_number(m, p->auth), "cors",
                     (int)cors_number(m, p->cors), "rate", (int)rate_number(m, p->rate_limit), "compress",
                     (int)compress_number(m, &p->compress));
}

/* ---- the lists */

static const char *file_of(const struct ax_auth *a)
{
    const char *const files[] = {a->basic, a->token_file, a->key_file, a->secret_file};

    for (size_t i = 0; i < AX_COUNT(files); i++)
        if (files[i])
            return files[i];
    return NULL;
}

static json_t *login(const struct ax_manifest *m, const struct ax_auth *a)
{
    const char *kind = a->kind == AX_AUTH_BASIC                 ? "basic"
                       : a->kind == AX_AUTH_BEARER              ? "bearer"
                       : a->alg && strcmp(a->alg, "RS256") == 0 ? "rs256"
                                                                : "hs256";
    const char *secret = a->token ? a->token : a->key ? a->key : a->secret;
    char *file = file_of(a) ? ax_path_join(m->root, file_of(a)) : ax_strdup("");
    json_t *o =
        file ? json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o}", "kind", kind, "name", a->name,
                         "file", file, "secret", or_empty(secret), "audience", or_empty(a->audience),
                         "issuer", or_empty(a->issuer), "scope", or_empty(a->scope), "leeway_us",
                         (json_int_t)a->leeway_us, "at", place(&a->at))
             : NULL;

    ax_free(file);
    return o;
}

static json_t *cors(const struct ax_cors *c)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:I}", "origins", joined(&c->origins, "\n"), "methods",
                     joined(&c->methods, ", "), "headers", joined(&c->headers, ", "), "expose",
                     joined(&c->expose, ", "), "credentials", c->credentials, "max_age_s",
                     (json_int_t)(c->max_age_us / US_PER_S));
}

static json_t *rates(const struct ax_manifest *m, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < users_of(m); i++) {
        int64_t n, unit, burst;
        if (!first_rate(m, i))
            continue;
        ax_rate_parse(rate_at(m, i), &n, &unit, &burst);
        append(a,
               json_pack("{s:I, s:I, s:I}", "n", (json_int_t)n, "unit_us", (json_int_t)unit, "burst",
                         (json_int_t)burst),
               ok);
    }
    return a;
}

static json_t *compress(const struct ax_manifest *m, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < users_of(m); i++)
        if (first_compress(m, i))
            append(a,
                   json_pack("{s:I, s:o}", "min", (json_int_t)compress_at(m, i)->min, "types",
                             joined(&compress_at(m, i)->types, "\n")),
                   ok);
    return a;
}

static json_t *pages(const struct ax_manifest *m, bool *ok)
{
    json_t *a = json_array();

    for (size_t i = 0; i < m->errors.n; i++) {
        char *file = ax_path_join(m->root, m->errors.v[i].value);
        append(a, file ? json_pack("{s:s, s:s}", "status", m->errors.v[i].key, "file", file) : NULL, ok);
        ax_free(file);
    }
    return a;
}

static json_t *rule(const struct ax_manifest *m, const struct ax_rule *r)
{
    struct ax_buf b = AX_BUF_INIT(TEXT_MAX);

    for (size_t i = 0; i < r->headers.n; i++)
        ax_buf_addf(&b, "%s: %s\r\n", r->headers.v[i].key, r->headers.v[i].value);
    json_t *lines = b.failed ? NULL : json_stringn(b.p ? b.p : "", b.n);
    ax_buf_fini(&b);
    return json_pack("{s:s, s:o, s:o}", "prefix", r->prefix, "headers", lines, "policy",
                     ax_plan_policy(m, &r->policy));
}

json_t *ax_plan_policies(const struct ax_manifest *m)
{
    bool ok = true;
    json_t *logins = json_array(), *origins = json_array(), *rules = json_array();

    for (size_t i = 0; i < m->nauths; i++)
        append(logins, login(m, &m->auths[i]), &ok);
    for (size_t i = 0; i < m->ncors; i++)
        append(origins, cors(&m->cors[i]), &ok);
    for (size_t i = 0; i < m->nrules; i++)
        append(rules, rule(m, &m->rules[i]), &ok);
    json_t *o =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "logins", logins, "cors", origins, "rates", rates(m, &ok),
                  "compress", compress(m, &ok), "pages", pages(m, &ok), "rules", rules);
    if (!ok) {
        json_decref(o);
        o = NULL;
    }
    return o;
}
