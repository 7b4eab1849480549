/* Numbers with units, and addresses: what is read, written and read again is the same; a refusal says why. */
#include "config/units.h"
#include "fuzz.h"

static void check_refusal(int rc, const struct ax_err *err)
{
    AX_ASSERT(rc <= 0 && (rc == 0) == (err->code == AX_OK));
    AX_ASSERT(rc == 0 || (err->msg[0] && rc == -(int)err->code));
}

static void check_number(const char *text, int (*parse)(const char *, bool, int64_t *, struct ax_err *),
                         void (*write_out)(char out[AX_UNIT_TEXT], int64_t))
{
    struct ax_err err = {0}, err2 = {0};
    int64_t v = -7, again = -9;
    char out[AX_UNIT_TEXT];
    int rc = parse(text, true, &v, &err);

    check_refusal(rc, &err);
    if (rc < 0) {
        AX_ASSERT(v == -7);
        return;
    }
    AX_ASSERT(v >= 0);
    int strict = parse(text, false, &again, &err2);
    AX_ASSERT(v == AX_OFF ? strict < 0 : strict == 0 && again == v);
    write_out(out, v);
    if (strlen(out) < sizeof out - 1 && !strchr(out, '-')) /* "64KiB-1" is for people */
        AX_ASSERT(parse(out, true, &again, NULL) == 0 && again == v);
}

static void check_others(const char *text)
{
    struct ax_err err = {0};
    int64_t count = -7;
    int mode = -7;

    check_refusal(ax_count_parse(text, &count, &err), &err);
    AX_ASSERT(err.code != AX_OK || (count > INT64_MIN && count < INT64_MAX));
    err = (struct ax_err){0};
    check_refusal(ax_mode_parse(text, &mode, &err), &err);
    AX_ASSERT(err.code != AX_OK || (mode >= 0 && mode <= 07777));
    err = (struct ax_err){0};
    check_refusal(ax_rate_check(text, &err), &err);
}

static void check_listen(const char *text)
{
    struct ax_mf_arena *arena = ax_mf_arena_new();
    struct ax_listen l = {0};
    struct ax_err err = {0};

    AX_ASSERT(arena);
    int rc = ax_listen_parse(text, &l, arena, &err);
    check_refusal(rc, &err);
    if (rc == 0 && l.kind == AX_LISTEN_TCP)
        AX_ASSERT(l.port <= 65535 && l.host && l.host[0] && !strchr(l.host, '['));
    else if (rc == 0)
        AX_ASSERT(l.path && l.path[0]);
    ax_mf_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = exact_cstr(data, n);

    check_number(text, ax_duration_parse, ax_duration_text);
    check_number(text, ax_size_parse, ax_size_text);
    check_others(text);
    check_listen(text);
    free(text);
    return 0;
}
