/* A fast peer for `scripts/bench deliver`: the provider (Cast) and GHL in one, on one loopback port.
 *
 *   bench_provider [--latency-ms 50] [--port 0]
 *
 * Prints "port=N" and answers every request --latency-ms after it came, in one thread, until SIGTERM. GET
 * /counts answers at once with what was seen: sends, different idempotency keys among them, statuses, and how
 * many requests were under way at most. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

enum { EVENTS = 512, REQUEST_MOST = 1 << 20 };

struct connection {
    TAILQ_ENTRY(connection) due_order;
    int socket;
    bool answering; /* in the line of those whose answer is due; nothing is read meanwhile */
    bool gone;
    int64_t due_us;
    struct buffer in, out;
};

struct keys { /* open addressing; hashes stand for the keys: 64 bits do not collide by chance at this size */
    uint64_t *slots;
    size_t capacity, count;
};

static struct {
    int epoll;
    int64_t latency_us;
    TAILQ_HEAD(, connection) line; /* all wait equally long, so the order of coming is the order of leaving */
    unsigned in_flight, in_flight_most;
    struct keys keys;
    unsigned long sends, statuses;
    int64_t first_ms, last_ms;
} peer;

static volatile sig_atomic_t stopping;

static void stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- counting ---- */

static void keys_grow(struct keys *keys)
{
    struct keys grown = {.capacity = keys->capacity == 0 ? 1024 : keys->capacity * 2};
    grown.slots = memory_allocate(grown.capacity * sizeof *grown.slots);
    for (size_t i = 0; i < keys->capacity; i++) {
        size_t at = keys->slots[i] & (grown.capacity - 1);
        if (keys->slots[i] == 0)
            continue;
        while (grown.slots[at] != 0)
            at = (at + 1) & (grown.capacity - 1);
        grown.slots[at] = keys->slots[i];
    }
    grown.count = keys->count;
    free(keys->slots);
    *keys = grown;
}

static void keys_add(struct keys *keys, struct slice key)
{
    if (keys->count * 2 >= keys->capacity)
        keys_grow(keys);
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 1099511628211ULL;
    hash |= hash == 0;
    size_t at = hash & (keys->capacity - 1);
    while (keys->slots[at] != 0 && keys->slots[at] != hash)
        at = (at + 1) & (keys->capacity - 1);
    keys->count += keys->slots[at] == 0;
    keys->slots[at] = hash;
}

static void count_send(struct slice key)
{
    int64_t now_ms = clock_wall_ms();
    if (peer.sends++ == 0)
        peer.first_ms = now_ms;
    peer.last_ms = now_ms;
    keys_add(&peer.keys, key);
}

/* ---- answers ---- */

#define RATE_HEADERS                                                             \
    "X-RateLimit-Limit-Daily: 200000\r\nX-RateLimit-Daily-Remaining: 199999\r\n" \
    "X-RateLimit-Interval-Milliseconds: 10000\r\nX-RateLimit-Max: 100\r\nX-RateLimit-Remaining: 99\r\n"

static void answer(struct buffer *out, const char *status, const char *headers, const char *body)
{
    buffer_append_format(out,
                         "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
                         status, headers, strlen(body), body);
}

static bool has_prefix(struct slice text, const char *prefix)
{
    return text.length >= strlen(prefix) && memcmp(text.data, prefix, strlen(prefix)) == 0;
}

static void answer_counts(struct buffer *out)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"sends\":%lu,\"distinct\":%zu,\"duplicates\":%lu,\"statuses\":%lu,\"first_ms\":%lld,"
             "\"last_ms\":%lld,\"in_flight_most\":%u}",
             peer.sends, peer.keys.count, peer.sends - peer.keys.count, peer.statuses,
             (long long)peer.first_ms, (long long)peer.last_ms, peer.in_flight_most);
    answer(out, "200 OK", "", body);
}

static void answer_send(struct buffer *out, struct slice key)
{
    char body[96], number[24];
    count_send(key);
    if (key.length == 0) { /* a send without a key is one of its own */
        snprintf(number, sizeof number, "none-%lu", peer.sends);
        keys_add(&peer.keys, slice_from(number));
    }
    snprintf(body, sizeof body, "{\"success\":true,\"message_id\":\"CAST%lu\",\"parts\":1}", peer.sends);
    answer(out, "200 OK", "", body);
}

