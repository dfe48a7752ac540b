/* bascule rules history, show: what an agency ran, when, and by whom. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/rules.h"

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

static void show_version(const json_t *version)
{
    const char *note = text_of(version, "note"), *reason = text_of(version, "reason");
    printf("%5lld  %s  %-10s  %-9s  %.12s  %s",
           (long long)json_integer_value(json_object_get(version, "version")), text_of(version, "at"),
           text_of(version, "mode"), text_of(version, "origin"), text_of(version, "hash"),
           text_of(version, "by"));
    if (note[0] != '\0')
        printf("  %s", note);
    if (reason[0] != '\0')
        printf("  (%s)", reason);
    putchar('\n');
}

static int history(int argc, char **argv)
{
    struct rules_server server = {0};
    const char *slug = NULL;
    json_t *answer = NULL;
    const struct option_rule options[] = {RULES_SERVER_OPTIONS(server), {.name = NULL}};
    int count = command_read(&rules_history, argc, argv, options, &slug, 1);
    if (count < 0)
        return EXIT_CONFIGURATION;
    if (count < 1)
        return command_fail(&rules_history, EXIT_CONFIGURATION, "which SLUG?");
    int status = rules_ask_agency(&rules_history, &server, "GET", slug, "/versions", NULL, &answer);
    if (status != EXIT_DONE)
        return status;
    const json_t *versions = json_object_get(answer, "versions");
    if (server.json)
        rules_print_json(answer);
    else if (json_array_size(versions) == 0)
        printf("no rules of '%s' are known here\n", slug);
    for (size_t i = 0; !server.json && i < json_array_size(versions); i++)
        show_version(json_array_get(versions, i));
    json_decref(answer);
    return EXIT_DONE;
}

const struct command rules_history = {
    .name = "rules history",
    .summary = "the versions of an agency's rules: number, time, mode, origin, hash, who, why",
    .help = "usage: bascule rules history SLUG [--url URL] [--json]\n"
            "\nLists the versions, newest first: number, time, mode, origin, hash, who, note and reason.\n\n"
            "Examples:\n"
            "  bascule rules history acme\n",
    .run = history,
};

/* ---- show ---- */

/* "/rules", "/versions/4" or "/versions/4/diff". */
static int ask(const struct rules_server *server, const char *slug, const char *version, bool difference,
               json_t **answer)
{
    struct buffer rest = {0};
    if (version == NULL)
        buffer_append_text(&rest, "/rules");
    else
        buffer_append_format(&rest, "/versions/%s%s", version, difference ? "/diff" : "");
    int status = rules_ask_agency(&rules_show, server, "GET", slug, rest.data, NULL, answer);
    buffer_deinit(&rest);
    return status;
}

static int show(int argc, char **argv)
{
    struct rules_server server = {0};
    const char *words[2] = {NULL, NULL};
    bool difference = false;
    json_t *answer = NULL;
    const struct option_rule options[] = {
        RULES_SERVER_OPTIONS(server), {.name = "--diff", .given = &difference}, {.name = NULL}};
    int count = command_read(&rules_show, argc, argv, options, words, 2);
    if (count < 0)
        return EXIT_CONFIGURATION;
    if (count < 1)
        return command_fail(&rules_show, EXIT_CONFIGURATION, "which SLUG?");
    if (difference && count < 2)
        return command_fail(&rules_show, EXIT_CONFIGURATION, "--diff of which VERSION?");
    int status = ask(&server, words[0], count == 2 ? words[1] : NULL, difference, &answer);
    if (status != EXIT_DONE)
        return status;
    if (server.json)
        rules_print_json(answer);
    else
        fputs(text_of(answer, difference ? "difference" : "source"), stdout);
    json_decref(answer);
    return EXIT_DONE;
}

const struct command rules_show = {
    .name = "rules show",
    .summary = "the text of an agency's rules, or of an earlier version",
    .help = "usage: bascule rules show SLUG [VERSION] [--diff] [--url URL] [--json]\n\n"
            "--diff   what VERSION changed, as a unified difference from the version before it\n"
            "\nExamples:\n"
            "  bascule rules show acme > rules.lua\n"
            "  bascule rules show acme 4 --diff\n",
    .run = show,
};
