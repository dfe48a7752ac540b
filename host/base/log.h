/* JSON logs: one object a line on standard error.
 *
 *   {"at":"2026-01-02T03:04:05.678Z","level":"info","event":"message_accepted","message":"...",...}
 *
 * `event` is a stable name in snake case; fields are strings or numbers. Whoever logs takes care that no
 * secret and no message text is among the fields (invariant 7). Any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name;
    enum { LOG_TEXT, LOG_NUMBER, LOG_BOOLEAN } type;
    struct slice text;
    int64_t number;
};

#define LOG_FIELD_TEXT(field, value) ((struct log_field){(field), LOG_TEXT, slice_from(value), 0})
#define LOG_FIELD_NUMBER(field, value) ((struct log_field){(field), LOG_NUMBER, {NULL, 0}, (value)})

void log_set_level(enum log_level least);
int log_parse_level(const char *text, enum log_level *level); /* "debug" ... "error"; -1 for anything else */
bool log_enabled(enum log_level level);

/* Writes one line, in one write, so that lines of threads do not mix. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

#define LOG_EVENT(level, event, ...)                                     \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__}, \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
