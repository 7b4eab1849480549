/* Patterns are kept as sorted shapes (base/pattern.h), which freezing lays out as a radix tree in three
 * arrays: nodes, leaves, label bytes.  They are all that matching reads.  A node hangs behind a fixed number
 * of segments and is reached over one edge, so a match with backtracking visits each node at most once: its
 * cost is bounded by nodes * path bytes, never exponential. */
#include "http/router.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "http/path.h"

#define ROUTER_MAGIC 0x61785254u /* "axRT" */
#define NONE         UINT32_MAX

_Static_assert(AX_METHODS < 8, "the methods of a leaf and ANY are bits of one byte");

struct leaf {
    uint32_t route[AX_METHODS + 1]; /* by enum ax_method, ANY last */
    uint8_t has;                    /* which of them are set */
    uint8_t allow;                  /* what an Allow header would list */
};

enum { QUOTED = 120 }; /* bytes of a pattern that a message shows */

struct shape {
    struct leaf leaf;
    size_t n;
    char bytes[];
};

struct names {
    uint32_t route;
    char *pattern; /* OWNED, n bytes */
    size_t n;
};

/* The node's label is at bytes[label], the first bytes of its children right behind it. */
struct node {
    uint32_t label;
    uint16_t label_n, nkids;
    uint32_t kids;  /* index of the first; they are contiguous, in the order of their first bytes */
    uint32_t param; /* node behind ":param"; 0 = none, as the root is nobody's child */
    uint32_t rest;  /* leaf of "*rest", or NONE */
    uint32_t leaf;  /* leaf of a path that ends here, or NONE */
};

struct ax_router {
    uint32_t magic;
    bool frozen;
    struct node *nodes; /* OWNED from here on */
    struct leaf *leaves;
    char *bytes;
    struct names *names; /* sorted by route */
    unsigned nnames, names_cap;
    struct shape **shapes; /* sorted by bytes; gone when frozen */
    unsigned nshapes, shapes_cap;
};

/* ---- adding */

struct ax_router *ax_router_new(void)
{
    struct ax_router *r = ax_calloc(1, sizeof *r);

    if (r)
        r->magic = ROUTER_MAGIC;
    return r;
}

static void free_shapes(struct ax_router *r)
{
    for (unsigned i = 0; i < r->nshapes; i++)
        ax_free(r->shapes[i]);
    ax_free(r->shapes);
    r->shapes = NULL;
    r->nshapes = r->shapes_cap = 0;
}

void ax_router_free(struct ax_router *r)
{
    if (!r)
        return;
    AX_ASSERT(r->magic == ROUTER_MAGIC);
    free_shapes(r);
    for (unsigned i = 0; i < r->nnames; i++)
        ax_free(r->names[i].pattern);
    ax_free(r->names);
    ax_free(r->nodes);
    ax_free(r->leaves);
    ax_free(r->bytes);
    r->magic = 0;
    ax_free(r);
}

static int compare_bytes(const char *a, size_t an, const char *b, size_t bn)
{
    int d = memcmp(a, b, an < bn ? an : bn);

    return d ? d : (an > bn) - (an < bn);
}

