#include "base/log.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic enum log_level threshold = LOG_INFO;
static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level least)
{
    atomic_store_explicit(&threshold, least, memory_order_relaxed);
}

int log_parse_level(const char *text, enum log_level *level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

bool log_enabled(enum log_level level)
{
    return level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if (!log_enabled(level))
        return;
    char now[CLOCK_ISO_SIZE];
    struct buffer line = {0};
    buffer_append_format(&line,
                         "{\"at\":\"%s\",\"level\":\"%s\",\"event\":", clock_format_iso(clock_wall_ms(), now),
                         level_names[level]);
    buffer_append_json_string(&line, slice_from(event));
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&line, ",");
        buffer_append_json_string(&line, slice_from(fields[i].name));
        buffer_append_text(&line, ":");
        if (fields[i].type == LOG_TEXT)
            buffer_append_json_string(&line, fields[i].text);
        else if (fields[i].type == LOG_BOOLEAN)
            buffer_append_text(&line, fields[i].number ? "true" : "false");
        else
            buffer_append_format(&line, "%lld", (long long)fields[i].number);
    }
    buffer_append_text(&line, "}\n");
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written; /* a log that cannot be written must not stop the service */
    buffer_deinit(&line);
}
