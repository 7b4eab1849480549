#include "http/forwarded.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "http/chars.h"
#include "http/target.h"

enum { IP4_BITS = 32, IP6_BITS = 128, IP4_AT = 12 };

static const unsigned char mapped[IP4_AT] = {[10] = 0xff, [11] = 0xff};

/* ---- addresses */

struct ax_addr ax_addr_ip4(const void *bytes)
{
    struct ax_addr a = {.kind = AX_ADDR_IP};

    memcpy(a.ip, mapped, IP4_AT);
    memcpy(a.ip + IP4_AT, bytes, 4);
    return a;
}

struct ax_addr ax_addr_ip6(const void *bytes)
{
    struct ax_addr a = {.kind = AX_ADDR_IP};

    memcpy(a.ip, bytes, sizeof a.ip);
    return a;
}

static bool is_ip4(const struct ax_addr *a)
{
    return memcmp(a->ip, mapped, IP4_AT) == 0;
}

void ax_addr_text(const struct ax_addr *a, char out[AX_ADDR_TEXT])
{
    _Static_assert(AX_ADDR_TEXT >= INET6_ADDRSTRLEN, "every address has room");

    out[0] = '\0';
    if (a->kind == AX_ADDR_UNIX)
        memcpy(out, "unix", sizeof "unix");
    else if (a->kind == AX_ADDR_IP && is_ip4(a))
        inet_ntop(AF_INET, a->ip + IP4_AT, out, AX_ADDR_TEXT);
    else if (a->kind == AX_ADDR_IP)
        inet_ntop(AF_INET6, a->ip, out, AX_ADDR_TEXT);
}

/* Without port or brackets; *ret_bits is how many bits a prefix of it may have. */
static bool parse_ip(struct ax_str s, struct ax_addr *ret, unsigned *ret_bits)
{
    char text[AX_ADDR_TEXT];
    unsigned char ip[16];

    if (s.n == 0 || s.n >= sizeof text || memchr(s.p, '\0', s.n))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET, text, ip) == 1) {
        *ret = ax_addr_ip4(ip);
        *ret_bits = IP4_BITS;
        return true;
    }
    if (inet_pton(AF_INET6, text, ip) != 1)
        return false;
    *ret = ax_addr_ip6(ip);
    *ret_bits = IP6_BITS;
    return true;
}

/* RFC 7239, 6: a port is digits, or obfuscated. */
static bool port_ok(struct ax_str s)
{
    size_t i = 1;

    if (s.n < 2 || s.p[0] != ':')
        return false;
    for (; i < s.n && s.p[1] != '_'; i++)
        if ((unsigned char)(s.p[i] - '0') > 9)
            return false;
    return i == s.n ? s.n <= 6 : s.n > 2;
}

bool ax_addr_parse(struct ax_str s, struct ax_addr *ret)
{
    unsigned bits;

    if (s.n && s.p[0] == '[') {
        const char *close = memchr(s.p, ']', s.n);
        if (!close)
            return false;
        struct ax_str in = {s.p + 1, (size_t)(close - s.p - 1)}, port = {close + 1, s.n - in.n - 2};
        return (port.n == 0 || port_ok(port)) && parse_ip(in, ret, &bits) && bits == IP6_BITS;
    }
    const char *colon = s.n ? memchr(s.p, ':', s.n) : NULL;
    const char *dot = s.n ? memchr(s.p, '.', s.n) : NULL;
    if (colon && dot && dot < colon) {
        struct ax_str in = {s.p, (size_t)(colon - s.p)};
        return port_ok((struct ax_str){colon, s.n - in.n}) && parse_ip(in, ret, &bits);
    }
    return parse_ip(s, ret, &bits);
}

/* ---- who is trusted */

struct ax_proxy {
    unsigned char ip[16];
    unsigned bits; /* of the 16 bytes */
};

static int bad_proxy(struct ax_str text, struct ax_err *reterr)
{
    return ax_fail(reterr, AX_E_TYPE, "\"%.*s\" is no address, CIDR block or unix",
                   (int)(text.n < 60 ? text.n : 60), text.p ? text.p : "");
}

int ax_proxies_add(struct ax_proxies *p, struct ax_str text, struct ax_err *reterr)
{
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    struct ax_str in = {text.p, slash ? (size_t)(slash - text.p) : text.n};
    struct ax_proxy one = {0};
    struct ax_addr a;
    unsigned bits;

    if (ax_str_eq(text, AX_STR("unix"))) {
        p->unix_too = true;
        return 0;
    }
    if (!parse_ip(in, &a, &bits))
        return bad_proxy(text, reterr);
    uint64_t prefix = bits;
    if (slash && (!ax_str_u64((struct ax_str){slash + 1, text.n - in.n - 1}, &prefix) || prefix > bits))
        return bad_proxy(text, reterr);
    memcpy(one.ip, a.ip, sizeof one.ip);
    one.bits = (unsigned)prefix + (IP6_BITS - bits);
    struct ax_proxy *v = ax_realloc(p->v, (p->n + 1) * sizeof *v);
    if (!v)
        return ax_fail(reterr, AX_E_NOMEM, "no memory for the trusted proxies");
    p->v = v;
    v[p->n++] = one;
    return 0;
}

