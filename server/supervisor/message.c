#include "supervisor/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static unsigned number(const json_t *o, const char *key)
{
    json_int_t v = json_integer_value(json_object_get(o, key));

    return v > 0 && v <= UINT32_MAX ? (unsigned)v : 0;
}

static const char *text(const json_t *o, const char *key, const char *otherwise)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : otherwise;
}

static int parse_failed(const json_t *o, struct ax_message *m)
{
    const json_t *list = json_object_get(o, "errors");
    size_t n = json_array_size(list);

    m->nerrors = n > AX_MESSAGE_ERRORS ? AX_MESSAGE_ERRORS : n;
    m->error = ax_calloc(m->nerrors, sizeof *m->error);
    if (!m->error)
        return -AX_E_NOMEM;
    for (size_t i = 0; i < m->nerrors; i++) {
        const json_t *e = json_array_get(list, i), *at = json_object_get(e, "at");
        m->error[i] = (struct ax_message_error){text(at, "file", NULL), number(at, "line"), number(at, "col"),
                                                text(e, "message", "unknown error")};
    }
    return 0;
}

static int parse_workers(const json_t *o, struct ax_message *m)
{
    const json_t *list = json_object_get(o, "workers");
    size_t n = json_array_size(list);

    m->workers = n > AX_MESSAGE_WORKERS ? AX_MESSAGE_WORKERS : (unsigned)n;
    m->zombies = number(o, "zombies");
    m->worker = ax_calloc(m->workers, sizeof *m->worker);
    if (!m->worker)
        return -AX_E_NOMEM;
    for (unsigned i = 0; i < m->workers; i++) {
        const json_t *w = json_array_get(list, i);
        m->worker[i].id = number(w, "id");
        m->worker[i].restarts = number(w, "restarts");
        snprintf(m->worker[i].state, sizeof m->worker[i].state, "%s", text(w, "state", "?"));
    }
    return 0;
}

static int parse_event(const json_t *o, struct ax_message *m)
{
    const json_t *worker = json_object_get(o, "worker");

    m->kind = text(o, "kind", NULL);
    m->text = text(o, "text", NULL);
    m->id = json_is_integer(worker) ? (int)json_integer_value(worker) : -1;
    return m->kind && m->text ? 0 : -AX_E_PROTO;
}

static int parse_killed(const json_t *o, struct ax_message *m)
{
    const json_t *route = json_object_get(o, "route");

    m->why = text(o, "why", "crash");
    m->method = text(route, "method", NULL);
    m->pattern = text(route, "pattern", NULL);
    return !m->method == !m->pattern ? 0 : -AX_E_PROTO;
}

static int parse_files(const json_t *o, struct ax_message *m)
{
    const json_t *list = json_object_get(o, "files");
    size_t n = json_array_size(list);

    n = n > AX_MESSAGE_FILES ? AX_MESSAGE_FILES : n;
    m->file = ax_calloc(n + 1, sizeof *m->file);
    if (!m->file)
        return -AX_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name)
            return -AX_E_PROTO;
        m->file[m->nfiles++] = name;
    }
    return 0;
}

static int parse_type(const json_t *o, struct ax_message *m)
{
    static const char *const types[] = {"ready",  "failed", "event",         "workers", "drained",
                                        "killed", "renew",  "not_accepting", "files"};
    const char *type = text(o, "type", "");
    unsigned i = 0;

    while (i < AX_COUNT(types) && strcmp(type, types[i]) != 0)
        i++;
    m->type = (enum ax_message_type)i;
    switch (i) {
    case AX_MSG_READY:
        m->workers = number(o, "workers");
        m->broken = json_is_true(json_object_get(o, "broken"));
        return 0;
    case AX_MSG_FAILED:
        m->shown = json_is_true(json_object_get(o, "shown"));
        return parse_failed(o, m);
    case AX_MSG_FILES:
        return parse_files(o, m);
    case AX_MSG_EVENT:
        return parse_event(o, m);
    case AX_MSG_WORKERS:
        return parse_workers(o, m);
    case AX_MSG_DRAINED:
    case AX_MSG_NOT_ACCEPTING:
        return 0;
    case AX_MSG_KILLED:
        return parse_killed(o, m);
    case AX_MSG_RENEW:
        m->why = text(o, "why", "it asks for it");
        return 0;
    default:
        return -AX_E_PROTO;
    }
}

int ax_message_parse(struct ax_str line, struct ax_message *ret, struct ax_err *reterr)
{
    struct ax_message m = {.id = -1,
                           .json = json_loadb(line.p ? line.p : "", line.n, JSON_REJECT_DUPLICATES, NULL)};
    int rc = json_is_object(m.json) ? parse_type(m.json, &m) : -AX_E_PROTO;

    if (rc < 0) {
        ax_message_fini(&m);
        return rc == -AX_E_NOMEM ? ax_fail(reterr, AX_E_NOMEM, "out of memory")
                                 : ax_fail(reterr, AX_E_PROTO, "the engine sent what is no message: %.*s",
                                           (int)(line.n > 80 ? 80 : line.n), line.p ? line.p : "");
    }
    *ret = m;
    return 0;
}

void ax_message_fini(struct ax_message *m)
{
    ax_free(m->error);
    ax_free(m->worker);
    ax_free(m->file);
    json_decref(m->json);
    *m = (struct ax_message){0};
}
