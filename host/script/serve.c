/* A request's way through Lua: handle(request) of the trusted tree's entry module, and its answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "script/bindings/bindings.h"
#include "script/generations.h"
#include "script/script.h"
#include "script/thread.h"

#define HEADERS_MOST 32
#define HEADER_NAME_LONGEST 63
#define DRAIN_RETRY_S 5

struct service {
    struct http_exchange *exchange;
    struct request *request;
    int reference; /* keeps the request while the script may have let go of it */
};

struct answer {
    int status;
    struct slice body;
    struct http_header headers[HEADERS_MOST];
    char names[HEADERS_MOST][HEADER_NAME_LONGEST + 1];
    size_t header_count;
    const char *fault;
};

static int push_request(lua_State *L, void *argument)
{
    struct service *service = argument;
    service->request = binding_push_request(L, service->exchange);
    lua_pushvalue(L, -1);
    service->reference = luaL_ref(L, LUA_REGISTRYINDEX);
    script_set_subject(L, "request_id", http_exchange_id(service->exchange));
    return 1;
}

static bool answer_fault(struct answer *answer, const char *fault)
{
    answer->fault = fault;
    return false;
}

/* Field values end at a line break (RFC 9112): one within would add headers of somebody else's choice. */
static bool is_field_value(struct slice value)
{
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] == '\r' || value.data[i] == '\n' || value.data[i] == '\0')
            return false;
    }
    return true;
}

static bool add_header(struct answer *answer, struct slice name, struct slice value)
{
    if (answer->header_count == HEADERS_MOST)
        return answer_fault(answer, "more headers than an answer may have");
    if (name.length == 0 || name.length > HEADER_NAME_LONGEST)
        return answer_fault(answer, "a header's name is empty or too long");
    char *lower = answer->names[answer->header_count];
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        if (c <= ' ' || c == ':' || c == 0x7F)
            return answer_fault(answer, "a header's name holds what no name may");
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    if (!is_field_value(value))
        return answer_fault(answer, "a header's value holds a line break");
    answer->headers[answer->header_count++] = (struct http_header){{lower, name.length}, value};
    return true;
}

/* The pair on top: a name, and a value or a list of values. */
static bool read_header(lua_State *L, int table, struct answer *answer)
{
    struct slice name, value;
    if (lua_type(L, -2) != LUA_TSTRING)
        return answer_fault(answer, "a header's name is no string");
    name.data = lua_tolstring(L, -2, &name.length);
    if (lua_isstring(L, -1)) {
        value.data = lua_tolstring(L, -1, &value.length);
        /* Back into the table: the text that a number became must live until the answer is sent. */
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, table);
        return add_header(answer, name, value);
    }
    if (lua_type(L, -1) != LUA_TTABLE)
        return answer_fault(answer, "a header's value is neither string nor list");
    int list = lua_gettop(L);
    bool good = true;
    for (lua_Integer i = 1; good && lua_rawgeti(L, list, i) == LUA_TSTRING; i++) {
        value.data = lua_tolstring(L, -1, &value.length);
        good = add_header(answer, name, value);
        lua_pop(L, 1);
    }
    lua_settop(L, list);
    return good;
}

static int raw_field(lua_State *L, const char *name)
{
    lua_pushstring(L, name);
    return lua_rawget(L, 1);
}

static bool read_headers(lua_State *L, struct answer *answer)
{
    int type = raw_field(L, "headers");
    if (type == LUA_TNIL)
        return true;
    if (type != LUA_TTABLE)
        return answer_fault(answer, "headers is no table");
    int table = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (!read_header(L, table, answer))
            return false;
    }
    return true;
}

/* Of the table at index 1; what is borrowed lives while the coroutine's stack does. */
static bool read_answer(lua_State *L, struct answer *answer)
{
    if (!lua_istable(L, 1) || !lua_checkstack(L, LUA_MINSTACK))
        return answer_fault(answer, "handle returned no table");
    raw_field(L, "status");
    answer->status = lua_isinteger(L, -1) ? (int)lua_tointeger(L, -1) : -1;
    /* 0 loses the answer: see http_exchange_respond. */
    if (answer->status != 0 && (answer->status < 200 || answer->status > 599))
        return answer_fault(answer, "status is no integer from 200 to 599");
    int type = raw_field(L, "body");
    if (type != LUA_TNIL && type != LUA_TSTRING)
        return answer_fault(answer, "body is no string");
    if (type == LUA_TSTRING)
        answer->body.data = lua_tolstring(L, -1, &answer->body.length);
    return read_headers(L, answer);
}

static void refuse(struct http_exchange *exchange, const char *generation, const char *message)
{
    metrics_add("bascule_script_errors_total", NULL, 1);
    LOG_EVENT(LOG_ERROR, "script_error", LOG_FIELD_TEXT("request_id", http_exchange_id(exchange)),
              LOG_FIELD_TEXT("generation", generation), LOG_FIELD_TEXT("message", message));
    http_exchange_refuse(exchange, 500, "internal", "The request could not be served.", 0);
}

static void serve_done(lua_State *L, bool ok, const char *message, const char *generation, void *argument)
{
    struct service *service = argument;
    struct answer answer = {0};
    if (service->request != NULL) {
        binding_end_request(service->request);
        luaL_unref(L, LUA_REGISTRYINDEX, service->reference);
    }
    if (message == script_abandoned)
        http_exchange_refuse(service->exchange, 429, "draining", "Bascule is stopping; try again.",
                             DRAIN_RETRY_S);
    else if (!ok)
        refuse(service->exchange, generation, message);
    else if (!read_answer(L, &answer))
        refuse(service->exchange, generation, answer.fault);
    else
        http_exchange_respond(service->exchange, answer.status, answer.headers, answer.header_count,
                              answer.body);
    free(service);
}

void script_serve(struct script_thread *thread, struct http_exchange *exchange)
{
    struct service *service = memory_allocate(sizeof *service);
    service->exchange = exchange;
    script_start(thread, thread->host->generations->entry, "handle", push_request, serve_done, service);
}
