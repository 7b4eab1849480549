#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/commands.h"
#include "cli/options.h"

enum { WORDS_MAX = 12 };

static int run_nothing(struct ax_args *args)
{
    (void)args;
    return 0;
}

static const char *const colours[] = {"red", "green", NULL};
static const struct ax_opt paint_opts[] = {
    AX_OPTS_APP,
    AX_OPT_JSON,
    {"colour", 'C', AX_OPT_VALUE, "NAME", "which", 0, colours},
    {"coats", 'n', AX_OPT_VALUE, "N", "how many", 0, NULL},
    {"dry", 'd', AX_OPT_FLAG, NULL, "wait", AX_OPT_NEGATABLE, NULL},
    {"fast", 'f', AX_OPT_FLAG, NULL, "do not wait", AX_OPT_NO_ENV, NULL},
    {"inspect", 0, AX_OPT_OPTIONAL, "H:P", "look", 0, NULL},
    {"frame", 0, AX_OPT_FLAG, NULL, "later", AX_OPT_LATER, NULL},
    AX_OPT_END,
};
static const struct ax_opt sell_opts[] = {{"price", 'p', AX_OPT_VALUE, "SUM", "how much", 0, NULL},
                                          AX_OPT_END};
static const struct ax_cmd paint = {.name = "paint",
                                    .summary = "paint it",
                                    .options = paint_opts,
                                    .run = run_nothing,
                                    .operands = "WALL [WALL]",
                                    .min_operands = 1,
                                    .max_operands = 2};
static const struct ax_cmd sell = {
    .name = "sell", .summary = "sell it", .options = sell_opts, .run = run_nothing};
static const struct ax_cmd buy = {.name = "buy", .summary = "buy it"};
static const struct ax_cmd *const cmds[] = {&paint, &sell, &buy, NULL};

/* Splits a line at blanks; the words live in `store`. */
static int split(char *store, const char *line, const char **argv)
{
    int n = 0;

    snprintf(store, 256, "%s", line);
    for (char *p = store; *p;) {
        argv[n++] = p;
        p += strcspn(p, " ");
        if (*p)
            *p++ = '\0';
    }
    return n;
}

static int parse(const char *line, char *store, struct ax_args *ret, struct ax_err *err)
{
    const char *argv[WORDS_MAX];
    int argc = split(store, line, argv);

    return ax_options_parse(argc, argv, cmds, ret, err);
}

