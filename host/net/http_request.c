#include "net/http_internal.h"

#include <stdio.h>
#include <string.h>

#include <h2o/http2.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/http_framing.h"

/* Requests of one HTTP/2 connection that run at once; libh2o takes a hundred and lets the rest wait. */
#define HTTP2_REQUESTS_AT_ONCE 32

/* Every refusal that means "later" is 429: the one status that each edition of GHL's retry rule repeats. */
#define RETRY_AFTER_S "30"

static h2o_generator_t no_generator; /* answers are sent whole, so nothing is ever asked for more */

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *reason;
    } phrases[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status)
            return phrases[i].reason;
    }
    return status < 400 ? "OK" : "Error";
}

static struct http_loop *loop_of(const h2o_req_t *req)
{
    return H2O_STRUCT_FROM_MEMBER(struct http_loop, context, req->conn->ctx);
}

static struct slice slice_of(h2o_iovec_t bytes)
{
    return (struct slice){bytes.base, bytes.len};
}

/* ---- answers ---- */

/* Header fields that the server itself decides, or that HTTP/2 forbids. */
static bool is_reserved(struct slice name)
{
    static const struct slice reserved[] = {
        SLICE_LITERAL("content-length"), SLICE_LITERAL("date"),
        SLICE_LITERAL("connection"),     SLICE_LITERAL("keep-alive"),
        SLICE_LITERAL("x-request-id"),   SLICE_LITERAL("transfer-encoding"),
        SLICE_LITERAL("upgrade"),        SLICE_LITERAL("proxy-connection")};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (slice_equal_ignoring_case(name, reserved[i]))
            return true;
    }
    return false;
}

/* A line break in a value would let whoever chose the value write the rest of the answer. */
static bool is_sendable(const struct http_header *header)
{
    if (http_token_valid(header->name) && http_value_valid(header->value))
        return !is_reserved(header->name);
    LOG_EVENT(LOG_ERROR, "http_header_not_sent",
              LOG_FIELD_TEXT("reason", "a name or value that HTTP forbids"));
    return false;
}

static void add_headers(h2o_req_t *req, const struct http_header *headers, size_t count, const char *id)
{
    size_t size = HTTP_REQUEST_ID_SIZE;
    for (size_t i = 0; i < count; i++)
        size += headers[i].name.length + headers[i].value.length;
    char *at = h2o_mem_alloc_pool(&req->pool, size);
    memcpy(at, id, HTTP_REQUEST_ID_SIZE);
    h2o_add_header_by_str(&req->pool, &req->res.headers, H2O_STRLIT("x-request-id"), 0, NULL, at,
                          HTTP_REQUEST_ID_SIZE - 1);
    at += HTTP_REQUEST_ID_SIZE;
    for (size_t i = 0; i < count; i++) {
        struct slice name = headers[i].name, value = headers[i].value;
        if (!is_sendable(&headers[i]))
            continue;
        memcpy(at, name.data, name.length);
        h2o_strtolower(at, name.length);
        if (value.length > 0)
            memcpy(at + name.length, value.data, value.length);
        h2o_add_header_by_str(&req->pool, &req->res.headers, at, name.length, 1, NULL, at + name.length,
                              value.length);
        at += name.length + value.length;
    }
}

static void answer(h2o_req_t *req, const char *id, int status, const struct http_header *headers,
                   size_t count, struct slice body)
{
    struct http_loop *loop = loop_of(req);
    bool bodiless = status == 204 || status == 304;
    bool head = h2o_memis(req->method.base, req->method.len, H2O_STRLIT("HEAD"));
    loop->answers[status / 100]++;
    if (atomic_load_explicit(&loop->server->draining, memory_order_relaxed))
        req->http1_is_persistent = 0;
    req->res.status = status;
    req->res.reason = reason_phrase(status);
    req->res.content_length = bodiless ? SIZE_MAX : body.length;
    add_headers(req, headers, count, id);
    h2o_start_response(req, &no_generator);
    h2o_iovec_t bytes = {NULL, 0};
    if (body.length > 0 && !bodiless && !head)
        bytes = h2o_strdup(&req->pool, body.data, body.length);
    h2o_send(req, &bytes, bytes.len > 0, H2O_SEND_STATE_FINAL);
}

static void end_link(struct request_link *link)
{
    atomic_fetch_sub_explicit(&link->connection->loop->unanswered, 1, memory_order_relaxed);
    link->exchange->link = NULL;
    link->exchange = NULL;
}

