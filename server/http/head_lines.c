#include "http/head_lines.h"

#include "http/chars.h"

enum { STEP = 64, CRLF = 2 };

/* Bit i is about byte i of a step. */
struct masks {
    uint64_t control, colon;
};

static inline struct masks whole_step(const char *p)
{
    struct masks m = {0, 0};

    for (unsigned i = 0; i < STEP; i += AX_BLOCK) {
        m.control |= (uint64_t)ax_mask(p + i, AX_FIND_CONTROL) << i;
        m.colon |= (uint64_t)ax_mask(p + i, AX_FIND_COLON) << i;
    }
    return m;
}

/* The last p[at..n), fewer than a step: its last block is the last of p. */
static inline struct masks part_step(const char *p, size_t at, size_t n)
{
    struct masks m = {0, 0};
    unsigned i = 0, left = (unsigned)(n - at);

    for (; left - i >= AX_BLOCK; i += AX_BLOCK) {
        m.control |= (uint64_t)ax_mask(p + at + i, AX_FIND_CONTROL) << i;
        m.colon |= (uint64_t)ax_mask(p + at + i, AX_FIND_COLON) << i;
    }
    unsigned seen = AX_BLOCK - (left - i);
    m.control |= (uint64_t)(ax_mask(p + n - AX_BLOCK, AX_FIND_CONTROL) >> seen) << i;
    m.colon |= (uint64_t)(ax_mask(p + n - AX_BLOCK, AX_FIND_COLON) >> seen) << i;
    return m;
}

/* p[line..stop) has no control byte: what is up to SP there is HT or SP. */
static inline bool is_field(const char *p, size_t line, size_t colon, size_t stop)
{
    return colon < stop && colon > line && (unsigned char)p[line] > ' ' && (unsigned char)p[colon - 1] > ' ';
}

void ax_head_find_lines(const char *p, size_t start, size_t n, struct ax_head_lines *ret)
{
    size_t line = start, colon = 0; /* of this line; 0 = not met */
    uint64_t lf = 0; /* the step before ended in CR, and the first byte of this one is its LF */
    unsigned k = 0;

    ret->whole = false;
    ret->start = (uint32_t)start;
    for (size_t at = start; at < n && n >= AX_BLOCK; at += STEP) {
        struct masks m = AX_LIKELY(n - at >= STEP) ? whole_step(p + at) : part_step(p, at, n);
        m.control &= ~lf;
        lf = 0;
        while (m.control) {
            unsigned bit = (unsigned)__builtin_ctzll(m.control);
            size_t stop = at + bit;
            if (AX_UNLIKELY(stop + 1 >= n || p[stop] != '\r' || p[stop + 1] != '\n'))
                goto done;
            if (stop == line) {
                ret->whole = true;
                line += CRLF;
                goto done;
            }
            if (!colon && m.colon)
                colon = at + (unsigned)__builtin_ctzll(m.colon);
            if (AX_UNLIKELY(k == AX_HEAD_LINES || !is_field(p, line, colon, stop)))
                goto done;
            ret->line[k].colon = (uint16_t)colon;
            ret->line[k++].end = (uint16_t)stop;
            line = stop + CRLF;
            colon = 0;
            m.control &= ~(UINT64_C(3) << bit);
            m.colon &= ~UINT64_C(1) << bit;
            lf = bit == STEP - 1;
        }
        if (!colon && m.colon)
            colon = at + (unsigned)__builtin_ctzll(m.colon);
    }
done:
    ret->n = k;
    ret->next = (uint32_t)line;
}
