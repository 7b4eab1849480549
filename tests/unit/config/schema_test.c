/* The committed schema and page are fresh.  AX_UPDATE=1 in the environment writes the schema anew instead. */
#include "fixture.h"

#include "config/mf_file.h"

static char *slurp(const char *file)
{
    struct ax_buf b = AX_BUF_INIT(AX_MF_FILE_MAX);
    struct ax_err err = {0};

    if (ax_file_read(file, &b, &err) < 0)
        fail_msg("%s (run from the repository's root)", err.msg);
    assert_non_null(ax_buf_cstr(&b));
    return b.p;
}

static void test_schema_is_fresh(void **state)
{
    static const char file[] = "config/actix.schema.json";
    char *made = ax_manifest_schema();
    (void)state;
    assert_non_null(made);
    if (getenv("AX_UPDATE")) {
        FILE *out = fopen(file, "we");
        assert_non_null(out);
        fputs(made, out);
        assert_int_equal(fclose(out), 0);
    }
    char *kept = slurp(file);
    if (strcmp(made, kept) != 0)
        fail_msg("%s is stale: AX_UPDATE=1 %s", file, "build/release/tests/config/schema_test");
    ax_free(made);
    ax_free(kept);
}

static void test_page_names_every_key(void **state)
{
    char *page = slurp("docs/manifest.md");
    char *reference = ax_manifest_reference();
    unsigned keys = 0;
    (void)state;
    assert_non_null(reference);
    for (char *line = reference; *line; line = strchr(line, '\n') + 1) {
        char *key = ax_asprintf("`%.*s`", (int)strcspn(line, " "), line);
        assert_non_null(key);
        if (!strstr(page, key))
            fail_msg("docs/manifest.md lacks %s", key);
        ax_free(key);
        keys++;
    }
    assert_true(keys > 90);
    ax_free(reference);
    ax_free(page);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        ax_fail_alloc_at(n);
        char *s = ax_manifest_schema();
        ax_fail_alloc_at(0);
        ax_free(s);
        if (s)
            break;
    }
    for (unsigned n = 1;; n++) {
        ax_fail_alloc_at(n);
        char *s = ax_manifest_reference();
        ax_fail_alloc_at(0);
        ax_free(s);
        if (s)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_schema_is_fresh),
                                       cmocka_unit_test(test_page_names_every_key),
                                       cmocka_unit_test(test_no_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
