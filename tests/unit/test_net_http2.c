#include "http_fixture.h"

#include "net/http2_guard.h"

/* RFC 9113, 6 */
enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8 };

static int set_up(void **state)
{
    *state = fixture_new();
    return 0;
}

static void put_frame(struct buffer *out, int type, int flags, uint32_t stream, const void *payload,
                      size_t length)
{
    const unsigned char head[9] = {
        (unsigned char)(length >> 16), (unsigned char)(length >> 8), (unsigned char)length,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream};
    buffer_append(out, head, sizeof head);
    buffer_append(out, payload, length);
}

static void put_preface(struct buffer *out)
{
    buffer_append_text(out, HTTP2_GUARD_PREFACE);
    put_frame(out, SETTINGS, 0, 0, NULL, 0);
}

/* :method, :scheme http, :path and :authority "a" as indexed and literal fields (RFC 7541, appendix A). */
static void put_block(struct buffer *out, bool post, const char *path, unsigned fields)
{
    char length = (char)strlen(path);
    buffer_append(out, post ? "\x83\x86\x04" : "\x82\x86\x04", 3);
    buffer_append(out, &length, 1);
    buffer_append_text(out, path);
    buffer_append(out, "\x01\x01\x61", 3);
    for (unsigned i = 0; i < fields; i++)
        buffer_append(out, "\x90", 1); /* accept-encoding: gzip, deflate */
}

static void put_request(struct buffer *out, uint32_t stream, int flags, bool post, const char *path,
                        unsigned fields)
{
    struct buffer block = {0};
    put_block(&block, post, path, fields);
    put_frame(out, HEADERS, flags, stream, block.data, block.length);
    buffer_deinit(&block);
}

/* What came on the connection so far, by stream: frames of several streams come in any order. */
static struct {
    bool goaway;
    struct stream {
        int status;
        bool ended;
        char body[512]; /* the beginning */
        size_t length;
    } streams[128];
} seen;

static int open_http2(struct fixture *fixture)
{
    memset(&seen, 0, sizeof seen);
    struct buffer out = {0};
    int fd = client_connect(fixture);
    put_preface(&out);
    assert_true(client_send_bytes(fd, out.data, out.length));
    buffer_deinit(&out);
    return fd;
}

struct frame {
    int type, flags;
    uint32_t stream;
    size_t length;
    char payload[16384];
};

static bool read_all(int fd, void *out, size_t length)
{
    for (char *at = out; length > 0;) {
        ssize_t got = recv(fd, at, length, 0);
        if (got <= 0)
            return false;
        at += got;
        length -= (size_t)got;
    }
    return true;
}

static bool read_frame(int fd, struct frame *frame)
{
    unsigned char head[9];
    memset(frame, 0, sizeof *frame);
    if (!read_all(fd, head, sizeof head))
        return false;
    frame->length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    frame->stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    assert_true(frame->length < sizeof frame->payload);
    return read_all(fd, frame->payload, frame->length);
}

/* The status of a response's header block: libh2o sends the usual ones as one byte, others as a literal of
 * three digits. */
static int status_of(const struct frame *headers)
{
    static const struct {
        unsigned char index;
        int status;
    } indexed[] = {{0x88, 200}, {0x89, 204}, {0x8C, 400}, {0x8D, 404}, {0x8E, 500}};
    for (size_t i = 0; i < sizeof indexed / sizeof indexed[0]; i++) {
        if ((unsigned char)headers->payload[0] == indexed[i].index)
            return indexed[i].status;
    }
    return atoi(headers->payload + 2);
}

/* Reads one frame and notes it. False when the connection ended. */
static bool note_frame(int fd)
{
    struct frame frame;
    if (!read_frame(fd, &frame))
        return false;
    struct stream *stream = &seen.streams[frame.stream / 2 % 128];
    seen.goaway |= frame.type == GOAWAY;
    if (frame.type == HEADERS)
        stream->status = status_of(&frame);
    if (frame.type == DATA && stream->length + frame.length < sizeof stream->body) {
        memcpy(stream->body + stream->length, frame.payload, frame.length);
        stream->length += frame.length;
    }
    if (frame.type == DATA || frame.type == HEADERS)
        stream->ended = frame.flags & END_STREAM;
    return true;
}

static const char *expect_answer(int fd, uint32_t id, int status)
{
    struct stream *stream = &seen.streams[id / 2 % 128];
    while (!stream->ended)
        assert_true(note_frame(fd));
    assert_int_equal(stream->status, status);
    return stream->body;
}