/* Index of the shape with these bytes, or where it belongs. */
static unsigned find_shape(const struct ax_router *r, const struct ax_pattern *p, bool *found)
{
    unsigned lo = 0, hi = r->nshapes;

    *found = false;
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        int d = compare_bytes(r->shapes[mid]->bytes, r->shapes[mid]->n, p->shape, p->n);
        if (d == 0)
            *found = true;
        if (d < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static unsigned find_names(const struct ax_router *r, uint32_t route, bool *found)
{
    unsigned lo = 0, hi = r->nnames;

    /* Ids mostly follow one another, and then tell their place. */
    uint32_t guess = hi ? route - r->names[0].route : 0;
    if (guess < hi && r->names[guess].route == route) {
        *found = true;
        return guess;
    }
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;
        if (r->names[mid].route < route)
            lo = mid + 1;
        else
            hi = mid;
    }
    *found = lo < r->nnames && r->names[lo].route == route;
    return lo;
}

/* `array`, with room for one more element; NULL = out of memory, and `array` is as it was. */
static void *grown(void *array, unsigned n, unsigned *cap, size_t bytes)
{
    if (array && n < *cap)
        return array;
    unsigned want = *cap ? *cap * 2 : 16;
    void *p = ax_realloc(array, want * bytes);
    if (p)
        *cap = want;
    return p;
}

static bool reserve(struct ax_router *r)
{
    void *shapes = grown(r->shapes, r->nshapes, &r->shapes_cap, sizeof(struct shape *));
    if (shapes)
        r->shapes = shapes;
    void *names = grown(r->names, r->nnames, &r->names_cap, sizeof *r->names);
    if (names)
        r->names = names;
    return shapes && names;
}

static void set_method(struct leaf *l, enum ax_method m, uint32_t route)
{
    l->route[m] = route;
    l->has |= (uint8_t)(1u << m);
    l->allow |= (uint8_t)(1u << m | 1u << AX_OPTIONS);
    if (m == AX_GET)
        l->allow |= 1u << AX_HEAD;
    if (m == AX_ANY)
        l->allow = (1u << AX_METHODS) - 1;
}

static int duplicate(const struct ax_router *r, enum ax_method m, const struct ax_pattern *p, uint32_t route,
                     struct ax_err *reterr)
{
    bool found;
    const struct names *other = &r->names[find_names(r, route, &found)];
    int n = p->text.n < QUOTED ? (int)p->text.n : QUOTED;
    int k = other->n < QUOTED ? (int)other->n : QUOTED;

    return ax_fail(reterr, AX_E_DUPLICATE, "route %s %.*s is there already, as %.*s", ax_method_name(m), n,
                   p->text.p, k, other->pattern);
}

static struct shape *new_shape(const struct ax_pattern *p)
{
    struct shape *s = ax_calloc(1, sizeof *s + p->n);

    if (s) {
        s->n = p->n;
        memcpy(s->bytes, p->shape, p->n);
    }
    return s;
}

/* Inserts what is not there yet: shape `at`, names `names_at` (NONE = there).  All or nothing. */
static int insert(struct ax_router *r, const struct ax_pattern *p, bool known_shape, unsigned at,
                  uint32_t route, unsigned names_at)
{
    struct shape *s = known_shape ? NULL : new_shape(p);
    char *text = names_at == NONE ? NULL : ax_strndup(p->text.p, p->text.n);

    if ((!s && !known_shape) || (!text && names_at != NONE)) {
        ax_free(s);
        ax_free(text);
        return -AX_E_NOMEM;
    }
    if (s) {
        memmove(r->shapes + at + 1, r->shapes + at, (r->nshapes++ - at) * sizeof *r->shapes);
        r->shapes[at] = s;
    }
    if (text) {
        memmove(r->names + names_at + 1, r->names + names_at, (r->nnames++ - names_at) * sizeof *r->names);
        r->names[names_at] = (struct names){route, text, p->text.n};
    }
    return 0;
}

int ax_router_add(struct ax_router *r, enum ax_method m, struct ax_str pattern, uint32_t route,
                  struct ax_err *reterr)
{
    struct ax_pattern p;
    bool known_shape, known_route;

    if (r->frozen)
        return ax_fail(reterr, AX_E_STATE, "the routes are frozen, none can be added");
    if ((unsigned)m > AX_ANY)
        return ax_fail(reterr, AX_E_RANGE, "no route can be for this method");
    int rc = ax_pattern_parse(&p, pattern, reterr);
    if (rc < 0)
        return rc;
    unsigned at = find_shape(r, &p, &known_shape);
    if (known_shape && r->shapes[at]->leaf.has & 1u << m)
        return duplicate(r, m, &p, r->shapes[at]->leaf.route[m], reterr);
    unsigned names_at = find_names(r, route, &known_route);
    if (!reserve(r) || insert(r, &p, known_shape, at, route, known_route ? NONE : names_at) < 0)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory for route %.*s", (int)pattern.n, pattern.p);
    set_method(&r->shapes[at]->leaf, m, route);
    return 0;
}

unsigned ax_router_params(const struct ax_router *r, uint32_t route, struct ax_str names[AX_ROUTE_PARAMS_MAX])
{
    bool found;
    unsigned i = find_names(r, route, &found), n = 0;

    if (!found)
        return 0;
    struct ax_str pattern = {r->names[i].pattern, r->names[i].n};
    for (size_t at = 0; at < pattern.n;) {
        struct ax_str seg = ax_segment_at(pattern, ++at);
        if (seg.n && (seg.p[0] == ':' || seg.p[0] == '*'))
            names[n++] = ax_pattern_name(seg);
        at += seg.n;
    }
    return n;
}

/* ---- freezing */

struct layout {
    struct ax_router *r;
    uint32_t nnodes, nleaves, nbytes;
};

static uint32_t put_leaf(struct layout *b, const struct shape *s)
{
    b->r->leaves[b->nleaves] = s->leaf;
    return b->nleaves++;
}

static uint32_t put_node(struct layout *b)
{
    b->r->nodes[b->nnodes] = (struct node){.rest = NONE, .leaf = NONE};
    return b->nnodes++;
}

static void put_bytes(struct layout *b, const char *p, size_t n)
{
    memcpy(b->r->bytes + b->nbytes, p, n);
    b->nbytes += (uint32_t)n;
}

static bool is_edge(char c)
{
    return c == AX_SHAPE_PARAM || c == AX_SHAPE_REST;
}

/* How many bytes from `at` on all of the sorted shapes [lo, hi) have in common, up to the next parameter. */
static size_t common(const struct ax_router *r, unsigned lo, unsigned hi, size_t at)
{
    const struct shape *a = r->shapes[lo], *z = r->shapes[hi - 1];
    size_t i = at;

    while (i < a->n && i < z->n && a->bytes[i] == z->bytes[i] && !is_edge(a->bytes[i]))
        i++;
    return i - at;
}

/* The end of the run of shapes, from lo on, with the same byte at `at`. */
static unsigned run_end(const struct ax_router *r, unsigned lo, unsigned hi, size_t at)
{
    unsigned i = lo + 1;

    while (i < hi && r->shapes[i]->bytes[at] == r->shapes[lo]->bytes[at])
        i++;
    return i;
}

/* Lays out the shapes [lo, hi), alike up to `at`, below node `self`.  Its children get their places first, so
 * that they are contiguous, then their contents.  Recurses at most AX_ROUTE_PATTERN_MAX deep. */
static void put_tree(struct layout *b, uint32_t self, unsigned lo, unsigned hi, size_t at)
{
    struct ax_router *r = b->r;
    struct node *node = &r->nodes[self];
    size_t n = common(r, lo, hi, at);

    node->label = b->nbytes;
    node->label_n = (uint16_t)n;
    put_bytes(b, r->shapes[lo]->bytes + at, n);
    at += n;
    if (r->shapes[lo]->n == at)
        node->leaf = put_leaf(b, r->shapes[lo++]);
    node->kids = b->nnodes;
    for (unsigned i = lo; i < hi; i = run_end(r, i, hi, at))
        if (!is_edge(r->shapes[i]->bytes[at])) {
            put_bytes(b, r->shapes[i]->bytes + at, 1);
            node->nkids++;
            put_node(b);
        }
    uint32_t kid = node->kids;
    for (unsigned i = lo, end; i < hi; i = end) {
        char c = r->shapes[i]->bytes[at];
        end = run_end(r, i, hi, at);
        if (c == AX_SHAPE_REST)
            node->rest = put_leaf(b, r->shapes[i]);
        else
            put_tree(b, c == AX_SHAPE_PARAM ? (node->param = put_node(b)) : kid++, i, end, at + 1);
    }
}

/* Ceilings of what put_tree lays out: each shape ends in one node and adds at most one branching and one node
 * for each parameter; each byte of a shape is in one label or one key. */
static int reserve_layout(struct ax_router *r, struct ax_err *reterr)
{
    size_t nodes = 1, bytes = 1;

    for (unsigned i = 0; i < r->nshapes; i++) {
        const struct shape *s = r->shapes[i];
        bytes += s->n;
        nodes += 2;
        for (size_t k = 0; k < s->n; k++)
            nodes += s->bytes[k] == AX_SHAPE_PARAM;
    }
    if (bytes > UINT32_MAX)
        return ax_fail(reterr, AX_E_LIMIT, "the route paths have more than 4 GiB together");
    r->nodes = ax_calloc(nodes, sizeof *r->nodes);
    r->leaves = ax_calloc(r->nshapes, sizeof *r->leaves);
    r->bytes = ax_malloc(bytes);
    if (r->nodes && r->leaves && r->bytes)
        return 0;
    ax_free(r->nodes);
    ax_free(r->leaves);
    ax_free(r->bytes);
    r->nodes = NULL;
    r->leaves = NULL;
    r->bytes = NULL;
    return ax_fail(reterr, AX_E_NOMEM, "out of memory for %u routes", r->nnames);
}

int ax_router_freeze(struct ax_router *r, struct ax_err *reterr)
{
    struct layout b = {.r = r};

    if (r->frozen)
        return ax_fail(reterr, AX_E_STATE, "the routes are frozen already");
    int rc = reserve_layout(r, reterr);
    if (rc < 0)
        return rc;
    uint32_t root = put_node(&b);
    if (r->nshapes)
        put_tree(&b, root, 0, r->nshapes, 0);
    free_shapes(r);
    r->frozen = true;
    return 0;
}

/* ---- matching */

/* A node, and where the path is behind its label. */
struct place {
    const struct node *node;
    size_t at;
    unsigned nparams;
    bool param_done; /* only its rest is left to try */
};

struct walk {
    struct place now;
    unsigned nleft;
    struct place left[AX_ROUTE_SEGMENTS_MAX + 1]; /* with something weaker to try: one a segment at most */
};

/* The byte of the path at *at as a shape has it.  `coded` is a constant at each call, so that the walk over a
 * plain path compiles to plain loads. */
static inline __attribute__((always_inline)) char take(struct ax_str path, size_t *at, bool coded)
{
    char c = path.p[(*at)++];

    if (!coded || c != '%' || path.n - *at < 2)
        return c;
    int hi = ax_hex(path.p[*at]), lo = ax_hex(path.p[*at + 1]);
    if (hi < 0 || lo < 0)
        return c;
    *at += 2;
    c = (char)(hi << 4 | lo);
    return c == '/' ? AX_SHAPE_SLASH : c;
}

static inline __attribute__((always_inline)) bool
skip_label(const struct ax_router *r, const struct node *node, struct ax_str path, size_t *at, bool coded)
{
    const char *label = r->bytes + node->label;

    if (path.n - *at < node->label_n)
        return false;
    if (!coded) {
        *at += node->label_n;
        return memcmp(label, path.p + *at - node->label_n, node->label_n) == 0;
    }
    for (unsigned i = 0; i < node->label_n; i++)
        if (*at == path.n || take(path, at, coded) != label[i])
            return false;
    return true;
}

static inline const struct node *kid(const struct ax_router *r, const struct node *node, char c)
{
    const char *keys = r->bytes + node->label + node->label_n;

    if (node->nkids > 8) {
        const char *hit = memchr(keys, c, node->nkids);
        return hit ? &r->nodes[node->kids + (size_t)(hit - keys)] : NULL;
    }
    for (unsigned i = 0; i < node->nkids; i++)
        if (keys[i] == c)
            return &r->nodes[node->kids + i];
    return NULL;
}

/* Nothing static fits: takes the parameter or the rest here (unless `dead`), else at the last place left.
 * Returns the leaf of a rest, or NULL with w->now to be entered, or NULL with w->now.node NULL when nothing
 * is left. */
static inline const struct leaf *fall_back(const struct ax_router *r, struct ax_str path,
                                           struct ax_match *ret, struct walk *w, bool dead)
{
    for (;; dead = true) {
        if (dead) {
            if (w->nleft == 0) {
                w->now.node = NULL;
                return NULL;
            }
            w->now = w->left[--w->nleft];
        }
        struct place *now = &w->now;
        struct ax_str *param = &ret->params[now->nparams];
        if (now->node->param && !now->param_done && now->at < path.n && path.p[now->at] != '/') {
            *param = ax_segment_at(path, now->at);
            if (now->node->rest != NONE) {
                now->param_done = true;
                w->left[w->nleft++] = *now;
            }
            *now = (struct place){&r->nodes[now->node->param], now->at + param->n, now->nparams + 1, false};
            return NULL;
        }
        if (now->node->rest != NONE) {
            *param = (struct ax_str){path.p + now->at, path.n - now->at};
            ret->nparams = now->nparams + 1;
            return &r->leaves[now->node->rest];
        }
    }
}

/* The leaf of the strongest pattern that matches, with ret->params and nparams filled; NULL = none. */
static inline __attribute__((always_inline)) const struct leaf *
find_leaf(const struct ax_router *r, struct ax_str path, struct ax_match *ret, bool coded)
{
    struct walk w;

    w.nleft = 0;
    w.now = (struct place){.node = r->nodes};
    while (w.now.node) {
        struct place *now = &w.now;
        bool dead = !skip_label(r, now->node, path, &now->at, coded);

        if (!dead && now->at == path.n && now->node->leaf != NONE) {
            ret->nparams = now->nparams;
            return &r->leaves[now->node->leaf];
        }
        if (!dead && now->at < path.n) {
            size_t at = now->at;
            const struct node *next = kid(r, now->node, take(path, &at, coded));
            if (next) {
                if (now->node->param || now->node->rest != NONE)
                    w.left[w.nleft++] = *now;
                now->node = next;
                now->at = at;
                continue;
            }
        }
        const struct leaf *rest = fall_back(r, path, ret, &w, dead);
        if (rest)
            return rest;
    }
    return NULL;
}

/* The method whose route answers m: itself, GET for HEAD, ANY; AX_UNKNOWN_METHOD = none. */
static inline enum ax_method answering(const struct leaf *l, enum ax_method m)
{
    if ((unsigned)m >= AX_METHODS)
        return AX_UNKNOWN_METHOD;
    if (l->has & 1u << m)
        return m;
    if (m == AX_HEAD && l->has & 1u << AX_GET)
        return AX_GET;
    return l->has & 1u << AX_ANY ? AX_ANY : AX_UNKNOWN_METHOD;
}

enum ax_found ax_router_match(const struct ax_router *r, enum ax_method m, struct ax_str path,
                              struct ax_match *ret)
{
    AX_ASSERT(r->frozen);
    const struct leaf *l =
        ax_path_plain(path) ? find_leaf(r, path, ret, false) : find_leaf(r, path, ret, true);

    if (!l)
        return AX_NO_PATH;
    m = answering(l, m);
    if (m == AX_UNKNOWN_METHOD) {
        ret->allow = l->allow;
        return AX_NO_METHOD;
    }
    ret->route = l->route[m];
    return AX_FOUND;
}
