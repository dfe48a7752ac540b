#include "cmd/http.h"

#include <unistd.h>

static void *loop_start(struct http_loop *loop, unsigned index, void *argument)
{
    (void)index;
    return script_thread_new(argument, http_loop_mailbox(loop));
}

static void loop_stop(void *loop_context, void *argument)
{
    (void)argument;
    script_thread_free(loop_context);
}

static void handle(struct http_exchange *exchange, void *loop_context, void *argument)
{
    (void)argument;
    script_serve(loop_context, exchange);
}

static unsigned loops(const struct config *config)
{
    int64_t workers = config_integer(config, "BASCULE_WORKERS");
    if (workers == 0)
        workers = sysconf(_SC_NPROCESSORS_ONLN);
    return workers > 0 ? (unsigned)workers : 1;
}

void http_options_fill(struct http_server_options *options, struct script_host *host)
{
    const struct config *config = host->config;
    options->workers = loops(config);
    options->http2 = config_switch(config, "BASCULE_HTTP2");
    options->body_limit_bytes = (size_t)config_integer(config, "BASCULE_BODY_LIMIT_BYTES");
    options->header_limit = (unsigned)config_integer(config, "BASCULE_HEADER_LIMIT");
    options->connection_limit = (unsigned)config_integer(config, "BASCULE_CONNECTION_LIMIT");
    options->connection_limit_peer = (unsigned)config_integer(config, "BASCULE_CONNECTION_LIMIT_PEER");
    options->request_timeout_ms = (unsigned)config_integer(config, "BASCULE_REQUEST_TIMEOUT_MS");
    options->resident_limit_bytes = (size_t)config_integer(config, "BASCULE_RESIDENT_LIMIT_BYTES");
    options->loop_start = loop_start;
    options->loop_stop = loop_stop;
    options->handle = handle;
    options->argument = host;
}
