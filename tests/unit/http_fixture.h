/* A server of host/net/http_server.h under test, and raw clients that can say what no library would let them
 * say. */
#ifndef HTTP_FIXTURE_H
#define HTTP_FIXTURE_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http_server.h"

/* libh2o keeps some freed blocks for each thread, and loses them when the thread ends. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libh2o-evloop\n";
}

#define WAIT_MS 5000

static inline void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* ---- the server ---- */

/* Exchanges that wait for the test: handlers put them here, release_held answers them on their loop. */
struct fixture {
    struct http_server *server;
    struct http_server_options options;
    pthread_mutex_t mutex;
    struct held {
        struct mail mail;
        struct http_exchange *exchange;
        struct mailbox *home;
        struct held *next;
    } * held;
    atomic_uint held_count, handled, loops_started, loops_stopped;
};

static inline void *fixture_loop_start(struct http_loop *loop, unsigned index, void *argument)
{
    struct fixture *fixture = argument;
    (void)index;
    atomic_fetch_add(&fixture->loops_started, 1);
    return loop;
}

static inline void fixture_loop_stop(void *loop_context, void *argument)
{
    struct fixture *fixture = argument;
    assert_non_null(loop_context);
    atomic_fetch_add(&fixture->loops_stopped, 1);
}

static inline void held_deliver(struct mail *mail)
{
    struct held *held = (struct held *)(void *)mail;
    http_exchange_respond(held->exchange, 200, NULL, 0, SLICE_LITERAL("held"));
    free(held);
}

static inline void fixture_hold(struct fixture *fixture, struct http_exchange *exchange,
                                struct http_loop *loop)
{
    struct held *held = calloc(1, sizeof *held);
    held->mail.deliver = held_deliver;
    held->exchange = exchange;
    held->home = http_loop_mailbox(loop);
    pthread_mutex_lock(&fixture->mutex);
    held->next = fixture->held;
    fixture->held = held;
    pthread_mutex_unlock(&fixture->mutex);
    atomic_fetch_add(&fixture->held_count, 1);
}

static inline void fixture_release(struct fixture *fixture)
{
    pthread_mutex_lock(&fixture->mutex);
    struct held *held = fixture->held;
    fixture->held = NULL;
    pthread_mutex_unlock(&fixture->mutex);
    while (held != NULL) {
        struct held *next = held->next;
        atomic_fetch_sub(&fixture->held_count, 1);
        mailbox_post(held->home, &held->mail);
        held = next;
    }
}

static inline void *post_later(void *argument)
{
    struct held *held = argument;
    sleep_ms(1);
    mailbox_post(held->home, &held->mail);
    return NULL;
}

static inline void answer_from_thread(struct http_exchange *exchange, struct http_loop *loop)
{
    struct held *held = calloc(1, sizeof *held);
    held->mail.deliver = held_deliver;
    held->exchange = exchange;
    held->home = http_loop_mailbox(loop);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_later, held), 0);
    pthread_detach(thread);
}

static inline void echo(struct http_exchange *exchange)
{
    struct slice parts[] = {http_exchange_method(exchange),
                            http_exchange_path(exchange),
                            http_exchange_query(exchange),
                            http_exchange_scheme(exchange),
                            http_exchange_authority(exchange),
                            http_exchange_peer(exchange),
                            http_exchange_header(exchange, "x-mark"),
                            http_exchange_body(exchange)};
    struct buffer text = {0};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buffer_append(&text, i > 0 ? "|" : "", i > 0);
        buffer_append(&text, parts[i].data, parts[i].length);
    }
    http_exchange_respond(exchange, 200, NULL, 0, (struct slice){text.data, text.length});
    buffer_deinit(&text);
}

static inline void answer_oddly(struct http_exchange *exchange)
{
    const struct http_header headers[] = {
        {SLICE_LITERAL("X-Good"), SLICE_LITERAL("yes")},
        {SLICE_LITERAL("x-split"), SLICE_LITERAL("a\r\nx-injected: b")},
        {SLICE_LITERAL("bad name"), SLICE_LITERAL("c")},
        {SLICE_LITERAL("Content-Length"), SLICE_LITERAL("999")},
        {SLICE_LITERAL("x-empty"), {NULL, 0}},
    };
    http_exchange_respond(exchange, 201, headers, sizeof headers / sizeof headers[0], SLICE_LITERAL("odd"));
}

