/* What is wrong with a table of routes though each of them is right.  A path is decided at the most specific
 * pattern that matches it (http/router.h): a weaker one is not asked again for a method that is missing
 * there, so such a route is hidden for these paths. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "http/method.h"
#include "supervisor/explain.h"

enum { TEXT_MAX = 400, ALL = (1 << AX_METHODS) - 1 };

static unsigned methods_of(const struct ax_explain_route *r)
{
    if (strcmp(r->method, "ANY") == 0)
        return ALL;
    unsigned own = 1u << ax_method_parse(ax_str(r->method));
    return own & 1u << AX_GET ? own | 1u << AX_HEAD : own;
}

/* The next segment of a pattern, without its slash. */
static struct ax_str segment(const char **at)
{
    const char *p = *at + 1;
    size_t n = strcspn(p, "/");

    *at = p + n;
    return (struct ax_str){p, n};
}

static bool is_param(struct ax_str s)
{
    return s.n > 0 && s.p[0] == ':';
}

static bool is_rest(struct ax_str s)
{
    return s.n > 0 && s.p[0] == '*';
}

enum relation { UNRELATED, SAME, NARROWER };

/* Does every path that `a` matches match `b` too?  Patterns with *rest are fallbacks on purpose: not looked
 * at. */
static enum relation relation(const char *a, const char *b)
{
    bool narrower = false;

    while (*a && *b) {
        struct ax_str x = segment(&a), y = segment(&b);
        if (is_rest(x) || is_rest(y))
            return UNRELATED;
        if (is_param(x) && !is_param(y))
            return UNRELATED;
        if (!is_param(x) && is_param(y) && x.n > 0)
            narrower = true;
        else if (!is_param(x) && !ax_str_eq(x, y))
            return UNRELATED;
    }
    return *a || *b ? UNRELATED : narrower ? NARROWER : SAME;
}

static unsigned methods_at(const struct ax_explain_route *routes, size_t n, const char *pattern, size_t but)
{
    unsigned set = 0;

    for (size_t i = 0; i < n; i++)
        if (i != but &&
            (relation(routes[i].pattern, pattern) == SAME || strcmp(routes[i].pattern, pattern) == 0))
            set |= methods_of(&routes[i]);
    return set;
}

/* A pattern that an earlier route has is looked at there. */
static bool seen_before(const struct ax_explain_route *routes, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(routes[k].pattern, routes[i].pattern) == 0)
            return true;
    return false;
}

static void lint_hidden(const struct ax_explain_route *routes, size_t n, size_t i, ax_routes_warning *told,
                        void *ctx)
{
    char text[TEXT_MAX];

    for (size_t k = 0; k < n; k++) {
        if (seen_before(routes, k) || relation(routes[k].pattern, routes[i].pattern) != NARROWER)
            continue;
        unsigned missing = methods_of(&routes[i]) & ~methods_at(routes, n, routes[k].pattern, SIZE_MAX);
        missing &= ~(1u << AX_OPTIONS | 1u << AX_HEAD);
        if (!missing)
            continue;
        snprintf(text, sizeof text,
                 "%s %.120s is shadowed by %.120s, which has no %s: %s is answered 405 there",
                 routes[i].method, routes[i].pattern, routes[k].pattern, routes[i].method, routes[k].pattern);
        told(ctx, i, text);
    }
}

static void lint_any(const struct ax_explain_route *routes, size_t n, size_t i, ax_routes_warning *told,
                     void *ctx)
{
    char text[TEXT_MAX];

    if (strcmp(routes[i].method, "ANY") != 0 || methods_at(routes, n, routes[i].pattern, i) != ALL)
        return;
    snprintf(text, sizeof text, "ANY %.120s is unreachable: each method has a route of its own",
             routes[i].pattern);
    told(ctx, i, text);
}

void ax_routes_lint(const struct ax_explain_route *routes, size_t n, ax_routes_warning *told, void *ctx)
{
    for (size_t i = 0; i < n; i++) {
        lint_any(routes, n, i, told, ctx);
        lint_hidden(routes, n, i, told, ctx);
    }
}
