/* bascule rules: checks the files here; looks at, or takes back, what a running server uses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/admin_call.h"
#include "cmd/scripts_view.h"

/* The operator's own server may listen anywhere. */
#define EVERYWHERE "0.0.0.0/0,::/0"

struct request {
    bool json;
    const char *url;
    const char *words[2];
    int count;
};

static void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
}

static int check(const struct request *request, struct program *program)
{
    log_set_level(LOG_ERROR + 1); /* the faults are shown below */
    int status = program_load_scripts(program, "bascule.server", NULL);
    if (status != EXIT_DONE)
        return status;
    json_t *scripts = scripts_describe(program->generations);
    size_t faults = scripts_faults(scripts);
    if (request->json)
        print_json(scripts);
    else
        scripts_show_files(scripts);
    json_decref(scripts);
    return faults == 0 ? EXIT_DONE : EXIT_FAULT;
}

static int show(const struct request *request, struct program *program)
{
    json_t *scripts = admin_call(program, request->url, "GET", "/admin/v1/scripts", NULL);
    if (scripts == NULL)
        return EXIT_FAULT;
    if (request->json) {
        print_json(scripts);
    } else {
        scripts_show_generations(scripts);
        scripts_show_files(scripts);
    }
    json_decref(scripts);
    return EXIT_DONE;
}

static int roll_back(const struct request *request, struct program *program)
{
    json_t *body = json_object();
    if (request->count == 2)
        json_object_set_new(body, "id", json_string(request->words[1]));
    json_t *answer = admin_call(program, request->url, "POST", "/admin/v1/scripts/rollback", body);
    if (answer == NULL)
        return EXIT_FAULT;
    if (request->json)
        print_json(answer);
    else
        printf("generation %s is current\n", json_string_value(json_object_get(answer, "generation")));
    json_decref(answer);
    return EXIT_DONE;
}

static const struct action {
    const char *name;
    int words_most;
    bool calls; /* a running server */
    int (*run)(const struct request *request, struct program *program);
} actions[] = {
    {"check", 1, false, check},
    {"list", 1, true, show},
    {"rollback", 2, true, roll_back},
};

static const struct action *action_of(const struct request *request)
{
    for (size_t i = 0; request->count > 0 && i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(request->words[0], actions[i].name) == 0 && request->count <= actions[i].words_most)
            return &actions[i];
    return NULL;
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    struct program program;
    const struct option_rule rules[] = {
        {.name = "--json", .given = &request.json}, {.name = "--url", .value = &request.url}, {.name = NULL}};
    request.count = command_read(&command_rules, argc, argv, rules, request.words, 2);
    if (request.count < 0)
        return EXIT_CONFIGURATION;
    const struct action *action = action_of(&request);
    if (action == NULL)
        return command_fail(&command_rules, EXIT_CONFIGURATION,
                            "check, list or rollback? (see bascule rules --help)");
    int status = program_configure(&program, &command_rules);
    if (status == EXIT_DONE && action->calls)
        status = program_start_client(&program, EVERYWHERE);
    if (status == EXIT_DONE)
        status = action->run(&request, &program);
    program_close(&program);
    return status;
}

const struct command command_rules = {
    .name = "rules",
    .summary = "check the agencies' rules; list or take back what a server runs",
    .help =
        "usage: bascule rules check [--json]\n"
        "       bascule rules list [--url URL] [--json]\n"
        "       bascule rules rollback [ID] [--url URL] [--json]\n\n"
        "check     compiles and checks every file of BASCULE_AGENCIES without serving; status 1 where one "
        "is\n"
        "          broken, with its file and line\n"
        "list      what the running server uses, and the generations that it keeps\n"
        "rollback  makes an earlier generation current there (the one before, or ID) until a file changes\n\n"
        "list and rollback ask the server at BASCULE_LISTEN (or URL) and need its BASCULE_ADMIN_TOKEN.\n",
    .run = run,
};
