/* Compiled files. A unit is one file of Lua, compiled once from text; a set is an immutable collection of
 * units. Both are counted references that any number of threads share. */
#ifndef SCRIPT_UNIT_H
#define SCRIPT_UNIT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/bytes.h"
#include "base/error.h"
#include "script/declarations.h"

#define UNIT_HASH_SIZE 65 /* SHA-256 in hex, with its NUL */

/* A list of owned texts. */
struct texts {
    char **items;
    size_t count;
};
void texts_add(struct texts *texts, struct slice text);
void texts_deinit(struct texts *texts);

/* What an agency's rules.lua is for. */
struct claims {
    struct texts locations, companies;
};
void claims_deinit(struct claims *claims);

struct unit {
    atomic_uint references;
    char *name; /* the module ("bascule.server"), or the agency's slug */
    char *path; /* as errors show it: "lua/bascule/server.lua" */
    char hash[UNIT_HASH_SIZE];
    int64_t loaded_at_ms;
    int64_t version;      /* of an agency's rules that were published (store_rules.h), set before the unit is
                             shared; 0: a file's */
    struct buffer code;   /* bytecode with its line numbers */
    struct buffer source; /* the text that it was compiled from */
    struct claims claims; /* of an agency's rules, filled before the unit is shared; so is what follows */
    struct declarations declarations;
};

#define UNIT_COMPILE_MS 1000 /* of processor time */

/* Compiles text (never bytecode). NULL with "file:line: what" in `error`, also where the text takes longer
 * than UNIT_COMPILE_MS. */
struct unit *unit_compile(const char *name, const char *path, struct slice source, struct error *error);
struct unit *unit_ref(struct unit *unit);
void unit_unref(struct unit *unit);
struct slice unit_source(const struct unit *unit); /* borrowed */

/* Pushes the unit's chunk, a function; may raise where memory is short. */
void unit_load(lua_State *L, const struct unit *unit);

void unit_hash(struct slice source, char hash[UNIT_HASH_SIZE]);

struct unit_set {
    atomic_uint references;
    struct unit **units; /* by name */
    size_t count;
    char hash[UNIT_HASH_SIZE]; /* of the names and hashes */
};

/* Takes references of its own. */
struct unit_set *unit_set_new(struct unit *const *units, size_t count);
struct unit_set *unit_set_ref(struct unit_set *set);
void unit_set_unref(struct unit_set *set);
struct unit *unit_set_find(const struct unit_set *set, const char *name); /* borrowed, or NULL */

#endif
