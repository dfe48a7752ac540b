/* A message as Lua sees it. */
#include "script/bindings/store_call.h"

static void push_events(lua_State *L, const struct store_message *message)
{
    lua_createtable(L, (int)message->event_count, 0);
    for (size_t i = 0; i < message->event_count; i++) {
        lua_createtable(L, 0, 3);
        set_integer(L, "at_ms", message->events[i].at_ms);
        set_text(L, "kind", message->events[i].kind);
        set_json(L, "data", message->events[i].data);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void set_origin(lua_State *L, const struct store_message *message)
{
    set_text(L, "id", message->id);
    set_text(L, "direction", message->direction == MESSAGE_INBOUND ? "inbound" : "outbound");
    set_text(L, "state", message_state_name(message->state));
    set_text(L, "location", message->location);
    set_text(L, "company", message->company);
    set_text(L, "external_id", message->external_id);
    set_text(L, "conversation", message->conversation);
    if (message->payload != NULL) {
        lua_pushlstring(L, message->payload, message->payload_length);
        lua_setfield(L, -2, "payload");
    }
    set_json(L, "received", message->received);
    set_integer(L, "created_ms", message->created_ms);
    set_integer(L, "updated_ms", message->updated_ms);
}

static void set_delivery(lua_State *L, const struct store_message *message)
{
    set_text(L, "reason", message->reason);
    set_text(L, "provider", message->provider);
    set_text(L, "provider_message_id", message->provider_message_id);
    set_json(L, "sent", message->sent);
    set_integer(L, "due_ms", message->due_ms);
    set_integer(L, "attempts", message->attempts);
    set_integer(L, "polls", message->polls);
    set_integer(L, "epoch", message->epoch);
    set_boolean(L, "outcome_unknown", message->outcome_unknown);
    set_integer(L, "accepted_ms", message->accepted_ms);
    set_integer(L, "lease", (int64_t)message->lease);
    set_boolean(L, "lease_expired", message->lease_expired);
}

static void set_report(lua_State *L, const struct store_message *message)
{
    set_integer(L, "report_due_ms", message->report_due_ms);
    set_text(L, "report_status", message->report_status);
    set_json(L, "report_error", message->report_error);
    set_integer(L, "report_attempts", message->report_attempts);
}

void script_push_message(lua_State *L, const struct store_message *message)
{
    lua_createtable(L, 0, 32);
    set_origin(L, message);
    set_delivery(L, message);
    set_report(L, message);
    if (message->events != NULL) {
        push_events(L, message);
        lua_setfield(L, -2, "events");
    }
}
