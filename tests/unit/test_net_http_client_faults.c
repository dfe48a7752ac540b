/* What the HTTP client says when calls fail: above all whether the peer may have seen them. */
#include "client_fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ---- the resolver and the socket that libcurl meets ---- */

static atomic_bool resolver_held;
static atomic_uint resolvers, sends_to_fail;

static int answer_name(const char *address, uint16_t port, struct addrinfo **result)
{
    struct {
        struct addrinfo info;
        struct sockaddr_in address;
    } *answer = memory_allocate(sizeof *answer);
    answer->address.sin_family = AF_INET;
    answer->address.sin_port = htons(port);
    inet_pton(AF_INET, address, &answer->address.sin_addr);
    answer->info.ai_family = AF_INET;
    answer->info.ai_socktype = SOCK_STREAM;
    answer->info.ai_addr = (struct sockaddr *)&answer->address;
    answer->info.ai_addrlen = sizeof answer->address;
    *result = &answer->info;
    return 0;
}

/* Stands before libc's, for libcurl too. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
    (void)hints;
    uint16_t port = service == NULL ? 0 : (uint16_t)strtoul(service, NULL, 10);
    atomic_fetch_add(&resolvers, 1);
    while (strcmp(name, "slow.test") == 0 && atomic_load(&resolver_held))
        usleep(1000);
    int fault = 0;
    if (strcmp(name, "peer.test") == 0)
        answer_name("127.0.0.1", port, result);
    else if (strcmp(name, "rebound.test") == 0)
        answer_name("10.1.2.3", port, result);
    else
        fault = EAI_NONAME;
    atomic_fetch_sub(&resolvers, 1);
    return fault;
}

void freeaddrinfo(struct addrinfo *result)
{
    free(result);
}

/* The same for send, which the peer does not use. */
ssize_t send(int socket, const void *data, size_t length, int flags)
{
    unsigned left = atomic_load(&sends_to_fail);
    if (left > 0) {
        atomic_store(&sends_to_fail, left - 1);
        errno = EPIPE;
        return -1;
    }
    ssize_t (*next)(int, const void *, size_t, int);
    *(void **)&next = dlsym(RTLD_NEXT, "send");
    return next(socket, data, length, flags);
}

/* ---- nothing was sent ---- */

static void a_refused_connection(void **state)
{
    uint16_t port;
    char url[64];
    int descriptor = peer_bind(&port);
    struct http_call *call = call_to(*state, "POST", NULL, "/");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/path?key=hush", port);
    http_call_set(call, "POST", url);
    http_call_add_header(call, "Authorization", "hush");
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_CONNECT, false);
    assert_non_null(strstr(call->reason, "refused"));
    assert_null(strstr(call->reason, "hush"));
    assert_null(strstr(call->reason, "path"));
    http_call_free(call);
    close(descriptor);
}

static void an_unknown_name(void **state)
{
    struct http_call *call = call_to(*state, "POST", "missing.test", "/ok");
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_CONNECT, false);
    http_call_free(call);
}

static void addresses_that_are_not_public_are_denied(void **state)
{
    static const char *const hosts[] = {"10.0.0.1",   "169.254.169.254", "[::1]",       "[::ffff:10.0.0.1]",
                                        "0x0a000001", "167772161",       "rebound.test"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct http_call *call = call_to(*state, "GET", hosts[i], "/ok");
        perform(*state, call);
        assert_outcome(call, HTTP_CALL_DENIED, false);
        http_call_free(call);
    }
    struct http_call *call = call_to(*state, "GET", "peer.test", "/ok");
    perform(*state, call);
    assert_answered(call, 200, "ok");
    http_call_free(call);
}

static void loopback_is_denied_unless_allowed(void **state)
{
    struct fixture *fixture = *state;
    fixture_replace_client(fixture, client_start(0, NULL));
    struct http_call *call = call_to(fixture, "GET", NULL, "/ok");
    perform(fixture, call);
    assert_outcome(call, HTTP_CALL_DENIED, false);
    assert_int_equal(fixture->peer->connections, 0);
    assert_false(http_client_may_reach(fixture->client, "127.0.0.1"));
    assert_true(http_client_may_reach(fixture->client, "8.8.8.8"));
    http_call_free(call);
}

