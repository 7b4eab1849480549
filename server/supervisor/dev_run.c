/* `actix dev`: what the supervisor makes of changes.  A change is a reload; what changes while one runs makes
 * another behind it. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "supervisor/dev.h"
#include "supervisor/dirs.h"
#include "supervisor/message.h"
#include "supervisor/reload.h"
#include "supervisor/runner.h"
#include "supervisor/supervisor_private.h"

static struct ax_supervisor *of(void *ctx)
{
    return AX_CAST(struct ax_supervisor, ctx, AX_SUPERVISOR_MAGIC);
}

/* As a person calls it who stands in the app's folder. */
static const char *shown(const struct ax_supervisor *s, const char *file)
{
    size_t n = strlen(s->m->root);

    return strncmp(file, s->m->root, n) == 0 && file[n] == '/' ? file + n + 1 : file;
}

static void tell(struct ax_supervisor *s, const char *why)
{
    unsigned ms = (unsigned)((ax_mono_now().us - s->dev_at.us) / 1000) + AX_DEV_QUIET_MS;

    s->o->dev->reloaded(s->o->ctx, s->dev_file[0] ? shown(s, s->dev_file) : NULL, ms, why);
    s->dev_file[0] = '\0';
}

static void on_changed(void *ctx, const char *file)
{
    struct ax_supervisor *s = of(ctx);
    struct ax_err err = {0};

    if (s->phase > AX_RUNNING)
        return;
    if (s->phase == AX_STARTING || s->reload) {
        s->dev_again = true;
        return;
    }
    snprintf(s->dev_file, sizeof s->dev_file, "%s", file);
    s->dev_at = ax_mono_now();
    if (ax_reload_begin(s, &err) < 0)
        tell(s, err.msg);
}

/* What is never code: what the app and we ourselves write. */
static int skip(struct ax_supervisor *s, struct ax_err *reterr)
{
    char *uploads = ax_path_join(s->m->root, s->m->uploads.dir);
    int rc = uploads ? ax_dev_skip(s->dev, uploads, reterr) : ax_fail(reterr, AX_E_NOMEM, "out of memory");

    ax_free(uploads);
    return rc == 0 && s->state.dir ? ax_dev_skip(s->dev, s->state.dir, reterr) : rc;
}

/* Absolute names; a relative one starts where we are. */
static int watch_files(struct ax_supervisor *s, struct ax_err *reterr)
{
    char here[PATH_MAX];
    int rc = 0;

    if (!getcwd(here, sizeof here))
        return 0;
    for (size_t i = 0; rc == 0 && i < s->o->dev->nfiles; i++) {
        char *path = ax_path_join(here, s->o->dev->files[i]);
        rc = path ? ax_dev_file(s->dev, path, reterr) : ax_fail(reterr, AX_E_NOMEM, "out of memory");
        ax_free(path);
    }
    return rc;
}

int ax_dev_run_open(struct ax_supervisor *s, struct ax_err *reterr)
{
    struct ax_dev_options o = {.loop = &s->loop, .changed = on_changed, .ctx = s};
    struct ax_err why = {0};

    if (!s->o->dev)
        return 0;
    int rc = ax_dev_open(&o, &s->dev, reterr);
    if (rc == 0)
        rc = skip(s, reterr);
    if (rc == 0 && (ax_dev_tree(s->dev, s->m->root, &why) < 0 || watch_files(s, &why) < 0))
        ax_log_warn(&s->log, "not every change will be seen: %s", why.msg);
    return rc;
}

static void go_on(struct ax_supervisor *s)
{
    if (s->dev_again)
        ax_dev_poke(s->dev, s->dev_file[0] ? s->dev_file : s->m->root);
    s->dev_again = false;
}

void ax_dev_run_ready(struct ax_supervisor *s)
{
    if (s->dev)
        go_on(s);
}

static bool broken(const struct ax_supervisor *s)
{
    return s->nslots && s->slots[0]->now && s->slots[0]->now->broken;
}

void ax_dev_run_reloaded(struct ax_supervisor *s, const char *why)
{
    if (!s->dev || s->phase > AX_RUNNING)
        return;
    ax_dev_tree(s->dev, s->m->root, NULL);
    if (why || !broken(s)) /* that one has said itself what is wrong with it */
        tell(s, why);
    go_on(s);
}

void ax_dev_run_files(struct ax_supervisor *s, const struct ax_message *m)
{
    struct ax_err err = {0};

    for (size_t i = 0; s->dev && err.code == AX_OK && i < m->nfiles; i++)
        ax_dev_file(s->dev, m->file[i], &err);
    if (err.code)
        ax_log_warn(&s->log, "not every change will be seen: %s", err.msg);
}

void ax_dev_run_close(struct ax_supervisor *s)
{
    ax_dev_close(s->dev);
    s->dev = NULL;
}