void request_answer(struct request_link *link, const char *id, int status, const struct http_header *headers,
                    size_t count, struct slice body)
{
    static const struct http_header json = {SLICE_LITERAL("content-type"), SLICE_LITERAL("application/json")};
    end_link(link);
    link->answered_ms = clock_monotonic_ms();
    if (status == 0) {
        connection_drop(link->connection);
        status = 503; /* written to nobody: over HTTP/1 it is by a failed write that libh2o sees the end */
    }
    if (status >= 200 && status <= 599) {
        answer(link->req, id, status, headers, count, body);
        return;
    }
    LOG_EVENT(LOG_ERROR, "http_status_invalid", LOG_FIELD_NUMBER("status", status),
              LOG_FIELD_TEXT("request", id));
    struct buffer text = {0};
    refusal_write(&text, "internal_error", "The handler chose a status that is none.", id);
    answer(link->req, id, 500, &json, 1, (struct slice){text.data, text.length});
    buffer_deinit(&text);
}

/* ---- refusals ---- */

struct refusal {
    int status;
    const char *code, *message;
    bool close;
};

static void refuse(h2o_req_t *req, struct connection *connection, const struct refusal *refusal)
{
    struct http_header headers[] = {
        {SLICE_LITERAL("content-type"), SLICE_LITERAL("application/json")},
        {SLICE_LITERAL("retry-after"), SLICE_LITERAL(RETRY_AFTER_S)},
    };
    char id[HTTP_REQUEST_ID_SIZE], label[64];
    struct buffer body = {0};
    snprintf(label, sizeof label, "code=\"%s\"", refusal->code);
    metrics_add("bascule_http_requests_refused_total", label, 1);
    http_loop_make_id(connection->loop, id);
    refusal_write(&body, refusal->code, refusal->message, id);
    if (refusal->close) {
        req->http1_is_persistent = 0;
        connection_linger(connection);
    }
    answer(req, id, refusal->status, headers, refusal->status == 429 ? 2 : 1,
           (struct slice){body.data, body.length});
    buffer_deinit(&body);
}

void request_abandon(struct request_link *link)
{
    static const struct refusal shutting_down = {429, "shutting_down", "The server is shutting down.", true};
    end_link(link);
    link->answered_ms = clock_monotonic_ms();
    refuse(link->req, link->connection, &shutting_down);
}

/* libh2o answers some faults itself (a body over its limit, broken chunks, forbidden header bytes): with a
 * text of its own, and by closing a connection that the client may still be writing to. Such answers pass the
 * fallback path, where this filter gives them our shape and a slow goodbye. */
struct own_answer {
    h2o_ostream_t stream;
    h2o_iovec_t body;
};

static void send_own_answer(h2o_ostream_t *stream, h2o_req_t *req, h2o_iovec_t *bodies, size_t count,
                            h2o_send_state_t state)
{
    struct own_answer *own = H2O_STRUCT_FROM_MEMBER(struct own_answer, stream, stream);
    (void)bodies, (void)count;
    bool head = h2o_memis(req->input.method.base, req->input.method.len, H2O_STRLIT("HEAD"));
    h2o_ostream_send_next(stream, req, &own->body, !head, state);
}

static void reshape(h2o_filter_t *filter, h2o_req_t *req, h2o_ostream_t **slot)
{
    (void)filter;
    struct http_loop *loop = loop_of(req);
    bool too_large = req->res.status == 413;
    char id[HTTP_REQUEST_ID_SIZE];
    struct buffer body = {0};
    http_loop_make_id(loop, id);
    refusal_write(&body, too_large ? "body_too_large" : "malformed_request",
                  too_large ? "The request's body is too large." : "The request is malformed.", id);
    struct own_answer *own = (void *)h2o_add_ostream(req, sizeof *own, slot);
    own->stream.do_send = send_own_answer;
    own->body = h2o_strdup(&req->pool, body.data, body.length);
    buffer_deinit(&body);
    loop->answers[4]++;
    req->res.content_length = own->body.len;
    req->res.headers.size = 0;
    const struct http_header json = {SLICE_LITERAL("content-type"), SLICE_LITERAL("application/json")};
    add_headers(req, &json, 1, id);
    connection_linger(connection_of(req->conn->callbacks->get_socket(req->conn)));
    h2o_setup_next_ostream(req, &own->stream.next);
}

/* ---- requests ---- */

/* The client went away, or took its request back. */
static void link_dispose(void *argument)
{
    struct request_link *link = argument;
    struct connection *connection = link->connection;
    h2o_linklist_unlink(&link->node);
    connection->in_flight--;
    if (link->exchange == NULL)
        return;
    end_link(link);
    if (connection->stage == CONNECTION_HTTP2 && !http2_guard_spend(&connection->guard, clock_monotonic_ms()))
        connection_condemn(connection, "resets");
}

static struct request_link *link_new(struct connection *connection, h2o_req_t *req)
{
    struct request_link *link = h2o_mem_alloc_shared(&req->pool, sizeof *link, link_dispose);
    *link = (struct request_link){.connection = connection, .req = req, .answered_ms = clock_monotonic_ms()};
    h2o_linklist_insert(&connection->loop->links, &link->node);
    connection->in_flight++;
    return link;
}

