/* The folders, and the rules in the store, as they were last read: which files there are, what they compiled
 * to, what is wrong with them. Only files whose stamp changed are read again, only those whose bytes changed
 * are compiled. Used by one thread at a time. */
#ifndef SCRIPT_SOURCES_H
#define SCRIPT_SOURCES_H

#include <stdbool.h>
#include <sys/stat.h>

#include "script/candidate.h"
#include "script/unit.h"

struct source {
    char *name;      /* module or slug */
    char *path;      /* as shown: "agencies/acme/rules.lua" */
    char *file;      /* as opened; NULL for rules from the store */
    int64_t version; /* of rules from the store, as what follows */
    enum candidate_mode mode;
    unsigned percent;
    struct stat stamp;
    bool settled; /* the file was not written just when it was read: an equal stamp means equal bytes */
    bool changed; /* by the newest reading */
    char hash[UNIT_HASH_SIZE];
    struct buffer text; /* while a reload looks at a changed file; until then of rules from the store */
    struct unit *unit;  /* NULL where it does not compile */
    bool fits;          /* an agency's: it loads, and is a set of rules */
    bool conflicts;     /* an agency's: it claims what another one has */
    char *fault;        /* "file:line: what", or NULL */
    char *excerpt;      /* of the lines around it (rule_excerpt.h), or NULL */
    int64_t fault_at_ms;
    struct claims seeming;       /* an agency's that never was good: what the text seems to claim */
    struct unit *good;           /* an agency's: what runs */
    struct candidate *candidate; /* of rules that are tried beside the live ones, once they fit */
};

struct sources {
    struct source *items; /* by name */
    size_t count;
};
void sources_deinit(struct sources *sources);

/* The files below `<lua_path>/bascule` and `<lua_path>/simulator`, by module; or
 * `<agencies>/<slug>/rules.lua` by slug. `previous` is emptied into the result where files are the same. True
 * in `changed` where a file came, went or has other bytes. -1 where a folder cannot be read: `previous` is as
 * it was then. */
int sources_read_trusted(const char *lua_path, struct sources *previous, struct sources *result,
                         bool *changed, struct error *error);
int sources_read_agencies(const char *agencies_path, struct sources *previous, struct sources *result,
                          bool *changed, struct error *error);

/* A version of an agency's rules, as the store has it. */
struct source_version {
    const char *agency;
    int64_t version;
    struct slice text;
    enum candidate_mode mode; /* of a candidate, as `percent` */
    unsigned percent;
};
/* The same for rules from the store. Their path, as errors show it, is "acme/rules.lua@4". */
void sources_take_versions(const struct source_version *versions, size_t count, struct sources *previous,
                           struct sources *result, bool *changed);

struct source *sources_find(const struct sources *sources, const char *name); /* borrowed, or NULL */

/* Sets (and logs) what is wrong with a source; NULL: nothing any more. The same again changes nothing. */
void source_set_fault(struct source *source, const char *fault);

/* Ids in quotes that stand in the braces after `locations =` and `companies =`: what a file that does not
 * load seems to be for, so that its messages are held back and not sent by other rules. */
void source_guess_claims(struct source *source);

#endif
