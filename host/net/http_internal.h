/* What the files behind http_server.h share. Only they include h2o's headers.
 *
 *   http_server.c      start, drain, end
 *   http_loop.c        a worker: its thread, its listeners, its mailbox, its sweep once a second
 *   http_connection.c  from accept to the protocol; the guard before HTTP/2; the slow goodbye
 *   http_exchange.c    what a handler sees: the copy of a request, its answer
 *   http_request.c     libh2o's request: checked, handed on, answered
 *
 * libh2o frees an h2o_req_t when its client resets the stream or goes away. The `request_link` lies in that
 * request's pool, so it goes when the request goes, and cuts the exchange loose: an exchange without a link
 * has nobody to answer.
 */
#ifndef NET_HTTP_INTERNAL_H
#define NET_HTTP_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include <h2o.h>

#include "net/http2_guard.h"
#include "net/http_limits.h"
#include "net/http_server.h"

#define HTTP_HEAD_LIMIT_BYTES 32768 /* request line and header fields together; over it: 431 */

/* Bodies this much over the limit are read all the same, so that the answer is a clean 413 on a connection
 * that lives on; HTTP/2 has no better one, for libh2o resets the stream of a body over its own limit. */
#define HTTP_BODY_GRACE_BYTES 262144

#define HTTP_REQUEST_ID_SIZE 17

struct http_server {
    struct http_server_options options; /* its strings are not kept */
    h2o_globalconf_t config;
    SSL_CTX *tls;
    struct http_census *census;
    struct http_resident resident;
    struct http_loop *loops;
    unsigned loop_count, started;
    sem_t ready; /* posted by each loop that takes connections */
    uint16_t port, port_tls;
    atomic_bool draining;
};

enum listener { LISTENER_CLEAR, LISTENER_TLS, LISTENERS };

struct http_loop {
    struct http_server *server;
    unsigned index;
    pthread_t thread;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    int listen_fds[LISTENERS]; /* -1: none */
    h2o_socket_t *listeners[LISTENERS];
    bool listeners_paused;

    struct mailbox *mailbox;
    h2o_multithread_receiver_t receiver;
    h2o_multithread_message_t wake;
    struct mail drain_mail, stop_mail;

    void *handler_context;
    h2o_linklist_t connections;
    h2o_linklist_t links; /* requests that are not disposed of yet */
    atomic_uint unanswered;
    uint64_t next_id;
    uint64_t answers[6]; /* by hundred of the status, since the last sweep */
    int64_t condemned_logged_ms;
    int64_t swept_ms;
    bool stopping;
};

enum connection_stage { CONNECTION_OPENING, CONNECTION_HTTP1, CONNECTION_HTTP2, CONNECTION_LINGERING };

/* One client's connection; it lives exactly as long as its socket, and a little longer where it lingers. */
struct connection {
    h2o_linklist_t node;
    struct http_loop *loop;
    h2o_socket_t *socket;
    enum connection_stage stage;
    bool tls, condemned;
    unsigned in_flight; /* requests that are not disposed of yet */
    struct timeval connected_at;
    h2o_timeout_entry_t timer;
    size_t head_seen; /* bytes of the first head that were looked at */
    char *refusal;    /* an answer that was written without libh2o */
    int linger_fd;    /* a second descriptor of the socket that libh2o closes, or -1 */
    size_t linger_bytes;
    struct http2_guard guard;
    h2o_socket_cb http2_read; /* libh2o's own */
    struct http_peer peer;
};

struct request_link {
    h2o_linklist_t node;
    struct connection *connection;
    h2o_req_t *req;
    struct http_exchange *exchange; /* NULL once it is answered, or when it was refused */
    int64_t answered_ms;
};

struct http_exchange {
    struct request_link *link; /* NULL once the client is gone */
    struct slice method, path, query, scheme, authority, peer, body;
    const struct http_header *headers;
    size_t header_count;
    char id[HTTP_REQUEST_ID_SIZE];
};

/* http_loop.c */
int http_loop_init(struct http_loop *loop, struct http_server *server, unsigned index);
int http_loop_start(struct http_loop *loop);
void http_loop_deinit(struct http_loop *loop);
void http_loop_make_id(struct http_loop *loop, char id[HTTP_REQUEST_ID_SIZE]);

/* http_connection.c */
void connection_open(struct http_loop *loop, h2o_socket_t *socket, bool tls);
struct connection *connection_of(h2o_socket_t *socket);
void connection_guard(struct connection *connection);
/* Shuts the socket down; libh2o learns of it when it reads or writes next. */
void connection_drop(struct connection *connection);
/* The same for a client that misbehaves: counted and logged. */
void connection_condemn(struct connection *connection, const char *reason);
void connection_linger(struct connection *connection);
void connection_stop_idle(struct connection *connection);

/* http_exchange.c */
struct http_exchange *exchange_new(struct http_loop *loop, const struct connection *connection,
                                   const h2o_req_t *req);
/* The body of a refusal. */
void refusal_write(struct buffer *out, const char *code, const char *message, const char *id);

/* http_request.c */
int request_configure(struct http_server *server);
void request_answer(struct request_link *link, const char *id, int status, const struct http_header *headers,
                    size_t count, struct slice body);
void request_abandon(struct request_link *link);

#endif
