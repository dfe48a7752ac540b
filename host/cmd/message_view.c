#include "cmd/message_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static json_t *text_json(const char *text)
{
    return text != NULL ? json_string(text) : NULL;
}

static json_t *time_json(int64_t ms)
{
    char iso[CLOCK_ISO_SIZE];
    return ms > 0 ? json_string(clock_format_iso(ms, iso)) : NULL;
}

static json_t *parsed(const char *text)
{
    return text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

/* A NULL value is left out. */
static void set(json_t *object, const char *name, json_t *value)
{
    if (value != NULL)
        json_object_set_new(object, name, value);
}

static json_t *event_json(const struct store_event *event)
{
    json_t *shown = parsed(event->data);
    if (!json_is_object(shown)) {
        json_decref(shown);
        shown = json_object();
    }
    set(shown, "at", time_json(event->at_ms));
    set(shown, "kind", text_json(event->kind));
    return shown;
}

static json_t *events_json(const struct store_message *message)
{
    json_t *events = json_array();
    for (size_t i = 0; i < message->event_count; i++)
        json_array_append_new(events, event_json(&message->events[i]));
    return events;
}

json_t *message_view_json(const struct store_message *message, bool whole)
{
    json_t *shown = json_object();
    set(shown, "id", json_string(message->id));
    set(shown, "external_id", text_json(message->external_id));
    set(shown, "location", text_json(message->location));
    set(shown, "company", text_json(message->company));
    set(shown, "conversation", text_json(message->conversation));
    set(shown, "direction", json_string(message->direction == MESSAGE_INBOUND ? "inbound" : "outbound"));
    set(shown, "status", json_string(message_state_name(message->state)));
    set(shown, "reason", text_json(message->reason));
    set(shown, "provider", text_json(message->provider));
    set(shown, "provider_message_id", text_json(message->provider_message_id));
    set(shown, "attempts", json_integer(message->attempts));
    set(shown, "outcome_unknown", json_boolean(message->outcome_unknown));
    set(shown, "report_status", text_json(message->report_status));
    set(shown, "sent", parsed(message->sent));
    set(shown, "created_at", time_json(message->created_ms));
    set(shown, "updated_at", time_json(message->updated_ms));
    set(shown, "due_at", time_json(message->due_ms));
    if (whole) {
        set(shown, "payload", json_loadb(message->payload, message->payload_length, JSON_DECODE_ANY, NULL));
        set(shown, "events", events_json(message));
    }
    return shown;
}

/* ---- text */

/* Control characters, also those of two bytes (U+0080 to U+009F), can steer a terminal. */
static bool is_plain(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f))
            return false;
    return true;
}

static void print_value(const json_t *value)
{
    const char *text = json_string_value(value);
    if (text != NULL && is_plain(text)) {
        fputs(text, stdout);
        return;
    }
    char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
    fputs(json != NULL ? json : "", stdout);
    free(json);
}

static void print_member(const json_t *message, const char *name, const char *label)
{
    const json_t *value = json_object_get(message, name);
    if (value == NULL)
        return;
    printf("  %-14s", label);
    print_value(value);
    putchar('\n');
}

static void print_event(const json_t *event)
{
    const char *name;
    json_t *value;
    printf("  %s  %-14s", json_string_value(json_object_get(event, "at")),
           json_string_value(json_object_get(event, "kind")));
    json_object_foreach((json_t *)event, name, value)
    {
        if (strcmp(name, "at") == 0 || strcmp(name, "kind") == 0)
            continue;
        printf(" %s=", name);
        print_value(value);
    }
    putchar('\n');
}

static void print_text(const char *text)
{
    json_t *value = json_string(text);
    print_value(value);
    json_decref(value);
}

void message_view_line(const struct store_message *message)
{
    char created[CLOCK_ISO_SIZE];
    printf("%s  %s  %-11s  ", message->id, clock_format_iso(message->created_ms, created),
           message_state_name(message->state));
    print_text(message->location);
    fputs("  ", stdout);
    print_text(message->external_id);
    if (message->reason != NULL) {
        fputs("  ", stdout);
        print_text(message->reason);
    }
    putchar('\n');
}

void message_view_timeline(const struct store_message *message)
{
    static const char *const members[][2] = {
        {"reason", "reason"},
        {"external_id", "external id"},
        {"location", "location"},
        {"company", "company"},
        {"conversation", "conversation"},
        {"provider", "provider"},
        {"provider_message_id", "provider's id"},
        {"sent", "sent"},
        {"attempts", "attempts"},
        {"report_status", "GHL hears"},
        {"due_at", "due"},
    };
    json_t *shown = message_view_json(message, true);
    printf("%s  %s, %s\n\n", message->id, json_string_value(json_object_get(shown, "direction")),
           message_state_name(message->state));
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        print_member(shown, members[i][0], members[i][1]);
    putchar('\n');
    const json_t *events = json_object_get(shown, "events");
    for (size_t i = 0; i < json_array_size(events); i++)
        print_event(json_array_get(events, i));
    json_decref(shown);
}
