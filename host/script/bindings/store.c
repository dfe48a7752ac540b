/* host.store: its functions live in store_*.c, by what they are about. */
#include "script/bindings/bindings.h"

int binding_open_store(lua_State *L)
{
    lua_createtable(L, 0, 32);
    binding_add_store_memory(L);
    binding_add_store_messages(L);
    binding_add_store_installations(L);
    binding_add_store_rules(L);
    binding_add_store_settings(L);
    return 1;
}
