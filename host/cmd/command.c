#include "cmd/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define OPTIONS_MOST 16
#define COMMANDS_MOST 32

int command_fail(const struct command *command, int status, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "bascule %s: ", command->name);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

static int refuse_option(const struct command *command, const char *option, const struct option_rule *rules)
{
    const char *names[OPTIONS_MOST + 1] = {NULL};
    for (size_t i = 0; rules[i].name != NULL && i < OPTIONS_MOST; i++)
        names[i] = rules[i].name;
    const char *nearest = text_suggest(option, names);
    if (nearest != NULL)
        return command_fail(command, -1, "unknown option '%s'; did you mean '%s'?", option, nearest);
    return command_fail(command, -1, "unknown option '%s' (see bascule %s --help)", option, command->name);
}

static const struct option_rule *find_rule(const struct option_rule *rules, const char *text, size_t length)
{
    for (; rules->name != NULL; rules++)
        if (strlen(rules->name) == length && strncmp(rules->name, text, length) == 0)
            return rules;
    return NULL;
}

/* Reads the option at argv[at]; returns how many arguments it took, or -1. */
static int read_option(const struct command *command, int argc, char **argv, int at,
                       const struct option_rule *rules)
{
    const char *text = argv[at], *equals = strchr(text, '=');
    const struct option_rule *rule =
        find_rule(rules, text, equals != NULL ? (size_t)(equals - text) : strlen(text));
    if (rule == NULL)
        return refuse_option(command, text, rules);
    if (rule->given != NULL) {
        if (equals != NULL)
            return command_fail(command, -1, "%s takes no value", rule->name);
        *rule->given = true;
        return 1;
    }
    if (equals == NULL && at + 1 == argc)
        return command_fail(command, -1, "%s needs a value", rule->name);
    *rule->value = equals != NULL ? equals + 1 : argv[at + 1];
    return equals != NULL ? 1 : 2;
}

int command_read(const struct command *command, int argc, char **argv, const struct option_rule *rules,
                 const char **words, int most)
{
    int count = 0;
    for (int at = 1; at < argc;) {
        if (strncmp(argv[at], "--", 2) == 0) {
            int taken = read_option(command, argc, argv, at, rules);
            if (taken < 0)
                return -1;
            at += taken;
        } else if (count == most) {
            return command_fail(command, -1, "'%s' is too much (see bascule %s --help)", argv[at],
                                command->name);
        } else {
            words[count++] = argv[at++];
        }
    }
    return count;
}

/* ---- groups ---- */

/* "check" of "rules check". */
static const char *last_word(const struct command *command)
{
    const char *space = strrchr(command->name, ' ');
    return space == NULL ? command->name : space + 1;
}

static void show_group(const struct command_group *group, FILE *out)
{
    fputs(group->usage, out);
    for (const struct command *const *command = group->commands; *command != NULL; command++)
        fprintf(out, "  %-10s %s\n", last_word(*command), (*command)->summary);
    fputs(group->footnote, out);
}

static const struct command *find_command(const struct command_group *group, const char *name)
{
    for (const struct command *const *command = group->commands; *command != NULL; command++)
        if (strcmp(last_word(*command), name) == 0)
            return *command;
    return NULL;
}

static int refuse_command(const struct command_group *group, const char *name)
{
    const char *names[COMMANDS_MOST + 1] = {NULL};
    for (size_t i = 0; group->commands[i] != NULL && i < COMMANDS_MOST; i++)
        names[i] = last_word(group->commands[i]);
    const char *nearest = text_suggest(name, names);
    if (nearest != NULL)
        fprintf(stderr, "%s: unknown command '%s'; did you mean '%s'?\n", group->name, name, nearest);
    else
        fprintf(stderr, "%s: unknown command '%s' (see %s --help)\n", group->name, name, group->name);
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

int command_run_group(const struct command_group *group, int argc, char **argv)
{
    if (argc < 2) {
        show_group(group, stderr);
        return EXIT_CONFIGURATION;
    }
    if (is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        show_group(group, stdout);
        return EXIT_DONE;
    }
    const struct command *command = find_command(group, argv[1]);
    if (command == NULL)
        return refuse_command(group, argv[1]);
    if (command->help != NULL && wants_help(command, argc - 1, argv + 1)) {
        fputs(command->help, stdout);
        return EXIT_DONE;
    }
    return command->run(argc - 1, argv + 1);
}
