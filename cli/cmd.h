/* cli/cmd.h - one file per command, each ending in one `const struct ax_cmd`; cli/main.c lists them.
 * The option table of a command parses its arguments, is its --help, its manual page and what completion
 * reads. Only cli/ prints and exits: a command returns its exit code, having said on stderr what went wrong.
 */
#ifndef AX_CLI_CMD_H
#define AX_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Contract, section 1 "Exit codes". */
enum ax_exit {
    AX_EXIT_OK = 0,
    AX_EXIT_FAILED = 1,      /* while running */
    AX_EXIT_USAGE = 2,       /* typed wrongly, or not supported yet */
    AX_EXIT_MANIFEST = 3,    /* invalid manifest */
    AX_EXIT_NOT_RUNNING = 4, /* no running instance */
    AX_EXIT_FORCED = 5,      /* a drain that had to be forced */
};

enum ax_opt_kind {
    AX_OPT_FLAG,     /* --json */
    AX_OPT_VALUE,    /* --port 3001, --port=3001, -p3001; the last one given counts */
    AX_OPT_LIST,     /* as VALUE, every one counts, in order */
    AX_OPT_OPTIONAL, /* --inspect, --inspect=HOST:PORT; the value only behind '=' */
};

enum {
    AX_OPT_NEGATABLE = 1, /* --no-NAME is the same flag, off */
    AX_OPT_NO_ENV = 2,    /* not taken from ACTIX_<NAME>: it says what to do, not how */
    AX_OPT_LATER = 4,     /* recognised and refused: "not supported yet" */
};

/* One option; a table ends with a row whose name is NULL.  The same name means the same kind in every
 * command. */
struct ax_opt {
    const char *name; /* long form without dashes */
    char letter;      /* short form, 0 = none */
    enum ax_opt_kind kind;
    const char *arg;  /* what --help calls the value: "FILE"; cli/complete.h takes its kind from it */
    const char *help; /* one line, lower case, no full stop */
    unsigned flags;   /* AX_OPT_NEGATABLE ... */
    const char *const *choices; /* NULL-terminated values that are allowed; NULL = any */
};

struct ax_args;
struct ax_cmd {
    const char *name, *summary;
    const struct ax_opt *options;     /* beside those that every command has: --help --version --no-color */
    int (*run)(struct ax_args *args); /* returns an enum ax_exit; NULL = not supported yet */
    const char *operands;             /* usage of what is no option: "DIR", "[COMMAND]"; NULL = takes none */
    unsigned min_operands, max_operands;
    const char *about; /* more for --help, lines ready to print; NULL = nothing */
};

/* One option as given; from the command line or, when not there, from ACTIX_<NAME>. */
struct ax_given {
    const struct ax_opt *opt;
    const char *value; /* BORROWED from argv; NULL for a flag */
    bool off;          /* --no-NAME */
};

/* Parsed arguments.  OWNED by main; a command only reads them, through the calls below. */
struct ax_args {
    const struct ax_cmd *cmd;
    struct ax_given *given; /* OWNED, in the order of the command line */
    size_t ngiven;
    const char **operands; /* OWNED array, BORROWED words */
    size_t noperands;
};

/* Names are long forms without dashes; a name that is not in the command's table is simply never given.
 * Each looks at the command line first and at ACTIX_<NAME> (upper case, '-' as '_') second. */
bool ax_args_flag(const struct ax_args *a, const char *name, bool when_not_given);
const char *ax_args_value(const struct ax_args *a,
                          const char *name); /* BORROWED; NULL = not given, or no value */
#define AX_ARGS_NOMEM SIZE_MAX
/* Values of a LIST; writes at most `max`, returns how many there are, or AX_ARGS_NOMEM.  ACTIX_<NAME> is
 * split at ':', the parts are BORROWED from *ret_store, which is OWNED by the caller (ax_free) and NULL when
 * not needed. */
size_t ax_args_list(const struct ax_args *a, const char *name, const char **ret, size_t max,
                    char **ret_store);
/* "--port" or "ACTIX_PORT": where the value came from, for messages; NULL = not given.  `buf` holds the name.
 */
const char *ax_args_source(const struct ax_args *a, const char *name, char *buf, size_t bufsize);

/* Every command that concerns an app has these two (docs/cli.md). */
#define AX_OPTS_APP                                                                                          \
    {"config", 'c', AX_OPT_LIST, "FILE", "manifest; repeatable, later files are laid over earlier ones",     \
     0,        NULL},                                                                                        \
    {                                                                                                        \
        "state", 0, AX_OPT_VALUE, "DIR", "folder of metrics.db, control.sock and lock", 0, NULL              \
    }
#define AX_OPT_JSON                                                                                          \
    {                                                                                                        \
        "json", 0, AX_OPT_FLAG, NULL, "print JSON only on stdout", 0, NULL                                   \
    }
#define AX_OPT_END                                                                                           \
    {                                                                                                        \
        NULL, 0, AX_OPT_FLAG, NULL, NULL, 0, NULL                                                            \
    }

extern const struct ax_cmd ax_cmd_new, ax_cmd_serve, ax_cmd_check, ax_cmd_routes, ax_cmd_stats, ax_cmd_status,
    ax_cmd_reload, ax_cmd_stop, ax_cmd_completion, ax_cmd_version, ax_cmd_help, ax_cmd_explain, ax_cmd_dev,
    ax_cmd_request;

#endif