void ax_proxies_fini(struct ax_proxies *p)
{
    ax_free(p->v);
    *p = (struct ax_proxies){0};
}

static bool inside(const struct ax_proxy *p, const unsigned char ip[16])
{
    unsigned whole = p->bits / 8, rest = p->bits % 8;

    if (memcmp(p->ip, ip, whole) != 0)
        return false;
    return rest == 0 || ((p->ip[whole] ^ ip[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

bool ax_proxies_trust(const struct ax_proxies *p, const struct ax_addr *a)
{
    if (a->kind != AX_ADDR_IP)
        return a->kind == AX_ADDR_UNIX && p->unix_too;
    for (unsigned i = 0; i < p->n; i++)
        if (inside(&p->v[i], a->ip))
            return true;
    return false;
}

/* ---- lists, last element first: also across several lines of one name (RFC 9110, 5.3) */

struct backward {
    const struct ax_head *h;
    struct ax_str name, rest;
    unsigned field; /* lines before this one are still to be looked at */
    bool quotes;    /* commas inside of quoted strings do not divide */
};

static struct backward backward(const struct ax_head *h, struct ax_str name, bool quotes)
{
    return (struct backward){.h = h, .name = name, .field = h->nfields, .quotes = quotes};
}

static bool line_before(struct backward *b)
{
    while (b->field > 0) {
        const struct ax_field *f = &b->h->fields[--b->field];
        if (ax_str_eq_nocase(ax_head_str(b->h, f->name), b->name)) {
            b->rest = ax_head_str(b->h, f->value);
            return true;
        }
    }
    return false;
}

static bool escaped(struct ax_str s, size_t i)
{
    size_t slashes = 0;

    while (slashes < i && s.p[i - 1 - slashes] == '\\')
        slashes++;
    return slashes % 2 == 1;
}

/* Where the last element of s begins.  Seen from the end, a quotation mark that was left open by a client is
 * on its own side of the comma. */
static size_t last_element(struct ax_str s, bool quotes)
{
    bool quoted = false;
    size_t i = s.n;

    for (; i > 0; i--) {
        if (s.p[i - 1] == ',' && !quoted)
            break;
        if (quotes && s.p[i - 1] == '"' && !escaped(s, i - 1))
            quoted = !quoted;
    }
    return i;
}

/* The element before; empty ones are none (RFC 9110, 5.6.1.2). */
static bool element_before(struct backward *b, struct ax_str *ret)
{
    for (;;) {
        while (b->rest.n == 0)
            if (!line_before(b))
                return false;
        size_t at = last_element(b->rest, b->quotes);
        *ret = ax_str_trim((struct ax_str){b->rest.p + at, b->rest.n - at});
        b->rest.n = at > 0 ? at - 1 : 0;
        if (ret->n)
            return true;
    }
}

/* ---- X-Forwarded-* */

static enum ax_proto proto_of(struct ax_str s)
{
    if (ax_str_eq_nocase(s, AX_STR("https")))
        return AX_PROTO_HTTPS;
    return ax_str_eq_nocase(s, AX_STR("http")) ? AX_PROTO_HTTP : AX_PROTO_UNKNOWN;
}

static bool host_ok(struct ax_str s)
{
    return s.n > 0 && s.p[0] != ':' && ax_authority_ok(s);
}

/* How many proxies stand before the one that connected: that many addresses of the list are trusted. */
static unsigned walk_for(const struct ax_head *h, const struct ax_proxies *p, struct ax_forwarded *ret)
{
    struct backward b = backward(h, AX_STR("x-forwarded-for"), false);
    struct ax_str s;
    struct ax_addr a;
    unsigned hops = 0;

    while (element_before(&b, &s)) {
        if (!ax_addr_parse(s, &a))
            break;
        ret->client = a;
        if (!ax_proxies_trust(p, &a))
            break;
        hops++;
    }
    return hops;
}

/* The element that the outermost trusted proxy wrote, when each has added one; a shorter list ends before. */
static struct ax_str element_at(const struct ax_head *h, struct ax_str name, unsigned hops)
{
    struct backward b = backward(h, name, false);
    struct ax_str s, ret = {0};

    for (unsigned i = 0; i <= hops && element_before(&b, &s); i++)
        ret = s;
    return ret;
}

static void read_x_forwarded(const struct ax_head *h, const struct ax_proxies *p, struct ax_forwarded *ret)
{
    unsigned hops = walk_for(h, p, ret);
    struct ax_str host = element_at(h, AX_STR("x-forwarded-host"), hops);

    ret->proto = proto_of(element_at(h, AX_STR("x-forwarded-proto"), hops));
    if (host_ok(host))
        ret->host = host;
}

/* ---- Forwarded: for=…;proto=…;host=… (RFC 7239, 4) */

struct hop {
    struct ax_str node, proto, host; /* empty = not given */
};

/* A token or a quoted string at the start of *s, which moves behind it; escapes are left in: no value that
 * counts has any.  The values of real proxies hold bytes that are no token (an address with its colons). */
static bool take_value(struct ax_str *s, struct ax_str *ret)
{
    size_t i = 0;

    if (s->n && s->p[0] == '"') {
        for (i = 1; i < s->n && s->p[i] != '"'; i++)
            i += s->p[i] == '\\';
        if (i >= s->n)
            return false;
        *ret = (struct ax_str){s->p + 1, i - 1};
        i++;
    } else {
        while (i < s->n && s->p[i] != ';' && s->p[i] != '"' && s->p[i] != ' ' && s->p[i] != '\t')
            i++;
        *ret = (struct ax_str){s->p, i};
    }
    *s = (struct ax_str){s->p + i, s->n - i};
    return ret->n > 0;
}

/* One name=value; false when it is malformed or given twice. */
static bool take_pair(struct ax_str *s, struct hop *h)
{
    size_t i = 0;
    struct ax_str value;

    while (i < s->n && ax_is_token(s->p[i]))
        i++;
    struct ax_str name = {s->p, i};
    if (i == 0 || i == s->n || s->p[i] != '=')
        return false;
    *s = (struct ax_str){s->p + i + 1, s->n - i - 1};
    if (!take_value(s, &value))
        return false;
    struct ax_str *to = ax_str_eq_nocase(name, AX_STR("for"))     ? &h->node
                        : ax_str_eq_nocase(name, AX_STR("proto")) ? &h->proto
                        : ax_str_eq_nocase(name, AX_STR("host"))  ? &h->host
                                                                  : NULL;
    if (to && to->n)
        return false;
    if (to)
        *to = value;
    return true;
}

static bool parse_hop(struct ax_str s, struct hop *ret)
{
    *ret = (struct hop){0};
    while (s.n) {
        if (s.p[0] != ';' && !take_pair(&s, ret))
            return false;
        s = ax_str_trim(s);
        if (s.n && s.p[0] != ';')
            return false;
        s = s.n ? ax_str_trim((struct ax_str){s.p + 1, s.n - 1}) : s;
    }
    return true;
}

static void read_forwarded(const struct ax_head *h, const struct ax_proxies *p, struct ax_forwarded *ret)
{
    struct backward b = backward(h, AX_STR("forwarded"), true);
    struct ax_str s;
    struct ax_addr a;
    struct hop hop;

    while (element_before(&b, &s) && parse_hop(s, &hop)) {
        if (hop.proto.n)
            ret->proto = proto_of(hop.proto);
        if (host_ok(hop.host))
            ret->host = hop.host;
        if (!ax_addr_parse(hop.node, &a))
            return;
        ret->client = a;
        if (!ax_proxies_trust(p, &a))
            return;
    }
}

void ax_forwarded_read(const struct ax_head *h, const struct ax_proxies *p, const struct ax_addr *peer,
                       struct ax_forwarded *ret)
{
    *ret = (struct ax_forwarded){.client = *peer};
    if (ax_head_known(h, AX_FIELD_X_FORWARDED_FOR).p || ax_head_known(h, AX_FIELD_X_FORWARDED_PROTO).p ||
        ax_head_known(h, AX_FIELD_X_FORWARDED_HOST).p)
        read_x_forwarded(h, p, ret);
    else if (ax_head_known(h, AX_FIELD_FORWARDED).p)
        read_forwarded(h, p, ret);
}

/* ---- X-Request-Id */

static bool is_id_byte(char c)
{
    char l = ax_lower(c);

    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("._~+/=-", c));
}

struct ax_str ax_forwarded_id(const struct ax_head *h)
{
    struct backward b = backward(h, AX_STR("x-request-id"), false);
    const struct ax_str none = {0};

    if (!line_before(&b))
        return none;
    struct ax_str id = b.rest;
    if (id.n == 0 || id.n > AX_REQUEST_ID_MAX || line_before(&b))
        return none;
    for (size_t i = 0; i < id.n; i++)
        if (!is_id_byte(id.p[i]))
            return none;
    return id;
}
