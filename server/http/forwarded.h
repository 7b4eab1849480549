/* http/forwarded.h - who the client is when proxies stand before the server: X-Forwarded-For, -Proto, -Host,
 * Forwarded (RFC 7239) and X-Request-Id, as far as the proxies are trusted.  Pure: bytes in, values out.
 *
 * What a client may write itself must never count.  So both lists are read from their ends, which the nearest
 * proxy wrote, and no further than the first address that is not trusted: that is the client.  A malformed
 * or obfuscated entry ("unknown", "_hidden") ends the walk too; the client is then the last address that was
 * good, at worst the peer's own.
 *
 * Where any of X-Forwarded-For, -Proto and -Host is there, Forwarded is not looked at: nearly every proxy
 * writes the former and lets the latter pass as the client sent it. */
#ifndef AX_HTTP_FORWARDED_H
#define AX_HTTP_FORWARDED_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "http/head.h"

enum ax_addr_kind { AX_ADDR_NONE, AX_ADDR_IP, AX_ADDR_UNIX };
struct ax_addr {
    enum ax_addr_kind kind;
    unsigned char ip[16]; /* network order; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2) */
};
enum { AX_ADDR_TEXT = 46 }; /* bytes of the longest address as text, and its NUL */

/* An address alone, or as proxies write one: "1.2.3.4", "1.2.3.4:80", "::1", "[::1]", "[::1]:80".  False for
 * all else; no zone. */
bool ax_addr_parse(struct ax_str text, struct ax_addr *ret);
/* 4 or 16 bytes in network order. */
struct ax_addr ax_addr_ip4(const void *bytes);
struct ax_addr ax_addr_ip6(const void *bytes);
/* "127.0.0.1" (also where it came as ::ffff:127.0.0.1), "::1", "unix"; "" for AX_ADDR_NONE. */
void ax_addr_text(const struct ax_addr *a, char out[AX_ADDR_TEXT]);

/* Whose word counts: blocks of addresses, and "unix" for whoever connects over a Unix socket. */
struct ax_proxies {
    struct ax_proxy *v; /* OWNED */
    unsigned n;
    bool unix_too;
};
/* "10.0.0.0/8", "192.0.2.1", "fd00::/8", "::ffff:10.0.0.0/104" (the same as 10.0.0.0/8), "unix".  -AX_E_TYPE
 * for all else; bits beyond the prefix are not looked at. */
int ax_proxies_add(struct ax_proxies *p, struct ax_str text, struct ax_err *reterr);
void ax_proxies_fini(struct ax_proxies *p);
bool ax_proxies_trust(const struct ax_proxies *p, const struct ax_addr *a);
static inline bool ax_proxies_any(const struct ax_proxies *p)
{
    return p->n > 0 || p->unix_too;
}

enum ax_proto { AX_PROTO_UNKNOWN, AX_PROTO_HTTP, AX_PROTO_HTTPS };
struct ax_forwarded {
    struct ax_addr client;
    enum ax_proto proto; /* as the client used it; UNKNOWN = nobody says */
    struct ax_str host;  /* of the head, BORROWED; empty = nobody says */
};
/* `peer`, a trusted one, sent this head. */
void ax_forwarded_read(const struct ax_head *h, const struct ax_proxies *p, const struct ax_addr *peer,
                       struct ax_forwarded *ret);

enum { AX_REQUEST_ID_MAX = 64 };
/* X-Request-Id when it is given once and is 1..64 of [A-Za-z0-9._~+/=-]; else empty. */
struct ax_str ax_forwarded_id(const struct ax_head *h);

#endif
