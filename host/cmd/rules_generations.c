/* bascule rules list, rollback: what a running server uses, and the way back. */
#include <stdio.h>
#include <stdlib.h>

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
    .help = "usage: bascule rules list [--url URL] [--json]\n"
            "\nShows what runs for each agency, what is broken, and the generations that are kept.\n\n"
            "Examples:\n"
            "  bascule rules list\n"
            "  bascule rules list --url http://127.0.0.1:8080 --json\n",
    .run = list,
};

/* The whole server's way back, to a generation. */
static int roll_back_generation(const struct rules_server *server, const char *id)
{
    json_t *answer = NULL, *body = json_object();
    if (id != NULL)
        json_object_set_new(body, "id", json_string(id));
    int status = rules_ask(&rules_rollback, server, "POST", "/admin/v1/scripts/rollback", body, &answer);
    if (status != EXIT_DONE)
        return status;
    if (server->json)
        rules_print_json(answer);
    else
        printf("generation %s is current\n", json_string_value(json_object_get(answer, "generation")));
    json_decref(answer);
    return EXIT_DONE;
}

/* One agency's, to a published version, on every process. */
static int roll_back_agency(const struct rules_server *server, const char *slug, const char *version)
{
    json_t *body = json_object();
    char *end = NULL;
    if (version != NULL)
        json_object_set_new(body, "version", json_integer(strtoll(version, &end, 10)));
    if (version != NULL && (*version == '\0' || *end != '\0')) {
        json_decref(body);
        return command_fail(&rules_rollback, EXIT_CONFIGURATION, "'%s' is no number of a version", version);
    }
    return rules_change(&rules_rollback, server, "POST", slug, "/rollback", body);
}

static int roll_back(int argc, char **argv)
{
    struct rules_server server = {0};
    const char *to = NULL, *slug = NULL;
    const struct option_rule options[] = {
        RULES_SERVER_OPTIONS(server), {.name = "--agency", .value = &slug}, {.name = NULL}};
    if (command_read(&rules_rollback, argc, argv, options, &to, 1) < 0)
        return EXIT_CONFIGURATION;
    return slug != NULL ? roll_back_agency(&server, slug, to) : roll_back_generation(&server, to);
}

const struct command rules_rollback = {
    .name = "rules rollback",
    .summary = "make an earlier generation current on a running server, or an agency's earlier version live",
    .help = "usage: bascule rules rollback [ID] [--url URL] [--json]\n"
            "       bascule rules rollback --agency SLUG [VERSION] [--url URL] [--json]\n\n"
            "Without --agency: makes an earlier generation current (the one before, or ID as `list` shows "
            "it) in\n"
            "this process, until a file changes or rules are published.\n"
            "With --agency: publishes an earlier version (the one before, or VERSION as `history` shows it) "
            "of the\n"
            "agency's rules again, for every process on the store.\n"
            "\nExamples:\n"
            "  bascule rules rollback --agency acme\n"
            "  bascule rules rollback --agency acme 3\n",
    .run = roll_back,
};
