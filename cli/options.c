#include "cli/options.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/str.h"

enum { NAMES_MAX = 128, WORD_MAX = 64 };

const struct ax_opt ax_opts_global[] = {
    {"help", 'h', AX_OPT_FLAG, NULL, "show this help", AX_OPT_NO_ENV, NULL},
    {"version", 'V', AX_OPT_FLAG, NULL, "show the version", AX_OPT_NO_ENV, NULL},
    {"color", 0, AX_OPT_FLAG, NULL, "colour on a terminal", AX_OPT_NEGATABLE, NULL},
    AX_OPT_END,
};

struct parser {
    const char *const *argv; /* argv[argc] need not be NULL */
    int argc, at;            /* `at`: the word being read */
    const struct ax_cmd *const *cmds;
    struct ax_args *args;
    struct ax_err *reterr;
};

/* ---- tables */

static const struct ax_opt *in_table(const struct ax_opt *table, const char *name, size_t n, char letter)
{
    for (const struct ax_opt *o = table; o && o->name; o++)
        if (name ? strlen(o->name) == n && memcmp(o->name, name, n) == 0 : o->letter == letter)
            return o;
    return NULL;
}

static const struct ax_opt *of_command(const struct ax_cmd *cmd, const char *name, size_t n, char letter)
{
    const struct ax_opt *o = cmd ? in_table(cmd->options, name, n, letter) : NULL;

    return o ? o : in_table(ax_opts_global, name, n, letter);
}

const struct ax_opt *ax_opt_find(const struct ax_cmd *cmd, const char *name)
{
    return of_command(cmd, name, strlen(name), 0);
}

/* Before the command is known an option is looked up in all tables: a name means the same kind in each. */
static const struct ax_opt *of_any(const struct ax_cmd *const *cmds, const char *name, size_t n, char letter)
{
    const struct ax_opt *o = in_table(ax_opts_global, name, n, letter);

    for (; !o && *cmds; cmds++)
        o = in_table((*cmds)->options, name, n, letter);
    return o;
}

const struct ax_cmd *ax_cmd_find(const struct ax_cmd *const *cmds, const char *name)
{
    for (; *cmds; cmds++)
        if (strcmp((*cmds)->name, name) == 0)
            return *cmds;
    return NULL;
}

int ax_cmd_unknown(const struct ax_cmd *const *cmds, const char *name, struct ax_err *reterr)
{
    const char *names[NAMES_MAX];
    size_t n = 0;

    for (; n < NAMES_MAX && cmds[n]; n++)
        names[n] = cmds[n]->name;
    const char *near = ax_nearest(name, names, n);
    if (near)
        return ax_fail(reterr, AX_E_UNKNOWN, "no command '%s'; did you mean '%s'?", name, near);
    return ax_fail(reterr, AX_E_UNKNOWN, "no command '%s'; 'actix help' lists them", name);
}

static size_t add_names(const struct ax_opt *table, const char **names, size_t n)
{
    for (const struct ax_opt *o = table; o && o->name && n < NAMES_MAX; o++)
        names[n++] = o->name;
    return n;
}

static int unknown_option(const struct parser *p, const char *name, size_t len)
{
    const struct ax_cmd *cmd = p->args->cmd;
    const char *names[NAMES_MAX];
    char word[WORD_MAX];

    snprintf(word, sizeof word, "%.*s", (int)len, name);
    size_t n = add_names(ax_opts_global, names, cmd ? add_names(cmd->options, names, 0) : 0);
    const char *near = ax_nearest(word, names, n);
    const char *in = cmd ? cmd->name : "";
    if (near)
        return ax_fail(p->reterr, AX_E_UNKNOWN, "no option '--%s'; did you mean '--%s'?", word, near);
    if (!cmd)
        return ax_fail(p->reterr, AX_E_UNKNOWN, "no option '--%s' without a command", word);
    for (const struct ax_cmd *const *c = p->cmds; *c; c++)
        if (in_table((*c)->options, name, len, 0))
            return ax_fail(p->reterr, AX_E_UNKNOWN, "no option '--%s' for '%s'; '%s' has it", word, in,
                           (*c)->name);
    return ax_fail(p->reterr, AX_E_UNKNOWN, "no option '--%s'; 'actix %s --help' lists them", word, in);
}

