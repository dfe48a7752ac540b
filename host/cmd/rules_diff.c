/* bascule rules diff: new rules over the real messages of the store; lua/commands/rules_diff.lua. */
#include <string.h>

#include "cmd/rules_program.h"

static int check_choice(const char *fail_on)
{
    if (fail_on == NULL || strcmp(fail_on, "changes") == 0 || strcmp(fail_on, "failures") == 0)
        return EXIT_DONE;
    return command_fail(&rules_diff, EXIT_CONFIGURATION, "--fail-on is changes or failures, not '%s'",
                        fail_on);
}

static int run(int argc, char **argv)
{
    bool as_json = false, show_text = false;
    const char *rules = NULL, *fail_on = NULL, *since = NULL, *agency = NULL, *against = NULL, *limit = NULL,
               *examples = NULL;
    const struct option_rule options[] = {
        {.name = "--since", .value = &since},     {.name = "--agency", .value = &agency},
        {.name = "--rules", .value = &rules},     {.name = "--against", .value = &against},
        {.name = "--limit", .value = &limit},     {.name = "--examples", .value = &examples},
        {.name = "--fail-on", .value = &fail_on}, {.name = "--show-text", .given = &show_text},
        {.name = "--json", .given = &as_json},    {.name = NULL},
    };
    if (command_read(&rules_diff, argc, argv, options, NULL, 0) < 0 || check_choice(fail_on) != EXIT_DONE)
        return EXIT_CONFIGURATION;
    json_t *arguments = json_object();
    rules_argument(arguments, "since", since);
    rules_argument(arguments, "agency", agency);
    rules_argument(arguments, "against", against);
    rules_argument(arguments, "limit", limit);
    rules_argument(arguments, "examples", examples);
    rules_argument(arguments, "fail-on", fail_on);
    rules_switch(arguments, "show-text", show_text);
    rules_switch(arguments, "json", as_json);
    return rules_program_run(&(struct rules_program){
        .command = &rules_diff,
        .name = "rules_diff",
        .agencies_path = rules,
        .arguments = arguments,
        .store = true,
    });
}

const struct command rules_diff = {
    .name = "rules diff",
    .summary = "what new rules would change about the messages of late",
    .help =
        "usage: bascule rules diff [--since 24h] [--agency SLUG] [--rules DIR] [--against DIR] [--limit N]\n"
        "                          [--examples 3] [--show-text] [--fail-on changes|failures] [--json]\n\n"
        "Runs new rules and those that run over the outbound messages that the store has kept, and groups\n"
        "them by what changes. Nothing is sent or kept.\n\n"
        "  --since TIME     messages of the last 90m, 24h, 7d (24h)\n"
        "  --agency SLUG    messages of this agency only\n"
        "  --rules DIR      the new rules (BASCULE_AGENCIES)\n"
        "  --against DIR    the old ones; else those that run, as the store recorded them\n"
        "  --limit N        the newest N messages\n"
        "  --examples N     examples of each group (3)\n"
        "  --show-text      examples show texts and numbers; else how long they are\n"
        "  --fail-on WHAT   failures: status 0 where messages change and none fails anew\n\n"
        "Both sides are told the same: the time when the message was accepted, the location's settings of\n"
        "today that are no secrets, the same seed, attempt 0, no contact. What rules remember is counted "
        "from\n"
        "nothing, for each side by itself, in the order of the messages.\n\n"
        "Status 0: nothing changes; 1: something does; 2: what was asked makes no sense; 3: messages fail\n"
        "that did not before.\n"
        "\nExamples:\n"
        "  bascule rules diff --since 7d --agency acme --rules new\n"
        "  bascule rules diff --fail-on failures --json\n",
    .run = run,
};
