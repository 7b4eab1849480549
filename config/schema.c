/* config/schema.c - JSON Schema (2020-12) and the reference text, both from the decoder's tables.  The schema
 * is for editors: it is as strict as a single value allows, and lets ${NAME} stand for any. */
#include <inttypes.h>
#include <string.h>

#include "base/buf.h"
#include "config/tables.h"

enum { TEXT_MAX = 4 << 20, INDENT = 2 };

/* A writer of indented JSON: each member says its key (NULL inside an array). */
struct json {
    struct ax_buf b;
    unsigned depth;
    bool first; /* nothing written since the last bracket */
};

static void newline(struct json *j)
{
    ax_buf_addc(&j->b, '\n');
    for (unsigned i = 0; i < j->depth * INDENT; i++)
        ax_buf_addc(&j->b, ' ');
}

static void quoted(struct json *j, const char *text)
{
    ax_buf_addc(&j->b, '"');
    ax_buf_add_json(&j->b, ax_str(text));
    ax_buf_addc(&j->b, '"');
}

static void member(struct json *j, const char *key)
{
    if (!j->first)
        ax_buf_addc(&j->b, ',');
    if (j->depth)
        newline(j);
    j->first = false;
    if (key) {
        quoted(j, key);
        ax_buf_adds(&j->b, ": ");
    }
}

static void open_as(struct json *j, const char *key, char bracket)
{
    member(j, key);
    ax_buf_addc(&j->b, bracket);
    j->depth++;
    j->first = true;
}

static void close_as(struct json *j, char bracket)
{
    j->depth--;
    if (!j->first)
        newline(j);
    ax_buf_addc(&j->b, bracket);
    j->first = false;
}

static void text(struct json *j, const char *key, const char *value)
{
    member(j, key);
    quoted(j, value);
}

static void raw(struct json *j, const char *key, const char *value)
{
    member(j, key);
    ax_buf_adds(&j->b, value);
}

static void number(struct json *j, const char *key, int64_t v)
{
    member(j, key);
    ax_buf_addf(&j->b, "%" PRId64, v);
}

/* {"key": "value"} as an element of an array */
static void one_text(struct json *j, const char *key, const char *value)
{
    open_as(j, NULL, '{');
    text(j, key, value);
    close_as(j, '}');
}

static void one_ref(struct json *j, const char *name)
{
    open_as(j, NULL, '{');
    member(j, "$ref");
    ax_buf_addf(&j->b, "\"#/$defs/%s\"", name);
    close_as(j, '}');
}

static void pattern(struct json *j, const char *key, const char *regex)
{
    open_as(j, key, '{');
    text(j, "type", "string");
    text(j, "pattern", regex);
    close_as(j, '}');
}

/* ---- one row */

static void words(struct json *j, const struct ax_field *f)
{
    open_as(j, NULL, '{');
    open_as(j, "enum", '[');
    for (size_t i = 0; f->words[i]; i++) {
        text(j, NULL, f->words[i]);
        if (strcmp(f->words[i], "off") == 0)
            raw(j, NULL, "false");
    }
    close_as(j, ']');
    close_as(j, '}');
}

static void integer(struct json *j, const struct ax_field *f)
{
    open_as(j, NULL, '{');
    text(j, "type", "integer");
    number(j, "minimum", f->min);
    number(j, "maximum", f->max);
    close_as(j, '}');
}

static void properties(struct json *j, const struct ax_table *t, bool methods);

static void object(struct json *j, const char *key, const struct ax_table *t)
{
    open_as(j, key, '{');
    properties(j, t, false);
    close_as(j, '}');
}

static void named(struct json *j, const struct ax_field *f)
{
    open_as(j, NULL, '{');
    text(j, "type", "object");
    object(j, "additionalProperties", f->map);
    close_as(j, '}');
}

static void error_pages(struct json *j)
{
    open_as(j, NULL, '{');
    text(j, "type", "object");
    open_as(j, "patternProperties", '{');
    raw(j, "^[45]([0-9][0-9]|xx)$", "{ \"type\": \"string\" }");
    close_as(j, '}');
    raw(j, "additionalProperties", "false");
    close_as(j, '}');
}

