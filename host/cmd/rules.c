/* bascule rules: the list of its actions, and what those share that call a running server. */
#include "cmd/rules.h"

#include <stdio.h>
#include <string.h>

#include "cmd/admin_call.h"

#define SLUG_LONGEST 64
/* The operator's own server may listen anywhere. */
#define EVERYWHERE "0.0.0.0/0,::/0"

void rules_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
}

void rules_argument(json_t *arguments, const char *name, const char *value)
{
    if (value != NULL)
        json_object_set_new(arguments, name, json_string(value));
}

/* A slug names a folder, and is part of paths and of addresses. "default" is the rule of who has none. */
bool rules_check_slug(const struct command *command, const char *slug)
{
    size_t length = strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    bool fits = length > 0 && length <= SLUG_LONGEST && slug[length] == '\0' && slug[0] != '-' &&
                slug[0] != '_' && strcmp(slug, "default") != 0;
    if (!fits)
        command_fail(
            command, EXIT_CONFIGURATION,
            "'%s' cannot be an agency's name: 1 to %d of a-z, 0-9, - and _, beginning with one of the "
            "first two, and not \"default\"",
            slug, SLUG_LONGEST);
    return fits;
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

int rules_ask_agency(const struct command *command, const struct rules_server *server, const char *method,
                     const char *slug, const char *rest, json_t *body, json_t **answer)
{
    struct buffer path = {0};
    if (!rules_check_slug(command, slug)) {
        json_decref(body);
        return EXIT_CONFIGURATION;
    }
    buffer_append_format(&path, "/admin/v1/agencies/%s%s", slug, rest);
    int status = rules_ask(command, server, method, path.data, body, answer);
    buffer_deinit(&path);
    return status;
}

static const struct command *const actions[] = {
    &rules_check,    &rules_new,     &rules_run,      &rules_test,      &rules_diff,    &rules_list,
    &rules_publish,  &rules_promote, &rules_withdraw, &rules_unpublish, &rules_history, &rules_show,
    &rules_rollback, NULL,
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
    .summary = "check, try, publish and take back the agencies' rules",
    .run = run,
};
