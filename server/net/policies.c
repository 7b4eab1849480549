/* What the policies of a site are made of: files read, lists copied, libraries opened. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/assert.h"
#include "http/crypto.h"
#include "http/password.h"
#include "net/compress.h"
#include "net/policy.h"
#include "net/policy_file.h"
#include "net/site.h"

enum { PAGE_MAX = 1 << 20, CLASS_OF_5XX = 500, CLASS_OF_4XX = 400 };

struct page {
    unsigned low, high; /* statuses it is for */
    struct ax_page page;
};

struct rule {
    struct ax_str prefix;
    struct ax_route route; /* answers nothing itself */
};

struct policy { /* made for each use that is asked for */
    struct policy *next;
    struct ax_policy_use use;
    struct ax_policy policy;
};

struct ax_policies {
    struct ax_login **logins;
    struct ax_cors_rule *cors;
    struct ax_rate *rates;
    struct ax_compress_rule *compress;
    struct page *pages;
    struct rule *rules;
    struct policy *made;
    unsigned nlogins, ncors, nrates, ncompress, npages, nrules;
    struct ax_rate_table *buckets;    /* OWNED; NULL without rates */
    struct ax_crypto *crypto;         /* OWNED; NULL without logins */
    struct ax_crypt *crypt;           /* OWNED; NULL without passwords */
    struct ax_compressor *compressor; /* OWNED; NULL without compress */
    struct ax_arena arena;
};

static void *zeroed(struct ax_policies *p, size_t n, size_t bytes)
{
    void *v = ax_arena_alloc(&p->arena, n * bytes + 1);

    return v ? memset(v, 0, n * bytes + 1) : NULL;
}

static bool copy(struct ax_policies *p, struct ax_str *s)
{
    s->p = s->n ? ax_arena_dup(&p->arena, *s) : "";
    return s->p != NULL;
}

static int no_memory(struct ax_err *reterr)
{
    return ax_fail(reterr, AX_E_NOMEM, "no memory for the policies");
}

int ax_policy_read_file(struct ax_str path, size_t max, struct ax_buf *out, struct ax_err *reterr)
{
    char *name = ax_strndup(path.p, path.n);
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1, os = errno;
    ssize_t n = -1;

    ax_free(name);
    if (!name)
        return no_memory(reterr);
    if (fd < 0)
        return ax_fail_os(reterr, os, "cannot read %.*s", (int)path.n, path.p);
    do {
        char *room = ax_buf_reserve(out, 4096);
        n = room ? read(fd, room, 4096) : 0;
        out->n += n > 0 ? (size_t)n : 0;
    } while ((n > 0 && out->n <= max) || (n < 0 && errno == EINTR));
    os = errno;
    close(fd);
    if (n < 0)
        return ax_fail_os(reterr, os, "cannot read %.*s", (int)path.n, path.p);
    if (out->n > max)
        return ax_fail(reterr, AX_E_LIMIT, "%.*s is larger than %zu bytes", (int)path.n, path.p, max);
    return out->failed ? no_memory(reterr) : 0;
}

/* ---- the parts */

static int make_logins(struct ax_policies *p, const struct ax_policy_spec *s, int *ret_bad,
                       struct ax_err *reterr)
{
    bool passwords = false;
    int rc = 0;

    for (unsigned i = 0; i < s->nlogins; i++)
        passwords = passwords || s->logins[i].kind == AX_LOGIN_BASIC;
    if (s->nlogins)
        rc = ax_crypto_new(&p->crypto, reterr);
    if (rc == 0 && passwords)
        rc = ax_crypt_new(&p->crypt, reterr);
    for (unsigned i = 0; rc == 0 && i < s->nlogins; i++) {
        rc = ax_login_new(&s->logins[i], p, &p->logins[i], reterr);
        if (rc < 0)
            *ret_bad = (int)i;
        else
            p->nlogins++;
    }
    return rc;
}

