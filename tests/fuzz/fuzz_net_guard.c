/* The guard before HTTP/2: no bytes may lead it out of bounds, and portions do not matter to what it lets
 * through. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http2_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses where the input is cut in two; what a guard has passed stays in the buffer, as it
 * does while libh2o waits for the rest of a frame. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t length = size - 1, first = length * data[0] / 255, left = length;
    char *bytes = malloc(length + 1), *whole = malloc(length + 1);
    memcpy(bytes, data + 1, length);
    memcpy(whole, data + 1, length);
    struct http2_guard guard, other;
    http2_guard_init(&guard, 1 << 20, 0);
    http2_guard_init(&other, 1 << 20, 0);
    const char *fault = http2_guard_check(&other, whole, &left, 0);
    size_t passed = first;
    const char *first_fault = http2_guard_check(&guard, bytes, &passed, 0);
    if (passed > first || left > length || (fault == NULL && first_fault != NULL))
        abort();
    free(bytes);
    free(whole);
    return 0;
}
