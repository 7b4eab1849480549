#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static void put2(char *at, int v)
{
    at[0] = (char)('0' + v / 10 % 10);
    at[1] = (char)('0' + v % 10);
}

static void put4(char *at, int v)
{
    put2(at, v / 100);
    put2(at + 2, v % 100);
}

void ax_http_date(char out[AX_HTTP_DATE_LEN + 1], int64_t unix_seconds)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t t = (time_t)unix_seconds;
    struct tm tm;

    gmtime_r(&t, &tm);
    memcpy(out, "Ddd, 00 Mmm 0000 00:00:00 GMT", AX_HTTP_DATE_LEN + 1);
    memcpy(out, days + tm.tm_wday * 3, 3);
    put2(out + 5, tm.tm_mday);
    memcpy(out + 8, months + tm.tm_mon * 3, 3);
    put4(out + 12, tm.tm_year + 1900);
    put2(out + 17, tm.tm_hour);
    put2(out + 20, tm.tm_min);
    put2(out + 23, tm.tm_sec);
}

void ax_rfc3339(char out[AX_RFC3339_LEN + 1], ax_wall t)
{
    time_t s = (time_t)(t.us / 1000000);
    struct tm tm;

    gmtime_r(&s, &tm);
    memcpy(out, "0000-00-00T00:00:00.000Z", AX_RFC3339_LEN + 1);
    put4(out, tm.tm_year + 1900);
    put2(out + 5, tm.tm_mon + 1);
    put2(out + 8, tm.tm_mday);
    put2(out + 11, tm.tm_hour);
    put2(out + 14, tm.tm_min);
    put2(out + 17, tm.tm_sec);
    int ms = (int)(t.us % 1000000 / 1000);
    out[20] = (char)('0' + ms / 100);
    put2(out + 21, ms % 100);
}