static int make_lists(struct ax_policies *p, const struct ax_policy_spec *s, uint64_t clients,
                      struct ax_err *reterr)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < s->ncors; i++) {
        p->cors[i] = s->cors[i];
        ok = copy(p, &p->cors[i].origins) && copy(p, &p->cors[i].methods) && copy(p, &p->cors[i].headers) &&
             copy(p, &p->cors[i].expose);
    }
    for (unsigned i = 0; ok && i < s->nrates; i++)
        p->rates[i] = ax_rate_of(i + 1, s->rates[i].n, s->rates[i].unit_us, s->rates[i].burst);
    for (unsigned i = 0; ok && i < s->ncompress; i++) {
        p->compress[i] = s->compress[i];
        ok = copy(p, &p->compress[i].types);
    }
    if (ok && s->nrates) {
        p->buckets = ax_rate_table_new(clients);
        ok = p->buckets != NULL;
    }
    p->ncors = s->ncors;
    p->nrates = s->nrates;
    p->ncompress = s->ncompress;
    if (!ok)
        return no_memory(reterr);
    return s->ncompress ? ax_compressor_new(&p->compressor, reterr) : 0;
}

static const struct {
    const char *end, *line;
} types[] = {
    {".html", "Content-Type: text/html; charset=utf-8\r\n"},
    {".htm", "Content-Type: text/html; charset=utf-8\r\n"},
    {".json", "Content-Type: application/json; charset=utf-8\r\n"},
    {".xml", "Content-Type: application/xml; charset=utf-8\r\n"},
    {"", "Content-Type: text/plain; charset=utf-8\r\n"},
};

static void set_type(struct ax_page *page, struct ax_str file)
{
    size_t i = 0;

    for (; types[i].end[0]; i++) {
        struct ax_str end = ax_str(types[i].end);
        if (file.n >= end.n && ax_str_eq_nocase((struct ax_str){file.p + file.n - end.n, end.n}, end))
            break;
    }
    page->headers = ax_str(types[i].line);
    page->html = i < 2;
}

static int make_page(struct ax_policies *p, const struct ax_page_spec *s, struct page *to,
                     struct ax_err *reterr)
{
    struct ax_buf text = AX_BUF_INIT(PAGE_MAX + 8192);
    uint64_t status = 0;

    if (!ax_str_u64(s->status, &status)) {
        to->low = s->status.p[0] == '5' ? CLASS_OF_5XX : CLASS_OF_4XX;
        to->high = to->low + 99;
    } else {
        to->low = to->high = (unsigned)status;
    }
    int rc = ax_policy_read_file(s->file, PAGE_MAX, &text, reterr);
    to->page.body = ax_buf_str(&text);
    if (rc == 0 && !copy(p, &to->page.body))
        rc = no_memory(reterr);
    set_type(&to->page, s->file);
    ax_buf_fini(&text);
    return rc;
}

static int make_rule(struct ax_policies *p, const struct ax_rule_spec *s, struct rule *to,
                     struct ax_err *reterr)
{
    to->prefix = s->prefix;
    to->route = (struct ax_route){.kind = AX_SITE_FIXED, .headers = s->headers};
    if (!copy(p, &to->prefix) || !copy(p, &to->route.headers))
        return no_memory(reterr);
    to->route.pattern = to->route.name = AX_STR("");
    return ax_policies_of(p, s->use, &to->route.policy, reterr);
}

static int make(struct ax_policies *p, const struct ax_policy_spec *s, uint64_t clients, int *ret_bad,
                struct ax_err *reterr)
{
    p->logins = zeroed(p, s->nlogins, sizeof *p->logins);
    p->cors = zeroed(p, s->ncors, sizeof *p->cors);
    p->rates = zeroed(p, s->nrates, sizeof *p->rates);
    p->compress = zeroed(p, s->ncompress, sizeof *p->compress);
    p->pages = zeroed(p, s->npages, sizeof *p->pages);
    p->rules = zeroed(p, s->nrules, sizeof *p->rules);
    if (p->arena.failed)
        return no_memory(reterr);
    int rc = make_logins(p, s, ret_bad, reterr);
    if (rc == 0)
        rc = make_lists(p, s, clients, reterr);
    for (unsigned i = 0; rc == 0 && i < s->npages; i++, p->npages++)
        rc = make_page(p, &s->pages[i], &p->pages[i], reterr);
    for (unsigned i = 0; rc == 0 && i < s->nrules; i++, p->nrules++)
        rc = make_rule(p, &s->rules[i], &p->rules[i], reterr);
    return rc;
}

