#include "net/policy.h"

#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "net/internal.h"

enum { LINES_MAX = 65536, US_PER_S = 1000000 };

/* Into the request's arena; p NULL when memory is out. */
static struct ax_str kept(struct ax_request *r, struct ax_buf *b)
{
    char *p = b->failed || !b->n ? NULL : ax_arena_dup(&r->arena, ax_buf_str(b));
    size_t n = p ? b->n : 0;

    ax_buf_fini(b);
    return (struct ax_str){p, n};
}

/* ---- cors */

static struct ax_str field(const struct ax_request *r, enum ax_field_name id, struct ax_str name)
{
    return id ? ax_head_known(&r->head, id) : ax_head_field(&r->head, name);
}

static struct ax_str asked_method(const struct ax_request *r)
{
    return ax_head_field(&r->head, AX_STR("access-control-request-method"));
}

static bool is_preflight(const struct ax_request *r)
{
    return r->head.method == AX_OPTIONS && ax_head_field(&r->head, AX_STR("origin")).n && asked_method(r).n;
}

static void answer_preflight(struct ax_request *r, const struct ax_cors_rule *c)
{
    struct ax_buf b = AX_BUF_INIT(LINES_MAX);

    ax_cors_preflight(c, ax_head_field(&r->head, AX_STR("origin")), asked_method(r),
                      ax_head_field(&r->head, AX_STR("access-control-request-headers")), &b);
    /* its lines are all there are: those of other answers must not stand beside them */
    r->site_route = NULL;
    ax_reply(r, &(struct ax_reply){.status = 204, .headers = kept(r, &b)});
}

static enum ax_method method_named(struct ax_str name)
{
    for (unsigned m = 0; m < AX_METHODS; m++)
        if (ax_str_eq(ax_str(ax_method_name((enum ax_method)m)), name))
            return (enum ax_method)m;
    return AX_METHODS;
}

/* The rule of the route that the request itself will reach; else of the path. */
static const struct ax_cors_rule *cors_behind(struct ax_request *r, struct ax_str path)
{
    enum ax_method m = method_named(asked_method(r));
    struct ax_match match;
    const struct ax_route *route = NULL;

    if (m < AX_METHODS && ax_router_match(r->worker->router, m, path, &match) == AX_FOUND)
        route = ax_site_route(r->worker->site, match.route);
    else
        route = ax_policies_rule(ax_site_policies(r->worker->site), path);
    return route && route->policy ? route->policy->cors : NULL;
}

bool ax_policy_preflight(struct ax_request *r, struct ax_str path)
{
    const struct ax_cors_rule *c = is_preflight(r) ? cors_behind(r, path) : NULL;

    if (c)
        answer_preflight(r, c);
    return c != NULL;
}

void ax_policy_lines(struct ax_request *r, struct ax_response_head *h)
{
    const struct ax_cors_rule *c = r->site_route->policy->cors;
    struct ax_buf b = AX_BUF_INIT(LINES_MAX);

    if (!c)
        return;
    ax_buf_add(&b, h->headers2.p, h->headers2.n);
    ax_cors_answer(c, field(r, AX_FIELD_ORIGIN, AX_STR("origin")), &b);
    struct ax_str lines = kept(r, &b);
    if (lines.p)
        h->headers2 = lines;
}

struct ax_str ax_request_policy_lines(struct ax_request *r)
{
    struct ax_response_head h = {0};

    if (r->site_route && r->site_route->policy)
        ax_policy_lines(r, &h);
    return h.headers2;
}

/* ---- rate limit */

static bool within_rate(struct ax_request *r, const struct ax_rate *rate)
{
    struct ax_rate_table *t = ax_policies_rates(ax_site_policies(r->worker->site));
    int64_t wait = ax_rate_take(t, rate, ax_str(ax_request_remote(r)), r->worker->now.us);
    struct ax_buf b = AX_BUF_INIT(LINES_MAX);

    if (wait == 0)
        return true;
    ax_buf_addf(&b, "Retry-After: %lld\r\n", (long long)((wait + US_PER_S - 1) / US_PER_S));
    ax_reply_refusal(r, 429, "Too Many Requests", "rate_limit", kept(r, &b));
    return false;
}

bool ax_policy_unmatched(struct ax_request *r, struct ax_str path)
{
    r->site_route = ax_policies_rule(ax_site_policies(r->worker->site), path);
    const struct ax_policy *p = r->site_route ? r->site_route->policy : NULL;

    return !p || !p->rate || within_rate(r, p->rate);
}

/* ---- login */

static void refuse_login(struct ax_request *r, enum ax_login_verdict v, const char *why)
{
    const struct ax_login *l = r->site_route->policy->login;
    struct ax_buf b = AX_BUF_INIT(LINES_MAX);

    if (v == AX_LOGIN_BUSY) {
        ax_reply_error(r, 503, "too many logins at once", "auth");
        return;
    }
    ax_login_challenge(l, v, why, &b);
    if (v == AX_LOGIN_FORBIDDEN)
        ax_reply_refusal(r, 403, "Forbidden", NULL, kept(r, &b));
    else
        ax_reply_refusal(r, 401, "Unauthorized", NULL, kept(r, &b));
}

enum ax_policy_verdict ax_policy_admit(struct ax_request *r)
{
    const struct ax_policy *p = r->site_route->policy;
    const char *why;

    if (p->cors && is_preflight(r)) {
        if (!ax_policy_preflight(r, ax_head_str(&r->head, r->head.path)))
            answer_preflight(r, p->cors);
        return AX_POLICY_ANSWERED;
    }
    if (p->rate && !within_rate(r, p->rate))
        return AX_POLICY_ANSWERED;
    enum ax_login_verdict v = p->login ? ax_login_check(p->login, r, &why) : AX_LOGIN_OK;
    if (v == AX_LOGIN_OK)
        return AX_POLICY_PASS;
    if (v == AX_LOGIN_SLOW) {
        r->conn->state = AX_CONN_HELD;
        return AX_POLICY_HELD;
    }
    refuse_login(r, v, why);
    return AX_POLICY_ANSWERED;
}

void ax_policy_refused(struct ax_request *r)
{
    refuse_login(r, AX_LOGIN_WRONG, "");
}

bool ax_policy_identity(struct ax_request *r, struct ax_buf *out)
{
    const struct ax_policy *p = r->site_route ? r->site_route->policy : NULL;

    if (!p || !p->login)
        return false;
    ax_login_identity(p->login, r, out);
    return true;
}