static void send_request(int fd, uint32_t stream, int flags, bool post, const char *path, unsigned fields)
{
    struct buffer out = {0};
    put_request(&out, stream, flags, post, path, fields);
    assert_true(client_send_bytes(fd, out.data, out.length));
    buffer_deinit(&out);
}

static void send_frame(int fd, int type, int flags, uint32_t stream, const void *payload, size_t length)
{
    struct buffer out = {0};
    put_frame(&out, type, flags, stream, payload, length);
    assert_true(client_send_bytes(fd, out.data, out.length));
    buffer_deinit(&out);
}

static void answers_with_prior_knowledge(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS | END_STREAM, false, "/x?y", 0);
    assert_string_equal(expect_answer(fd, 1, 200), "GET|/x|y|http|a|127.0.0.1||");
    send_request(fd, 3, END_HEADERS, true, "/post", 1);
    send_frame(fd, DATA, 0, 3, "he", 2);
    send_frame(fd, DATA, END_STREAM | PADDED, 3, "\x02llo..", 6);
    assert_string_equal(expect_answer(fd, 3, 200), "POST|/post||http|a|127.0.0.1||hello");
    send_request(fd, 5, END_HEADERS | END_STREAM, false, "/thread", 0);
    send_request(fd, 7, END_HEADERS | END_STREAM, false, "/refuse", 0);
    expect_answer(fd, 7, 429);
    assert_string_equal(expect_answer(fd, 5, 200), "held");
    close(fd);
    fixture_free(fixture);
}

