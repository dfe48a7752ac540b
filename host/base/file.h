/* Reading files whole. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <sys/stat.h>

#include "base/bytes.h"

/* Appends what the file holds to `text`. Returns NULL, or why it could not be read: the system's words, or
 * that it is larger than `most_bytes`. `stamp` (may be NULL) is that of the file that was opened. */
const char *file_read(const char *path, size_t most_bytes, struct stat *stamp, struct buffer *text);

#endif
