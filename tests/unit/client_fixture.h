/* What the tests of the HTTP client have in common: a peer, a client that may reach it, and a mailbox. */
#ifndef TESTS_UNIT_CLIENT_FIXTURE_H
#define TESTS_UNIT_CLIENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>

#include "base/clock.h"
#include "loopback_peer.h"
#include "net/http_client.h"

struct fixture {
    struct peer *peer;
    struct http_client *client;
    struct mailbox *mailbox;
};

static inline struct http_client *client_start(unsigned connections_host, const char *allow)
{
    struct error error = {0};
    struct http_client_options options = {
        .egress_allow = allow, .connections_host = connections_host, .user_agent = "Bascule/test"};
    struct http_client *client = http_client_start(&options, &error);
    if (client == NULL)
        fail_msg("%s", error.message);
    return client;
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = memory_allocate(sizeof *fixture);
    signal(SIGPIPE, SIG_IGN); /* of the peer's writes */
    fixture->peer = peer_start();
    fixture->client = client_start(0, "127.0.0.0/8");
    fixture->mailbox = mailbox_new(NULL, NULL);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    http_client_stop(fixture->client);
    peer_stop(fixture->peer);
    mailbox_free(fixture->mailbox);
    free(fixture);
    return 0;
}

/* Another client, with other options, for one test. */
static inline void fixture_replace_client(struct fixture *fixture, struct http_client *client)
{
    http_client_stop(fixture->client);
    fixture->client = client;
}

static inline void not_delivered(struct mail *mail)
{
    (void)mail;
    fail_msg("the tests take their mail, and deliver none");
}

/* `host` may be NULL for 127.0.0.1, `path` NULL when the test sets the URL itself. */
static inline struct http_call *call_to(struct fixture *fixture, const char *method, const char *host,
                                        const char *path)
{
    char url[256];
    struct http_call *call = http_call_new();
    snprintf(url, sizeof url, "http://%s:%u%s", host == NULL ? "127.0.0.1" : host, fixture->peer->port, path);
    http_call_set(call, method, url);
    call->mail.deliver = not_delivered;
    call->reply = fixture->mailbox;
    call->timeout_ms = 20000;
    return call;
}

static inline struct http_call *next_answer(struct fixture *fixture)
{
    if (!mailbox_wait(fixture->mailbox, 25000))
        fail_msg("no answer came");
    return (struct http_call *)((char *)mailbox_take(fixture->mailbox) - offsetof(struct http_call, mail));
}

/* Submits, and waits for the answer to this call, the only one under way. */
static inline void perform(struct fixture *fixture, struct http_call *call)
{
    http_client_submit(fixture->client, call);
    assert_ptr_equal(next_answer(fixture), call);
}

static inline void assert_outcome(const struct http_call *call, enum http_call_result result, bool sent)
{
    if (call->result != result || call->sent != sent)
        fail_msg("result %d, sent %d (\"%s\"); expected %d, %d", call->result, call->sent, call->reason,
                 result, sent);
    if (result == HTTP_CALL_ANSWERED)
        assert_string_equal(call->reason, "");
    else
        assert_true(strlen(call->reason) > 0);
}

static inline void assert_answered(const struct http_call *call, int status, const char *body)
{
    assert_outcome(call, HTTP_CALL_ANSWERED, true);
    assert_int_equal(call->status, status);
    assert_string_equal(call->answer_body.data == NULL ? "" : call->answer_body.data, body);
}

static inline const char *answer_header(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->answer_header_count; i++)
        if (strcmp(call->answer_headers[i].name, name) == 0)
            return call->answer_headers[i].value;
    return NULL;
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
