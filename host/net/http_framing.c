#include "net/http_framing.h"

#include <string.h>

/* What a byte may stand in. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

static const unsigned char classes[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE | TARGET | HOST,
    ['"'] = VALUE | TARGET,
    ['#'] = TOKEN | VALUE,
    ['$' ... '\''] = TOKEN | VALUE | TARGET | HOST,
    ['(' ... ')'] = VALUE | TARGET | HOST,
    ['*' ... '+'] = TOKEN | VALUE | TARGET | HOST,
    [','] = VALUE | TARGET,
    ['-' ... '.'] = TOKEN | VALUE | TARGET | HOST,
    ['/'] = VALUE | TARGET,
    ['0' ... '9'] = TOKEN | VALUE | TARGET | HOST,
    [':'] = VALUE | TARGET | HOST,
    [';'] = VALUE | TARGET | HOST,
    ['<'] = VALUE | TARGET,
    ['='] = VALUE | TARGET | HOST,
    ['>' ... '@'] = VALUE | TARGET,
    ['A' ... 'Z'] = TOKEN | VALUE | TARGET | HOST,
    ['['] = VALUE | TARGET | HOST,
    ['\\'] = VALUE | TARGET,
    [']'] = VALUE | TARGET | HOST,
    ['^'] = TOKEN | VALUE | TARGET,
    ['_'] = TOKEN | VALUE | TARGET | HOST,
    ['`'] = TOKEN | VALUE | TARGET,
    ['a' ... 'z'] = TOKEN | VALUE | TARGET | HOST,
    ['{'] = VALUE | TARGET,
    ['|'] = TOKEN | VALUE | TARGET,
    ['}'] = VALUE | TARGET,
    ['~'] = TOKEN | VALUE | TARGET | HOST,
    [0x80 ... 0xFF] = VALUE,
};

static size_t span(struct slice text, unsigned char class)
{
    size_t length = 0;
    while (length < text.length && classes[(unsigned char)text.data[length]] & class)
        length++;
    return length;
}

static struct slice rest(struct slice text, size_t skipped)
{
    return (struct slice){text.data + skipped, text.length - skipped};
}

bool http_token_valid(struct slice text)
{
    return text.length > 0 && span(text, TOKEN) == text.length;
}

bool http_target_valid(struct slice text)
{
    return text.length > 0 && text.data[0] == '/' && span(text, TARGET) == text.length;
}

bool http_host_valid(struct slice text)
{
    return span(text, HOST) == text.length;
}

bool http_value_valid(struct slice text)
{
    return span(text, VALUE) == text.length;
}

bool http_head_complete(struct slice input, size_t seen)
{
    size_t from = seen > 3 ? seen - 3 : 0;
    for (const char *at = input.data + from, *end = input.data + input.length; at < end; at++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL)
            return false;
        if (end - at > 1 && at[1] == '\n')
            return true;
        if (end - at > 2 && at[1] == '\r' && at[2] == '\n')
            return true;
    }
    return false;
}

/* What the fields seen so far say about the body and the host. */
struct scan {
    struct slice left;
    bool version_1_0, host, content_length, transfer_encoding;
};

static bool starts_with(struct slice text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.length >= length && memcmp(text.data, prefix, length) == 0;
}

static const char *scan_line_end(struct scan *scan)
{
    if (!starts_with(scan->left, "\r\n"))
        return "a line must end with CR LF, and hold no control characters";
    scan->left = rest(scan->left, 2);
    return NULL;
}

static const char *scan_request_line(struct scan *scan)
{
    size_t method = span(scan->left, TOKEN);
    scan->left = rest(scan->left, method);
    if (method == 0 || !starts_with(scan->left, " "))
        return "the request line has no method";
    scan->left = rest(scan->left, 1);
    size_t target = span(scan->left, TARGET);
    if (!http_target_valid((struct slice){scan->left.data, target}))
        return "the request target must be a path";
    scan->left = rest(scan->left, target);
    if (!starts_with(scan->left, " HTTP/1.0") && !starts_with(scan->left, " HTTP/1.1"))
        return "the request line must end with HTTP/1.0 or HTTP/1.1";
    scan->version_1_0 = scan->left.data[8] == '0';
    scan->left = rest(scan->left, 9);
    return scan_line_end(scan);
}

static const char *note_content_length(struct scan *scan, struct slice value)
{
    if (scan->content_length)
        return "more than one Content-Length";
    scan->content_length = true;
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return "Content-Length must be a number";
    }
    if (value.length == 0 || value.length > 18)
        return "Content-Length must be a number";
    return NULL;
}

static const char *note_transfer_encoding(struct scan *scan, struct slice value)
{
    if (scan->transfer_encoding)
        return "more than one Transfer-Encoding";
    scan->transfer_encoding = true;
    if (!slice_equal_ignoring_case(value, SLICE_LITERAL("chunked")))
        return "Transfer-Encoding must be chunked";
    return NULL;
}

static const char *note_host(struct scan *scan, struct slice value)
{
    if (scan->host)
        return "more than one Host";
    scan->host = true;
    return http_host_valid(value) ? NULL : "Host is malformed";
}

static const char *note_field(struct scan *scan, struct slice name, struct slice value)
{
    if (slice_equal_ignoring_case(name, SLICE_LITERAL("host")))
        return note_host(scan, value);
    if (slice_equal_ignoring_case(name, SLICE_LITERAL("content-length")))
        return note_content_length(scan, value);
    if (slice_equal_ignoring_case(name, SLICE_LITERAL("transfer-encoding")))
        return note_transfer_encoding(scan, value);
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice text)
{
    while (text.length > 0 && is_blank(text.data[0]))
        text = rest(text, 1);
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

static const char *scan_field(struct scan *scan)
{
    if (scan->left.length > 0 && is_blank(scan->left.data[0]))
        return "folded header fields are obsolete";
    struct slice name = {scan->left.data, span(scan->left, TOKEN)};
    scan->left = rest(scan->left, name.length);
    if (name.length == 0 || !starts_with(scan->left, ":"))
        return "a header field needs a name that a colon follows at once";
    scan->left = rest(scan->left, 1);
    struct slice value = {scan->left.data, span(scan->left, VALUE)};
    scan->left = rest(scan->left, value.length);
    const char *fault = scan_line_end(scan);
    return fault != NULL ? fault : note_field(scan, name, trimmed(value));
}

static const char *scan_conclude(const struct scan *scan)
{
    if (scan->content_length && scan->transfer_encoding)
        return "Content-Length together with Transfer-Encoding";
    if (scan->transfer_encoding && scan->version_1_0)
        return "Transfer-Encoding in HTTP/1.0";
    if (!scan->host && !scan->version_1_0)
        return "HTTP/1.1 needs a Host";
    return NULL;
}

const char *http_head_fault(struct slice input, struct http_head *head)
{
    struct scan scan = {.left = input};
    *head = (struct http_head){0, 0};
    if (starts_with(scan.left, "\r\n"))
        scan.left = rest(scan.left, 2);
    const char *fault = scan_request_line(&scan);
    while (fault == NULL && !starts_with(scan.left, "\r\n")) {
        fault = scan_field(&scan);
        head->fields++;
    }
    if (fault != NULL)
        return fault;
    head->bytes = input.length - scan.left.length + 2;
    return scan_conclude(&scan);
}
