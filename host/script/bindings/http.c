/* host.http */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "script/bindings/bindings.h"

#define ANSWER_HEADERS_HINT 12

struct exchange {
    struct script_wait wait;
    struct http_call *call;
};

static struct exchange *exchange_of(struct script_wait *wait)
{
    return (struct exchange *)((char *)wait - offsetof(struct exchange, wait));
}

static void release(struct script_wait *wait)
{
    struct exchange *exchange = exchange_of(wait);
    http_call_free(exchange->call);
    free(exchange);
}

static void deliver(struct mail *mail)
{
    struct http_call *call = (struct http_call *)((char *)mail - offsetof(struct http_call, mail));
    script_wait_finish(&((struct exchange *)call->owner)->wait);
}

static const char *result_name(enum http_call_result result)
{
    switch (result) {
    case HTTP_CALL_INVALID:
        return "INVALID";
    case HTTP_CALL_DENIED:
        return "DENIED";
    case HTTP_CALL_CONNECT:
        return "CONNECT";
    case HTTP_CALL_TIMEOUT:
        return "TIMEOUT";
    case HTTP_CALL_TOO_LARGE:
        return "TOO_LARGE";
    case HTTP_CALL_CLOSED:
    case HTTP_CALL_ANSWERED:
        break;
    }
    return "CLOSED";
}

/* Repeated names are joined, as RFC 9110 section 5.3 allows. */
static void push_headers(lua_State *L, const struct http_call *call)
{
    lua_createtable(L, 0, ANSWER_HEADERS_HINT);
    for (size_t i = 0; i < call->answer_header_count; i++) {
        const struct http_call_header *header = &call->answer_headers[i];
        if (lua_getfield(L, -1, header->name) == LUA_TSTRING)
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), header->value);
        else
            lua_pushstring(L, header->value);
        lua_setfield(L, -3, header->name);
        lua_pop(L, 1);
    }
}

static int push_answer(lua_State *L, struct script_wait *wait)
{
    const struct http_call *call = exchange_of(wait)->call;
    if (call->result != HTTP_CALL_ANSWERED) {
        int count = script_fail(L, result_name(call->result), "%s", call->reason);
        lua_pushboolean(L, call->sent);
        return count + 1;
    }
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, call->status);
    lua_setfield(L, -2, "status");
    push_headers(L, call);
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, call->answer_body.data == NULL ? "" : call->answer_body.data,
                    call->answer_body.length);
    lua_setfield(L, -2, "body");
    lua_pushinteger(L, call->elapsed_ms);
    lua_setfield(L, -2, "elapsed_ms");
    return 1;
}

static const char *const option_names[] = {
    "method", "url", "headers", "body", "timeout_ms", "idempotent", "answer_limit_bytes", NULL};

static lua_Integer check_size(lua_State *L, const char *name, lua_Integer most)
{
    lua_Integer value = option_integer_or(L, 1, name, 0);
    if (value < 0 || value > most)
        luaL_error(L, "option '%s' must be 0 to %d", name, (int)most);
    return value;
}

/* Checks everything before anything is allocated, since a check may raise. */
static void check_request(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    script_check_options(L, 1, option_names);
    option_text(L, 1, "url");
    option_text_or_none(L, 1, "method");
    option_text_or_none(L, 1, "body");
    option_switch_or(L, 1, "idempotent", false);
    check_size(L, "timeout_ms", 3600000);
    check_size(L, "answer_limit_bytes", 1 << 30);
    int type = lua_getfield(L, 1, "headers");
    if (type != LUA_TNIL && type != LUA_TTABLE)
        luaL_error(L, "option 'headers' must be a table");
    for (lua_pushnil(L); type == LUA_TTABLE && lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1))
            luaL_error(L, "option 'headers': names and values must be strings");
    }
    lua_settop(L, 1);
}

static void add_headers(lua_State *L, struct http_call *call)
{
    if (lua_getfield(L, 1, "headers") == LUA_TTABLE) {
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
            http_call_add_header(call, lua_tostring(L, -2), lua_tostring(L, -1));
    }
    lua_pop(L, 1);
}

static bool is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(method, methods[i]) == 0)
            return true;
    }
    return false;
}

static int64_t default_timeout_ms(lua_State *L)
{
    const struct config *config = script_host_of(L)->config;
    return config == NULL ? 0 : config_integer(config, "BASCULE_CLIENT_TIMEOUT_MS");
}

