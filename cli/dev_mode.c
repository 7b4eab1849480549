#include "cli/dev_mode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/print.h"

enum { AROUND = 3, LINE_SHOWN = 200, INSPECT_PORT = 9229 };

/* ---- --inspect */
static bool is_given(const struct ax_args *args)
{
    const char *env = getenv("ACTIX_INSPECT");

    for (size_t i = 0; i < args->ngiven; i++)
        if (strcmp(args->given[i].opt->name, "inspect") == 0)
            return true;
    return env && *env;
}

static bool port_ok(struct ax_str s, unsigned *ret)
{
    uint64_t port;

    if (!ax_str_u64(s, &port) || port > UINT16_MAX)
        return false;
    *ret = (unsigned)port;
    return true;
}

int ax_inspect_address(const struct ax_app *app, const struct ax_args *args, char out[AX_INSPECT_MAX])
{
    const char *value = ax_app_option(app, args, "inspect");
    const char *colon = value ? strrchr(value, ':') : NULL;
    struct ax_str host = AX_STR("127.0.0.1");
    unsigned port = INSPECT_PORT;

    out[0] = '\0';
    if (!value && !is_given(args))
        return AX_EXIT_OK;
    bool on = !value || strcmp(value, "1") == 0 || strcmp(value, "true") == 0; /* ACTIX_INSPECT=1 */
    bool ok = on || port_ok(ax_str(colon ? colon + 1 : value), &port);
    if (!on && colon)
        host = (struct ax_str){value, (size_t)(colon - value)};
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct ax_str){host.p + 1, host.n - 2};
    if (!ok || host.n == 0 || host.n > 255)
        return ax_usage(args, "--inspect must be a port or HOST:PORT (found '%s')", value);
    snprintf(out, AX_INSPECT_MAX, "%.*s:%u", (int)host.n, host.p, port);
    return AX_EXIT_OK;
}

/* ---- the manifest.  Its strings live in an arena and are never freed one by one. */
static char to_stdout[] = "stdout", as_text[] = "text";

void ax_tune_dev(struct ax_manifest *m)
{
    if (!m->log.access)
        m->log.access = to_stdout;
    if (!m->log.format || strcmp(m->log.format, "auto") == 0)
        m->log.format = as_text; /* for people, also where it goes through a pipe */
    if (m->server.min_ready > 1)
        m->server.min_ready = 1;
}

void ax_tune_inspect(struct ax_manifest *m)
{
    m->server.isolation = AX_ISOLATION_PROCESS;
    m->server.min_ready = 1;
    m->timeouts.stall = m->timeouts.handler = m->timeouts.startup = AX_OFF;
    for (size_t i = 0; i < m->nroutes; i++)
        m->routes[i].timeout_us = AX_OFF;
}

static bool has(const struct ax_pairs *p, const char *name)
{
    for (size_t i = 0; p && i < p->n; i++)
        if (strcmp(p->v[i].key, name) == 0)
            return true;
    return false;
}

void ax_dev_environment(const struct ax_app *app)
{
    if (!has(ax_manifest_dotenv(app->manifest), "NODE_ENV") && !has(&app->manifest->env, "NODE_ENV"))
        setenv("NODE_ENV", "development", 0);
}

/* ---- speaking */
static void print_frame(FILE *f, unsigned line, unsigned col)
{
    char text[4096];
    unsigned n = 1;

    for (; n <= line + AROUND && fgets(text, sizeof text, f); n++) {
        if (n + AROUND < line)
            continue;
        text[strcspn(text, "\r\n")] = '\0';
        fprintf(stderr, "%s %4u | %.*s\n", n == line ? ">" : " ", n, LINE_SHOWN, text);
        if (n == line && col && col < LINE_SHOWN)
            fprintf(stderr, "       | %*s^\n", (int)col - 1, "");
    }
}

void ax_dev_problem(const struct ax_err *err)
{
    FILE *f = err->file && err->line ? fopen(err->file, "re") : NULL;

    ax_say_err(err, AX_EXIT_FAILED);
    if (!f)
        return;
    fputc('\n', stderr);
    print_frame(f, err->line, err->col);
    fputc('\n', stderr);
    fclose(f);
}

void ax_dev_reloaded(const char *file, unsigned ms, const char *why)
{
    if (why)
        fprintf(stderr, "not reloaded, the code from before goes on: %s\n", why);
    else if (file)
        printf("reloaded in %u ms: %s\n", ms, file);
    else
        puts("reloaded");
    fflush(stdout);
}