static inline void fixture_handle(struct http_exchange *exchange, void *loop_context, void *argument)
{
    struct fixture *fixture = argument;
    struct slice path = http_exchange_path(exchange);
    atomic_fetch_add(&fixture->handled, 1);
    if (slice_equal(path, SLICE_LITERAL("/hold")))
        fixture_hold(fixture, exchange, loop_context);
    else if (slice_equal(path, SLICE_LITERAL("/thread")))
        answer_from_thread(exchange, loop_context);
    else if (slice_equal(path, SLICE_LITERAL("/refuse")))
        http_exchange_refuse(exchange, 429, "busy", "Come \"back\" later.", 7);
    else if (slice_equal(path, SLICE_LITERAL("/none")))
        http_exchange_respond(exchange, 204, NULL, 0, (struct slice){NULL, 0});
    else if (slice_equal(path, SLICE_LITERAL("/odd")))
        answer_oddly(exchange);
    else if (slice_equal(path, SLICE_LITERAL("/nonsense")))
        http_exchange_respond(exchange, 42, NULL, 0, (struct slice){NULL, 0});
    else if (slice_equal(path, SLICE_LITERAL("/lose")))
        http_exchange_respond(exchange, 0, NULL, 0, (struct slice){NULL, 0});
    else
        echo(exchange);
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    pthread_mutex_init(&fixture->mutex, NULL);
    fixture->options = (struct http_server_options){.listen = "127.0.0.1:0",
                                                    .workers = 1,
                                                    .http2 = true,
                                                    .body_limit_bytes = 65536,
                                                    .header_limit = 64,
                                                    .connection_limit = 100,
                                                    .connection_limit_peer = 100,
                                                    .request_timeout_ms = 10000,
                                                    .loop_start = fixture_loop_start,
                                                    .loop_stop = fixture_loop_stop,
                                                    .handle = fixture_handle,
                                                    .argument = fixture};
    return fixture;
}

static inline void fixture_start(struct fixture *fixture)
{
    struct error error = {0};
    log_set_level(LOG_ERROR + 1);
    fixture->server = http_server_start(&fixture->options, &error);
    if (fixture->server == NULL)
        fail_msg("%s", error.message);
}

static inline void fixture_free(struct fixture *fixture)
{
    fixture_release(fixture);
    http_server_drain(fixture->server, 500);
    http_server_free(fixture->server);
    assert_int_equal(atomic_load(&fixture->loops_started), atomic_load(&fixture->loops_stopped));
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
}

static inline void wait_count(atomic_uint *count, unsigned wanted)
{
    for (int i = 0; i < WAIT_MS && atomic_load(count) != wanted; i++)
        sleep_ms(1);
    assert_int_equal(atomic_load(count), wanted);
}

/* ---- a raw client ---- */

static inline int client_connect_port(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {WAIT_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline int client_connect(struct fixture *fixture)
{
    return client_connect_port(http_server_port(fixture->server));
}

/* Sends what the server takes; false when it stopped taking. */
static inline bool client_send_bytes(int fd, const void *data, size_t length)
{
    for (const char *at = data; length > 0;) {
        ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += sent;
        length -= (size_t)sent;
    }
    return true;
}

static inline void client_send(int fd, const char *text)
{
    assert_true(client_send_bytes(fd, text, strlen(text)));
}

struct answer {
    int status;
    char head[4096];
    char body[8192];
    size_t body_length;
};

/* The value of a header field, or "". */
static inline const char *answer_header(const struct answer *answer, const char *name)
{
    static char value[512];
    size_t length = strlen(name);
    value[0] = '\0';
    for (const char *line = strstr(answer->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *end = strstr(line, "\r\n");
            snprintf(value, sizeof value, "%.*s", (int)(end - line - (long)length - 2), line + length + 2);
            break;
        }
    }
    return value;
}

/* Reads one answer; of the body as many bytes as content-length says, unless `bodiless`. False when the
 * connection ended. */
static inline bool client_read(int fd, struct answer *answer, bool bodiless)
{
    size_t length = 0;
    memset(answer, 0, sizeof *answer);
    while (strstr(answer->head, "\r\n\r\n") == NULL) {
        if (length + 1 == sizeof answer->head || recv(fd, answer->head + length, 1, 0) != 1)
            return false;
        length++;
    }
    assert_int_equal(strncmp(answer->head, "HTTP/1.1 ", 9), 0);
    answer->status = atoi(answer->head + 9);
    size_t expected = bodiless ? 0 : (size_t)atol(answer_header(answer, "content-length"));
    assert_true(expected < sizeof answer->body);
    while (answer->body_length < expected) {
        ssize_t got = recv(fd, answer->body + answer->body_length, expected - answer->body_length, 0);
        if (got <= 0)
            return false;
        answer->body_length += (size_t)got;
    }
    return true;
}

static inline void client_expect(int fd, const char *request, int status, struct answer *answer)
{
    client_send(fd, request);
    assert_true(client_read(fd, answer, false));
    if (answer->status != status)
        fail_msg("status %d, not %d: %s", answer->status, status, answer->body);
}

/* True when the server closes the connection; what it sends before is dropped. */
static inline bool client_is_closed(int fd)
{
    char drop[4096];
    ssize_t got;
    while ((got = recv(fd, drop, sizeof drop, 0)) > 0)
        continue;
    return got == 0 || errno == ECONNRESET;
}

static inline void assert_refusal(const struct answer *answer, int status, const char *code)
{
    char start[64];
    snprintf(start, sizeof start, "{\"error\":{\"code\":\"%s\",\"message\":\"", code);
    if (answer->status != status || strncmp(answer->body, start, strlen(start)) != 0)
        fail_msg("not a refusal %d %s: %d %s", status, code, answer->status, answer->body);
    const char *id = strstr(answer->body, "\"request_id\":\"");
    assert_non_null(id);
    assert_int_equal(strncmp(id + 14, answer_header(answer, "x-request-id"), 16), 0);
    assert_string_equal(id + 14 + 16, "\"}}");
    assert_string_equal(answer_header(answer, "content-type"), "application/json");
}

#endif