static void answer_receipt(struct buffer *out, struct slice id)
{
    char body[256];
    snprintf(body, sizeof body, "{\"success\":true,\"message_id\":\"%.*s\",\"status\":\"sent\"}",
             id.length > 128 ? 128 : (int)id.length, id.data);
    answer(out, "200 OK", "", body);
}

static void answer_status(struct buffer *out, struct slice path)
{
    char body[256];
    struct slice id = {path.data + strlen("/conversations/messages/"), 0};
    id.length = strcspn(id.data, "/ ");
    peer.statuses++;
    snprintf(body, sizeof body, "{\"conversationId\":\"c\",\"messageId\":\"%.*s\",\"status\":\"pending\"}",
             id.length > 128 ? 128 : (int)id.length, id.data);
    answer(out, "200 OK", RATE_HEADERS, body);
}

static void answer_token(struct buffer *out, bool of_location)
{
    answer(out, "200 OK", "",
           of_location
               ? "{\"access_token\":\"location-token\",\"token_type\":\"Bearer\",\"expires_in\":86400,"
                 "\"scope\":\"conversations/"
                 "message.write\",\"userType\":\"Location\",\"locationId\":\"location\","
                 "\"companyId\":\"company\",\"userId\":\"user\"}"
               : "{\"access_token\":\"access-token\",\"token_type\":\"Bearer\",\"expires_in\":86399,"
                 "\"refresh_token\":\"refresh-token\",\"scope\":\"conversations/message.write\","
                 "\"userType\":\"Location\",\"locationId\":\"location\",\"companyId\":\"company\","
                 "\"userId\":\"user\"}");
}

/* ---- requests ---- */

/* The value of a header in the head (which ends in an empty line), or an empty slice. */
static struct slice header_value(struct slice head, const char *name)
{
    const char *line = memchr(head.data, '\n', head.length), *end = head.data + head.length;
    size_t name_length = strlen(name);
    while (line != NULL && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL)
            break;
        if ((size_t)(next - line) > name_length && line[name_length] == ':' &&
            strncasecmp(line, name, name_length) == 0) {
            const char *value = line + name_length + 1;
            while (*value == ' ')
                value++;
            return (struct slice){value, (size_t)(next - value) - (next > value && next[-1] == '\r')};
        }
        line = next;
    }
    return (struct slice){"", 0};
}

static void respond(struct buffer *out, struct slice head)
{
    size_t path_at = strcspn(head.data, " ") + 1;
    struct slice method = {head.data, path_at - 1};
    struct slice path = {head.data + path_at, strcspn(head.data + path_at, " \r\n")};
    bool post = slice_equal(method, SLICE_LITERAL("POST"));
    bool get = slice_equal(method, SLICE_LITERAL("GET"));
    const char *receipts = "/api/v1/sms/status/";
    if (post && slice_equal(path, SLICE_LITERAL("/api/v1/sms/send")))
        answer_send(out, header_value(head, "x-idempotency-key"));
    else if (get && has_prefix(path, receipts))
        answer_receipt(out, (struct slice){path.data + strlen(receipts), path.length - strlen(receipts)});
    else if (slice_equal(method, SLICE_LITERAL("PUT")) && has_prefix(path, "/conversations/messages/"))
        answer_status(out, path);
    else if (post && slice_equal(path, SLICE_LITERAL("/oauth/token")))
        answer_token(out, false);
    else if (post && slice_equal(path, SLICE_LITERAL("/oauth/locationToken")))
        answer_token(out, true);
    else if (get && slice_equal(path, SLICE_LITERAL("/counts")))
        answer_counts(out);
    else
        answer(out, "404 Not Found", "", "{\"success\":false,\"error\":\"no such path\"}");
}

