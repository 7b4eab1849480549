/* config/yaml_tree.c - the only place that knows libyaml.  Events, not its document API: an alias is copied
 * here under our own bound, and a repeated key is seen before one of the two is lost. */
#include "config/yaml_tree.h"

#include <string.h>
#include <yaml.h>

#include "config/mf_arena.h"
#include "config/problems.h"
#include "config/yaml_traps.h"

enum { TRAPS_MAX = 64 };

struct anchor {
    struct anchor *next;
    const char *name;
    const struct ax_node *node;
};

struct builder {
    yaml_parser_t y;
    yaml_event_t ev;
    const char *file;
    struct ax_mf_arena *arena;
    struct ax_problems *p;
    struct anchor *anchors;
    struct ax_node *last_scalar;
    size_t nodes, copied;
    const struct ax_trap *traps;
    unsigned ntraps;
};

static uint32_t hash_text(const char *s)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

struct ax_node *ax_node_get(const struct ax_node *map, const char *key)
{
    uint32_t h = hash_text(key);

    if (!map || map->kind != AX_NODE_MAP)
        return NULL;
    for (struct ax_node *n = map->first; n; n = n->next)
        if (n->key->hash == h && strcmp(n->key->text, key) == 0)
            return n;
    return NULL;
}

void ax_node_add(struct ax_node *parent, struct ax_node *key, struct ax_node *value)
{
    value->key = key;
    value->next = NULL;
    if (parent->last)
        parent->last->next = value;
    else
        parent->first = value;
    parent->last = value;
    parent->count++;
}

bool ax_node_is_null(const struct ax_node *n)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    for (size_t i = 0; n->kind == AX_NODE_SCALAR && n->plain && i < sizeof words / sizeof *words; i++)
        if (strcmp(n->text, words[i]) == 0)
            return true;
    return false;
}

static struct ax_place place_of(const struct builder *b, yaml_mark_t m)
{
    return (struct ax_place){b->file, (unsigned)m.line + 1, (unsigned)m.column + 1};
}

/* 0 or -AX_E_SYNTAX, with what is wrong in b->y. */
static int next_event(struct builder *b)
{
    yaml_event_delete(&b->ev);
    if (yaml_parser_parse(&b->y, &b->ev))
        return 0;
    memset(&b->ev, 0, sizeof b->ev);
    return b->y.error == YAML_MEMORY_ERROR ? -AX_E_NOMEM : -AX_E_SYNTAX;
}

static int new_node(struct builder *b, enum ax_node_kind kind, struct ax_place at, struct ax_node **ret)
{
    if (++b->nodes > AX_YAML_NODES_MAX) {
        ax_problem(b->p, AX_E_LIMIT, &at, "the file has more than %d values", AX_YAML_NODES_MAX);
        return -AX_E_LIMIT;
    }
    struct ax_node *n = ax_mf_alloc(b->arena, sizeof *n);
    if (!n)
        return -AX_E_NOMEM;
    n->kind = kind;
    n->at = at;
    *ret = n;
    return 0;
}

static bool is_trap(const struct builder *b, const struct ax_place *at)
{
    for (unsigned i = 0; i < b->ntraps; i++)
        if (b->traps[i].line == at->line && b->traps[i].col == at->col)
            return true;
    return false;
}

static void check_tag(struct builder *b, const yaml_char_t *tag, const struct ax_place *at)
{
    static const char standard[] = "tag:yaml.org,2002:";
    const char *t = (const char *)tag;

    if (t && strcmp(t, "!") != 0 && strncmp(t, standard, strlen(standard)) != 0)
        ax_problem(b->p, AX_E_UNKNOWN, at, "unknown YAML tag %.60s: quote it, if it is text", t);
}

static int build_scalar(struct builder *b, struct ax_node **ret)
{
    struct ax_place at = place_of(b, b->ev.start_mark);
    const char *value = (const char *)b->ev.data.scalar.value;
    size_t length = b->ev.data.scalar.length;
    struct ax_node *n;

    int rc = new_node(b, is_trap(b, &at) ? AX_NODE_BAD : AX_NODE_SCALAR, at, &n);
    if (rc < 0)
        return rc;
    check_tag(b, b->ev.data.scalar.tag, &at);
    if (memchr(value, '\0', length)) {
        ax_problem(b->p, AX_E_SYNTAX, &at, "a value cannot hold a NUL byte");
        n->kind = AX_NODE_BAD;
    }
    n->text = ax_mf_strndup(b->arena, value, length);
    if (!n->text)
        return -AX_E_NOMEM;
    n->plain = b->ev.data.scalar.plain_implicit;
    n->hash = hash_text(n->text);
    b->last_scalar = n;
    *ret = n;
    return 0;
}

