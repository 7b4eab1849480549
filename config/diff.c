#include "config/diff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "config/tables.h"
#include "config/units.h"

enum { VALUE_MAX = 128, NAME_BYTES = 128, LINE_BYTES = 512 };

struct diff {
    const struct ax_manifest *a, *b;
    void (*line)(void *ctx, bool restart, const char *text);
    void *ctx;
    unsigned n;
};

/* What is made once, at the start. */
static bool needs_restart(const char *name)
{
    static const char *const list[] = {"server.state", "server.control.mode", "server.control.group",
                                       "metrics.database"};

    for (size_t i = 0; i < AX_COUNT(list); i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

__attribute__((format(printf, 3, 4))) static void tell(struct diff *d, bool restart, const char *fmt, ...)
{
    char text[LINE_BYTES];
    va_list ap;

    if (d->n++ >= AX_DIFF_LINES_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->line(d->ctx, restart, text);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* ---- one value */
static void number_text(const struct ax_field *f, int64_t v, char out[VALUE_MAX])
{
    char unit[AX_UNIT_TEXT];

    if (v == AX_OFF) {
        snprintf(out, VALUE_MAX, "off");
    } else if (v == AX_AUTO && (f->flags & AX_F_AUTO)) {
        snprintf(out, VALUE_MAX, "auto");
    } else if (f->kind == AX_K_TIME || f->kind == AX_K_SIZE) {
        if (f->kind == AX_K_TIME)
            ax_duration_text(unit, v);
        else
            ax_size_text(unit, v);
        snprintf(out, VALUE_MAX, "%s", unit);
    } else if (f->kind == AX_K_MODE) {
        snprintf(out, VALUE_MAX, "%04o", (unsigned)v);
    } else {
        snprintf(out, VALUE_MAX, "%" PRId64, v);
    }
}

static int64_t number_at(const struct ax_field *f, const void *at)
{
    switch (f->kind) {
    case AX_K_BOOL:
        return *(const bool *)at;
    case AX_K_INT:
    case AX_K_MODE:
    case AX_K_ENUM:
        return *(const int *)at;
    default:
        return *(const int64_t *)at;
    }
}

static void value_text(const struct ax_field *f, const void *at, char out[VALUE_MAX])
{
    int64_t v;

    switch (f->kind) {
    case AX_K_WORD:
    case AX_K_STR:
    case AX_K_RATE: {
        const char *s = *(char *const *)at;
        snprintf(out, VALUE_MAX, "%s", s ? s : "off");
        break;
    }
    case AX_K_BOOL:
        snprintf(out, VALUE_MAX, "%s", number_at(f, at) ? "true" : "false");
        break;
    case AX_K_ENUM:
        v = number_at(f, at);
        snprintf(out, VALUE_MAX, "%s", f->words[v]);
        break;
    default:
        number_text(f, number_at(f, at), out);
    }
}

static void diff_value(struct diff *d, const char *name, const struct ax_field *f, const void *a,
                       const void *b)
{
    char before[VALUE_MAX], after[VALUE_MAX];

    value_text(f, a, before);
    value_text(f, b, after);
    if (strcmp(before, after) != 0)
        tell(d, needs_restart(name), "%s: %s -> %s", name, before, after);
}

/* ---- lists and pairs */
static bool has(const struct ax_strings *l, const char *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i], s) == 0)
            return true;
    return false;
}

static void diff_strings(struct diff *d, const char *name, const struct ax_strings *a,
                         const struct ax_strings *b)
{
    bool any = false;

    for (size_t i = 0; i < a->n; i++)
        if (!has(b, a->v[i])) {
            tell(d, false, "%s: - %s", name, a->v[i]);
            any = true;
        }
    for (size_t i = 0; i < b->n; i++)
        if (!has(a, b->v[i])) {
            tell(d, false, "%s: + %s", name, b->v[i]);
            any = true;
        }
    bool moved = a->n != b->n;
    for (size_t i = 0; !moved && i < a->n; i++)
        moved = strcmp(a->v[i], b->v[i]) != 0;
    if (moved && !any)
        tell(d, false, "%s: in another order, or another number of times", name);
}

static const char *value_of(const struct ax_pairs *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->v[i].key, key) == 0)
            return p->v[i].value;
    return NULL;
}

