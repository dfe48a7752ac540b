/* The program: finds the subcommand. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "cmd/command.h"

static const struct command *const commands[] = {
    &command_serve,   &command_check, &command_simulate, &command_rules,
    &command_message, &command_keys,  &command_lua,      &command_version,
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void show_commands(FILE *out)
{
    fputs("Bascule: a bridge between GoHighLevel and SMS providers, ruled by Lua.\n\n"
          "usage: bascule COMMAND [OPTION...]\n\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\nSettings are environment variables: bascule check shows them.\n"
          "bascule COMMAND --help tells of a command.\n",
          out);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *names[COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i]->name;
    const char *nearest = text_suggest(name, names);
    if (nearest != NULL)
        fprintf(stderr, "bascule: unknown command '%s'; did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "bascule: unknown command '%s' (see bascule --help)\n", name);
    return EXIT_CONFIGURATION;
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

static bool wants_help(const struct command *command, int argc, char **argv)
{
    int last = command->own_options && argc > 2 ? 2 : argc;
    for (int i = 1; i < last; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        show_commands(stderr);
        return EXIT_CONFIGURATION;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        show_commands(stdout);
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0)
        return command_version.run(1, argv + 1);
    const struct command *command = find(argv[1]);
    if (command == NULL)
        return refuse_command(argv[1]);
    if (wants_help(command, argc - 1, argv + 1)) {
        fputs(command->help, stdout);
        return EXIT_DONE;
    }
    return command->run(argc - 1, argv + 1);
}
