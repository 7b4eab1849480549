#include "cli/when.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/manifest.h"

#define SECOND INT64_C(1000000)
enum { DAY_S = 86400, YEAR_MIN = 1970, YEAR_MAX = 9999 };

struct parts {
    int year, month, day, hour, minute, second;
    int64_t us;
    bool has_date, has_time, has_zone;
    int zone_s; /* seconds east of UTC */
};

/* Exactly n digits; moves *p behind them. */
static bool digits(const char **p, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (!isdigit((unsigned char)**p))
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool skip(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool read_date(const char **p, struct parts *t)
{
    return digits(p, 4, &t->year) && skip(p, '-') && digits(p, 2, &t->month) && skip(p, '-') &&
           digits(p, 2, &t->day);
}

static bool read_fraction(const char **p, struct parts *t)
{
    int64_t unit = SECOND / 10;

    if (!isdigit((unsigned char)**p))
        return false;
    for (; isdigit((unsigned char)**p); (*p)++, unit /= 10)
        t->us += (**p - '0') * unit;
    return true;
}

static bool read_clock(const char **p, struct parts *t)
{
    if (!digits(p, 2, &t->hour) || !skip(p, ':') || !digits(p, 2, &t->minute))
        return false;
    if (skip(p, ':') && (!digits(p, 2, &t->second) || (skip(p, '.') && !read_fraction(p, t))))
        return false;
    t->has_time = true;
    return true;
}

static bool read_zone(const char **p, struct parts *t)
{
    int sign = **p == '-' ? -1 : 1, h, m;

    if (**p == '\0')
        return true;
    t->has_zone = true;
    if (skip(p, 'Z') || skip(p, 'z'))
        return true;
    if (!(skip(p, '+') || skip(p, '-')) || !digits(p, 2, &h) || !skip(p, ':') || !digits(p, 2, &m))
        return false;
    t->zone_s = sign * (h * 3600 + m * 60);
    return h < 24 && m < 60;
}

static bool read_parts(const char *text, struct parts *t)
{
    const char *p = text;

    if (strlen(text) > 4 && text[4] == '-') {
        t->has_date = true;
        if (!read_date(&p, t))
            return false;
        if (*p &&
            (!(skip(&p, 'T') || skip(&p, 't') || skip(&p, ' ')) || !read_clock(&p, t) || !read_zone(&p, t)))
            return false;
    } else if (!read_clock(&p, t)) {
        return false;
    }
    return *p == '\0';
}

static bool in_range(const struct parts *t)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (t->has_date) {
        bool leap = (t->year % 4 == 0 && t->year % 100 != 0) || t->year % 400 == 0;

        if (t->year < YEAR_MIN || t->year > YEAR_MAX || t->month < 1 || t->month > 12 || t->day < 1 ||
            t->day > days[t->month - 1] || (t->month == 2 && t->day == 29 && !leap))
            return false;
    }
    return t->hour < 24 && t->minute < 60 && t->second <= 60; /* 60: a leap second (RFC 3339, 5.6) */
}

static int64_t to_us(struct tm tm, bool utc)
{
    tm.tm_isdst = -1;
    return (int64_t)(utc ? timegm(&tm) : mktime(&tm)) * SECOND;
}

static void split(time_t t, bool utc, struct tm *ret)
{
    if (utc)
        gmtime_r(&t, ret);
    else
        localtime_r(&t, ret);
}

static int64_t resolve(const struct parts *t, const struct ax_when *w)
{
    bool utc = w->utc || t->has_zone;
    struct tm tm;

    split((time_t)(w->now_us / SECOND), utc, &tm);
    tm.tm_hour = t->hour;
    tm.tm_min = t->minute;
    tm.tm_sec = t->second;
    if (!t->has_date) {
        int64_t us = to_us(tm, utc) + t->us;

        if (us <= w->now_us)
            return us;
        tm.tm_mday--; /* mktime sets it right, over months and changes of the clock */
        return to_us(tm, utc) + t->us;
    }
    tm.tm_year = t->year - 1900;
    tm.tm_mon = t->month - 1;
    tm.tm_mday = t->day + (!t->has_time && w->end);
    return to_us(tm, utc) + t->us - t->zone_s * SECOND;
}

int ax_when_parse(const char *text, const struct ax_when *w, int64_t *ret_us, struct ax_err *reterr)
{
    struct parts t = {0};
    int64_t ago;

    if (strcmp(text, "now") == 0) {
        *ret_us = w->now_us;
        return 0;
    }
    if (ax_duration_parse(text, false, &ago, NULL) == 0) {
        *ret_us = ago > w->now_us ? 0 : w->now_us - ago;
        return 0;
    }
    if (!read_parts(text, &t))
        return ax_fail(reterr, AX_E_SYNTAX,
                       "'%s' is no time; write 1h, 14:00, 2026-11-22 or 2026-11-22T14:00:00Z", text);
    if (!in_range(&t))
        return ax_fail(reterr, AX_E_RANGE, "'%s' is no date or time that exists", text);
    *ret_us = resolve(&t, w);
    return 0;
}

const char *ax_when_show(char out[AX_WHEN_MAX], int64_t us, bool utc)
{
    struct tm tm;

    split((time_t)(us / SECOND), utc, &tm);
    strftime(out, AX_WHEN_MAX, utc ? "%Y-%m-%d %H:%M:%SZ" : "%Y-%m-%d %H:%M:%S", &tm);
    return out;
}

const char *ax_when_ago(char out[AX_WHEN_MAX], int64_t us, int64_t now_us)
{
    long s = us < now_us ? (long)((now_us - us) / SECOND) : 0;

    if (s < 120)
        snprintf(out, AX_WHEN_MAX, "%lds", s);
    else if (s < 2 * 3600)
        snprintf(out, AX_WHEN_MAX, "%ldm", s / 60);
    else if (s < 2 * DAY_S)
        snprintf(out, AX_WHEN_MAX, "%ldh", s / 3600);
    else
        snprintf(out, AX_WHEN_MAX, "%ldd", s / DAY_S);
    return out;
}
