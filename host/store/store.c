/* What of store.h is the same for every backend: names, ids, the ends of results. */
#include "store/backend.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

#define COUNT_OF(names) (sizeof(names) / sizeof(names)[0])

static const char *name_of(unsigned value, const char *const *names, size_t count)
{
    return value < count ? names[value] : "unknown";
}

static int index_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}

static const char *const STATE_NAMES[] = {
    [MESSAGE_QUEUED] = "queued",     [MESSAGE_SENDING] = "sending",     [MESSAGE_DEFERRED] = "deferred",
    [MESSAGE_SENT] = "sent",         [MESSAGE_DELIVERED] = "delivered", [MESSAGE_UNDELIVERED] = "undelivered",
    [MESSAGE_REJECTED] = "rejected", [MESSAGE_DEAD] = "dead",
};

const char *message_state_name(enum message_state state)
{
    return name_of(state, STATE_NAMES, COUNT_OF(STATE_NAMES));
}

int message_state_parse(const char *name, enum message_state *state)
{
    int index = index_of(name, STATE_NAMES, COUNT_OF(STATE_NAMES));
    if (index >= 0)
        *state = (enum message_state)index;
    return index >= 0 ? 0 : -1;
}

static const char *const EFFECT_OP_NAMES[] = {
    [EFFECT_ADD] = "add",
    [EFFECT_SET] = "set",
    [EFFECT_FORGET] = "forget",
};

int store_effect_op_parse(const char *name, enum store_effect_op *op)
{
    int index = index_of(name, EFFECT_OP_NAMES, COUNT_OF(EFFECT_OP_NAMES));
    if (index >= 0)
        *op = (enum store_effect_op)index;
    return index >= 0 ? 0 : -1;
}

static const char *const ORIGIN_NAMES[] = {[RULES_PUBLISHED] = "published", [RULES_FILE] = "file"};

const char *store_rules_origin_name(enum store_rules_origin origin)
{
    return name_of(origin, ORIGIN_NAMES, COUNT_OF(ORIGIN_NAMES));
}

static const char *const MODE_NAMES[] = {
    [RULES_LIVE] = "live",           [RULES_SHADOW] = "shadow",
    [RULES_CANARY] = "canary",       [RULES_SUPERSEDED] = "superseded",
    [RULES_WITHDRAWN] = "withdrawn",
};

const char *store_rules_mode_name(enum store_rules_mode mode)
{
    return name_of(mode, MODE_NAMES, COUNT_OF(MODE_NAMES));
}

int store_rules_mode_parse(const char *name, enum store_rules_mode *mode)
{
    int index = index_of(name, MODE_NAMES, COUNT_OF(MODE_NAMES));
    if (index >= 0)
        *mode = (enum store_rules_mode)index;
    return index >= 0 ? 0 : -1;
}

/* ---- ids ---- */

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

/* ---- ends of results ---- */

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

void store_rules_version_deinit(struct store_rules_version *version)
{
    char *texts[] = {version->agency, version->source,     version->hash,  version->by,
                     version->note,   version->changed_by, version->reason};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        free(texts[i]);
    *version = (struct store_rules_version){0};
}

void store_rules_list_deinit(struct store_rules_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        store_rules_version_deinit(&list->items[i]);
    free(list->items);
    *list = (struct store_rules_list){0};
}
