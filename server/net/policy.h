/* net/policy.h - what stands before a route's handler, in this order: CORS preflight (204), rate limit (429),
 * login (401, 403, 503).  Then come admission, the body, and the handler; so nobody who is refused here makes
 * the server read a body.  And what is laid over its answers: lines of CORS, compression, pages for errors.
 *
 * A site owns its policies: made once from a spec, read-only since but for the buckets of the rate limits,
 * which all workers of an engine share (http/rate_limit.h).  A route without policies has `policy` NULL and
 * pays one branch.  Password hashes are checked in libuv's thread pool: the connection is held meanwhile
 * (AX_CONN_HELD), nothing more of it is read; what was found right is remembered by each worker under a keyed
 * hash.
 *
 * Threads: specs and sites: whoever builds them; requests: the worker's own. */
#ifndef AX_NET_POLICY_H
#define AX_NET_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "http/cors.h"
#include "http/rate_limit.h"

struct ax_request;
struct ax_route;
struct ax_worker;
struct ax_response_head;
struct ax_buf;

/* ---- the spec: everything BORROWED */
enum ax_login_kind { AX_LOGIN_BASIC, AX_LOGIN_BEARER, AX_LOGIN_HS256, AX_LOGIN_RS256 };
struct ax_login_spec {
    enum ax_login_kind kind;
    struct ax_str name;
    struct ax_str file;   /* absolute: htpasswd, token, secret or key; empty = `secret` has it */
    struct ax_str secret; /* token, secret or key */
    struct ax_str audience, issuer, scope; /* see http/jwt.h */
    int64_t leeway_us;
};
struct ax_rate_spec {
    int64_t n, unit_us, burst;
};
struct ax_compress_rule {
    int64_t min;         /* bytes */
    struct ax_str types; /* a line each; empty = the server's own */
};
struct ax_page_spec {
    struct ax_str status; /* "404", "5xx" */
    struct ax_str file;   /* absolute */
};
/* What a route uses: positions in the lists of the spec, from 1; 0 = none. */
struct ax_policy_use {
    uint16_t login, cors, rate, compress;
};
struct ax_rule_spec { /* the longest prefix first; "" = all paths; without a slash at the end */
    struct ax_str prefix;
    struct ax_str headers; /* lines */
    struct ax_policy_use use;
};
struct ax_policy_spec {
    const struct ax_login_spec *logins;
    unsigned nlogins;
    const struct ax_cors_rule *cors;
    unsigned ncors;
    const struct ax_rate_spec *rates;
    unsigned nrates;
    const struct ax_compress_rule *compress;
    unsigned ncompress;
    const struct ax_page_spec *pages;
    unsigned npages;
    const struct ax_rule_spec *rules; /* for requests that no route answers */
    unsigned nrules;
};

/* ---- made of it */
struct ax_login;
struct ax_policy { /* NULL = none; one of them is there */
    const struct ax_login *login;
    const struct ax_cors_rule *cors;
    const struct ax_rate *rate;
    const struct ax_compress_rule *compress;
};
struct ax_page {
    struct ax_str body, headers; /* headers: its Content-Type line */
    bool html;                   /* only for who accepts it */
};
struct ax_policies;
/* Reads the files.  `clients`: for how many at once there is a bucket each.  *ret_bad: where in `logins` the
 * mistake is, or -1. */
int ax_policies_new(const struct ax_policy_spec *spec, uint64_t clients, struct ax_policies **ret,
                    int *ret_bad, struct ax_err *reterr);
void ax_policies_free(struct ax_policies *p); /* NULL is fine */
/* BORROWED from p; *ret NULL when `use` is empty.  -AX_E_RANGE: it names what is not there. */
int ax_policies_of(struct ax_policies *p, struct ax_policy_use use, const struct ax_policy **ret,
                   struct ax_err *reterr);
/* The page for the server's own answer; NULL = none. */
const struct ax_page *ax_policies_page(const struct ax_policies *p, unsigned status);
/* Stands for a route where none answers: the longest rule of that path; NULL = none. */
const struct ax_route *ax_policies_rule(const struct ax_policies *p, struct ax_str path);
struct ax_rate_table *ax_policies_rates(const struct ax_policies *p);
const struct ax_compressor *ax_policies_compressor(const struct ax_policies *p);

/* ---- requests */
enum ax_policy_verdict { AX_POLICY_PASS, AX_POLICY_ANSWERED, AX_POLICY_HELD };
/* r's route has a policy.  HELD: ax_intake_resume goes on with it later. */
enum ax_policy_verdict ax_policy_admit(struct ax_request *r);
/* OPTIONS for a path that has no handler for it: true when it was a preflight, and was answered. */
bool ax_policy_preflight(struct ax_request *r, struct ax_str path);
/* No route answers r: the rule of its path counts from now on (r->site_route).  False: it was answered 429.
 */
bool ax_policy_unmatched(struct ax_request *r, struct ax_str path);
/* r's route has a policy: its lines into h->headers2. */
void ax_policy_lines(struct ax_request *r, struct ax_response_head *h);
/* Who logged in, as JSON: {"name","scheme","user"|"claims"}; false: nobody had to. */
bool ax_policy_identity(struct ax_request *r, struct ax_buf *out);

/* ---- login.c */
enum ax_login_verdict {
    AX_LOGIN_OK,
    AX_LOGIN_NONE,
    AX_LOGIN_WRONG,
    AX_LOGIN_FORBIDDEN,
    AX_LOGIN_SLOW,
    AX_LOGIN_BUSY
};
int ax_login_new(const struct ax_login_spec *spec, struct ax_policies *p, struct ax_login **ret,
                 struct ax_err *reterr);
void ax_login_free(struct ax_login *l, const struct ax_policies *p);
/* *ret_why: a static text for WRONG and FORBIDDEN.  SLOW: a thread looks at it, and the request is told. */
enum ax_login_verdict ax_login_check(const struct ax_login *l, struct ax_request *r, const char **ret_why);
/* The WWW-Authenticate line of a refusal. */
void ax_login_challenge(const struct ax_login *l, enum ax_login_verdict v, const char *why,
                        struct ax_buf *out);
void ax_login_identity(const struct ax_login *l, struct ax_request *r, struct ax_buf *out);
struct ax_crypto *ax_policies_crypto(const struct ax_policies *p);
struct ax_crypt *ax_policies_crypt(const struct ax_policies *p);
/* Worker: what it remembers of logins. */
void ax_login_forget(struct ax_worker *w);
void ax_policy_refused(struct ax_request *r); /* its password was wrong */

#endif
