#include "http/target.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/assert.h"
#include "http/chars.h"

static bool ipv6_ok(struct ax_str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr ignored;

    if (s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET6, text, &ignored) == 1;
}

/* "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ) */
static bool ip_future_ok(struct ax_str s)
{
    size_t i = 1;

    while (i < s.n && ax_hex(s.p[i]) >= 0)
        i++;
    if (i == 1 || i + 1 >= s.n || s.p[i] != '.')
        return false;
    for (i++; i < s.n; i++)
        if (!ax_is_host(s.p[i]) && s.p[i] != ':')
            return false;
    return true;
}

/* Bytes of the host at the start of s, or -1 when it is malformed. */
static ptrdiff_t host_length(struct ax_str s)
{
    if (s.n && s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.n);
        if (!close)
            return -1;
        struct ax_str in = {s.p + 1, (size_t)(close - s.p - 1)};
        bool ok = in.n && ax_lower(in.p[0]) == 'v' ? ip_future_ok(in) : ipv6_ok(in);
        return ok ? close + 1 - s.p : -1;
    }
    size_t i = 0;
    for (;;) {
        while (i < s.n && ax_is_host(s.p[i]))
            i++;
        if (i == s.n || s.p[i] == ':')
            return (ptrdiff_t)i;
        if (s.p[i] != '%' || s.n - i < 3 || ax_hex(s.p[i + 1]) < 0 || ax_hex(s.p[i + 2]) < 0)
            return -1;
        i += 3;
    }
}

bool ax_authority_ok(struct ax_str s)
{
    ptrdiff_t host = host_length(s);

    if (host < 0)
        return false;
    size_t i = (size_t)host;
    if (i < s.n && s.p[i++] != ':')
        return false;
    for (; i < s.n; i++)
        if ((unsigned char)(s.p[i] - '0') > 9)
            return false;
    return true;
}

/* Path and query of the target from byte `from` on; `mark` is not before it. */
static void split(struct ax_head *h, size_t from, const char *mark)
{
    size_t end = (size_t)h->target.off + h->target.n;
    size_t path_end = mark ? (size_t)(mark - h->base) : end;

    from += h->target.off;
    h->path = (struct ax_span){(uint16_t)from, (uint16_t)(path_end - from)};
    h->has_query = mark != NULL;
    path_end += h->has_query;
    h->query = (struct ax_span){(uint16_t)path_end, (uint16_t)(end - path_end)};
}

static size_t scheme_length(struct ax_str t)
{
    if (t.n >= 7 && ax_str_eq_nocase((struct ax_str){t.p, 7}, AX_STR("http://")))
        return 7;
    if (t.n >= 8 && ax_str_eq_nocase((struct ax_str){t.p, 8}, AX_STR("https://")))
        return 8;
    return 0;
}

static const char *absolute_form(struct ax_head *h, struct ax_str t, const char *mark)
{
    size_t start = scheme_length(t);
    size_t end = start;

    if (!start)
        return "request target is neither a path nor an http URI";
    while (end < t.n && t.p[end] != '/' && t.p[end] != '?')
        end++;
    struct ax_str authority = {t.p + start, end - start};
    if (authority.n == 0 || authority.p[0] == ':' || !ax_authority_ok(authority))
        return "malformed authority in the request target";
    h->host = (struct ax_span){(uint16_t)(h->target.off + start), (uint16_t)authority.n};
    split(h, end, mark);
    if (h->path.n)
        return NULL;
    /* No path: `*` for OPTIONS without a query (RFC 9112, 3.2.4), else "/" (RFC 9110, 4.2.3), for which the
     * scheme's last slash stands in. */
    h->asterisk = !h->has_query && h->method == AX_OPTIONS;
    h->path = (struct ax_span){(uint16_t)(h->target.off + start - 1), 1};
    return NULL;
}

static const char *authority_form(struct ax_head *h, struct ax_str t)
{
    const char *colon = memrchr(t.p, ':', t.n);

    if (!colon || colon == t.p || colon + 1 == t.p + t.n || !ax_authority_ok(t))
        return "CONNECT wants host and port";
    h->host = h->target;
    h->path = h->query = (struct ax_span){h->target.off, 0};
    return NULL;
}

const char *ax_target_parse(struct ax_head *h, const char *mark)
{
    struct ax_str t = ax_head_str(h, h->target);

    if (AX_UNLIKELY(h->method == AX_OTHER_METHOD) &&
        ax_str_eq(ax_head_str(h, h->method_name), AX_STR("CONNECT")))
        return authority_form(h, t);
    if (AX_LIKELY(t.p[0] == '/')) {
        split(h, 0, mark);
        return NULL;
    }
    if (t.n == 1 && t.p[0] == '*') {
        split(h, 0, NULL);
        h->asterisk = true;
        return h->method == AX_OPTIONS ? NULL : "only OPTIONS may ask for *";
    }
    return absolute_form(h, t, mark);
}