/* NULL: the bound is reached, or no memory. */
static struct ax_node *copy_tree(struct builder *b, const struct ax_node *from)
{
    if (++b->copied > AX_YAML_ALIAS_MAX)
        return NULL;
    struct ax_node *to = ax_mf_alloc(b->arena, sizeof *to);
    if (!to)
        return NULL;
    *to = *from;
    to->first = to->last = to->next = to->key = NULL;
    to->count = 0;
    for (const struct ax_node *c = from->first; c; c = c->next) {
        struct ax_node *k = c->key ? copy_tree(b, c->key) : NULL;
        struct ax_node *v = copy_tree(b, c);
        if (!v || (c->key && !k))
            return NULL;
        ax_node_add(to, k, v);
    }
    return to;
}

static int build_alias(struct builder *b, struct ax_node **ret)
{
    struct ax_place at = place_of(b, b->ev.start_mark);
    const char *name = (const char *)b->ev.data.alias.anchor;

    for (const struct anchor *a = b->anchors; a; a = a->next) {
        if (strcmp(a->name, name) != 0)
            continue;
        *ret = copy_tree(b, a->node);
        if (*ret)
            return 0;
        if (b->copied <= AX_YAML_ALIAS_MAX)
            return -AX_E_NOMEM;
        ax_problem(b->p, AX_E_LIMIT, &at, "aliases expand to more than %d values at *%.60s",
                   AX_YAML_ALIAS_MAX, name);
        return -AX_E_LIMIT;
    }
    ax_problem(b->p, AX_E_UNKNOWN, &at,
               "no anchor &%.60s before this alias; if it is text, quote it: \"*%.60s\"", name, name);
    return new_node(b, AX_NODE_BAD, at, ret);
}

/* Called at the start event of a container, before its name is gone. */
static int new_anchor(struct builder *b, const yaml_char_t *name, struct anchor **ret)
{
    *ret = NULL;
    if (!name)
        return 0;
    struct anchor *a = ax_mf_alloc(b->arena, sizeof *a);
    if (!a || !(a->name = ax_mf_strdup(b->arena, (const char *)name)))
        return -AX_E_NOMEM;
    *ret = a;
    return 0;
}

/* Known from here on: an alias inside its own anchor is an unknown one, so no tree holds itself. */
static void set_anchor(struct builder *b, struct anchor *a, const struct ax_node *n)
{
    if (!a)
        return;
    a->node = n;
    a->next = b->anchors;
    b->anchors = a;
}

static int build(struct builder *b, unsigned depth, struct ax_node **ret);

static int build_list(struct builder *b, unsigned depth, struct ax_node *list)
{
    struct ax_node *item;
    int rc;

    while ((rc = next_event(b)) == 0 && b->ev.type != YAML_SEQUENCE_END_EVENT) {
        rc = build(b, depth + 1, &item);
        if (rc < 0)
            return rc;
        ax_node_add(list, NULL, item);
    }
    return rc;
}

/* `<<`: what the map has itself wins, then the earlier of several. */
static void merge(struct builder *b, struct ax_node *map, struct ax_node *from)
{
    if (from->kind == AX_NODE_LIST) {
        for (struct ax_node *i = from->first, *next; i; i = next) {
            next = i->next;
            merge(b, map, i);
        }
        return;
    }
    if (from->kind != AX_NODE_MAP) {
        if (from->kind != AX_NODE_BAD)
            ax_problem(b->p, AX_E_TYPE, &from->at, "<< takes a map or a list of maps");
        return;
    }
    for (struct ax_node *i = from->first, *next; i; i = next) {
        next = i->next;
        if (!ax_node_get(map, i->key->text))
            ax_node_add(map, i->key, i);
    }
}

static void add_member(struct builder *b, struct ax_node *map, struct ax_node *key, struct ax_node *value,
                       struct ax_node *merges)
{
    const struct ax_node *old;

    if (key->kind == AX_NODE_BAD)
        return;
    if (key->kind != AX_NODE_SCALAR)
        ax_problem(b->p, AX_E_TYPE, &key->at, "a key is a plain word, not a %s",
                   key->kind == AX_NODE_MAP ? "map" : "list");
    else if (key->plain && strcmp(key->text, "<<") == 0)
        ax_node_add(merges, NULL, value);
    else if (key->text[0] == '\0')
        ax_problem(b->p, AX_E_SYNTAX, &key->at, "an empty key");
    else if ((old = ax_node_get(map, key->text)))
        ax_problem(b->p, AX_E_DUPLICATE, &key->at, "%.80s is given twice, first in line %u", key->text,
                   old->key->at.line);
    else
        ax_node_add(map, key, value);
}