/* Names alone: values may be secrets. */
static void diff_pairs(struct diff *d, const char *name, const struct ax_pairs *a, const struct ax_pairs *b)
{
    for (size_t i = 0; i < a->n; i++) {
        const char *now = value_of(b, a->v[i].key);
        if (!now || strcmp(now, a->v[i].value) != 0)
            tell(d, false, "%s: %c %s", name, now ? '~' : '-', a->v[i].key);
    }
    for (size_t i = 0; i < b->n; i++)
        if (!value_of(a, b->v[i].key))
            tell(d, false, "%s: + %s", name, b->v[i].key);
}

static bool has_module(const struct ax_modules *l, const char *file)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].file, file) == 0)
            return true;
    return false;
}

static void diff_modules(struct diff *d, const char *name, const struct ax_modules *a,
                         const struct ax_modules *b)
{
    bool any = false;

    for (size_t i = 0; i < a->n; i++)
        if (!has_module(b, a->v[i].file)) {
            tell(d, false, "%s: - %s", name, a->v[i].file);
            any = true;
        }
    for (size_t i = 0; i < b->n; i++)
        if (!has_module(a, b->v[i].file)) {
            tell(d, false, "%s: + %s", name, b->v[i].file);
            any = true;
        }
    bool moved = a->n != b->n;
    for (size_t i = 0; !moved && i < a->n; i++)
        moved = strcmp(a->v[i].file, b->v[i].file) != 0;
    if (moved && !any)
        tell(d, false, "%s: in another order, or another number of times", name);
}

static void listen_text(const struct ax_listen *l, char out[VALUE_MAX])
{
    if (l->kind == AX_LISTEN_UNIX)
        snprintf(out, VALUE_MAX, "unix:%s", l->path);
    else if (l->port_only)
        snprintf(out, VALUE_MAX, "%u", l->port);
    else
        snprintf(out, VALUE_MAX, strchr(l->host, ':') ? "[%s]:%u" : "%s:%u", l->host, l->port);
}

static bool has_listen(const struct ax_listens *l, const char *text)
{
    for (size_t i = 0; i < l->n; i++) {
        char one[VALUE_MAX];
        listen_text(&l->v[i], one);
        if (strcmp(one, text) == 0)
            return true;
    }
    return false;
}

static void diff_listens(struct diff *d, const char *name, const struct ax_listens *a,
                         const struct ax_listens *b)
{
    char text[VALUE_MAX];

    for (size_t i = 0; i < a->n; i++) {
        listen_text(&a->v[i], text);
        if (!has_listen(b, text))
            tell(d, false, "%s: - %s", name, text);
    }
    for (size_t i = 0; i < b->n; i++) {
        listen_text(&b->v[i], text);
        if (!has_listen(a, text))
            tell(d, false, "%s: + %s", name, text);
    }
}

/* ---- routes */
static void answer_text(const struct ax_manifest_route *r, char out[VALUE_MAX])
{
    if (r->kind == AX_ROUTE_HANDLER)
        snprintf(out, VALUE_MAX, r->export_name ? "%s#%s" : "%s", r->module, r->export_name);
    else if (r->kind == AX_ROUTE_NODE)
        snprintf(out, VALUE_MAX, r->export_name ? "node %s#%s" : "node %s", r->module, r->export_name);
    else if (r->kind == AX_ROUTE_STATIC)
        snprintf(out, VALUE_MAX, "static %.80s", r->dir);
    else if (r->kind == AX_ROUTE_REDIRECT)
        snprintf(out, VALUE_MAX, "redirect %d to %s", r->status, r->to);
    else if (r->kind == AX_ROUTE_HEALTH)
        snprintf(out, VALUE_MAX, "health %s", r->health == AX_HEALTH_LIVE ? "live" : "ready");
    else
        snprintf(out, VALUE_MAX, "respond %d %.80s", r->status, r->body ? r->body : "");
}

static const struct ax_manifest_route *find(const struct ax_manifest *m, const struct ax_manifest_route *r)
{
    for (size_t i = 0; i < m->nroutes; i++)
        if (same_text(m->routes[i].pattern, r->pattern) && same_text(m->routes[i].method, r->method))
            return &m->routes[i];
    return NULL;
}

