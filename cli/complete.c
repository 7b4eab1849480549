#include "cli/complete.h"

#include <string.h>

#include "base/assert.h"
#include "cli/options.h"

static const struct ax_opt app_options[] = {AX_OPTS_APP, AX_OPT_END};
const struct ax_cmd ax_complete_before = {.name = "", .options = app_options};

static const struct {
    const char *arg;
    enum ax_words words;
} kinds[] = {
    {"FILE", AX_WORDS_FILE},   {"DIR", AX_WORDS_DIR},         {"NAME", AX_WORDS_TEMPLATE},
    {"ROUTE", AX_WORDS_ROUTE}, {"COMMAND", AX_WORDS_COMMAND},
};

enum ax_words ax_words_of_operand(struct ax_str word)
{
    for (size_t i = 0; i < AX_COUNT(kinds); i++)
        if (ax_str_eq(word, ax_str(kinds[i].arg)))
            return kinds[i].words;
    return AX_WORDS_NONE;
}

enum ax_words ax_words_of(const struct ax_opt *o)
{
    if (o->choices)
        return AX_WORDS_CHOICES;
    return o->arg ? ax_words_of_operand(ax_str(o->arg)) : AX_WORDS_NONE;
}

bool ax_operand_is_literal(struct ax_str word)
{
    return word.n && word.p[0] == ax_lower(word.p[0]);
}

bool ax_operand_next(const char **text, struct ax_str *ret)
{
    static const char between[] = " |[]";

    if (!*text)
        return false;
    *text += strspn(*text, between);
    *ret = (struct ax_str){*text, strcspn(*text, between)};
    *text += ret->n;
    return ret->n > 0;
}

const struct ax_opt *ax_offered(const struct ax_cmd *cmd, size_t *at)
{
    size_t own = 0;

    while (cmd->options && cmd->options[own].name)
        own++;
    for (;;) {
        size_t i = (*at)++;
        const struct ax_opt *o = i < own ? &cmd->options[i] : &ax_opts_global[i - own];
        if (!o->name)
            return NULL;
        if (!(o->flags & AX_OPT_LATER))
            return o;
    }
}

bool ax_takes_word(const struct ax_opt *o)
{
    return o->kind == AX_OPT_VALUE || o->kind == AX_OPT_LIST;
}

bool ax_offered_before(const struct ax_cmd *const *cmds, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        for (const struct ax_opt *o = cmds[i]->options; o && o->name; o++)
            if (strcmp(o->name, name) == 0)
                return true;
    return false;
}