static void test_accepted(void **state)
{
    static const struct {
        const char *line, *option, *value; /* value NULL: the option is not given, or has none */
        const char *operand;
    } t[] = {
        {"actix paint wall", "colour", NULL, "wall"},
        {"actix paint --colour red wall", "colour", "red", "wall"},
        {"actix paint --colour=red wall", "colour", "red", "wall"},
        {"actix paint wall --colour red", "colour", "red", "wall"},
        {"actix --colour red paint wall", "colour", "red", "wall"},
        {"actix --colour=red paint wall", "colour", "red", "wall"},
        {"actix -Cred paint wall", "colour", "red", "wall"},
        {"actix -C red paint wall", "colour", "red", "wall"},
        {"actix paint -C=red wall", "colour", "red", "wall"},
        {"actix -C paint paint wall", NULL, NULL, NULL}, /* the first `paint` is the colour: refused */
        {"actix paint -dfCgreen wall", "colour", "green", "wall"},
        {"actix paint -dfn 3 wall", "coats", "3", "wall"},
        {"actix paint --colour red --colour green wall", "colour", "green", "wall"},
        {"actix paint -- --colour", "colour", NULL, "--colour"},
        {"actix paint --inspect wall", "inspect", NULL, "wall"},
        {"actix paint --inspect=h:1 wall", "inspect", "h:1", "wall"},
        {"actix paint -- -", "colour", NULL, "-"},
        {"actix paint -", "colour", NULL, "-"},
        {"actix -- paint wall", "colour", NULL, "wall"},
        {"actix paint --coats= wall", "coats", "", "wall"},
        {"actix paint --coats -1 wall", "coats", "-1", "wall"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_args a;
        struct ax_err err = {0};
        char store[256];
        int rc = parse(t[i].line, store, &a, &err);
        if (!t[i].operand) {
            assert_int_equal(rc, -AX_E_RANGE);
            continue;
        }
        if (rc < 0)
            fail_msg("%s: %s", t[i].line, err.msg);
        assert_ptr_equal(a.cmd, &paint);
        const char *v = ax_args_value(&a, t[i].option);
        if (t[i].value)
            assert_string_equal(v, t[i].value);
        else
            assert_null(v);
        assert_string_equal(a.operands[0], t[i].operand);
        ax_args_fini(&a);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *line;
        enum ax_code code;
        const char *says;
    } t[] = {
        {"actix pait wall", AX_E_UNKNOWN, "no command 'pait'; did you mean 'paint'?"},
        {"actix zzzzzzz", AX_E_UNKNOWN, "no command 'zzzzzzz'; 'actix help' lists them"},
        {"actix buy", AX_E_UNSUPPORTED, "'buy' is not supported yet"},
        {"actix buy --anything", AX_E_UNSUPPORTED, "'buy' is not supported yet"},
        {"actix paint --color=red wall", AX_E_SYNTAX, "--color takes no value (found 'red')"},
        {"actix paint --coulour red wall", AX_E_UNKNOWN, "no option '--coulour'; did you mean '--colour'?"},
        {"actix paint --price 3 wall", AX_E_UNKNOWN, "no option '--price' for 'paint'; 'sell' has it"},
        {"actix paint --zzzzzz wall", AX_E_UNKNOWN, "no option '--zzzzzz'; 'actix paint --help' lists them"},
        {"actix paint -z wall", AX_E_UNKNOWN, "no option '-z'; 'actix paint --help' lists them"},
        {"actix --zzzzzz", AX_E_UNKNOWN, "no option '--zzzzzz' without a command"},
        {"actix paint wall --coats", AX_E_MISSING, "--coats needs a value: --coats N"},
        {"actix paint wall -n", AX_E_MISSING, "--coats needs a value: --coats N"},
        {"actix paint --json=yes wall", AX_E_SYNTAX, "--json takes no value (found 'yes')"},
        {"actix paint --no-json wall", AX_E_UNKNOWN, NULL},
        {"actix paint --colour gren wall", AX_E_RANGE,
         "--colour must be one of red, green (found 'gren'); did you mean 'green'?"},
        {"actix paint --frame wall", AX_E_UNSUPPORTED, "--frame is not supported yet"},
        {"actix paint", AX_E_MISSING, "'paint' needs WALL [WALL]"},
        {"actix paint a b c", AX_E_UNKNOWN, "'paint' does not know what to do with 'c'"},
        {"actix sell wall", AX_E_UNKNOWN, "'sell' does not know what to do with 'wall'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_args a;
        struct ax_err err = {0};
        char store[256];
        int rc = parse(t[i].line, store, &a, &err);
        if (rc != -(int)t[i].code)
            fail_msg("%s: code %d, want %d (%s)", t[i].line, -rc, t[i].code, err.msg);
        if (t[i].says)
            assert_string_equal(err.msg, t[i].says);
    }
}

static void test_flags(void **state)
{
    static const struct {
        const char *line;
        bool dry, color;
    } t[] = {
        {"actix paint w", true, true},
        {"actix paint w --no-dry", false, true},
        {"actix paint w --no-dry --dry", true, true},
        {"actix paint w --dry --no-dry --no-color", false, false},
        {"actix --no-color paint w", true, false},
        {"actix --no-color paint w --color", true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_args a;
        struct ax_err err = {0};
        char store[256];
        assert_int_equal(parse(t[i].line, store, &a, &err), 0);
        assert_int_equal(ax_args_flag(&a, "dry", true), t[i].dry);
        assert_int_equal(ax_args_flag(&a, "color", true), t[i].color);
        ax_args_fini(&a);
    }
}

static void test_without_command(void **state)
{
    static const char *const lines[] = {"actix", "actix --help", "actix -V", "actix --no-color -h"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct ax_args a;
        struct ax_err err = {0};
        char store[256];
        assert_int_equal(parse(lines[i], store, &a, &err), 0);
        assert_null(a.cmd);
        ax_args_fini(&a);
    }
}

static void test_help_needs_no_operands(void **state)
{
    struct ax_args a;
    struct ax_err err = {0};
    char store[256];
    (void)state;
    assert_int_equal(parse("actix paint --help", store, &a, &err), 0);
    assert_true(ax_args_flag(&a, "help", false));
    ax_args_fini(&a);
}

static void test_list(void **state)
{
    struct ax_args a;
    struct ax_err err = {0};
    const char *v[2];
    char store[256], *more;
    (void)state;
    assert_int_equal(parse("actix -c a.yaml paint w --config b.yaml -cc.yaml", store, &a, &err), 0);
    assert_int_equal(ax_args_list(&a, "config", v, 2, &more), 3);
    assert_string_equal(v[0], "a.yaml");
    assert_string_equal(v[1], "b.yaml");
    assert_null(more);
    ax_args_fini(&a);
}

static void test_environment(void **state)
{
    struct ax_args a;
    struct ax_err err = {0};
    const char *v[4];
    char store[256], buf[64], *more;
    (void)state;
    setenv("ACTIX_COLOUR", "green", 1);
    setenv("ACTIX_JSON", "1", 1);
    setenv("ACTIX_DRY", "off", 1);
    setenv("ACTIX_FAST", "1", 1);
    setenv("ACTIX_CONFIG", "a.yaml::b.yaml", 1);
    setenv("ACTIX_PRICE", "9", 1);

    assert_int_equal(parse("actix paint w", store, &a, &err), 0);
    assert_string_equal(ax_args_value(&a, "colour"), "green");
    assert_string_equal(ax_args_source(&a, "colour", buf, sizeof buf), "ACTIX_COLOUR");
    assert_true(ax_args_flag(&a, "json", false));
    assert_false(ax_args_flag(&a, "dry", true));
    assert_false(ax_args_flag(&a, "fast", false)); /* not taken from the environment */
    assert_null(ax_args_value(&a, "price"));       /* another command's */
    assert_int_equal(ax_args_list(&a, "config", v, 4, &more), 2);
    assert_string_equal(v[0], "a.yaml");
    assert_string_equal(v[1], "b.yaml");
    ax_free(more);
    ax_args_fini(&a);

    assert_int_equal(parse("actix paint w --colour red -c x.yaml", store, &a, &err), 0);
    assert_string_equal(ax_args_value(&a, "colour"), "red");
    assert_string_equal(ax_args_source(&a, "colour", buf, sizeof buf), "--colour");
    assert_int_equal(ax_args_list(&a, "config", v, 4, &more), 1);
    assert_null(ax_args_source(&a, "coats", buf, sizeof buf));
    ax_args_fini(&a);
    unsetenv("ACTIX_COLOUR");
    unsetenv("ACTIX_JSON");
    unsetenv("ACTIX_DRY");
    unsetenv("ACTIX_FAST");
    unsetenv("ACTIX_CONFIG");
    unsetenv("ACTIX_PRICE");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *line;
        int rc;
        long want;
        const char *says;
    } t[] = {
        {"actix paint w", 0, 7, NULL},
        {"actix paint w --coats 3", 0, 3, NULL},
        {"actix paint w --coats=0", -AX_E_RANGE, 7, "--coats must be 1..9 (found 0)"},
        {"actix paint w --coats 99999999999999999999", -AX_E_SYNTAX, 7, NULL},
        {"actix paint w --coats 3x", -AX_E_SYNTAX, 7, "--coats must be a number (found '3x')"},
        {"actix paint w --coats +3", -AX_E_SYNTAX, 7, NULL},
        {"actix paint w --coats=", -AX_E_SYNTAX, 7, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct ax_args a;
        struct ax_err err = {0};
        char store[256];
        long n = 7;
        assert_int_equal(parse(t[i].line, store, &a, &err), 0);
        assert_int_equal(ax_args_number(&a, "coats", 1, 9, &n, &err), t[i].rc);
        assert_int_equal(n, t[i].want);
        if (t[i].says)
            assert_string_equal(err.msg, t[i].says);
        ax_args_fini(&a);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct ax_args a;
        struct ax_err err = {0};
        char store[256];
        ax_fail_alloc_at(n);
        int rc = parse("actix paint --colour red wall", store, &a, &err);
        ax_fail_alloc_at(0);
        if (rc == 0) {
            ax_args_fini(&a);
            break;
        }
        assert_int_equal(err.code, AX_E_NOMEM);
    }
}

/* The parser reads options before it knows the command: a name or a letter may not change its kind. */
static void test_real_tables_agree(void **state)
{
    (void)state;
    for (const struct ax_cmd *const *c = ax_commands; *c; c++)
        for (const struct ax_opt *o = (*c)->options; o && o->name; o++)
            for (const struct ax_cmd *const *d = ax_commands; *d; d++)
                for (const struct ax_opt *x = (*d)->options; x && x->name; x++) {
                    if (strcmp(o->name, x->name) == 0) {
                        assert_int_equal(o->kind, x->kind);
                        assert_int_equal(o->letter, x->letter);
                    } else if (o->letter) {
                        assert_int_not_equal(o->letter, x->letter);
                    }
                }
}

static void test_help_names_every_option(void **state)
{
    (void)state;
    for (const struct ax_cmd *const *c = ax_commands; *c; c++) {
        char text[16384];
        FILE *f = fmemopen(text, sizeof text, "w");
        ax_help_command(f, *c);
        fclose(f);
        assert_non_null(strstr(text, (*c)->name));
        for (const struct ax_opt *o = (*c)->options; o && o->name; o++) {
            assert_non_null(strstr(text, o->name));
            assert_non_null(o->help);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_without_command),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_help_needs_no_operands),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_real_tables_agree),
        cmocka_unit_test(test_help_names_every_option),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