static void answers_after_an_upgrade(void **state)
{
    struct fixture *fixture = *state;
    struct buffer out = {0};
    char head[512] = "";
    memset(&seen, 0, sizeof seen);
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_send(fd, "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                    "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n");
    for (size_t length = 0; strstr(head, "\r\n\r\n") == NULL; length++)
        assert_true(length < sizeof head - 1 && recv(fd, head + length, 1, 0) == 1);
    assert_int_equal(strncmp(head, "HTTP/1.1 101 ", 13), 0);
    put_preface(&out);
    assert_true(client_send_bytes(fd, out.data, out.length));
    assert_string_equal(expect_answer(fd, 1, 200), "GET|/up||http|a|127.0.0.1||");
    send_request(fd, 3, END_HEADERS | END_STREAM, false, "/next", 0);
    assert_string_equal(expect_answer(fd, 3, 200), "GET|/next||http|a|127.0.0.1||");
    send_request(fd, 5, END_STREAM, false, "/", 0); /* the guard stands here too */
    assert_true(client_is_closed(fd));
    buffer_deinit(&out);
    close(fd);
    fixture_free(fixture);
}

/* An upgrade is an HTTP/1.1 request like any other: it is judged first, and nothing may hide behind it. */
static void does_not_upgrade_what_is_disputed(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    const char *upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    char request[512];
    fixture_start(fixture);
    snprintf(
        request, sizeof request,
        "POST /a HTTP/1.1\r\nHost: a\r\n%sContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        upgrade);
    int fd = client_connect(fixture);
    client_expect(fd, request, 400, &answer);
    assert_true(client_is_closed(fd));
    close(fd);
    snprintf(request, sizeof request, "GET /a HTTP/1.1\r\nHost: a\r\n%s\r\n" HTTP2_GUARD_PREFACE, upgrade);
    fd = client_connect(fixture);
    client_expect(fd, request, 200, &answer);
    close(fd);
    fixture_free(fixture);
}

static void can_be_switched_off(void **state)
{
    struct fixture *fixture = *state;
    struct answer answer;
    fixture->options.http2 = false;
    fixture_start(fixture);
    int fd = client_connect(fixture);
    client_expect(fd, HTTP2_GUARD_PREFACE, 400, &answer);
    close(fd);
    fd = client_connect(fixture);
    client_expect(fd, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n", 200, &answer);
    client_send(fd, HTTP2_GUARD_PREFACE);
    assert_true(client_read(fd, &answer, false));
    assert_int_equal(answer.status, 400);
    close(fd);
    fixture_free(fixture);
}

static void survives_streams_that_are_reset(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (uint32_t stream = 1; stream < 41; stream += 2) {
        send_request(fd, stream, END_HEADERS | END_STREAM, false, "/hold", 0);
        if (stream % 4 == 1)
            send_frame(fd, RST_STREAM, 0, stream, "\0\0\0\x08", 4);
    }
    wait_count(&fixture->held_count, 20);
    fixture_release(fixture);
    expect_answer(fd, 3, 200);
    expect_answer(fd, 39, 200);
    send_request(fd, 41, END_HEADERS | END_STREAM, false, "/after", 0);
    expect_answer(fd, 41, 200);
    close(fd);
    fixture_free(fixture);
}

static void runs_some_requests_at_once_and_the_rest_later(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (uint32_t i = 0; i < 100; i++)
        send_request(fd, 1 + 2 * i, END_HEADERS | END_STREAM, false, "/hold", 0);
    wait_count(&fixture->held_count, 32);
    sleep_ms(20);
    assert_int_equal(atomic_load(&fixture->handled), 32);
    for (int rounds = 0; atomic_load(&fixture->handled) < 100 && rounds < WAIT_MS; rounds++) {
        fixture_release(fixture);
        sleep_ms(1);
    }
    fixture_release(fixture);
    expect_answer(fd, 199, 200);
    close(fd);
    fixture_free(fixture);
}

/* ---- limits ---- */

static void limits_header_fields(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS | END_STREAM, false, "/", 64);
    expect_answer(fd, 1, 200);
    send_request(fd, 3, END_HEADERS | END_STREAM, false, "/", 65);
    assert_non_null(strstr(expect_answer(fd, 3, 431), "\"code\":\"headers_too_large\""));
    send_request(fd, 5, END_HEADERS | END_STREAM, false, "/", HTTP2_GUARD_FIELDS - 3);
    assert_true(client_is_closed(fd));
    close(fd);
    fixture_free(fixture);
}

static void judges_what_hpack_carries(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS | END_STREAM, false, "no-path", 0);
    expect_answer(fd, 1, 400);
    send_request(fd, 3, END_HEADERS | END_STREAM, false, "/a b", 0);
    assert_non_null(strstr(expect_answer(fd, 3, 400), "\"code\":\"malformed_request\""));
    /* a value with a line break: libh2o answers this one */
    send_frame(fd, HEADERS, END_HEADERS | END_STREAM, 5,
               "\x82\x86\x84\x01\x01\x61\x00\x01\x78\x03"
               "a\nb",
               13);
    assert_non_null(strstr(expect_answer(fd, 5, 400), "\"code\":\"malformed_request\""));
    assert_int_equal(atomic_load(&fixture->handled), 0);
    close(fd);
    fixture_free(fixture);
}

static void limits_bodies(void **state)
{
    static const char junk[16000];
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS, true, "/", 0);
    for (int i = 0; i < 5; i++)
        send_frame(fd, DATA, i == 4 ? END_STREAM : 0, 1, junk, sizeof junk);
    assert_non_null(strstr(expect_answer(fd, 1, 413), "\"code\":\"body_too_large\""));
    for (uint32_t round = 0; round < 40; round++) { /* whole bodies do not add up */
        send_request(fd, 3 + 2 * round, END_HEADERS, true, "/none", 0);
        for (int i = 0; i < 4; i++)
            send_frame(fd, DATA, i == 3 ? END_STREAM : 0, 3 + 2 * round, junk, sizeof junk);
    }
    send_request(fd, 101, END_HEADERS | END_STREAM, false, "/", 0);
    expect_answer(fd, 101, 200);
    close(fd);
    fixture_free(fixture);
}

/* Sends until the server has had enough; fails when it never has. */
static void expect_condemned(struct fixture *fixture, int fd, struct buffer *attack)
{
    client_send_bytes(fd, attack->data, attack->length);
    assert_true(client_is_closed(fd));
    close(fd);
    buffer_deinit(attack);
    fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS | END_STREAM, false, "/after", 0);
    expect_answer(fd, 1, 200);
    close(fd);
    fixture_free(fixture);
}

static void ends_rapid_reset(void **state)
{
    struct fixture *fixture = *state;
    struct buffer attack = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (uint32_t stream = 1; stream < 200000; stream += 2) {
        put_request(&attack, stream, END_HEADERS | END_STREAM, false, "/", 0);
        put_frame(&attack, RST_STREAM, 0, stream, "\0\0\0\x08", 4);
    }
    expect_condemned(fixture, fd, &attack);
}

/* The same without RST_STREAM: the client breaks its own streams, and the server resets them. */
static void ends_resets_that_the_server_is_made_to_send(void **state)
{
    struct fixture *fixture = *state;
    struct buffer attack = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (uint32_t stream = 1; stream < 2000; stream += 2) {
        put_request(&attack, stream, END_HEADERS | END_STREAM, false, "/hold", 0);
        put_frame(&attack, WINDOW_UPDATE, 0, stream, "\x7f\xff\xff\xff", 4);
    }
    client_send_bytes(fd, attack.data, attack.length);
    assert_true(client_is_closed(fd));
    assert_true(atomic_load(&fixture->handled) <= HTTP2_GUARD_BUDGET + 32);
    close(fd);
    buffer_deinit(&attack);
    fixture_free(fixture);
}

