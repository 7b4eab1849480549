#include "http/field_name.h"

#include "http/chars.h"

_Static_assert(AX_FIELD_NAMES <= 64, "struct ax_head keeps one bit for each");

enum { TEXT_BYTES = 31, PLACES = 256 };

struct text {
    char lower[TEXT_BYTES];
    uint8_t n;
};

static const struct text texts[AX_FIELD_NAMES] = {
#define FIELD(id, name, first, late) [AX_FIELD_##id] = {name, sizeof(name) - 1},
#include "http/field_name.def"
#undef FIELD
};

#ifdef AX_NO_INTERN

enum ax_field_name ax_field_name_of(struct ax_str name)
{
    (void)name;
    return AX_FIELD_OTHER;
}

#else

/* The factors were searched for: with them no two names share a place.  A name that would is seen when this
 * is compiled, as an entry that is initialized twice. */
#define PLACE(n, first, late)        (((n) + 46u * (first) + 38u * (late)) % PLACES)

static const uint8_t places[PLACES] = {
#define FIELD(id, name, first, late) [PLACE(sizeof(name) - 1, first, late)] = AX_FIELD_##id,
#include "http/field_name.def"
#undef FIELD
};

enum ax_field_name ax_field_name_of(struct ax_str name)
{
    if (name.n < 2)
        return AX_FIELD_OTHER;
    unsigned first = (unsigned char)name.p[0] | 0x20u, late = (unsigned char)name.p[name.n - 2] | 0x20u;
    unsigned id = places[PLACE((unsigned)name.n, first, late)];
    return texts[id].n == name.n && ax_same_nocase(name.p, texts[id].lower, name.n) ? (enum ax_field_name)id
                                                                                    : AX_FIELD_OTHER;
}

#endif

struct ax_str ax_field_name_str(enum ax_field_name id)
{
    const struct text *t = &texts[(unsigned)id < AX_FIELD_NAMES ? id : AX_FIELD_OTHER];

    return (struct ax_str){t->lower, t->n};
}
