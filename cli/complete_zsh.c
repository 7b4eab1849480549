/* zsh: one _arguments for what stands before the command, one for each command. */
#include <string.h>

#include "cli/complete.h"

static const char head[] =
    "#compdef actix\n"
    "# zsh completion of actix, made by `actix completion zsh` from its option tables.\n"
    "\n"
    "_actix_templates() {\n"
    "    local line\n"
    "    local -a found\n"
    "    for line in ${${(f)\"$(command actix new --list 2> /dev/null)\"}[2,-1]}; do\n"
    "        found+=(${${=line}[1]})\n"
    "    done\n"
    "    compadd -a found\n"
    "}\n"
    "\n"
    "# Of the app that the line is about: its manifest, no handler is loaded.\n"
    "_actix_routes() {\n"
    "    local line\n"
    "    local -a app found\n"
    "    local -i i\n"
    "    for (( i = 1; i < CURRENT; i++ )); do\n"
    "        case $words[i] in\n";

static const char routes_end[] =
    "        esac\n"
    "    done\n"
    "    for line in ${${(f)\"$(command actix routes --no-load $app 2> /dev/null)\"}[2,-1]}; do\n"
    "        found+=(${${=line}[2]})\n"
    "    done\n"
    "    compadd -a found\n"
    "}\n"
    "\n"
    "_actix_commands() {\n"
    "    local -a found=($@)\n"
    "    found+=(\n";

static const char commands_end[] = "    )\n"
                                   "    _describe -t commands command found\n"
                                   "}\n"
                                   "\n"
                                   "_actix() {\n"
                                   "    local curcontext=$curcontext state line\n"
                                   "    typeset -A opt_args\n"
                                   "\n"
                                   "    _arguments -C -s \\\n";

static const char rest[] = "        '(-): :_actix_commands' \\\n"
                           "        '(-)*:: :->rest' && return\n"
                           "    [[ $state == rest ]] || return 1\n"
                           "    case $words[1] in\n";

static const char tail[] =
    "    *) return 1 ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "if [[ $funcstack[1] == _actix ]]; then _actix \"$@\"; else compdef _actix actix; fi\n";

/* Inside single quotes; what ends a part of a specification is escaped. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
}

static void put_commands(FILE *out, const struct ax_cmd *const *cmds)
{
    for (; *cmds; cmds++)
        if ((*cmds)->run) {
            fprintf(out, "        '%s:", (*cmds)->name);
            put_text(out, (*cmds)->summary);
            fputs("'\n", out);
        }
}

static void put_words(FILE *out, enum ax_words w)
{
    static const char *const actions[] = {[AX_WORDS_FILE] = "_files",
                                          [AX_WORDS_DIR] = "_files -/",
                                          [AX_WORDS_TEMPLATE] = "_actix_templates",
                                          [AX_WORDS_ROUTE] = "_actix_routes",
                                          [AX_WORDS_COMMAND] = "_actix_commands"};
    fputs(w == AX_WORDS_NONE ? " " : actions[w], out);
}

/* ":FILE:_files" */
static void put_value(FILE *out, const struct ax_opt *o)
{
    fputs(o->kind == AX_OPT_OPTIONAL ? "::" : ":", out);
    put_text(out, o->arg ? o->arg : "VALUE");
    fputc(':', out);
    if (!o->choices) {
        put_words(out, ax_words_of(o));
        return;
    }
    for (size_t i = 0; o->choices[i]; i++) {
        fputc(i ? ' ' : '(', out);
        put_text(out, o->choices[i]);
    }
    fputc(')', out);
}

/* A specification for the one spelling: the others are not offered beside it, unless each counts. */
static void put_spelling(FILE *out, const struct ax_opt *o, const char *spelling, const char *ending)
{
    fputs("        '", out);
    if (o->kind == AX_OPT_LIST) {
        fputc('*', out);
    } else {
        fprintf(out, "(--%s", o->name);
        if (o->flags & AX_OPT_NEGATABLE)
            fprintf(out, " --no-%s", o->name);
        if (o->letter)
            fprintf(out, " -%c", o->letter);
        fputc(')', out);
    }
    fprintf(out, "%s%s[", spelling, ending);
    put_text(out, o->help);
    fputc(']', out);
    if (o->kind != AX_OPT_FLAG)
        put_value(out, o);
    fputs("' \\\n", out);
}

static void put_option(FILE *out, const struct ax_opt *o)
{
    static const char *const endings[] = {
        [AX_OPT_FLAG] = "", [AX_OPT_VALUE] = "=", [AX_OPT_LIST] = "=", [AX_OPT_OPTIONAL] = "=-"};
    char spelling[80];

    snprintf(spelling, sizeof spelling, "--%s", o->name);
    put_spelling(out, o, spelling, endings[o->kind]);
    if (o->flags & AX_OPT_NEGATABLE) {
        snprintf(spelling, sizeof spelling, "--no-%s", o->name);
        put_spelling(out, o, spelling, "");
    }
    if (o->letter) {
        snprintf(spelling, sizeof spelling, "-%c", o->letter);
        put_spelling(out, o, spelling, ax_takes_word(o) ? "+" : "");
    }
}

static void put_options(FILE *out, const struct ax_cmd *cmd)
{
    size_t at = 0;

    for (const struct ax_opt *o; (o = ax_offered(cmd, &at));)
        put_option(out, o);
}

/* "[COMMAND | manifest]" is one operand: the commands, or that word. */
static void put_operands(FILE *out, const struct ax_cmd *cmd)
{
    const char *text = cmd->operands;
    enum ax_words words = AX_WORDS_NONE;
    bool literal = false;

    fputs("        '", out);
    if (cmd->max_operands > 1)
        fputc('*', out);
    fputs(": :", out);
    for (struct ax_str word; ax_operand_next(&text, &word);)
        if (!ax_operand_is_literal(word))
            words = ax_words_of_operand(word);
        else {
            fprintf(out, "%s%.*s",
                    literal                     ? " "
                    : words == AX_WORDS_COMMAND ? "_actix_commands "
                                                : "(",
                    (int)word.n, word.p);
            literal = true;
        }
    if (!literal)
        put_words(out, words);
    else if (words != AX_WORDS_COMMAND)
        fputc(')', out);
    fputs("'\n", out);
}

static void put_command(FILE *out, const struct ax_cmd *cmd)
{
    fprintf(out, "    %s)\n        _arguments -s -S \\\n", cmd->name);
    put_options(out, cmd);
    if (cmd->operands)
        put_operands(out, cmd);
    else
        fputs("        '*: :_message \"no more words\"'\n", out);
    fputs("        ;;\n", out);
}

void ax_complete_zsh(FILE *out, const struct ax_cmd *const *cmds)
{
    fputs(head, out);
    for (const struct ax_opt *o = ax_complete_before.options; o->name; o++) {
        if (o->letter)
            fprintf(out, "        -%c | ", o->letter);
        fprintf(out,
                "%s--%s) app+=(\"$words[i]\" \"${(Q)words[i + 1]}\") ;;\n        --%s=*) "
                "app+=(\"${(Q)words[i]}\") ;;\n",
                o->letter ? "" : "        ", o->name, o->name);
    }
    fputs(routes_end, out);
    put_commands(out, cmds);
    fputs(commands_end, out);
    put_options(out, &ax_complete_before);
    fputs(rest, out);
    for (; *cmds; cmds++)
        if ((*cmds)->run)
            put_command(out, *cmds);
    fputs(tail, out);
}
