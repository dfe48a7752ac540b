/* bascule version */
#include <stdio.h>

#include "cmd/command.h"

static int run(int argc, char **argv)
{
    bool json = false;
    const struct option_rule rules[] = {{.name = "--json", .given = &json}, {.name = NULL}};
    if (command_read(&command_version, argc, argv, rules, NULL, 0) < 0)
        return EXIT_CONFIGURATION;
    printf(json ? "{\"version\":\"%s\"}\n" : "bascule %s\n", BASCULE_VERSION);
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .summary = "the program's version",
    .help = "usage: bascule version [--json]\n\nPrints the program's version.\n"
            "\nExamples:\n"
            "  bascule version --json\n",
    .run = run,
};
