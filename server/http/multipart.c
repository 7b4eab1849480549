#include "http/multipart.h"

#include "base/assert.h"

/* RFC 2046, 5.1.1 */
enum { BOUNDARY_MAX = 70 };

/* ---- header values: a slice is read from its front */

static bool eat(struct ax_str *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    s->p++;
    s->n--;
    return true;
}

static void skip_space(struct ax_str *s)
{
    while (eat(s, ' ') || eat(s, '\t'))
        ;
}

static bool is_visible(char c)
{
    return (unsigned char)(c - '!') <= '~' - '!';
}

/* The bytes in front of the first of `stops`. */
static struct ax_str eat_until(struct ax_str *s, const char *stops)
{
    struct ax_str r = {s->p, 0};

    while (r.n < s->n && !strchr(stops, s->p[r.n]))
        r.n++;
    s->p += r.n;
    s->n -= r.n;
    return r;
}

/* The inside of a quoted string (RFC 9110, 5.6.4) behind its first quote, still escaped; false when it does
 * not end. */
static bool eat_quoted(struct ax_str *s, struct ax_str *ret)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i] == '"') {
            *ret = (struct ax_str){s->p, i};
            s->p += i + 1;
            s->n -= i + 1;
            return true;
        }
        if (s->p[i] == '\\' && i + 1 < s->n && (s->p[i + 1] == '"' || s->p[i + 1] == '\\'))
            i++;
    }
    return false;
}

/* One `; name=value` (RFC 9110, 5.6.6). */
struct param {
    struct ax_str name, value;
    bool quoted;
};
enum { PARAM, PARAMS_END, PARAMS_MALFORMED };

static int next_param(struct ax_str *s, struct param *ret)
{
    skip_space(s);
    if (s->n == 0)
        return PARAMS_END;
    if (!eat(s, ';'))
        return PARAMS_MALFORMED;
    skip_space(s);
    if (s->n == 0)
        return PARAMS_END;
    ret->name = eat_until(s, " \t;=\"");
    if (ret->name.n == 0 || !eat(s, '='))
        return PARAMS_MALFORMED;
    ret->quoted = eat(s, '"');
    if (ret->quoted)
        return eat_quoted(s, &ret->value) ? PARAM : PARAMS_MALFORMED;
    ret->value = eat_until(s, " \t;\"");
    return ret->value.n ? PARAM : PARAMS_MALFORMED;
}

/* Two different ideas of where parts end are how a filter is got past, so a second boundary is refused. */
bool ax_multipart_boundary(struct ax_str content_type, struct ax_str *ret)
{
    struct ax_str rest = content_type, found = {0};
    struct param p;
    int rc;

    skip_space(&rest);
    if (!ax_str_eq_nocase(eat_until(&rest, " \t;"), AX_STR("multipart/form-data")))
        return false;
    while ((rc = next_param(&rest, &p)) == PARAM) {
        if (!ax_str_eq_nocase(p.name, AX_STR("boundary")))
            continue;
        if (found.n || p.value.n == 0 || p.value.n > BOUNDARY_MAX || p.value.p[p.value.n - 1] == ' ')
            return false;
        for (size_t i = 0; i < p.value.n; i++)
            if ((!is_visible(p.value.p[i]) && p.value.p[i] != ' ') || p.value.p[i] == '\\')
                return false;
        found = p.value;
    }
    if (rc != PARAMS_END || found.n == 0)
        return false;
    *ret = found;
    return true;
}

/* ---- names: unescaped into the part's scratch only where there is something to unescape */

struct scratch {
    char *p;
    size_t n, max;
};

static bool put(struct scratch *to, char c)
{
    if (to->n == to->max)
        return false;
    to->p[to->n++] = c;
    return true;
}

static int percent(const char *p, size_t left)
{
    int hi = left < 3 ? -1 : ax_hex(p[1]), lo = left < 3 ? -1 : ax_hex(p[2]);

    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

/* A backslash escapes only a quote and itself, since Windows paths are sent with plain ones.  Browsers write
 * a quote, CR and LF as %22, %0D, %0A and leave every other '%' alone (WHATWG HTML, "multipart form data").
 */
static bool unquote(struct ax_str *s, struct scratch *to)
{
    size_t start = to->n;

    if (!memchr(s->p, '\\', s->n) && !memchr(s->p, '%', s->n))
        return true;
    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];
        if (c == '\\' && i + 1 < s->n && (s->p[i + 1] == '"' || s->p[i + 1] == '\\')) {
            c = s->p[++i];
        } else if (c == '%') {
            int b = percent(s->p + i, s->n - i);
            if (b == '"' || b == '\r' || b == '\n') {
                c = (char)b;
                i += 2;
            }
        }
        if (!put(to, c))
            return false;
    }
    *s = (struct ax_str){to->p + start, to->n - start};
    return true;
}

