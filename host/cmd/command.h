/* Subcommands of the program: what each is called, what it says of itself, how it reads its arguments. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* Exit statuses. */
#define EXIT_DONE 0
#define EXIT_FAULT 1         /* it was tried, and did not succeed */
#define EXIT_CONFIGURATION 2 /* arguments or settings are wrong: nothing was tried */

struct command {
    const char *name;
    const char *summary;               /* one line for the list of commands */
    const char *help;                  /* what --help prints; NULL: `run` answers it, as a group's does */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
    bool own_options; /* --help counts as the first argument only: the rest belongs to somebody else */
};

/* Commands of which one is named by the first argument: those of the program, or the actions of one of them,
 * whose names are then two words ("rules check"). */
struct command_group {
    const char *usage;                     /* what stands before the list of commands */
    const char *name;                      /* "bascule", "bascule rules" */
    const struct command *const *commands; /* ends with NULL */
    const char *footnote;                  /* what stands after the list */
};

/* Runs the command that argv[1] names, or shows its help, or the group's; a name that is unknown is told with
 * the nearest one. Returns the exit status. */
int command_run_group(const struct command_group *group, int argc, char **argv);

extern const struct command command_serve, command_check, command_simulate, command_rules, command_message,
    command_keys, command_version, command_lua;

/* Options as "--name VALUE", "--name=VALUE" or "--name". */
struct option_rule {
    const char *name;   /* "--limit"; the table ends with NULL */
    bool *given;        /* of a switch */
    const char **value; /* of an option with a value */
};

/* Reads argv[1...]: options by the table, and up to `most` other words into `words`. Says on standard error
 * what is wrong and returns -1; else the number of words. */
int command_read(const struct command *command, int argc, char **argv, const struct option_rule *rules,
                 const char **words, int most);

/* "bascule COMMAND: text" on standard error; returns `status`, so that a command can end with it. */
int command_fail(const struct command *command, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
