#include "fixture.h"

#include "config/yaml_traps.h"
#include "config/yaml_tree.h"

struct parsed {
    int rc;
    struct ax_node *root;
    struct ax_problems p;
    struct ax_mf_arena *a;
};

static struct parsed parse(const char *text)
{
    struct parsed r = {.a = ax_mf_arena_new()};
    size_t n = strlen(text);
    char *copy = malloc(n + 1);

    assert_non_null(copy);
    memcpy(copy, text, n + 1);
    r.rc = ax_yaml_parse(copy, n, "t.yaml", r.a, &r.p, &r.root);
    free(copy);
    return r;
}

static void done(struct parsed *r)
{
    ax_problems_fini(&r->p);
    ax_mf_arena_free(r->a);
}

static const char *text_at(const struct ax_node *n, const char *a, const char *b)
{
    n = ax_node_get(n, a);
    if (b)
        n = ax_node_get(n, b);
    return n ? n->text : NULL;
}

static void test_byte_order_mark(void **state)
{
    struct parsed r = parse("\xef\xbb\xbf"
                            "a: 1\nb: 2\n");

    (void)state;
    assert_int_equal(r.rc, 0);
    assert_int_equal(ax_node_get(r.root, "a")->at.col, 4);
    assert_string_equal(text_at(r.root, "b", NULL), "2");
    done(&r);
}

static void test_places(void **state)
{
    struct parsed r = parse("a: 1\nb:\n  c: [x, 'y']\n  \xc3\xa9: {d: e}\n");
    struct ax_node *c = ax_node_get(ax_node_get(r.root, "b"), "c");
    (void)state;
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.p.n, 0);
    assert_int_equal(r.root->count, 2);
    assert_int_equal(ax_node_get(r.root, "a")->at.line, 1);
    assert_int_equal(ax_node_get(r.root, "a")->at.col, 4);
    assert_int_equal(c->kind, AX_NODE_LIST);
    assert_int_equal(c->last->at.line, 3);
    assert_int_equal(c->last->at.col, 10);
    assert_true(c->first->plain);
    assert_false(c->last->plain);
    struct ax_node *e = ax_node_get(ax_node_get(r.root, "b"), "\xc3\xa9");
    assert_int_equal(e->key->at.col, 3);
    assert_int_equal(e->at.col, 6); /* in characters, not bytes */
    assert_null(ax_node_get(r.root, "z"));
    assert_null(ax_node_get(NULL, "z"));
    done(&r);
}

static void test_nulls(void **state)
{
    struct parsed r = parse("a:\nb: ~\nc: null\nd: ''\ne: \"null\"\nf: 0\n");
    (void)state;
    static const struct {
        const char *key;
        bool null;
    } t[] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 0}, {"e", 0}, {"f", 0}};
    for (size_t i = 0; i < AX_COUNT(t); i++)
        assert_int_equal(ax_node_is_null(ax_node_get(r.root, t[i].key)), t[i].null);
    done(&r);
}

static void test_aliases(void **state)
{
    struct parsed r = parse("x: &x { a: 1, b: 2 }\ny: { <<: *x, b: 3 }\nz: *x\nl: &l [p, q]\nm: *l\n"
                            "w: { <<: [{ a: 7 }, *x] }\ns: &s word\nt: *s\n");
    (void)state;
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.p.n, 0);
    assert_string_equal(text_at(r.root, "y", "a"), "1");
    assert_string_equal(text_at(r.root, "y", "b"), "3");
    assert_string_equal(text_at(r.root, "z", "b"), "2");
    assert_string_equal(text_at(r.root, "w", "a"), "7");
    assert_string_equal(text_at(r.root, "w", "b"), "2");
    assert_string_equal(text_at(r.root, "t", NULL), "word");
    assert_int_equal(ax_node_get(r.root, "m")->count, 2);
    assert_int_equal(ax_node_get(r.root, "z")->first->at.line, 1); /* a copy keeps its place */
    done(&r);
}