static struct http_call *make_call(lua_State *L)
{
    struct http_call *call = http_call_new();
    struct slice method = option_text_or_none(L, 1, "method"), body = option_text_or_none(L, 1, "body");
    if (method.data == NULL)
        method = SLICE_LITERAL("GET");
    http_call_set(call, method.data, option_text(L, 1, "url").data);
    add_headers(L, call);
    if (body.data != NULL)
        http_call_set_body(call, body);
    call->timeout_ms = (unsigned)option_integer_or(L, 1, "timeout_ms", default_timeout_ms(L));
    call->answer_limit_bytes = (size_t)option_integer_or(L, 1, "answer_limit_bytes", 0);
    call->idempotent = option_switch_or(L, 1, "idempotent", is_idempotent(method.data));
    return call;
}

static int request(lua_State *L)
{
    check_request(L);
    binding_check_wait(L);
    struct http_client *client = script_host_of(L)->client;
    if (client == NULL)
        return binding_unavailable(L, "HTTP client");
    struct exchange *exchange = memory_allocate(sizeof *exchange);
    exchange->wait.push = push_answer;
    exchange->wait.release = release;
    exchange->call = make_call(L);
    exchange->call->owner = exchange;
    exchange->call->reply = script_mailbox(L);
    exchange->call->mail.deliver = deliver;
    http_client_submit(client, exchange->call);
    return script_wait(L, &exchange->wait);
}

/* ---- forms and queries ---- */

static bool is_unreserved(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static void add_escaped(luaL_Buffer *out, const char *text, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_unreserved(c)) {
            luaL_addchar(out, (char)c);
        } else {
            luaL_addchar(out, '%');
            luaL_addchar(out, digits[c >> 4]);
            luaL_addchar(out, digits[c & 15]);
        }
    }
}

static int escape(lua_State *L)
{
    luaL_Buffer out;
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    luaL_buffinit(L, &out);
    add_escaped(&out, text, length);
    luaL_pushresult(&out);
    return 1;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pushes the decoded text, or pushes nothing and returns false. */
static bool push_unescaped(lua_State *L, struct slice text)
{
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    bool good = true;
    for (size_t i = 0; i < text.length && good; i++) {
        if (text.data[i] != '%') {
            luaL_addchar(&out, text.data[i] == '+' ? ' ' : text.data[i]);
            continue;
        }
        int high = i + 2 < text.length ? hex_value(text.data[i + 1]) : -1;
        int low = i + 2 < text.length ? hex_value(text.data[i + 2]) : -1;
        good = high >= 0 && low >= 0;
        luaL_addchar(&out, (char)(high * 16 + low));
        i += 2;
    }
    luaL_pushresult(&out);
    if (!good)
        lua_pop(L, 1);
    return good;
}

/* The part of `text` before the first `separator`, which is taken off with it. */
static struct slice take_until(struct slice *text, char separator)
{
    const char *end = text->length == 0 ? NULL : memchr(text->data, separator, text->length);
    struct slice part = {text->data, end == NULL ? text->length : (size_t)(end - text->data)};
    size_t taken = end == NULL ? part.length : part.length + 1;
    text->data += taken;
    text->length -= taken;
    return part;
}

static int parse_form(lua_State *L)
{
    struct slice text;
    text.data = luaL_checklstring(L, 1, &text.length);
    lua_newtable(L);
    while (text.length > 0) {
        struct slice value = take_until(&text, '&');
        if (value.length == 0)
            continue;
        struct slice name = take_until(&value, '=');
        if (!push_unescaped(L, name) || !push_unescaped(L, value))
            return script_fail(L, "INVALID", "a %% that two hex digits do not follow");
        lua_rawset(L, 2);
    }
    return 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Fills a userdata on the stack, which frees itself, with the names of the fields, sorted. */
static const char **push_sorted_names(lua_State *L, size_t *count)
{
    *count = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1), 1,
                      "names must be strings, values strings or numbers");
        ++*count;
    }
    const char **names = lua_newuserdatauv(L, (*count + 1) * sizeof *names, 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
        names[i++] = lua_tostring(L, -2);
    qsort(names, *count, sizeof *names, by_name);
    return names;
}

static int form(lua_State *L)
{
    luaL_Buffer out;
    size_t count;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    const char **names = push_sorted_names(L, &count);
    lua_newtable(L); /* holds the values' texts while the buffer grows on the stack */
    luaL_buffinit(L, &out);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        lua_getfield(L, 1, names[i]);
        const char *value = lua_tolstring(L, -1, &length);
        lua_rawsetp(L, 3, names[i]);
        if (i > 0)
            luaL_addchar(&out, '&');
        add_escaped(&out, names[i], strlen(names[i]));
        luaL_addchar(&out, '=');
        add_escaped(&out, value, length);
    }
    luaL_pushresult(&out);
    return 1;
}

int binding_open_http(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"escape", escape}, {"form", form}, {"parse_form", parse_form}, {"request", request}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
