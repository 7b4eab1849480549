#include "cli/man.h"

#include <ctype.h>
#include <string.h>

#include "base/assert.h"
#include "cli/options.h"

void ax_man_text(FILE *out, const char *text)
{
    for (bool start = true; *text; start = *text++ == '\n') {
        if (start && strchr(".'", *text))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else if (*text == '"')
            fputs("\\(dq", out);
        else
            fputc(*text, out);
    }
}

void ax_man_title(FILE *out, const char *name, int section)
{
    fputs(".TH ", out);
    for (; *name; name++)
        if (*name == '-')
            fputs("\\-", out);
        else
            fputc(toupper((unsigned char)*name), out);
    fprintf(out, " %d \"\" \"actix %s\" \"actix\"\n.nh\n.ad l\n", section, AX_VERSION);
}

static void section(FILE *out, const char *name)
{
    fprintf(out, ".SH %s\n", name);
}

static void bold(FILE *out, const char *text)
{
    fputs("\\fB", out);
    ax_man_text(out, text);
    fputs("\\fR", out);
}

static void put_option(FILE *out, const struct ax_opt *o)
{
    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    ax_man_text(out, o->flags & AX_OPT_NEGATABLE ? "[no-]" : "");
    ax_man_text(out, o->name);
    fputs("\\fR", out);
    if (o->arg) {
        fputs(o->kind == AX_OPT_OPTIONAL ? "[=\\fI" : " \\fI", out);
        ax_man_text(out, o->arg);
        fputs(o->kind == AX_OPT_OPTIONAL ? "\\fR]" : "\\fR", out);
    }
    fputc('\n', out);
    ax_man_text(out, o->help);
    for (size_t i = 0; o->choices && o->choices[i]; i++) {
        fputs(i ? ", " : ": ", out);
        bold(out, o->choices[i]);
    }
    fputs(o->flags & AX_OPT_LATER ? " (not supported yet)\n" : "\n", out);
}

static void put_options(FILE *out, const struct ax_opt *table)
{
    for (; table && table->name; table++)
        put_option(out, table);
}

/* As it was laid out for a terminal. */
static void put_about(FILE *out, const char *about)
{
    fputs(".PP\n.nf\n", out);
    ax_man_text(out, about);
    fputs(".fi\n", out);
}

static void put_environment(FILE *out, const struct ax_opt *table)
{
    bool any = false;

    for (const struct ax_opt *o = table; o && o->name; o++) {
        char name[80];

        if (o->flags & (AX_OPT_NO_ENV | AX_OPT_LATER))
            continue;
        if (!any)
            section(out, "ENVIRONMENT");
        any = true;
        ax_opt_env_name(o->name, name, sizeof name);
        fprintf(out, ".TP\n.B %s\n", name);
        fputs("stands for ", out);
        bold(out, "--");
        bold(out, o->name);
        fputs(" when that is not given\n", out);
    }
}

static void put_see_also(FILE *out, const char *text)
{
    section(out, "SEE ALSO");
    fprintf(out, "%s\n", text);
}

void ax_man_command(FILE *out, const struct ax_cmd *cmd)
{
    char name[80];

    snprintf(name, sizeof name, "actix-%s", cmd->name);
    ax_man_title(out, name, 1);
    section(out, "NAME");
    ax_man_text(out, name);
    fputs(" \\- ", out);
    ax_man_text(out, cmd->summary);
    fputc('\n', out);
    section(out, "SYNOPSIS");
    fputs("\\fBactix\\fR ", out);
    bold(out, cmd->name);
    if (cmd->operands) {
        fputs(" \\fI", out);
        ax_man_text(out, cmd->operands);
        fputs("\\fR", out);
    }
    fputs(" [options]\n", out);
    if (cmd->about) {
        section(out, "DESCRIPTION");
        put_about(out, cmd->about);
    }
    section(out, "OPTIONS");
    put_options(out, cmd->options);
    put_options(out, ax_opts_global);
    put_environment(out, cmd->options);
    put_see_also(out, "\\fBactix\\fR(1), \\fBactix.yaml\\fR(5)");
}

static void put_exit_codes(FILE *out)
{
    static const char *const codes[] = {
        [AX_EXIT_OK] = "done",
        [AX_EXIT_FAILED] = "failed while running",
        [AX_EXIT_USAGE] = "typed wrongly, or not supported yet",
        [AX_EXIT_MANIFEST] = "the manifest is missing or invalid, or a handler does not load",
        [AX_EXIT_NOT_RUNNING] = "no instance is running",
        [AX_EXIT_FORCED] = "the drain had to be forced",
    };
    section(out, "EXIT STATUS");
    for (size_t i = 0; i < AX_COUNT(codes); i++)
        fprintf(out, ".TP\n.B %zu\n%s\n", i, codes[i]);
}

static void put_files(FILE *out)
{
    static const struct {
        const char *name, *about;
    } files[] = {
        {"actix.yaml, actix.yml", "the manifest, when no -c names one"},
        {".env", "beside the manifest: variables, as of Node's --env-file"},
        {".actix",
         "beside the manifest: the state folder (metrics.db, control.sock, actix.pid, lock), unless "
         "--state, ACTIX_STATE, STATE_DIRECTORY or server.state names another"},
    };
    section(out, "FILES");
    for (size_t i = 0; i < AX_COUNT(files); i++) {
        fputs(".TP\n", out);
        bold(out, files[i].name);
        fputc('\n', out);
        ax_man_text(out, files[i].about);
        fputc('\n', out);
    }
}

void ax_man_all(FILE *out, const struct ax_cmd *const *cmds)
{
    ax_man_title(out, "actix", 1);
    section(out, "NAME");
    fputs("actix \\- an application server for JavaScript\n", out);
    section(out, "SYNOPSIS");
    fputs("\\fBactix\\fR \\fICOMMAND\\fR [options]\n", out);
    section(out, "DESCRIPTION");
    ax_man_text(out,
                "Maps paths to handler modules by one file, actix.yaml, and serves them.\n"
                "Options may stand before or after the command, and may also be set by ACTIX_<OPTION>, as in "
                "ACTIX_PORT=8080.\n");
    section(out, "COMMANDS");
    for (const struct ax_cmd *const *c = cmds; *c; c++)
        if ((*c)->run) {
            fputs(".TP\n", out);
            bold(out, "actix-");
            bold(out, (*c)->name);
            fputs("(1)\n", out);
            ax_man_text(out, (*c)->summary);
            fputc('\n', out);
        }
    section(out, "OPTIONS");
    fputs("Every command has these.\n", out);
    put_options(out, ax_opts_global);
    put_exit_codes(out);
    put_files(out);
    put_see_also(out, "\\fBactix.yaml\\fR(5), \\fBnode\\fR(1)");
}
