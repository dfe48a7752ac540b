/* Backtracking with a stack of choices in place of calls. What can be done otherwise, or must be undone, is a
 * choice: when an item does not match, the newest choice is taken another way, or dropped.
 */
#include "script/pattern.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BYTES_PER_STEP 8 /* of a set that is read, of texts that are compared */

enum choice_kind { CHOICE_FEWER, CHOICE_MORE, CHOICE_WITHOUT, CHOICE_REOPEN, CHOICE_FORGET };

struct choice {
    enum choice_kind kind;
    unsigned capture;  /* REOPEN */
    const char *place; /* in the subject: what to go on from, or (FEWER) the fewest that will do */
    const char *last;  /* FEWER: the end of what was taken */
    const char *item;  /* MORE: what is repeated */
    const char *next;  /* what follows the item and its suffix */
};

struct match {
    struct pattern *pattern;
    const char *subject, *subject_end; /* where it stands, and the end */
    const char *item, *items_end;
    unsigned height;
    struct choice choices[PATTERN_DEEPEST];
};

enum outcome { GOES_ON, FAILS, IS_FAULTY };

static enum outcome faulty(struct match *match, const char *text)
{
    snprintf(match->pattern->fault, sizeof match->pattern->fault, "%s", text);
    return IS_FAULTY;
}

static enum outcome no_capture(struct pattern *pattern, int number)
{
    snprintf(pattern->fault, sizeof pattern->fault, "invalid capture index %%%d", number);
    return IS_FAULTY;
}

static void spend(struct pattern *pattern, uint64_t steps)
{
    pattern->steps += steps;
    if (pattern->steps < PATTERN_CHARGE_STEPS)
        return;
    steps = pattern->steps;
    pattern->steps = 0;
    pattern->charge(pattern->argument, steps);
}

/* NULL where it would be too deep. */
static struct choice *push(struct match *match, enum choice_kind kind)
{
    if (match->height == PATTERN_DEEPEST) {
        faulty(match, "pattern too complex");
        return NULL;
    }
    struct choice *choice = &match->choices[match->height++];
    choice->kind = kind;
    return choice;
}

/* ---- one character ---- */

static int is_zero(int character)
{
    return character == 0;
}

static int (*const classes[UCHAR_MAX + 1])(int) = {
    ['a'] = isalpha, ['c'] = iscntrl, ['d'] = isdigit, ['g'] = isgraph,  ['l'] = islower, ['p'] = ispunct,
    ['s'] = isspace, ['u'] = isupper, ['w'] = isalnum, ['x'] = isxdigit, ['z'] = is_zero, /* from Lua 5.1 */
};

static bool in_class(unsigned char character, unsigned char letter)
{
    int (*is)(int) = classes[tolower(letter)];
    if (is == NULL) /* an escaped character */
        return letter == character;
    return (is(character) != 0) == (islower(letter) != 0);
}

/* The set from its '[' to its ']'. */
static bool in_set(unsigned char character, const char *at, const char *close)
{
    bool complement = *++at == '^', in = false;
    for (at += complement; at < close && !in; at++) {
        if (*at == '%') {
            at++;
            in = in_class(character, (unsigned char)*at);
        } else if (at + 2 < close && at[1] == '-') {
            in = (unsigned char)at[0] <= character && character <= (unsigned char)at[2];
            at += 2;
        } else {
            in = (unsigned char)*at == character;
        }
    }
    return in != complement;
}

/* Whether the character at `place` is one of the item's, which ends at `item_end`. */
static bool single(struct match *match, const char *place, const char *item, const char *item_end)
{
    if (place == match->subject_end)
        return false;
    unsigned char character = (unsigned char)*place;
    spend(match->pattern, 1);
    switch (*item) {
    case '.':
        return true;
    case '%':
        return in_class(character, (unsigned char)item[1]);
    case '[':
        spend(match->pattern, (uint64_t)(item_end - item) / BYTES_PER_STEP);
        return in_set(character, item, item_end - 1);
    default:
        return (unsigned char)*item == character;
    }
}

static const char *set_end(struct match *match, const char *item)
{
    const char *at = item + 1, *end = match->items_end;
    if (at < end && *at == '^')
        at++;
    do { /* the first one is a member, also where it is ']' */
        if (at < end && *at++ == '%' && at < end)
            at++;
    } while (at < end && *at != ']');
    spend(match->pattern, (uint64_t)(at - item) / BYTES_PER_STEP);
    if (at < end)
        return at + 1;
    faulty(match, "malformed pattern (missing ']')");
    return NULL;
}

