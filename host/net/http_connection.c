#include "net/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <h2o/http1.h>
#include <h2o/http2.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/http_framing.h"

/* A refused client may still be sending; closing at once would reset the connection and take the answer with
 * it. So its bytes are read and thrown away for a while (RFC 9112, 9.6). */
#define LINGER_BYTES (16u << 20)

/* Bodies of one HTTP/2 connection that are not whole yet, in units of the body limit. */
#define UPLOADS_AT_ONCE 16

#define CONDEMNED_LOG_INTERVAL_MS 1000

struct connection *connection_of(h2o_socket_t *socket)
{
    return socket->on_close.data;
}

static void connection_free(struct connection *connection)
{
    h2o_timeout_unlink(&connection->timer);
    h2o_linklist_unlink(&connection->node);
    http_census_leave(connection->loop->server->census, &connection->peer);
    free(connection->refusal);
    free(connection);
}

static void on_linger_timeout(h2o_timeout_entry_t *timer)
{
    h2o_socket_close(H2O_STRUCT_FROM_MEMBER(struct connection, timer, timer)->socket);
}

static void on_linger_read(h2o_socket_t *socket, const char *fault)
{
    struct connection *connection = connection_of(socket);
    connection->linger_bytes += socket->input->size;
    h2o_buffer_consume(&socket->input, socket->input->size);
    if (fault != NULL || connection->linger_bytes > LINGER_BYTES)
        h2o_socket_close(socket);
}

static void on_closed(void *argument);

static void own_socket(struct connection *connection, h2o_socket_t *socket)
{
    connection->socket = socket;
    socket->on_close.cb = on_closed;
    socket->on_close.data = connection;
}

static void linger(struct connection *connection)
{
    struct http_loop *loop = connection->loop;
    shutdown(connection->linger_fd, SHUT_WR);
    own_socket(connection, h2o_evloop_socket_create(loop->context.loop, connection->linger_fd, 0));
    connection->linger_fd = -1;
    connection->stage = CONNECTION_LINGERING;
    connection->timer.cb = on_linger_timeout;
    h2o_timeout_unlink(&connection->timer);
    h2o_timeout_link(loop->context.loop, &loop->context.one_sec_timeout, &connection->timer);
    h2o_socket_read_start(connection->socket, on_linger_read);
}

static void on_closed(void *argument)
{
    struct connection *connection = argument;
    if (connection->linger_fd >= 0 && !connection->condemned)
        linger(connection);
    else
        connection_free(connection);
}

void connection_linger(struct connection *connection)
{
    if (connection->linger_fd < 0 && connection->stage != CONNECTION_HTTP2)
        connection->linger_fd = dup(h2o_socket_get_fd(connection->socket));
}

void connection_drop(struct connection *connection)
{
    connection->condemned = true;
    shutdown(h2o_socket_get_fd(connection->socket), SHUT_RDWR);
}

void connection_condemn(struct connection *connection, const char *reason)
{
    if (connection->condemned)
        return;
    connection_drop(connection);
    char label[64];
    snprintf(label, sizeof label, "reason=\"%s\"", reason);
    metrics_add("bascule_http_connections_condemned_total", label, 1);
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - connection->loop->condemned_logged_ms < CONDEMNED_LOG_INTERVAL_MS)
        return;
    connection->loop->condemned_logged_ms = now_ms;
    LOG_EVENT(LOG_WARN, "http_connection_condemned", LOG_FIELD_TEXT("peer", connection->peer.text),
              LOG_FIELD_TEXT("reason", reason));
}

/* Between the socket and libh2o: nothing that the guard condemns is parsed. */
static void on_http2_read(h2o_socket_t *socket, const char *fault)
{
    struct connection *connection = connection_of(socket);
    if (fault == NULL && socket->input->size > 0) {
        size_t length = socket->input->size;
        const char *reason =
            http2_guard_check(&connection->guard, socket->input->bytes, &length, clock_monotonic_ms());
        socket->input->size = length;
        if (reason != NULL)
            connection_condemn(connection, reason);
    }
    if (connection->condemned)
        fault = h2o_socket_error_closed;
    connection->http2_read(socket, fault);
}

void connection_guard(struct connection *connection)
{
    size_t limit_bytes = connection->loop->server->options.body_limit_bytes;
    http2_guard_init(&connection->guard, (uint64_t)limit_bytes * UPLOADS_AT_ONCE, clock_monotonic_ms());
    connection->stage = CONNECTION_HTTP2;
    connection->http2_read = connection->socket->_cb.read;
    h2o_socket_read_start(connection->socket, on_http2_read);
}

/* What was read already is kept back until the guard stands, for h2o_http2_accept parses what it finds. */
static void begin_http2(struct connection *connection)
{
    h2o_socket_t *socket = connection->socket;
    h2o_timeout_unlink(&connection->timer);
    h2o_buffer_t *pending = socket->input;
    h2o_buffer_init(&socket->input, &h2o_socket_buffer_prototype);
    h2o_http2_accept(&connection->loop->accept, socket, connection->connected_at);
    connection_guard(connection);
    h2o_buffer_dispose(&socket->input);
    socket->input = pending;
    on_http2_read(socket, NULL);
}

static void begin_http1(struct connection *connection)
{
    h2o_timeout_unlink(&connection->timer);
    connection->stage = CONNECTION_HTTP1;
    h2o_http1_accept(&connection->loop->accept, connection->socket, connection->connected_at);
}

static void on_refused(h2o_socket_t *socket, const char *fault)
{
    (void)fault;
    h2o_socket_close(socket);
}

