/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes (1 to 4) of the well-formed character at `text`, or 0 where there is none. */
size_t utf8_width(const char *text, size_t length);

/* Offset of the first byte that begins no well-formed character, or `length` when all is well. */
size_t utf8_valid_prefix(const char *text, size_t length);

#endif