/* Where the item for one character ends, its suffix not counted. NULL where it is malformed. */
static const char *single_end(struct match *match, const char *item)
{
    if (*item == '[')
        return set_end(match, item);
    if (*item != '%')
        return item + 1;
    if (item + 1 < match->items_end)
        return item + 2;
    faulty(match, "malformed pattern (ends with '%')");
    return NULL;
}

/* ---- items ---- */

static enum outcome open_capture(struct match *match)
{
    struct pattern *pattern = match->pattern;
    bool position = match->item + 1 < match->items_end && match->item[1] == ')';
    if (pattern->count >= PATTERN_CAPTURES)
        return faulty(match, "too many captures");
    if (push(match, CHOICE_FORGET) == NULL)
        return IS_FAULTY;
    pattern->captures[pattern->count++] =
        (struct pattern_capture){match->subject, position ? PATTERN_POSITION : PATTERN_OPEN};
    match->item += position ? 2 : 1;
    return GOES_ON;
}

static enum outcome close_capture(struct match *match)
{
    struct pattern *pattern = match->pattern;
    unsigned open = pattern->count;
    while (open > 0 && pattern->captures[open - 1].length != PATTERN_OPEN)
        open--;
    if (open == 0)
        return faulty(match, "invalid pattern capture");
    struct choice *choice = push(match, CHOICE_REOPEN);
    if (choice == NULL)
        return IS_FAULTY;
    choice->capture = open - 1;
    pattern->captures[open - 1].length = match->subject - pattern->captures[open - 1].start;
    match->item++;
    return GOES_ON;
}

/* %bxy */
static enum outcome balanced(struct match *match)
{
    const char *item = match->item, *at = match->subject;
    if (match->items_end - item < 4)
        return faulty(match, "malformed pattern (missing arguments to '%b')");
    if (at == match->subject_end || *at != item[2])
        return FAILS;
    size_t depth = 1;
    while (depth > 0) {
        if (++at == match->subject_end)
            return FAILS;
        spend(match->pattern, 1);
        if (*at == item[3])
            depth--;
        else if (*at == item[2])
            depth++;
    }
    match->subject = at + 1;
    match->item += 4;
    return GOES_ON;
}

/* %f[set] */
static enum outcome frontier(struct match *match)
{
    const char *set = match->item + 2, *at = match->subject;
    if (set == match->items_end || *set != '[')
        return faulty(match, "missing '[' after '%f' in pattern");
    const char *end = single_end(match, set);
    if (end == NULL)
        return IS_FAULTY;
    /* Before the beginning and at the end stands '\0'. */
    unsigned char before = at == match->pattern->subject.data ? '\0' : (unsigned char)at[-1];
    unsigned char here = at == match->subject_end ? '\0' : (unsigned char)*at;
    spend(match->pattern, 1 + (uint64_t)(end - set) / BYTES_PER_STEP);
    if (in_set(before, set, end - 1) || !in_set(here, set, end - 1))
        return FAILS;
    match->item = end;
    return GOES_ON;
}

/* %1 */
static enum outcome back_reference(struct match *match)
{
    struct pattern *pattern = match->pattern;
    int number = match->item[1] - '0';
    if (number == 0 || number > (int)pattern->count || pattern->captures[number - 1].length == PATTERN_OPEN)
        return no_capture(pattern, number);
    const struct pattern_capture *capture = &pattern->captures[number - 1];
    /* As Lua has it, a position is longer than any rest. */
    size_t length = (size_t)capture->length;
    if (length > (size_t)(match->subject_end - match->subject))
        return FAILS;
    spend(pattern, length / BYTES_PER_STEP);
    if (memcmp(capture->start, match->subject, length) != 0)
        return FAILS;
    match->subject += length;
    match->item += 2;
    return GOES_ON;
}

static enum outcome take_all(struct match *match, const char *end)
{
    const char *fewest = match->subject + (*end == '+'), *at = match->subject + 1;
    while (single(match, at, match->item, end))
        at++;
    struct choice *choice = push(match, CHOICE_FEWER);
    if (choice == NULL)
        return IS_FAULTY;
    choice->place = fewest;
    choice->last = at;
    choice->next = end + 1;
    match->subject = at;
    match->item = end + 1;
    return GOES_ON;
}

static enum outcome take_fewest(struct match *match, const char *end)
{
    struct choice *choice = push(match, CHOICE_MORE);
    if (choice == NULL)
        return IS_FAULTY;
    choice->place = match->subject;
    choice->item = match->item;
    choice->next = end + 1;
    match->item = end + 1;
    return GOES_ON;
}

static enum outcome take_or_leave(struct match *match, const char *end)
{
    struct choice *choice = push(match, CHOICE_WITHOUT);
    if (choice == NULL)
        return IS_FAULTY;
    choice->place = match->subject++;
    choice->next = end + 1;
    match->item = end + 1;
    return GOES_ON;
}

