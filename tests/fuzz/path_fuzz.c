/* Paths, queries and form bodies: what is refused, and decoding, against slow readings of the same rules. */
#include "fuzz.h"
#include "http/path.h"
#include "http/urlencoded.h"

/* ---- paths: decode a segment, then judge what came out */

static bool slow_utf8(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned c = p[i++], more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
        if (c >= 0x80 && (c < 0xc0 || c > 0xf7))
            return false;
        unsigned v = more == 0 ? c : c & (0x3fu >> more);
        for (unsigned k = 0; k < more; k++) {
            if (i == n || (p[i] & 0xc0) != 0x80)
                return false;
            v = v << 6 | (p[i++] & 0x3f);
        }
        if (v < least[more] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
            return false;
    }
    return true;
}

static bool slow_segment(struct ax_str s)
{
    unsigned char *out = malloc(s.n + 1);
    size_t n = 0;
    bool ok = out != NULL;

    for (size_t i = 0; ok && i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '%') {
            ok = s.n - i >= 3 && ax_hex(s.p[i + 1]) >= 0 && ax_hex(s.p[i + 2]) >= 0;
            if (ok)
                c = (unsigned char)(ax_hex(s.p[i + 1]) << 4 | ax_hex(s.p[i + 2]));
            i += 2;
            ok = ok && c != 0;
        } else {
            ok = c >= 0x20 && c != 0x7f;
        }
        out[n++] = c;
    }
    ok = ok && slow_utf8(out, n) && !(n == 1 && out[0] == '.') && !(n == 2 && memcmp(out, "..", 2) == 0);
    free(out);
    return ok;
}

static bool slow_path(struct ax_str s)
{
    bool ok = s.n && s.p[0] == '/';

    for (size_t at = 0; ok && at < s.n;) {
        const char *slash = memchr(s.p + at + 1, '/', s.n - at - 1);
        size_t end = slash ? (size_t)(slash - s.p) : s.n;
        ok = slow_segment((struct ax_str){s.p + at + 1, end - at - 1});
        at = end;
    }
    return ok;
}

static void check_path(struct ax_str s)
{
    bool ok = ax_path_ok(s);

    AX_ASSERT(ok == slow_path(s));
    if (!ok)
        return;
    char *out = malloc(s.n); /* documented as room enough */
    size_t n = ax_path_decode(s, out);
    AX_ASSERT(n <= s.n && ax_utf8_valid(out, n) && !memchr(out, '\0', n));
    AX_ASSERT(!ax_path_plain(s) || (n == s.n && memcmp(out, s.p, n) == 0));
    free(out);
}

/* ---- queries: WHATWG URL, 5.1 */

static size_t slow_decode(struct ax_str s, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '%' && i + 2 < s.n && ax_hex(s.p[i + 1]) >= 0 && ax_hex(s.p[i + 2]) >= 0;
        out[n++] = escape          ? (char)(ax_hex(s.p[i + 1]) << 4 | ax_hex(s.p[i + 2]))
                   : s.p[i] == '+' ? ' '
                                   : s.p[i];
        i += escape ? 2 : 0;
    }
    return n;
}

static void check_decoded(struct ax_str s)
{
    char *a = malloc(s.n + !s.n), *b = malloc(s.n + !s.n);
    size_t n = ax_urlencoded_decode(s, a);

    AX_ASSERT(n <= s.n && n == slow_decode(s, b) && memcmp(a, b, n) == 0);
    free(a);
    free(b);
}

/* The pieces and what separates them are the whole text, in order. */
static void check_query(struct ax_str s)
{
    struct ax_urlencoded it = {s};
    struct ax_str name, value;
    const char *at = s.p;

    while (ax_urlencoded_next(&it, &name, &value)) {
        AX_ASSERT(within(name, s.p, s.n) && within(value, s.p, s.n));
        while (at < name.p)
            AX_ASSERT(*at++ == '&');
        at = name.p + name.n;
        AX_ASSERT(value.p == at || (value.p == at + 1 && *at == '='));
        AX_ASSERT(!memchr(name.p, '=', name.n) && !memchr(name.p, '&', name.n) &&
                  !memchr(value.p, '&', value.n));
        at = value.p + value.n;
        check_decoded(name);
        check_decoded(value);
    }
    while (at < s.p + s.n)
        AX_ASSERT(*at++ == '&');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = exact(data, n);

    check_path((struct ax_str){copy, n});
    check_query((struct ax_str){copy, n});
    free(copy);
    return 0;
}