static void a_malformed_allow_list_is_an_error(void **state)
{
    (void)state;
    struct error error = {0};
    struct http_client_options options = {.egress_allow = "127.0.0.0/8,10.0.0.0/33"};
    assert_null(http_client_start(&options, &error));
    assert_int_equal(error.kind, ERROR_INVALID);
    assert_non_null(strstr(error.message, "10.0.0.0/33"));
}

static void a_connection_that_never_comes_about(void **state)
{
    uint16_t port;
    char url[64];
    int listener = peer_bind(&port), fillers[4];
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listen(listener, 0); /* one connection fits; after it the kernel drops what comes */
    for (int i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    struct http_call *call = call_to(*state, "POST", NULL, "/");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", port);
    http_call_set(call, "POST", url);
    call->timeout_ms = 200;
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_TIMEOUT, false);
    assert_in_range(call->elapsed_ms, 200, 2000);
    http_call_free(call);
    for (int i = 0; i < 4; i++)
        close(fillers[i]);
    close(listener);
}

static void a_silent_name_server_holds_up_nobody_else(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&resolver_held, true);
    struct http_call *slow = call_to(fixture, "POST", "slow.test", "/ok");
    slow->timeout_ms = 200;
    perform(fixture, slow);
    assert_outcome(slow, HTTP_CALL_TIMEOUT, false);
    assert_in_range(slow->elapsed_ms, 200, 2000);
    struct http_call *quick = call_to(fixture, "POST", NULL, "/ok");
    perform(fixture, quick); /* while the name is still being asked for */
    assert_answered(quick, 200, "ok");
    assert_int_equal(resolvers, 1);
    atomic_store(&resolver_held, false);
    while (atomic_load(&resolvers) > 0)
        usleep(1000);
    usleep(20000); /* for the end of the resolver's thread */
    http_call_free(slow);
    http_call_free(quick);
}

static void waiting_for_a_connection_ends_in_time(void **state)
{
    struct fixture *fixture = *state;
    fixture_replace_client(fixture, client_start(1, "127.0.0.0/8"));
    struct http_call *holder = call_to(fixture, "POST", NULL, "/silent");
    struct http_call *waiter = call_to(fixture, "POST", NULL, "/ok");
    struct http_call *other_host = call_to(fixture, "POST", "peer.test", "/ok");
    holder->timeout_ms = 600;
    waiter->timeout_ms = 200;
    http_client_submit(fixture->client, holder);
    http_client_submit(fixture->client, waiter);
    http_client_submit(fixture->client, other_host);
    assert_ptr_equal(next_answer(fixture), other_host); /* it stands in a line of its own */
    assert_answered(other_host, 200, "ok");
    assert_ptr_equal(next_answer(fixture), waiter);
    assert_outcome(waiter, HTTP_CALL_TIMEOUT, false);
    assert_ptr_equal(next_answer(fixture), holder);
    assert_outcome(holder, HTTP_CALL_TIMEOUT, true);
    assert_in_range(waiter->elapsed_ms, 200, 550);
    http_call_free(holder);
    http_call_free(waiter);
    http_call_free(other_host);
}

/* ---- the peer may have seen it ---- */

static void a_peer_that_does_not_answer(void **state)
{
    struct http_call *call = call_to(*state, "POST", NULL, "/silent");
    call->timeout_ms = 200;
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_TIMEOUT, true);
    assert_in_range(call->elapsed_ms, 200, 2000);
    http_call_free(call);
}

static void a_peer_that_closes_without_an_answer(void **state)
{
    struct fixture *fixture = *state;
    struct http_call *call = call_to(fixture, "POST", NULL, "/closes");
    perform(fixture, call);
    assert_outcome(call, HTTP_CALL_CLOSED, true);
    assert_int_equal(fixture->peer->requests, 1);
    http_call_free(call);
}

static void half_an_answer(void **state)
{
    struct http_call *call = call_to(*state, "POST", NULL, "/half");
    perform(*state, call);
    assert_outcome(call, HTTP_CALL_CLOSED, true);
    assert_int_equal(call->answer_body.length, 0);
    http_call_free(call);
}