static void hand_over(struct http_loop *loop, struct request_link *link)
{
    atomic_fetch_add_explicit(&loop->unanswered, 1, memory_order_relaxed);
    link->exchange = exchange_new(loop, link->connection, link->req);
    link->exchange->link = link;
    loop->server->options.handle(link->exchange, loop->handler_context, loop->server->options.argument);
}

static const char *framing_fault(const h2o_req_t *req, struct slice raw, struct http_head *head)
{
    if (req->version < 0x200)
        return http_head_fault(raw, head);
    head->fields = req->headers.size;
    head->bytes = req->path.len + req->authority.len;
    for (size_t i = 0; i < req->headers.size; i++)
        head->bytes += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
    if (!http_token_valid(slice_of(req->method)))
        return "the method is malformed";
    if (!http_target_valid(slice_of(req->path)))
        return "the request target must be a path";
    return http_host_valid(slice_of(req->authority)) ? NULL : "the authority is malformed";
}

/* True when the request may pass. */
static bool judge(h2o_req_t *req, const struct http_server *server, struct slice raw, struct refusal *refusal,
                  struct http_head *head)
{
    const char *fault = framing_fault(req, raw, head);
    if (fault != NULL)
        *refusal = (struct refusal){400, "malformed_request", fault, true};
    else if (head->fields > server->options.header_limit || head->bytes > HTTP_HEAD_LIMIT_BYTES)
        *refusal = (struct refusal){431, "headers_too_large",
                                    "The request has too many or too large header fields.", true};
    else if (req->entity.len > server->options.body_limit_bytes)
        *refusal = (struct refusal){413, "body_too_large", "The request's body is too large.", false};
    else
        return true;
    return false;
}

static bool is_shed(h2o_req_t *req, struct http_server *server)
{
    return server->resident.limit_bytes != 0 &&
           !h2o_memis(req->method.base, req->method.len, H2O_STRLIT("GET")) &&
           http_resident_over(&server->resident, clock_monotonic_ms());
}

/* An upgrade from HTTP/1.1 (RFC 7540, 3.2). It is done here and not by libh2o, so that the strict scan comes
 * first and the guard sees every frame: nothing may follow the head yet, for libh2o would parse it before the
 * guard stands. */
static bool upgrade(h2o_req_t *req, const struct connection *connection, struct slice raw, size_t head_bytes)
{
    if (req->upgrade.base == NULL || req->version >= 0x200 || connection->tls ||
        !connection->loop->server->options.http2 || req->entity.base != NULL || raw.length != head_bytes ||
        atomic_load_explicit(&connection->loop->server->draining, memory_order_relaxed))
        return false;
    return h2o_lcstris(req->upgrade.base, req->upgrade.len, H2O_STRLIT("h2c")) &&
           h2o_http2_handle_upgrade(req, connection->connected_at) == 0;
}

static int on_request(h2o_handler_t *handler, h2o_req_t *req)
{
    (void)handler;
    struct http_loop *loop = loop_of(req);
    h2o_socket_t *socket = req->conn->callbacks->get_socket(req->conn);
    struct connection *connection = connection_of(socket);
    struct slice raw = {socket->input->bytes, socket->input->size};
    struct http_head head;
    struct refusal refusal = {429, "overloaded", "The server is short of memory; try again later.", false};

    if (connection->condemned)
        return 0; /* never answered: its socket is shut down already */
    if (req->version >= 0x200) {
        if (connection->stage != CONNECTION_HTTP2)
            connection_guard(connection); /* the first request after an upgrade */
        http2_guard_upload_done(&connection->guard, req->entity.len);
    }
    struct request_link *link = link_new(connection, req);
    if (!judge(req, loop->server, raw, &refusal, &head) || is_shed(req, loop->server))
        refuse(req, connection, &refusal);
    else if (!upgrade(req, connection, raw, head.bytes))
        hand_over(loop, link);
    return 0;
}

int request_configure(struct http_server *server)
{
    const struct http_server_options *options = &server->options;
    h2o_globalconf_t *config = &server->config;
    h2o_config_init(config);
    config->server_name = h2o_iovec_init(NULL, 0);
    config->max_request_entity_size = options->body_limit_bytes + HTTP_BODY_GRACE_BYTES;
    config->handshake_timeout = options->request_timeout_ms;
    config->http1.req_timeout = options->request_timeout_ms;
    config->http1.upgrade_to_http2 = 0; /* http_connection.c and upgrade() decide */
    config->http2.idle_timeout = options->request_timeout_ms;
    config->http2.max_concurrent_requests_per_connection = HTTP2_REQUESTS_AT_ONCE;
    h2o_hostconf_t *host = h2o_config_register_host(config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    if (host == NULL)
        return -1;
    h2o_filter_t *filter = h2o_create_filter(&host->fallback_path, sizeof *filter);
    filter->on_setup_ostream = reshape;
    h2o_pathconf_t *path = h2o_config_register_path(host, "/", 0);
    h2o_create_handler(path, sizeof(h2o_handler_t))->on_req = on_request;
    return 0;
}