static void routes(struct json *j)
{
    open_as(j, NULL, '{');
    text(j, "type", "object");
    open_as(j, "patternProperties", '{');
    raw(j, "^/", "{ \"$ref\": \"#/$defs/route\" }");
    close_as(j, '}');
    raw(j, "additionalProperties", "false");
    close_as(j, '}');
}

/* The forms of a value, as elements of anyOf. */
static void forms(struct json *j, const struct ax_field *f)
{
    static const char *const refs[AX_NKINDS] = {
        [AX_K_SIZE] = "size",     [AX_K_TIME] = "time",  [AX_K_MODE] = "mode",     [AX_K_STR] = "text",
        [AX_K_RATE] = "rate",     [AX_K_STRS] = "texts", [AX_K_PROXIES] = "texts", [AX_K_MODULES] = "texts",
        [AX_K_HEADERS] = "pairs", [AX_K_ENV] = "pairs",  [AX_K_LISTEN] = "listen",
    };
    if (f->kind == AX_K_BOOL || f->kind == AX_K_COMPRESS)
        one_text(j, "type", "boolean");
    if (refs[f->kind])
        one_ref(j, refs[f->kind]);
    else if (f->kind == AX_K_INT || f->kind == AX_K_COUNT)
        integer(j, f);
    else if (f->kind == AX_K_ENUM || f->kind == AX_K_WORD)
        words(j, f);
    else if (f->kind == AX_K_MAP || f->kind == AX_K_COMPRESS)
        object(j, NULL, f->map);
    else if (f->kind == AX_K_NAMED)
        named(j, f);
    else if (f->kind == AX_K_ERRORS)
        error_pages(j);
    else if (f->kind == AX_K_ROUTES)
        routes(j);
}

static bool is_scalar(enum ax_kind k)
{
    return k <= AX_K_RATE;
}

static void default_value(struct json *j, const char *def)
{
    bool digits = def[0] != '0' && strspn(def, "0123456789") == strlen(def);

    if (digits || strcmp(def, "0") == 0 || strcmp(def, "true") == 0 || strcmp(def, "false") == 0)
        raw(j, "default", def);
    else
        text(j, "default", def);
}

static void row(struct json *j, const struct ax_field *f)
{
    open_as(j, f->key, '{');
    member(j, "description");
    ax_buf_addc(&j->b, '"');
    ax_buf_add_json(&j->b, ax_str(f->help));
    ax_buf_addc(&j->b, '"');
    if (f->def && !f->shown)
        default_value(j, f->def);
    open_as(j, "anyOf", '[');
    forms(j, f);
    if (f->flags & AX_F_AUTO)
        one_text(j, "const", "auto");
    if (f->flags & AX_F_OFF)
        one_ref(j, "off");
    if (is_scalar(f->kind))
        one_ref(j, "variable");
    close_as(j, ']');
    close_as(j, '}');
}

static void methods_of(struct json *j)
{
    for (size_t i = 0; ax_method_names[i]; i++)
        raw(j, ax_method_names[i], "{ \"$ref\": \"#/$defs/method\" }");
}

static void properties(struct json *j, const struct ax_table *t, bool methods)
{
    text(j, "type", "object");
    open_as(j, "properties", '{');
    if (methods)
        methods_of(j);
    for (size_t i = 0; i < t->n; i++)
        row(j, &t->v[i]);
    close_as(j, '}');
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].flags & AX_F_NEEDED) {
            open_as(j, "required", '[');
            text(j, NULL, t->v[i].key);
            close_as(j, ']');
        }
    if (t == &ax_table_manifest)
        raw(j, "patternProperties", "{ \"^x-\": {} }");
    raw(j, "additionalProperties", "false");
}

static void route(struct json *j, const char *name, bool methods)
{
    open_as(j, name, '{');
    open_as(j, "anyOf", '[');
    one_text(j, "type", "string");
    open_as(j, NULL, '{');
    properties(j, &ax_table_route, methods);
    close_as(j, '}');
    close_as(j, ']');
    close_as(j, '}');
}

static void listen_forms(struct json *j)
{
    open_as(j, "address", '{');
    open_as(j, "anyOf", '[');
    raw(j, NULL, "{ \"type\": \"integer\", \"minimum\": 0, \"maximum\": 65535 }");
    one_text(j, "type", "string");
    object(j, NULL, &ax_table_listen);
    close_as(j, ']');
    close_as(j, '}');
    raw(j, "listen",
        "{ \"anyOf\": [{ \"$ref\": \"#/$defs/address\" }, { \"type\": \"array\", \"minItems\": 1, "
        "\"items\": { \"$ref\": \"#/$defs/address\" } }] }");
}

