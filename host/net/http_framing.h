/* A strict reading of an HTTP/1 request head (RFC 9112), beside libh2o's own parser, which is lenient where
 * leniency lets two servers disagree about where a request ends: it takes the first of two Content-Length
 * fields, prefers Transfer-Encoding over Content-Length, unfolds folded fields and does without Host. Nothing
 * here allocates. */
#ifndef NET_HTTP_FRAMING_H
#define NET_HTTP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct http_head {
    size_t bytes;  /* up to and with the empty line */
    size_t fields; /* header fields */
};

/* Reads the head at the start of `input`, which holds the whole of it and may go on after it. Returns NULL,
 * or what is wrong with it (static text, for the client's eyes). One empty line before the request line is
 * passed over (RFC 9112, 2.2). */
const char *http_head_fault(struct slice input, struct http_head *head);

/* Whether `input` holds a whole head; `seen` bytes of it were looked at before. An end without carriage
 * returns counts: it is http_head_fault that refuses it. */
bool http_head_complete(struct slice input, size_t seen);

bool http_token_valid(struct slice text);  /* a method or a field name */
bool http_target_valid(struct slice text); /* "/path?query", visible ASCII, no fragment */
bool http_host_valid(struct slice text);   /* host[:port]; may be empty */
bool http_value_valid(struct slice text);  /* no control characters but the tabulator */

#endif
