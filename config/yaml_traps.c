#include "config/yaml_traps.h"

#include <string.h>

/* One line under inspection; `depth` counts the open brackets before `at`. */
struct line {
    const char *text;
    size_t at, end;
    unsigned depth;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static size_t skip_quoted(const struct line *l, size_t i)
{
    char quote = l->text[i++];

    for (; i < l->end && l->text[i] != quote; i++)
        if (quote == '"' && l->text[i] == '\\')
            i++;
    return i < l->end ? i + 1 : l->end;
}

/* Where the value that starts at l->at ends: at a comment, in brackets also at a comma or the closing
 * bracket. */
static size_t value_end(const struct line *l)
{
    unsigned nested = 0;
    size_t i = l->at;

    for (; i < l->end; i++) {
        char c = l->text[i];
        if (c == '#' && i > l->at && blank(l->text[i - 1]))
            break;
        if (l->depth && nested == 0 && (c == ',' || c == ']' || c == '}'))
            break;
        if (c == '[' || c == '{')
            nested++;
        else if ((c == ']' || c == '}') && nested)
            nested--;
    }
    while (i > l->at + 1 && blank(l->text[i - 1]))
        i--;
    return i;
}

/* Offset of the colon that makes [l->at, end) a key; `end` when there is none. */
static size_t key_end(const struct line *l, size_t end)
{
    for (size_t i = l->at; i < end; i++)
        if (l->text[i] == ':' && (i + 1 == end || blank(l->text[i + 1])))
            return i;
    return end;
}

static bool is_alias(const char *p, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", p[i]))
            return false;
    return n > 1;
}

/* "[::1]", "[::1]:80", "[fe80::1%eth0]:80" */
static bool is_v6(const char *p, size_t n)
{
    const char *close = memchr(p, ']', n);

    if (!close || memchr(p, ',', (size_t)(close - p)))
        return false;
    for (const char *c = p + 1; c + 1 < close; c++)
        if (c[0] == ':' && c[1] == ':')
            return true;
    return (size_t)(close - p) + 1 < n && close[1] == ':' && memchr(p, ':', (size_t)(close - p));
}

static bool has_interpolation(const char *p, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (p[i] == '$' && p[i + 1] == '{')
            return true;
    return false;
}

static const char *trap_of(const struct line *l, size_t value, size_t key)
{
    const char *p = l->text + l->at;
    size_t n = value - l->at;

    if (*p == '*' && !is_alias(p, n) && key == value)
        return "an unquoted * starts an alias in YAML";
    if (*p == '@' || *p == '`' || *p == '%')
        return "a value cannot start with @, ` or % in YAML";
    if (*p == '[' && is_v6(p, n))
        return "unquoted [ ] is a list in YAML";
    if (l->depth && n > 1 && p[0] == ':' && p[1] == ':')
        return "a value in { } or [ ] cannot start with : in YAML";
    if (l->depth && key == value && *p != '[' && *p != '{' && has_interpolation(p, n))
        return "an unquoted ${ inside { } or [ ] opens a map in YAML";
    return NULL;
}

static unsigned column(const char *line, const char *at)
{
    unsigned col = 1;

    for (; line < at; line++)
        col += ((unsigned char)*line & 0xc0) != 0x80;
    return col;
}

/* Moves over one token that is no trap. */
static void step(struct line *l, size_t value, size_t key)
{
    char c = l->text[l->at];

    if (c == '[' || c == '{') {
        l->depth++;
        l->at++;
    } else {
        l->at = key < value ? key + 1 : value;
    }
}

/* Moves over what is no start of a value; false at the end. */
static bool to_value(struct line *l)
{
    while (l->at < l->end) {
        char c = l->text[l->at];
        bool colon = c == ':' && !(l->at + 1 < l->end && l->text[l->at + 1] == ':');
        bool dash = c == '-' && l->at + 1 < l->end && blank(l->text[l->at + 1]);
        if (c == '#')
            return false;
        if (c == '"' || c == '\'') {
            l->at = skip_quoted(l, l->at);
            continue;
        }
        if ((c == ']' || c == '}') && l->depth)
            l->depth--;
        else if (!blank(c) && !dash && c != ',' && !colon && c != ']' && c != '}')
            return true;
        l->at++;
    }
    return false;
}

bool ax_yaml_trap(const char *text, size_t n, unsigned line, bool in_flow, struct ax_trap *ret)
{
    size_t start = 0;

    for (unsigned i = 1; i < line; i++) {
        const char *nl = memchr(text + start, '\n', n - start);
        if (!nl)
            return false;
        start = (size_t)(nl - text) + 1;
    }
    const char *nl = start < n ? memchr(text + start, '\n', n - start) : NULL;
    struct line l = {.text = text, .at = start, .end = nl ? (size_t)(nl - text) : n, .depth = in_flow};

    while (to_value(&l)) {
        size_t value = value_end(&l), key = key_end(&l, value);
        const char *why = trap_of(&l, value, key);
        if (why) {
            *ret = (struct ax_trap){l.at, value, line, column(text + start, text + l.at), why};
            return true;
        }
        step(&l, value, key);
    }
    return false;
}