/* Answers a first head that libh2o shall not see. */
static void refuse(struct connection *connection, int status, const char *reason, const char *code,
                   const char *message)
{
    char id[HTTP_REQUEST_ID_SIZE];
    http_loop_make_id(connection->loop, id);
    struct buffer body = {0}, answer = {0};
    refusal_write(&body, code, message, id);
    buffer_append_format(&answer,
                         "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Type: application/json\r\n"
                         "Content-Length: %zu\r\nx-request-id: %s\r\n\r\n%s",
                         status, reason, body.length, id, body.data);
    buffer_deinit(&body);
    connection->refusal = answer.data;
    connection->loop->answers[4]++;
    connection_linger(connection);
    h2o_socket_read_stop(connection->socket);
    h2o_iovec_t bytes = h2o_iovec_init(answer.data, answer.length);
    h2o_socket_write(connection->socket, &bytes, 1, on_refused);
}

/* The first head of a connection is judged before libh2o reads it: its own parser answers what it cannot read
 * with a text of its own, and waits for a body whose length two fields dispute. Later heads are judged in
 * http_request.c. */
static void judge_first_head(struct connection *connection, struct slice input)
{
    struct http_head head;
    if (!http_head_complete(input, connection->head_seen)) {
        connection->head_seen = input.length;
        if (input.length > HTTP_HEAD_LIMIT_BYTES)
            refuse(connection, 431, "Request Header Fields Too Large", "headers_too_large",
                   "The request's header is too large.");
        return;
    }
    const char *fault = http_head_fault(input, &head);
    if (fault != NULL)
        refuse(connection, 400, "Bad Request", "malformed_request", fault);
    else if (head.fields > connection->loop->server->options.header_limit ||
             head.bytes > HTTP_HEAD_LIMIT_BYTES)
        refuse(connection, 431, "Request Header Fields Too Large", "headers_too_large",
               "The request has too many or too large header fields.");
    else
        begin_http1(connection);
}

static void on_first_bytes(h2o_socket_t *socket, const char *fault)
{
    static const struct slice preface = SLICE_LITERAL(HTTP2_GUARD_PREFACE);
    struct connection *connection = connection_of(socket);
    struct slice input = {socket->input->bytes, socket->input->size};
    if (fault != NULL) {
        h2o_socket_close(socket);
        return;
    }
    size_t compared = input.length < preface.length ? input.length : preface.length;
    bool prior_knowledge = connection->loop->server->options.http2 && !connection->tls && compared > 0 &&
                           memcmp(input.data, preface.data, compared) == 0;
    if (prior_knowledge && compared == preface.length)
        begin_http2(connection);
    else if (!prior_knowledge && input.length > 0)
        judge_first_head(connection, input);
}

static void on_opening_timeout(h2o_timeout_entry_t *timer)
{
    h2o_socket_close(H2O_STRUCT_FROM_MEMBER(struct connection, timer, timer)->socket);
}

static void begin_timer(struct connection *connection, h2o_timeout_t *timeout)
{
    h2o_timeout_unlink(&connection->timer);
    connection->timer.cb = on_opening_timeout;
    h2o_timeout_link(connection->loop->context.loop, timeout, &connection->timer);
}

static void await_first_bytes(struct connection *connection)
{
    begin_timer(connection, &connection->loop->context.http1.req_timeout);
    h2o_socket_read_start(connection->socket, on_first_bytes);
    if (connection->socket->input->size > 0)
        on_first_bytes(connection->socket, NULL);
}

static void on_handshake(h2o_socket_t *socket, const char *fault)
{
    struct connection *connection = connection_of(socket);
    if (fault != NULL) {
        metrics_add("bascule_http_tls_handshakes_failed_total", NULL, 1);
        h2o_socket_close(socket);
        return;
    }
    h2o_iovec_t protocol = h2o_socket_ssl_get_selected_protocol(socket);
    if (h2o_memis(protocol.base, protocol.len, H2O_STRLIT("h2")))
        begin_http2(connection);
    else
        await_first_bytes(connection);
}

/* False, and nothing counted, when the peer is gone already or a cap is reached. */
static bool enter(struct http_loop *loop, h2o_socket_t *socket, struct http_peer *peer)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getpeername(h2o_socket_get_fd(socket), (struct sockaddr *)&address, &length) != 0)
        return false;
    http_peer_read(peer, (struct sockaddr *)&address);
    if (http_census_enter(loop->server->census, peer))
        return true;
    metrics_add("bascule_http_connections_refused_total", NULL, 1);
    return false;
}

void connection_open(struct http_loop *loop, h2o_socket_t *socket, bool tls)
{
    struct http_peer peer;
    if (!enter(loop, socket, &peer)) {
        h2o_socket_close(socket);
        return;
    }
    struct connection *connection = memory_allocate(sizeof *connection);
    connection->loop = loop;
    connection->tls = tls;
    connection->linger_fd = -1;
    connection->peer = peer;
    connection->connected_at = *h2o_get_timestamp(&loop->context, NULL, NULL);
    own_socket(connection, socket);
    h2o_linklist_insert(&loop->connections, &connection->node);
    if (tls) {
        begin_timer(connection, &loop->context.handshake_timeout);
        h2o_socket_ssl_handshake(socket, loop->server->tls, NULL, on_handshake);
    } else {
        await_first_bytes(connection);
    }
}

void connection_stop_idle(struct connection *connection)
{
    bool idle = connection->stage == CONNECTION_OPENING || connection->stage == CONNECTION_HTTP1;
    /* Reading ends when what is in the kernel's buffer was read: a request that came just now is still
     * answered. */
    if (idle && connection->in_flight == 0 && connection->socket->input->size == 0)
        shutdown(h2o_socket_get_fd(connection->socket), SHUT_RD);
}
