/* A small HTTP/1.1 peer on loopback for the tests of the HTTP client, a thread a connection. What it does
 * follows from the path; what it saw is counted. Included by the tests that use it. */
#ifndef TESTS_UNIT_LOOPBACK_PEER_H
#define TESTS_UNIT_LOOPBACK_PEER_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"

enum { PEER_CONNECTIONS = 256 };

struct peer {
    int listener;
    uint16_t port;
    pthread_t acceptor;
    pthread_t threads[PEER_CONNECTIONS];
    int sockets[PEER_CONNECTIONS]; /* of one slot, so that the end can shut them down */
    atomic_uint connections, open_now, open_most, requests, closed_without_answer;
};

struct peer_connection {
    struct peer *peer;
    int socket;
    unsigned served;
    struct buffer in;
};

/* write, not send: a test replaces send for the client. */
static inline bool peer_write(int socket, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t written = write(socket, text, length);
        if (written <= 0)
            return false;
        text += written;
        length -= (size_t)written;
    }
    return true;
}

static inline bool peer_say(int socket, const char *text)
{
    return peer_write(socket, text, strlen(text));
}

static inline bool peer_answer(int socket, const char *body, size_t length)
{
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nX-Peer: yes\r\nContent-Length: %zu\r\n\r\n", length);
    return peer_say(socket, head) && peer_write(socket, body, length);
}

static inline size_t peer_request_length(const struct buffer *in)
{
    const char *end = in->length == 0 ? NULL : memmem(in->data, in->length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    const char *length = strcasestr(in->data, "\r\ncontent-length:");
    size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    size_t whole = (size_t)(end + 4 - in->data) + body;
    return in->length >= whole ? whole : 0;
}

/* The next whole request's length, or 0 when the client went away. */
static inline size_t peer_read_request(struct peer_connection *connection)
{
    size_t length;
    char data[65536];
    while ((length = peer_request_length(&connection->in)) == 0) {
        ssize_t count = read(connection->socket, data, sizeof data);
        if (count <= 0)
            return 0;
        buffer_append(&connection->in, data, (size_t)count);
    }
    return length;
}

static inline void peer_flood(int socket, const char *head, const char *piece)
{
    bool more = peer_say(socket, head);
    while (more)
        more = peer_say(socket, piece);
}

static inline void peer_wait_for_end(int socket)
{
    char data[64];
    while (read(socket, data, sizeof data) > 0)
        ;
}

static const char peer_chunked[] = "HTTP/1.1 103 Early Hints\r\nLink: </early>\r\n\r\n"
                                   "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=1\r\n"
                                   "Set-Cookie: b=2\r\nX-Empty:\r\n\r\n"
                                   "5\r\nhello\r\n7\r\n, world\r\n0\r\nX-Trailer: late\r\n\r\n";

/* Does what the path says; false ends the connection. */
static inline bool peer_respond(struct peer_connection *connection, const char *path, size_t length)
{
    int socket = connection->socket;
    bool reused = connection->served++ > 0;
    if (strcmp(path, "/echo") == 0)
        return peer_answer(socket, connection->in.data, length);
    if (strcmp(path, "/brief") == 0)
        usleep(30000);
    if (strcmp(path, "/chunked") == 0)
        return peer_say(socket, peer_chunked);
    if (strcmp(path, "/redirect") == 0)
        return peer_say(socket, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 0\r\n\r\n");
    if (strcmp(path, "/half") == 0)
        return peer_say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes.") && false;
    if (strcmp(path, "/head") == 0)
        return peer_say(socket, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    if (strcmp(path, "/bye") == 0)
        return peer_answer(socket, "bye", 3) && false;
    if (strcmp(path, "/huge") == 0)
        peer_flood(socket, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef0123456789abcdef0123456789abcdef");
    else if (strcmp(path, "/headers") == 0)
        peer_flood(socket, "HTTP/1.1 200 OK\r\n", "X-Header: 0123456789abcdef0123456789abcdef\r\n");
    else if (strcmp(path, "/silent") == 0)
        peer_wait_for_end(socket);
    else if (strcmp(path, "/closes") == 0 || (reused && strcmp(path, "/closes-when-reused") == 0))
        atomic_fetch_add(&connection->peer->closed_without_answer, 1);
    else
        return peer_answer(socket, "ok", 2);
    return false;
}

static inline void peer_serve(struct peer_connection *connection)
{
    size_t length;
    bool more = true;
    while (more && (length = peer_read_request(connection)) > 0) {
        char path[64] = "";
        atomic_fetch_add(&connection->peer->requests, 1);
        sscanf(connection->in.data, "%*s %63[^ ?]", path);
        more = peer_respond(connection, path, length);
        memmove(connection->in.data, connection->in.data + length, connection->in.length - length);
        connection->in.length -= length;
    }
}

static inline void *peer_run_connection(void *argument)
{
    struct peer_connection *connection = argument;
    struct peer *peer = connection->peer;
    unsigned now = atomic_fetch_add(&peer->open_now, 1) + 1, most = atomic_load(&peer->open_most);
    while (now > most && !atomic_compare_exchange_weak(&peer->open_most, &most, now))
        ;
    peer_serve(connection);
    atomic_fetch_sub(&peer->open_now, 1);
    shutdown(connection->socket, SHUT_RDWR); /* closed by peer_stop, so that the descriptor stays its own */
    buffer_deinit(&connection->in);
    free(connection);
    return NULL;
}

static inline void *peer_accept(void *argument)
{
    struct peer *peer = argument;
    for (;;) {
        int socket = accept(peer->listener, NULL, NULL), on = 1;
        unsigned slot = atomic_load(&peer->connections);
        if (socket < 0 || slot == PEER_CONNECTIONS)
            return NULL;
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* answers go out in two writes */
        struct peer_connection *connection = memory_allocate(sizeof *connection);
        *connection = (struct peer_connection){.peer = peer, .socket = socket};
        peer->sockets[slot] = socket;
        pthread_create(&peer->threads[slot], NULL, peer_run_connection, connection);
        atomic_fetch_add(&peer->connections, 1);
    }
}

/* A socket bound to a free port of 127.0.0.1, not listening yet: connections to it are refused. */
static inline int peer_bind(uint16_t *port)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(descriptor, (struct sockaddr *)&address, &length) != 0) {
        perror("bind");
        abort();
    }
    *port = ntohs(address.sin_port);
    return descriptor;
}

static inline struct peer *peer_start(void)
{
    struct peer *peer = memory_allocate(sizeof *peer);
    peer->listener = peer_bind(&peer->port);
    listen(peer->listener, 64);
    pthread_create(&peer->acceptor, NULL, peer_accept, peer);
    return peer;
}

static inline void peer_stop(struct peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->acceptor, NULL);
    close(peer->listener);
    for (unsigned i = 0; i < atomic_load(&peer->connections); i++) {
        shutdown(peer->sockets[i], SHUT_RDWR);
        pthread_join(peer->threads[i], NULL);
        close(peer->sockets[i]);
    }
    free(peer);
}

#endif
