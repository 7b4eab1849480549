/* cli/app.h - what every command of an app does first: find its manifest, load it, print its problems, and
 * know where its state lives. Precedence of a setting (docs/cli.md): option > ACTIX_<OPTION> > PORT,
 * HOST > .env > manifest > default. */
#ifndef AX_CLI_APP_H
#define AX_CLI_APP_H

#include <stdbool.h>

#include "cli/cmd.h"
#include "config/manifest.h"
#include "supervisor/state.h"

enum { AX_APP_FILES = 16 }; /* -c FILE at most */

struct ax_app {
    struct ax_manifest *manifest; /* OWNED; NULL when loading failed */
    struct ax_problems problems;  /* OWNED: errors and warnings in file order */
    const char *files[AX_APP_FILES];
    size_t nfiles;
    char *store; /* OWNED: text behind `files` when they come from ACTIX_CONFIG */
};

/* Loads the manifest of -c, ACTIX_CONFIG or discovery; ${NAME} sees the environment, then .env.  Prints
 * nothing. 0, or an exit code with the reasons in ret->problems.  *ret wants ax_app_fini in both cases. */
int ax_app_read(const struct ax_args *args, struct ax_app *ret);
/* As ax_app_read, but a manifest with errors is there too, as far as it could be read: for `check`, which
 * loads its handlers to find their errors in the same run.  Nothing else may be done with it. */
int ax_app_read_broken(const struct ax_args *args, struct ax_app *ret);
/* ax_app_read, with every problem printed on stderr: what `serve`, `status` and `stop` call. */
int ax_app_load(const struct ax_args *args, struct ax_app *ret);
void ax_app_fini(struct ax_app *app);

/* Prints the problems, one a line, as FILE:LINE:COL: MESSAGE; a warning says so. */
void ax_app_print_problems(const struct ax_problems *problems);

/* Where the app's state lives, by --state, the environment and the manifest; names only, no file is touched.
 * 0 with *ret OWNED (ax_state_fini), or an exit code with the reason printed. */
int ax_app_state(const struct ax_app *app, const struct ax_args *args, struct ax_state *ret);

/* Did somebody name the state folder outside the manifest (--state, ACTIX_STATE, STATE_DIRECTORY)?  Then a
 * command that only looks there needs no manifest. */
bool ax_app_state_named(const struct ax_args *args);
/* ax_app_state without a manifest: as if one with nothing but defaults lay in the current folder. */
int ax_app_state_bare(const struct ax_args *args, struct ax_state *ret);

/* A variable of the environment, or of the .env that was read with the manifest; BORROWED, NULL = set by
 * neither. */
const char *ax_app_getenv(const struct ax_app *app, const char *name);
/* An option as precedence has it: option, ACTIX_<NAME>, ACTIX_<NAME> of .env; BORROWED, NULL = by none of
 * them. PORT and HOST, which stand between the last two, are asked for by ax_app_port and ax_app_host. */
const char *ax_app_option(const struct ax_app *app, const struct ax_args *args, const char *name);
/* --port, ACTIX_PORT, PORT; --host, ACTIX_HOST, and HOST if it is an IP address or localhost: environment
 * before .env.  NULL = the manifest rules.  *ret_source (may be NULL) names it for messages: "--port", "PORT
 * in .env". */
const char *ax_app_port(const struct ax_app *app, const struct ax_args *args, const char **ret_source);
const char *ax_app_host(const struct ax_app *app, const struct ax_args *args, const char **ret_source);

#endif
