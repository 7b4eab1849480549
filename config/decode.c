#include "config/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "config/decode_kinds.h"
#include "config/mf_arena.h"
#include "config/problems.h"
#include "config/units.h"

enum { NAMES_MAX = 64 };

const struct ax_field *ax_table_find(const struct ax_table *t, const char *key)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].key, key) == 0)
            return &t->v[i];
    return NULL;
}

static void full_name(char out[AX_NAME_MAX], const char *name, const char *key)
{
    snprintf(out, AX_NAME_MAX, "%.*s%s%.80s", AX_NAME_MAX - 90, name,
             *name ? (name[0] == '/' ? " " : ".") : "", key);
}

const char *ax_scalar(struct ax_mf *d, const struct ax_node *n, const char *name, const char *want,
                      bool may_empty)
{
    if (n->kind == AX_NODE_BAD)
        return NULL;
    if (n->kind != AX_NODE_SCALAR) {
        ax_problem(d->p, AX_E_TYPE, &n->at, "%s must be %s (found a %s)", name, want,
                   n->kind == AX_NODE_MAP ? "map" : "list");
        return NULL;
    }
    if (ax_node_is_null(n) || (n->text[0] == '\0' && !may_empty)) {
        ax_problem(d->p, AX_E_MISSING, &n->at, "%s has an empty value: give it one, or leave it out", name);
        return NULL;
    }
    return n->text;
}

/* The section that has `key`, for who put it one level too high or too low. */
static const char *section_of(const char *key)
{
    const struct ax_table *t = &ax_table_manifest;

    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].kind == AX_K_MAP && ax_table_find(t->v[i].map, key))
            return t->v[i].key;
    return NULL;
}

void ax_unknown_key(struct ax_mf *d, const struct ax_table *t, const char *const *more,
                    const struct ax_node *n, const char *name)
{
    const char *names[NAMES_MAX];
    const char *key = n->key->text;
    char full[AX_NAME_MAX];
    size_t count = 0;

    for (size_t i = 0; i < t->n && count < NAMES_MAX; i++)
        names[count++] = t->v[i].key;
    for (; more && *more && count < NAMES_MAX; more++)
        names[count++] = *more;
    full_name(full, name, key);
    const char *near = ax_nearest(key, names, count);
    const char *section = near || name[0] == '/' ? NULL : section_of(key);
    if (near)
        ax_problem(d->p, AX_E_UNKNOWN, &n->key->at, "unknown key %s, did you mean %s?", full, near);
    else if (section)
        ax_problem(d->p, AX_E_UNKNOWN, &n->key->at, "unknown key %s, did you mean %s.%s?", full, section,
                   key);
    else if (key[0] == '/' && !*name)
        ax_problem(d->p, AX_E_UNKNOWN, &n->key->at, "unknown key %s: paths stand below routes, indented",
                   full);
    else if (ax_table_find(&ax_table_manifest, key) && *name)
        ax_problem(d->p, AX_E_UNKNOWN, &n->key->at, "unknown key %s: %s stands at the top level", full, key);
    else
        ax_problem(d->p, AX_E_UNKNOWN, &n->key->at, "unknown key %s", full);
}

static void decode_submap(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                          const char *name)
{
    if (n->kind == AX_NODE_SCALAR && (f->flags & AX_F_OFF) && ax_is_off(n->text))
        return;
    if (n->kind != AX_NODE_MAP) {
        if (ax_scalar(d, n, name, "a map", false))
            ax_problem(d->p, AX_E_TYPE, &n->at, "%s must be a map%s (found \"%.60s\")%s", name,
                       f->flags & AX_F_OFF ? " or off" : "", n->text,
                       strchr(n->text, ':') ? ": a space belongs after the colon of a key" : "");
        return;
    }
    if (f->map->scratch) {
        to = ax_mf_alloc(d->tmp, f->map->scratch);
        if (!to)
            return;
        ax_decode_defaults(d, f->map, to);
    }
    ax_decode_map(d, f->map, to, n, name);
}

/* The entries are decoded by mf_policy.c, in an order of its own. */
static void check_named(struct ax_mf *d, const struct ax_field *f, struct ax_node *n, const char *name)
{
    if (n->kind != AX_NODE_MAP)
        decode_submap(d, f, NULL, n, name);
}

static void decode_value(struct ax_mf *d, const struct ax_field *f, void *to, struct ax_node *n,
                         const char *name)
{
    if (f->kind == AX_K_MAP)
        decode_submap(d, f, to, n, name);
    else if (f->kind == AX_K_NAMED)
        check_named(d, f, n, name);
    else if (f->kind == AX_K_ROUTES)
        d->routes = n;
    else
        ax_decode_kind(d, f, to, n, name);
}

void ax_decode_field(struct ax_mf *d, const struct ax_field *f, void *base, struct ax_node *n,
                     const char *name)
{
    void *to = (char *)base + f->at;
    char full[AX_NAME_MAX];

    if (n->kind == AX_NODE_BAD)
        return;
    full_name(full, name, f->key);
    decode_value(d, f, to, n, full);
}

static void need(struct ax_mf *d, const struct ax_table *t, const struct ax_node *map, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if ((t->v[i].flags & AX_F_NEEDED) && !ax_node_get(map, t->v[i].key))
            ax_problem(d->p, AX_E_MISSING, &map->at, "%s needs %s", name, t->v[i].key);
}

void ax_decode_map(struct ax_mf *d, const struct ax_table *t, void *base, const struct ax_node *map,
                   const char *name)
{
    for (struct ax_node *n = map->first; n; n = n->next) {
        const struct ax_field *f = ax_table_find(t, n->key->text);
        if (f)
            ax_decode_field(d, f, base, n, name);
        else
            ax_unknown_key(d, t, NULL, n, name);
    }
    need(d, t, map, name);
}

void ax_decode_defaults(struct ax_mf *d, const struct ax_table *t, void *base)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct ax_field *f = &t->v[i];
        if (f->kind == AX_K_MAP && !f->map->scratch) {
            ax_decode_defaults(d, f->map, (char *)base + f->at);
        } else if (f->def && f->kind != AX_K_MAP) {
            struct ax_node n = {.kind = AX_NODE_SCALAR, .text = f->def, .plain = true};
            ax_decode_kind(d, f, (char *)base + f->at, &n, f->key);
        }
    }
}
