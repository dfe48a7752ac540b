#include "script/unit.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/clock.h"
#include "crypto/random.h"
#include "script/rule_excerpt.h"
#include "script/rule_state.h"

#define PIECE_BYTES 1024 /* of text, between two looks at the clock */

void texts_add(struct texts *texts, struct slice text)
{
    texts->items = memory_resize(texts->items, (texts->count + 1) * sizeof *texts->items);
    texts->items[texts->count++] = slice_duplicate(text);
}

void texts_deinit(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i]);
    free(texts->items);
    *texts = (struct texts){0};
}

void claims_deinit(struct claims *claims)
{
    texts_deinit(&claims->locations);
    texts_deinit(&claims->companies);
}

void unit_hash(struct slice source, char hash[UNIT_HASH_SIZE])
{
    unsigned char digest[32];
    crypto_sha256(source, digest);
    struct buffer hex = {0};
    hex_encode(&hex, (struct slice){(const char *)digest, sizeof digest});
    memcpy(hash, hex.data, UNIT_HASH_SIZE);
    buffer_deinit(&hex);
}

static int append_code(lua_State *L, const void *piece, size_t size, void *code)
{
    (void)L;
    buffer_append(code, piece, size);
    return 0;
}

/* Some editors put a byte order mark before the text; Lua's file loader skips it, so here too. */
static struct slice without_mark(struct slice source)
{
    if (source.length >= 3 && memcmp(source.data, "\xEF\xBB\xBF", 3) == 0)
        return (struct slice){source.data + 3, source.length - 3};
    return source;
}

/* What Lua says of bytecode names no file, and of its own words no way out. */
static int refuse(const char *path, const char *what, struct error *error)
{
    size_t length = strlen(what);
    const char *word = "near 'until'";
    bool until = length > strlen(word) && strcmp(what + length - strlen(word), word) == 0;
    if (excerpt_line_of_error(what, path) == 0)
        return error_set(error, ERROR_INVALID, "%s: %s", path, what);
    return error_set(error, ERROR_INVALID, "%s%s", what,
                     until ? " ('until' is a word of Lua's own; write 'until_')" : "");
}

/* Lua's compiler takes time by the square of a condition's length ("a and a and a ..."): a minute for a text
 * of a megabyte. It asks for the text in pieces, and gets no more of them when the time is up. */
struct reading {
    struct slice rest;
    int64_t until_us;
    bool late;
};

static const char *read_piece(lua_State *L, void *argument, size_t *size)
{
    (void)L;
    struct reading *reading = argument;
    const char *piece = reading->rest.data;
    reading->late = reading->late || rule_state_processor_us() > reading->until_us;
    *size = reading->late ? 0 : reading->rest.length < PIECE_BYTES ? reading->rest.length : PIECE_BYTES;
    reading->rest.data += *size;
    reading->rest.length -= *size;
    return *size == 0 ? NULL : piece;
}

static int compile(const char *path, struct slice source, struct buffer *code, struct error *error)
{
    lua_State *L = luaL_newstate();
    struct buffer chunk = {0};
    struct reading reading = {without_mark(source), rule_state_processor_us() + UNIT_COMPILE_MS * 1000,
                              false};
    buffer_append_format(&chunk, "@%s", path);
    int result = -1, status = lua_load(L, read_piece, &reading, chunk.data, "t");
    if (reading.late) {
        error_set(error, ERROR_INVALID, "%s: takes longer than %d ms to compile", path, UNIT_COMPILE_MS);
    } else if (status != LUA_OK) {
        refuse(path, lua_tostring(L, -1), error);
    } else {
        lua_dump(L, append_code, code, 0);
        result = 0;
    }
    buffer_deinit(&chunk);
    lua_close(L);
    return result;
}

struct unit *unit_compile(const char *name, const char *path, struct slice source, struct error *error)
{
    struct buffer code = {0};
    if (compile(path, source, &code, error) != 0)
        return NULL;
    struct unit *unit = memory_allocate(sizeof *unit);
    atomic_init(&unit->references, 1);
    unit->name = text_duplicate(name);
    unit->path = text_duplicate(path);
    unit_hash(source, unit->hash);
    unit->loaded_at_ms = clock_wall_ms();
    unit->code = code;
    buffer_append(&unit->source, source.data, source.length);
    return unit;
}

struct unit *unit_ref(struct unit *unit)
{
    atomic_fetch_add_explicit(&unit->references, 1, memory_order_relaxed);
    return unit;
}

void unit_unref(struct unit *unit)
{
    if (unit == NULL || atomic_fetch_sub_explicit(&unit->references, 1, memory_order_acq_rel) != 1)
        return;
    free(unit->name);
    free(unit->path);
    buffer_deinit(&unit->code);
    buffer_deinit(&unit->source);
    claims_deinit(&unit->claims);
    declarations_deinit(&unit->declarations);
    free(unit);
}

struct slice unit_source(const struct unit *unit)
{
    return (struct slice){unit->source.data, unit->source.length};
}

void unit_load(lua_State *L, const struct unit *unit)
{
    /* The name given here is unused: bytecode carries the name that it was compiled under. */
    if (luaL_loadbufferx(L, unit->code.data, unit->code.length, unit->path, "b") != LUA_OK)
        lua_error(L);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct unit *const *)a)->name, (*(struct unit *const *)b)->name);
}

struct unit_set *unit_set_new(struct unit *const *units, size_t count)
{
    struct unit_set *set = memory_allocate(sizeof *set);
    atomic_init(&set->references, 1);
    set->units = memory_allocate(count * sizeof *set->units);
    set->count = count;
    for (size_t i = 0; i < count; i++)
        set->units[i] = unit_ref(units[i]);
    qsort(set->units, count, sizeof *set->units, by_name);
    struct buffer listing = {0};
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&listing, "%s %s\n", set->units[i]->name, set->units[i]->hash);
    unit_hash((struct slice){listing.data, listing.length}, set->hash);
    buffer_deinit(&listing);
    return set;
}

struct unit_set *unit_set_ref(struct unit_set *set)
{
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void unit_set_unref(struct unit_set *set)
{
    if (set == NULL || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        unit_unref(set->units[i]);
    free(set->units);
    free(set);
}

static int name_against(const void *name, const void *unit)
{
    return strcmp(name, (*(struct unit *const *)unit)->name);
}

struct unit *unit_set_find(const struct unit_set *set, const char *name)
{
    struct unit **found = bsearch(name, set->units, set->count, sizeof *set->units, name_against);
    return found == NULL ? NULL : *found;
}
