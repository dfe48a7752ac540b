/* host.Request: what bascule.server.handle gets. Texts are made when they are first read, and kept. */
#include <string.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"

struct request {
    struct http_exchange *exchange; /* NULL once it is answered */
};

static const char metatable_key;

static struct slice exchange_id(const struct http_exchange *exchange)
{
    return slice_from(http_exchange_id(exchange));
}

/* In the order of the user values that keep their texts. */
static const struct {
    const char *name;
    struct slice (*get)(const struct http_exchange *exchange);
} fields[] = {
    {"method", http_exchange_method}, {"path", http_exchange_path}, {"query", http_exchange_query},
    {"scheme", http_exchange_scheme}, {"body", http_exchange_body}, {"authority", http_exchange_authority},
    {"peer", http_exchange_peer},     {"id", exchange_id},
};
#define FIELD_COUNT ((int)(sizeof fields / sizeof *fields))

static struct request *check_request(lua_State *L)
{
    struct request *request = lua_touserdata(L, 1);
    bool is_one = request != NULL && lua_getmetatable(L, 1);
    if (is_one) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key);
        is_one = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    if (!is_one)
        luaL_typeerror(L, 1, "host.Request");
    return request;
}

static const struct http_exchange *check_open(lua_State *L, const struct request *request)
{
    if (request->exchange == NULL)
        luaL_error(L, "the request has been answered, and this was not read before");
    return request->exchange;
}

/* request:header(name) */
static int header(lua_State *L)
{
    const struct http_exchange *exchange = check_open(L, check_request(L));
    size_t length, count;
    const char *name = luaL_checklstring(L, 2, &length);
    const struct http_header *headers = http_exchange_headers(exchange, &count);
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(headers[i].name, (struct slice){name, length})) {
            lua_pushlstring(L, headers[i].value.data, headers[i].value.length);
            return 1;
        }
    }
    lua_pushnil(L);
    return 1;
}

/* Upvalue: a table of a field's number by its name, and of the methods. */
static int read_field(lua_State *L)
{
    const struct request *request = check_request(L);
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER)
        return 1; /* a method, or nil */
    int field = (int)lua_tointeger(L, -1);
    if (lua_getiuservalue(L, 1, field) == LUA_TSTRING)
        return 1;
    struct slice text = fields[field - 1].get(check_open(L, request));
    lua_pushlstring(L, text.data == NULL ? "" : text.data, text.length);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, field);
    return 1;
}

static void push_metatable(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &metatable_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    lua_createtable(L, 0, FIELD_COUNT + 1);
    for (int i = 0; i < FIELD_COUNT; i++) {
        lua_pushinteger(L, i + 1);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushcfunction(L, header);
    lua_setfield(L, -2, "header");
    lua_pushcclosure(L, read_field, 1);
    lua_setfield(L, -2, "__index");
    lua_pushliteral(L, "host.Request");
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &metatable_key);
}

struct request *binding_push_request(lua_State *L, struct http_exchange *exchange)
{
    struct request *request = lua_newuserdatauv(L, sizeof *request, FIELD_COUNT);
    request->exchange = exchange;
    push_metatable(L);
    lua_setmetatable(L, -2);
    return request;
}

void binding_end_request(struct request *request)
{
    request->exchange = NULL;
}
