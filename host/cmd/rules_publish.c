/* bascule rules publish, promote, withdraw, unpublish: what a running server's store is told to run. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/file.h"
#include "cmd/rules.h"

#define FILE_MOST ((size_t)4 << 20) /* the server has a limit of its own, and names it */
#define PER_CENT 100

static void show_change(const json_t *answer)
{
    printf("%s: version %lld is %s", json_string_value(json_object_get(answer, "agency")),
           (long long)json_integer_value(json_object_get(answer, "version")),
           json_string_value(json_object_get(answer, "mode")));
    if (json_object_get(answer, "percent") != NULL)
        printf(" for %lld %% of the messages",
               (long long)json_integer_value(json_object_get(answer, "percent")));
    printf(" (generation %s)\n", json_string_value(json_object_get(answer, "generation")));
}

int rules_change(const struct command *command, const struct rules_server *server, const char *method,
                 const char *slug, const char *rest, json_t *body)
{
    json_t *answer = NULL;
    int status = rules_ask_agency(command, server, method, slug, rest, body, &answer);
    if (status != EXIT_DONE)
        return status;
    if (server->json)
        rules_print_json(answer);
    else
        show_change(answer);
    json_decref(answer);
    return EXIT_DONE;
}

/* ---- publish ---- */

struct publication {
    struct rules_server server;
    bool shadow;
    const char *canary, *note, *by, *expect;
};

static int read_number(const char *text, long least, long most, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && *number >= least && *number <= most ? 0 : -1;
}

/* NULL after saying what is wrong. */
static json_t *body_of(const struct publication *publication, const char *file)
{
    const char *failure;
    struct buffer text = {0};
    long percent = 0, expected = 0;
    json_t *body = NULL;
    if (publication->canary != NULL && read_number(publication->canary, 1, PER_CENT, &percent) != 0)
        command_fail(&rules_publish, 0, "--canary is a number from 1 to 100");
    else if (publication->canary != NULL && publication->shadow)
        command_fail(&rules_publish, 0, "--shadow or --canary, not both");
    else if (publication->expect != NULL && read_number(publication->expect, 0, LONG_MAX, &expected) != 0)
        command_fail(&rules_publish, 0, "--expect is the number of a version, or 0");
    else if ((failure = file_read(file, FILE_MOST, NULL, &text)) != NULL)
        command_fail(&rules_publish, 0, "%s: %s", file, failure);
    else if ((body = json_pack("{s:s%}", "source", text.data == NULL ? "" : text.data, text.length)) == NULL)
        command_fail(&rules_publish, 0, "%s: is no UTF-8 text", file);
    buffer_deinit(&text);
    if (body == NULL)
        return NULL;
    rules_argument(body, "mode", publication->shadow ? "shadow" : percent > 0 ? "canary" : "live");
    rules_argument(body, "note", publication->note);
    rules_argument(body, "by", publication->by);
    if (percent > 0)
        json_object_set_new(body, "percent", json_integer(percent));
    if (publication->expect != NULL)
        json_object_set_new(body, "expected_version", json_integer(expected));
    return body;
}

static int publish(int argc, char **argv)
{
    struct publication publication = {.by = getenv("USER")};
    const char *words[2];
    const struct option_rule options[] = {RULES_SERVER_OPTIONS(publication.server),
                                          {.name = "--shadow", .given = &publication.shadow},
                                          {.name = "--canary", .value = &publication.canary},
                                          {.name = "--note", .value = &publication.note},
                                          {.name = "--by", .value = &publication.by},
                                          {.name = "--expect", .value = &publication.expect},
                                          {.name = NULL}};
    int count = command_read(&rules_publish, argc, argv, options, words, 2);
    if (count < 0)
        return EXIT_CONFIGURATION;
    if (count < 2)
        return command_fail(&rules_publish, EXIT_CONFIGURATION, "which SLUG, and which FILE?");
    json_t *body = body_of(&publication, words[1]);
    if (body == NULL)
        return EXIT_CONFIGURATION;
    return rules_change(&rules_publish, &publication.server, "PUT", words[0], "/rules", body);
}

