/* What the text of a rules file says about an error in it: the line where a key is set, and an excerpt. */
#ifndef SCRIPT_RULE_EXCERPT_H
#define SCRIPT_RULE_EXCERPT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* The line where the keys (NULL terminated) are set one after the other, `memory = { today = { kind =`: that
 * of the last one that is found. 0 where not even the first is. */
int excerpt_line_of_keys(struct slice source, const char *const *keys);

/* The first line from `first` to `last` where `key =` stands, or 0. `only`: 0 also where it stands in
 * several. */
int excerpt_line_of_key(struct slice source, int first, int last, const char *key, bool only);

/* Appends the line and its neighbours, each with its number, the line itself with ">" before it:
 *
 *       11 |     message.sender = "ACME"
 *     > 12 |     message.bdy = "x"
 *       13 |     return message
 *
 * Fit for a terminal: control characters and bytes that are no text become "?", long lines end with "...".
 * Nothing where there is no such line. */
void excerpt_append(struct buffer *out, struct slice source, long line);

/* The line that an error of the file at `path` names ("path:12: what"; Lua writes "...end of the path" where
 * it is long), and what follows; NULL where it names none. */
const char *excerpt_skip_place(const char *message, const char *path, long *line);
/* That line, or 0. */
long excerpt_line_of_error(const char *message, const char *path);

#endif
