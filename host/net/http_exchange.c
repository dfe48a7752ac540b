#include "net/http_internal.h"

#include <stdlib.h>
#include <string.h>

/* The next free byte of an exchange's one allocation. */
static struct slice put(char **at, const char *data, size_t length)
{
    struct slice copy = {*at, length};
    if (length > 0)
        memcpy(*at, data, length);
    *at += length;
    return copy;
}

static struct slice put_iovec(char **at, h2o_iovec_t bytes)
{
    return put(at, bytes.base, bytes.len);
}

/* libh2o puts the name of its host entry where a request names none. */
static h2o_iovec_t authority_of(const h2o_req_t *req)
{
    const h2o_iovec_t none = {NULL, 0};
    return req->authority.base == req->hostconf->authority.hostport.base ? none : req->authority;
}

static size_t copied_size(const h2o_req_t *req, const struct connection *connection)
{
    size_t size = req->method.len + req->path.len + authority_of(req).len + req->entity.len +
                  strlen(connection->peer.text);
    for (size_t i = 0; i < req->headers.size; i++)
        size += req->headers.entries[i].name->len + req->headers.entries[i].value.len;
    return size;
}

static void copy_headers(struct http_exchange *exchange, struct http_header *headers, char **at,
                         const h2o_req_t *req)
{
    for (size_t i = 0; i < req->headers.size; i++) {
        headers[i].name = put_iovec(at, *req->headers.entries[i].name);
        headers[i].value = put_iovec(at, req->headers.entries[i].value);
    }
    exchange->headers = headers;
    exchange->header_count = req->headers.size;
}

struct http_exchange *exchange_new(struct http_loop *loop, const struct connection *connection,
                                   const h2o_req_t *req)
{
    size_t headers_size = req->headers.size * sizeof(struct http_header);
    struct http_exchange *exchange =
        memory_resize(NULL, sizeof *exchange + headers_size + copied_size(req, connection));
    struct http_header *headers = (struct http_header *)(exchange + 1);
    char *at = (char *)(headers + req->headers.size);
    size_t path_length = req->query_at == SIZE_MAX ? req->path.len : req->query_at;

    exchange->link = NULL;
    exchange->method = put_iovec(&at, req->method);
    exchange->path = put_iovec(&at, req->path);
    exchange->query = (struct slice){NULL, 0};
    if (path_length < req->path.len)
        exchange->query =
            (struct slice){exchange->path.data + path_length + 1, req->path.len - path_length - 1};
    exchange->path.length = path_length;
    exchange->scheme = connection->tls ? SLICE_LITERAL("https") : SLICE_LITERAL("http");
    exchange->authority = put_iovec(&at, authority_of(req));
    exchange->peer = put(&at, connection->peer.text, strlen(connection->peer.text));
    copy_headers(exchange, headers, &at, req);
    exchange->body = put_iovec(&at, req->entity);
    http_loop_make_id(loop, exchange->id);
    return exchange;
}

struct slice http_exchange_method(const struct http_exchange *exchange)
{
    return exchange->method;
}

struct slice http_exchange_path(const struct http_exchange *exchange)
{
    return exchange->path;
}

struct slice http_exchange_query(const struct http_exchange *exchange)
{
    return exchange->query;
}

struct slice http_exchange_scheme(const struct http_exchange *exchange)
{
    return exchange->scheme;
}

struct slice http_exchange_authority(const struct http_exchange *exchange)
{
    return exchange->authority;
}

struct slice http_exchange_peer(const struct http_exchange *exchange)
{
    return exchange->peer;
}

struct slice http_exchange_body(const struct http_exchange *exchange)
{
    return exchange->body;
}

const struct http_header *http_exchange_headers(const struct http_exchange *exchange, size_t *count)
{
    *count = exchange->header_count;
    return exchange->headers;
}

struct slice http_exchange_header(const struct http_exchange *exchange, const char *name)
{
    struct slice wanted = slice_from(name);
    for (size_t i = 0; i < exchange->header_count; i++) {
        if (slice_equal(exchange->headers[i].name, wanted))
            return exchange->headers[i].value;
    }
    return (struct slice){NULL, 0};
}

const char *http_exchange_id(const struct http_exchange *exchange)
{
    return exchange->id;
}

void http_exchange_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
                           size_t count, struct slice body)
{
    if (exchange->link != NULL)
        request_answer(exchange->link, exchange->id, status, headers, count, body);
    free(exchange);
}

void refusal_write(struct buffer *out, const char *code, const char *message, const char *id)
{
    buffer_append_text(out, "{\"error\":{\"code\":");
    buffer_append_json_string(out, slice_from(code));
    buffer_append_text(out, ",\"message\":");
    buffer_append_json_string(out, slice_from(message));
    buffer_append_format(out, ",\"request_id\":\"%s\"}}", id);
}

void http_exchange_refuse(struct http_exchange *exchange, int status, const char *code, const char *message,
                          int retry_after_s)
{
    struct buffer body = {0}, seconds = {0};
    struct http_header headers[2] = {{SLICE_LITERAL("content-type"), SLICE_LITERAL("application/json")}};
    size_t count = 1;
    if (retry_after_s > 0) {
        buffer_append_format(&seconds, "%d", retry_after_s);
        headers[count++] = (struct http_header){SLICE_LITERAL("retry-after"), {seconds.data, seconds.length}};
    }
    refusal_write(&body, code, message, exchange->id);
    http_exchange_respond(exchange, status, headers, count, (struct slice){body.data, body.length});
    buffer_deinit(&seconds);
    buffer_deinit(&body);
}
