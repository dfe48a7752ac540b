#include "script/rule_excerpt.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

#define LINE_LONGEST 120 /* bytes of a line that are shown */

/* ---- lines of keys ---- */

/* A walk through the text that knows its line. */
struct walk {
    struct slice source;
    size_t at;
    int line;
};

static char byte_at(const struct walk *walk, size_t at)
{
    return at < walk->source.length ? walk->source.data[at] : '\0';
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static size_t skip_blanks(const struct walk *walk, size_t at)
{
    while (byte_at(walk, at) == ' ' || byte_at(walk, at) == '\t')
        at++;
    return at;
}

/* `key =` and `["key"] =`, but not `key ==`. */
static bool is_set_here(const struct walk *walk, const char *key, size_t length)
{
    if (walk->source.length - walk->at < length || memcmp(walk->source.data + walk->at, key, length) != 0)
        return false;
    char before = walk->at > 0 ? byte_at(walk, walk->at - 1) : ' ';
    size_t after = walk->at + length;
    if ((before == '"' || before == '\'') && byte_at(walk, after) == before &&
        byte_at(walk, after + 1) == ']')
        after += 2;
    else if (is_word(before) || is_word(byte_at(walk, after)))
        return false;
    after = skip_blanks(walk, after);
    return byte_at(walk, after) == '=' && byte_at(walk, after + 1) != '=';
}

static void step(struct walk *walk)
{
    bool comment = byte_at(walk, walk->at) == '-' && byte_at(walk, walk->at + 1) == '-';
    while (comment && walk->at < walk->source.length && byte_at(walk, walk->at) != '\n')
        walk->at++;
    walk->line += byte_at(walk, walk->at) == '\n';
    walk->at++;
}

/* Goes on to the next place where the key is set, and behind its first byte. */
static bool find_next(struct walk *walk, const char *key)
{
    size_t length = strlen(key);
    for (; walk->at < walk->source.length; step(walk)) {
        if (is_set_here(walk, key, length)) {
            walk->at++;
            return true;
        }
    }
    return false;
}

int excerpt_line_of_keys(struct slice source, const char *const *keys)
{
    struct walk walk = {source, 0, 1};
    int line = 0;
    while (*keys != NULL && find_next(&walk, *keys)) {
        line = walk.line;
        keys++;
    }
    return line;
}

int excerpt_line_of_key(struct slice source, int first, int last, const char *key, bool only)
{
    struct walk walk = {source, 0, 1};
    int line = 0;
    while (find_next(&walk, key) && walk.line <= last) {
        if (walk.line < first || walk.line == line)
            continue;
        if (line != 0)
            return 0;
        line = walk.line;
        if (!only)
            break;
    }
    return line;
}

/* ---- excerpts ---- */

/* The line's text, without its end. */
static bool line_of(struct slice source, long number, struct slice *line)
{
    const char *at = source.data, *end = source.data + source.length;
    for (long n = 1; n < number && at != NULL && at < end; n++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        at = feed == NULL ? end : feed + 1;
    }
    if (number < 1 || at == NULL || at >= end)
        return false;
    const char *feed = memchr(at, '\n', (size_t)(end - at));
    *line = (struct slice){at, (size_t)((feed == NULL ? end : feed) - at)};
    if (line->length > 0 && at[line->length - 1] == '\r')
        line->length--;
    return true;
}

static void append_shown(struct buffer *out, struct slice line)
{
    size_t shown = 0;
    while (shown < line.length && shown < LINE_LONGEST) {
        size_t width = utf8_width(line.data + shown, line.length - shown);
        bool control = iscntrl((unsigned char)line.data[shown]) && line.data[shown] != '\t';
        if (width == 0 || control)
            buffer_append_text(out, "?");
        else
            buffer_append(out, line.data + shown, width);
        shown += width == 0 ? 1 : width;
    }
    if (shown < line.length)
        buffer_append_text(out, "...");
}

void excerpt_append(struct buffer *out, struct slice source, long line)
{
    struct slice text;
    if (!line_of(source, line, &text))
        return;
    int width = snprintf(NULL, 0, "%ld", line + 1);
    for (long number = line - 1; number <= line + 1; number++) {
        if (!line_of(source, number, &text))
            continue;
        buffer_append_format(out, "%c %*ld |%s", number == line ? '>' : ' ', width, number,
                             text.length > 0 ? " " : "");
        append_shown(out, text);
        buffer_append_text(out, "\n");
    }
}

/* Lua shows the end of a long path, after "...". */
static bool names_path(struct slice name, const char *path)
{
    size_t length = strlen(path), dots = strlen("...");
    if (name.length > dots && memcmp(name.data, "...", dots) == 0) {
        name.data += dots;
        name.length -= dots;
    } else if (name.length != length) {
        return false;
    }
    return name.length <= length && memcmp(name.data, path + length - name.length, name.length) == 0;
}

const char *excerpt_skip_place(const char *message, const char *path, long *line)
{
    for (const char *colon = strchr(message, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        char *end;
        struct slice name = {message, (size_t)(colon - message)};
        if (!isdigit((unsigned char)colon[1]) || !names_path(name, path))
            continue;
        *line = strtol(colon + 1, &end, 10);
        return *end == ':' && *line < INT_MAX ? end + 1 + strspn(end + 1, " ") : NULL;
    }
    return NULL;
}

long excerpt_line_of_error(const char *message, const char *path)
{
    long line;
    return excerpt_skip_place(message, path, &line) == NULL ? 0 : line;
}