/* RFC 8187, 3.2: UTF-8'language'percent-encoded. */
static bool decode_extended(struct ax_str *s, struct scratch *to)
{
    struct ax_str rest = *s;
    size_t start = to->n;

    if (!ax_str_eq_nocase(eat_until(&rest, "'"), AX_STR("UTF-8")) || !eat(&rest, '\''))
        return false;
    eat_until(&rest, "'");
    if (!eat(&rest, '\''))
        return false;
    for (size_t i = 0; i < rest.n; i++) {
        int c = (unsigned char)rest.p[i];
        if (c == '%') {
            c = percent(rest.p + i, rest.n - i);
            i += 2;
        }
        if (c < ' ' || c == 0x7f || !put(to, (char)c))
            return false;
    }
    *s = (struct ax_str){to->p + start, to->n - start};
    return ax_utf8_valid(s->p, s->n);
}

/* Old browsers send the whole path, of either kind.  "." and ".." name no file. */
static struct ax_str last_component(struct ax_str s)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '/' || s.p[i - 1] == '\\') {
            s.p += i;
            s.n -= i;
            break;
        }
    if (ax_str_eq(s, AX_STR(".")) || ax_str_eq(s, AX_STR("..")))
        s.n = 0;
    return s;
}

/* ---- the header block of a part */

struct values {
    struct param name, filename, name_ext, filename_ext; /* name.p NULL = not given */
};

static struct param *slot(struct values *v, struct ax_str name)
{
    const struct {
        struct ax_str name;
        struct param *slot;
    } known[] = {
        {AX_STR("name"), &v->name},
        {AX_STR("filename"), &v->filename},
        {AX_STR("name*"), &v->name_ext},
        {AX_STR("filename*"), &v->filename_ext},
    };

    for (unsigned i = 0; i < AX_COUNT(known); i++)
        if (ax_str_eq_nocase(known[i].name, name))
            return known[i].slot;
    return NULL;
}

/* The plain parameter, else the extended one: RFC 7578, 4.2 forbids the latter, but older clients send
 * nothing else. *ret stays as it is when there is neither. */
static bool pick(const struct param *plain, const struct param *extended, struct scratch *to,
                 struct ax_str *ret)
{
    const struct param *p = plain->name.p ? plain : extended;

    if (!p->name.p)
        return true;
    *ret = p->value;
    if (p == extended)
        return decode_extended(ret, to);
    return !p->quoted || unquote(ret, to);
}

static bool read_disposition(struct ax_str value, struct ax_part *ret)
{
    struct values v = {0};
    struct scratch to = {.p = ret->scratch, .max = sizeof ret->scratch};
    struct param p;
    int rc;

    if (!ax_str_eq_nocase(eat_until(&value, " \t;"), AX_STR("form-data")))
        return false;
    while ((rc = next_param(&value, &p)) == PARAM) {
        struct param *s = slot(&v, p.name);
        if (s && s->name.p)
            return false;
        if (s)
            *s = p;
    }
    if (rc != PARAMS_END || !pick(&v.name, &v.name_ext, &to, &ret->name) ||
        !pick(&v.filename, &v.filename_ext, &to, &ret->filename))
        return false;
    if (ret->filename.p)
        ret->filename = last_component(ret->filename);
    return ret->name.p != NULL;
}

/* token, RFC 9110, 5.6.2 */
static bool is_token(struct ax_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_visible(s.p[i]) || strchr("\"(),/:;<=>?@[\\]{}", s.p[i]))
            return false;
    return s.n > 0;
}

