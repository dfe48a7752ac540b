/* What the HTTP client sends, and what it makes of answers. */
#include "client_fixture.h"

static bool echoes(const struct http_call *call, const char *text)
{
    return strstr(call->answer_body.data, text) != NULL;
}

static void a_request_is_sent_as_it_was_given(void **state)
{
    struct http_call *call = call_to(*state, "POST", NULL, "/echo?a=1");
    http_call_add_header(call, "Content-Type", "application/json");
    http_call_add_header(call, "X-Api-Key", "key");
    http_call_add_header(call, "X-Empty", "");
    http_call_set_body(call, SLICE_LITERAL("{\"to\":\"09171234567\"}"));
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_ANSWERED, true);
    assert_true(echoes(call, "POST /echo?a=1 HTTP/1.1\r\n"));
    assert_true(echoes(call, "\r\nContent-Type: application/json\r\n"));
    assert_true(echoes(call, "\r\nX-Api-Key: key\r\n"));
    assert_true(echoes(call, "\r\nX-Empty:\r\n"));
    assert_true(echoes(call, "\r\nUser-Agent: Bascule/test\r\n"));
    assert_true(echoes(call, "\r\nContent-Length: 20\r\n"));
    assert_true(echoes(call, "\r\n\r\n{\"to\":\"09171234567\"}"));
    http_call_free(call);
}

static void nothing_of_a_call_is_left_for_the_next(void **state)
{
    struct http_call *first = call_to(*state, "POST", NULL, "/echo");
    http_call_add_header(first, "X-Api-Key", "key");
    http_call_set_body(first, SLICE_LITERAL("secret"));
    perform(*state, first);
    struct http_call *second = call_to(*state, "GET", NULL, "/echo");
    perform(*state, second);
    assert_true(echoes(second, "GET /echo HTTP/1.1\r\n"));
    assert_false(echoes(second, "Content-"));
    assert_false(echoes(second, "X-Api-Key"));
    assert_false(echoes(second, "secret"));
    assert_int_equal(((struct fixture *)*state)->peer->connections, 1);
    http_call_free(first);
    http_call_free(second);
}

static void bodies_of_every_method(void **state)
{
    static const struct {
        const char *method, *body, *length;
    } cases[] = {
        {"POST", "", "\r\nContent-Length: 0\r\n"},
        {"PUT", "", "\r\nContent-Length: 0\r\n"},
        {"PATCH", "x", "\r\nContent-Length: 1\r\n"},
        {"DELETE", "", NULL},
        {"DELETE", "x", "\r\nContent-Length: 1\r\n"},
        {"GET", "x", "\r\nContent-Length: 1\r\n"},
        {"QUERY", "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char start[32];
        struct http_call *call = call_to(*state, cases[i].method, NULL, "/echo");
        http_call_set_body(call, slice_from(cases[i].body));
        perform(*state, call);
        assert_outcome(call, HTTP_CALL_ANSWERED, true);
        snprintf(start, sizeof start, "%s /echo ", cases[i].method);
        assert_true(echoes(call, start));
        assert_true(cases[i].length == NULL ? !echoes(call, "Content-Length")
                                            : echoes(call, cases[i].length));
        assert_false(echoes(call, "Content-Type")); /* libcurl would claim a form */
        http_call_free(call);
    }
}

static void a_head_request_waits_for_no_body(void **state)
{
    struct http_call *call = call_to(*state, "HEAD", NULL, "/head");
    perform(*state, call);
    assert_answered(call, 200, "");
    assert_string_equal(answer_header(call, "content-length"), "1000");
    http_call_free(call);
    call = call_to(*state, "GET", NULL, "/ok");
    perform(*state, call);
    assert_answered(call, 200, "ok");
    http_call_free(call);
}

static void a_large_body_goes_out_whole_and_at_once(void **state)
{
    size_t length = 3 << 20;
    char *body = memory_allocate(length);
    memset(body, 'x', length);
    struct http_call *call = call_to(*state, "PUT", NULL, "/echo");
    http_call_set_body(call, (struct slice){body, length});
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_ANSWERED, true);
    assert_false(echoes(call, "Expect"));
    assert_true(call->answer_body.length > length);
    assert_memory_equal(call->answer_body.data + call->answer_body.length - length, body, length);
    http_call_free(call);
    free(body);
}

static void answers_come_with_their_headers(void **state)
{
    struct http_call *call = call_to(*state, "GET", NULL, "/chunked");
    perform(*state, call);
    assert_answered(call, 201, "hello, world");
    assert_null(answer_header(call, "link"));      /* of the interim answer */
    assert_null(answer_header(call, "x-trailer")); /* came when the decision was made */
    assert_string_equal(answer_header(call, "x-empty"), "");
    const char *cookies[2];
    size_t count = 0;
    for (size_t i = 0; i < call->answer_header_count; i++)
        if (strcmp(call->answer_headers[i].name, "set-cookie") == 0 && count < 2)
            cookies[count++] = call->answer_headers[i].value;
    assert_int_equal(count, 2);
    assert_string_equal(cookies[0], "a=1");
    assert_string_equal(cookies[1], "b=2");
    http_call_free(call);
}

static void redirects_are_answers(void **state)
{
    struct fixture *fixture = *state;
    struct http_call *call = call_to(fixture, "GET", NULL, "/redirect");
    perform(fixture, call);
    assert_answered(call, 302, "");
    assert_string_equal(answer_header(call, "location"), "/echo");
    assert_int_equal(fixture->peer->requests, 1);
    http_call_free(call);
}

