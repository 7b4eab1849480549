#include "cli/check_plan.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/cmd.h"
#include "cli/print.h"
#include "supervisor/env.h"
#include "supervisor/plan.h"

/* What the allocator of an engine wants from the start of its process: too late for one that runs. */
static const char tunables[] = "GLIBC_TUNABLES";

static json_t *plan_of(const struct ax_manifest *m, struct ax_err *reterr)
{
    char *text = ax_plan_text(&(struct ax_plan_input){.manifest = m,
                                                      .generation = 1,
                                                      .workers = 1,
                                                      .connections = m->limits.connections,
                                                      .format = AX_LOG_TEXT,
                                                      .access_format = AX_LOG_TEXT,
                                                      .segment_fd = -1,
                                                      .mailbox_fd = -1,
                                                      .board_fd = -1},
                              reterr);
    json_t *o = text ? json_loads(text, 0, NULL) : NULL;

    if (text && !o)
        ax_fail(reterr, AX_E_NOMEM, "out of memory");
    ax_free(text);
    return o;
}

/* "NAME=value" as a member, unless the caller has it already. */
static bool put_unset(json_t *o, const char *entry)
{
    const char *eq = strchr(entry, '=');
    char *name = ax_strndup(entry, (size_t)(eq - entry));
    bool known = name && (getenv(name) || strcmp(name, tunables) == 0);
    bool ok = name && (known || json_object_set_new(o, name, json_string(eq + 1)) == 0);

    ax_free(name);
    return ok;
}

static json_t *env_of(const struct ax_manifest *m, struct ax_err *reterr)
{
    struct ax_env env = {0};
    json_t *o = json_object();
    bool ok = o && ax_env_make(m, environ, NULL, &env, reterr) == 0;

    for (size_t i = 0; ok && i < env.n; i++)
        ok = put_unset(o, env.v[i]);
    ax_env_fini(&env);
    if (ok)
        return o;
    json_decref(o);
    ax_fail(reterr, AX_E_NOMEM, "out of memory, or a value of the environment is not valid UTF-8");
    return NULL;
}

int ax_check_plan_print(const struct ax_manifest *m)
{
    struct ax_err err = {0};
    json_t *plan = plan_of(m, &err), *env = plan ? env_of(m, &err) : NULL;

    if (!env) {
        json_decref(plan);
        return ax_say_err(&err, AX_EXIT_FAILED);
    }
    return ax_print_json(json_pack("{s:o, s:o}", "plan", plan, "env", env));
}
