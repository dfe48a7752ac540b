/* bascule message: looks into the store, with or without a server beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/message_view.h"
#include "cmd/program.h"

#define LIST_DEFAULT 50
#define LIST_MOST 500

struct request {
    bool json;
    const char *status, *location, *query, *cursor, *limit;
    const char *words[2];
    int count;
};

static int fail_store(struct store_session *session)
{
    return command_fail(&command_message, EXIT_FAULT, "%s", store_session_error(session));
}

static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(value);
}

/* ---- list */

static int refuse_status(const char *status)
{
    const char *names[MESSAGE_DEAD + 2] = {NULL};
    for (int state = 0; state <= MESSAGE_DEAD; state++)
        names[state] = message_state_name((enum message_state)state);
    const char *nearest = text_suggest(status, names);
    if (nearest != NULL)
        return command_fail(&command_message, EXIT_CONFIGURATION,
                            "there is no status '%s'; did you mean '%s'?", status, nearest);
    return command_fail(&command_message, EXIT_CONFIGURATION,
                        "there is no status '%s' (see bascule message --help)", status);
}

static int read_filter(const struct request *request, struct store_message_filter *filter)
{
    enum message_state state;
    char *end;
    *filter = (struct store_message_filter){
        .state = -1,
        .location = request->location,
        .query = request->query,
        .cursor = request->cursor,
        .limit = LIST_DEFAULT,
    };
    if (request->status != NULL && message_state_parse(request->status, &state) != 0)
        return refuse_status(request->status);
    if (request->status != NULL)
        filter->state = (int)state;
    if (request->limit == NULL)
        return EXIT_DONE;
    long limit = strtol(request->limit, &end, 10);
    if (*end != '\0' || limit < 1 || limit > LIST_MOST)
        return command_fail(&command_message, EXIT_CONFIGURATION, "--limit is a number from 1 to %d",
                            LIST_MOST);
    filter->limit = (unsigned)limit;
    return EXIT_DONE;
}

static void show_list(const struct request *request, const struct store_message_list *list)
{
    if (request->json) {
        json_t *messages = json_array();
        for (size_t i = 0; i < list->count; i++)
            json_array_append_new(messages, message_view_json(&list->items[i], false));
        print_json(json_pack("{s:o, s:o}", "messages", messages, "next",
                             list->next[0] != '\0' ? json_string(list->next) : json_null()));
        return;
    }
    for (size_t i = 0; i < list->count; i++)
        message_view_line(&list->items[i]);
    if (list->next[0] != '\0')
        printf("(more: --cursor %s)\n", list->next);
}

static int list(const struct request *request, struct store_session *session)
{
    struct store_message_filter filter;
    struct store_message_list found = {0};
    int status = read_filter(request, &filter);
    if (status != EXIT_DONE)
        return status;
    switch (store_message_list(session, &filter, &found)) {
    case STORE_OK:
        show_list(request, &found);
        store_message_list_deinit(&found);
        return EXIT_DONE;
    case STORE_NOT_FOUND:
        return command_fail(&command_message, EXIT_CONFIGURATION, "'%s' is no cursor", request->cursor);
    default:
        return fail_store(session);
    }
}

/* ---- show, replay */

static int show(const struct request *request, struct store_session *session)
{
    struct store_message message = {0};
    enum store_status status = store_message_get(session, request->words[1], &message);
    if (status == STORE_NOT_FOUND)
        return command_fail(&command_message, EXIT_FAULT, "there is no message %s", request->words[1]);
    if (status != STORE_OK)
        return fail_store(session);
    if (request->json)
        print_json(message_view_json(&message, true));
    else
        message_view_timeline(&message);
    store_message_deinit(&message);
    return EXIT_DONE;
}

/* A server on the same store finds it due by itself. */
static int replay(const struct request *request, struct store_session *session)
{
    const char *id = request->words[1];
    switch (store_message_replay(session, id, "{\"by\":\"command line\"}", clock_wall_ms())) {
    case STORE_OK:
        printf(request->json ? "{\"status\":\"queued\",\"id\":\"%s\"}\n" : "%s is queued again\n", id);
        return EXIT_DONE;
    case STORE_NOT_FOUND:
        return command_fail(&command_message, EXIT_FAULT, "there is no message %s", id);
    case STORE_CONFLICT:
        return command_fail(&command_message, EXIT_FAULT, "only a dead or rejected message can be replayed");
    default:
        return fail_store(session);
    }
}

/* ---- */

typedef int (*action)(const struct request *request, struct store_session *session);

static action action_of(const struct request *request)
{
    static const struct {
        const char *name;
        int words;
        action run;
    } actions[] = {{"list", 1, list}, {"show", 2, show}, {"replay", 2, replay}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (request->count == actions[i].words && strcmp(request->words[0], actions[i].name) == 0)
            return actions[i].run;
    return NULL;
}

static int run_on_store(const struct request *request, action act)
{
    struct program program;
    struct error error;
    struct store_session *session = NULL;
    int status = program_configure(&program, &command_message);
    if (status == EXIT_DONE)
        status = program_open_store(&program);
    if (status == EXIT_DONE && store_session_open(program.store, &session, &error) != 0)
        status = command_fail(&command_message, EXIT_FAULT, "%s", error.message);
    if (status == EXIT_DONE)
        status = act(request, session);
    if (session != NULL)
        store_session_close(session);
    program_close(&program);
    return status;
}

static int run(int argc, char **argv)
{
    struct request request = {0};
    const struct option_rule rules[] = {
        {.name = "--json", .given = &request.json},
        {.name = "--status", .value = &request.status},
        {.name = "--location", .value = &request.location},
        {.name = "--query", .value = &request.query},
        {.name = "--cursor", .value = &request.cursor},
        {.name = "--limit", .value = &request.limit},
        {.name = NULL},
    };
    request.count = command_read(&command_message, argc, argv, rules, request.words, 2);
    if (request.count < 0)
        return EXIT_CONFIGURATION;
    action act = request.count > 0 ? action_of(&request) : NULL;
    if (act == NULL)
        return command_fail(&command_message, EXIT_CONFIGURATION,
                            "list, show ID or replay ID? (see bascule message --help)");
    return run_on_store(&request, act);
}

const struct command command_message = {
    .name = "message",
    .summary = "list messages, show one with its timeline, replay one",
    .help =
        "usage: bascule message list [--status S] [--location L] [--query Q] [--limit N] [--cursor C] "
        "[--json]\n"
        "       bascule message show ID [--json]\n"
        "       bascule message replay ID [--json]\n\n"
        "list     newest first. S: queued, sending, deferred, sent, delivered, undelivered, rejected, dead.\n"
        "         Q: an id, GHL's id, or text within the message\n"
        "show     the message with its timeline\n"
        "replay   queues a dead or rejected message once more\n\n"
        "All work on the store itself (BASCULE_STORE), whether a server runs or not.\n"
        "\nExamples:\n"
        "  bascule message list --status dead --limit 20\n"
        "  bascule message show m1m7yd0ep30000\n",
    .run = run,
};