/* The length of the first whole request in `in` with its head in `*head`, or 0 where more must come. */
static size_t request_length(const struct buffer *in, struct slice *head)
{
    const char *end = in->length == 0 ? NULL : memmem(in->data, in->length, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    *head = (struct slice){in->data, (size_t)(end + 4 - in->data)};
    size_t length = head->length + strtoul(header_value(*head, "content-length").data, NULL, 10);
    return in->length < length ? 0 : length;
}

/* ---- connections ---- */

static void connection_free(struct connection *connection)
{
    close(connection->socket);
    buffer_deinit(&connection->in);
    buffer_deinit(&connection->out);
    free(connection);
}

/* Answers are small against a socket's buffer: a write that does not take all of one means that the client is
 * lost. */
static void connection_flush(struct connection *connection)
{
    ssize_t written = send(connection->socket, connection->out.data, connection->out.length, MSG_NOSIGNAL);
    if (written != (ssize_t)connection->out.length)
        shutdown(connection->socket, SHUT_RDWR);
    buffer_clear(&connection->out);
}

static void connection_take_request(struct connection *connection)
{
    struct slice head;
    size_t length = request_length(&connection->in, &head);
    if (length == 0)
        return;
    bool at_once = peer.latency_us == 0 || has_prefix(head, "GET /counts ");
    respond(&connection->out, head);
    memmove(connection->in.data, connection->in.data + length, connection->in.length - length);
    connection->in.length -= length;
    if (at_once) {
        connection_flush(connection);
        return;
    }
    connection->answering = true;
    connection->due_us = now_us() + peer.latency_us;
    TAILQ_INSERT_TAIL(&peer.line, connection, due_order);
    if (++peer.in_flight > peer.in_flight_most)
        peer.in_flight_most = peer.in_flight;
}

static void connection_readable(struct connection *connection)
{
    char data[16384];
    ssize_t length = recv(connection->socket, data, sizeof data, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0 || connection->in.length > REQUEST_MOST) {
        epoll_ctl(peer.epoll, EPOLL_CTL_DEL, connection->socket, NULL);
        connection->gone = true;
        if (!connection->answering)
            connection_free(connection);
        return;
    }
    buffer_append(&connection->in, data, (size_t)length);
    if (!connection->answering)
        connection_take_request(connection);
}

static void answer_what_is_due(void)
{
    struct connection *connection;
    int64_t now = now_us();
    while ((connection = TAILQ_FIRST(&peer.line)) != NULL && connection->due_us <= now) {
        TAILQ_REMOVE(&peer.line, connection, due_order);
        peer.in_flight--;
        connection->answering = false;
        if (connection->gone) {
            connection_free(connection);
            continue;
        }
        connection_flush(connection);
        connection_take_request(connection);
    }
}

static void accept_connections(int listener)
{
    int descriptor, on = 1;
    while ((descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = memory_allocate(sizeof *connection);
        connection->socket = descriptor;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(peer.epoll, EPOLL_CTL_ADD, descriptor, &event);
    }
}

static int listen_on(unsigned port)
{
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        perror("bench_provider: listen");
        exit(1);
    }
    printf("port=%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

static void wait_for_events(int listener)
{
    struct epoll_event events[EVENTS];
    struct timespec left = {0}, *limit = NULL;
    if (!TAILQ_EMPTY(&peer.line)) {
        int64_t left_us = TAILQ_FIRST(&peer.line)->due_us - now_us();
        if (left_us > 0)
            left = (struct timespec){left_us / 1000000, left_us % 1000000 * 1000};
        limit = &left;
    }
    int count = epoll_pwait2(peer.epoll, events, EVENTS, limit, NULL);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            accept_connections(listener);
        else
            connection_readable(events[i].data.ptr);
    }
}

static unsigned option(int count, char **arguments, const char *name, unsigned fallback)
{
    for (int i = 1; i + 1 < count; i++)
        if (strcmp(arguments[i], name) == 0)
            return (unsigned)strtoul(arguments[i + 1], NULL, 10);
    return fallback;
}

int main(int count, char **arguments)
{
    TAILQ_INIT(&peer.line);
    peer.latency_us = (int64_t)option(count, arguments, "--latency-ms", 50) * 1000;
    peer.epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_on(option(count, arguments, "--port", 0));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(peer.epoll, EPOLL_CTL_ADD, listener, &event);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    while (!stopping) {
        wait_for_events(listener);
        answer_what_is_due();
    }
    return 0;
}
