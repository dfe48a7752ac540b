/* The server's side of TLS. */
#ifndef NET_HTTP_TLS_H
#define NET_HTTP_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"

/* TLS 1.2 and later, ALPN h2 (when `http2`) and http/1.1, certificate chain and key from PEM files. Errors
 * name the file. Any thread may use the result; SSL_CTX_free ends it. */
SSL_CTX *http_tls_context(const char *certificate, const char *key, bool http2, struct error *error);

#endif
