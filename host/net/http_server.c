#include "net/http_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_listen.h"
#include "net/http_tls.h"

/* libh2o maps buffers over 32 MB onto a file in /tmp. A loop touches no file. */
static void keep_buffers_in_memory(void)
{
    h2o_socket_buffer_mmap_settings.threshold = SIZE_MAX;
}

static int listen_at(struct http_server *server, const char *address, enum listener kind, uint16_t *port,
                     struct error *error)
{
    if (address == NULL)
        return 0;
    int *sockets = memory_allocate(server->loop_count * sizeof *sockets);
    int result = http_listen(address, sockets, server->loop_count, port, error);
    for (unsigned i = 0; result == 0 && i < server->loop_count; i++)
        server->loops[i].listen_fds[kind] = sockets[i];
    free(sockets);
    return result;
}

/* Signals are for the main thread; a broken pipe is an error of a write, not an end. */
static int start_threads(struct http_server *server, struct error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = 0;
    for (unsigned i = 0; i < server->loop_count && result == 0; i++) {
        result = http_loop_start(&server->loops[i]);
        server->started += result == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    for (unsigned i = 0; i < server->started; i++) {
        while (sem_wait(&server->ready) != 0) /* a signal came in between */
            continue;
    }
    return result == 0 ? 0
                       : error_set(error, ERROR_RETRYABLE, "cannot start an HTTP loop: %s", strerror(result));
}

static int start(struct http_server *server, struct error *error)
{
    const struct http_server_options *options = &server->options;
    if (options->listen_tls != NULL) {
        server->tls = http_tls_context(options->tls_certificate, options->tls_key, options->http2, error);
        if (server->tls == NULL)
            return -1;
    }
    if (listen_at(server, options->listen, LISTENER_CLEAR, &server->port, error) != 0 ||
        listen_at(server, options->listen_tls, LISTENER_TLS, &server->port_tls, error) != 0)
        return -1;
    return start_threads(server, error);
}

struct http_server *http_server_start(const struct http_server_options *options, struct error *error)
{
    struct http_server *server = memory_allocate(sizeof *server);
    keep_buffers_in_memory();
    sem_init(&server->ready, 0, 0);
    server->options = *options;
    server->loop_count = options->workers == 0 ? 1 : options->workers;
    server->resident.limit_bytes = options->resident_limit_bytes;
    server->resident.measured_ms = INT64_MIN / 2;
    server->census = http_census_new(options->connection_limit, options->connection_limit_peer);
    server->loops = memory_allocate(server->loop_count * sizeof *server->loops);
    int result = request_configure(server);
    for (unsigned i = 0; i < server->loop_count; i++)
        result |= http_loop_init(&server->loops[i], server, i);
    if (result != 0)
        error_set(error, ERROR_PERMANENT, "cannot set up the HTTP server");
    if (result != 0 || start(server, error) != 0) {
        http_server_free(server);
        return NULL;
    }
    /* The caller's strings may go now. */
    server->options.listen = server->options.listen_tls = NULL;
    server->options.tls_certificate = server->options.tls_key = NULL;
    return server;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

uint16_t http_server_port_tls(const struct http_server *server)
{
    return server->port_tls;
}

static unsigned unanswered(struct http_server *server)
{
    unsigned count = 0;
    for (unsigned i = 0; i < server->loop_count; i++)
        count += atomic_load_explicit(&server->loops[i].unanswered, memory_order_relaxed);
    return count;
}

void http_server_drain(struct http_server *server, unsigned deadline_ms)
{
    if (!atomic_exchange(&server->draining, true)) {
        for (unsigned i = 0; i < server->started; i++)
            mailbox_post(server->loops[i].mailbox, &server->loops[i].drain_mail);
    }
    unsigned connections = http_census_wait_empty(server->census, deadline_ms);
    if (connections > 0)
        LOG_EVENT(LOG_WARN, "http_drain_deadline", LOG_FIELD_NUMBER("connections", connections),
                  LOG_FIELD_NUMBER("unanswered", unanswered(server)),
                  LOG_FIELD_NUMBER("deadline_ms", deadline_ms));
}

void http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->draining, true);
    for (unsigned i = 0; i < server->started; i++)
        mailbox_post(server->loops[i].mailbox, &server->loops[i].stop_mail);
    for (unsigned i = 0; i < server->started; i++)
        pthread_join(server->loops[i].thread, NULL);
    for (unsigned i = 0; i < server->loop_count; i++)
        http_loop_deinit(&server->loops[i]);
    h2o_config_dispose(&server->config);
    SSL_CTX_free(server->tls);
    http_census_free(server->census);
    sem_destroy(&server->ready);
    free(server->loops);
    free(server);
}
