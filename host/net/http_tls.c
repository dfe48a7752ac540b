#include "net/http_tls.h"

#include <openssl/err.h>

/* The suites of TLS 1.2 that HTTP/2 does not forbid (RFC 9113, appendix A). */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"

static const unsigned char protocols_both[] = "\x02h2\x08http/1.1";
static const unsigned char protocols_http1[] = "\x08http/1.1";

static int select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                           const unsigned char *in, unsigned in_length, void *argument)
{
    (void)ssl;
    bool http2 = argument != NULL;
    unsigned char *chosen = NULL;
    const unsigned char *ours = http2 ? protocols_both : protocols_http1;
    unsigned ours_length = http2 ? sizeof protocols_both - 1 : sizeof protocols_http1 - 1;
    if (SSL_select_next_proto(&chosen, out_length, ours, ours_length, in, in_length) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2: no_application_protocol */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A key under a passphrase is a fault, not a question at the terminal. */
static int no_passphrase(char *out, int size, int writing, void *argument)
{
    (void)out, (void)size, (void)writing, (void)argument;
    return 0;
}

static int tls_fault(struct error *error, const char *what, const char *file)
{
    char reason[160] = "cannot be read";
    if (ERR_peek_last_error() != 0)
        ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
    ERR_clear_error();
    return error_set(error, ERROR_INVALID, "%s %s: %s", what, file, reason);
}

static int load_files(SSL_CTX *context, const char *certificate, const char *key, struct error *error)
{
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        return tls_fault(error, "TLS certificate", certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return tls_fault(error, "TLS key", key);
    if (SSL_CTX_check_private_key(context) != 1)
        return tls_fault(error, "TLS key does not belong to the certificate:", key);
    return 0;
}

SSL_CTX *http_tls_context(const char *certificate, const char *key, bool http2, struct error *error)
{
    if (certificate == NULL || key == NULL) {
        error_set(error, ERROR_INVALID, "a TLS listener needs a certificate and a key");
        return NULL;
    }
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        tls_fault(error, "TLS", "context");
        return NULL;
    }
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, CIPHERS_1_2);
    SSL_CTX_set_options(context,
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS); /* idle connections keep no record buffers */
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, http2 ? context : NULL);
    if (load_files(context, certificate, key, error) != 0) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}
