/* How the program shows a message: as JSON of the same shape as /admin/v1/messages, and as text for people.
 */
#ifndef CMD_MESSAGE_VIEW_H
#define CMD_MESSAGE_VIEW_H

#include <jansson.h>

#include "store/store.h"

/* With payload and events where `whole`. The caller releases it. */
json_t *message_view_json(const struct store_message *message, bool whole);

/* A line of a list, and the message with its timeline, on standard output. What came from outside is shown
 * without its control characters. */
void message_view_line(const struct store_message *message);
void message_view_timeline(const struct store_message *message);

#endif