static void ends_header_blocks_that_unfold(void **state)
{
    struct fixture *fixture = *state;
    struct buffer attack = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (uint32_t stream = 1; stream < 200; stream += 2)
        put_request(&attack, stream, END_HEADERS, false, "/", 16000);
    expect_condemned(fixture, fd, &attack);
}

static void ends_continuation(void **state)
{
    struct fixture *fixture = *state;
    struct buffer attack = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    put_request(&attack, 1, 0, false, "/", 0);
    for (int i = 0; i < 1000; i++)
        put_frame(&attack, CONTINUATION, 0, 1, "\x90", 1);
    expect_condemned(fixture, fd, &attack);
}

static void ends_floods(void **state)
{
    struct fixture *fixture = *state;
    struct buffer attack = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (int i = 0; i < 1000; i++) {
        put_frame(&attack, PING, 0, 0, "12345678", 8);
        put_frame(&attack, SETTINGS, 0, 0, NULL, 0);
        put_frame(&attack, 0x20, 0, 0, "unknown", 7);
    }
    expect_condemned(fixture, fd, &attack);
}

static void ends_uploads_that_never_end(void **state)
{
    static const char junk[16000];
    struct fixture *fixture = *state;
    struct buffer attack = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    for (uint32_t stream = 1; stream < 200; stream += 2) {
        put_request(&attack, stream, END_HEADERS, true, "/", 0);
        for (int i = 0; i < 15; i++)
            put_frame(&attack, DATA, 0, stream, junk, sizeof junk);
    }
    expect_condemned(fixture, fd, &attack);
}

static void passes_over_frames_it_does_not_know(void **state)
{
    struct fixture *fixture = *state;
    struct buffer out = {0};
    fixture_start(fixture);
    int fd = open_http2(fixture);
    put_frame(&out, 0x10, 0, 0, "\0\0\0\x01u=3", 7); /* PRIORITY_UPDATE, RFC 9218 */
    put_request(&out, 1, END_HEADERS | END_STREAM, false, "/a", 0);
    put_frame(&out, 0xFA, 0, 0, "grease", 6);
    put_request(&out, 3, END_HEADERS | END_STREAM, false, "/b", 0);
    for (size_t i = 0; i < out.length; i++) /* in every portion */
        assert_true(client_send_bytes(fd, out.data + i, 1));
    expect_answer(fd, 1, 200);
    expect_answer(fd, 3, 200);
    buffer_deinit(&out);
    close(fd);
    fixture_free(fixture);
}

static void drains(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS | END_STREAM, false, "/hold", 0);
    wait_count(&fixture->held_count, 1);
    http_server_drain(fixture->server, 10);
    while (!seen.goaway)
        assert_true(note_frame(fd));
    fixture_release(fixture);
    expect_answer(fd, 1, 200);
    http_server_drain(fixture->server, WAIT_MS);
    assert_true(client_is_closed(fd));
    close(fd);
    fixture_free(fixture);
}

static void ends_with_unanswered_exchanges(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = open_http2(fixture);
    send_request(fd, 1, END_HEADERS | END_STREAM, false, "/hold", 0);
    wait_count(&fixture->held_count, 1);
    http_server_drain(fixture->server, 10);
    http_server_free(fixture->server);
    expect_answer(fd, 1, 429);
    assert_true(client_is_closed(fd));
    close(fd);
    http_exchange_respond(fixture->held->exchange, 200, NULL, 0, (struct slice){NULL, 0});
    free(fixture->held);
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_with_prior_knowledge),
        TEST(answers_after_an_upgrade),
        TEST(does_not_upgrade_what_is_disputed),
        TEST(can_be_switched_off),
        TEST(survives_streams_that_are_reset),
        TEST(runs_some_requests_at_once_and_the_rest_later),
        TEST(limits_header_fields),
        TEST(judges_what_hpack_carries),
        TEST(limits_bodies),
        TEST(ends_rapid_reset),
        TEST(ends_resets_that_the_server_is_made_to_send),
        TEST(ends_header_blocks_that_unfold),
        TEST(ends_continuation),
        TEST(ends_floods),
        TEST(ends_uploads_that_never_end),
        TEST(passes_over_frames_it_does_not_know),
        TEST(drains),
        TEST(ends_with_unanswered_exchanges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
