#include "cmd/program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/phone.h"
#include "base/zone.h"
#include "crypto/random.h"
#include "queue/queue.h"

#define PROCESS_ID_BYTES 12

extern char **environ;

int program_configure(struct program *program, const struct command *command)
{
    struct buffer faults = {0};
    memset(program, 0, sizeof *program);
    program->command = command;
    signal(SIGPIPE, SIG_IGN);
    crypto_start();
    program->process_id = random_token(PROCESS_ID_BYTES);
    program->config = config_read(environ, &faults);
    if (program->config == NULL)
        fputs(faults.data, stderr);
    buffer_deinit(&faults);
    if (program->config == NULL)
        return EXIT_CONFIGURATION;
    enum log_level level;
    if (log_parse_level(config_text(program->config, "BASCULE_LOG_LEVEL"), &level) == 0)
        log_set_level(level);
    return EXIT_DONE;
}

/* A fault of the configuration is told as config_read tells its own: name first. */
static int refuse_setting(const char *name, const char *fault)
{
    fprintf(stderr, "%s: %s\n", name, fault);
    return EXIT_CONFIGURATION;
}

int program_read_seal_keys(struct program *program, bool needed)
{
    struct error error;
    const char *text = config_text(program->config, "BASCULE_SEAL_KEYS");
    if (text == NULL)
        return needed ? refuse_setting("BASCULE_SEAL_KEYS",
                                       "needed to keep tokens sealed; make one with: bascule keys new")
                      : EXIT_DONE;
    program->seal_keys = seal_keys_new(text, &error);
    return program->seal_keys != NULL ? EXIT_DONE : refuse_setting("BASCULE_SEAL_KEYS", error.message);
}

int program_read_webhook_keys(struct program *program)
{
    struct error error;
    const char *own = config_text(program->config, "GHL_WEBHOOK_PUBLIC_KEYS");
    const char *secret = config_text(program->config, "GHL_WEBHOOK_SECRET");
    program->webhook_keys = signature_keys_new(own != NULL ? own : signature_ghl_keys, secret, &error);
    return program->webhook_keys != NULL ? EXIT_DONE
                                         : refuse_setting("GHL_WEBHOOK_PUBLIC_KEYS", error.message);
}

/* Before anything is written: times in the store are the store's, where it has a clock. */
static int follow_clock(struct store *store, struct error *error)
{
    struct store_session *session;
    int64_t now_ms, error_ms;
    if (!store_has_clock(store))
        return 0;
    if (store_session_open(store, &session, error) != 0)
        return -1;
    bool read = store_clock(session, &now_ms, &error_ms) == STORE_OK;
    if (read)
        clock_follow(now_ms, error_ms);
    else
        error_set(error, ERROR_RETRYABLE, "cannot read the store's clock: %s", store_session_error(session));
    store_session_close(session);
    return read ? 0 : -1;
}

int program_open_store(struct program *program)
{
    struct error error;
    struct store_options options = {
        .url = config_text(program->config, "BASCULE_STORE"),
        .busy_timeout_ms = (unsigned)config_integer(program->config, "BASCULE_STORE_BUSY_MS"),
    };
    if (store_open(&options, &program->store, &error) == 0 && follow_clock(program->store, &error) == 0)
        return EXIT_DONE;
    if (error.kind == ERROR_INVALID)
        return refuse_setting("BASCULE_STORE", error.message);
    return command_fail(program->command, EXIT_FAULT, "%s", error.message);
}

int program_start_store_service(struct program *program)
{
    struct error error;
    unsigned readers = (unsigned)config_integer(program->config, "BASCULE_STORE_READERS");
    unsigned writers = (unsigned)config_integer(program->config, "BASCULE_STORE_WRITERS");
    program->service = store_service_start(program->store, writers, readers, &error);
    return program->service != NULL ? EXIT_DONE
                                    : command_fail(program->command, EXIT_FAULT, "%s", error.message);
}