/* One problem each; `rc` of the parse. */
static void test_problems(void **state)
{
    static const struct {
        const char *text;
        int rc;
        unsigned line, col;
        const char *says;
    } t[] = {
        {"a: 1\nb: 2\na: 3\n", 0, 3, 1, "given twice, first in line 1"},
        {"a: *nope\n", 0, 1, 4, "quote it: \"*nope\""},
        {"a: &a [ *a ]\n", 0, 1, 9, "no anchor"},
        {"a: { <<: 3 }\n", 0, 1, 10, "<< takes a map"},
        {"? [a]\n: 1\n", 0, 1, 3, "plain word, not a list"},
        {"? {a: 1}\n: 1\n", 0, 1, 3, "plain word, not a map"},
        {"'': 1\n", 0, 1, 1, "empty key"},
        {"a: !mine x\n", 0, 1, 4, "unknown YAML tag"},
        {"a: !mine { b: 1 }\n", 0, 1, 4, "unknown YAML tag"},
        {"a: \"x\\0y\"\n", 0, 1, 4, "NUL"},
        {"a: 1\n---\nb: 2\n", 0, 2, 1, "second document"},
        {"a: [1, 2\nb: 3\n", 0, 2, 2, "not valid YAML"},
        {"a: 'x\nb: 1\n", 0, 3, 1, "not valid YAML"},
        {"a: b: c\n", 0, 1, 5, "needs quotes"},
        {"a:\n\tb: 1\n", 0, 2, 1, "never with tabs"},
        {"a: \xff\n", 0, 1, 4, "not valid YAML"},
        {"a: 1\nb: \xff\n", 0, 2, 4, "not valid YAML"},
        {"]\n", 0, 1, 1, "not valid YAML"},
        {"listen: *:3001\n", 0, 1, 9, "quote it, \"*:3001\""},
        {"listen: *\n", 0, 1, 9, "quote it, \"*\""},
        {"listen: [::1]:3001 # here\n", 0, 1, 9, "quote it, \"[::1]:3001\""},
        {"listen: [::1]\n", 0, 1, 9, "quote it, \"[::1]\""},
        {"l: [a, [::1]:80]\n", 0, 1, 8, "quote it, \"[::1]:80\""},
        {"l: [a, ::1]\n", 0, 1, 8, "quote it, \"::1\""},
        {"l: [\"*:1\", *:2]\n", 0, 1, 12, "quote it, \"*:2\""},
        {"l:\n  - a\n  - *.b\n", 0, 3, 5, "quote it, \"*.b\""},
        {"a: @x\n", 0, 1, 4, "quote it, \"@x\""},
        {"a: `x`\n", 0, 1, 4, "quote it"},
        {"a: %x\n", 0, 1, 4, "quote it"},
        {"'k': @x\n", 0, 1, 6, "quote it, \"@x\""},
        {"\"k\\\"y\": @x\n", 0, 1, 9, "quote it, \"@x\""},
        {"e: { A: ${B}, C: d }\n", 0, 1, 9, "quote it, \"${B}\""},
        {"e: { A: x${B:-1}y }\n", 0, 1, 9, "quote it, \"x${B:-1}y\""},
        {"e: { a: [${B}, c] }\n", 0, 1, 10, "quote it, \"${B}\""},
        {"e: {\n  A: ${B}, C: d\n}\n", 0, 2, 6, "quote it, \"${B}\""},
    };
    (void)state;
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        struct parsed r = parse(t[i].text);
        if (r.rc != t[i].rc)
            fail_msg("%s: %d", t[i].text, r.rc);
        assert_one_problem(&r.p, t[i].line, t[i].col, t[i].says);
        done(&r);
    }
}

static void test_traps_leave_the_rest(void **state)
{
    struct parsed r = parse("a: *:1\nb: { c: ${D}, e: f }\ng: @h\ni: j\n");
    (void)state;
    assert_int_equal(r.p.n, 3);
    assert_int_equal(ax_node_get(r.root, "a")->kind, AX_NODE_BAD);
    assert_int_equal(ax_node_get(ax_node_get(r.root, "b"), "c")->kind, AX_NODE_BAD);
    assert_string_equal(text_at(r.root, "b", "e"), "f");
    assert_string_equal(text_at(r.root, "i", NULL), "j");
    done(&r);
}

static void test_lines_before_an_error(void **state)
{
    struct parsed r = parse("a: 1\nb:\n  c: d: e\nf: g\n");
    (void)state;
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.p.n, 1);
    assert_string_equal(text_at(r.root, "a", NULL), "1");
    assert_int_equal(ax_node_get(r.root, "b")->kind, AX_NODE_BAD); /* what was cut away is no empty value */
    done(&r);
}

static void test_nothing(void **state)
{
    static const char *const texts[] = {"", "# only\n", "---\n", "~\n"};
    (void)state;
    for (size_t i = 0; i < AX_COUNT(texts); i++) {
        struct parsed r = parse(texts[i]);
        assert_int_equal(r.rc, 0);
        assert_int_equal(r.root->kind, AX_NODE_MAP);
        assert_int_equal(r.root->count, 0);
        done(&r);
    }
}

static void test_bombs(void **state)
{
    char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    size_t n = strlen(text);
    (void)state;
    for (int i = 1; i < 12; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
                              i, i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    struct parsed r = parse(text);
    assert_int_equal(r.rc, -AX_E_LIMIT);
    assert_int_equal(r.p.n, 1);
    assert_non_null(strstr(r.p.v[0].err.msg, "aliases expand to more than"));
    done(&r);

    memset(text, '[', 200);
    text[200] = '\0';
    r = parse(text);
    assert_int_equal(r.rc, -AX_E_LIMIT);
    assert_one_problem(&r.p, 1, 65, "deeper than 64");
    done(&r);

    size_t many = AX_YAML_NODES_MAX + 10;
    char *list = malloc(2 * many + 3);
    assert_non_null(list);
    list[0] = '[';
    for (size_t i = 0; i < many; i++)
        memcpy(list + 1 + 2 * i, "1,", 2);
    memcpy(list + 1 + 2 * many, "]", 2);
    r = parse(list);
    assert_int_equal(r.rc, -AX_E_LIMIT);
    assert_int_equal(r.p.n, 1);
    free(list);
    done(&r);
}

static void test_too_many_traps(void **state)
{
    char text[2000];
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 70; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "k%d: @x\n", i);
    struct parsed r = parse(text);
    assert_true(r.p.n > 60);
    done(&r);
}

static void test_trap_beyond_the_text(void **state)
{
    struct ax_trap t;
    (void)state;
    assert_false(ax_yaml_trap("a: *:1\n", 7, 9, false, &t));
    assert_false(ax_yaml_trap("", 0, 1, false, &t));
    assert_false(ax_yaml_trap("a: 1 # @x", 9, 1, false, &t));
    assert_false(ax_yaml_trap("a: \"open", 8, 1, false, &t));
    assert_true(ax_yaml_trap("a: [b, @c]", 10, 1, true, &t));
    assert_int_equal(t.col, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_nulls),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_traps_leave_the_rest),
        cmocka_unit_test(test_lines_before_an_error),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_too_many_traps),
        cmocka_unit_test(test_trap_beyond_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
