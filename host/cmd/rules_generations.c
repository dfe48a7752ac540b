/* bascule rules list, rollback: what a running server uses, and the way back. */
#include <stdio.h>

#include "cmd/rules.h"
#include "cmd/scripts_view.h"

static int list(int argc, char **argv)
{
    struct rules_server server = {0};
    json_t *scripts = NULL;
    const struct option_rule options[] = {RULES_SERVER_OPTIONS(server), {.name = NULL}};
    if (command_read(&rules_list, argc, argv, options, NULL, 0) < 0)
        return EXIT_CONFIGURATION;
    int status = rules_ask(&rules_list, &server, "GET", "/admin/v1/scripts", NULL, &scripts);
    if (status != EXIT_DONE)
        return status;
    if (server.json) {
        rules_print_json(scripts);
    } else {
        scripts_show_generations(scripts);
        scripts_show_files(scripts);
    }
    json_decref(scripts);
    return EXIT_DONE;
}

const struct command rules_list = {
    .name = "rules list",
    .summary = "what a running server uses, and the generations that it keeps",
    .help = "usage: bascule rules list [--url URL] [--json]\n",
    .run = list,
};

static int roll_back(int argc, char **argv)
{
    struct rules_server server = {0};
    const char *id = NULL;
    json_t *answer = NULL;
    const struct option_rule options[] = {RULES_SERVER_OPTIONS(server), {.name = NULL}};
    int count = command_read(&rules_rollback, argc, argv, options, &id, 1);
    if (count < 0)
        return EXIT_CONFIGURATION;
    json_t *body = json_object();
    if (count == 1)
        json_object_set_new(body, "id", json_string(id));
    int status = rules_ask(&rules_rollback, &server, "POST", "/admin/v1/scripts/rollback", body, &answer);
    if (status != EXIT_DONE)
        return status;
    if (server.json)
        rules_print_json(answer);
    else
        printf("generation %s is current\n", json_string_value(json_object_get(answer, "generation")));
    json_decref(answer);
    return EXIT_DONE;
}

const struct command rules_rollback = {
    .name = "rules rollback",
    .summary = "make an earlier generation current on a running server",
    .help = "usage: bascule rules rollback [ID] [--url URL] [--json]\n\n"
            "Makes an earlier generation current (the one before, or ID as `list` shows it) until a file\n"
            "changes.\n",
    .run = roll_back,
};
