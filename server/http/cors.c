#include "http/cors.h"

#include "http/encoding.h"

static const char simple_methods[] = "GET, HEAD, POST";

static bool is_all(struct ax_str s)
{
    return ax_str_eq(s, AX_STR("*"));
}

/* Origins compare byte by byte: both are serialized, in lower case (RFC 6454, 6.2). */
static bool allows(const struct ax_cors_rule *c, struct ax_str origin)
{
    struct ax_str rest = c->origins;

    if (origin.n == 0)
        return false;
    if (is_all(rest))
        return true;
    while (rest.n) {
        const char *nl = memchr(rest.p, '\n', rest.n);
        size_t n = nl ? (size_t)(nl - rest.p) : rest.n;
        if (ax_str_eq((struct ax_str){rest.p, n}, origin))
            return true;
        n += nl != NULL;
        rest = (struct ax_str){rest.p + n, rest.n - n};
    }
    return false;
}

static void add_line(struct ax_buf *out, const char *name, struct ax_str value)
{
    ax_buf_adds(out, name);
    ax_buf_add(out, value.p, value.n);
    ax_buf_adds(out, "\r\n");
}

/* False: this origin gets nothing more. */
static bool add_origin(const struct ax_cors_rule *c, struct ax_str origin, struct ax_buf *out)
{
    bool fixed = is_all(c->origins) && !c->credentials;

    if (!fixed)
        ax_buf_adds(out, "Vary: Origin\r\n");
    if (!allows(c, origin))
        return false;
    add_line(out, "Access-Control-Allow-Origin: ", fixed ? AX_STR("*") : origin);
    if (c->credentials)
        ax_buf_adds(out, "Access-Control-Allow-Credentials: true\r\n");
    return true;
}

void ax_cors_answer(const struct ax_cors_rule *c, struct ax_str origin, struct ax_buf *out)
{
    if (add_origin(c, origin, out) && c->expose.n)
        add_line(out, "Access-Control-Expose-Headers: ", c->expose);
}

/* Methods are case-sensitive, names of fields are not. */
static bool method_ok(const struct ax_cors_rule *c, struct ax_str method)
{
    struct ax_str list =
        c->methods.n ? c->methods : (struct ax_str){simple_methods, sizeof simple_methods - 1};

    while (list.n && !is_all(list)) {
        const char *comma = memchr(list.p, ',', list.n);
        size_t n = comma ? (size_t)(comma - list.p) : list.n;
        if (ax_str_eq(ax_str_trim((struct ax_str){list.p, n}), method))
            return true;
        n += comma != NULL;
        list = (struct ax_str){list.p + n, list.n - n};
    }
    return is_all(list);
}

static bool headers_ok(const struct ax_cors_rule *c, struct ax_str asked)
{
    static const struct ax_str simple = {"accept, accept-language, content-language, content-type", 55};

    while (asked.n && !is_all(c->headers)) {
        const char *comma = memchr(asked.p, ',', asked.n);
        size_t n = comma ? (size_t)(comma - asked.p) : asked.n;
        struct ax_str one = ax_str_trim((struct ax_str){asked.p, n});
        bool known = one.n == 0 || ax_list_has(c->headers, one);
        if (!known && !ax_list_has(simple, one))
            return false;
        n += comma != NULL;
        asked = (struct ax_str){asked.p + n, asked.n - n};
    }
    return true;
}

void ax_cors_preflight(const struct ax_cors_rule *c, struct ax_str origin, struct ax_str method,
                       struct ax_str headers, struct ax_buf *out)
{
    if (!allows(c, origin) || !method_ok(c, method) || !headers_ok(c, headers)) {
        ax_buf_adds(out, "Vary: Origin\r\n");
        return;
    }
    add_origin(c, origin, out);
    add_line(out, "Access-Control-Allow-Methods: ", c->methods.n ? c->methods : ax_str(simple_methods));
    if (c->headers.n)
        add_line(out, "Access-Control-Allow-Headers: ", c->headers);
    if (c->max_age_s > 0)
        ax_buf_addf(out, "Access-Control-Max-Age: %lld\r\n", (long long)c->max_age_s);
}
