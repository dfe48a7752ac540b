/* The strict reading of an HTTP/1 head: no input may lead it out of bounds, and what it accepts has one
 * reading only. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http_framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

/* How often a line of the head begins with `name`, which is in lower case and ends with its colon. */
static unsigned lines_named(struct slice head, const char *name)
{
    unsigned count = 0;
    for (size_t i = 0; i + strlen(name) <= head.length; i++) {
        bool line_begins = i > 0 && head.data[i - 1] == '\n';
        count += line_begins &&
                 slice_equal_ignoring_case((struct slice){head.data + i, strlen(name)}, slice_from(name));
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = {(const char *)data, size};
    struct http_head head, again;
    bool complete = http_head_complete(input, 0);
    require(complete || !http_head_complete(input, size / 2));
    if (http_head_fault(input, &head) != NULL)
        return 0;
    require(complete && head.bytes >= 4 && head.bytes <= size);
    struct slice accepted = {input.data, head.bytes};
    require(memcmp(input.data + head.bytes - 4, "\r\n\r\n", 4) == 0);
    require(http_head_fault(accepted, &again) == NULL && again.bytes == head.bytes &&
            again.fields == head.fields);
    require(lines_named(accepted, "content-length:") + lines_named(accepted, "transfer-encoding:") <= 1);
    require(lines_named(accepted, "host:") <= 1);
    require(lines_named(accepted, " ") == 0 && lines_named(accepted, "\t") == 0);
    require(memchr(accepted.data, '\0', accepted.length) == NULL);
    return 0;
}
