/* The admin listener from one program of this process to the next: its sockets, and the sums of /metrics,
 * which never go backwards.  Its connections are closed by the exec. */
#include "base/assert.h"
#include "supervisor/admin_private.h"
#include "supervisor/baton.h"

void ax_admin_settle(struct ax_admin *a, bool same)
{
    struct ax_err err = {0};

    ax_admin_usage(a);
    if (!a->totals)
        return;
    if (same)
        ax_totals_rewind(a->totals);
    else if (ax_totals_take(a->totals, &err) < 0)
        ax_log_warn(a->o.log, "/metrics will lack some of what was counted: %s", err.msg);
}

/* Without the engines that live: the next program sees what they have used. */
static uint64_t cpu_of_others(const struct ax_admin *a)
{
    uint64_t us = a->cpu_us;

    for (unsigned i = 0; i < a->engines; i++)
        us -= a->engine[i].cpu_us;
    return us;
}

static json_t *door_json(const struct ax_door *d, struct ax_baton *b)
{
    return json_pack("{s:s, s:o}", "key", d->key, "sockets", ax_baton_sockets(b, &d->sockets));
}

json_t *ax_admin_leave(const struct ax_admin *a, struct ax_baton *b)
{
    json_t *doors = json_array();

    AX_LIST_EACH(it, &a->doors)
    json_array_append_new(doors, door_json(AX_LIST_ENTRY(it, struct ax_door, node), b));
    return json_pack("{s:o, s:o, s:I, s:I, s:I}", "doors", doors, "totals",
                     a->totals ? ax_baton_totals(a->totals) : json_null(), "started",
                     (json_int_t)a->started.us, "own_cpu_us", (json_int_t)a->own_cpu_us, "cpu_us",
                     (json_int_t)cpu_of_others(a));
}

static int adopt_door(struct ax_admin *a, const json_t *o, struct ax_err *reterr)
{
    const char *key = json_string_value(json_object_get(o, "key"));
    struct ax_sockets sockets = {.n = 0};
    int rc = ax_baton_take_sockets(json_object_get(o, "sockets"), &sockets, reterr);

    if (rc == 0)
        rc = ax_admin_door(a, key ? key : "", &sockets, reterr);
    ax_sockets_close(&sockets);
    return rc;
}

int ax_admin_adopt(struct ax_admin *a, const json_t *left, struct ax_err *reterr)
{
    const json_t *doors = json_object_get(left, "doors"), *totals = json_object_get(left, "totals");
    int rc = 0;

    if (json_is_object(totals)) {
        rc = ax_admin_read(a, reterr);
        if (rc == 0)
            rc = ax_baton_take_totals(totals, a->totals, reterr);
    }
    a->started.us = ax_baton_number(left, "started");
    a->own_cpu_us = (uint64_t)ax_baton_number(left, "own_cpu_us");
    a->cpu_us = (uint64_t)ax_baton_number(left, "cpu_us");
    for (size_t i = 0; rc == 0 && i < json_array_size(doors); i++)
        rc = adopt_door(a, json_array_get(doors, i), reterr);
    if (rc == 0)
        ax_admin_commit(a);
    else
        ax_admin_cancel(a);
    return rc;
}
