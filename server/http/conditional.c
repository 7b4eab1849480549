#include "http/conditional.h"

#include "base/assert.h"

/* ---- dates */

enum { DAY_S = 86400, YEARS_AHEAD = 50 };

struct date {
    int64_t year;
    unsigned month, day, hour, minute, second; /* month 1..12 */
};

/* Days since 1970-01-01 in the Gregorian calendar; years are counted from March, so that the odd day comes
 * last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static int64_t year_of(int64_t unix_seconds)
{
    int64_t year = 1970 + unix_seconds / (DAY_S * INT64_C(365) + DAY_S / 4);

    return days_of(year + 1, 1, 1) * DAY_S <= unix_seconds ? year + 1 : year;
}

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static bool to_unix(const struct date *d, int64_t *ret)
{
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (d->day < 1 || d->day > days[d->month - 1] || (d->month == 2 && d->day == 29 && !is_leap(d->year)))
        return false;
    if (d->hour > 23 || d->minute > 59 || d->second > 60)
        return false;
    *ret = days_of(d->year, d->month, d->day) * DAY_S + d->hour * 3600 + d->minute * 60 + d->second;
    return true;
}

/* What is left to read; each step returns false when it does not find what it wants. */
static bool take_text(struct ax_str *s, struct ax_str text)
{
    if (s->n < text.n || memcmp(s->p, text.p, text.n) != 0)
        return false;
    s->p += text.n;
    s->n -= text.n;
    return true;
}

static bool take_digits(struct ax_str *s, unsigned n, unsigned *ret)
{
    unsigned v = 0;

    if (s->n < n)
        return false;
    for (unsigned i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (unsigned)(s->p[i] - '0');
    }
    s->p += n;
    s->n -= n;
    *ret = v;
    return true;
}

/* asctime's day: two digits, or a blank and one. */
static bool take_day(struct ax_str *s, unsigned *ret)
{
    return take_text(s, AX_STR(" ")) ? take_digits(s, 1, ret) : take_digits(s, 2, ret);
}

static bool take_month(struct ax_str *s, unsigned *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (unsigned m = 0; m < 12; m++)
        if (take_text(s, (struct ax_str){names + 3 * (size_t)m, 3})) {
            *ret = m + 1;
            return true;
        }
    return false;
}

static bool take_time(struct ax_str *s, struct date *d)
{
    return take_digits(s, 2, &d->hour) && take_text(s, AX_STR(":")) && take_digits(s, 2, &d->minute) &&
           take_text(s, AX_STR(":")) && take_digits(s, 2, &d->second);
}

/* "Sunday" in full tells that form from the others; returns the length of the short name. */
static bool take_weekday(struct ax_str *s, bool *ret_full)
{
    static const char *const names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                        "Thursday", "Friday", "Saturday"};

    for (unsigned i = 0; i < AX_COUNT(names); i++) {
        if (take_text(s, ax_str(names[i]))) {
            *ret_full = true;
            return true;
        }
        if (take_text(s, (struct ax_str){names[i], 3})) {
            *ret_full = false;
            return true;
        }
    }
    return false;
}

/* " 06 Nov 1994 08:49:37 GMT" */
static bool take_imf(struct ax_str *s, struct date *d)
{
    unsigned year = 0;
    bool ok = take_text(s, AX_STR(" ")) && take_digits(s, 2, &d->day) && take_text(s, AX_STR(" ")) &&
              take_month(s, &d->month) && take_text(s, AX_STR(" ")) && take_digits(s, 4, &year) &&
              take_text(s, AX_STR(" ")) && take_time(s, d) && take_text(s, AX_STR(" GMT"));

    d->year = year;
    return ok;
}

/* " 06-Nov-94 08:49:37 GMT"; what looks like more than 50 years ahead was the century before. */
static bool take_rfc850(struct ax_str *s, struct date *d, int64_t now)
{
    unsigned year = 0;
    int64_t this_year = year_of(now);
    bool ok = take_text(s, AX_STR(" ")) && take_digits(s, 2, &d->day) && take_text(s, AX_STR("-")) &&
              take_month(s, &d->month) && take_text(s, AX_STR("-")) && take_digits(s, 2, &year) &&
              take_text(s, AX_STR(" ")) && take_time(s, d) && take_text(s, AX_STR(" GMT"));

    d->year = this_year - this_year % 100 + year;
    if (d->year > this_year + YEARS_AHEAD)
        d->year -= 100;
    return ok;
}