const struct command rules_publish = {
    .name = "rules publish",
    .summary = "give a running server, and every process on its store, an agency's rules",
    .help =
        "usage: bascule rules publish SLUG FILE [--shadow | --canary PERCENT] [--note TEXT] [--by NAME]\n"
        "                             [--expect VERSION] [--url URL] [--json]\n\n"
        "The server checks the rules and runs their tests; what it refuses is shown with file, line and an\n"
        "excerpt (status 1), and changes nothing. Published rules win over a file of the same agency.\n\n"
        "--shadow   runs beside the live rules; what differs is counted, and the live result is sent\n"
        "--canary   decides for PERCENT of the messages; taken back by itself when it fails more often\n"
        "--by       who publishes, for the history; by default $USER\n"
        "--expect   refuses where another VERSION than this is the newest published one (0: none is)\n"
        "\nExamples:\n"
        "  bascule rules publish acme rules.lua --note \"no messages on Sundays\"\n"
        "  bascule rules publish acme rules.lua --canary 10\n",
    .run = publish,
};

/* ---- promote, withdraw, unpublish ---- */

struct decision {
    const struct command *command;
    const char *method, *rest;
    bool has_reason;
};

static int decide(int argc, char **argv, const struct decision *decision)
{
    struct rules_server server = {0};
    const char *slug = NULL, *by = getenv("USER"), *reason = NULL;
    const struct option_rule options[] = {
        RULES_SERVER_OPTIONS(server),
        {.name = "--by", .value = &by},
        {.name = decision->has_reason ? "--reason" : NULL, .value = &reason},
        {.name = NULL}};
    int count = command_read(decision->command, argc, argv, options, &slug, 1);
    if (count < 0)
        return EXIT_CONFIGURATION;
    if (count < 1)
        return command_fail(decision->command, EXIT_CONFIGURATION, "which SLUG?");
    json_t *body = json_object();
    rules_argument(body, "by", by);
    rules_argument(body, "reason", reason);
    return rules_change(decision->command, &server, decision->method, slug, decision->rest, body);
}

static int promote(int argc, char **argv)
{
    return decide(argc, argv, &(struct decision){&rules_promote, "POST", "/promote", false});
}

static int withdraw(int argc, char **argv)
{
    return decide(argc, argv, &(struct decision){&rules_withdraw, "POST", "/withdraw", true});
}

static int unpublish(int argc, char **argv)
{
    return decide(argc, argv, &(struct decision){&rules_unpublish, "DELETE", "/rules", true});
}

const struct command rules_promote = {
    .name = "rules promote",
    .summary = "make an agency's candidate (shadow or canary) its live rules",
    .help = "usage: bascule rules promote SLUG [--by NAME] [--url URL] [--json]\n"
            "\nMakes the candidate, in the shadow or a canary, the live rules.\n\n"
            "Examples:\n"
            "  bascule rules promote acme\n",
    .run = promote,
};

const struct command rules_withdraw = {
    .name = "rules withdraw",
    .summary = "end an agency's candidate",
    .help = "usage: bascule rules withdraw SLUG [--reason TEXT] [--by NAME] [--url URL] [--json]\n"
            "\nEnds the candidate; the live rules go on.\n\n"
            "Examples:\n"
            "  bascule rules withdraw acme --reason \"rejects too much\"\n",
    .run = withdraw,
};

const struct command rules_unpublish = {
    .name = "rules unpublish",
    .summary = "take published rules away: the agency's file runs again, or the default rule",
    .help = "usage: bascule rules unpublish SLUG [--reason TEXT] [--by NAME] [--url URL] [--json]\n"
            "\nTakes the published rules and a candidate away: the agency's file runs again, or the default "
            "rule.\n\n"
            "Examples:\n"
            "  bascule rules unpublish acme --reason \"back to the file\"\n",
    .run = unpublish,
};
