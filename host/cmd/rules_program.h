/* Actions of `bascule rules` that are written in Lua: lua/commands/<name>.lua, run with the host's modules.
 */
#ifndef CMD_RULES_PROGRAM_H
#define CMD_RULES_PROGRAM_H

#include "cmd/rules.h"

struct rules_program {
    const struct command *command;
    const char *name;          /* "rules_run" */
    const char *agencies_path; /* NULL: as configured; the folder that host.dryrun.open() has */
    json_t *arguments;         /* what host.config.arguments() gives; released */
    bool store;                /* whether it reads the store */
};

/* Configures, runs it, takes everything down. Returns the status that it returned; what is wrong before it
 * runs is said on standard error, EXIT_CONFIGURATION. The log is silent but for faults of the program. */
int rules_program_run(const struct rules_program *work);

/* Where no agency is. */
#define RULES_NO_AGENCIES "/nonexistent"

/* Puts true under `name` where it was given. */
void rules_switch(json_t *arguments, const char *name, bool given);

#endif
