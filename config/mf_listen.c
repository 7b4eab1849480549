/* config/mf_listen.c - one address as text.  The numeric forms are checked here, so that the port is opened
 * once the whole manifest is known to be good. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "config/manifest.h"
#include "config/mf_arena.h"

static const char forms[] = "PORT, HOST:PORT, localhost:PORT, \"*:PORT\", \"[V6]:PORT\" or unix:PATH";

static int bad(struct ax_err *reterr, const char *text, const char *why)
{
    return ax_fail(reterr, AX_E_SYNTAX, "%s (found \"%.80s\"; forms: %s)", why, text, forms);
}

static bool is_ipv6(const char *host, size_t n)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr in;
    const char *zone = memchr(host, '%', n);
    size_t len = zone ? (size_t)(zone - host) : n;

    if (len == 0 || len >= sizeof address || (zone && len + 1 == n))
        return false;
    memcpy(address, host, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, &in) == 1;
}

static bool is_ipv4(const char *host, size_t n)
{
    char address[INET_ADDRSTRLEN];
    struct in_addr in;

    if (n == 0 || n >= sizeof address)
        return false;
    memcpy(address, host, n);
    address[n] = '\0';
    return inet_pton(AF_INET, address, &in) == 1;
}

static int parse_port(const char *text, const char *digits, unsigned *ret, struct ax_err *reterr)
{
    uint64_t v;

    if (!ax_str_u64(ax_str(digits), &v))
        return bad(reterr, text, "the port must be a number");
    if (v > 65535)
        return ax_fail(reterr, AX_E_RANGE, "a port is 0 to 65535 (found \"%.80s\")", text);
    *ret = (unsigned)v;
    return 0;
}

static int set_host(struct ax_listen *l, struct ax_mf_arena *a, const char *host, size_t n,
                    struct ax_err *reterr)
{
    l->kind = AX_LISTEN_TCP;
    l->host = ax_mf_strndup(a, host, n);
    return l->host ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

static int parse_v6(const char *text, struct ax_listen *l, struct ax_mf_arena *a, struct ax_err *reterr)
{
    const char *end = strchr(text, ']');

    if (!end || !is_ipv6(text + 1, (size_t)(end - text - 1)))
        return bad(reterr, text, "what stands in [ ] must be an IPv6 address");
    if (end[1] != ':')
        return bad(reterr, text, "an address needs a port");
    int rc = parse_port(text, end + 2, &l->port, reterr);
    return rc < 0 ? rc : set_host(l, a, text + 1, (size_t)(end - text - 1), reterr);
}

static int parse_unix(const char *path, struct ax_listen *l, struct ax_mf_arena *a, struct ax_err *reterr)
{
    if (*path == '\0')
        return ax_fail(reterr, AX_E_SYNTAX, "unix: needs a path behind it");
    l->kind = AX_LISTEN_UNIX;
    l->path = ax_mf_strdup(a, path);
    return l->path ? 0 : ax_fail(reterr, AX_E_NOMEM, "out of memory");
}

static int parse_host(const char *text, struct ax_listen *l, struct ax_mf_arena *a, struct ax_err *reterr)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (strstr(text, "://"))
        return bad(reterr, text, "an address has no scheme");
    if (is_ipv6(text, strlen(text)))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "an IPv6 address stands in brackets, and YAML wants those quoted: quote it, "
                       "\"[%.60s]:3001\"",
                       text);
    if (!colon)
        return bad(reterr, text, "an address needs a port");
    if (n == 0)
        return bad(reterr, text,
                   "an address needs a host before the colon; for all addresses write \"*:PORT\"");
    struct ax_str host = {text, n};
    if (!is_ipv4(text, n) && !ax_str_eq(host, AX_STR("localhost")) && !ax_str_eq(host, AX_STR("*")))
        return bad(reterr, text, "the host must be an IP address, localhost or *");
    int rc = parse_port(text, colon + 1, &l->port, reterr);
    return rc < 0 ? rc : set_host(l, a, text, n, reterr);
}

int ax_listen_parse(const char *text, struct ax_listen *ret, struct ax_mf_arena *arena, struct ax_err *reterr)
{
    struct ax_listen l = {.mode = -1};
    int rc;

    if (*text && strspn(text, "0123456789") == strlen(text)) {
        l.port_only = true;
        rc = parse_port(text, text, &l.port, reterr);
        if (rc == 0)
            rc = set_host(&l, arena, "127.0.0.1", strlen("127.0.0.1"), reterr);
    } else if (strncmp(text, "unix:", 5) == 0) {
        rc = parse_unix(text + 5, &l, arena, reterr);
    } else if (text[0] == '[') {
        rc = parse_v6(text, &l, arena, reterr);
    } else {
        rc = parse_host(text, &l, arena, reterr);
    }
    if (rc == 0)
        *ret = l;
    return rc;
}
