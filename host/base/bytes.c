#include "base/bytes.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

struct slice slice_from(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool slice_equal_ignoring_case(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || strncasecmp(a.data, b.data, a.length) == 0);
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool slice_holds_ignoring_case(struct slice text, struct slice words)
{
    if (words.length == 0)
        return true;
    int lower = tolower((unsigned char)words.data[0]), upper = toupper((unsigned char)words.data[0]);
    for (size_t i = 0; i + words.length <= text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c == lower || c == upper) &&
            slice_equal_ignoring_case((struct slice){text.data + i, words.length}, words))
            return true;
    }
    return false;
}

struct slice slice_trim(struct slice s)
{
    while (s.length > 0 && is_white(s.data[0])) {
        s.data++;
        s.length--;
    }
    while (s.length > 0 && is_white(s.data[s.length - 1]))
        s.length--;
    return s;
}

char *slice_duplicate(struct slice s)
{
    char *copy = memory_allocate(s.length + 1);
    if (s.length > 0)
        memcpy(copy, s.data, s.length);
    return copy;
}

static void buffer_reserve(struct buffer *b, size_t more)
{
    size_t needed = b->length + more + 1;
    if (needed <= b->capacity)
        return;
    size_t capacity = b->capacity < 64 ? 64 : b->capacity;
    while (capacity < needed)
        capacity *= 2;
    b->data = memory_resize(b->data, capacity);
    b->capacity = capacity;
}

void buffer_append(struct buffer *b, const void *data, size_t length)
{
    buffer_reserve(b, length);
    if (length > 0)
        memcpy(b->data + b->length, data, length);
    b->length += length;
    b->data[b->length] = '\0';
}

void buffer_append_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

void buffer_append_format(struct buffer *b, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        buffer_reserve(b, (size_t)length);
        vsnprintf(b->data + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
}

void buffer_append_json_string(struct buffer *b, struct slice text)
{
    buffer_append(b, "\"", 1);
    for (size_t i = 0; i < text.length;) {
        unsigned char c = (unsigned char)text.data[i];
        size_t width = utf8_width(text.data + i, text.length - i);
        if (width == 0) {
            buffer_append_text(b, "\xEF\xBF\xBD");
            i++;
            continue;
        }
        if (c == '"' || c == '\\') {
            buffer_append_format(b, "\\%c", c);
        } else if (c == '\n') {
            buffer_append_text(b, "\\n");
        } else if (c == '\r') {
            buffer_append_text(b, "\\r");
        } else if (c == '\t') {
            buffer_append_text(b, "\\t");
        } else if (c < 0x20 || c == 0x7F) {
            buffer_append_format(b, "\\u%04x", c);
        } else {
            buffer_append(b, text.data + i, width);
        }
        i += width;
    }
    buffer_append(b, "\"", 1);
}

void buffer_clear(struct buffer *b)
{
    b->length = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

void buffer_deinit(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

static void memory_exhausted(size_t size)
{
    fprintf(stderr, "bascule: out of memory (%zu bytes)\n", size);
    abort();
}

void *memory_allocate(size_t size)
{
    void *pointer = calloc(1, size == 0 ? 1 : size);
    if (pointer == NULL)
        memory_exhausted(size);
    return pointer;
}

void *memory_resize(void *pointer, size_t size)
{
    void *resized = realloc(pointer, size == 0 ? 1 : size);
    if (resized == NULL)
        memory_exhausted(size);
    return resized;
}

char *text_duplicate(const char *text)
{
    return text == NULL ? NULL : slice_duplicate(slice_from(text));
}

#define DISTANCE_LONGEST 64

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > DISTANCE_LONGEST || columns > DISTANCE_LONGEST)
        return SIZE_MAX;
    size_t table[DISTANCE_LONGEST + 1][DISTANCE_LONGEST + 1];
    for (size_t i = 0; i <= rows; i++)
        table[i][0] = i;
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            size_t replace = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            size_t best = smaller(replace, smaller(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = smaller(best, table[i - 2][j - 2] + 1);
            table[i][j] = best;
        }
    }
    return table[rows][columns];
}

/* A name such as "until_" is meant by "untl" too. */
static size_t distance_to_name(const char *word, const char *name)
{
    char bare[DISTANCE_LONGEST + 1];
    size_t length = strlen(name), distance = text_distance(word, name);
    if (length < 2 || length > DISTANCE_LONGEST || name[length - 1] != '_')
        return distance;
    memcpy(bare, name, length - 1);
    bare[length - 1] = '\0';
    return smaller(distance, text_distance(word, bare));
}

const char *text_suggest(const char *word, const char *const *names)
{
    const char *nearest = NULL;
    size_t limit = strlen(word) / 3 + 1;
    for (; *names != NULL; names++) {
        size_t distance = distance_to_name(word, *names);
        if (distance < limit) {
            nearest = *names;
            limit = distance;
        }
    }
    return nearest;
}