/* " Nov  6 08:49:37 1994" */
static bool take_asctime(struct ax_str *s, struct date *d)
{
    unsigned year = 0;
    bool ok = take_text(s, AX_STR(" ")) && take_month(s, &d->month) && take_text(s, AX_STR(" ")) &&
              take_day(s, &d->day) && take_text(s, AX_STR(" ")) && take_time(s, d) &&
              take_text(s, AX_STR(" ")) && take_digits(s, 4, &year);

    d->year = year;
    return ok;
}

bool ax_http_date_parse(struct ax_str s, int64_t now, int64_t *ret)
{
    struct date d = {0};
    bool full, ok;

    if (!take_weekday(&s, &full))
        return false;
    if (take_text(&s, AX_STR(",")))
        ok = full ? take_rfc850(&s, &d, now) : take_imf(&s, &d);
    else
        ok = !full && take_asctime(&s, &d);
    return ok && s.n == 0 && to_unix(&d, ret);
}

/* ---- entity tags */

/* The next tag of a list, with its quotes; false at the end, or where the list is malformed. */
static bool next_tag(struct ax_str *list, bool *ret_weak, struct ax_str *ret)
{
    while (list->n && (*list->p == ' ' || *list->p == '\t' || *list->p == ',')) {
        list->p++;
        list->n--;
    }
    *ret_weak = take_text(list, AX_STR("W/"));
    if (list->n < 2 || *list->p != '"')
        return false;
    const char *end = memchr(list->p + 1, '"', list->n - 1);
    if (!end)
        return false;
    *ret = (struct ax_str){list->p, (size_t)(end + 1 - list->p)};
    list->n -= ret->n;
    list->p = end + 1;
    return list->n == 0 || *list->p == ' ' || *list->p == '\t' || *list->p == ',';
}

/* `weak`: W/"a" is the same as "a" (RFC 9110, 8.8.3.2); ours is strong. */
static bool matches(struct ax_str list, struct ax_str etag, bool weak)
{
    struct ax_str tag;
    bool is_weak;

    if (ax_str_eq(list, AX_STR("*")))
        return true;
    while (next_tag(&list, &is_weak, &tag))
        if (ax_str_eq(tag, etag) && (weak || !is_weak))
            return true;
    return false;
}

/* ---- preconditions */

/* Was it modified after the date of the field?  A field that is no date is as if it were not there. */
static bool modified_since(struct ax_str field, const struct ax_validators *v, int64_t now, bool otherwise)
{
    int64_t t;

    return ax_http_date_parse(field, now, &t) ? v->modified > t : otherwise;
}

enum ax_precondition ax_preconditions_check(const struct ax_preconditions *p, const struct ax_validators *v,
                                            int64_t now)
{
    if (p->if_match.p) {
        if (!matches(p->if_match, v->etag, false))
            return AX_PRE_FAILED;
    } else if (p->if_unmodified_since.p && modified_since(p->if_unmodified_since, v, now, false)) {
        return AX_PRE_FAILED;
    }
    if (p->if_none_match.p)
        return matches(p->if_none_match, v->etag, true) ? AX_PRE_NOT_MODIFIED : AX_PRE_HOLDS;
    if (p->if_modified_since.p && !modified_since(p->if_modified_since, v, now, true))
        return AX_PRE_NOT_MODIFIED;
    return AX_PRE_HOLDS;
}

bool ax_if_range_holds(struct ax_str value, const struct ax_validators *v, int64_t now)
{
    int64_t t;

    if (value.n && (*value.p == '"' || *value.p == 'W'))
        return ax_str_eq(value, v->etag) ||
               (ax_http_date_parse(value, now, &t) && t == v->modified); /* "Wed, ..." */
    return ax_http_date_parse(value, now, &t) && t == v->modified;
}
