#include "config/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first, for the way back to text. */
static const struct unit times[] = {
    {"d", INT64_C(86400000000)}, {"h", INT64_C(3600000000)}, {"m", 60000000}, {"s", 1000000}, {"ms", 1000},
};
static const struct unit sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1000000000},
    {"MB", 1000000},  {"KB", 1000},     {"B", 1},
};

bool ax_is_off(const char *text)
{
    return strcmp(text, "off") == 0 || strcmp(text, "false") == 0;
}

static const struct unit *find_unit(const char *name, const struct unit *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(u[i].name, name) == 0)
            return &u[i];
    return NULL;
}

/* Digits of text, and up to six of a fraction in millionths; *rest is what follows.  False: no digit, or too
 * many. */
static bool split_number(const char *text, int64_t *whole, int64_t *millionths, const char **rest)
{
    const char *p = text;
    int64_t scale = 100000;

    *whole = *millionths = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(*whole, (int64_t)10, whole) ||
            __builtin_add_overflow(*whole, (int64_t)(*p - '0'), whole))
            return false;
    if (p == text)
        return false;
    if (*p == '.') {
        const char *dot = p++;
        for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
            *millionths += (*p - '0') * scale;
        if (p == dot + 1 || p > dot + 7)
            return false;
    }
    *rest = p;
    return true;
}

static bool scale_number(int64_t whole, int64_t millionths, int64_t factor, int64_t *ret)
{
    int64_t part = (int64_t)((double)millionths * (double)factor / 1e6 + 0.5);
    int64_t v;

    if (__builtin_mul_overflow(whole, factor, &v) || __builtin_add_overflow(v, part, &v) || v == AX_OFF)
        return false;
    *ret = v;
    return true;
}

static int bad_unit(const char *text, const char *rest, const struct unit *u, size_t n, const char *all,
                    struct ax_err *reterr)
{
    const char *names[8];
    const char *near = NULL;

    for (size_t i = 0; i < n; i++)
        names[i] = u[i].name;
    for (size_t i = 0; i < n && !near; i++) /* "kb", "MIB" */
        if (ax_str_eq_nocase(ax_str(rest), ax_str(names[i])))
            near = names[i];
    for (size_t i = 0; i < n && !near; i++) /* "k", "M", "sec", "min" */
        if (*rest && ax_lower(rest[0]) == ax_lower(names[i][0]))
            near = names[i];
    if (near)
        return ax_fail(reterr, AX_E_SYNTAX, "unknown unit in \"%.60s\" (units: %s), did you mean %.*s%s?",
                       text, all, (int)(rest - text), text, near);
    return ax_fail(reterr, AX_E_SYNTAX, "unknown unit in \"%.60s\" (units: %s)", text, all);
}

int ax_duration_parse(const char *text, bool may_off, int64_t *ret_us, struct ax_err *reterr)
{
    static const char all[] = "ms s m h d";
    int64_t whole, part;
    const char *rest;

    if (may_off && ax_is_off(text)) {
        *ret_us = AX_OFF;
        return 0;
    }
    if (!split_number(text, &whole, &part, &rest))
        return ax_fail(reterr, AX_E_TYPE, "must be a time such as 250ms or 10s%s (found \"%.60s\")",
                       may_off ? ", or off" : "", text);
    if (*rest == '\0' && whole == 0 && part == 0) {
        *ret_us = 0;
        return 0;
    }
    if (*rest == '\0')
        return ax_fail(reterr, AX_E_SYNTAX, "a time needs a unit (%s): did you mean %ss or %sms?", all, text,
                       text);
    const struct unit *u = find_unit(rest, times, AX_COUNT(times));
    if (!u)
        return bad_unit(text, rest, times, AX_COUNT(times), all, reterr);
    if (!scale_number(whole, part, u->factor, ret_us))
        return ax_fail(reterr, AX_E_RANGE, "\"%.60s\" is too large", text);
    return 0;
}