/* ---- one option */

static int check_choice(const struct parser *p, const struct ax_opt *o, const char *value)
{
    size_t n = 0;

    if (!o->choices)
        return 0;
    for (; o->choices[n]; n++)
        if (strcmp(o->choices[n], value) == 0)
            return 0;
    const char *near = ax_nearest(value, o->choices, n);
    char all[200] = "";
    for (size_t i = 0, used = 0; i < n && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, i ? ", %s" : "%s", o->choices[i]);
    if (near)
        return ax_fail(p->reterr, AX_E_RANGE, "--%s must be one of %s (found '%s'); did you mean '%s'?",
                       o->name, all, value, near);
    return ax_fail(p->reterr, AX_E_RANGE, "--%s must be one of %s (found '%s')", o->name, all, value);
}

static int store(const struct parser *p, const struct ax_opt *o, const char *value, bool off)
{
    struct ax_args *a = p->args;

    if (o->flags & AX_OPT_LATER)
        return ax_fail(p->reterr, AX_E_UNSUPPORTED, "--%s is not supported yet", o->name);
    int rc = value ? check_choice(p, o, value) : 0;
    if (rc < 0)
        return rc;
    a->given[a->ngiven++] = (struct ax_given){o, value, off};
    return 0;
}

/* The value of the option at p->at: `attached` to it, else the next word. */
static int store_value(struct parser *p, const struct ax_opt *o, const char *attached)
{
    if (!attached && p->at + 1 >= p->argc)
        return ax_fail(p->reterr, AX_E_MISSING, "--%s needs a value: --%s %s", o->name, o->name,
                       o->arg ? o->arg : "VALUE");
    return store(p, o, attached ? attached : p->argv[++p->at], false);
}

static bool takes_value(const struct ax_opt *o)
{
    return o->kind == AX_OPT_VALUE || o->kind == AX_OPT_LIST;
}

static int take_long(struct parser *p, const char *name)
{
    size_t n = strcspn(name, "=");
    const char *value = name[n] ? name + n + 1 : NULL;
    const struct ax_opt *o = of_command(p->args->cmd, name, n, 0);
    bool off = false;

    if (!o && n > 3 && memcmp(name, "no-", 3) == 0) {
        o = of_command(p->args->cmd, name + 3, n - 3, 0);
        off = true;
        if (o && !(o->flags & AX_OPT_NEGATABLE))
            o = NULL;
    }
    if (!o)
        return unknown_option(p, name, n);
    if (takes_value(o))
        return store_value(p, o, value);
    if (value && o->kind == AX_OPT_FLAG)
        return ax_fail(p->reterr, AX_E_SYNTAX, "--%.*s takes no value (found '%s')", (int)n, name, value);
    return store(p, o, value, off);
}