int program_start_client(struct program *program, const char *egress_allow)
{
    struct error error;
    const struct config *config = program->config;
    struct http_client_options options = {
        .egress_allow = egress_allow != NULL ? egress_allow : config_text(config, "BASCULE_EGRESS_ALLOW"),
        .connections_host = (unsigned)config_integer(config, "BASCULE_CLIENT_HOST_CONNECTIONS"),
        .connections_total = (unsigned)config_integer(config, "BASCULE_CLIENT_CONNECTIONS"),
        .user_agent = "bascule/" BASCULE_VERSION,
    };
    program->timers = timers_start();
    program->client = http_client_start(&options, &error);
    if (program->client != NULL)
        return EXIT_DONE;
    if (error.kind == ERROR_INVALID)
        return refuse_setting("BASCULE_EGRESS_ALLOW", error.message);
    return command_fail(program->command, EXIT_FAULT, "%s", error.message);
}

static bool holds_module(const char *folder, const char *module)
{
    struct buffer path = {0};
    buffer_append_format(&path, "%s/%s", folder, module);
    bool there = access(path.data, R_OK) == 0;
    buffer_deinit(&path);
    return there;
}

const char *program_lua_path(const struct program *program, const char *module)
{
    const char *own = config_text(program->config, "BASCULE_LUA");
    if (own != NULL && holds_module(own, module))
        return own;
    if (own != NULL)
        fprintf(stderr, "BASCULE_LUA: there is no %s in this folder\n", module);
    else if (holds_module(BASCULE_LUA_INSTALL, module))
        return BASCULE_LUA_INSTALL;
    else if (holds_module(BASCULE_LUA_SOURCE, module))
        return BASCULE_LUA_SOURCE;
    else
        fprintf(stderr, "BASCULE_LUA: needed, for the installed Lua is neither at %s nor at %s\n",
                BASCULE_LUA_INSTALL, BASCULE_LUA_SOURCE);
    return NULL;
}

struct script_host *program_host(struct program *program)
{
    struct script_host *host = &program->host;
    host->config = program->config;
    host->client = program->client;
    host->store = program->service;
    host->timers = program->timers;
    host->webhook_keys = program->webhook_keys;
    host->seal_keys = program->seal_keys;
    host->modules = queue_modules;
    host->version = BASCULE_VERSION;
    host->process_id = program->process_id;
    return host;
}

/* "bascule.server" is bascule/server.lua. */
static char *file_of(const char *module)
{
    struct buffer path = {0};
    for (const char *at = module; *at != '\0'; at++)
        buffer_append(&path, *at == '.' ? "/" : at, 1);
    buffer_append_text(&path, ".lua");
    return path.data;
}

int program_load_scripts(struct program *program, const char *entry, const char *agencies_path)
{
    struct error error;
    phone_prepare(); /* or the first rules that use them pay with their time */
    zone_prepare();
    char *file = file_of(entry);
    const char *lua_path = program_lua_path(program, file);
    free(file);
    if (lua_path == NULL)
        return EXIT_CONFIGURATION;
    struct generations_options options = {
        .lua_path = lua_path,
        .agencies_path =
            agencies_path != NULL ? agencies_path : config_text(program->config, "BASCULE_AGENCIES"),
        .entry = entry,
        .kept = (unsigned)config_integer(program->config, "BASCULE_GENERATIONS_KEPT"),
        .host = program_host(program),
    };
    struct rule_service_options rules = rule_service_options_read(program->config);
    program->rules = program->host.rules = rule_service_start(&rules);
    program->generations = generations_new(&options, &error);
    if (program->generations == NULL)
        return command_fail(program->command, EXIT_FAULT, "%s", error.message);
    program->host.generations = program->generations;
    return EXIT_DONE;
}

void program_stop_services(struct program *program)
{
    if (program->generations != NULL)
        generations_stop(program->generations);
    if (program->client != NULL)
        http_client_stop(program->client);
    if (program->service != NULL)
        store_service_stop(program->service);
    if (program->timers != NULL)
        timers_stop(program->timers);
    rule_service_stop(program->rules);
    program->client = NULL;
    program->service = NULL;
    program->timers = NULL;
}

void program_close(struct program *program)
{
    program_stop_services(program);
    if (program->generations != NULL)
        generations_free(program->generations);
    rule_service_free(program->rules);
    if (program->store != NULL)
        store_close(program->store);
    signature_keys_free(program->webhook_keys);
    seal_keys_free(program->seal_keys);
    config_free(program->config);
    free(program->process_id);
    memset(program, 0, sizeof *program);
}
