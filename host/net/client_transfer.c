#include "net/client_transfer.h"

#include <ctype.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEFAULT_ANSWER_BYTES = 4 * 1024 * 1024,
    EXPECT_BYTES =
        1024 * 1024, /* bodies over it make libcurl ask for 100 Continue, and wait a second for it */
    CONNECT_MS = 10000,
    SILENCE_S = 30, /* a peer that sends less than a byte a second for so long is given up */
    IDLE_S = 30,    /* under the keep-alive of common servers, so that they seldom close under a request */
    DNS_S = 60,
};

/* --- libcurl's callbacks ---------------------------------------------------------------------------------
 */

static curl_socket_t open_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct transfer *transfer = argument;
    if (!egress_permits(transfer->setting->egress, &address->addr)) {
        transfer->address_denied = true;
        return CURL_SOCKET_BAD;
    }
    transfer->address_tried = true;
    return client_sockets_open(transfer->setting->sockets, address);
}

static bool was_sent(const struct transfer *transfer)
{
    long written = 0; /* over all attempts of this call */
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &written);
    return written > 0;
}

/* Runs when a connection is there, before each request on it: so also before libcurl sends a request again
 * because a kept-alive connection ended without an answer, which it does for a POST, too. CURLOPT_POSTFIELDS
 * and bodies of no bytes have no read callback whose rewinding could be made to fail; this holds for every
 * method and body. */
static int before_request(void *argument, char *peer_ip, char *local_ip, int peer_port, int local_port)
{
    (void)peer_ip, (void)local_ip, (void)peer_port, (void)local_port;
    const struct transfer *transfer = argument;
    bool again = !transfer->call->idempotent && was_sent(transfer);
    return again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static size_t body_arrived(char *data, size_t size, size_t count, void *argument)
{
    struct transfer *transfer = argument;
    struct http_call *call = transfer->call;
    size_t length = size * count;
    size_t limit = call->answer_limit_bytes == 0 ? DEFAULT_ANSWER_BYTES : call->answer_limit_bytes;
    if (length > limit - call->answer_body.length) {
        transfer->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buffer_append(&call->answer_body, data, length);
    return length;
}

/* --- the handle --------------------------------------------------------------------------------------------
 */

static void set_callbacks(CURL *easy, struct transfer *transfer)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, client_sockets_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, transfer->setting->sockets);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, before_request);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_arrived);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

static void set_limits(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_S);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* Without it, ending a call whose name is still being resolved waits for the resolver: the whole thread
     * would stand still for as long as a name server is silent. With it the resolver's thread ends on its
     * own. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
}

static void set_manners(CURL *easy, const struct transfer_setting *setting)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY,
                     ""); /* a proxy of the environment would connect where no guard looks */
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    if (setting->user_agent != NULL)
        curl_easy_setopt(easy, CURLOPT_USERAGENT, setting->user_agent);
    if (setting->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, setting->ca_file);
}

struct transfer *transfer_new(const struct transfer_setting *setting)
{
    struct transfer *transfer = memory_allocate(sizeof *transfer);
    transfer->setting = setting;
    transfer->easy = curl_easy_init();
    if (transfer->easy == NULL)
        abort(); /* out of memory, as memory_allocate treats it */
    set_callbacks(transfer->easy, transfer);
    set_limits(transfer->easy);
    set_manners(transfer->easy, setting);
    return transfer;
}

void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    free(transfer->lines);
    free(transfer->line_text);
    free(transfer);
}

/* --- before: the request -----------------------------------------------------------------------------------
 */

void transfer_reason(struct http_call *call, const char *format, ...)
{
    struct slice authority = client_call_authority(call);
    int length = snprintf(call->reason, sizeof call->reason,
                          "%.*s: ", authority.length > 80 ? 80 : (int)authority.length, authority.data);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(call->reason + length, sizeof call->reason - (size_t)length, format, arguments);
    va_end(arguments);
}

/* RFC 9110 5.6.2. */
static bool is_token(const char *text)
{
    if (text == NULL || *text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text) && strchr("!#$%&'*+-.^_`|~", *text) == NULL)
            return false;
    return true;
}

