#include "http_fixture.h"

static int set_up(void **state)
{
    *state = fixture_new();
    return 0;
}

#define HOST "Host: bridge.example:80\r\n"

static void answers_on_one_connection(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char first_id[32];
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_expect(
        fd, "GET /a/b%20c?d=e&f HTTP/1.1\r\n" HOST "X-Mark: yes\r\nX-Request-Id: chosen-by-client\r\n\r\n",
        200, &answer);
    assert_string_equal(answer.body, "GET|/a/b%20c|d=e&f|http|bridge.example:80|127.0.0.1|yes|");
    snprintf(first_id, sizeof first_id, "%s", answer_header(&answer, "x-request-id"));
    assert_int_equal(strspn(first_id, "0123456789abcdef"), 16);
    assert_int_equal(strlen(first_id), 16);
    assert_string_not_equal(answer_header(&answer, "date"), "");
    assert_string_equal(answer_header(&answer, "server"), "");
    client_expect(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 200, &answer);
    assert_string_equal(answer.body, "POST|/||http|bridge.example:80|127.0.0.1||hello");
    assert_string_not_equal(answer_header(&answer, "x-request-id"), first_id);
    client_expect(
        fd, "PUT /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n2\r\n!!\r\n0\r\n\r\n",
        200, &answer);
    assert_string_equal(answer.body, "PUT|/c||http|bridge.example:80|127.0.0.1||hello!!");
    client_send(fd, "HEAD /a HTTP/1.1\r\n" HOST "\r\n");
    assert_true(client_read(fd, &answer, true));
    assert_int_equal(answer.status, 200);
    assert_int_equal(atoi(answer_header(&answer, "content-length")),
                     strlen("HEAD|/a||http|bridge.example:80|127.0.0.1||"));
    client_send(fd, "GET /none HTTP/1.1\r\n" HOST "\r\n");
    assert_true(client_read(fd, &answer, true));
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_header(&answer, "content-length"), "");
    client_expect(fd, "\r\nGET /last HTTP/1.0\r\n\r\n", 200, &answer);
    assert_string_equal(answer.body, "GET|/last||http||127.0.0.1||");
    assert_true(client_is_closed(fd));
    close(fd);
    fixture_free(fixture);
}

static void answers_in_order_when_pipelined(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    char wanted[64];
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_send(fd, "GET /0 HTTP/1.1\r\n" HOST "\r\nGET /1 HTTP/1.1\r\n" HOST "\r\nGET /2 HTTP/1.1\r\n" HOST
                    "\r\n");
    for (int i = 0; i < 3; i++) {
        assert_true(client_read(fd, &answer, false));
        snprintf(wanted, sizeof wanted, "GET|/%d||", i);
        assert_int_equal(strncmp(answer.body, wanted, strlen(wanted)), 0);
    }
    close(fd);
    fixture_free(fixture);
}

static void answers_a_request_that_comes_byte_by_byte(void **state)
{
    struct fixture *fixture = *state;
    const char *request = "POST /slow HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc";
    struct answer answer;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    for (const char *at = request; *at != '\0'; at++)
        assert_true(client_send_bytes(fd, at, 1));
    assert_true(client_read(fd, &answer, false));
    assert_string_equal(answer.body, "POST|/slow||http|bridge.example:80|127.0.0.1||abc");
    close(fd);
    fixture_free(fixture);
}