static void a_reused_connection_that_closes_without_an_answer(void **state)
{
    static const struct {
        const char *method, *body;
        bool idempotent;
    } cases[] = {{"POST", "{}", false}, {"POST", "", false},  {"DELETE", "", false},
                 {"GET", "", false},    {"POST", "{}", true}, {"GET", "", true}};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_replace_client(fixture, client_start(0, "127.0.0.0/8"));
        struct http_call *first = call_to(fixture, "GET", NULL, "/ok");
        perform(fixture, first);
        assert_answered(first, 200, "ok");
        unsigned seen = fixture->peer->requests;
        struct http_call *call = call_to(fixture, cases[i].method, NULL, "/closes-when-reused");
        http_call_set_body(call, slice_from(cases[i].body));
        call->idempotent = cases[i].idempotent;
        perform(fixture, call);
        assert_int_equal(fixture->peer->closed_without_answer, i + 1);
        if (cases[i].idempotent)
            assert_answered(call, 200, "ok");
        else
            assert_outcome(call, HTTP_CALL_CLOSED, true);
        assert_int_equal(fixture->peer->requests - seen, cases[i].idempotent ? 2 : 1);
        http_call_free(first);
        http_call_free(call);
    }
}

/* ---- kept-alive connections that ended harmlessly ---- */

static void a_connection_that_was_closed_while_idle_is_not_used(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        struct http_call *call = call_to(fixture, "POST", NULL, "/bye");
        http_call_set_body(call, SLICE_LITERAL("{}"));
        perform(fixture, call);
        assert_answered(call, 200, "bye");
        http_call_free(call);
        usleep(20000); /* its end arrives */
    }
    assert_int_equal(fixture->peer->requests, 5);
    assert_int_equal(fixture->peer->connections, 5);
}

static void a_write_that_fails_at_once_is_repeated_elsewhere(void **state)
{
    struct fixture *fixture = *state;
    struct http_call *call = call_to(fixture, "GET", NULL, "/ok");
    perform(fixture, call);
    http_call_free(call);
    atomic_store(&sends_to_fail, 1);
    call = call_to(fixture, "POST", NULL, "/ok");
    http_call_set_body(call, SLICE_LITERAL("{}"));
    perform(fixture, call);
    assert_answered(call, 200, "ok");
    assert_int_equal(fixture->peer->requests, 2);
    assert_int_equal(fixture->peer->connections, 2);
    http_call_free(call);
}

static void a_write_that_fails_on_a_new_connection_was_not_sent(void **state)
{
    struct fixture *fixture = *state;
    atomic_store(&sends_to_fail, 1);
    struct http_call *call = call_to(fixture, "POST", NULL, "/ok");
    perform(fixture, call);
    assert_outcome(call, HTTP_CALL_CONNECT, false);
    assert_int_equal(fixture->peer->requests, 0);
    http_call_free(call);
}

/* ---- the end ---- */

static void stopping_ends_all_calls(void **state)
{
    struct fixture *fixture = *state;
    fixture_replace_client(fixture, client_start(2, "127.0.0.1"));
    for (int i = 0; i < 5; i++)
        http_client_submit(fixture->client, call_to(fixture, "POST", NULL, "/silent"));
    while (atomic_load(&fixture->peer->requests) < 2)
        usleep(1000);
    http_client_stop(fixture->client);
    fixture->client = NULL;
    int sent = 0;
    for (int i = 0; i < 5; i++) {
        struct http_call *call = next_answer(fixture);
        assert_int_equal(call->result, HTTP_CALL_CLOSED);
        sent += call->sent;
        http_call_free(call);
    }
    assert_int_equal(sent, 2);
    assert_int_equal(fixture->peer->requests, 2);
}

/* --- TLS
 * ---------------------------------------------------------------------------------------------------------
 */

struct tls_peer {
    SSL_CTX *context;
    int listener;
    uint16_t port;
    pthread_t thread;
    char certificate_path[64];
};

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_EXTENSION *address = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_add_ext(certificate, address, -1);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    X509_EXTENSION_free(address);
    return certificate;
}

