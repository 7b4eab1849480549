#include "config/overlay.h"

#include <string.h>

#include "base/buf.h"
#include "config/mf_arena.h"
#include "config/problems.h"

enum {
    VALUE_MAX = 1 << 20, /* bytes of one value once interpolated; checked after each variable */
    BUFFER_MAX = 16 << 20,
};

void ax_overlay(struct ax_node *base, struct ax_node *over)
{
    if (base->kind != AX_NODE_MAP || over->kind != AX_NODE_MAP) {
        struct ax_node *next = base->next;
        *base = *over;
        base->next = next;
        return;
    }
    for (struct ax_node *o = over->first, *next; o; o = next) {
        next = o->next;
        struct ax_node *b = ax_node_get(base, o->key->text);
        if (b)
            ax_overlay(b, o);
        else
            ax_node_add(base, o->key, o);
    }
}

void ax_overlay_drop_extensions(struct ax_node *root)
{
    struct ax_node *n = root->kind == AX_NODE_MAP ? root->first : NULL;

    if (!n)
        return;
    root->first = root->last = NULL;
    root->count = 0;
    for (struct ax_node *next; n; n = next) {
        next = n->next;
        if (strncmp(n->key->text, "x-", 2) != 0)
            ax_node_add(root, n->key, n);
    }
}

static const char *look_up(const struct ax_lookup *l, const char *name)
{
    const char *v = l->getenv ? l->getenv(name, l->ctx) : NULL;

    for (size_t i = 0; !v && l->dotenv && i < l->dotenv->n; i++)
        if (strcmp(l->dotenv->v[i].key, name) == 0)
            v = l->dotenv->v[i].value;
    return v;
}

static bool is_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool letter = (ax_lower(s[i]) >= 'a' && ax_lower(s[i]) <= 'z') || s[i] == '_';
        if (!letter && (i == 0 || s[i] < '0' || s[i] > '9'))
            return false;
    }
    return n > 0;
}

struct interpolation {
    const struct ax_lookup *l;
    struct ax_mf_arena *arena;
    struct ax_problems *p;
    const struct ax_node *node;
    struct ax_buf out;
};

/* `at` points behind "${"; returns what stands behind the closing brace, NULL after a problem. */
static const char *add_variable(struct interpolation *x, const char *at)
{
    const char *end = strchr(at, '}');
    const char *mark = end ? strstr(at, ":-") : NULL;
    const struct ax_place *place = &x->node->at;

    if (!end) {
        ax_problem(x->p, AX_E_SYNTAX, place, "${ without a closing }; for a plain $ write $$");
        return NULL;
    }
    const char *name_end = mark && mark < end ? mark : end;
    char *name =
        is_name(at, (size_t)(name_end - at)) ? ax_mf_strndup(x->arena, at, (size_t)(name_end - at)) : NULL;
    if (!is_name(at, (size_t)(name_end - at))) {
        ax_problem(x->p, AX_E_SYNTAX, place, "${%.*s} is no variable name; for a plain $ write $$",
                   (int)(end - at < 60 ? end - at : 60), at);
        return NULL;
    }
    const char *value = name ? look_up(x->l, name) : NULL;
    if (name_end == mark && (!value || !*value)) {
        if (memmem(mark, (size_t)(end - mark), "${", 2)) {
            ax_problem(x->p, AX_E_SYNTAX, place, "a default in ${%s:-...} cannot hold another ${", name);
            return NULL;
        }
        ax_buf_add(&x->out, mark + 2, (size_t)(end - mark) - 2);
    } else if (value) {
        ax_buf_adds(&x->out, value);
    } else if (name) {
        ax_problem(x->p, AX_E_MISSING, place,
                   "%.80s is not set, and ${%.80s} has no default: write ${%.80s:-default}", name, name,
                   name);
        return NULL;
    }
    return end + 1;
}

static bool expand(struct interpolation *x)
{
    const char *p = x->node->text;

    while (*p) {
        size_t plain = strcspn(p, "$");
        ax_buf_add(&x->out, p, plain);
        p += plain;
        if (p[0] == '$' && p[1] == '{') {
            p = add_variable(x, p + 2);
            if (!p)
                return false;
        } else if (p[0] == '$') {
            ax_buf_addc(&x->out, '$');
            p += p[1] == '$' ? 2 : 1;
        }
        if (x->out.n > VALUE_MAX) {
            ax_problem(x->p, AX_E_LIMIT, &x->node->at, "longer than %d KiB once its variables are put in",
                       VALUE_MAX >> 10);
            return false;
        }
    }
    return true;
}

static void interpolate_scalar(struct ax_node *n, const struct ax_lookup *l, struct ax_mf_arena *arena,
                               struct ax_problems *p)
{
    struct interpolation x = {.l = l, .arena = arena, .p = p, .node = n, .out = AX_BUF_INIT(BUFFER_MAX)};

    if (!expand(&x)) {
        n->kind = AX_NODE_BAD;
    } else {
        char *text = x.out.failed ? NULL : ax_mf_strndup(arena, x.out.p, x.out.n);
        if (text)
            n->text = text;
        else
            p->failed = true;
        n->plain = false;
    }
    ax_buf_fini(&x.out);
}

void ax_interpolate(struct ax_node *root, const struct ax_lookup *l, struct ax_mf_arena *arena,
                    struct ax_problems *p)
{
    if (root->kind == AX_NODE_SCALAR && strchr(root->text, '$'))
        interpolate_scalar(root, l, arena, p);
    for (struct ax_node *n = root->first; n && root->kind != AX_NODE_SCALAR; n = n->next) {
        if (strstr(n->key ? n->key->text : "", "${"))
            ax_problem(p, AX_E_SYNTAX, &n->key->at, "variables work in values, not in keys");
        ax_interpolate(n, l, arena, p);
    }
}