/* A route's number, unless both routes only have what the whole manifest says and that was told already. */
static void diff_number(struct diff *d, const char *route, const char *key, const int64_t v[2],
                        const int64_t inherited[2], enum ax_kind kind)
{
    struct ax_field f = {.kind = kind};
    char before[VALUE_MAX], after[VALUE_MAX];

    if (v[0] == v[1] || (inherited && v[0] == inherited[0] && v[1] == inherited[1]))
        return;
    number_text(&f, v[0], before);
    number_text(&f, v[1], after);
    tell(d, false, "routes: %s: %s: %s -> %s", route, key, before, after);
}

static bool same_uploads(const struct ax_uploads *a, const struct ax_uploads *b)
{
    return same_text(a->dir, b->dir) && a->keep == b->keep && a->file == b->file && a->files == b->files &&
           a->fields == b->fields && a->field == b->field;
}

static bool inherited_uploads(const struct diff *d, const struct ax_manifest_route *a,
                              const struct ax_manifest_route *b)
{
    return same_uploads(&a->uploads, &d->a->uploads) && same_uploads(&b->uploads, &d->b->uploads);
}

static bool same_compress(const struct ax_compress *a, const struct ax_compress *b)
{
    bool same = a->on == b->on && (!a->on || (a->min == b->min && a->types.n == b->types.n));

    for (size_t i = 0; same && a->on && i < a->types.n; i++)
        same = strcmp(a->types.v[i], b->types.v[i]) == 0;
    return same;
}

static void diff_word(struct diff *d, const char *route, const char *key, const char *a, const char *b)
{
    if (!same_text(a, b))
        tell(d, false, "routes: %s: %s: %s -> %s", route, key, a ? a : "off", b ? b : "off");
}

static void diff_policy(struct diff *d, const char *route, const struct ax_policies_of *a,
                        const struct ax_policies_of *b)
{
    char use[NAME_BYTES + 32];

    diff_word(d, route, "auth", a->auth, b->auth);
    diff_word(d, route, "cors", a->cors, b->cors);
    diff_word(d, route, "rate_limit", a->rate_limit, b->rate_limit);
    if (!same_compress(&a->compress, &b->compress))
        tell(d, false, "routes: %s: compress", route);
    snprintf(use, sizeof use, "routes: %s: use", route);
    diff_modules(d, use, &a->use, &b->use);
}

static void diff_route(struct diff *d, const struct ax_manifest_route *a, const struct ax_manifest_route *b)
{
    char route[NAME_BYTES], before[VALUE_MAX], after[VALUE_MAX], headers[NAME_BYTES + 32];

    snprintf(route, sizeof route, "%s %s", a->method, a->pattern);
    answer_text(a, before);
    answer_text(b, after);
    if (strcmp(before, after) != 0)
        tell(d, false, "routes: %s: %s -> %s", route, before, after);
    else if (!same_text(a->body, b->body))
        tell(d, false, "routes: %s: another text", route);
    if (!same_text(a->index, b->index))
        tell(d, false, "routes: %s: index: %s -> %s", route, a->index ? a->index : "off",
             b->index ? b->index : "off");
    if (!same_text(a->fallback, b->fallback))
        tell(d, false, "routes: %s: fallback: %s -> %s", route, a->fallback ? a->fallback : "off",
             b->fallback ? b->fallback : "off");
    diff_number(d, route, "timeout", (int64_t[]){a->timeout_us, b->timeout_us},
                (int64_t[]){d->a->timeouts.handler, d->b->timeouts.handler}, AX_K_TIME);
    diff_number(d, route, "body", (int64_t[]){a->body_max, b->body_max},
                (int64_t[]){d->a->limits.body, d->b->limits.body}, AX_K_SIZE);
    diff_number(d, route, "max_inflight", (int64_t[]){a->max_inflight, b->max_inflight}, NULL, AX_K_COUNT);
    diff_number(d, route, "queue", (int64_t[]){a->queue, b->queue}, NULL, AX_K_COUNT);
    if (a->stream != b->stream)
        tell(d, false, "routes: %s: stream: %s", route, b->stream ? "false -> true" : "true -> false");
    if (!same_uploads(&a->uploads, &b->uploads) && !inherited_uploads(d, a, b))
        tell(d, false, "routes: %s: uploads", route);
    diff_policy(d, route, &a->policy, &b->policy);
    snprintf(headers, sizeof headers, "routes: %s: headers", route);
    diff_pairs(d, headers, &a->headers, &b->headers);
}

