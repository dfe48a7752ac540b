#include "http_fixture.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/http2_guard.h"

static char folder[] = "/tmp/bascule-tls-XXXXXX";
static char certificate_file[64], key_file[64], other_key_file[64];

static EVP_PKEY *write_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    return key;
}

static void write_certificate(const char *path, EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
    X509_free(certificate);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(certificate_file, sizeof certificate_file, "%s/certificate.pem", folder);
    snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
    snprintf(other_key_file, sizeof other_key_file, "%s/other.pem", folder);
    EVP_PKEY *key = write_key(key_file);
    write_certificate(certificate_file, key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(write_key(other_key_file));
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    unlink(certificate_file);
    unlink(key_file);
    unlink(other_key_file);
    return rmdir(folder);
}

static int set_up(void **state)
{
    struct fixture *fixture = fixture_new();
    fixture->options.listen_tls = "127.0.0.1:0";
    fixture->options.tls_certificate = certificate_file;
    fixture->options.tls_key = key_file;
    *state = fixture;
    return 0;
}

struct tls_client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

/* `protocols` in ALPN's own form. False when the handshake fails. */
static bool tls_connect(struct tls_client *client, struct fixture *fixture, const char *protocols,
                        int version)
{
    client->fd = client_connect_port(http_server_port_tls(fixture->server));
    client->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(client->context, version);
    SSL_CTX_set_max_proto_version(client->context, version);
    SSL_CTX_set_security_level(client->context, 0);
    client->ssl = SSL_new(client->context);
    SSL_set_alpn_protos(client->ssl, (const unsigned char *)protocols, (unsigned)strlen(protocols));
    SSL_set_fd(client->ssl, client->fd);
    return SSL_connect(client->ssl) == 1;
}

static void tls_close(struct tls_client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    close(client->fd);
}

static void assert_protocol(const struct tls_client *client, const char *protocol)
{
    const unsigned char *chosen;
    unsigned length;
    SSL_get0_alpn_selected(client->ssl, &chosen, &length);
    assert_int_equal(length, strlen(protocol));
    assert_memory_equal(chosen, protocol, length);
}

static void expect_text(struct tls_client *client, const char *text)
{
    char seen[2048];
    size_t length = 0;
    for (int got; length < sizeof seen - 1; length += (size_t)got) {
        got = SSL_read(client->ssl, seen + length, (int)(sizeof seen - 1 - length));
        if (got <= 0)
            fail_msg("ended without: %s", text);
        if (memmem(seen, length + (size_t)got, text, strlen(text)) != NULL)
            return;
    }
    fail_msg("not found: %s", text);
}

static void get(struct tls_client *client, const char *path)
{
    char request[256];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    assert_int_equal(SSL_write(client->ssl, request, length), length);
}

static void speaks_http1(void **state)
{
    struct fixture *fixture = *state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    fixture_start(fixture);
    for (int i = 0; i < 2; i++) {
        struct tls_client client;
        assert_true(tls_connect(&client, fixture, i == 0 ? "\x08http/1.1" : "", versions[i]));
        if (i == 0)
            assert_protocol(&client, "http/1.1");
        get(&client, "/one");
        expect_text(&client, "GET|/one||https|a|127.0.0.1||");
        get(&client, "/thread");
        expect_text(&client, "held");
        tls_close(&client);
    }
    fixture_free(fixture);
}

static void speaks_http2_where_both_want_it(void **state)
{
    /* preface, SETTINGS, HEADERS of GET /two with :authority a */
    static const char bytes[] =
        HTTP2_GUARD_PREFACE "\0\0\0\x04\0\0\0\0\0"
                            "\0\0\x0b\x01\x05\0\0\0\x01\x82\x87\x04\x04/two\x01\x01\x61";
    struct fixture *fixture = *state;
    struct tls_client client;
    fixture_start(fixture);
    assert_true(tls_connect(&client, fixture, "\x02h2\x08http/1.1", TLS1_3_VERSION));
    assert_protocol(&client, "h2");
    assert_int_equal(SSL_write(client.ssl, bytes, sizeof bytes - 1), sizeof bytes - 1);
    expect_text(&client, "GET|/two||https|a|127.0.0.1||");
    tls_close(&client);
    fixture_free(fixture);
}

static void keeps_to_http1_when_http2_is_off(void **state)
{
    struct fixture *fixture = *state;
    struct tls_client client;
    fixture->options.http2 = false;
    fixture_start(fixture);
    assert_true(tls_connect(&client, fixture, "\x02h2\x08http/1.1", TLS1_3_VERSION));
    assert_protocol(&client, "http/1.1");
    tls_close(&client);
    assert_false(tls_connect(&client, fixture, "\x02h2", TLS1_3_VERSION));
    tls_close(&client);
    fixture_free(fixture);
}

static void refuses_old_versions(void **state)
{
    struct fixture *fixture = *state;
    struct tls_client client;
    fixture_start(fixture);
    assert_false(tls_connect(&client, fixture, "", TLS1_1_VERSION));
    tls_close(&client);
    fixture_free(fixture);
}

static void refuses_bad_framing(void **state)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    struct fixture *fixture = *state;
    struct tls_client client;
    fixture_start(fixture);
    assert_true(tls_connect(&client, fixture, "", TLS1_3_VERSION));
    assert_int_equal(SSL_write(client.ssl, request, sizeof request - 1), sizeof request - 1);
    expect_text(&client, "more than one Host");
    tls_close(&client);
    fixture_free(fixture);
}

/* A client that speaks no TLS, one that says nothing, one that leaves in the middle. */
static void outlives_broken_handshakes(void **state)
{
    struct fixture *fixture = *state;
    struct tls_client client;
    fixture->options.request_timeout_ms = 200;
    fixture_start(fixture);
    uint16_t port = http_server_port_tls(fixture->server);
    int clear = client_connect_port(port), silent = client_connect_port(port),
        leaving = client_connect_port(port);
    client_send(clear, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(client_send_bytes(leaving, "\x16\x03\x01\x02\x00\x01", 6));
    close(leaving);
    assert_true(client_is_closed(clear));
    assert_true(client_is_closed(silent));
    close(clear), close(silent);
    assert_true(tls_connect(&client, fixture, "", TLS1_3_VERSION));
    get(&client, "/after");
    expect_text(&client, "GET|/after|");
    tls_close(&client);
    fixture_free(fixture);
}

static void wants_a_key_that_fits(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture->options.tls_key = other_key_file;
    assert_null(http_server_start(&fixture->options, &error));
    assert_non_null(strstr(error.message, other_key_file));
    fixture->options.tls_key = NULL;
    assert_null(http_server_start(&fixture->options, &error));
    assert_non_null(strstr(error.message, "needs a certificate and a key"));
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(speaks_http1),
        TEST(speaks_http2_where_both_want_it),
        TEST(keeps_to_http1_when_http2_is_off),
        TEST(refuses_old_versions),
        TEST(refuses_bad_framing),
        TEST(outlives_broken_handshakes),
        TEST(wants_a_key_that_fits),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