static void definitions(struct json *j)
{
    open_as(j, "$defs", '{');
    pattern(j, "variable", "[$][{]");
    raw(j, "off", "{ \"enum\": [\"off\", false] }");
    raw(j, "text", "{ \"type\": [\"string\", \"number\"] }");
    raw(j, "texts",
        "{ \"anyOf\": [{ \"type\": \"string\" }, { \"type\": \"array\", \"items\": { \"$ref\": "
        "\"#/$defs/text\" } }] }");
    raw(j, "pairs",
        "{ \"type\": \"object\", \"additionalProperties\": { \"type\": [\"string\", \"number\", "
        "\"boolean\"] } }");
    raw(j, "size",
        "{ \"anyOf\": [{ \"type\": \"integer\", \"minimum\": 0 }, { \"type\": \"string\", \"pattern\": "
        "\"^[0-9]+([.][0-9]{1,6})?(B|KiB|MiB|GiB|KB|MB|GB)?$\" }] }");
    raw(j, "time",
        "{ \"anyOf\": [{ \"const\": 0 }, { \"type\": \"string\", \"pattern\": "
        "\"^([0-9]+([.][0-9]{1,6})?(ms|s|m|h|d)|0)$\" }] }");
    raw(j, "mode",
        "{ \"anyOf\": [{ \"type\": \"integer\" }, { \"type\": \"string\", \"pattern\": "
        "\"^(0o)?0?[0-7]{3}$\" }] }");
    pattern(j, "rate", "^[1-9][0-9]*/[smh]( burst [1-9][0-9]*)?$");
    listen_forms(j);
    route(j, "method", false);
    route(j, "route", true);
    close_as(j, '}');
}

/* The text as a string of its own; NULL when memory ran out on the way. */
static char *take(struct ax_buf *b)
{
    char *r = ax_buf_cstr(b) && !b->failed ? b->p : NULL;

    if (!r)
        ax_buf_fini(b);
    return r;
}

char *ax_manifest_schema(void)
{
    struct json j = {.b = AX_BUF_INIT(TEXT_MAX), .first = true};

    open_as(&j, NULL, '{');
    text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    text(&j, "title", "actix.yaml");
    properties(&j, &ax_table_manifest, false);
    definitions(&j);
    close_as(&j, '}');
    ax_buf_addc(&j.b, '\n');
    return take(&j.b);
}

/* ---- the reference */

const char *ax_field_default(const struct ax_field *f)
{
    if (f->shown || f->def)
        return f->shown ? f->shown : f->def;
    switch (f->kind) {
    case AX_K_STRS:
    case AX_K_PROXIES:
    case AX_K_MODULES:
        return "[]";
    case AX_K_HEADERS:
    case AX_K_ENV:
    case AX_K_ERRORS:
    case AX_K_NAMED:
    case AX_K_ROUTES:
        return "{}";
    default:
        return "-";
    }
}

static void reference(struct ax_buf *b, const char *before, const struct ax_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct ax_field *f = &t->v[i];
        struct ax_buf name = AX_BUF_INIT(TEXT_MAX);
        ax_buf_addf(&name, "%s%s", before, f->key);
        bool section = f->kind == AX_K_MAP && !f->def && !f->shown;
        if (!ax_buf_cstr(&name))
            b->failed = true;
        else if (!section)
            ax_buf_addf(b, "%-30s  %-18s  %s\n", name.p, ax_field_default(f), f->help);
        ax_buf_adds(&name, f->kind == AX_K_NAMED ? ".NAME." : ".");
        if (f->map && !(f->shown && f->kind == AX_K_MAP) && ax_buf_cstr(&name))
            reference(b, name.p, f->map);
        ax_buf_fini(&name);
    }
}

char *ax_manifest_reference(void)
{
    struct ax_buf b = AX_BUF_INIT(TEXT_MAX);

    reference(&b, "", &ax_table_manifest);
    reference(&b, "routes.PATH.", &ax_table_route);
    return take(&b);
}
