/* Plan.policies of addon/plan.d.ts, read into the core's spec; all of it in the arena. */
#include <string.h>

#include "base/alloc.h"
#include "bridge.h"
#include "options.h"

enum { LIST_MAX = 4096 };

static bool flag(struct ax_reader *o, const char *name)
{
    napi_value v = ax_read(o, name, napi_boolean, false);
    bool ret = false;

    if (v && napi_get_value_bool(o->env, v, &ret) != napi_ok)
        ax_read_bad(o, name, "true or false");
    return ret;
}

static struct ax_policy_use read_use(struct ax_reader *o)
{
    return (struct ax_policy_use){.login = (uint16_t)ax_read_int_or(o, "login", 0, 0, LIST_MAX),
                                  .cors = (uint16_t)ax_read_int_or(o, "cors", 0, 0, LIST_MAX),
                                  .rate = (uint16_t)ax_read_int_or(o, "rate", 0, 0, UINT16_MAX),
                                  .compress = (uint16_t)ax_read_int_or(o, "compress", 0, 0, UINT16_MAX)};
}

struct ax_policy_use ax_read_policy_use(struct ax_reader *o)
{
    napi_value v = ax_read(o, "policy", napi_object, true);

    if (!v)
        return (struct ax_policy_use){0};
    struct ax_reader p = ax_reader_over(o->env, v, "policy", -1);
    struct ax_policy_use use = read_use(&p);
    o->failed = o->failed || p.failed;
    return use;
}

/* ---- one of each list */

static void read_login(struct ax_reader *o, struct ax_arena *a, void *to)
{
    static const char *const kinds[] = {"basic", "bearer", "hs256", "rs256"}; /* enum ax_login_kind */

    *(struct ax_login_spec *)to =
        (struct ax_login_spec){.kind = (enum ax_login_kind)ax_read_choice(o, "kind", kinds, AX_COUNT(kinds)),
                               .name = ax_read_str(o, "name", false, a),
                               .file = ax_read_str(o, "file", false, a),
                               .secret = ax_read_str(o, "secret", false, a),
                               .audience = ax_read_str(o, "audience", false, a),
                               .issuer = ax_read_str(o, "issuer", false, a),
                               .scope = ax_read_str(o, "scope", false, a),
                               .leeway_us = ax_read_int(o, "leeway_us", 0, INT64_C(1) << 53)};
}

static void read_cors(struct ax_reader *o, struct ax_arena *a, void *to)
{
    *(struct ax_cors_rule *)to =
        (struct ax_cors_rule){.origins = ax_read_str(o, "origins", false, a),
                              .methods = ax_read_str(o, "methods", false, a),
                              .headers = ax_read_str(o, "headers", false, a),
                              .expose = ax_read_str(o, "expose", false, a),
                              .credentials = flag(o, "credentials"),
                              .max_age_s = ax_read_int(o, "max_age_s", 0, INT32_MAX)};
}

static void read_rate(struct ax_reader *o, struct ax_arena *a, void *to)
{
    (void)a;
    *(struct ax_rate_spec *)to =
        (struct ax_rate_spec){.n = ax_read_int(o, "n", 1, INT32_MAX),
                              .unit_us = ax_read_int(o, "unit_us", 1, INT64_C(1) << 53),
                              .burst = ax_read_int(o, "burst", 1, INT32_MAX)};
}

static void read_compress(struct ax_reader *o, struct ax_arena *a, void *to)
{
    *(struct ax_compress_rule *)to = (struct ax_compress_rule){
        .min = ax_read_int(o, "min", 0, INT64_C(1) << 53), .types = ax_read_str(o, "types", false, a)};
}

static void read_page(struct ax_reader *o, struct ax_arena *a, void *to)
{
    *(struct ax_page_spec *)to = (struct ax_page_spec){.status = ax_read_str(o, "status", false, a),
                                                       .file = ax_read_str(o, "file", false, a)};
}

static void read_rule(struct ax_reader *o, struct ax_arena *a, void *to)
{
    *(struct ax_rule_spec *)to = (struct ax_rule_spec){.prefix = ax_read_str(o, "prefix", false, a),
                                                       .headers = ax_read_str(o, "headers", false, a),
                                                       .use = ax_read_policy_use(o)};
}

/* ---- lists */

static void *read_list(struct ax_reader *o, const char *name, size_t bytes, struct ax_arena *a,
                       void (*read)(struct ax_reader *o, struct ax_arena *a, void *to), unsigned *ret_n)
{
    napi_value list = ax_read(o, name, napi_object, false), v;
    uint32_t n = 0;

    if (!list)
        return NULL;
    bool ok = napi_get_array_length(o->env, list, &n) == napi_ok && n < UINT16_MAX;
    char *all = ok ? ax_arena_alloc(a, (n + 1) * bytes) : NULL;
    if (!all) {
        ax_read_bad(o, name, "a list, not too long");
        return NULL;
    }
    memset(all, 0, (n + 1) * bytes);
    for (uint32_t i = 0; i < n && !o->failed; i++) {
        if (napi_get_element(o->env, list, i, &v) != napi_ok)
            v = NULL;
        struct ax_reader one = ax_reader_over(o->env, v, name, (int)i);
        read(&one, a, all + i * bytes);
        o->failed = one.failed;
    }
    *ret_n = n;
    return all;
}

const struct ax_policy_spec *ax_read_policies(struct ax_reader *o, struct ax_arena *a)
{
    napi_value v = ax_read(o, "policies", napi_object, true);
    struct ax_policy_spec *s = v ? ax_arena_alloc(a, sizeof *s) : NULL;

    if (!s)
        return NULL;
    struct ax_reader p = ax_reader_over(o->env, v, "policies", -1);
    *s = (struct ax_policy_spec){.logins = NULL};
#define LIST(name, key, read) read_list(&p, key, sizeof *s->name, a, read, &s->n##name)
    s->logins = LIST(logins, "logins", read_login);
    s->cors = LIST(cors, "cors", read_cors);
    s->rates = LIST(rates, "rates", read_rate);
    s->compress = LIST(compress, "compress", read_compress);
    s->pages = LIST(pages, "pages", read_page);
    s->rules = LIST(rules, "rules", read_rule);
#undef LIST
    o->failed = o->failed || p.failed;
    return s;
}

/* ---- req.auth */

napi_value ax_on_identity(struct ax_call *c)
{
    struct ax_buf b = AX_BUF_INIT(1 << 20);
    napi_value ret = NULL;

    if (!c->r)
        return NULL;
    bool any = ax_policy_identity(c->r, &b) && !b.failed;
    if ((any ? napi_create_string_utf8(c->b->env, b.p, b.n, &ret) : napi_get_null(c->b->env, &ret)) !=
        napi_ok)
        ret = NULL;
    ax_buf_fini(&b);
    return ret;
}