static bool is_field_value(const char *text)
{
    if (text == NULL)
        return false;
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static bool is_framing(const char *name)
{
    return strcasecmp(name, "content-length") == 0 || strcasecmp(name, "transfer-encoding") == 0;
}

static const char *headers_fault(const struct http_call *call)
{
    for (size_t i = 0; i < call->header_count; i++) {
        if (!is_token(call->headers[i].name))
            return "a header's name is malformed";
        if (!is_field_value(call->headers[i].value))
            return "a header's value has control characters";
        if (is_framing(call->headers[i].name))
            return "content-length and transfer-encoding are set by the client";
    }
    return NULL;
}

bool transfer_check(struct http_call *call)
{
    const char *fault = !is_token(call->method) ? "the method is malformed" : headers_fault(call);
    if (fault == NULL)
        return true;
    call->result = HTTP_CALL_INVALID;
    transfer_reason(call, "%s", fault);
    return false;
}

static bool has_header(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (strcasecmp(call->headers[i].name, name) == 0)
            return true;
    return false;
}

/* libcurl's own spelling: "name;" sends an empty value, "name:" (value NULL) removes what libcurl would add.
 */
static char *write_line(char *text, const char *name, const char *value)
{
    text = stpcpy(text, name);
    text = stpcpy(text, value == NULL ? ":" : *value == '\0' ? ";" : ": ");
    return stpcpy(text, value == NULL ? "" : value) + 1;
}

/* Room for the call's headers and two lines more. */
static void reserve_lines(struct transfer *transfer, const struct http_call *call)
{
    size_t lines = call->header_count + 2, bytes = sizeof "Content-Type:" + sizeof "Expect:";
    for (size_t i = 0; i < call->header_count; i++)
        bytes += strlen(call->headers[i].name) + strlen(call->headers[i].value) + sizeof ": ";
    if (lines > transfer->line_capacity) {
        transfer->lines = memory_resize(transfer->lines, lines * sizeof *transfer->lines);
        transfer->line_capacity = lines;
    }
    if (bytes > transfer->line_text_capacity) {
        transfer->line_text = memory_resize(transfer->line_text, bytes);
        transfer->line_text_capacity = bytes;
    }
}

static bool sends_body(const struct http_call *call)
{
    return call->body_length > 0 || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0 ||
           strcmp(call->method, "PATCH") ==
               0; /* these say Content-Length: 0 rather than nothing (RFC 9110 8.6) */
}

static struct curl_slist *header_lines(struct transfer *transfer)
{
    const struct http_call *call = transfer->call;
    reserve_lines(transfer, call);
    char *text = transfer->line_text;
    size_t count = 0;
    for (size_t i = 0; i < call->header_count; i++) {
        transfer->lines[count++].data = text;
        text = write_line(text, call->headers[i].name, call->headers[i].value);
    }
    if (sends_body(call) && !has_header(call, "content-type")) {
        transfer->lines[count++].data = text;
        text = write_line(text, "Content-Type", NULL);
    }
    if (call->body_length > EXPECT_BYTES) {
        transfer->lines[count++].data = text;
        write_line(text, "Expect", NULL);
    }
    for (size_t i = 0; i < count; i++)
        transfer->lines[i].next = i + 1 < count ? &transfer->lines[i + 1] : NULL;
    return count == 0 ? NULL : transfer->lines;
}

static void set_method(CURL *easy, const struct http_call *call)
{
    if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (sends_body(call)) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body == NULL ? "" : call->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_length);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
}

void transfer_begin(struct transfer *transfer, struct http_call *call, struct client_host *host)
{
    transfer->call = call;
    transfer->host = host;
    transfer->address_denied = transfer->address_tried = transfer->too_large = false;
    curl_easy_setopt(transfer->easy, CURLOPT_URL, call->url);
    set_method(transfer->easy, call);
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, header_lines(transfer));
}

/* --- after: the answer -------------------------------------------------------------------------------------
 */

