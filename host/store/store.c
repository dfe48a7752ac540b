/* What of store.h is the same for every backend: names, ids, the ends of results.
 *
 * The other functions of store.h are defined by the one backend there is, in sqlite*.c: no table of functions
 * stands between a caller and them. A second backend turns those into sqlite_* functions and adds a dispatch
 * here, by a kind that `struct store` would carry; callers see none of it, because both structs are opaque.
 */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "store/sqlite.h"
#include "store/store_memory.h"

static const char *const STATE_NAMES[] = {
    [MESSAGE_QUEUED] = "queued",     [MESSAGE_SENDING] = "sending",     [MESSAGE_DEFERRED] = "deferred",
    [MESSAGE_SENT] = "sent",         [MESSAGE_DELIVERED] = "delivered", [MESSAGE_UNDELIVERED] = "undelivered",
    [MESSAGE_REJECTED] = "rejected", [MESSAGE_DEAD] = "dead",
};
#define STATE_COUNT (sizeof STATE_NAMES / sizeof STATE_NAMES[0])

const char *message_state_name(enum message_state state)
{
    return (size_t)state < STATE_COUNT ? STATE_NAMES[state] : "unknown";
}

int message_state_parse(const char *name, enum message_state *state)
{
    for (size_t i = 0; i < STATE_COUNT; i++) {
        if (strcmp(name, STATE_NAMES[i]) == 0) {
            *state = (enum message_state)i;
            return 0;
        }
    }
    return -1;
}

static const char *const EFFECT_OP_NAMES[] = {
    [EFFECT_ADD] = "add",
    [EFFECT_SET] = "set",
    [EFFECT_FORGET] = "forget",
};
#define EFFECT_OP_COUNT (sizeof EFFECT_OP_NAMES / sizeof EFFECT_OP_NAMES[0])

int store_effect_op_parse(const char *name, enum store_effect_op *op)
{
    for (size_t i = 0; i < EFFECT_OP_COUNT; i++) {
        if (strcmp(name, EFFECT_OP_NAMES[i]) == 0) {
            *op = (enum store_effect_op)i;
            return 0;
        }
    }
    return -1;
}

/* Crockford's alphabet is in ASCII order, so ids sort as text as they do as numbers. */
static const char ID_ALPHABET[] = "0123456789abcdefghjkmnpqrstvwxyz";
#define ID_DIGITS 13

void store_id_format(int64_t id, char text[STORE_ID_SIZE])
{
    uint64_t rest = (uint64_t)id;
    text[0] = 'm';
    text[1 + ID_DIGITS] = '\0';
    for (int i = ID_DIGITS; i > 0; i--, rest >>= 5)
        text[i] = ID_ALPHABET[rest & 31];
}

int store_id_parse(const char *text, int64_t *id)
{
    if (text == NULL || text[0] != 'm' || strlen(text) != 1 + ID_DIGITS || text[1] > '7')
        return -1;
    uint64_t value = 0;
    for (int i = 1; i <= ID_DIGITS; i++) {
        const char *digit = strchr(ID_ALPHABET, text[i]);
        if (digit == NULL)
            return -1;
        value = value << 5 | (uint64_t)(digit - ID_ALPHABET);
    }
    *id = (int64_t)value;
    return 0;
}

void store_message_deinit(struct store_message *message)
{
    char *texts[] = {message->location,
                     message->company,
                     message->external_id,
                     message->conversation,
                     message->payload,
                     message->received,
                     message->reason,
                     message->provider,
                     message->sent,
                     message->report_status,
                     message->provider_message_id,
                     message->report_error};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    for (size_t i = 0; i < message->event_count; i++) {
        free(message->events[i].kind);
        free(message->events[i].data);
    }
    free(message->events);
    *message = (struct store_message){0};
}

void store_message_list_deinit(struct store_message_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_message_deinit(&list->items[i]);
    free(list->items);
    *list = (struct store_message_list){0};
}

void store_lanes_deinit(struct store_lanes *lanes)
{
    for (size_t i = 0; i < lanes->count; i++)
        free(lanes->locations[i]);
    free(lanes->locations);
    *lanes = (struct store_lanes){0};
}

void store_installation_deinit(struct store_installation *installation)
{
    char *texts[] = {installation->company,   installation->location,      installation->account,
                     installation->status,    installation->reason,        installation->access_token,
                     installation->scopes,    installation->refresh_token, installation->user_id,
                     installation->user_type, installation->details};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    *installation = (struct store_installation){0};
}

void store_installation_list_deinit(struct store_installation_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_installation_deinit(&list->items[i]);
    free(list->items);
    *list = (struct store_installation_list){0};
}

void store_setting_list_deinit(struct store_setting_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].scope);
        free(list->items[i].name);
        free(list->items[i].value);
    }
    free(list->items);
    *list = (struct store_setting_list){0};
}

void store_remembered_deinit(struct store_remembered *remembered, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(remembered[i].value);
        remembered[i] = (struct store_remembered){0};
    }
}
