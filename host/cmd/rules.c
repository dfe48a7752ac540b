/* bascule rules: the list of its actions, and what those share that call a running server. */
#include "cmd/rules.h"

#include <stdio.h>

#include "cmd/admin_call.h"

/* The operator's own server may listen anywhere. */
#define EVERYWHERE "0.0.0.0/0,::/0"

void rules_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
}

int rules_ask(const struct command *command, const struct rules_server *server, const char *method,
              const char *path, json_t *body, json_t **answer)
{
    struct program program;
    int status = program_configure(&program, command);
    if (status == EXIT_DONE)
        status = program_start_client(&program, EVERYWHERE);
    if (status == EXIT_DONE)
        *answer = admin_call(&program, server->url, method, path, json_incref(body));
    if (status == EXIT_DONE && *answer == NULL)
        status = EXIT_FAULT;
    json_decref(body);
    program_close(&program);
    return status;
}

static const struct command *const actions[] = {
    &rules_check,
    &rules_new,
    &rules_run,
    &rules_test,
    &rules_diff,
    &rules_list,
    &rules_rollback,
    NULL,
};

static const struct command_group group = {
    .usage = "usage: bascule rules ACTION [OPTION...]\n\n",
    .name = "bascule rules",
    .commands = actions,
    .footnote =
        "\nbascule rules ACTION --help tells of an action. Those that ask a running server find it at\n"
        "BASCULE_LISTEN (or --url URL) and need its BASCULE_ADMIN_TOKEN.\n",
};

static int run(int argc, char **argv)
{
    return command_run_group(&group, argc, argv);
}

const struct command command_rules = {
    .name = "rules",
    .summary = "check the agencies' rules; list or take back what a server runs",
    .run = run,
};