static void takes_answers_from_other_threads(void **state)
{
    enum { CLIENTS = 20, ROUNDS = 10 };
    struct fixture *fixture = *state;
    struct answer answer;
    int fds[CLIENTS];
    fixture->options.workers = 2;
    fixture_start(fixture);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = client_connect(fixture);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            client_send(fds[i], "GET /thread HTTP/1.1\r\n" HOST "\r\n");
        for (int i = 0; i < CLIENTS; i++) {
            assert_true(client_read(fds[i], &answer, false));
            assert_string_equal(answer.body, "held");
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    assert_int_equal(atomic_load(&fixture->handled), CLIENTS * ROUNDS);
    fixture_free(fixture);
}

static void survives_clients_that_leave_before_the_answer(void **state)
{
    struct fixture *fixture = *state;
    struct linger reset = {1, 0};
    struct answer answer;
    fixture_start(fixture);
    for (unsigned i = 0; i < 10; i++) {
        int fd = client_connect(fixture);
        client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
        wait_count(&fixture->held_count, i + 1);
        if (i % 2 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    fixture_release(fixture);
    int fd = client_connect(fixture);
    client_expect(fd, "GET /after HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    close(fd);
    fixture_free(fixture);
}

static void refuses_in_one_shape(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_expect(fd, "GET /refuse HTTP/1.1\r\n" HOST "\r\n", 429, &answer);
    assert_refusal(&answer, 429, "busy");
    assert_non_null(strstr(answer.body, "\"message\":\"Come \\\"back\\\" later.\""));
    assert_string_equal(answer_header(&answer, "retry-after"), "7");
    client_expect(fd, "GET /nonsense HTTP/1.1\r\n" HOST "\r\n", 500, &answer);
    assert_refusal(&answer, 500, "internal_error");
    close(fd);
    fixture_free(fixture);
}

static void sends_no_header_that_http_forbids(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_expect(fd, "GET /odd HTTP/1.1\r\n" HOST "\r\n", 201, &answer);
    assert_string_equal(answer.body, "odd");
    assert_string_equal(answer_header(&answer, "x-good"), "yes");
    assert_string_equal(answer_header(&answer, "content-length"), "3");
    assert_non_null(strstr(answer.head, "x-empty:"));
    assert_null(strstr(answer.head, "injected"));
    assert_null(strstr(answer.head, "bad name"));
    assert_null(strcasestr(answer.head, "length: 999"));
    close(fd);
    fixture_free(fixture);
}

static void loses_an_answer_when_told_to(void **state)
{
    struct fixture *fixture = *state;
    char byte;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_send(fd, "GET /lose HTTP/1.1\r\n" HOST "\r\n");
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    fixture_free(fixture);
}

/* ---- framing ---- */

static const char *const framing_faults[] = {
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 50\r\nContent-Length: 5\r\n\r\nhello",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 5,5\r\n\r\nhello",
    "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "X-Folded: a\r\n b\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "X-Folded: a\r\n\tContent-Length: 5\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST "X: a\x01"
    "b\r\n\r\n",
    "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n",
    "GET / HTTP/1.1\n" HOST "\n",
    "GET / HTTP/1.1\r\nHost: a\n\r\n",
    "GET /a b HTTP/1.1\r\n" HOST "\r\n",
    "GET / HTTP/1.1 \r\n" HOST "\r\n",
    "GET / HTTP/2.0\r\n" HOST "\r\n",
    "GET  / HTTP/1.1\r\n" HOST "\r\n",
    "GET http://a/ HTTP/1.1\r\n" HOST "\r\n",
    "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
    "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n",
    "GET /#fragment HTTP/1.1\r\n" HOST "\r\n",
    "G@T / HTTP/1.1\r\n" HOST "\r\n",
    "GET /\xC3\xA9 HTTP/1.1\r\n" HOST "\r\n",
    "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n",
    "PRI * HTTP/2.0\r\n" HOST "\r\n",
};

static void refuses_bad_framing_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    for (size_t i = 0; i < sizeof framing_faults / sizeof framing_faults[0]; i++) {
        int fd = client_connect(fixture);
        client_expect(fd, framing_faults[i], 400, &answer);
        assert_refusal(&answer, 400, "malformed_request");
        assert_string_equal(answer_header(&answer, "connection"), "close");
        assert_true(client_is_closed(fd));
        close(fd);
    }
    assert_int_equal(atomic_load(&fixture->handled), 0);
    fixture_free(fixture);
}

/* The second request of a connection has passed libh2o's parser before it is judged. Where that waits for
 * more of a body (it believes the first Content-Length), or answers itself, the connection ends all the same.
 */
static void refuses_bad_framing_later_too(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture->options.request_timeout_ms = 300;
    fixture_start(fixture);
    for (size_t i = 0; i < sizeof framing_faults / sizeof framing_faults[0]; i++) {
        int fd = client_connect(fixture);
        client_expect(fd, "GET /first HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
        client_send(fd, framing_faults[i]);
        if (client_read(fd, &answer, false))
            assert_int_equal(answer.status, 400);
        assert_true(client_is_closed(fd));
        close(fd);
        assert_int_equal(atomic_load(&fixture->handled), i + 1);
    }
    fixture_free(fixture);
}

static void judges_the_second_head_itself(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    const char *const faults[] = {
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\n" HOST "X-Folded: a\r\n b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"};
    fixture_start(fixture);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        int fd = client_connect(fixture);
        client_expect(fd, "GET /first HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
        client_expect(fd, faults[i], 400, &answer);
        assert_refusal(&answer, 400, "malformed_request");
        assert_true(client_is_closed(fd));
        close(fd);
    }
    fixture_free(fixture);
}

/* ---- start and end ---- */

static void starts_where_it_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    char address[64];
    fixture->options.workers = 3;
    fixture_start(fixture);
    uint16_t port = http_server_port(fixture->server);
    assert_true(port > 0);
    assert_int_equal(http_server_port_tls(fixture->server), 0);
    wait_count(&fixture->loops_started, 3);

    struct http_server_options second = fixture->options;
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    second.listen = address;
    assert_null(http_server_start(&second, &error));
    assert_non_null(strstr(error.message, address));
    second.listen = "127.0.0.1";
    assert_null(http_server_start(&second, &error));
    assert_non_null(strstr(error.message, "HOST:PORT"));
    second.listen = "no.such.host.invalid:80";
    assert_null(http_server_start(&second, &error));
    assert_non_null(strstr(error.message, "no.such.host.invalid"));
    second.listen = NULL;
    second.listen_tls = "127.0.0.1:0";
    second.tls_certificate = "/nonexistent/certificate.pem";
    second.tls_key = "/nonexistent/key.pem";
    assert_null(http_server_start(&second, &error));
    assert_non_null(strstr(error.message, "/nonexistent/certificate.pem"));
    fixture_free(fixture);
}

static void drains(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture->options.workers = 2;
    fixture_start(fixture);
    int idle = client_connect(fixture), fresh = client_connect(fixture), busy = client_connect(fixture);
    client_expect(idle, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    client_send(busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_count(&fixture->held_count, 1);
    http_server_drain(fixture->server, 50);
    assert_true(client_is_closed(idle));
    assert_true(client_is_closed(fresh));
    fixture_release(fixture);
    assert_true(client_read(busy, &answer, false));
    assert_string_equal(answer.body, "held");
    assert_string_equal(answer_header(&answer, "connection"), "close");
    int64_t began_ms = clock_monotonic_ms();
    http_server_drain(fixture->server, 5000);
    assert_true(clock_monotonic_ms() - began_ms < 2000);
    close(idle), close(fresh), close(busy);
    fixture_free(fixture);
}

/* A handler that forgot its exchange: the deadline passes, and the client hears of it. */
static void ends_with_unanswered_exchanges(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    wait_count(&fixture->held_count, 1);
    int64_t began_ms = clock_monotonic_ms();
    http_server_drain(fixture->server, 100);
    assert_in_range(clock_monotonic_ms() - began_ms, 95, 2000);
    http_server_free(fixture->server);
    assert_true(client_read(fd, &answer, false));
    assert_refusal(&answer, 429, "shutting_down");
    close(fd);
    http_exchange_respond(fixture->held->exchange, 200, NULL, 0,
                          (struct slice){NULL, 0}); /* late, and harmless */
    free(fixture->held);
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
}

static void ends_without_a_drain(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    int idle = client_connect(fixture), half = client_connect(fixture);
    client_expect(idle, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    client_send(half, "GET / HTTP/1.1\r\nHo");
    http_server_free(fixture->server);
    assert_true(client_is_closed(idle));
    assert_true(client_is_closed(half));
    close(idle), close(half);
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_on_one_connection),
        TEST(answers_in_order_when_pipelined),
        TEST(answers_a_request_that_comes_byte_by_byte),
        TEST(takes_answers_from_other_threads),
        TEST(survives_clients_that_leave_before_the_answer),
        TEST(refuses_in_one_shape),
        TEST(sends_no_header_that_http_forbids),
        TEST(loses_an_answer_when_told_to),
        TEST(refuses_bad_framing_at_once),
        TEST(refuses_bad_framing_later_too),
        TEST(judges_the_second_head_itself),
        TEST(starts_where_it_is_told),
        TEST(drains),
        TEST(ends_with_unanswered_exchanges),
        TEST(ends_without_a_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
