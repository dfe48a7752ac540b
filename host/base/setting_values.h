/* What a value of each type of setting looks like. For config.c. */
#ifndef BASE_SETTING_VALUES_H
#define BASE_SETTING_VALUES_H

#include "base/config.h"

/* Checks `text` and brings it into the form that is kept, in place. `number` receives that of an integer, or
 * 1 or 0 of a switch. Where it does not fit, says so in `why` (half a sentence, without the value of a
 * secret) and returns false. */
bool setting_read(const struct setting *setting, char *text, int64_t *number, struct buffer *why);

/* Appends the value as people may see it; see config_show. */
void setting_show(const struct setting *setting, const char *text, struct buffer *out);

#endif
