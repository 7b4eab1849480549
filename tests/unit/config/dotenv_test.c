/* The expectations are what util.parseEnv of Node 20 answers, but for the one difference that dotenv.c names.
 */
#include "fixture.h"

#include "config/mf_file.h"

static void test_grammar(void **state)
{
    static const struct {
        const char *text, *key, *value; /* value NULL = the key is not there */
    } t[] = {
        {"A=1", "A", "1"},
        {"A=1\nA=2\n", "A", "2"},
        {"\n\n# c\n  A = 1 \n", "A", "1"},
        {"A=1\r\nB=2\r\n", "A", "1"},
        {"A=1\r\nB=2\r\n", "B", "2"},
        {"B = \"x\\ny\" # c", "B", "x\ny"},
        {"C='a#b'", "C", "a#b"},
        {"R='\\n'", "R", "\\n"},
        {"S=\"\\t\\\\\"", "S", "\\t\\\\"},
        {"export D=e # f", "D", "e"},
        {"E=\"multi\nline\"\nF=1", "E", "multi\nline"},
        {"E=\"multi\nline\"\nF=1", "F", "1"},
        {"F=`a\"b'c`", "F", "a\"b'c"},
        {"G=\nH=1", "G", ""},
        {"G=\nH=1", "H", "1"},
        {"G=", "G", ""},
        {"K= \nL=1", "K", ""}, /* Node: "L=1" */
        {"I=\"unclosed\nJ=1", "I", "\"unclosed"},
        {"I=\"unclosed\nJ=1", "J", "1"},
        {"J=a#b", "J", "a"},
        {"nokey\nX=1", "X", "1"},
        {"nokey\nX=1", "nokey", NULL},
        {"=v\nX=1", "X", "1"},
        {"M=\"a\" trailing\nX=1", "M", "a"},
        {"M=\"a\" trailing\nX=1", "X", "1"},
        {"N=x=y", "N", "x=y"},
        {"O.P-Q=1", "O.P-Q", "1"},
        {"#A=1", "A", NULL},
        {"  # A=1\nB=2", "A", NULL},
        {"\xef\xbb\xbf"
         "A=1",
         "A", "1"},
        {"", "A", NULL},
    };
    struct fixture f;
    (void)state;
    fixture_open(&f);
    for (size_t i = 0; i < AX_COUNT(t); i++) {
        const char *file = fixture_text(&f, ".env", t[i].text);
        struct ax_mf_arena *a = ax_mf_arena_new();
        struct ax_pairs p = {0};
        const char *got = NULL;
        assert_int_equal(ax_dotenv_load(file, &p, a, NULL), 0);
        for (size_t k = 0; k < p.n; k++)
            if (strcmp(p.v[k].key, t[i].key) == 0)
                got = p.v[k].value;
        if (!got != !t[i].value || (got && strcmp(got, t[i].value) != 0))
            fail_msg("%s: %s is %s", t[i].text, t[i].key, got ? got : "(none)");
        ax_mf_arena_free(a);
    }
    fixture_close(&f);
}

/* A name ends at a NUL wherever it is used: such a line is skipped, so that no name comes twice. */
static void test_nul(void **state)
{
    static const char text[] = "\0=1\n\0=2\nA\0B=3\nC=4\0\n";
    struct ax_mf_arena *a = ax_mf_arena_new();
    struct ax_pairs p = {0};
    struct fixture f;
    (void)state;
    fixture_open(&f);
    assert_int_equal(ax_dotenv_load(fixture_file(&f, ".env", text, sizeof text - 1), &p, a, NULL), 0);
    assert_int_equal(p.n, 1);
    assert_string_equal(p.v[0].key, "C");
    assert_string_equal(p.v[0].value, "4");
    ax_mf_arena_free(a);
    fixture_close(&f);
}

static void test_endings(void **state)
{
    struct ax_mf_arena *a = ax_mf_arena_new();
    struct ax_err err = {0};
    struct ax_pairs p = {0};
    struct fixture f;
    (void)state;
    fixture_open(&f);
    assert_int_equal(ax_dotenv_load("/nonexistent/.env", &p, a, &err), 0);
    assert_int_equal(p.n, 0);
    assert_int_equal(ax_dotenv_load(f.dir, &p, a, &err), -AX_E_SYS);
    assert_non_null(strstr(err.msg, "cannot read"));

    char *big = calloc(1, AX_MF_FILE_MAX + 1);
    assert_non_null(big);
    memset(big, 'a', AX_MF_FILE_MAX + 1);
    const char *file = fixture_file(&f, ".env", big, AX_MF_FILE_MAX + 1);
    free(big);
    err.code = AX_OK;
    assert_int_equal(ax_dotenv_load(file, &p, a, &err), -AX_E_LIMIT);
    ax_mf_arena_free(a);
    fixture_close(&f);
}

static void test_no_memory(void **state)
{
    struct fixture f;
    char text[20000] = "";
    (void)state;
    for (int i = 0, n = 0; i < 400; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "NAME_%d=\"the value %d\"\n", i, i);
    fixture_open(&f);
    const char *file = fixture_text(&f, ".env", text);
    for (unsigned n = 1;; n++) {
        struct ax_mf_arena *a = ax_mf_arena_new();
        struct ax_err err = {0};
        struct ax_pairs p = {0};
        ax_fail_alloc_at(n);
        int rc = ax_dotenv_load(file, &p, a, &err);
        ax_fail_alloc_at(0);
        ax_mf_arena_free(a);
        if (rc == 0) {
            assert_int_equal(p.n, 400);
            assert_true(n > 5);
            break;
        }
        assert_int_equal(rc, -AX_E_NOMEM);
        assert_int_equal(err.code, AX_E_NOMEM);
    }
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_grammar), cmocka_unit_test(test_nul),
                                       cmocka_unit_test(test_endings), cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
