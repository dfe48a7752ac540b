#include "base/file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *file_read(const char *path, size_t most_bytes, struct stat *stamp, struct buffer *text)
{
    char piece[16384];
    FILE *stream = fopen(path, "rbe");
    const char *failure = NULL;
    if (stream == NULL || (stamp != NULL && fstat(fileno(stream), stamp) != 0))
        failure = strerror(errno);
    size_t length;
    while (failure == NULL && (length = fread(piece, 1, sizeof piece, stream)) > 0) {
        buffer_append(text, piece, length);
        if (text->length > most_bytes)
            failure = "the file is too large";
    }
    if (failure == NULL && ferror(stream))
        failure = "the file cannot be read";
    if (stream != NULL)
        fclose(stream);
    return failure;
}
