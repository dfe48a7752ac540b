#include "net/http2_guard.h"

#include <string.h>

/* RFC 9113, 4.1 and 6 */
#define FRAME_HEADER_SIZE 9
enum {
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION
};
enum { END_STREAM = 0x1, END_HEADERS = 0x4, PADDED = 0x8, HAS_PRIORITY = 0x20 };

struct frame {
    size_t length; /* of the payload */
    unsigned type, flags;
    const unsigned char *payload;
};

/* A run of bytes that is eaten from its front. */
struct block {
    const unsigned char *at, *end;
};

void http2_guard_init(struct http2_guard *guard, uint64_t upload_limit_bytes, int64_t now_ms)
{
    *guard = (struct http2_guard){
        .budget = HTTP2_GUARD_BUDGET, .refilled_ms = now_ms, .upload_limit_bytes = upload_limit_bytes};
}

bool http2_guard_spend(struct http2_guard *guard, int64_t now_ms)
{
    int64_t earned = (now_ms - guard->refilled_ms) * HTTP2_GUARD_BUDGET_PER_SECOND / 1000;
    if (earned > 0) {
        guard->refilled_ms = now_ms;
        guard->budget = earned > HTTP2_GUARD_BUDGET - guard->budget ? HTTP2_GUARD_BUDGET
                                                                    : guard->budget + (unsigned)earned;
    }
    if (guard->budget == 0)
        return false;
    guard->budget--;
    return true;
}

void http2_guard_upload_done(struct http2_guard *guard, size_t body_bytes)
{
    guard->upload_bytes -= guard->upload_bytes < body_bytes ? guard->upload_bytes : body_bytes;
}

/* HPACK integer (RFC 7541, 5.1) whose prefix has `bits` bits. False when it does not end, or is absurd. */
static bool eat_integer(struct block *block, unsigned bits, size_t *value)
{
    if (block->at == block->end)
        return false;
    size_t mask = ((size_t)1 << bits) - 1;
    *value = *block->at++ & mask;
    if (*value < mask)
        return true;
    for (unsigned shift = 0; block->at < block->end && shift <= 21; shift += 7) {
        unsigned char byte = *block->at++;
        *value += (size_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) == 0)
            return true;
    }
    return false;
}

static bool eat_string(struct block *block)
{
    size_t length;
    if (!eat_integer(block, 7, &length) || length > (size_t)(block->end - block->at))
        return false;
    block->at += length;
    return true;
}

/* One representation (RFC 7541, 6). Its strings are skipped, not decoded: only the count matters here. */
static bool eat_representation(struct block *block, size_t *fields)
{
    unsigned char first = *block->at;
    size_t index;
    ++*fields;
    if (first & 0x80)
        return eat_integer(block, 7, &index);
    if ((first & 0xE0) ==
        0x20) { /* a change of the table's size: no field, but it counts, or it could be repeated */
        return eat_integer(block, 5, &index);
    }
    if (!eat_integer(block, first & 0x40 ? 6 : 4, &index))
        return false;
    return (index != 0 || eat_string(block)) && eat_string(block);
}

static const char *check_header_block(struct block block)
{
    size_t fields = 0;
    while (block.at < block.end) {
        if (!eat_representation(&block, &fields))
            return "header_block_malformed";
        if (fields > HTTP2_GUARD_FIELDS)
            return "header_block_too_long";
    }
    return NULL;
}

/* Takes padding and priority off the payload of HEADERS or DATA; false when they do not fit. */
static bool frame_content(const struct frame *frame, struct block *content)
{
    *content = (struct block){frame->payload, frame->payload + frame->length};
    size_t padding = 0;
    if (frame->flags & PADDED) {
        if (frame->length == 0)
            return false;
        padding = *content->at++;
    }
    size_t priority = frame->type == HEADERS && frame->flags & HAS_PRIORITY ? 5 : 0;
    if ((size_t)(content->end - content->at) < padding + priority)
        return false;
    content->at += priority;
    content->end -= padding;
    return true;
}

static const char *check_data(struct http2_guard *guard, const struct frame *frame, int64_t now_ms)
{
    struct block content;
    if (!frame_content(frame, &content))
        return "data_malformed";
    size_t bytes = (size_t)(content.end - content.at);
    if (bytes == 0 && !(frame->flags & END_STREAM) && !http2_guard_spend(guard, now_ms))
        return "empty_frames";
    guard->upload_bytes += bytes;
    return NULL;
}

static const char *check_headers(const struct frame *frame)
{
    struct block content;
    /* A block that does not fit one frame (16 KB) is past what a request may carry, so CONTINUATION is not
     * needed. */
    if (!(frame->flags & END_HEADERS))
        return "header_block_too_long";
    return frame_content(frame, &content) ? check_header_block(content) : "header_block_malformed";
}

static const char *check_frame(struct http2_guard *guard, const struct frame *frame, int64_t now_ms)
{
    switch (frame->type) {
    case DATA:
        return check_data(guard, frame, now_ms);
    case HEADERS:
        return check_headers(frame);
    case CONTINUATION:
        return "continuation";
    case WINDOW_UPDATE: /* one for each answer is honest, and costs nothing */
        return NULL;
    case RST_STREAM:
        return http2_guard_spend(guard, now_ms) ? NULL : "resets";
    default:
        return http2_guard_spend(guard, now_ms) ? NULL : "control_frames";
    }
}

static bool skip_preface(struct http2_guard *guard, size_t length, size_t *at)
{
    if (!guard->preface_seen && length >= sizeof HTTP2_GUARD_PREFACE - 1) {
        guard->preface_seen = true;
        *at = sizeof HTTP2_GUARD_PREFACE - 1; /* libh2o compares it */
    }
    return guard->preface_seen;
}

static struct frame read_frame(const char *bytes)
{
    const unsigned char *head = (const unsigned char *)bytes;
    return (struct frame){.length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2],
                          .type = head[3],
                          .flags = head[4],
                          .payload = head + FRAME_HEADER_SIZE};
}

const char *http2_guard_check(struct http2_guard *guard, char *bytes, size_t *length, int64_t now_ms)
{
    size_t at = 0;
    if (!skip_preface(guard, *length, &at))
        return NULL;
    if (guard->upload_bytes >
        guard->upload_limit_bytes) /* what became whole in the bytes before is off it by now */
        return "uploads";
    while (*length - at >= FRAME_HEADER_SIZE) {
        struct frame frame = read_frame(bytes + at);
        size_t whole = FRAME_HEADER_SIZE + frame.length;
        if (*length - at < whole)
            break;
        const char *fault = check_frame(guard, &frame, now_ms);
        if (fault != NULL)
            return fault;
        if (frame.type <= CONTINUATION) {
            at += whole;
        } else {
            memmove(bytes + at, bytes + at + whole, *length - at - whole);
            *length -= whole;
        }
    }
    return NULL;
}
