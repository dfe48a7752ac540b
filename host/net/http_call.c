#include "net/http_client.h"

#include <stdlib.h>
#include <string.h>

struct http_call *http_call_new(void)
{
    return memory_allocate(sizeof(struct http_call));
}

void http_call_set(struct http_call *call, const char *method, const char *url)
{
    free(call->method);
    free(call->url);
    call->method = text_duplicate(method);
    call->url = text_duplicate(url);
}

void http_call_add_header(struct http_call *call, const char *name, const char *value)
{
    call->headers = memory_resize(call->headers, (call->header_count + 1) * sizeof *call->headers);
    call->headers[call->header_count++] =
        (struct http_call_header){text_duplicate(name), text_duplicate(value)};
}

void http_call_set_body(struct http_call *call, struct slice body)
{
    free(call->body);
    call->body = slice_duplicate(body);
    call->body_length = body.length;
}

static void headers_free(struct http_call_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(headers[i].name);
        free(headers[i].value);
    }
    free(headers);
}

void http_call_free(struct http_call *call)
{
    if (call == NULL)
        return;
    free(call->method);
    free(call->url);
    headers_free(call->headers, call->header_count);
    free(call->body);
    headers_free(call->answer_headers, call->answer_header_count);
    buffer_deinit(&call->answer_body);
    free(call);
}