static void connections_are_kept(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 20; i++) {
        struct http_call *call = call_to(fixture, "POST", NULL, "/ok");
        perform(fixture, call);
        assert_answered(call, 200, "ok");
        http_call_free(call);
    }
    assert_int_equal(fixture->peer->connections, 1);
}

static void proxies_of_the_environment_are_ignored(void **state)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    struct http_call *call = call_to(*state, "GET", NULL, "/ok");
    perform(*state, call);
    unsetenv("http_proxy");
    assert_answered(call, 200, "ok");
    http_call_free(call);
}

static void an_answer_has_a_limit(void **state)
{
    static const char *const paths[] = {"/huge", "/half", "/chunked"};
    for (size_t i = 0; i < 3; i++) {
        struct http_call *call = call_to(*state, "GET", NULL, paths[i]);
        call->answer_limit_bytes = 9;
        perform(*state, call);
        assert_outcome(call, HTTP_CALL_TOO_LARGE, true);
        assert_int_equal(call->answer_body.length, 0);
        http_call_free(call);
    }
    struct http_call *call = call_to(*state, "GET", NULL, "/chunked");
    call->answer_limit_bytes = strlen("hello, world");
    perform(*state, call);
    assert_answered(call, 201, "hello, world");
    http_call_free(call);
}

static void headers_have_a_limit(void **state)
{
    struct http_call *call = call_to(*state, "GET", NULL, "/headers");
    perform(*state, call);
    assert_true(call->result == HTTP_CALL_CLOSED || call->result == HTTP_CALL_TOO_LARGE);
    assert_true(call->sent);
    http_call_free(call);
}

static void malformed_calls_are_refused(void **state)
{
    static const struct {
        const char *method, *url, *name, *value;
    } cases[] = {
        {"GET", "nothing", NULL, NULL},
        {"GET", "", NULL, NULL},
        {"GET", "ftp://127.0.0.1/", NULL, NULL},
        {"GET", "file:///etc/passwd", NULL, NULL},
        {"GET", "http://", NULL, NULL},
        {"GET", "http:///path", NULL, NULL},
        {"GET", "http://user:hush@127.0.0.1/", NULL, NULL},
        {"GET", "http://127.0.0.1:99999/", NULL, NULL},
        {"GET", "http://127.0.0.1:1/\r\nX: y", NULL, NULL},
        {"GE T", "http://127.0.0.1:1/", NULL, NULL},
        {"GET\r\nX: y", "http://127.0.0.1:1/", NULL, NULL},
        {"", "http://127.0.0.1:1/", NULL, NULL},
        {"GET", "http://127.0.0.1:1/", "X-Evil", "a\r\nX-More: hush"},
        {"GET", "http://127.0.0.1:1/", "X Evil", "a"},
        {"GET", "http://127.0.0.1:1/", "", "hush"},
        {"POST", "http://127.0.0.1:1/", "content-length", "5"},
        {"POST", "http://127.0.0.1:1/", "Transfer-Encoding", "chunked"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_call *call = call_to(*state, "GET", NULL, "/");
        http_call_set(call, cases[i].method, cases[i].url);
        if (cases[i].name != NULL)
            http_call_add_header(call, cases[i].name, cases[i].value);
        perform(*state, call);
        assert_outcome(call, HTTP_CALL_INVALID, false);
        assert_null(strstr(call->reason, "hush"));
        http_call_free(call);
    }
}

static void many_calls_share_few_connections(void **state)
{
    enum { CALLS = 100 };
    struct fixture *fixture = *state;
    fixture_replace_client(fixture, client_start(4, "127.0.0.1"));
    for (int i = 0; i < CALLS; i++)
        http_client_submit(fixture->client, call_to(fixture, "POST", NULL, i % 2 ? "/ok" : "/brief"));
    for (int i = 0; i < CALLS; i++) {
        struct http_call *call = next_answer(fixture);
        assert_answered(call, 200, "ok");
        http_call_free(call);
    }
    assert_int_equal(fixture->peer->requests, CALLS);
    assert_in_range(fixture->peer->open_most, 1, 4);
}

static void *submit_calls(void *argument)
{
    struct fixture *fixture = argument;
    for (int i = 0; i < 50; i++)
        http_client_submit(fixture->client, call_to(fixture, "POST", NULL, "/ok"));
    return NULL;
}

static void any_thread_may_submit(void **state)
{
    pthread_t threads[4];
    fixture_replace_client(*state, client_start(16, "127.0.0.1"));
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, submit_calls, *state);
    for (int i = 0; i < 4 * 50; i++) {
        struct http_call *call = next_answer(*state);
        assert_answered(call, 200, "ok");
        http_call_free(call);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(a_request_is_sent_as_it_was_given),
        CLIENT_TEST(nothing_of_a_call_is_left_for_the_next),
        CLIENT_TEST(bodies_of_every_method),
        CLIENT_TEST(a_head_request_waits_for_no_body),
        CLIENT_TEST(a_large_body_goes_out_whole_and_at_once),
        CLIENT_TEST(answers_come_with_their_headers),
        CLIENT_TEST(redirects_are_answers),
        CLIENT_TEST(connections_are_kept),
        CLIENT_TEST(proxies_of_the_environment_are_ignored),
        CLIENT_TEST(an_answer_has_a_limit),
        CLIENT_TEST(headers_have_a_limit),
        CLIENT_TEST(malformed_calls_are_refused),
        CLIENT_TEST(many_calls_share_few_connections),
        CLIENT_TEST(any_thread_may_submit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
