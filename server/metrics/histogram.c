#include "metrics/histogram.h"

#include "base/err.h"

enum { LINEAR = 64, PARTS = 32, PARTS_LOG2 = 5, FIRST_TOP = 6 };
enum { VARINT_MAX = 10 }; /* bytes of the largest 64-bit number, seven bits a byte */

uint64_t ax_hist_lower(unsigned bucket)
{
    if (bucket < LINEAR)
        return bucket;
    if (bucket >= AX_HIST_BUCKETS)
        return (uint64_t)1 << 32;
    unsigned k = bucket - LINEAR;
    return (uint64_t)(PARTS + k % PARTS) << (FIRST_TOP - PARTS_LOG2 + k / PARTS);
}

static uint64_t rank_of(uint64_t total, double q)
{
    if (!(q > 0)) /* NaN too */
        return 1;
    if (q >= 1)
        return total;
    double exact = q * (double)total;
    uint64_t rank = (uint64_t)exact;
    if ((double)rank < exact)
        rank++;
    return rank < 1 ? 1 : rank > total ? total : rank;
}

uint64_t ax_hist_quantile(const uint64_t counts[AX_HIST_BUCKETS], double q)
{
    uint64_t total = 0, seen = 0;
    unsigned b = 0;

    for (unsigned i = 0; i < AX_HIST_BUCKETS; i++)
        total += counts[i];
    if (total == 0)
        return 0;
    for (uint64_t rank = rank_of(total, q); b < AX_HIST_BUCKETS - 1; b++) {
        seen += counts[b];
        if (seen >= rank)
            break;
    }
    uint64_t lower = ax_hist_lower(b);
    return lower + (ax_hist_lower(b + 1) - lower - 1) / 2;
}

static size_t put_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

/* Bytes read, 0 when the number does not end within the bytes or needs more than 64 bits. */
static size_t get_varint(const uint8_t *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n && i < VARINT_MAX; i++) {
        if (i == VARINT_MAX - 1 && p[i] > 1)
            return 0;
        v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (!(p[i] & 0x80)) {
            *ret = v;
            return i + 1;
        }
    }
    return 0;
}

size_t ax_hist_encode(const uint64_t counts[AX_HIST_BUCKETS], uint8_t out[AX_HIST_BLOB_MAX])
{
    size_t n = 0;
    unsigned previous = 0;

    for (unsigned b = 0; b < AX_HIST_BUCKETS; b++) {
        if (counts[b] == 0)
            continue;
        n += put_varint(out + n, b - previous);
        n += put_varint(out + n, counts[b]);
        previous = b;
    }
    return n;
}

int ax_hist_decode_add(const uint8_t *blob, size_t n, uint64_t counts[AX_HIST_BUCKETS])
{
    uint64_t bucket = 0, gap, count;

    for (size_t at = 0; at < n;) {
        size_t gap_bytes = get_varint(blob + at, n - at, &gap);
        size_t count_bytes = gap_bytes ? get_varint(blob + at + gap_bytes, n - at - gap_bytes, &count) : 0;
        if (count_bytes == 0 || count == 0 || gap >= AX_HIST_BUCKETS - bucket || (gap == 0 && at > 0))
            return -AX_E_SYNTAX;
        bucket += gap;
        counts[bucket] += count;
        at += gap_bytes + count_bytes;
    }
    return 0;
}
