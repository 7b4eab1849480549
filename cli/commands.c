#include "cli/commands.h"

#define LATER(id, word, text) static const struct ax_cmd later_##id = {.name = word, .summary = text}

LATER(top, "top", "watch the running server");

const struct ax_cmd *const ax_commands[] = {
    &ax_cmd_new,        &ax_cmd_serve,   &ax_cmd_check,  &ax_cmd_routes,
    &ax_cmd_stats,      &ax_cmd_status,  &ax_cmd_reload, &ax_cmd_stop,
    &ax_cmd_completion, &ax_cmd_version, &ax_cmd_help,   &ax_cmd_dev,
    &ax_cmd_explain,    &ax_cmd_request, &later_top,     NULL,
};
