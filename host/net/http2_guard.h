/* Watches the frames of an HTTP/2 connection before libh2o sees them, and says when the connection must go.
 *
 * libh2o 2.2.5 has no answer to what was found in HTTP/2 since: streams that are opened and reset at once
 * (CVE-2023-44487), header blocks that name one table entry many thousand times, floods of control frames
 * (CVE-2019-9511 and its kin), CONTINUATION without end (CVE-2024-27316), a hundred half-sent bodies. Nothing
 * here allocates, and it keeps no table of streams. */
#ifndef NET_HTTP2_GUARD_H
#define NET_HTTP2_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A client may now and then give up a request, ask for a ping or change a setting: this many times at once,
 * and this many times a second for ever. Rapid reset needs thousands. */
#define HTTP2_GUARD_BUDGET 200
#define HTTP2_GUARD_BUDGET_PER_SECOND 20

/* Fields of one header block past which the connection goes; up to it a request can still be answered with
 * 431. */
#define HTTP2_GUARD_FIELDS 256

#define HTTP2_GUARD_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct http2_guard {
    bool preface_seen;
    unsigned budget;
    int64_t refilled_ms;
    uint64_t upload_bytes; /* of bodies that are not whole yet (those of requests given up stay counted) */
    uint64_t upload_limit_bytes;
};

void http2_guard_init(struct http2_guard *guard, uint64_t upload_limit_bytes, int64_t now_ms);

/* Looks at every whole frame at the start of `bytes`, which begins where libh2o stopped reading. Frames of a
 * type that RFC 9113 does not know are cut out (libh2o writes a line to standard error for each): `length` is
 * lowered. Returns NULL, or why the connection must be closed (static text, snake case: a metric's label). */
const char *http2_guard_check(struct http2_guard *guard, char *bytes, size_t *length, int64_t now_ms);

/* Takes one from the budget; false when it is used up. */
bool http2_guard_spend(struct http2_guard *guard, int64_t now_ms);

/* A request of `body_bytes` became whole. */
void http2_guard_upload_done(struct http2_guard *guard, size_t body_bytes);

#endif
