#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/options.h"

enum { WORDS_MAX = 8 };

static int run_nothing(struct ax_args *args)
{
    (void)args;
    return 0;
}

static const struct ax_opt opts[] = {
    AX_OPTS_APP,
    {"port", 'p', AX_OPT_VALUE, "PORT", "port", 0, NULL},
    {"host", 0, AX_OPT_VALUE, "HOST", "host", 0, NULL},
    {"workers", 0, AX_OPT_VALUE, "N", "workers", 0, NULL},
    AX_OPT_END,
};
static const struct ax_cmd run = {.name = "run", .summary = "run", .options = opts, .run = run_nothing};
static const struct ax_cmd *const cmds[] = {&run, NULL};

static const char *const names[] = {
    "PORT",        "HOST",         "ACTIX_PORT",      "ACTIX_HOST",       "ACTIX_WORKERS",
    "ACTIX_STATE", "ACTIX_CONFIG", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"};

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
}

static void put(const char *dir, const char *name, const char *text)
{
    char file[128];

    snprintf(file, sizeof file, "%s/%s", dir, name);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int setup(void **state)
{
    char *dir = strdup("/tmp/actix-app-XXXXXX");

    clear_environment();
    if (!mkdtemp(dir) || chdir(dir) < 0)
        return -1;
    put(dir, "actix.yaml", "version: 1\nserver: { state: here }\nroutes: { /: { respond: x } }\n");
    *state = dir;
    return 0;
}

static int teardown(void **state)
{
    char *dir = *state, file[128];
    static const char *const files[] = {"actix.yaml", ".env", "bad.yaml"};

    clear_environment();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "%s/%s", dir, files[i]);
        unlink(file);
    }
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(rmdir(dir), 0);
    free(dir);
    return 0;
}

static void parse(struct ax_args *a, const char *const *words)
{
    const char *argv[WORDS_MAX] = {"actix", "run"};
    struct ax_err err = {0};
    int n = 2;

    for (; *words; words++)
        argv[n++] = *words;
    assert_int_equal(ax_options_parse(n, argv, cmds, a, &err), 0);
}

static void expect(const char *value, const char *want)
{
    if (want)
        assert_string_equal(value, want);
    else
        assert_null(value);
}

