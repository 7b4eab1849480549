#include "supervisor/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/build.h"
#include "supervisor/baton.h"
#include "supervisor/reload.h"
#include "supervisor/runner.h"
#include "supervisor/supervisor_private.h"

enum { GENERATIONS_MAX = AX_WRITER_SOURCES_MAX };

struct ax_left {
    json_t *o;
    struct ax_generation **gens; /* references */
    size_t ngens;
    bool same_layout;
};

/* ---- reading */
static json_t *load(int fd, struct ax_err *reterr)
{
    struct stat st;
    json_t *o = NULL;
    char *text = NULL;
    ssize_t n = -1;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (text = ax_malloc((size_t)st.st_size + 1)))
        n = pread(fd, text, (size_t)st.st_size, 0);
    if (n > 0 && n == st.st_size)
        o = json_loadb(text, (size_t)n, 0, NULL);
    ax_free(text);
    close(fd);
    if (!o || ax_baton_number(o, "format") != AX_BATON_FORMAT) {
        json_decref(o);
        ax_fail(reterr, AX_E_PROTO, "descriptor %d holds nothing that an earlier program has left", fd);
        return NULL;
    }
    return o;
}

int ax_left_open(int fd, struct ax_left **ret, struct ax_err *reterr)
{
    struct ax_left *l = ax_calloc(1, sizeof *l);
    char layout[AX_LAYOUT_TEXT];

    if (!l)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    l->o = load(fd, reterr);
    if (!l->o) {
        ax_free(l);
        return -AX_E_PROTO;
    }
    ax_segment_layout(layout);
    const char *theirs = json_string_value(json_object_get(l->o, "layout"));
    l->same_layout = theirs && strcmp(theirs, layout) == 0;
    *ret = l;
    return 0;
}

void ax_left_free(struct ax_left *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->ngens; i++)
        ax_generation_unref(l->gens[i]);
    ax_free(l->gens);
    json_decref(l->o);
    ax_free(l);
}

/* ---- generations */
static int adopt_generation(struct ax_supervisor *s, const json_t *o, struct ax_err *reterr)
{
    struct ax_left *l = s->left;
    struct ax_reading reading = {
        .manifest = s->o->manifest, .listen = s->o->listen, .workers = s->o->workers};
    const char *node = json_string_value(json_object_get(o, "node"));
    const char *script = json_string_value(json_object_get(o, "script"));
    struct ax_generation_left g = {.number = (unsigned)ax_baton_number(o, "number"),
                                   .workers = (unsigned)ax_baton_number(o, "workers"),
                                   .engines = (unsigned)ax_baton_number(o, "engines"),
                                   .connections = ax_baton_number(o, "connections"),
                                   .node = node ? node : "node",
                                   .script = script ? script : "",
                                   .board_fd = ax_baton_take_fd(o, "board")};

    if (g.engines == 0 || g.workers < g.engines)
        return ax_fail(reterr, AX_E_PROTO, "a generation of %u engines was left", g.engines);
    int rc = ax_generation_adopt(s->o, &reading, &g, &l->gens[l->ngens], reterr);
    if (rc == 0)
        l->ngens++;
    else if (g.board_fd >= 0)
        close(g.board_fd);
    return rc;
}

static struct ax_generation *find_generation(const struct ax_left *l, int64_t number)
{
    for (size_t i = 0; i < l->ngens; i++)
        if ((int64_t)l->gens[i]->number == number)
            return l->gens[i];
    return NULL;
}

