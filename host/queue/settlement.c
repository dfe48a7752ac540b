#include "queue/settlement.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void settlement_begin(struct settlement *settlement, enum message_track track,
                      const struct store_message *message, int64_t now_ms)
{
    memset(settlement, 0, sizeof *settlement);
    settlement->track = track;
    if (track == TRACK_REPORT) {
        settlement->report =
            (struct store_report_settlement){.id = message->id, .lease = message->lease, .now_ms = now_ms};
        return;
    }
    settlement->delivery = (struct store_settlement){
        .id = message->id,
        .lease = message->lease,
        .state = message->state,
        .reason = message->reason,
        .outcome_unknown = message->outcome_unknown,
        .now_ms = now_ms,
    };
}

void settlement_deinit(struct settlement *settlement)
{
    for (size_t i = 0; i < settlement->text_count; i++)
        free(settlement->texts[i]);
    memset(settlement, 0, sizeof *settlement);
}

const char *settlement_keep(struct settlement *settlement, char *text)
{
    if (settlement->text_count == SETTLEMENT_TEXTS)
        abort(); /* a bug: the size above is that of the largest settlement */
    settlement->texts[settlement->text_count++] = text;
    return text;
}

const char *settlement_format(struct settlement *settlement, const char *format, ...)
{
    va_list arguments;
    char *text;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        abort(); /* out of memory */
    va_end(arguments);
    return settlement_keep(settlement, text);
}

void settlement_add_event(struct settlement *settlement, int64_t at_ms, const char *kind,
                          struct buffer *members)
{
    struct buffer data = {0};
    buffer_append_format(&data, "{%s}", members->length > 0 ? members->data : "");
    settlement_keep(settlement, data.data);
    if (settlement->event_count == SETTLEMENT_EVENTS)
        abort(); /* a bug, as above */
    struct store_event *event = &settlement->events[settlement->event_count++];
    event->at_ms = at_ms;
    event->kind = (char *)kind;
    event->data = data.data;
    buffer_deinit(members);
    if (settlement->track == TRACK_REPORT) {
        settlement->report.event = event;
    } else {
        settlement->delivery.events = settlement->events;
        settlement->delivery.event_count = settlement->event_count;
    }
}

void settlement_report_failure(struct settlement *settlement, const char *code, const char *type,
                               const char *message)
{
    struct buffer members = {0}, object = {0};
    members_add_text(&members, "code", code);
    members_add_text(&members, "message", message);
    members_add_text(&members, "type", type);
    buffer_append_format(&object, "{%s}", members.data);
    buffer_deinit(&members);
    settlement->delivery.report_status = "failed";
    settlement->delivery.report_error = settlement_keep(settlement, object.data);
}

static void add_name(struct buffer *members, const char *name)
{
    if (members->length > 0)
        buffer_append_text(members, ",");
    buffer_append_json_string(members, slice_from(name));
    buffer_append_text(members, ":");
}

void members_add_text(struct buffer *members, const char *name, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    add_name(members, name);
    buffer_append_json_string(members, slice_from(text));
}

void members_add_number(struct buffer *members, const char *name, int64_t number)
{
    add_name(members, name);
    buffer_append_format(members, "%" PRId64, number);
}

void members_add_time(struct buffer *members, const char *name, int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];
    members_add_text(members, name, clock_format_iso(wall_ms, text));
}

void members_add_switch(struct buffer *members, const char *name, bool value)
{
    add_name(members, name);
    buffer_append_text(members, value ? "true" : "false");
}

void members_add_all(struct buffer *members, struct slice more)
{
    if (more.length == 0)
        return;
    if (members->length > 0)
        buffer_append_text(members, ",");
    buffer_append(members, more.data, more.length);
}
