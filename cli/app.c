#include "cli/app.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "cli/options.h"
#include "cli/print.h"

enum { ENV_NAME_MAX = 64 };

static const char *environment(const char *name, void *ctx)
{
    (void)ctx;
    return getenv(name);
}

static int read_app(const struct ax_args *args, bool keep_broken, struct ax_app *ret)
{
    *ret = (struct ax_app){0};
    ret->nfiles = ax_args_list(args, "config", ret->files, AX_APP_FILES, &ret->store);
    if (ret->nfiles == AX_ARGS_NOMEM) {
        ax_say("out of memory");
        return AX_EXIT_FAILED;
    }
    if (ret->nfiles > AX_APP_FILES)
        return ax_usage(args, "at most %d manifests can be laid over each other (found %zu)", AX_APP_FILES,
                        ret->nfiles);
    struct ax_manifest_input in = {.files = ret->nfiles ? ret->files : NULL,
                                   .nfiles = ret->nfiles,
                                   .getenv = environment,
                                   .keep_broken = keep_broken};
    int rc = ax_manifest_load(&in, &ret->manifest, &ret->problems);
    if (rc < 0 && ret->problems.errors == 0) { /* only memory runs out without telling */
        ax_say("%s", ax_code_text((enum ax_code) - rc));
        return AX_EXIT_FAILED;
    }
    return rc == 0 ? AX_EXIT_OK : AX_EXIT_MANIFEST;
}

int ax_app_read(const struct ax_args *args, struct ax_app *ret)
{
    return read_app(args, false, ret);
}

int ax_app_read_broken(const struct ax_args *args, struct ax_app *ret)
{
    return read_app(args, true, ret);
}

int ax_app_load(const struct ax_args *args, struct ax_app *ret)
{
    int code = ax_app_read(args, ret);

    ax_app_print_problems(&ret->problems);
    return code;
}

void ax_app_fini(struct ax_app *app)
{
    ax_manifest_free(app->manifest);
    ax_problems_fini(&app->problems);
    ax_free(app->store);
    *app = (struct ax_app){0};
}

void ax_app_print_problems(const struct ax_problems *problems)
{
    fflush(stdout);
    for (size_t i = 0; i < problems->n; i++) {
        const struct ax_problem *p = &problems->v[i];

        if (p->err.file && p->err.line)
            fprintf(stderr, "%s:%u:%u: %s%s\n", p->err.file, p->err.line, p->err.col,
                    p->warning ? "warning: " : "", p->err.msg);
        else
            ax_say("%s%s", p->warning ? "warning: " : "", p->err.msg);
    }
}

/* ---- settings from outside the manifest */

static const char *app_getenv(const char *name, void *ctx)
{
    return ax_app_getenv(ctx, name);
}

static const char *dotenv(const struct ax_app *app, const char *name)
{
    const struct ax_pairs *env = app->manifest ? ax_manifest_dotenv(app->manifest) : NULL;

    for (size_t i = 0; env && i < env->n; i++)
        if (strcmp(env->v[i].key, name) == 0)
            return env->v[i].value;
    return NULL;
}

const char *ax_app_getenv(const struct ax_app *app, const char *name)
{
    const char *v = getenv(name);

    return v ? v : dotenv(app, name);
}

const char *ax_app_option(const struct ax_app *app, const struct ax_args *args, const char *name)
{
    const char *v = ax_args_value(args, name);
    char env[ENV_NAME_MAX];

    if (v)
        return v;
    ax_opt_env_name(name, env, sizeof env);
    v = dotenv(app, env);
    return v && *v ? v : NULL;
}

static bool names_an_address(const char *host)
{
    struct in6_addr any;

    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &any) == 1 ||
           inet_pton(AF_INET6, host, &any) == 1;
}

/* Shells and containers set HOST to the machine's name: that is nothing to listen on. */
static bool usable(const char *name, const char *value)
{
    return value && *value && (strcmp(name, "HOST") != 0 || names_an_address(value));
}

/* One line of precedence: how it is called for people, and where it is looked up. */
struct source {
    const char *label, *name;
    enum { FROM_OPTION, FROM_ENVIRONMENT, FROM_DOTENV } from;
};

static const char *first_of(const struct ax_app *app, const struct ax_args *args, const struct source *s,
                            size_t n, const char **ret_source)
{
    for (size_t i = 0; i < n; i++) {
        const char *v = NULL;

        if (s[i].from == FROM_OPTION && args->ngiven)
            for (size_t g = 0; g < args->ngiven; g++)
                v = strcmp(args->given[g].opt->name, s[i].name) == 0 ? args->given[g].value : v;
        else if (s[i].from == FROM_ENVIRONMENT)
            v = getenv(s[i].name);
        else if (s[i].from == FROM_DOTENV)
            v = dotenv(app, s[i].name);
        if (s[i].from == FROM_OPTION ? v != NULL : usable(s[i].name, v)) {
            if (ret_source)
                *ret_source = s[i].label;
            return v;
        }
    }
    return NULL;
}

const char *ax_app_port(const struct ax_app *app, const struct ax_args *args, const char **ret_source)
{
    static const struct source order[] = {
        {"--port", "port", FROM_OPTION},       {"ACTIX_PORT", "ACTIX_PORT", FROM_ENVIRONMENT},
        {"PORT", "PORT", FROM_ENVIRONMENT},    {"ACTIX_PORT in .env", "ACTIX_PORT", FROM_DOTENV},
        {"PORT in .env", "PORT", FROM_DOTENV},
    };

    return first_of(app, args, order, AX_COUNT(order), ret_source);
}

const char *ax_app_host(const struct ax_app *app, const struct ax_args *args, const char **ret_source)
{
    static const struct source order[] = {
        {"--host", "host", FROM_OPTION},       {"ACTIX_HOST", "ACTIX_HOST", FROM_ENVIRONMENT},
        {"HOST", "HOST", FROM_ENVIRONMENT},    {"ACTIX_HOST in .env", "ACTIX_HOST", FROM_DOTENV},
        {"HOST in .env", "HOST", FROM_DOTENV},
    };

    return first_of(app, args, order, AX_COUNT(order), ret_source);
}

int ax_app_state(const struct ax_app *app, const struct ax_args *args, struct ax_state *ret)
{
    struct ax_app seen = *app; /* a copy, since the callback's context is not const; it is only read */
    struct ax_state_input in = {.option = ax_args_value(args, "state"),
                                .getenv = app_getenv,
                                .ctx = &seen,
                                .manifest = app->manifest};
    struct ax_err err = {0};

    return ax_state_paths(&in, ret, &err) == 0 ? AX_EXIT_OK : ax_say_err(&err, AX_EXIT_FAILED);
}

bool ax_app_state_named(const struct ax_args *args)
{
    const char *dir = getenv("STATE_DIRECTORY");

    return ax_args_value(args, "state") || (dir && *dir);
}

int ax_app_state_bare(const struct ax_args *args, struct ax_state *ret)
{
    char root[] = ".", database[] = "metrics.db";
    struct ax_manifest defaults = {.root = root, .metrics.database = database};

    return ax_app_state(&(struct ax_app){.manifest = &defaults}, args, ret);
}