static void diff_routes(struct diff *d)
{
    char answer[VALUE_MAX];

    for (size_t i = 0; i < d->a->nroutes; i++) {
        const struct ax_manifest_route *a = &d->a->routes[i], *b = find(d->b, a);
        if (b)
            diff_route(d, a, b);
        else
            tell(d, false, "routes: - %s %s", a->method, a->pattern);
    }
    for (size_t i = 0; i < d->b->nroutes; i++) {
        const struct ax_manifest_route *b = &d->b->routes[i];
        if (find(d->a, b))
            continue;
        answer_text(b, answer);
        tell(d, false, "routes: + %s %s (%s)", b->method, b->pattern, answer);
    }
}

/* ---- named policies: names alone, since auth holds secrets */
static const struct ax_auth *auth_of(const struct ax_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->nauths; i++)
        if (strcmp(m->auths[i].name, name) == 0)
            return &m->auths[i];
    return NULL;
}

static void diff_auth(struct diff *d)
{
    for (size_t i = 0; i < d->a->nauths; i++) {
        const struct ax_auth *a = &d->a->auths[i], *b = auth_of(d->b, a->name);
        if (!b || strcmp(a->text, b->text) != 0)
            tell(d, false, "auth: %c %s", b ? '~' : '-', a->name);
    }
    for (size_t i = 0; i < d->b->nauths; i++)
        if (!auth_of(d->a, d->b->auths[i].name))
            tell(d, false, "auth: + %s", d->b->auths[i].name);
}

static const struct ax_cors *cors_of(const struct ax_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->ncors; i++)
        if (strcmp(m->cors[i].name, name) == 0)
            return &m->cors[i];
    return NULL;
}

static void diff_cors(struct diff *d)
{
    for (size_t i = 0; i < d->a->ncors; i++) {
        const struct ax_cors *a = &d->a->cors[i], *b = cors_of(d->b, a->name);
        if (!b || strcmp(a->text, b->text) != 0)
            tell(d, false, "cors: %c %s", b ? '~' : '-', a->name);
    }
    for (size_t i = 0; i < d->b->ncors; i++)
        if (!cors_of(d->a, d->b->cors[i].name))
            tell(d, false, "cors: + %s", d->b->cors[i].name);
}

/* ---- the tables */
static void diff_table(struct diff *d, const struct ax_table *t, const char *prefix, const char *a,
                       const char *b);

static void diff_field(struct diff *d, const struct ax_field *f, const char *prefix, const char *a,
                       const char *b)
{
    char name[NAME_BYTES];
    const void *x = a + f->at, *y = b + f->at;

    snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", f->key);
    switch (f->kind) {
    case AX_K_MAP:
        if (!f->map->scratch)
            diff_table(d, f->map, name, a + f->at, b + f->at);
        break;
    case AX_K_STRS:
    case AX_K_PROXIES:
        diff_strings(d, name, x, y);
        break;
    case AX_K_HEADERS:
    case AX_K_ENV:
    case AX_K_ERRORS:
        diff_pairs(d, name, x, y);
        break;
    case AX_K_LISTEN:
        if (strcmp(name, "server.listen") != 0)
            diff_listens(d, name, x, y);
        break;
    case AX_K_MODULES:
        diff_modules(d, name, x, y);
        break;
    case AX_K_NAMED: /* rules are told by what they do to the routes */
        if (strcmp(name, "auth") == 0)
            diff_auth(d);
        else if (strcmp(name, "cors") == 0)
            diff_cors(d);
        break;
    case AX_K_ROUTES:
        diff_routes(d);
        break;
    default:
        diff_value(d, name, f, x, y);
    }
}

static void diff_table(struct diff *d, const struct ax_table *t, const char *prefix, const char *a,
                       const char *b)
{
    for (size_t i = 0; i < t->n; i++)
        diff_field(d, &t->v[i], prefix, a, b);
}

void ax_manifest_diff(const struct ax_manifest *a, const struct ax_manifest *b,
                      void (*line)(void *ctx, bool restart, const char *text), void *ctx)
{
    struct diff d = {.a = a, .b = b, .line = line, .ctx = ctx};
    char more[64];

    diff_table(&d, &ax_table_manifest, "", (const char *)a, (const char *)b);
    diff_pairs(&d, ".env", ax_manifest_dotenv(a), ax_manifest_dotenv(b));
    if (d.n <= AX_DIFF_LINES_MAX)
        return;
    snprintf(more, sizeof more, "and %u more", d.n - AX_DIFF_LINES_MAX);
    line(ctx, false, more);
}
