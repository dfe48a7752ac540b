#include "script/bindings/store_call.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "base/clock.h"

static const char *status_name(enum store_status status)
{
    switch (status) {
    case STORE_NOT_FOUND:
        return "NOT_FOUND";
    case STORE_DUPLICATE:
        return "DUPLICATE";
    case STORE_CONFLICT:
        return "CONFLICT";
    case STORE_REFUSED:
        return "MEMORY";
    case STORE_BUSY:
        return "BUSY";
    case STORE_FULL:
        return "FULL";
    case STORE_OK:
    case STORE_FAILED:
        break;
    }
    return "FAILED";
}

static const char *status_text(const struct store_call *call)
{
    switch (call->job.status) {
    case STORE_NOT_FOUND:
        return "it is not there";
    case STORE_CONFLICT:
        return "somebody else has it, or it has changed";
    case STORE_REFUSED:
        return "what the rule counted on no longer holds: others came first";
    default:
        return call->job.reason[0] == '\0' ? "the store could not do it" : call->job.reason;
    }
}

static struct store_call *call_of(struct script_wait *wait)
{
    return (struct store_call *)((char *)wait - offsetof(struct store_call, wait));
}

static void release(struct script_wait *wait)
{
    struct store_call *call = call_of(wait);
    if (call->clear != NULL)
        call->clear(call);
    for (unsigned i = 0; i < call->text_count; i++)
        free(call->texts[i]);
    free(call);
}

static int push_result(lua_State *L, struct script_wait *wait)
{
    struct store_call *call = call_of(wait);
    if (call->job.status == STORE_OK)
        return call->push(L, call);
    const char *name = status_name(call->job.status);
    return script_fail(L, name, "%s", status_text(call));
}

static void deliver(struct mail *mail)
{
    script_wait_finish(&((struct store_call *)mail)->wait);
}

void *store_call_new(size_t size, enum store_status (*run)(struct store_job *job, struct store_session *),
                     int (*push)(lua_State *L, struct store_call *call),
                     void (*clear)(struct store_call *call))
{
    struct store_call *call = memory_allocate(size);
    call->job.mail.deliver = deliver;
    call->job.run = run;
    call->wait.push = push_result;
    call->wait.release = release;
    call->now_ms = clock_wall_ms();
    call->push = push;
    call->clear = clear;
    return call;
}

char *store_call_own(struct store_call *call, char *text)
{
    if (text != NULL)
        call->texts[call->text_count++] = text;
    return text;
}

char *store_call_keep(struct store_call *call, struct slice text)
{
    return store_call_own(call, text.data == NULL ? NULL : slice_duplicate(text));
}

int store_call_check(lua_State *L)
{
    binding_check_wait(L);
    return script_host_of(L)->store != NULL ? 0 : binding_unavailable(L, "store");
}

int store_call_write(lua_State *L, struct store_call *call)
{
    call->job.reply = script_mailbox(L);
    store_service_write(script_host_of(L)->store, &call->job);
    return script_wait(L, &call->wait);
}

int store_call_read(lua_State *L, struct store_call *call)
{
    call->job.reply = script_mailbox(L);
    store_service_read(script_host_of(L)->store, &call->job);
    return script_wait(L, &call->wait);
}

int store_call_push_true(lua_State *L, struct store_call *call)
{
    (void)call;
    lua_pushboolean(L, 1);
    return 1;
}

void set_text(lua_State *L, const char *name, const char *text)
{
    if (text == NULL)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

void set_integer(lua_State *L, const char *name, int64_t number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, name);
}

void set_boolean(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

void set_json(lua_State *L, const char *name, const char *text)
{
    char reason[160];
    if (text == NULL)
        return;
    if (!script_json_decode(L, slice_from(text), reason, sizeof reason))
        lua_newtable(L);
    lua_setfield(L, -2, name);
}
