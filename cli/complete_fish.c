/* fish: one `complete` for each option of each command, under the condition that the command was typed. */
#include <string.h>

#include "cli/complete.h"

static const char head[] =
    "# fish completion of actix, made by `actix completion fish` from its option tables.\n"
    "\n"
    "# The words before the cursor: prints the command, then with an argument the options that say which "
    "app.\n"
    "function __actix_scan\n"
    "    set -l words (commandline -opc)\n"
    "    set -l cmd\n"
    "    set -l app\n"
    "    set -l i 2\n"
    "    while test $i -le (count $words)\n"
    "        switch $words[$i]\n";

static const char functions[] =
    "            case '-*'\n"
    "            case '*'\n"
    "                test -n \"$cmd\"; or set cmd $words[$i]\n"
    "        end\n"
    "        set i (math $i + 1)\n"
    "    end\n"
    "    if set -q argv[1]\n"
    "        string join \\n -- $app\n"
    "    else\n"
    "        echo $cmd\n"
    "    end\n"
    "end\n"
    "\n"
    "function __actix_command\n"
    "    test (__actix_scan)_ = \"$argv[1]\"_\n"
    "end\n"
    "\n"
    "function __actix_templates\n"
    "    for line in (command actix new --list 2>/dev/null)[2..-1]\n"
    "        string split -n -- ' ' $line | head -n 1\n"
    "    end\n"
    "end\n"
    "\n"
    "# Of the app that the line is about: its manifest, no handler is loaded.\n"
    "function __actix_routes\n"
    "    for line in (command actix routes --no-load (__actix_scan app) 2>/dev/null)[2..-1]\n"
    "        set -l cells (string split -n -- ' ' $line)\n"
    "        echo $cells[2]\n"
    "    end\n"
    "end\n"
    "\n"
    "complete -c actix -f\n";

/* Inside single quotes. */
static void put_text(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, strchr("'\\", *text) ? "\\%c" : "%c", *text);
}

/* Options that are followed by their value: "case -c --config". */
static void put_scan(FILE *out, const struct ax_cmd *const *cmds)
{
    static const struct ax_cmd *const before[] = {&ax_complete_before};

    for (const struct ax_opt *o = ax_complete_before.options; o->name; o++) {
        fprintf(out, "            case '--%s=*'\n                set -a app $words[$i]\n            case ",
                o->name);
        if (o->letter)
            fprintf(out, "-%c ", o->letter);
        fprintf(out, "--%s\n                set -a app $words[$i] $words[(math $i + 1)]\n", o->name);
        fputs("                set i (math $i + 1)\n", out);
    }
    fputs("            case", out);
    for (size_t n = 0; cmds[n]; n++)
        for (const struct ax_opt *o = cmds[n]->options; o && o->name; o++) {
            if (!ax_takes_word(o) || ax_offered_before(cmds, n, o->name) ||
                ax_offered_before(before, 1, o->name))
                continue;
            if (o->letter)
                fprintf(out, " -%c", o->letter);
            fprintf(out, " --%s", o->name);
        }
    fputs("\n                set i (math $i + 1)\n", out);
}

static void put_words(FILE *out, enum ax_words w)
{
    if (w == AX_WORDS_FILE)
        fputs(" -F", out);
    else if (w == AX_WORDS_DIR)
        fputs(" -a '(__fish_complete_directories)'", out);
    else if (w == AX_WORDS_TEMPLATE)
        fputs(" -a '(__actix_templates)'", out);
    else if (w == AX_WORDS_ROUTE)
        fputs(" -a '(__actix_routes)'", out);
}

static void put_condition(FILE *out, const struct ax_cmd *cmd)
{
    fprintf(out, "complete -c actix -n '__actix_command %s'", cmd->name);
}

static void put_option(FILE *out, const struct ax_cmd *cmd, const struct ax_opt *o)
{
    put_condition(out, cmd);
    fprintf(out, " -l %s", o->name);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (ax_takes_word(o))
        fputs(ax_words_of(o) == AX_WORDS_FILE ? " -r" : " -x", out);
    put_words(out, o->kind == AX_OPT_FLAG ? AX_WORDS_NONE : ax_words_of(o));
    if (o->choices) {
        fputs(" -a '", out);
        for (size_t i = 0; o->choices[i]; i++)
            fprintf(out, "%s%s", i ? " " : "", o->choices[i]);
        fputc('\'', out);
    }
    fputs(" -d '", out);
    put_text(out, o->help);
    fputs("'\n", out);
    if (!(o->flags & AX_OPT_NEGATABLE))
        return;
    put_condition(out, cmd);
    fprintf(out, " -l no-%s -d 'not: ", o->name);
    put_text(out, o->help);
    fputs("'\n", out);
}

static void put_names(FILE *out, const struct ax_cmd *cmd, const struct ax_cmd *const *cmds)
{
    for (; *cmds; cmds++)
        if ((*cmds)->run) {
            put_condition(out, cmd);
            fprintf(out, " -a %s -d '", (*cmds)->name);
            put_text(out, (*cmds)->summary);
            fputs("'\n", out);
        }
}

static void put_operands(FILE *out, const struct ax_cmd *cmd, const struct ax_cmd *const *cmds)
{
    const char *text = cmd->operands;

    for (struct ax_str word; ax_operand_next(&text, &word);) {
        enum ax_words w = ax_words_of_operand(word);
        if (w == AX_WORDS_COMMAND) {
            put_names(out, cmd, cmds);
        } else if (ax_operand_is_literal(word) || w != AX_WORDS_NONE) {
            put_condition(out, cmd);
            if (ax_operand_is_literal(word))
                fprintf(out, " -a %.*s", (int)word.n, word.p);
            put_words(out, w);
            fputc('\n', out);
        }
    }
}

static void put_command(FILE *out, const struct ax_cmd *cmd, const struct ax_cmd *const *cmds)
{
    size_t at = 0;

    fputc('\n', out);
    put_operands(out, cmd, cmds);
    for (const struct ax_opt *o; (o = ax_offered(cmd, &at));)
        put_option(out, cmd, o);
}

void ax_complete_fish(FILE *out, const struct ax_cmd *const *cmds)
{
    fputs(head, out);
    put_scan(out, cmds);
    fputs(functions, out);
    put_names(out, &ax_complete_before, cmds);
    put_command(out, &ax_complete_before, cmds);
    for (const struct ax_cmd *const *c = cmds; *c; c++)
        if ((*c)->run)
            put_command(out, *c, cmds);
}
