/* config/dotenv.c - .env as Node's --env-file reads it (src/node_dotenv.cc): `KEY=value`, `export KEY=value`,
 * values in ' " or ` over several lines, \n turned into a newline within " only, # starts a comment outside
 * quotes, the last of repeated keys wins, a line without = is skipped.  Unlike Node, blanks behind an empty
 * `KEY=` do not make the next line its value, and a line whose name has a NUL in it is skipped. */
#include <errno.h>

#include "base/buf.h"
#include "config/manifest.h"
#include "config/mf_arena.h"
#include "config/mf_file.h"

struct reader {
    struct ax_str left;
    struct ax_pairs *to;
    struct ax_mf_arena *arena;
};

static struct ax_str cut(struct ax_str s, size_t from, size_t to)
{
    return (struct ax_str){s.p + from, to - from};
}

/* Offset of c in s at or behind `from`; s.n when it is not there. */
static size_t find(struct ax_str s, char c, size_t from)
{
    const char *p = from < s.n ? memchr(s.p + from, c, s.n - from) : NULL;

    return p ? (size_t)(p - s.p) : s.n;
}

static struct ax_str trim(struct ax_str s)
{
    while (s.n && strchr(" \t\r\n", s.p[s.n - 1]) && s.p[s.n - 1])
        s.n--;
    while (s.n && strchr(" \t\r\n", s.p[0]) && s.p[0])
        s = cut(s, 1, s.n);
    return s;
}

static struct ax_pair *slot(struct reader *r, struct ax_str key)
{
    struct ax_pairs *to = r->to;

    for (size_t i = 0; i < to->n; i++)
        if (ax_str_eq(ax_str(to->v[i].key), key))
            return &to->v[i];
    struct ax_pair *v = ax_mf_grow(r->arena, to->v, to->n, sizeof *v);
    char *name = v ? ax_mf_strndup(r->arena, key.p, key.n) : NULL;
    if (!name)
        return NULL;
    to->v = v;
    v[to->n] = (struct ax_pair){.key = name};
    return &v[to->n++];
}

/* Drops CR; with `escapes` a backslash and n become a newline. */
static bool set(struct reader *r, struct ax_str key, struct ax_str value, bool escapes)
{
    char *text = ax_mf_alloc(r->arena, value.n + 1);
    struct ax_pair *pair = text ? slot(r, key) : NULL;
    size_t n = 0;

    if (!pair)
        return false;
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (escapes && c == '\\' && i + 1 < value.n && value.p[i + 1] == 'n') {
            c = '\n';
            i++;
        } else if (c == '\r' || c == '\0') {
            continue;
        }
        text[n++] = c;
    }
    text[n] = '\0';
    pair->value = text;
    return true;
}

/* The value that starts at offset `at`; moves r->left behind its line. */
static bool read_value(struct reader *r, struct ax_str key, size_t at)
{
    struct ax_str s = r->left;
    size_t line_end = find(s, '\n', at);
    bool ok;

    while (at < line_end && (s.p[at] == ' ' || s.p[at] == '\t'))
        at++;
    size_t close = at < line_end && strchr("'\"`", s.p[at]) ? find(s, s.p[at], at + 1) : s.n;
    if (close < s.n) {
        ok = set(r, key, cut(s, at + 1, close), s.p[at] == '"');
        line_end = find(s, '\n', close);
    } else if (at < line_end && strchr("'\"`", s.p[at])) {
        ok = set(r, key, trim(cut(s, at, line_end)), false); /* never closed: the line as it is */
    } else {
        size_t hash = find(s, '#', at);
        ok = set(r, key, trim(cut(s, at, hash < line_end ? hash : line_end)), false);
    }
    r->left = cut(s, line_end, s.n);
    return ok;
}

static bool read_line(struct reader *r)
{
    struct ax_str s = r->left;
    size_t line_end = find(s, '\n', 0), equal = find(s, '=', 0);
    struct ax_str key = trim(cut(s, 0, equal < line_end ? equal : line_end));

    if (equal >= line_end || key.n == 0 || key.p[0] == '#' || memchr(key.p, '\0', key.n)) {
        r->left = cut(s, line_end < s.n ? line_end + 1 : s.n, s.n);
        return true;
    }
    if (ax_str_has_prefix(key, AX_STR("export ")))
        key = trim(cut(key, strlen("export "), key.n));
    return read_value(r, key, equal + 1);
}

int ax_dotenv_load(const char *file, struct ax_pairs *ret, struct ax_mf_arena *arena, struct ax_err *reterr)
{
    struct ax_buf text = AX_BUF_INIT(AX_MF_FILE_MAX);
    struct ax_pairs pairs = {0};
    struct ax_err err = {0};

    int rc = ax_file_read(file, &text, &err);
    if (rc < 0 && err.os == ENOENT) {
        rc = 0;
        goto done;
    }
    if (rc < 0) {
        ax_fail_at(reterr, err.code, NULL, 0, 0, "%s", err.msg);
        goto done;
    }
    struct reader r = {.left = ax_buf_str(&text), .to = &pairs, .arena = arena};
    if (ax_str_has_prefix(r.left, AX_STR("\xef\xbb\xbf")))
        r.left = cut(r.left, 3, r.left.n);
    while (r.left.n)
        if (!read_line(&r)) {
            rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
            goto done;
        }
    *ret = pairs;
done:
    ax_buf_fini(&text);
    return rc;
}