static int build_map(struct builder *b, unsigned depth, struct ax_node *map)
{
    struct ax_node merges = {.kind = AX_NODE_LIST};
    struct ax_node *key, *value;
    int rc;

    while ((rc = next_event(b)) == 0 && b->ev.type != YAML_MAPPING_END_EVENT) {
        rc = build(b, depth + 1, &key);
        if (rc == 0)
            rc = next_event(b);
        if (rc == 0)
            rc = build(b, depth + 1, &value);
        if (rc < 0)
            return rc;
        add_member(b, map, key, value, &merges);
    }
    if (rc == 0)
        merge(b, map, &merges);
    return rc;
}

static int build_container(struct builder *b, unsigned depth, struct ax_node **ret)
{
    bool is_map = b->ev.type == YAML_MAPPING_START_EVENT;
    struct ax_place at = place_of(b, b->ev.start_mark);
    struct anchor *a;
    struct ax_node *n;

    if (depth >= AX_YAML_DEPTH_MAX) {
        ax_problem(b->p, AX_E_LIMIT, &at, "nested deeper than %d levels", AX_YAML_DEPTH_MAX);
        return -AX_E_LIMIT;
    }
    check_tag(b, is_map ? b->ev.data.mapping_start.tag : b->ev.data.sequence_start.tag, &at);
    int rc = new_anchor(b, is_map ? b->ev.data.mapping_start.anchor : b->ev.data.sequence_start.anchor, &a);
    if (rc == 0)
        rc = new_node(b, is_map ? AX_NODE_MAP : AX_NODE_LIST, at, &n);
    if (rc == 0)
        rc = is_map ? build_map(b, depth, n) : build_list(b, depth, n);
    if (rc < 0)
        return rc;
    set_anchor(b, a, n);
    *ret = n;
    return 0;
}

static int build(struct builder *b, unsigned depth, struct ax_node **ret)
{
    struct anchor *a;

    if (b->ev.type == YAML_ALIAS_EVENT)
        return build_alias(b, ret);
    if (b->ev.type != YAML_SCALAR_EVENT)
        return build_container(b, depth, ret);
    int rc = new_anchor(b, b->ev.data.scalar.anchor, &a);
    if (rc == 0)
        rc = build_scalar(b, ret);
    if (rc == 0)
        set_anchor(b, a, *ret);
    return rc;
}

static int empty_map(struct builder *b, struct ax_node **root)
{
    return new_node(b, AX_NODE_MAP, (struct ax_place){b->file, 1, 1}, root);
}

static int build_document(struct builder *b, struct ax_node **root)
{
    int rc = next_event(b); /* the stream starts */

    if (rc == 0)
        rc = next_event(b);
    if (rc < 0)
        return rc;
    if (b->ev.type == YAML_STREAM_END_EVENT)
        return empty_map(b, root);
    rc = next_event(b);
    if (rc == 0)
        rc = build(b, 0, root);
    if (rc == 0)
        rc = next_event(b); /* the document ends */
    if (rc == 0)
        rc = next_event(b);
    if (rc < 0)
        return rc;
    if (b->ev.type != YAML_STREAM_END_EVENT) {
        struct ax_place at = place_of(b, b->ev.start_mark);
        ax_problem(b->p, AX_E_SYNTAX, &at, "a second document: a file holds one");
    }
    return ax_node_is_null(*root) ? empty_map(b, root) : 0;
}

/* What the syntax error says, and where; copied out before the parser goes. */
struct complaint {
    struct ax_place at;
    unsigned context_line; /* where an unfinished bracket or quote was opened; 0 = not about one */
    bool in_flow;
    char text[200];
};

/* libyaml gives a byte offset alone for bytes that are no UTF-8. */
static struct ax_place place_of_byte(const char *file, const char *text, size_t n, size_t at)
{
    struct ax_place p = {file, 1, 1};

    for (size_t i = 0; i < at && i < n; i++) {
        if (text[i] == '\n') {
            p.line++;
            p.col = 1;
        } else {
            p.col += ((unsigned char)text[i] & 0xc0) != 0x80;
        }
    }
    return p;
}

