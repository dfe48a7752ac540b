/* bascule simulate: GHL and Cast.ph on loopback, written in the Lua of lua/simulator. One loop, no store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/log.h"
#include "cmd/http.h"
#include "cmd/program.h"
#include "cmd/signals.h"

#define PORT_DEFAULT "8090"
#define DRAIN_MS 2000

/* An option given twice is a list. */
static void add_option(json_t *options, const char *name, const char *value)
{
    const char *before = json_string_value(json_object_get(options, name));
    struct buffer joined = {0};
    if (before != NULL)
        buffer_append_format(&joined, "%s,", before);
    buffer_append_text(&joined, value);
    json_object_set_new(options, name, json_string(joined.data));
    buffer_deinit(&joined);
}

/* "--name value", "--name=value", or "--name" alone, which is "on". What the names mean Lua knows; NULL where
 * a word is no option. */
static json_t *read_options(int argc, char **argv)
{
    json_t *options = json_object();
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            command_fail(&command_simulate, 0, "'%s' is no option (they begin with --)", argv[i]);
            json_decref(options);
            return NULL;
        }
        char *name = text_duplicate(argv[i] + 2);
        char *equals = strchr(name, '=');
        const char *value = "on";
        if (equals != NULL) {
            *equals = '\0';
            value = equals + 1;
        } else if (i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0) {
            value = argv[++i];
        }
        add_option(options, name, value);
        free(name);
    }
    return options;
}

static int start_http(struct program *program, const char *port, struct http_server **http)
{
    struct error error;
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%s", port);
    struct http_server_options options = {.listen = listen};
    http_options_fill(&options, &program->host);
    options.workers = 1; /* what it remembers is in its Lua state */
    *http = http_server_start(&options, &error);
    if (*http == NULL)
        return command_fail(&command_simulate, EXIT_FAULT, "%s", error.message);
    LOG_EVENT(LOG_INFO, "listening", LOG_FIELD_TEXT("address", listen),
              LOG_FIELD_NUMBER("port", http_server_port(*http)), LOG_FIELD_NUMBER("pid", getpid()));
    return EXIT_DONE;
}

static int simulate(struct program *program, const char *port)
{
    struct http_server *http = NULL;
    signals_block();
    program->seal_keys = seal_keys_random();
    int status = program_start_client(program, "127.0.0.0/8,::1/128");
    if (status == EXIT_DONE)
        status = program_load_scripts(program, "simulator.server", "/nonexistent");
    if (status == EXIT_FAULT)
        status = EXIT_CONFIGURATION; /* an option that Lua refused */
    if (status == EXIT_DONE)
        status = start_http(program, port, &http);
    if (status == EXIT_DONE)
        while (signals_wait() == SIGNAL_RELOAD)
            ;
    if (http != NULL)
        http_server_drain(http, DRAIN_MS);
    program_stop_services(program);
    if (http != NULL)
        http_server_free(http);
    return status;
}

static int run(int argc, char **argv)
{
    struct program program;
    json_t *options = read_options(argc, argv);
    if (options == NULL)
        return EXIT_CONFIGURATION;
    int status = program_configure(&program, &command_simulate);
    char *json = json_dumps(options, JSON_SORT_KEYS);
    const char *port = json_string_value(json_object_get(options, "port"));
    program.host.arguments_json = json;
    if (status == EXIT_DONE)
        status = simulate(&program, port != NULL ? port : PORT_DEFAULT);
    program_close(&program);
    free(json);
    json_decref(options);
    return status;
}

const struct command command_simulate = {
    .name = "simulate",
    .summary = "GHL and Cast.ph on loopback, for trying out and for tests",
    .help =
        "usage: bascule simulate [--port N] [--bascule URL] [--location ID,...] [OPTION...]\n\n"
        "Serves GHL and Cast.ph on 127.0.0.1, and /simulate to steer them. It forgets all when it ends.\n\n"
        "  --port N             where it listens (8090); 0 picks a free port, which the event \"listening\" "
        "tells\n"
        "  --bascule URL        where webhooks go (http://127.0.0.1:8080)\n"
        "  --seed HEX           64 hex digits, of which the key that signs webhooks is made\n"
        "  --company ID, --location ID,...\n"
        "  --client-id ID, --client-secret TEXT, --provider ID\n"
        "  --auto-approve on    the authorize page asks nobody\n"
        "  --expires-in S, --early-403-ms MS, --rate-limit N\n"
        "  --cast-key KEY,..., --cast-delay-ms MS, --cast-rate-limit N, --cast-credits N\n\n"
        "README.md in the folder of the simulator's Lua tells of each, and of the faults it can make.\n"
        "\nExamples:\n"
        "  bascule simulate --port 8090 --bascule http://127.0.0.1:8080 --location L1\n",
    .run = run,
};
