/* Header values and a body against a ring with a key of every kind. The input's lines up to an empty one are
 * signatures, the rest is the body. Nobody can sign for these keys, so whatever is accepted is the body of
 * the test vectors. The whole input is read as a key ring, too. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/crypto_vectors.h"
#include "crypto/random.h"
#include "crypto/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct signature_keys *ring(void)
{
    struct buffer pem = {0};
    struct error error;
    crypto_start();
    buffer_append_text(&pem, vector_ed25519_pem);
    buffer_append_text(&pem, vector_rsa2048_pem);
    buffer_append_text(&pem, vector_rsa4096_pem);
    buffer_append_text(&pem, vector_p256_pem);
    struct signature_keys *keys = signature_keys_new(pem.data, vector_hmac_secret, &error);
    if (keys == NULL)
        abort();
    buffer_deinit(&pem);
    return keys;
}

static void read_as_keys(struct slice input)
{
    struct error error = {0};
    char line[80];
    char *text = slice_duplicate(input);
    struct signature_keys *keys = signature_keys_new(text, text, &error);
    if (keys == NULL && (error.kind != ERROR_INVALID || error.message[0] == '\0'))
        abort();
    for (size_t i = 0; keys != NULL && i < signature_keys_count(keys); i++)
        signature_keys_describe(keys, i, line, sizeof line);
    signature_keys_free(keys);
    free(text);
}

static size_t split(struct slice *input, struct slice signatures[SIGNATURE_MOST])
{
    size_t count = 0;
    while (input->length > 0 && count < SIGNATURE_MOST) {
        const char *end = memchr(input->data, '\n', input->length);
        size_t length = end == NULL ? input->length : (size_t)(end - input->data);
        signatures[count++] = (struct slice){input->data, length};
        size_t taken = end == NULL ? length : length + 1;
        *input = (struct slice){input->data + taken, input->length - taken};
        if (length == 0)
            break;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct signature_keys *keys;
    if (keys == NULL)
        keys = ring();
    struct slice input = {(const char *)data, size};
    read_as_keys(input);
    struct slice signatures[SIGNATURE_MOST];
    size_t count = split(&input, signatures), key = SIZE_MAX;
    if (signature_verify(keys, signatures, count, input, &key) == SIGNATURE_VALID &&
        (!slice_equal(input, slice_from(vector_body)) || key >= signature_keys_count(keys)))
        abort();
    return 0;
}
