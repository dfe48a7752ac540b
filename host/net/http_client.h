/* The HTTP client: one thread with one curl_multi for all outbound requests.
 *
 * What a caller needs to keep its promises is `sent`: whether the peer may have seen the request. A request
 * that is not `idempotent` is never repeated behind the caller's back, not even on a kept-alive connection
 * that died.
 *
 * What can be known of such a connection: before a request goes out on it, the client looks whether the peer
 * has closed it, and a connection that was idle for 30 s is not used again. When the first write fails,
 * nothing left this machine, and the request goes out on a new connection. When the write succeeded and the
 * connection ends without an answer, the peer may have read the request or not: a call that is `idempotent`
 * is repeated on a new connection, any other ends as HTTP_CALL_CLOSED with `sent`. So the one case that is
 * reported as sent though nobody read it is a peer that closes in the moment in which the request is on its
 * way. */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mailbox.h"

struct http_client;

struct http_client_options {
    const char *egress_allow;   /* CIDRs, comma separated, that may be reached although not public; or NULL */
    unsigned connections_host;  /* at most to one host; 0: 512. Calls past it wait, within their timeouts */
    unsigned connections_total; /* 0: 1024 */
    const char *user_agent;
    const char *ca_file; /* PEM: the authorities to trust instead of the system's; or NULL */
};

/* NULL with an ERROR_INVALID where `egress_allow` is no list of CIDRs. */
struct http_client *http_client_start(const struct http_client_options *options, struct error *error);
/* Aborts what is under way (result HTTP_CALL_CLOSED) and ends the thread. */
void http_client_stop(struct http_client *client);

enum http_call_result {
    HTTP_CALL_ANSWERED,  /* status, headers and body are there; any status */
    HTTP_CALL_INVALID,   /* malformed URL, method or header; a scheme that is not http(s); user names in the
                            URL; a Content-Length or Transfer-Encoding of the caller's own */
    HTTP_CALL_DENIED,    /* the resolved address is not public and not allowed */
    HTTP_CALL_CONNECT,   /* name, connection (10 s) or TLS failed: nothing was sent */
    HTTP_CALL_TIMEOUT,   /* the call's own, or the peer said nothing for 30 s */
    HTTP_CALL_CLOSED,    /* the connection ended before a whole answer */
    HTTP_CALL_TOO_LARGE, /* the answer passed its limit */
};

struct http_call_header {
    char *name; /* as sent; lower case in answers */
    char *value;
};

/* One request and its answer. Fill the first part (all strings owned by the call: heap), submit, and it comes
 * back by mail with the second part filled. Free it with http_call_free in any case. */
struct http_call {
    struct mail mail; /* set mail.deliver before submitting */
    struct mailbox *reply;
    void *owner; /* the caller's own; the client leaves it alone */
    char *method;
    char *url;
    struct http_call_header *headers;
    size_t header_count;
    char *body; /* may be NULL */
    size_t body_length;
    unsigned timeout_ms;       /* for the whole call, the wait for a connection included; 0: 30 s */
    size_t answer_limit_bytes; /* 0: 4 MiB */
    bool idempotent;
    int64_t submitted_ms; /* the client's own */

    enum http_call_result result;
    bool sent;        /* the peer may have seen the request */
    char reason[256]; /* a sentence, unless ANSWERED; never holds the URL's query or a header */
    int status;
    struct http_call_header *answer_headers;
    size_t answer_header_count;
    struct buffer answer_body;
    unsigned elapsed_ms;
};

struct http_call *http_call_new(void);
void http_call_set(struct http_call *call, const char *method, const char *url);
void http_call_add_header(struct http_call *call, const char *name, const char *value);
void http_call_set_body(struct http_call *call, struct slice body);
void http_call_free(struct http_call *call);

/* Any thread. The client owns the call until the mail is delivered. Redirects are not followed. */
void http_client_submit(struct http_client *client, struct http_call *call);

/* True where the address (text, IPv4 or IPv6) is public or inside `egress_allow`; for tests. */
bool http_client_may_reach(const struct http_client *client, const char *address);

#endif
