/* bash: a function that reads COMP_WORDS by itself, so that the package bash-completion is not needed. */
#include <string.h>

#include "base/assert.h"
#include "cli/complete.h"

static const char head[] =
    "# bash completion of actix, made by `actix completion bash` from its option tables.\n"
    "\n"
    "_actix_templates()\n"
    "{\n"
    "    command actix new --list 2> /dev/null | {\n"
    "        read -r _\n"
    "        while read -r word _; do printf '%s\\n' \"$word\"; done\n"
    "    }\n"
    "}\n"
    "\n"
    "# Of the app that the line is about: its manifest, no handler is loaded.\n"
    "_actix_routes()\n"
    "{\n"
    "    command actix routes --no-load \"$@\" 2> /dev/null | {\n"
    "        read -r _\n"
    "        while read -r _ word _; do printf '%s\\n' \"$word\"; done\n"
    "    } | sort -u\n"
    "}\n"
    "\n"
    "_actix()\n"
    "{\n"
    "    local words=() app=() reply=() cmd='' option='' kind='' given=0 word cur value have strip i\n"
    "    COMPREPLY=()\n"
    "    # bash splits at '=' and ':' too: join again what was one word.\n"
    "    for ((i = 0; i <= COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        if [[ ${#words[@]} -gt 1 && ($word == [=:]* || ${words[${#words[@]} - 1]} == *[=:]) ]]; then\n"
    "            words[${#words[@]} - 1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    cur=${words[${#words[@]} - 1]}\n"
    "    # readline replaces only what stands behind the last '=' or ':'.\n"
    "    have=${COMP_WORDS[COMP_CWORD]}\n"
    "    [[ $have != [=:]* ]] || have=\n"
    "    strip=${cur%\"$have\"}\n"
    "    for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
    "        word=${words[i]}\n"
    "        case $word in\n";

static const char middle[] =
    "        -*) ;;\n"
    "        *) if [[ $cmd ]]; then given=$((given + 1)); else cmd=$word; fi ;;\n"
    "        esac\n"
    "    done\n"
    "    # Past the end: the word before the cursor is an option that wants a value.\n"
    "    [[ $i -ge ${#words[@]} ]] || option=\n"
    "    value=$cur\n"
    "    if [[ ! $option && $cur == --*=* ]]; then option=${cur%%=*} value=${cur#*=}; fi\n"
    "    word=${cur%\"$value\"}\n"
    "    case $cmd:$option in\n";

static const char tail[] =
    "    esac\n"
    "    # shellcheck disable=SC2206 # words of the tables: they hold no blank and no pattern\n"
    "    case $kind in\n"
    "    @file | @dir)\n"
    "        compopt -o filenames 2> /dev/null\n"
    "        while IFS= read -r i; do reply+=(\"$i\"); done < <(compgen \"-${kind:1:1}\" -- \"$value\")\n"
    "        ;;\n"
    "    @template) while IFS= read -r i; do reply+=(\"$i\"); done < <(_actix_templates) ;;\n"
    "    @route) while IFS= read -r i; do reply+=(\"$i\"); done < <(_actix_routes ${app[@]+\"${app[@]}\"}) "
    ";;\n"
    "    *) reply=($kind) ;;\n"
    "    esac\n"
    "    for i in ${reply[@]+\"${reply[@]}\"}; do\n"
    "        i=$word$i\n"
    "        [[ $i != \"$cur\"* ]] || COMPREPLY+=(\"${i#\"$strip\"}\")\n"
    "    done\n"
    "}\n"
    "\n"
    "complete -F _actix actix\n";

/* As a pattern of `case`: "stats:-c | stats:--config". */
static void put_names(FILE *out, const struct ax_cmd *cmd, const struct ax_opt *o)
{
    const char *name = cmd ? cmd->name : "", *colon = cmd ? ":" : "";

    if (o->letter)
        fprintf(out, "%s%s-%c | ", name, colon, o->letter);
    fprintf(out, "%s%s--%s", name, colon, o->name);
}

