/* JSON as scripts see it: whatever is accepted is written as JSON that reads back as the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#include "script/script.h"

static void must(bool condition, const char *what, const char *reason)
{
    if (condition)
        return;
    fprintf(stderr, "%s: %s\n", what, reason);
    abort();
}

/* Encodes the value on top, pops it. */
static void encode_top(lua_State *L, struct buffer *out)
{
    char reason[256] = "";
    must(script_json_encode(L, -1, out, reason, sizeof reason), "what was read cannot be written", reason);
    lua_pop(L, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lua_State *L;
    char reason[256] = "";
    struct buffer first = {0}, second = {0};
    if (L == NULL)
        L = luaL_newstate();
    if (script_json_decode(L, (struct slice){(const char *)data, size}, reason, sizeof reason)) {
        encode_top(L, &first);
        must(script_json_decode(L, (struct slice){first.data, first.length}, reason, sizeof reason),
             "what was written cannot be read", reason);
        encode_top(L, &second);
        must(
            slice_equal((struct slice){first.data, first.length}, (struct slice){second.data, second.length}),
            "a round trip changed it", first.data);
    } else {
        must(reason[0] != '\0', "refused without a reason", "");
    }
    must(lua_gettop(L) == 0, "the stack is not empty", "");
    buffer_deinit(&first);
    buffer_deinit(&second);
    return 0;
}
