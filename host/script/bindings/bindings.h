/* The bindings: one C file a Lua module, all of one shape (check the argument, call, turn the result). Their
 * contract is lua/meta/host.lua. */
#ifndef SCRIPT_BINDINGS_H
#define SCRIPT_BINDINGS_H

#include <lua.h>

#include "script/script.h"

int binding_open_arguments(lua_State *L); /* needs nothing of the host: for rule states too */
int binding_open_cache(lua_State *L);
int binding_open_config(lua_State *L);
int binding_open_crypto(lua_State *L);
int binding_open_dryrun(lua_State *L);
int binding_open_http(lua_State *L);
int binding_open_json(lua_State *L);
int binding_open_log(lua_State *L);
int binding_open_metrics(lua_State *L);
int binding_open_phone(lua_State *L); /* for rule states too, as arguments is */
int binding_open_rules(lua_State *L);
/* rules.c: {us, instructions, memory_bytes} of a call. */
struct rule_usage;
void binding_push_usage(lua_State *L, const struct rule_usage *usage);
/* rules.c: what the agency's rules need (host.rules.needs); NULL: the default rule's. */
struct agency;
void binding_push_needs(lua_State *L, const struct agency *agency);
int binding_open_scripts(lua_State *L);
int binding_open_store(lua_State *L);
int binding_open_time(lua_State *L);
int binding_open_zone(lua_State *L); /* for rule states too */

/* The functions of host.store live in several files; open_store gathers them. */
void binding_add_store_memory(lua_State *L);
void binding_add_store_messages(lua_State *L);
void binding_add_store_installations(lua_State *L);
void binding_add_store_rules(lua_State *L);
void binding_add_store_settings(lua_State *L);

/* request.c: the userdata of a request, and its end: it keeps what was read of it, but reads no more. */
struct request;
struct request *binding_push_request(lua_State *L, struct http_exchange *exchange);
void binding_end_request(struct request *request);

/* options.c: fields of a table argument. A field of the wrong type raises; a needed one that is missing too.
 * Texts are borrowed while the table holds them. */
struct slice option_text(lua_State *L, int table, const char *name);         /* needed */
struct slice option_text_or_none(lua_State *L, int table, const char *name); /* data NULL where it is nil */
lua_Integer option_integer(lua_State *L, int table, const char *name);       /* needed */
lua_Integer option_integer_or(lua_State *L, int table, const char *name, lua_Integer fallback);
bool option_switch_or(lua_State *L, int table, const char *name, bool fallback);
/* The field, a table, as JSON; data NULL where it is nil. Leaves the text on the stack, to which it is
 * borrowed.
 */
struct slice option_json(lua_State *L, int table, const char *name);
/* The same of a value of any kind, but not nil. */
struct slice option_json_value(lua_State *L, int table, const char *name);
/* The same of the table, or nil, at `index`. */
struct slice argument_json(lua_State *L, int index);

/* Raises where the calling coroutine cannot wait: before anything is submitted. */
void binding_check_wait(lua_State *L);
/* Fails with UNAVAILABLE for a service that this program does not have. */
int binding_unavailable(lua_State *L, const char *service);

#endif
