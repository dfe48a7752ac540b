#include "http_fixture.h"

#include <sys/resource.h>

static int set_up(void **state)
{
    *state = fixture_new();
    return 0;
}

#define HOST "Host: bridge.example:80\r\n"

static void send_with_fields(int fd, unsigned fields)
{
    struct buffer request = {0};
    buffer_append_text(&request, "GET / HTTP/1.1\r\n" HOST);
    for (unsigned i = 1; i < fields; i++)
        buffer_append_format(&request, "x-%u: v\r\n", i);
    buffer_append_text(&request, "\r\n");
    client_send(fd, request.data);
    buffer_deinit(&request);
}

static void limits_header_fields(void **state)
{
    const struct {
        unsigned fields;
        int status;
    } cases[] = {{64, 200}, {65, 431}, {100, 431}, {101, 431}, {1000, 431}};
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = client_connect(fixture);
        send_with_fields(fd, cases[i].fields);
        assert_true(client_read(fd, &answer, false));
        assert_int_equal(answer.status, cases[i].status);
        if (cases[i].status == 431)
            assert_refusal(&answer, 431, "headers_too_large");
        close(fd);
    }
    int fd = client_connect(fixture);
    client_expect(fd, "GET /first HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    send_with_fields(fd, 65);
    assert_true(client_read(fd, &answer, false));
    assert_refusal(&answer, 431, "headers_too_large");
    close(fd);
    fixture_free(fixture);
}

static void limits_the_size_of_a_head(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    static char junk[40000];
    memset(junk, 'j', sizeof junk);
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_send(fd, "GET / HTTP/1.1\r\n" HOST "X: ");
    client_send_bytes(fd, junk, sizeof junk);
    assert_true(client_read(fd, &answer, false));
    assert_refusal(&answer, 431, "headers_too_large");
    assert_true(client_is_closed(fd));
    close(fd);
    fixture_free(fixture);
}

static bool send_body(struct fixture *fixture, size_t bytes, bool chunked, struct answer *answer)
{
    static char junk[65536];
    char head[160];
    int fd = client_connect(fixture);
    if (chunked)
        snprintf(head, sizeof head, "POST /b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    else
        snprintf(head, sizeof head, "POST /b HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", bytes);
    client_send(fd, head);
    for (size_t sent = 0; sent < bytes;) {
        size_t piece = bytes - sent < sizeof junk ? bytes - sent : sizeof junk;
        if (chunked) {
            snprintf(head, sizeof head, "%zx\r\n", piece);
            client_send_bytes(fd, head, strlen(head));
        }
        if (!client_send_bytes(fd, junk, piece))
            break;
        client_send_bytes(fd, "\r\n", chunked ? 2 : 0);
        sent += piece;
    }
    client_send_bytes(fd, "0\r\n\r\n", chunked ? 5 : 0);
    bool answered = client_read(fd, answer, true);
    close(fd);
    return answered;
}

/* The answer reaches a client that is still writing, however much it writes. */
static void limits_bodies(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture_start(fixture);
    for (int chunked = 0; chunked <= 1; chunked++) {
        assert_true(send_body(fixture, 1000, chunked, &answer));
        assert_int_equal(answer.status, 200);
        assert_true(send_body(fixture, 65537, chunked, &answer));
        assert_int_equal(answer.status, 413);
        assert_string_equal(answer_header(&answer, "connection"), "keep-alive");
        assert_true(send_body(fixture, 8 << 20, chunked, &answer));
        assert_int_equal(answer.status, 413);
        assert_string_equal(answer_header(&answer, "connection"), "close");
        assert_string_equal(answer_header(&answer, "content-type"), "application/json");
    }
    assert_int_equal(atomic_load(&fixture->handled), 2);
    int fd = client_connect(fixture);
    client_expect(fd, "POST /b HTTP/1.1\r\n" HOST "Content-Length: 100000000\r\n\r\n", 413, &answer);
    assert_refusal(&answer, 413, "body_too_large");
    close(fd);
    fd = client_connect(fixture);
    client_expect(fd, "POST /b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, &answer);
    assert_refusal(&answer, 400, "malformed_request");
    close(fd);
    fixture_free(fixture);
}

static void caps_connections(struct fixture *fixture, int allowed)
{
    struct answer answer;
    int fds[8];
    fixture_start(fixture);
    for (int i = 0; i < allowed; i++) {
        fds[i] = client_connect(fixture);
        client_expect(fds[i], "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    }
    int extra = client_connect(fixture);
    assert_true(client_is_closed(extra));
    close(extra);
    close(fds[0]);
    for (int attempt = 0;; attempt++) { /* the server learns of the close a moment later */
        fds[0] = client_connect(fixture);
        client_send_bytes(fds[0], "GET / HTTP/1.1\r\n" HOST "\r\n", strlen("GET / HTTP/1.1\r\n" HOST "\r\n"));
        if (client_read(fds[0], &answer, false))
            break;
        close(fds[0]);
        assert_true(attempt < 1000);
        sleep_ms(1);
    }
    for (int i = 0; i < allowed; i++)
        close(fds[i]);
    fixture_free(fixture);
}

static void caps_connections_in_all(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.connection_limit = 3;
    caps_connections(fixture, 3);
}

static void caps_connections_of_a_peer(void **state)
{
    struct fixture *fixture = *state;
    fixture->options.connection_limit_peer = 4;
    caps_connections(fixture, 4);
}

/* With no descriptor left the listener pauses, and goes on when there is one. */
static void waits_for_descriptors(void **state)
{
    struct fixture *fixture = *state;
    struct rlimit before, none;
    struct answer answer;
    fixture_start(fixture);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {WAIT_MS / 1000, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(fixture->server)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    client_send(fd, "GET /late HTTP/1.1\r\n" HOST "\r\n");
    sleep_ms(20);
    assert_int_equal(atomic_load(&fixture->handled), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(client_read(fd, &answer, false));
    assert_int_equal(answer.status, 200);
    close(fd);
    fixture_free(fixture);
}

static void sheds_when_memory_is_short(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture->options.resident_limit_bytes = 1;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_expect(fd, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    client_expect(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", 429, &answer);
    assert_refusal(&answer, 429, "overloaded");
    assert_true(atoi(answer_header(&answer, "retry-after")) > 0);
    client_expect(fd, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, &answer);
    close(fd);
    fixture_free(fixture);
}

static void gives_up_on_slow_heads(void **state)
{
    struct fixture *fixture = *state;
    const char *const beginnings[] = {"", "GET / HT", "GET / HTTP/1.1\r\n" HOST, "PRI * HTTP",
                                      "POST / HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nhalf"};
    fixture->options.request_timeout_ms = 150;
    fixture_start(fixture);
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        int fd = client_connect(fixture);
        client_send(fd, beginnings[i]);
        int64_t began_ms = clock_monotonic_ms();
        assert_true(client_is_closed(fd));
        assert_true(clock_monotonic_ms() - began_ms < 2000);
        close(fd);
    }
    fixture_free(fixture);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(limits_header_fields),       TEST(limits_the_size_of_a_head),  TEST(limits_bodies),
        TEST(caps_connections_in_all),    TEST(caps_connections_of_a_peer), TEST(waits_for_descriptors),
        TEST(sheds_when_memory_is_short), TEST(gives_up_on_slow_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
