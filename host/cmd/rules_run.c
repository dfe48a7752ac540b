/* bascule rules run: one event through the rules; lua/commands/rules_run.lua. */
#include "cmd/rules_program.h"

static int run(int argc, char **argv)
{
    bool as_json = false;
    const char *event = NULL, *agency = NULL, *rules = NULL, *location = NULL, *now = NULL, *settings = NULL,
               *memory = NULL;
    const struct option_rule options[] = {
        {.name = "--event", .value = &event},
        {.name = "--agency", .value = &agency},
        {.name = "--rules", .value = &rules},
        {.name = "--location", .value = &location},
        {.name = "--now", .value = &now},
        {.name = "--settings", .value = &settings},
        {.name = "--memory", .value = &memory},
        {.name = "--json", .given = &as_json},
        {.name = NULL},
    };
    if (command_read(&rules_run, argc, argv, options, NULL, 0) < 0)
        return EXIT_CONFIGURATION;
    if (event == NULL)
        return command_fail(&rules_run, EXIT_CONFIGURATION, "--event FILE is needed (- is standard input)");
    if (agency != NULL && rules != NULL)
        return command_fail(&rules_run, EXIT_CONFIGURATION, "--agency or --rules, not both");
    json_t *arguments = json_object();
    rules_argument(arguments, "event", event);
    rules_argument(arguments, "agency", agency);
    rules_argument(arguments, "rules", rules);
    rules_argument(arguments, "location", location);
    rules_argument(arguments, "now", now);
    rules_argument(arguments, "settings", settings);
    rules_argument(arguments, "memory", memory);
    rules_switch(arguments, "json", as_json);
    return rules_program_run(&(struct rules_program){
        .command = &rules_run,
        .name = "rules_run",
        .agencies_path = rules != NULL ? RULES_NO_AGENCIES : NULL,
        .arguments = arguments,
    });
}

const struct command rules_run = {
    .name = "rules run",
    .summary = "one event through the rules, without side effects",
    .help =
        "usage: bascule rules run --event FILE [--agency SLUG | --rules FILE] [--location ID] [--now TIME]\n"
        "                         [--settings FILE] [--memory FILE] [--json]\n\n"
        "Runs one event through the rules of BASCULE_AGENCIES and shows what they decide; nothing is sent\n"
        "or kept. The event is GHL's webhook as posted, or {\"function\": \"inbound\", \"message\": {...},\n"
        "\"context\": {...}}, where what is left out has the defaults of tests. A \"contact\" in the\n"
        "webhook or the message is given to rules that need it. FILE - is standard input.\n\n"
        "  --agency SLUG    these rules, whatever the location\n"
        "  --rules FILE     the rules of this file\n"
        "  --location ID    instead of the event's location\n"
        "  --now TIME       2026-01-02T23:00:00+08:00, or milliseconds since 1970; else the clock's\n"
        "  --settings FILE  the location's settings: {\"sender_id\": \"ACME\"}\n"
        "  --memory FILE    what the host remembers: {\"today\": {\"count\": 3}}\n\n"
        "Status 0: decided; 1: the rule failed, with file and line; 2: what was asked makes no sense.\n"
        "\nExamples:\n"
        "  bascule rules run --event agencies/acme/fixtures/outbound.json --now 2026-01-02T23:00:00+08:00\n"
        "  bascule rules run --rules new.lua --event - --json < event.json\n",
    .run = run,
};
