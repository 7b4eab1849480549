/* What a request for a file brings: ranges, conditions, dates, codings, names; and the system's table of
 * media types.  The same bytes are read as each of them. */
#include "base/clock.h"
#include "fuzz.h"
#include "http/accept_encoding.h"
#include "http/conditional.h"
#include "http/mime.h"
#include "http/path.h"
#include "http/range.h"
#include "net/files.h"

enum { SMALL = 64 }; /* bytes of a file, so that a set of them is a word */

/* ---- ranges, against a reading of 14.1.2 that marks each byte */

static bool slow_number(struct ax_str s, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v > 1000000 ? v : v * 10 + (uint64_t)(s.p[i] - '0'); /* far beyond SMALL is far enough */
    }
    *ret = v;
    return s.n > 0;
}

/* False: malformed.  Adds the item's bytes to *set. */
static bool slow_item(struct ax_str s, uint64_t *set)
{
    const char *dash = s.n ? memchr(s.p, '-', s.n) : NULL;
    uint64_t a = 0, b = SMALL - 1;

    if (!dash)
        return false;
    struct ax_str first = {s.p, (size_t)(dash - s.p)}, last = {dash + 1, s.n - first.n - 1};
    if ((first.n && !slow_number(first, &a)) || (last.n && !slow_number(last, &b)) || (!first.n && !last.n))
        return false;
    if (!first.n) {
        a = b < SMALL ? SMALL - b : 0;
        b = SMALL - 1;
    } else if (last.n && b < a) {
        return a > 1000000 && b > 1000000; /* too large to be told apart here */
    }
    for (uint64_t i = a; i <= b && i < SMALL; i++)
        *set |= UINT64_C(1) << i;
    return true;
}

static bool disjoint(const struct ax_range *v, unsigned n, uint64_t size)
{
    for (unsigned i = 0; i < n; i++) {
        if (v[i].first > v[i].last || v[i].last >= size)
            return false;
        for (unsigned k = 0; k < i; k++)
            if (v[k].first <= v[i].last + 1 && v[i].first <= v[k].last + 1)
                return false;
    }
    return n > 0 && n <= AX_RANGES_MAX;
}

static void check_small(struct ax_str value, const struct ax_range *v, unsigned n)
{
    uint64_t got = 0, want = 0;
    struct ax_str rest = {value.p + 6, value.n - 6};

    for (unsigned i = 0; i < n; i++)
        for (uint64_t k = v[i].first; k <= v[i].last; k++)
            got |= UINT64_C(1) << k;
    for (;;) {
        const char *comma = rest.n ? memchr(rest.p, ',', rest.n) : NULL;
        size_t k = comma ? (size_t)(comma - rest.p) : rest.n;
        struct ax_str item = ax_str_trim((struct ax_str){rest.p, k});
        AX_ASSERT(item.n == 0 || slow_item(item, &want));
        if (!comma)
            break;
        rest = (struct ax_str){comma + 1, rest.n - k - 1};
    }
    AX_ASSERT(got == want);
}

static void check_ranges(struct ax_str value)
{
    static const uint64_t sizes[] = {0, 1, SMALL, 10000, INT64_MAX};

    for (size_t i = 0; i < AX_COUNT(sizes); i++) {
        struct ax_range v[AX_RANGES_MAX];
        unsigned n = 0;
        if (ax_ranges_parse(value, sizes[i], v, &n) != AX_RANGES_SOME)
            continue;
        AX_ASSERT(disjoint(v, n, sizes[i]));
        if (sizes[i] == SMALL)
            check_small(value, v, n);
    }
}

/* ---- conditions and dates */

static void check_date(struct ax_str s)
{
    char again[AX_HTTP_DATE_LEN + 1];
    int64_t t;

    if (!ax_http_date_parse(s, 1700000000, &t))
        return;
    AX_ASSERT(t >= INT64_C(-62167219200) && t <= INT64_C(253402300800));
    if (s.n != AX_HTTP_DATE_LEN || s.p[3] != ',' || s.p[23] == '6' || t < 0)
        return; /* another form, or a leap second */
    ax_http_date(again, t);
    AX_ASSERT(memcmp(again + 4, s.p + 4, AX_HTTP_DATE_LEN - 4) ==
              0); /* the day of the week is not looked at */
}

static void check_conditions(struct ax_str s)
{
    const struct ax_validators v = {AX_STR("\"abc\""), 784111777};
    const struct ax_str none = {NULL, 0};
    enum ax_precondition match =
        ax_preconditions_check(&(struct ax_preconditions){s, none, none, none}, &v, 0);
    enum ax_precondition other =
        ax_preconditions_check(&(struct ax_preconditions){none, none, s, none}, &v, 0);

    AX_ASSERT(match != AX_PRE_NOT_MODIFIED && other != AX_PRE_FAILED);
    AX_ASSERT(match == AX_PRE_FAILED ||
              other == AX_PRE_NOT_MODIFIED); /* the strong comparison is the stricter */
    AX_ASSERT(other == AX_PRE_HOLDS || ax_str_eq(s, AX_STR("*")) || memmem(s.p, s.n, "\"abc\"", 5));
    int64_t t;
    bool date = ax_http_date_parse(s, 0, &t);
    AX_ASSERT(ax_if_range_holds(s, &v, 0) == (ax_str_eq(s, v.etag) || (date && t == v.modified)));
}

/* ---- the rest */

static void check_codings(struct ax_str s)
{
    for (unsigned have = 0; have < 1u << AX_CODINGS; have += 2) {
        enum ax_coding c = ax_accept_encoding(s, have);
        AX_ASSERT(c == AX_CODING_IDENTITY || (have & 1u << c && ax_accept_quality(s, c) > 0));
    }
}

static void check_name(struct ax_str s)
{
    char *out = malloc(AX_FILES_PATH_MAX);
    size_t n;

    if (ax_files_name(s, out, &n)) {
        AX_ASSERT(n <= s.n && n < AX_FILES_PATH_MAX && ax_utf8_valid(out, n));
        AX_ASSERT(!memchr(out, '\0', n) && !memchr(out, '\\', n) && (n == 0 || out[0] != '/'));
        for (size_t i = 0; i < n; i++) {
            bool begins = i == 0 || out[i - 1] == '/';
            AX_ASSERT(!begins || out[i] != '/');
            AX_ASSERT(!begins || out[i] != '.' || (n - i >= 11 && memcmp(out + i, ".well-known", 11) == 0));
        }
    }
    free(out);
}

static void check_types(struct ax_str s)
{
    struct ax_mime *m = ax_mime_new();

    AX_ASSERT(m && ax_mime_add(m, AX_MIME_TYPES, s, NULL) == 0 &&
              ax_mime_add(m, AX_MIME_GLOBS, s, NULL) == 0);
    AX_ASSERT(ax_mime_freeze(m, NULL) == 0);
    struct ax_str type = ax_mime_of(m, s);
    AX_ASSERT(type.n && memchr(type.p, '/', type.n) && !memchr(type.p, '\n', type.n) &&
              !memchr(type.p, '\r', type.n) && !memchr(type.p, '\0', type.n));
    ax_mime_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = exact(data, n);
    struct ax_str s = {copy, n};

    check_ranges(s);
    check_date(s);
    check_conditions(s);
    check_codings(s);
    check_name(s);
    check_types(s);
    free(copy);
    return 0;
}
