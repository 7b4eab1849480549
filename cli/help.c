/* The help texts, made from the same tables that parse. */
#include <string.h>

#include "cli/options.h"

enum { LEFT = 30 }; /* width of the left column */

static void print_option(FILE *out, const struct ax_opt *o)
{
    bool no = o->flags & AX_OPT_NEGATABLE;
    char left[80];
    char letter[8] = "    ";

    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s%s%s", letter, no ? "[no-]" : "", o->name,
             o->kind == AX_OPT_OPTIONAL ? "[=" : (o->arg ? " " : ""), o->arg ? o->arg : "",
             o->kind == AX_OPT_OPTIONAL ? "]" : "");
    if (strlen(left) >= LEFT)
        fprintf(out, "%s\n%*s", left, LEFT, "");
    else
        fprintf(out, "%-*s", LEFT, left);
    fprintf(out, "%s%s\n", o->help, o->flags & AX_OPT_LATER ? " (not supported yet)" : "");
}

static void print_table(FILE *out, const struct ax_opt *table)
{
    for (const struct ax_opt *o = table; o && o->name; o++)
        print_option(out, o);
}

void ax_help_command(FILE *out, const struct ax_cmd *cmd)
{
    fprintf(out, "Usage: actix %s%s%s [options]\n\n%s%s\n", cmd->name, cmd->operands ? " " : "",
            cmd->operands ? cmd->operands : "", cmd->summary, cmd->run ? "" : " (not supported yet)");
    if (cmd->about)
        fprintf(out, "\n%s", cmd->about);
    fputs("\nOptions:\n", out);
    print_table(out, cmd->options);
    print_table(out, ax_opts_global);
}

void ax_help_all(FILE *out, const struct ax_cmd *const *cmds)
{
    fputs("Usage: actix COMMAND [options]\n\nAn application server for JavaScript.\n\nCommands:\n", out);
    for (const struct ax_cmd *const *c = cmds; *c; c++)
        if ((*c)->run)
            fprintf(out, "  %-10s %s\n", (*c)->name, (*c)->summary);
    fputs("\nNot supported yet:", out);
    for (const struct ax_cmd *const *c = cmds; *c; c++)
        if (!(*c)->run)
            fprintf(out, " %s", (*c)->name);
    fputs("\n\nOptions of every command:\n", out);
    print_table(out, ax_opts_global);
    fputs("\nOptions may also be set by ACTIX_<OPTION>, as in ACTIX_PORT=8080.\n"
          "'actix help COMMAND' says more; 'actix help manifest' lists the keys of actix.yaml.\n",
          out);
}