/* How values of options are told from commands and operands; those that say which app are kept. */
static void put_scan(FILE *out, const struct ax_cmd *const *cmds)
{
    static const struct ax_cmd *const before[] = {&ax_complete_before};
    const char *between = "        ";

    for (const struct ax_opt *o = ax_complete_before.options; o->name; o++) {
        fputs("        ", out);
        put_names(out, NULL, o);
        fprintf(out,
                ") option=$word i=$((i + 1)) app+=(\"$word\" \"${words[i]}\") ;;\n        --%s=*) "
                "app+=(\"$word\") ;;\n",
                o->name);
    }
    for (size_t n = 0; cmds[n]; n++)
        for (const struct ax_opt *o = cmds[n]->options; o && o->name; o++) {
            if (!ax_takes_word(o) || ax_offered_before(cmds, n, o->name) ||
                ax_offered_before(before, 1, o->name))
                continue;
            fputs(between, out);
            put_names(out, NULL, o);
            between = " | ";
        }
    if (between[1] == '|')
        fputs(") option=$word i=$((i + 1)) ;;\n", out);
}

static void put_value(FILE *out, const struct ax_cmd *cmd, const struct ax_opt *o)
{
    static const char *const kinds[] = {[AX_WORDS_FILE] = "@file",
                                        [AX_WORDS_DIR] = "@dir",
                                        [AX_WORDS_TEMPLATE] = "@template",
                                        [AX_WORDS_ROUTE] = "@route"};
    enum ax_words w = ax_words_of(o);

    if (o->kind == AX_OPT_FLAG || w == AX_WORDS_NONE || w == AX_WORDS_COMMAND)
        return;
    fputs("    ", out);
    put_names(out, cmd, o);
    fputs(") kind='", out);
    for (size_t i = 0; w == AX_WORDS_CHOICES && o->choices[i]; i++)
        fprintf(out, "%s%s", i ? " " : "", o->choices[i]);
    fprintf(out, "%s' ;;\n", w == AX_WORDS_CHOICES ? "" : kinds[w]);
}

static void put_commands(FILE *out, const struct ax_cmd *const *cmds)
{
    const char *between = "";

    for (; *cmds; cmds++)
        if ((*cmds)->run) {
            fprintf(out, "%s%s", between, (*cmds)->name);
            between = " ";
        }
}

static void put_operands(FILE *out, const struct ax_cmd *cmd, const struct ax_cmd *const *cmds)
{
    const char *text = cmd->operands, *between = "";

    for (struct ax_str word; ax_operand_next(&text, &word); between = " ") {
        enum ax_words w = ax_words_of_operand(word);
        fputs(between, out);
        if (w == AX_WORDS_COMMAND)
            put_commands(out, cmds);
        else if (w == AX_WORDS_DIR || w == AX_WORDS_FILE)
            fputs(w == AX_WORDS_DIR ? "@dir" : "@file", out);
        else if (ax_operand_is_literal(word))
            fprintf(out, "%.*s", (int)word.n, word.p);
    }
}

static void put_command(FILE *out, const struct ax_cmd *cmd, const struct ax_cmd *const *cmds)
{
    const char *between = "";
    size_t at = 0;

    for (const struct ax_opt *o; (o = ax_offered(cmd, &at));)
        put_value(out, cmd, o);
    fprintf(out, "    %s:)\n        if [[ $cur == -* ]]; then\n            kind='", cmd->name);
    at = 0;
    for (const struct ax_opt *o; (o = ax_offered(cmd, &at)); between = " ") {
        fprintf(out, "%s--%s", between, o->name);
        if (o->flags & AX_OPT_NEGATABLE)
            fprintf(out, " --no-%s", o->name);
    }
    fputs("'\n", out);
    if (cmd == &ax_complete_before) {
        fputs("        else\n            kind='", out);
        put_commands(out, cmds);
        fputs("'\n", out);
    } else if (cmd->operands) {
        fprintf(out, "        elif [[ $given -lt %u ]]; then\n            kind='", cmd->max_operands);
        put_operands(out, cmd, cmds);
        fputs("'\n", out);
    }
    fputs("        fi\n        ;;\n", out);
}

void ax_complete_bash(FILE *out, const struct ax_cmd *const *cmds)
{
    fputs(head, out);
    put_scan(out, cmds);
    fputs(middle, out);
    put_command(out, &ax_complete_before, cmds);
    for (const struct ax_cmd *const *c = cmds; *c; c++)
        if ((*c)->run)
            put_command(out, *c, cmds);
    fputs(tail, out);
}
