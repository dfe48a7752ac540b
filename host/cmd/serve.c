/* bascule serve: puts the parts together, waits for signals, takes the parts down in reverse.
 *
 * Going down: nothing new is accepted or claimed, requests and messages under way end, and only then do the
 * services end that they wait for. What is still under way past BASCULE_DRAIN_TIMEOUT_MS ends with the
 * process, as with a kill, which the store is made for. */
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/http.h"
#include "cmd/program.h"
#include "cmd/signals.h"
#include "queue/queue.h"

#define GATES_MOST 10000
#define SECOND_MS 1000
#define FAREWELL_MS 2000 /* past the drain's deadline, for what was abandoned there to be taken down */

struct server {
    struct program program;
    struct queue *queue;
    struct http_server *http;
};

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int worse(int a, int b)
{
    return a > b ? a : b;
}

/* A lease that ends during a call to a provider lets another process send the message once more. */
static int check_lease(const struct config *config)
{
    long long lease_ms = config_integer(config, "BASCULE_LEASE_MS");
    long long call_ms = config_integer(config, "BASCULE_CLIENT_TIMEOUT_MS");
    if (lease_ms > call_ms)
        return EXIT_DONE;
    fprintf(stderr, "BASCULE_LEASE_MS: must be longer than BASCULE_CLIENT_TIMEOUT_MS (%lld)\n", call_ms);
    return EXIT_CONFIGURATION;
}

static int read_settings(struct program *program)
{
    int status = program_configure(program, &command_serve);
    if (status != EXIT_DONE)
        return status;
    status = program_read_seal_keys(program, true);
    status = worse(status, program_read_webhook_keys(program));
    return worse(status, check_lease(program->config));
}

static int start_queue(struct server *server)
{
    const struct config *config = server->program.config;
    struct error error;
    struct queue_options options = {
        .workers = (unsigned)config_integer(config, "BASCULE_DELIVERY_WORKERS"),
        .in_flight = (unsigned)config_integer(config, "BASCULE_DELIVERY_IN_FLIGHT"),
        .attempts = (unsigned)config_integer(config, "BASCULE_ATTEMPTS"),
        .retry_base_ms = config_integer(config, "BASCULE_RETRY_BASE_MS"),
        .retry_most_ms = config_integer(config, "BASCULE_RETRY_MOST_MS"),
        .most_age_ms = config_integer(config, "BASCULE_MESSAGE_MOST_AGE_S") * SECOND_MS,
        .lease_ms = config_integer(config, "BASCULE_LEASE_MS"),
        .receipt_poll_ms = config_integer(config, "BASCULE_RECEIPT_POLL_MS"),
        .receipt_most_ms = config_integer(config, "BASCULE_RECEIPT_POLL_MOST_S") * SECOND_MS,
        .waiting_limit = config_integer(config, "BASCULE_QUEUE_LIMIT"),
        .resend_unknown = config_text(config, "BASCULE_UNKNOWN_OUTCOME")[0] == 'r',
    };
    struct gates_options gates = {
        .failures_to_open = (unsigned)config_integer(config, "BASCULE_GATE_FAILURES"),
        .open_ms = (unsigned)config_integer(config, "BASCULE_GATE_OPEN_MS"),
        .open_most_ms = (unsigned)config_integer(config, "BASCULE_GATE_OPEN_MOST_MS"),
        .most_gates = GATES_MOST,
    };
    server->queue = queue_start(&server->program.host, &options, &gates, &error);
    return server->queue != NULL ? EXIT_DONE : command_fail(&command_serve, EXIT_FAULT, "%s", error.message);
}

static int start_http(struct server *server)
{
    const struct config *config = server->program.config;
    struct error error;
    struct http_server_options options = {
        .listen = config_text(config, "BASCULE_LISTEN"),
        .listen_tls = config_text(config, "BASCULE_LISTEN_TLS"),
        .tls_certificate = config_text(config, "BASCULE_TLS_CERT"),
        .tls_key = config_text(config, "BASCULE_TLS_KEY"),
    };
    http_options_fill(&options, &server->program.host);
    server->http = http_server_start(&options, &error);
    return server->http != NULL ? EXIT_DONE : command_fail(&command_serve, EXIT_FAULT, "%s", error.message);
}

static int start_watch(struct server *server)
{
    struct error error;
    if (generations_watch(server->program.generations, &error) == 0)
        return EXIT_DONE;
    return command_fail(&command_serve, EXIT_FAULT, "%s", error.message);
}

