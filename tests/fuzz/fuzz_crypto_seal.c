/* The input as a sealed text, as a stamp, as a key ring and as a secret. Nobody knows the key, so nothing
 * opens but the seeds, which were sealed under it; and what is sealed opens to itself. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "crypto/seal.h"

/* base64 of 32 bytes 'a' */
#define RING "k1:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void open_it(const struct seal_keys *keys, const char *text)
{
    struct buffer opened = {0};
    struct error error = {0};
    if (seal_open(keys, "fuzz", text, &opened, &error) == 0)
        check(strcmp(opened.data, "secret") == 0 && seal_is_current(keys, text));
    else
        check(opened.data == NULL && (error.kind == ERROR_INVALID || error.kind == ERROR_DENIED));
    buffer_deinit(&opened);
    char *unstamped = seal_unstamp(keys, text);
    check(unstamped == NULL || strcmp(unstamped, "state") == 0);
    free(unstamped);
}

static void close_it(const struct seal_keys *keys, struct slice secret)
{
    char *sealed = seal_close(keys, "fuzz", secret);
    struct buffer opened = {0};
    check(seal_open(keys, "fuzz", sealed, &opened, NULL) == 0);
    check(slice_equal((struct slice){opened.data, opened.length}, secret));
    buffer_deinit(&opened);
    free(sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seal_keys *keys;
    if (keys == NULL) {
        crypto_start();
        keys = seal_keys_new(RING, NULL);
    }
    struct slice input = {(const char *)data, size};
    char *text = slice_duplicate(input);
    open_it(keys, text);
    close_it(keys, input);
    seal_keys_free(seal_keys_new(text, NULL));
    free(text);
    return 0;
}