static int take_short(struct parser *p, const char *letters)
{
    for (; *letters; letters++) {
        const struct ax_opt *o = of_command(p->args->cmd, NULL, 0, *letters);
        int rc;

        if (!o)
            return ax_fail(p->reterr, AX_E_UNKNOWN, "no option '-%c'; 'actix %s%s' lists them", *letters,
                           p->args->cmd ? p->args->cmd->name : "help", p->args->cmd ? " --help" : "");
        if (takes_value(o))
            return store_value(p, o, letters[1] ? letters + 1 + (letters[1] == '=') : NULL);
        rc = store(p, o, NULL, false);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- the command line */

static bool is_long(const char *w)
{
    return w[0] == '-' && w[1] == '-' && w[2];
}

static bool is_short(const char *w)
{
    return w[0] == '-' && w[1] && w[1] != '-';
}

/* True when the option word w, met before the command, has its value in the next word. */
static bool value_follows(const struct parser *p, const char *w)
{
    const struct ax_opt *o;

    if (is_long(w)) {
        o = strchr(w, '=') ? NULL : of_any(p->cmds, w + 2, strlen(w + 2), 0);
        return o && takes_value(o);
    }
    for (w++; *w; w++) {
        o = of_any(p->cmds, NULL, 0, *w);
        if (!o)
            return false;
        if (takes_value(o))
            return !w[1];
    }
    return false;
}

/* Index of the command's word, or argc. */
static int command_at(const struct parser *p)
{
    int i = 1;

    for (; i < p->argc && p->argv[i][0] == '-' && strcmp(p->argv[i], "--") != 0; i++)
        if ((is_long(p->argv[i]) || is_short(p->argv[i])) && value_follows(p, p->argv[i]))
            i++;
    if (i < p->argc && strcmp(p->argv[i], "--") == 0)
        i++;
    return i < p->argc ? i : p->argc;
}

static int take_words(struct parser *p, int command)
{
    struct ax_args *a = p->args;
    bool words_only = false;
    int rc = 0;

    for (p->at = 1; rc == 0 && p->at < p->argc; p->at++) {
        const char *w = p->argv[p->at];

        if (!words_only && strcmp(w, "--") == 0)
            words_only = true;
        else if (!words_only && is_long(w))
            rc = take_long(p, w + 2);
        else if (!words_only && is_short(w))
            rc = take_short(p, w + 1);
        else if (p->at != command)
            a->operands[a->noperands++] = w;
    }
    return rc;
}

static bool is_manifest(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int check_operands(const struct ax_args *a, struct ax_err *reterr)
{
    const struct ax_cmd *c = a->cmd;

    if (!c || ax_args_flag(a, "help", false))
        return 0;
    if (a->noperands < c->min_operands)
        return ax_fail(reterr, AX_E_MISSING, "'%s' needs %s", c->name, c->operands);
    if (a->noperands > c->max_operands)
        return ax_fail(reterr, AX_E_UNKNOWN, "'%s' does not know what to do with '%s'%s", c->name,
                       a->operands[c->max_operands],
                       is_manifest(a->operands[c->max_operands]) ? "; a manifest is named with -c" : "");
    return 0;
}

int ax_options_parse(int argc, const char *const *argv, const struct ax_cmd *const *cmds, struct ax_args *ret,
                     struct ax_err *reterr)
{
    struct parser p = {.argv = argv, .argc = argc, .cmds = cmds, .args = ret, .reterr = reterr};
    size_t words = argc > 0 ? (size_t)argc : 1;
    /* A cluster of short flags gives more than one option a word. */
    size_t options = words;
    int rc;

    for (int i = 1; i < argc; i++)
        options += strlen(argv[i]);
    *ret = (struct ax_args){.given = ax_calloc(options, sizeof *ret->given),
                            .operands = ax_calloc(words, sizeof *ret->operands)};
    if (!ret->given || !ret->operands) {
        rc = ax_fail(reterr, AX_E_NOMEM, "out of memory");
        goto fail;
    }
    int command = command_at(&p);
    if (command < argc) {
        ret->cmd = ax_cmd_find(cmds, argv[command]);
        rc = ret->cmd ? 0 : ax_cmd_unknown(cmds, argv[command], reterr);
        if (rc == 0 && !ret->cmd->run)
            rc = ax_fail(reterr, AX_E_UNSUPPORTED, "'%s' is not supported yet", ret->cmd->name);
        if (rc < 0)
            goto fail;
    }
    rc = take_words(&p, command);
    if (rc == 0)
        rc = check_operands(ret, reterr);
    if (rc == 0)
        return 0;
fail:;
    const struct ax_cmd *cmd = ret->cmd;
    ax_args_fini(ret);
    ret->cmd = cmd;
    return rc;
}

void ax_args_fini(struct ax_args *a)
{
    ax_free(a->given);
    ax_free(a->operands);
    *a = (struct ax_args){0};
}