/* In the order in which the parts stand on each other. */
static int start(struct server *server)
{
    struct program *program = &server->program;
    int status = program_open_store(program);
    if (status == EXIT_DONE)
        status = program_start_store_service(program);
    if (status == EXIT_DONE)
        status = program_start_client(program, NULL);
    if (status == EXIT_DONE)
        status = program_load_scripts(program, "bascule.server", NULL);
    if (status == EXIT_DONE)
        status = start_queue(server);
    if (status == EXIT_DONE)
        status = start_http(server);
    if (status == EXIT_DONE)
        status = start_watch(server);
    return status;
}

static void log_listening(const struct server *server)
{
    char generation[16];
    generations_current_id(server->program.generations, generation);
    LOG_EVENT(LOG_INFO, "listening",
              LOG_FIELD_TEXT("address", config_text(server->program.config, "BASCULE_LISTEN")),
              LOG_FIELD_NUMBER("port", http_server_port(server->http)),
              LOG_FIELD_NUMBER("port_tls", http_server_port_tls(server->http)),
              LOG_FIELD_TEXT("version", BASCULE_VERSION), LOG_FIELD_TEXT("generation", generation),
              LOG_FIELD_NUMBER("pid", getpid()));
}

/* SIGHUP. What changed and what was refused is logged by the scripts themselves. */
static void reload(struct server *server)
{
    struct error error;
    if (generations_reload(server->program.generations, &error) == 0)
        LOG_EVENT(LOG_INFO, "reload_unchanged");
}

static void wait_for_the_end(struct server *server)
{
    while (signals_wait() == SIGNAL_RELOAD)
        reload(server);
}

static void log_stopped(bool in_time)
{
    LOG_EVENT(LOG_INFO, "stopped", ((struct log_field){"in_time", LOG_BOOLEAN, {NULL, 0}, in_time}));
}

static void *end_at_last(void *argument)
{
    const int64_t *ms = argument;
    nanosleep(&(struct timespec){*ms / 1000, (long)(*ms % 1000) * 1000000}, NULL);
    log_stopped(false);
    _exit(EXIT_DONE);
}

/* A thread that never comes back, in a rule that nothing stops, would be waited for without end. */
static void bound_the_end(int64_t most_ms)
{
    static int64_t last_ms;
    pthread_t thread;
    last_ms = most_ms + FAREWELL_MS;
    if (pthread_create(&thread, NULL, end_at_last, &last_ms) == 0)
        pthread_detach(thread);
}

/* True where all that was under way has ended in time. */
static bool drain(struct server *server)
{
    int64_t most_ms = config_integer(server->program.config, "BASCULE_DRAIN_TIMEOUT_MS");
    int64_t until_ms = clock_monotonic_ms() + most_ms;
    LOG_EVENT(LOG_INFO, "draining", LOG_FIELD_NUMBER("at_most_ms", most_ms));
    bound_the_end(most_ms);
    queue_drain(server->queue);
    generations_unwatch(server->program.generations);
    http_server_drain(server->http, (unsigned)most_ms);
    int64_t left_ms = until_ms - clock_monotonic_ms();
    queue_stop(server->queue, left_ms > 0 ? left_ms : 0);
    return clock_monotonic_ms() < until_ms;
}

/* Answers are posted to the loops as long as the services run, and scripts need their generations: so the
 * services end first, then the loops, then the rest. */
static void stop(struct server *server)
{
    program_stop_services(&server->program);
    if (server->http != NULL)
        http_server_free(server->http);
    program_close(&server->program);
}

static int serve(struct server *server)
{
    int status = start(server);
    if (status != EXIT_DONE) {
        queue_stop(server->queue, 0);
        stop(server);
        return status;
    }
    log_listening(server);
    wait_for_the_end(server);
    bool ended = drain(server);
    log_stopped(ended);
    if (!ended)
        _exit(EXIT_DONE); /* somebody may still be using what would be taken down */
    stop(server);
    return EXIT_DONE;
}

static int run(int argc, char **argv)
{
    static struct server server;
    const struct option_rule rules[] = {{.name = NULL}};
    if (command_read(&command_serve, argc, argv, rules, NULL, 0) < 0)
        return EXIT_CONFIGURATION;
    int status = read_settings(&server.program);
    if (status != EXIT_DONE) {
        program_close(&server.program);
        return status;
    }
    raise_descriptor_limit();
    signals_block();
    return serve(&server);
}

const struct command command_serve = {
    .name = "serve",
    .summary = "take webhooks and deliver messages",
    .help = "usage: bascule serve\n\n"
            "Takes webhooks and delivers messages until SIGTERM or SIGINT, which let what is under way end "
            "first.\n"
            "SIGHUP reloads all scripts; a change on disk does so by itself.\n\n"
            "The settings are environment variables; bascule check shows them and what is wrong with them.\n"
            "Logs are JSON, a line an event, on standard error; \"listening\" tells the port.\n"
            "\nExamples:\n"
            "  BASCULE_LISTEN=127.0.0.1:8080 bascule serve\n",
    .run = run,
};
