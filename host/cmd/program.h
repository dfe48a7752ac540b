/* The program's parts, in the order in which they stand on each other: settings, keys, store, services,
 * scripts. A command makes those that it needs, and program_close takes down what was made, in reverse.
 *
 * Each function says on standard error what went wrong and returns the exit status; EXIT_DONE where all is
 * well. */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include "cmd/command.h"
#include "script/rule_service.h"
#include "script/script.h"

struct program {
    const struct command *command;
    struct config *config;
    struct seal_keys *seal_keys;
    struct signature_keys *webhook_keys;
    struct store *store;
    struct store_service *service;
    struct timers *timers;
    struct http_client *client;
    struct rule_service *rules;
    struct generations *generations;
    char *process_id;
    struct script_host host;
};

/* Reads the settings; a fault a line. Begins the process: random numbers, log level, SIGPIPE. */
int program_configure(struct program *program, const struct command *command);

/* BASCULE_SEAL_KEYS: `needed`, its absence is a fault. */
int program_read_seal_keys(struct program *program, bool needed);
int program_read_webhook_keys(struct program *program);

int program_open_store(struct program *program);
int program_start_store_service(struct program *program);
/* Timers and the HTTP client; `egress_allow` NULL: as configured. */
int program_start_client(struct program *program, const char *egress_allow);

/* The folder of the trusted Lua: BASCULE_LUA, else as installed, else the source tree that it was built from.
 * NULL (and a fault on standard error) where `module` is in none. Static, or the configuration's. */
const char *program_lua_path(const struct program *program, const char *module);

/* Fills program->host with what was made so far. */
struct script_host *program_host(struct program *program);
/* Starts the rule threads and loads all scripts. `entry` is the trusted module that must load,
 * `agencies_path` NULL: as configured. */
int program_load_scripts(struct program *program, const char *entry, const char *agencies_path);

/* The client, the store's threads, the timers, the rule threads; for those who must end something between
 * them and the rest. */
void program_stop_services(struct program *program);
void program_close(struct program *program);

#endif
