/* Lua 5.4's patterns (reference manual, 6.4.1) with a budget: Lua's own matcher has none, and a short pattern
 * can keep it busy for years. Subjects, patterns, results and texts of errors are those of Lua's string
 * library, down to when an error shows: a pattern is judged as far as matching reads it. Knows no Lua state.
 */
#ifndef SCRIPT_PATTERN_H
#define SCRIPT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define PATTERN_CAPTURES 32
#define PATTERN_DEEPEST 199      /* choices under way at once, as many as Lua's matcher allows */
#define PATTERN_CHARGE_STEPS 256 /* between two charges */

struct pattern_capture {
    const char *start; /* in the subject */
    ptrdiff_t length;
};
enum { PATTERN_OPEN = -1, PATTERN_POSITION = -2 }; /* lengths of captures that are not texts */

struct pattern {
    struct slice subject;
    struct slice items; /* the pattern's text without its anchor */
    /* Is told of work done, in steps of some 10 ns. May leave by longjmp to end the match: nothing is held.
     */
    void (*charge)(void *argument, uint64_t steps);
    void *argument;
    uint64_t steps; /* done and not charged yet */
    char fault[64]; /* why, after PATTERN_FAULT */
    unsigned count; /* captures of the last match */
    struct pattern_capture captures[PATTERN_CAPTURES];
};

enum pattern_result { PATTERN_FAULT = -1, PATTERN_NONE, PATTERN_FOUND };

/* Whether the items match from exactly `at` (0 to the subject's length) on; `end` is where the match ends. */
enum pattern_result pattern_match(struct pattern *pattern, size_t at, size_t *end);

/* The first place at or after `at` where they match. */
enum pattern_result pattern_search(struct pattern *pattern, size_t at, size_t *start, size_t *end);

/* Capture `index` (0 is the first) of a match from `start` to `end`; the whole match for index 0 where there
 * are no captures. False with `fault` where there is no such capture, or it was never closed. Its length may
 * be PATTERN_POSITION. */
bool pattern_capture(struct pattern *pattern, unsigned index, size_t start, size_t end,
                     struct pattern_capture *capture);

/* Whether the text means nothing but itself as a pattern. */
bool pattern_is_plain(struct slice text);

#endif