int ax_policies_new(const struct ax_policy_spec *spec, uint64_t clients, struct ax_policies **ret,
                    int *ret_bad, struct ax_err *reterr)
{
    struct ax_policies *p = ax_calloc(1, sizeof *p);

    *ret_bad = -1;
    if (!p)
        return no_memory(reterr);
    ax_arena_init(&p->arena, NULL, 0, SIZE_MAX);
    int rc = make(p, spec, clients, ret_bad, reterr);
    if (rc < 0)
        ax_policies_free(p);
    else
        *ret = p;
    return rc;
}

void ax_policies_free(struct ax_policies *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->nlogins; i++)
        ax_login_free(p->logins[i], p);
    ax_rate_table_free(p->buckets);
    ax_compressor_free(p->compressor);
    ax_crypt_free(p->crypt);
    ax_crypto_free(p->crypto);
    ax_arena_reset(&p->arena);
    ax_free(p);
}

/* ---- asked for */

static bool same_use(struct ax_policy_use a, struct ax_policy_use b)
{
    return a.login == b.login && a.cors == b.cors && a.rate == b.rate && a.compress == b.compress;
}

int ax_policies_of(struct ax_policies *p, struct ax_policy_use use, const struct ax_policy **ret,
                   struct ax_err *reterr)
{
    *ret = NULL;
    if (!use.login && !use.cors && !use.rate && !use.compress)
        return 0;
    if (!p || use.login > p->nlogins || use.cors > p->ncors || use.rate > p->nrates ||
        use.compress > p->ncompress)
        return ax_fail(reterr, AX_E_RANGE, "a policy that is not there");
    struct policy *m = p->made;
    while (m && !same_use(m->use, use))
        m = m->next;
    if (!m) {
        m = zeroed(p, 1, sizeof *m);
        if (!m)
            return no_memory(reterr);
        m->use = use;
        m->policy.login = use.login ? p->logins[use.login - 1] : NULL;
        m->policy.cors = use.cors ? &p->cors[use.cors - 1] : NULL;
        m->policy.rate = use.rate ? &p->rates[use.rate - 1] : NULL;
        m->policy.compress = use.compress ? &p->compress[use.compress - 1] : NULL;
        m->next = p->made;
        p->made = m;
    }
    *ret = &m->policy;
    return 0;
}

/* The page of the status itself before the page of its class. */
const struct ax_page *ax_policies_page(const struct ax_policies *p, unsigned status)
{
    const struct page *best = NULL;

    for (unsigned i = 0; p && i < p->npages; i++) {
        const struct page *k = &p->pages[i];
        if (status >= k->low && status <= k->high && (!best || k->low == k->high))
            best = k;
    }
    return best ? &best->page : NULL;
}

const struct ax_route *ax_policies_rule(const struct ax_policies *p, struct ax_str path)
{
    for (unsigned i = 0; p && i < p->nrules; i++) {
        struct ax_str prefix = p->rules[i].prefix;
        if (ax_str_has_prefix(path, prefix) && (path.n == prefix.n || path.p[prefix.n] == '/'))
            return &p->rules[i].route;
    }
    return NULL;
}

struct ax_rate_table *ax_policies_rates(const struct ax_policies *p)
{
    return p->buckets;
}

const struct ax_compressor *ax_policies_compressor(const struct ax_policies *p)
{
    return p->compressor;
}

struct ax_crypto *ax_policies_crypto(const struct ax_policies *p)
{
    return p->crypto;
}

struct ax_crypt *ax_policies_crypt(const struct ax_policies *p)
{
    return p->crypt;
}
