/* actix.yaml(5), out of the decoder's tables. */
#include <inttypes.h>
#include <string.h>

#include "cli/man.h"
#include "cli/print.h"
#include "config/tables.h"

enum { PREFIX_MAX = 200 };

static const char *kind_name(enum ax_kind k)
{
    static const char *const names[AX_NKINDS] = {
        [AX_K_BOOL] = "true or false",
        [AX_K_INT] = "whole number",
        [AX_K_COUNT] = "whole number",
        [AX_K_SIZE] = "size",
        [AX_K_TIME] = "time",
        [AX_K_MODE] = "permission bits",
        [AX_K_STR] = "text",
        [AX_K_RATE] = "rate, as 100/s burst 200",
        [AX_K_STRS] = "list of texts",
        [AX_K_PROXIES] = "list of addresses, networks or unix",
        [AX_K_HEADERS] = "header names and values",
        [AX_K_ENV] = "names and values",
        [AX_K_ERRORS] = "statuses and files",
        [AX_K_LISTEN] = "address, or list of them",
        [AX_K_MODULES] = "list of modules",
        [AX_K_ROUTES] = "paths and what answers",
        [AX_K_MAP] = "map of keys",
    };
    return names[k] ? names[k] : "names, each with keys of its own";
}

static void put_number(FILE *out, enum ax_kind k, int64_t v)
{
    char buf[AX_SHORT_MAX];

    if (k == AX_K_TIME)
        fputs(ax_short_duration(buf, v), out);
    else if (k == AX_K_SIZE)
        fputs(ax_short_bytes(buf, (uint64_t)v), out);
    else
        fprintf(out, "%" PRId64, v);
}

/* "time 1ms to 30d, or off" */
static void put_kind(FILE *out, const struct ax_field *f)
{
    bool numbers =
        f->kind == AX_K_INT || f->kind == AX_K_COUNT || f->kind == AX_K_SIZE || f->kind == AX_K_TIME;

    if (f->words)
        for (size_t i = 0; f->words[i]; i++) {
            fputs(!i ? "" : f->words[i + 1] ? ", " : " or ", out);
            ax_man_text(out, f->words[i]);
        }
    else
        fputs(kind_name(f->kind), out);
    if (numbers && (f->min || f->max)) {
        fputc(' ', out);
        put_number(out, f->kind, f->min);
        if (f->max > f->min) {
            fputs(" to ", out);
            put_number(out, f->kind, f->max);
        }
    }
    if (f->flags & AX_F_AUTO)
        fputs(", or auto", out);
    if (f->flags & AX_F_OFF)
        fputs(", or off", out);
}

static void put_field(FILE *out, const char *before, const struct ax_field *f)
{
    fputs(".TP\n\\fB", out);
    ax_man_text(out, before);
    ax_man_text(out, f->key);
    fputs("\\fR (", out);
    put_kind(out, f);
    fputs(")\n", out);
    ax_man_text(out, f->help);
    fputs("\n.br\n", out);
    if (f->flags & AX_F_NEEDED) {
        fputs("Must be given.\n", out);
        return;
    }
    fputs("Default: \\fB", out);
    ax_man_text(out, ax_field_default(f));
    fputs("\\fR\n", out);
}

/* The same rows, in the same order, as in ax_manifest_reference. */
static void put_table(FILE *out, const char *before, const struct ax_table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct ax_field *f = &t->v[i];
        bool heading = f->kind == AX_K_MAP && !f->def && !f->shown;
        char name[PREFIX_MAX];

        if (!*before)
            fprintf(out, ".SS %s\n", f->key);
        if (heading && !*before) {
            ax_man_text(out, f->help);
            fputc('\n', out);
        }
        if (!heading)
            put_field(out, before, f);
        if (!f->map || (f->shown && f->kind == AX_K_MAP))
            continue;
        snprintf(name, sizeof name, "%s%s%s", before, f->key, f->kind == AX_K_NAMED ? ".NAME." : ".");
        put_table(out, name, f->map);
    }
}

static const char example[] = "version: 1\n"
                              "server: { listen: 8080 }\n"
                              "routes:\n"
                              "  /: handlers/home.js\n"
                              "  /users/:id:\n"
                              "    GET: handlers/users.js#show\n"
                              "    PUT: { handler: handlers/users.js#update, timeout: 2s }\n"
                              "  /healthz: { health: ready }\n";

void ax_man_manifest(FILE *out)
{
    ax_man_title(out, "actix.yaml", 5);
    fputs(".SH NAME\nactix.yaml \\- manifest of an app that actix serves\n.SH DESCRIPTION\n", out);
    ax_man_text(
        out, "A YAML file beside the app's code.  It maps paths to handler modules and says how they are "
             "served.  ${NAME} and ${NAME:-default} in a value stand for variables of the environment or "
             "of .env.  Sizes are written with B, KiB, MiB, GiB, KB, MB or GB, times with ms, s, m, h or d.  "
             "Keys that start with x- are ignored; any other unknown key is an error.\n");
    fputs(".SH EXAMPLE\n.nf\n", out);
    ax_man_text(out, example);
    fputs(".fi\n.SH KEYS\n", out);
    put_table(out, "", &ax_table_manifest);
    fputs(".SH ROUTES\nA path stands for a module, or for a map of METHOD keys and of these:\n", out);
    put_table(out, "routes.PATH.", &ax_table_route);
    fputs(".SH SEE ALSO\n\\fBactix\\fR(1), \\fBactix\\-check\\fR(1)\n", out);
}