/* Each row sets what it names; NULL = not set. */
static void test_precedence(void **state)
{
    static const struct {
        const char *option, *actix_port, *port, *dotenv, *want, *source;
    } t[] = {
        {NULL, NULL, NULL, "", NULL, NULL},
        {NULL, NULL, NULL, "PORT=1\n", "1", "PORT in .env"},
        {NULL, NULL, NULL, "PORT=1\nACTIX_PORT=2\n", "2", "ACTIX_PORT in .env"},
        {NULL, NULL, "3", "PORT=1\nACTIX_PORT=2\n", "3", "PORT"},
        {NULL, NULL, "", "PORT=1\n", "1", "PORT in .env"},
        {NULL, "4", "3", "PORT=1\nACTIX_PORT=2\n", "4", "ACTIX_PORT"},
        {"5", "4", "3", "PORT=1\nACTIX_PORT=2\n", "5", "--port"},
        {"0", NULL, "3", "", "0", "--port"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *words[] = {t[i].option ? "--port" : NULL, t[i].option, NULL}, *source = NULL;
        struct ax_args a;
        struct ax_app app;
        clear_environment();
        if (t[i].actix_port)
            setenv("ACTIX_PORT", t[i].actix_port, 1);
        if (t[i].port)
            setenv("PORT", t[i].port, 1);
        put(*state, ".env", t[i].dotenv);
        parse(&a, words);
        assert_int_equal(ax_app_read(&a, &app), 0);
        expect(ax_app_port(&app, &a, &source), t[i].want);
        expect(source, t[i].source);
        ax_app_fini(&app);
        ax_args_fini(&a);
    }
}

static void test_host(void **state)
{
    static const struct {
        const char *host, *dotenv, *want;
    } t[] = {
        {"127.0.0.1", "", "127.0.0.1"},
        {"::1", "", "::1"},
        {"localhost", "", "localhost"},
        {"build-box-7", "", NULL},
        {"0.0.0.0", "", "0.0.0.0"},
        {NULL, "HOST=10.0.0.1\n", "10.0.0.1"},
        {"build-box-7", "HOST=10.0.0.1\n", "10.0.0.1"},
        {NULL, "ACTIX_HOST=anything\n",
         "anything"}, /* asked for by our own name: serve says what is wrong with it */
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const char *none[] = {NULL};
        struct ax_args a;
        struct ax_app app;
        clear_environment();
        if (t[i].host)
            setenv("HOST", t[i].host, 1);
        put(*state, ".env", t[i].dotenv);
        parse(&a, none);
        assert_int_equal(ax_app_read(&a, &app), 0);
        expect(ax_app_host(&app, &a, NULL), t[i].want);
        ax_app_fini(&app);
        ax_args_fini(&a);
    }
}

static void test_option_and_state(void **state)
{
    const char *words[] = {"--workers", "3", "--state", "/there", NULL}, *none[] = {NULL};
    struct ax_args a;
    struct ax_app app;
    struct ax_state s;
    char want[128];

    put(*state, ".env", "ACTIX_WORKERS=2\nFROM=env\n");
    parse(&a, none);
    assert_int_equal(ax_app_read(&a, &app), 0);
    assert_string_equal(ax_app_option(&app, &a, "workers"), "2");
    assert_string_equal(ax_app_getenv(&app, "FROM"), "env");
    assert_null(ax_app_getenv(&app, "NOT_SET_ANYWHERE"));
    assert_int_equal(ax_app_state(&app, &a, &s), 0);
    snprintf(want, sizeof want, "%s/here/metrics.db", (char *)*state);
    assert_string_equal(s.database, want);
    ax_state_fini(&s);
    ax_app_fini(&app);
    ax_args_fini(&a);

    parse(&a, words);
    assert_int_equal(ax_app_read(&a, &app), 0);
    assert_string_equal(ax_app_option(&app, &a, "workers"), "3");
    assert_int_equal(ax_app_state(&app, &a, &s), 0);
    assert_string_equal(s.dir, "/there");
    ax_state_fini(&s);
    ax_app_fini(&app);
    ax_args_fini(&a);
}

static void test_broken(void **state)
{
    const char *words[] = {"-c", "bad.yaml", NULL};
    struct ax_args a;
    struct ax_app app;

    put(*state, "bad.yaml", "version: 1\nsever: {}\nroutes: { /: { respond: x } }\n");
    parse(&a, words);
    assert_int_equal(ax_app_read(&a, &app), AX_EXIT_MANIFEST);
    assert_null(app.manifest);
    assert_int_equal(app.problems.errors, 1);
    ax_app_fini(&app);
    assert_int_equal(ax_app_read_broken(&a, &app), AX_EXIT_MANIFEST);
    assert_non_null(app.manifest);
    assert_int_equal(app.manifest->nroutes, 1);
    ax_app_fini(&app);
    ax_args_fini(&a);
}

static void test_too_many_files(void **state)
{
    struct ax_args a;
    struct ax_app app;
    const char *none[] = {NULL};
    (void)state;

    setenv("ACTIX_CONFIG", "1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17", 1);
    parse(&a, none);
    assert_int_equal(ax_app_read(&a, &app), AX_EXIT_USAGE);
    ax_app_fini(&app);
    ax_args_fini(&a);
}

static void test_out_of_memory(void **state)
{
    const char *none[] = {NULL};
    (void)state;

    setenv("ACTIX_CONFIG", "actix.yaml", 1);
    for (unsigned n = 1;; n++) {
        struct ax_args a;
        struct ax_app app;
        parse(&a, none);
        ax_fail_alloc_at(n);
        int code = ax_app_read(&a, &app);
        ax_fail_alloc_at(0);
        ax_app_fini(&app);
        ax_args_fini(&a);
        if (code == AX_EXIT_OK)
            break;
        assert_int_equal(code, AX_EXIT_FAILED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_precedence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host, setup, teardown),
        cmocka_unit_test_setup_teardown(test_option_and_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