static void *tls_peer_run(void *argument)
{
    struct tls_peer *peer = argument;
    int descriptor;
    while ((descriptor = accept(peer->listener, NULL, NULL)) >= 0) {
        char request[4096];
        SSL *connection = SSL_new(peer->context);
        SSL_set_fd(connection, descriptor);
        const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        if (SSL_accept(connection) == 1 && SSL_read(connection, request, sizeof request) > 0)
            SSL_write(connection, answer, sizeof answer - 1);
        SSL_shutdown(connection);
        SSL_free(connection);
        close(descriptor);
    }
    return NULL;
}

static void tls_peer_start(struct tls_peer *peer)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    peer->context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(peer->context, certificate);
    SSL_CTX_use_PrivateKey(peer->context, key);
    strcpy(peer->certificate_path, "/tmp/bascule-test-XXXXXX");
    FILE *file = fdopen(mkstemp(peer->certificate_path), "w");
    PEM_write_X509(file, certificate);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    peer->listener = peer_bind(&peer->port);
    listen(peer->listener, 8);
    pthread_create(&peer->thread, NULL, tls_peer_run, peer);
}

static void tls_peer_stop(struct tls_peer *peer)
{
    shutdown(peer->listener, SHUT_RDWR);
    pthread_join(peer->thread, NULL);
    close(peer->listener);
    unlink(peer->certificate_path);
    SSL_CTX_free(peer->context);
}

static struct http_call *call_to_tls(struct fixture *fixture, uint16_t port)
{
    char url[64];
    struct http_call *call = call_to(fixture, "POST", NULL, "/");
    snprintf(url, sizeof url, "https://127.0.0.1:%u/", port);
    http_call_set(call, "POST", url);
    return call;
}

static void a_certificate_must_be_trusted(void **state)
{
    struct fixture *fixture = *state;
    struct tls_peer peer;
    tls_peer_start(&peer);
    struct http_call *call = call_to_tls(fixture, peer.port);
    perform(fixture, call);
    assert_outcome(call, HTTP_CALL_CONNECT, false);
    assert_non_null(strstr(call->reason, "certificate"));
    http_call_free(call);

    struct http_client_options options = {.egress_allow = "127.0.0.1", .ca_file = peer.certificate_path};
    struct error error = {0};
    fixture_replace_client(fixture, http_client_start(&options, &error));
    call = call_to_tls(fixture, peer.port);
    perform(fixture, call);
    assert_answered(call, 200, "ok");
    http_call_free(call);
    tls_peer_stop(&peer);
}

static void tls_with_a_peer_that_speaks_none(void **state)
{
    struct fixture *fixture = *state;
    struct http_call *call = call_to_tls(fixture, fixture->peer->port);
    call->timeout_ms = 500; /* the peer waits for a request that it understands */
    perform(fixture, call);
    assert_outcome(call, HTTP_CALL_TIMEOUT, false);
    assert_int_equal(fixture->peer->requests, 0);
    http_call_free(call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(a_refused_connection),
        CLIENT_TEST(an_unknown_name),
        CLIENT_TEST(addresses_that_are_not_public_are_denied),
        CLIENT_TEST(loopback_is_denied_unless_allowed),
        CLIENT_TEST(a_malformed_allow_list_is_an_error),
        CLIENT_TEST(a_connection_that_never_comes_about),
        CLIENT_TEST(a_silent_name_server_holds_up_nobody_else),
        CLIENT_TEST(waiting_for_a_connection_ends_in_time),
        CLIENT_TEST(a_peer_that_does_not_answer),
        CLIENT_TEST(a_peer_that_closes_without_an_answer),
        CLIENT_TEST(half_an_answer),
        CLIENT_TEST(a_reused_connection_that_closes_without_an_answer),
        CLIENT_TEST(a_connection_that_was_closed_while_idle_is_not_used),
        CLIENT_TEST(a_write_that_fails_at_once_is_repeated_elsewhere),
        CLIENT_TEST(a_write_that_fails_on_a_new_connection_was_not_sent),
        CLIENT_TEST(stopping_ends_all_calls),
        CLIENT_TEST(a_certificate_must_be_trusted),
        CLIENT_TEST(tls_with_a_peer_that_speaks_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
