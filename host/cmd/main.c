/* The program: finds the subcommand. */
#include <string.h>

#include "cmd/command.h"

static const struct command *const commands[] = {
    &command_serve, &command_check, &command_simulate, &command_rules, &command_message,
    &command_keys,  &command_lua,   &command_version,  NULL,
};

static const struct command_group program = {
    .usage = "Bascule: a bridge between GoHighLevel and SMS providers, ruled by Lua.\n\n"
             "usage: bascule COMMAND [OPTION...]\n\n",
    .name = "bascule",
    .commands = commands,
    .footnote = "\nSettings are environment variables: bascule check shows them.\n"
                "bascule COMMAND --help tells of a command.\n",
};

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return command_version.run(1, argv + 1);
    return command_run_group(&program, argc, argv);
}
