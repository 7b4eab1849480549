/* `actix status`: the running instance, as it tells itself over the control socket. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/app.h"
#include "cli/print.h"
#include "cli/running.h"
#include "supervisor/client.h"

static uint64_t number(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));

    return v > 0 ? (uint64_t)v : 0;
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "-";
}

static uint64_t sum(const json_t *list, const char *key)
{
    uint64_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        n += number(json_array_get(list, i), key);
    return n;
}

static void print_quarantined(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *q = json_array_get(list, i);
        printf("quarantined: %s %s until %s\n", text(q, "method"), text(q, "route"), text(q, "until"));
    }
}

static void print_summary(const json_t *o)
{
    char up[AX_SHORT_MAX] = "0s", memory[AX_SHORT_MAX]; /* whole seconds: the first one is no microsecond */
    const json_t *list = json_object_get(o, "addresses"), *engine = json_object_get(o, "engine");
    const json_t *admin = json_object_get(o, "admin");
    uint64_t seconds = number(o, "uptime_s");

    printf("actix %s, process %" PRIu64 ", %s for %s, %s\n", text(o, "version"), number(o, "pid"),
           text(o, "state"), seconds ? ax_short_us(up, seconds * 1000000) : up,
           ax_short_bytes(memory, number(o, "memory")));
    for (size_t i = 0; i < json_array_size(list); i++)
        printf("listening on %s\n", json_string_value(json_array_get(list, i)));
    for (size_t i = 0; i < json_array_size(admin); i++)
        printf("admin on %s\n", json_string_value(json_array_get(admin, i)));
    if (number(engine, "restarts"))
        printf("the engine was restarted %" PRIu64 " times\n", number(engine, "restarts"));
    print_quarantined(json_object_get(o, "quarantined"));
}

/* One engine that is ready and has no zombies is not worth a table: the summary has told of it. */
static bool engines_matter(const json_t *list)
{
    const json_t *first = json_array_get(list, 0);

    return json_array_size(list) != 1 || strcmp(text(first, "state"), "ready") != 0 ||
           number(first, "zombies");
}

static int print_engines(const json_t *list, const struct ax_args *args)
{
    static const char *const numbers[] = {"workers", "zombies", "inflight", "restarts"};
    char n[AX_SHORT_MAX];
    struct ax_table *t = ax_table_new();

    ax_table_column(t, "ENGINE", AX_COL_RIGHT);
    ax_table_column(t, "PID", AX_COL_RIGHT);
    ax_table_column(t, "GENERATION", AX_COL_RIGHT);
    ax_table_column(t, "STATE", 0);
    ax_table_column(t, "MEMORY", AX_COL_RIGHT);
    ax_table_column(t, "WORKERS", AX_COL_RIGHT);
    ax_table_column(t, "ZOMBIES", AX_COL_RIGHT);
    ax_table_column(t, "INFLIGHT", AX_COL_RIGHT);
    ax_table_column(t, "RESTARTS", AX_COL_RIGHT);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i);
        ax_table_row(t);
        ax_table_cell(t, "%" PRIu64, number(e, "slot"));
        ax_table_cell(t, "%" PRIu64, number(e, "pid"));
        ax_table_cell(t, "%" PRIu64, number(e, "generation"));
        ax_table_cell(t, "%s", text(e, "state"));
        ax_table_cell(t, "%s", ax_short_bytes(n, number(e, "memory")));
        for (unsigned k = 0; k < sizeof numbers / sizeof *numbers; k++)
            ax_table_cell(t, "%s", ax_short_count(n, number(e, numbers[k])));
    }
    return ax_table_print(t, args);
}

static int print_workers(const json_t *o, const struct ax_args *args)
{
    static const char *const numbers[] = {"connections", "inflight", "requests", "restarts"};
    const json_t *list = json_object_get(o, "workers");
    char n[AX_SHORT_MAX];
    struct ax_table *t = ax_table_new();

    ax_table_column(t, "WORKER", AX_COL_RIGHT);
    ax_table_column(t, "STATE", 0);
    ax_table_column(t, "CONNECTIONS", AX_COL_RIGHT);
    ax_table_column(t, "INFLIGHT", AX_COL_RIGHT);
    ax_table_column(t, "REQUESTS", AX_COL_RIGHT);
    ax_table_column(t, "RESTARTS", AX_COL_RIGHT);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *w = json_array_get(list, i);
        ax_table_row(t);
        ax_table_cell(t, "%" PRIu64, number(w, "id"));
        ax_table_cell(t, "%s", text(w, "state"));
        for (unsigned k = 0; k < sizeof numbers / sizeof *numbers; k++)
            ax_table_cell(t, "%s", ax_short_count(n, number(w, numbers[k])));
    }
    ax_table_row(t);
    ax_table_cell(t, "all");
    ax_table_cell(t, "%s", text(o, "state"));
    for (unsigned k = 0; k < sizeof numbers / sizeof *numbers; k++)
        ax_table_cell(t, "%s", ax_short_count(n, sum(list, numbers[k])));
    ax_table_bold(t);
    return ax_table_print(t, args);
}

static int print_status(json_t *o, const struct ax_args *args)
{
    if (ax_args_flag(args, "json", false))
        return ax_print_json(o);
    print_summary(o);
    const json_t *engines = json_object_get(o, "engines");
    int code = engines_matter(engines) ? print_engines(engines, args) : AX_EXIT_OK;
    if (code == AX_EXIT_OK)
        code = print_workers(o, args);
    json_decref(o);
    return code;
}

static int status_run(struct ax_args *args)
{
    struct ax_state state;
    struct ax_err err = {0};
    char *answer = NULL;
    int code = ax_running_state(args, &state);

    if (code != AX_EXIT_OK)
        return code;
    int rc = ax_client_status(&state, &answer, &err);
    ax_state_fini(&state);
    if (rc < 0)
        return ax_say_err(&err, err.code == AX_E_MISSING ? AX_EXIT_NOT_RUNNING : AX_EXIT_FAILED);
    json_t *o = json_loads(answer, 0, NULL);
    ax_free(answer);
    if (!json_is_object(o)) {
        json_decref(o);
        ax_say("the running instance answers what is no status");
        return AX_EXIT_FAILED;
    }
    return print_status(o, args);
}

static const struct ax_opt options[] = {AX_OPTS_APP, AX_OPT_JSON, AX_OPT_END};

const struct ax_cmd ax_cmd_status = {.name = "status",
                                     .summary = "show the running app: workers, connections, addresses",
                                     .options = options,
                                     .run = status_run};