static int adopt_generations(struct ax_supervisor *s, struct ax_err *reterr)
{
    const json_t *list = json_object_get(s->left->o, "generations");
    size_t n = json_array_size(list);
    int rc = 0;

    s->left->gens = ax_calloc(n + 1, sizeof *s->left->gens);
    if (!s->left->gens)
        return ax_fail(reterr, AX_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = adopt_generation(s, json_array_get(list, i), reterr);
    if (rc < 0)
        return rc;
    s->gen = find_generation(s->left, ax_baton_number(s->left->o, "generation"));
    if (!s->gen)
        return ax_fail(reterr, AX_E_PROTO, "no generation was left");
    ax_generation_ref(s->gen);
    s->last_generation = (unsigned)ax_baton_number(s->left->o, "last_generation");
    s->started.us = ax_baton_number(s->left->o, "started");
    return 0;
}

/* ---- what is there before the loop */
static int adopt_state(struct ax_supervisor *s, struct ax_err *reterr)
{
    const json_t *o = json_object_get(s->left->o, "state");
    bool nomem = false;

    s->with_state = ax_baton_number(o, "usable");
    s->state = (struct ax_state){.dir = ax_baton_dup(o, "dir", &nomem),
                                 .database = ax_baton_dup(o, "database", &nomem),
                                 .socket = ax_baton_dup(o, "socket", &nomem),
                                 .pid_file = ax_baton_dup(o, "pid_file", &nomem),
                                 .lock = ax_baton_dup(o, "lock", &nomem),
                                 .asked = ax_baton_number(o, "asked")};
    s->lock = (struct ax_state_lock){
        .fd = ax_baton_take_fd(o, "lock_fd"),
        .pid_files = {ax_baton_dup(o, "pid_file_0", &nomem), ax_baton_dup(o, "pid_file_1", &nomem)}};
    return nomem ? ax_fail(reterr, AX_E_NOMEM, "out of memory") : 0;
}

int ax_adopt_setup(struct ax_supervisor *s, struct ax_err *reterr)
{
    int rc = adopt_generations(s, reterr);

    if (rc == 0)
        rc = adopt_state(s, reterr);
    if (rc == 0)
        rc = ax_baton_take_sockets(json_object_get(s->left->o, "sockets"), &s->sockets, reterr);
    if (rc == 0)
        ax_log_info(&s->log, "version %s goes on where %s was", AX_VERSION,
                    json_string_value(json_object_get(s->left->o, "version")));
    return rc;
}

/* ---- what is on the loop */
bool ax_adopt_control(const struct ax_left *l, struct ax_control_left *ret)
{
    const json_t *o = json_object_get(l->o, "control"), *clients = json_object_get(o, "clients");

    *ret = (struct ax_control_left){.fd = ax_baton_take_fd(o, "fd"),
                                    .mode = (int)ax_baton_number(o, "mode"),
                                    .group = (gid_t)ax_baton_number(o, "group")};
    for (size_t i = 0; i < json_array_size(clients) && i < AX_CONTROL_CLIENTS_MAX; i++) {
        const json_t *c = json_array_get(clients, i);
        struct ax_control_client one = {.fd = ax_baton_take_fd(c, "fd"),
                                        .reloads = ax_baton_number(c, "reloads"),
                                        .flush = ax_baton_number(c, "flush"),
                                        .half = ax_baton_number(c, "half")};
        if (one.fd >= 0)
            ret->client[ret->n++] = one;
    }
    return ret->fd >= 0;
}

int ax_adopt_admin(struct ax_supervisor *s, struct ax_err *reterr)
{
    return ax_admin_adopt(s->admin, json_object_get(s->left->o, "admin"), reterr);
}

/* ---- engines */
/* NULL: what it counts is not read by us. */
static struct ax_segment *attach(const struct ax_left *l, int fd)
{
    struct ax_segment *segment = NULL;

    return fd >= 0 && l->same_layout && ax_segment_attach(fd, &segment, NULL) == 0 ? segment : NULL;
}

static void put_in_slot(struct ax_slot *slot, struct ax_runner *r, const char *role)
{
    if (strcmp(role, "now") == 0)
        slot->now = r;
    else if (strcmp(role, "next") == 0)
        slot->next = r;
}

static int adopt_runner(struct ax_supervisor *s, const json_t *o, struct ax_err *reterr)
{
    struct ax_generation *gen = find_generation(s->left, ax_baton_number(o, "generation"));
    const char *role = json_string_value(json_object_get(o, "role"));
    size_t slot = (size_t)ax_baton_number(o, "slot");
    int notes_fd = ax_baton_take_fd(o, "notes");
    struct ax_segment *notes = attach(s->left, notes_fd);
    struct ax_str rest = ax_baton_take_bytes(o, "rest");
    struct ax_runner_left left = {.pid = (pid_t)ax_baton_number(o, "pid"),
                                  .control = ax_baton_take_fd(o, "control"),
                                  .segment_fd = ax_baton_take_fd(o, "segment"),
                                  .mailbox = ax_baton_take_fd(o, "mailbox"),
                                  .rest = rest,
                                  .notes = notes,
                                  .state = (enum ax_runner_state)ax_baton_number(o, "state"),
                                  .drained = ax_baton_number(o, "drained"),
                                  .not_accepting = ax_baton_number(o, "not_accepting"),
                                  .stuck = ax_baton_number(o, "stuck"),
                                  .started = {ax_baton_number(o, "started")},
                                  .ready_at = {ax_baton_number(o, "ready_at")},
                                  .left_at = {ax_baton_number(o, "left_at")}};
    struct ax_runner *r;
    int rc = !gen || !role || slot >= s->nslots || left.control < 0
                 ? ax_fail(reterr, AX_E_PROTO, "an engine was left that cannot be known again")
                 : 0;

    left.segment = attach(s->left, left.segment_fd);
    if (rc == 0)
        rc = ax_runner_adopt(s->slots[slot], gen, &left, &r, reterr);
    if (rc == 0)
        put_in_slot(s->slots[slot], r, role);
    else
        ax_segment_free(left.segment);
    if (notes_fd >= 0)
        close(notes_fd);
    ax_segment_free(notes);
    ax_free((void *)(uintptr_t)rest.p);
    return rc;
}

static int adopt_slots(struct ax_supervisor *s, struct ax_err *reterr)
{
    const json_t *slots = json_object_get(s->left->o, "slots");
    size_t n = json_array_size(slots);
    int rc = ax_slots_make(s, (unsigned)n, reterr);

    for (size_t i = 0; rc == 0 && i < n; i++)
        s->slots[i]->restarts = (unsigned)json_integer_value(json_array_get(slots, i));
    return rc;
}

/* One that died meanwhile, or was to be started again at the moment of the exec. */
static void look_after(struct ax_supervisor *s)
{
    AX_LIST_EACH(it, &s->runners)
    ax_engine_child(AX_LIST_ENTRY(it, struct ax_runner, node)->engine);
    for (unsigned i = 0; i < s->gen->engines && i < s->nslots; i++)
        if (!s->slots[i]->now)
            ax_slot_revive(s->slots[i]);
}

int ax_adopt_engines(struct ax_supervisor *s, struct ax_err *reterr)
{
    const json_t *list = json_object_get(s->left->o, "runners");
    struct ax_err err = {0};
    int rc = adopt_slots(s, reterr);

    ax_writer_seed(s->writer, (uint64_t)ax_baton_number(s->left->o, "worker_restarts"),
                   (uint64_t)ax_baton_number(s->left->o, "dropped"));
    for (size_t i = 0; rc == 0 && i < json_array_size(list); i++)
        rc = adopt_runner(s, json_array_get(list, i), reterr);
    if (rc < 0)
        return rc;
    s->phase = AX_RUNNING;
    look_after(s);
    ax_supervisor_watch(s);
    ax_left_free(s->left);
    s->left = NULL;
    if (ax_reload_begin(s, &err) < 0)
        ax_log_error(&s->log, "cannot reload: %s", err.msg);
    return 0;
}
