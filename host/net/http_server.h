/* The HTTP server: listeners, limits, strict framing, and exchanges that outlive their connection.
 *
 * libh2o stands behind this header and nowhere else, so that it could be replaced. One loop a worker, each
 * with its own listening socket (SO_REUSEPORT). No call here blocks.
 *
 * An exchange is a request together with the duty to answer it. Its data are copies that it owns: a client
 * that resets its stream or goes away takes the connection with it, not the exchange. Answering an exchange
 * whose client is gone is fine, and does nothing. */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mailbox.h"

struct http_server;
struct http_loop;
struct http_exchange;

struct http_header {
    struct slice name; /* lower case */
    struct slice value;
};

struct http_server_options {
    const char *listen;     /* "127.0.0.1:8080", "[::1]:8080"; port 0 picks a free one. HTTP/1.1, h2c */
    const char *listen_tls; /* NULL: none. ALPN h2, http/1.1 */
    const char *tls_certificate, *tls_key; /* PEM files, needed with listen_tls */
    unsigned workers;
    bool http2;                     /* off: a switch for the day HTTP/2 itself is attacked */
    size_t body_limit_bytes;        /* over it: 413 */
    unsigned header_limit;          /* number of header fields; over it: 431 */
    unsigned connection_limit;      /* over all loops; over it a connection is closed at once; 0: none */
    unsigned connection_limit_peer; /* for one peer: an IPv4 address, the /64 of an IPv6 address; 0: none */
    unsigned request_timeout_ms;    /* to receive a whole request, and idle keep-alive */
    size_t resident_limit_bytes;    /* resident size over it: 429 to every request but GET; 0: none */

    /* Called on the loop's own thread when the loop starts and when it has ended. `loop_context` is kept for
     * the loop. */
    void *(*loop_start)(struct http_loop *loop, unsigned index, void *argument);
    void (*loop_stop)(void *loop_context, void *argument);
    /* Called on the loop's thread for every request that passed the limits. Takes the exchange: it must be
     * answered (now or later, on this same thread) by http_exchange_respond, which also releases it. */
    void (*handle)(struct http_exchange *exchange, void *loop_context, void *argument);
    void *argument;
};

/* Binds and starts; returns when every loop takes connections (loop_start has returned in each). Errors name
 * the address or the file. Strings of `options` are not kept. */
struct http_server *http_server_start(const struct http_server_options *options, struct error *error);

/* Ports as bound (host byte order), for port 0; 0 where there is no such listener. Any thread. */
uint16_t http_server_port(const struct http_server *server);
uint16_t http_server_port_tls(const struct http_server *server);

/* Draining: listeners close, HTTP/2 gets GOAWAY, keep-alive ends, exchanges under way finish; returns when no
 * connection is left or `deadline_ms` passed (which is logged, with the number of exchanges that still wait).
 * Call from a thread that is no loop. Answers are still delivered afterwards, until http_server_free. */
void http_server_drain(struct http_server *server, unsigned deadline_ms);

/* Ends the loops: exchanges that still wait are refused with 429, connections are closed, loop_stop is
 * called. Whoever posts to a loop's mailbox must have ended before. An exchange that a handler still holds
 * stays its own, and must be answered (to nobody) to be freed. */
void http_server_free(struct http_server *server);

/* The loop's mailbox: services post answers here, and the loop delivers them on its thread. */
struct mailbox *http_loop_mailbox(struct http_loop *loop);

/* All slices are borrowed until http_exchange_respond. */
struct slice http_exchange_method(const struct http_exchange *exchange);
struct slice
http_exchange_path(const struct http_exchange *exchange); /* raw, without the query; begins with "/" */
struct slice
http_exchange_query(const struct http_exchange *exchange); /* without "?"; empty where there is none */
struct slice http_exchange_scheme(const struct http_exchange *exchange);
struct slice http_exchange_authority(const struct http_exchange *exchange);
struct slice http_exchange_peer(const struct http_exchange *exchange); /* address without port */
struct slice http_exchange_body(const struct http_exchange *exchange);
/* In the order received. What frames the message is not among them: host (see authority), content-length,
 * transfer-encoding, expect, upgrade. */
const struct http_header *http_exchange_headers(const struct http_exchange *exchange, size_t *count);
struct slice http_exchange_header(const struct http_exchange *exchange,
                                  const char *name); /* first, or empty */
const char *
http_exchange_id(const struct http_exchange *exchange); /* request id for logs and errors, NUL terminated */

/* Answers and releases. `headers` may be NULL; content-length, date and `x-request-id` are added, and left
 * out where the caller gives them; one that HTTP forbids (a line break in its value) is not sent, and logged.
 * Body and headers are copied. Loop's thread only. Status 0 answers nothing and closes the connection: how
 * the simulator loses an answer. */
void http_exchange_respond(struct http_exchange *exchange, int status, const struct http_header *headers,
                           size_t count, struct slice body);

/* The one error shape: {"error":{"code":...,"message":...,"request_id":...}}; adds Retry-After when
 * `retry_after_s` > 0. */
void http_exchange_refuse(struct http_exchange *exchange, int status, const char *code, const char *message,
                          int retry_after_s);

#endif
