/* A transfer: a call of the HTTP client while libcurl works on it.
 *
 * Transfers are used again, with their easy handle and memory: options that are the same for all calls are
 * set once, those that differ are set for every call, each of them, so that nothing is left over from the
 * call before. Client's thread only. */
#ifndef NET_CLIENT_TRANSFER_H
#define NET_CLIENT_TRANSFER_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "net/client_hosts.h"
#include "net/client_sockets.h"
#include "net/egress.h"

/* What all transfers of a client have in common. */
struct transfer_setting {
    const struct egress *egress;
    struct client_sockets *sockets;
    const char *user_agent; /* or NULL */
    const char *ca_file;    /* or NULL */
};

struct transfer {
    TAILQ_ENTRY(transfer) all; /* the client's: under way, or unused */
    CURL *easy;
    const struct transfer_setting *setting;
    struct http_call *call;
    struct client_host *host;
    struct curl_slist *lines; /* the request's header lines: an array, linked */
    size_t line_capacity;
    char *line_text; /* where the lines' texts are, one behind the other */
    size_t line_text_capacity;
    bool address_denied, address_tried; /* some address of the host was */
    bool too_large;
};

struct transfer *transfer_new(const struct transfer_setting *setting);
void transfer_free(struct transfer *transfer);

/* Whether the call can be sent as it is; false fills `result` and `reason`. */
bool transfer_check(struct http_call *call);

/* Makes the easy handle ready for the call, which passed transfer_check. */
void transfer_begin(struct transfer *transfer, struct http_call *call, struct client_host *host);

/* Fills in the call's answer, after libcurl's verdict. */
void transfer_answer(struct transfer *transfer, CURLcode code);
/* The same for a call that the client itself ends, as `result`. */
void transfer_abort(struct transfer *transfer, enum http_call_result result, const char *sentence);

/* What the host answered in. */
enum client_host_protocol transfer_protocol(const struct transfer *transfer);

/* For a call that ended without a transfer, or with one: writes "authority: sentence". */
void transfer_reason(struct http_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