/* One character, with its suffix. */
static enum outcome characters(struct match *match)
{
    const char *end = single_end(match, match->item);
    if (end == NULL)
        return IS_FAULTY;
    char suffix = end < match->items_end ? *end : '\0';
    bool repeats = suffix == '*' || suffix == '-' || suffix == '?';
    if (!single(match, match->subject, match->item, end)) {
        match->item = end + 1;
        return repeats ? GOES_ON : FAILS;
    }
    switch (suffix) {
    case '*':
    case '+':
        return take_all(match, end);
    case '-':
        return take_fewest(match, end);
    case '?':
        return take_or_leave(match, end);
    default:
        match->subject++;
        match->item = end;
        return GOES_ON;
    }
}

static enum outcome one_item(struct match *match)
{
    const char *item = match->item;
    bool last = item + 1 == match->items_end;
    spend(match->pattern, 1);
    switch (*item) {
    case '(':
        return open_capture(match);
    case ')':
        return close_capture(match);
    case '$':
        if (!last)
            return characters(match);
        match->item++;
        return match->subject == match->subject_end ? GOES_ON : FAILS;
    case '%':
        if (!last && item[1] == 'b')
            return balanced(match);
        if (!last && item[1] == 'f')
            return frontier(match);
        if (!last && isdigit((unsigned char)item[1]))
            return back_reference(match);
        return characters(match);
    default:
        return characters(match);
    }
}

/* ---- another way ---- */

static void go_on(struct match *match, const char *subject, const char *item)
{
    match->subject = subject;
    match->item = item;
}

/* Takes the choice another way. False where there is none: it is spent then. */
static bool take_otherwise(struct match *match, struct choice *choice)
{
    switch (choice->kind) {
    case CHOICE_FEWER:
        if (choice->last == choice->place)
            return false;
        go_on(match, --choice->last, choice->next);
        return true;
    case CHOICE_MORE:
        if (!single(match, choice->place, choice->item, choice->next - 1))
            return false;
        go_on(match, ++choice->place, choice->next);
        return true;
    case CHOICE_WITHOUT:
        go_on(match, choice->place, choice->next);
        match->height--;
        return true;
    case CHOICE_REOPEN:
        match->pattern->captures[choice->capture].length = PATTERN_OPEN;
        return false;
    case CHOICE_FORGET:
        match->pattern->count--;
        return false;
    }
    return false;
}

static bool go_back(struct match *match)
{
    while (match->height > 0) {
        spend(match->pattern, 1);
        if (take_otherwise(match, &match->choices[match->height - 1]))
            return true;
        match->height--;
    }
    return false;
}

enum pattern_result pattern_match(struct pattern *pattern, size_t at, size_t *end)
{
    struct match match; /* the choices, 9 KB, are left as they are until they are made */
    match.pattern = pattern;
    match.subject = pattern->subject.data + at;
    match.subject_end = pattern->subject.data + pattern->subject.length;
    match.item = pattern->items.data;
    match.items_end = pattern->items.data + pattern->items.length;
    match.height = 0;
    pattern->count = 0;
    while (match.item != match.items_end) {
        switch (one_item(&match)) {
        case GOES_ON:
            break;
        case IS_FAULTY:
            return PATTERN_FAULT;
        case FAILS:
            if (!go_back(&match))
                return PATTERN_NONE;
        }
    }
    *end = (size_t)(match.subject - pattern->subject.data);
    return PATTERN_FOUND;
}

enum pattern_result pattern_search(struct pattern *pattern, size_t at, size_t *start, size_t *end)
{
    enum pattern_result result = PATTERN_NONE;
    for (; at <= pattern->subject.length && result == PATTERN_NONE; at++) {
        result = pattern_match(pattern, at, end);
        *start = at;
    }
    return result;
}

bool pattern_capture(struct pattern *pattern, unsigned index, size_t start, size_t end,
                     struct pattern_capture *capture)
{
    if (index >= pattern->count && index != 0)
        return no_capture(pattern, (int)index + 1) != IS_FAULTY;
    if (index < pattern->count)
        *capture = pattern->captures[index];
    else
        *capture = (struct pattern_capture){pattern->subject.data + start, (ptrdiff_t)(end - start)};
    if (capture->length == PATTERN_OPEN)
        snprintf(pattern->fault, sizeof pattern->fault, "unfinished capture");
    return capture->length != PATTERN_OPEN;
}

bool pattern_is_plain(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] != '\0' && strchr("^$*+?.([%-", text.data[i]) != NULL)
            return false;
    }
    return true;
}