enum client_host_protocol transfer_protocol(const struct transfer *transfer)
{
    long version = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_VERSION, &version);
    if (version == CURL_HTTP_VERSION_NONE)
        return CLIENT_HOST_UNKNOWN;
    return version == CURL_HTTP_VERSION_2_0 ? CLIENT_HOST_HTTP2 : CLIENT_HOST_HTTP1;
}

static char *lower_case(const char *text)
{
    char *copy = text_duplicate(text);
    for (char *c = copy; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

/* libcurl 7.88 leaves the line's end on a value that is empty. */
static char *without_line_end(const char *text)
{
    return slice_duplicate((struct slice){text, strcspn(text, "\r\n")});
}

static void take_headers(struct transfer *transfer)
{
    struct http_call *call = transfer->call;
    struct curl_header *header = NULL;
    size_t capacity = 0;
    while ((header = curl_easy_nextheader(transfer->easy, CURLH_HEADER, -1, header)) != NULL) {
        if (call->answer_header_count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            call->answer_headers =
                memory_resize(call->answer_headers, capacity * sizeof *call->answer_headers);
        }
        call->answer_headers[call->answer_header_count++] =
            (struct http_call_header){lower_case(header->name), without_line_end(header->value)};
    }
}

static enum http_call_result judge(const struct transfer *transfer, CURLcode code)
{
    if (transfer->too_large)
        return HTTP_CALL_TOO_LARGE;
    if (transfer->call->sent)
        return code == CURLE_OPERATION_TIMEDOUT ? HTTP_CALL_TIMEOUT : HTTP_CALL_CLOSED;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_LOGIN_DENIED)
        return HTTP_CALL_INVALID;
    return transfer->address_denied && !transfer->address_tried ? HTTP_CALL_DENIED : HTTP_CALL_CONNECT;
}

/* libcurl's own sentences are fixed texts, without anything of the request. */
static void explain(struct transfer *transfer, CURLcode code)
{
    struct http_call *call = transfer->call;
    long number = 0;
    char text[128];
    if (call->result == HTTP_CALL_TOO_LARGE) {
        transfer_reason(call, "the answer is larger than %zu bytes",
                        call->answer_limit_bytes == 0 ? (size_t)DEFAULT_ANSWER_BYTES
                                                      : call->answer_limit_bytes);
    } else if (call->result == HTTP_CALL_DENIED) {
        transfer_reason(call, "its address is not public, and BASCULE_EGRESS_ALLOW does not hold it");
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        curl_easy_getinfo(transfer->easy, CURLINFO_SSL_VERIFYRESULT, &number);
        transfer_reason(call, "its certificate was refused: %s", X509_verify_cert_error_string(number));
    } else if (code == CURLE_ABORTED_BY_CALLBACK) {
        transfer_reason(call, "the kept-alive connection ended without an answer");
    } else if (call->result == HTTP_CALL_CLOSED) {
        transfer_reason(call, "the connection ended before a whole answer (%s)", curl_easy_strerror(code));
    } else if (curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &number) == CURLE_OK && number != 0) {
        transfer_reason(call, "%s (%s)", curl_easy_strerror(code),
                        strerror_r((int)number, text, sizeof text));
    } else {
        transfer_reason(call, "%s", curl_easy_strerror(code));
    }
}

static void drop_answer(struct http_call *call)
{
    buffer_deinit(&call->answer_body);
}

void transfer_answer(struct transfer *transfer, CURLcode code)
{
    struct http_call *call = transfer->call;
    call->sent = was_sent(transfer);
    if (code != CURLE_OK) {
        call->result = judge(transfer, code);
        explain(transfer, code);
        drop_answer(call);
        return;
    }
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    call->result = HTTP_CALL_ANSWERED;
    call->status = (int)status;
    take_headers(transfer);
}

void transfer_abort(struct transfer *transfer, enum http_call_result result, const char *sentence)
{
    struct http_call *call = transfer->call;
    call->sent = was_sent(transfer);
    call->result = result;
    transfer_reason(call, "%s", sentence);
    drop_answer(call);
}