static void complain(const struct builder *b, const char *text, size_t n, struct complaint *ret)
{
    const yaml_parser_t *y = &b->y;
    const char *context = y->context ? y->context : "";
    const char *hint = "";

    *ret = (struct complaint){.at = place_of(b, y->problem_mark)};
    if (y->error == YAML_READER_ERROR)
        ret->at = place_of_byte(b->file, text, n, y->problem_offset);
    if (strstr(context, "flow") || strstr(context, "quoted"))
        ret->context_line = (unsigned)y->context_mark.line + 1;
    ret->in_flow = strstr(context, "flow") && ret->context_line < ret->at.line;
    if (y->problem && strstr(y->problem, "mapping values"))
        hint = "; a value with \": \" in it needs quotes, and keys of one map the same indentation";
    else if (y->problem && strstr(y->problem, "start any token") && y->problem_mark.index < n &&
             strchr(text, '\t'))
        hint = "; indent with spaces, never with tabs";
    snprintf(ret->text, sizeof ret->text, "not valid YAML: %s%s%s%s", y->problem ? y->problem : "unreadable",
             *context ? " " : "", context, hint);
}

/* One pass.  -AX_E_SYNTAX leaves the complaint. */
static int parse_once(struct builder *b, const char *text, size_t n, struct complaint *c,
                      struct ax_node **root)
{
    if (!yaml_parser_initialize(&b->y))
        return -AX_E_NOMEM;
    memset(&b->ev, 0, sizeof b->ev);
    yaml_parser_set_input_string(&b->y, (const unsigned char *)text, n);
    yaml_parser_set_encoding(&b->y, YAML_UTF8_ENCODING);
    int rc = build_document(b, root);
    if (rc == -AX_E_SYNTAX)
        complain(b, text, n, c);
    yaml_event_delete(&b->ev);
    yaml_parser_delete(&b->y);
    return rc;
}

static struct builder new_builder(const struct builder *from, struct ax_problems *p)
{
    return (struct builder){
        .file = from->file, .arena = from->arena, .p = p, .traps = from->traps, .ntraps = from->ntraps};
}

/* Puts a null of the same length in place of the value, so that all other places stay true. */
static bool disarm(struct builder *b, char *text, size_t n, const struct complaint *c, struct ax_trap *traps)
{
    struct ax_trap t;

    if (b->ntraps == TRAPS_MAX || !ax_yaml_trap(text, n, c->at.line, c->in_flow, &t))
        return false;
    struct ax_place at = {b->file, t.line, t.col};
    size_t len = t.end - t.start;
    ax_problem(b->p, AX_E_SYNTAX, &at, "%s: quote it, \"%.*s\"", t.why, (int)(len < 80 ? len : 80),
               text + t.start);
    memset(text + t.start, ' ', len);
    text[t.start] = '~';
    traps[b->ntraps++] = t;
    return true;
}

/* The lines before the error, for what can be said about them.  Their own syntax errors are only echoes. */
static int parse_before(struct builder *b, char *text, size_t n, const struct complaint *c,
                        struct ax_node **root)
{
    unsigned line = c->context_line && c->context_line < c->at.line ? c->context_line : c->at.line;
    struct complaint echo;
    size_t at = 0;

    for (unsigned i = 1; i < line && at < n; i++) {
        const char *nl = memchr(text + at, '\n', n - at);
        at = nl ? (size_t)(nl - text) + 1 : n;
    }
    struct builder again = new_builder(b, b->p);
    int rc = parse_once(&again, text, at, &echo, root);
    if (rc == 0 && again.last_scalar && again.last_scalar->text[0] == '\0')
        again.last_scalar->kind = AX_NODE_BAD; /* its value was cut away */
    return rc;
}

int ax_yaml_parse(char *text, size_t n, const char *file, struct ax_mf_arena *arena, struct ax_problems *p,
                  struct ax_node **ret)
{
    struct ax_trap traps[TRAPS_MAX];
    struct builder b = {.file = file, .arena = arena, .p = p, .traps = traps};
    struct ax_node *root = NULL;
    struct complaint c;
    int rc;

    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* the mark that some editors begin a file with */
        text += 3;
        n -= 3;
    }
    do {
        struct builder pass = new_builder(&b, p);
        rc = parse_once(&pass, text, n, &c, &root);
    } while (rc == -AX_E_SYNTAX && disarm(&b, text, n, &c, traps));
    if (rc == -AX_E_SYNTAX) {
        ax_problem(p, AX_E_SYNTAX, &c.at, "%s", c.text);
        rc = parse_before(&b, text, n, &c, &root);
    }
    *ret = rc == 0 ? root : NULL;
    return rc;
}