static bool read_header(struct ax_str line, struct ax_part *ret)
{
    struct ax_str name = eat_until(&line, ":");

    for (size_t i = 0; i < line.n; i++)
        if (((unsigned char)line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
            return false;
    if (!is_token(name) || !eat(&line, ':'))
        return false;
    line = ax_str_trim(line);
    if (ax_str_eq_nocase(name, AX_STR("content-disposition")))
        return !ret->name.p && read_disposition(line, ret);
    if (ax_str_eq_nocase(name, AX_STR("content-type"))) {
        if (ret->content_type.p || line.n == 0)
            return false;
        ret->content_type = line;
    }
    return true;
}

/* `head`: whole lines, each with its CRLF. */
static bool read_head(struct ax_str head, struct ax_part *ret)
{
    while (head.n) {
        const char *end = memmem(head.p, head.n, "\r\n", 2);
        if (!end)
            return false;
        struct ax_str line = {head.p, (size_t)(end - head.p)};
        head.p += line.n + 2;
        head.n -= line.n + 2;
        if (!read_header(line, ret))
            return false;
    }
    return ret->name.p != NULL;
}

bool ax_multipart_head(struct ax_str head, struct ax_part *ret)
{
    ret->name = ret->filename = ret->content_type = ret->data = (struct ax_str){0};
    return head.n <= AX_PART_HEAD_MAX && read_head(head, ret);
}

/* ---- delimiters (RFC 2046, 5.1.1) */

struct delimiter {
    size_t at, next; /* first byte, CRLF included; first byte behind its line */
    bool close;
};

/* What follows "--boundary": padding and CRLF, or "--" and padding up to CRLF or the end of the body.
 * Anything else is data that looks alike. */
static bool read_tail(struct ax_str body, size_t at, struct delimiter *ret)
{
    ret->close = body.n - at >= 2 && memcmp(body.p + at, "--", 2) == 0;
    if (ret->close)
        at += 2;
    while (at < body.n && (body.p[at] == ' ' || body.p[at] == '\t'))
        at++;
    bool end = ret->close && (at == body.n || (at + 1 == body.n && body.p[at] == '\r'));
    bool crlf = body.n - at >= 2 && memcmp(body.p + at, "\r\n", 2) == 0;
    ret->next = end ? body.n : at + 2;
    return end || crlf;
}

/* The first delimiter from `at` on; at the very start of the body its CRLF may be missing. */
static bool find_delimiter(const struct ax_multipart *m, size_t at, struct delimiter *ret)
{
    char line[4 + BOUNDARY_MAX] = "\r\n--";
    size_t n = 4 + m->boundary.n;

    memcpy(line + 4, m->boundary.p, m->boundary.n);
    if (at == 0 && m->body.n >= n - 2 && memcmp(m->body.p, line + 2, n - 2) == 0) {
        ret->at = 0;
        if (read_tail(m->body, n - 2, ret))
            return true;
    }
    while (m->body.n - at >= n) {
        const char *hit = memmem(m->body.p + at, m->body.n - at, line, n);
        if (!hit)
            return false;
        ret->at = (size_t)(hit - m->body.p);
        if (read_tail(m->body, ret->at + n, ret))
            return true;
        at = ret->at + n;
    }
    return false;
}

void ax_multipart_init(struct ax_multipart *m, struct ax_str body, struct ax_str boundary)
{
    *m = (struct ax_multipart){.body = body, .boundary = boundary};
    m->failed = boundary.n == 0 || boundary.n > BOUNDARY_MAX || body.n == 0;
}

/* The length of the header block at m->at, without the empty line that ends it; false when there is none in
 * reach. */
static bool head_length(const struct ax_multipart *m, size_t *ret)
{
    size_t left = m->body.n - m->at;
    size_t reach = left < AX_PART_HEAD_MAX + 2 ? left : AX_PART_HEAD_MAX + 2;
    const char *end = memmem(m->body.p + m->at, reach, "\r\n\r\n", 4);

    if (!end)
        return false;
    *ret = (size_t)(end - m->body.p) + 2 - m->at;
    return true;
}

/* The empty line's CRLF may be the delimiter's too: a part without data (RFC 2046, 5.1.1, body-part). */
static bool read_part(struct ax_multipart *m, struct ax_part *ret)
{
    struct delimiter d;
    size_t head;

    ret->name = ret->filename = ret->content_type = (struct ax_str){0};
    if (!head_length(m, &head) || !read_head((struct ax_str){m->body.p + m->at, head}, ret))
        return false;
    size_t data = m->at + head + 2;
    if (!find_delimiter(m, data - 2, &d))
        return false;
    ret->data = (struct ax_str){m->body.p + data, d.at < data ? 0 : d.at - data};
    m->at = d.next;
    m->done = d.close;
    m->parts++;
    return true;
}

int ax_multipart_next(struct ax_multipart *m, struct ax_part *ret)
{
    struct delimiter d;

    if (!m->failed && !m->done && m->at == 0) {
        if (find_delimiter(m, 0, &d)) {
            m->at = d.next;
            m->done = d.close;
        } else {
            m->failed = true;
        }
    }
    if (m->failed)
        return AX_PARTS_MALFORMED;
    if (m->done)
        return AX_PARTS_END;
    m->failed = !read_part(m, ret);
    return m->failed ? AX_PARTS_MALFORMED : AX_PART;
}