int ax_size_parse(const char *text, bool may_off, int64_t *ret_bytes, struct ax_err *reterr)
{
    int64_t whole, part;
    const char *rest;

    if (may_off && ax_is_off(text)) {
        *ret_bytes = AX_OFF;
        return 0;
    }
    if (!split_number(text, &whole, &part, &rest))
        return ax_fail(reterr, AX_E_TYPE, "must be a size such as 16KiB or 10MB%s (found \"%.60s\")",
                       may_off ? ", or off" : "", text);
    if (part && (*rest == '\0' || strcmp(rest, "B") == 0))
        return ax_fail(reterr, AX_E_SYNTAX, "there is no part of a byte (found \"%.60s\")", text);
    const struct unit *u = find_unit(*rest ? rest : "B", sizes, AX_COUNT(sizes));
    if (!u)
        return bad_unit(text, rest, sizes, AX_COUNT(sizes), "B KiB MiB GiB KB MB GB", reterr);
    if (!scale_number(whole, part, u->factor, ret_bytes))
        return ax_fail(reterr, AX_E_RANGE, "\"%.60s\" is too large", text);
    return 0;
}

int ax_count_parse(const char *text, int64_t *ret, struct ax_err *reterr)
{
    uint64_t v;
    bool minus = text[0] == '-';

    if (!ax_str_u64(ax_str(text + minus), &v) || v > INT64_MAX - 1)
        return ax_fail(reterr, AX_E_TYPE, "must be a whole number (found \"%.60s\")", text);
    *ret = minus ? -(int64_t)v : (int64_t)v;
    return 0;
}

int ax_mode_parse(const char *text, int *ret, struct ax_err *reterr)
{
    const char *p = strncmp(text, "0o", 2) == 0 ? text + 2 : text;
    size_t n = strlen(p);
    int v = 0;

    if (n < 3 || n > 4 || strspn(p, "01234567") != n || (n == 4 && p[0] != '0'))
        return ax_fail(reterr, AX_E_TYPE, "must be permission bits in octal such as 0660 (found \"%.60s\")",
                       text);
    for (; *p; p++)
        v = v * 8 + (*p - '0');
    *ret = v;
    return 0;
}

int ax_rate_check(const char *text, struct ax_err *reterr)
{
    size_t n = strspn(text, "0123456789");
    const char *p = text + n;
    bool ok = n > 0 && n < 10 && text[0] != '0' && p[0] == '/' && p[1] && strchr("smh", p[1]);

    if (ok && p[2]) {
        const char *burst = p + 2 + strlen(" burst ");
        ok = strncmp(p + 2, " burst ", strlen(" burst ")) == 0;
        n = ok ? strspn(burst, "0123456789") : 0;
        ok = ok && n > 0 && n < 10 && burst[0] != '0' && burst[n] == '\0';
    }
    return ok ? 0
              : ax_fail(reterr, AX_E_TYPE,
                        "must be a rate such as 100/s or \"100/s burst 200\" (found \"%.60s\")", text);
}

static void number_text(char out[AX_UNIT_TEXT], int64_t v, const struct unit *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v >= u[i].factor && v % u[i].factor == 0) {
            snprintf(out, AX_UNIT_TEXT, "%" PRId64 "%s", v / u[i].factor, u[i].name);
            return;
        }
    snprintf(out, AX_UNIT_TEXT, "%" PRId64, v);
}

void ax_duration_text(char out[AX_UNIT_TEXT], int64_t us)
{
    if (us == AX_OFF)
        snprintf(out, AX_UNIT_TEXT, "off");
    else if (us % 1000)
        snprintf(out, AX_UNIT_TEXT, "%" PRId64 ".%03" PRId64 "ms", us / 1000, us % 1000);
    else
        number_text(out, us, times, AX_COUNT(times));
}

void ax_size_text(char out[AX_UNIT_TEXT], int64_t bytes)
{
    if (bytes == AX_OFF)
        snprintf(out, AX_UNIT_TEXT, "off");
    else if (bytes > 1024 &&
             (bytes + 1) % 1024 == 0) /* the header ceiling: 65535 is how 64KiB-1 would hide */
        snprintf(out, AX_UNIT_TEXT, "%" PRId64 "KiB-1 (%" PRId64 " bytes)", (bytes + 1) / 1024, bytes);
    else
        number_text(out, bytes, sizes, AX_COUNT(sizes));
}
