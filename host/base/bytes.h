/* Byte strings: a borrowed view (`struct slice`) and a growing buffer (`struct buffer`). */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>

/* A borrowed run of bytes; not NUL terminated. `data` may be NULL when `length` is 0. */
struct slice {
    const char *data;
    size_t length;
};

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

struct slice slice_from(const char *text); /* of a NUL terminated string; NULL gives the empty slice */
bool slice_equal(struct slice a, struct slice b);
bool slice_equal_ignoring_case(struct slice a, struct slice b);        /* ASCII letters only */
bool slice_holds_ignoring_case(struct slice text, struct slice words); /* likewise; "" is in every text */
struct slice slice_trim(struct slice s); /* without surrounding space, tab, CR, LF */
char *slice_duplicate(struct slice s);   /* NUL terminated copy; caller frees */

/* Owned, growing, always NUL terminated once anything was appended. Zero-initialise to start. */
struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

void buffer_append(struct buffer *b, const void *data, size_t length);
void buffer_append_text(struct buffer *b, const char *text);
void buffer_append_format(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_append_json_string(struct buffer *b, struct slice text); /* quoted; bad UTF-8 becomes U+FFFD */
void buffer_clear(struct buffer *b);                                 /* keeps the memory */
void buffer_deinit(struct buffer *b);

/* Allocation that cannot fail: out of memory ends the process with a line on standard error. A message that
 * was acknowledged is in the store, so ending is safe; limping on with a half-built answer is not. */
void *memory_allocate(size_t size); /* zeroed */
void *memory_resize(void *pointer, size_t size);
char *text_duplicate(const char *text); /* NULL gives NULL */

/* Edit distance (insert, delete, replace, swap neighbours), for suggestions; names over 64 bytes give
 * SIZE_MAX. */
size_t text_distance(const char *a, const char *b);

/* The name of `names` (NULL terminated list) nearest to `word` within a third of its length, or NULL. A "_"
 * at the end of a name, by which Lua's own words become names, need not be in the word. */
const char *text_suggest(const char *word, const char *const *names);

#endif
