/* Versions of the agencies' rules: those that were published, which every replica takes from here, and a
 * history of those that came from files, which each replica has by itself.
 *
 * Versions are numbered from 1 for each agency. Of an agency's published versions at most one is live and at
 * most one a candidate (shadow or canary) beside it; the calls below keep it so, atomically, whatever several
 * processes do at once. MongoDB keeps an agency's newest 5,000 versions, and what runs whatever its age. */
#ifndef STORE_STORE_RULES_H
#define STORE_STORE_RULES_H

#include "store/store.h"

#define STORE_RULES_SOURCE_MOST_BYTES ((size_t)4 << 20)

enum store_rules_origin { RULES_PUBLISHED, RULES_FILE };
const char *store_rules_origin_name(enum store_rules_origin origin); /* "published", "file" */

enum store_rules_mode {
    RULES_LIVE,
    RULES_SHADOW, /* runs beside the live one, without effects */
    RULES_CANARY, /* runs in place of the live one for `percent` of the messages */
    RULES_SUPERSEDED,
    RULES_WITHDRAWN,
};
const char *store_rules_mode_name(enum store_rules_mode mode); /* "live", ... */
int store_rules_mode_parse(const char *name, enum store_rules_mode *mode);

struct store_rules_version {
    char *agency;
    uint64_t version;
    char *source; /* NULL in lists, and where it is no longer kept; NUL terminated beside its length */
    size_t source_length;
    char *hash;
    enum store_rules_origin origin;
    enum store_rules_mode mode; /* of a file's version: RULES_LIVE for the newest, RULES_SUPERSEDED */
    unsigned percent;           /* of RULES_CANARY, else 0 */
    char *by, *note;            /* who added it, and why; may be NULL */
    int64_t at_ms;
    char *changed_by, *reason; /* of its newest change of mode, or NULL */
    int64_t changed_ms;        /* 0: never */
};
void store_rules_version_deinit(struct store_rules_version *version);

struct store_rules_list {
    struct store_rules_version *items;
    size_t count;
};
void store_rules_list_deinit(struct store_rules_list *list);

struct store_rules_new {
    const char *agency;
    struct slice source; /* at most STORE_RULES_SOURCE_MOST_BYTES: else FAILED */
    const char *hash;
    enum store_rules_mode mode; /* live, shadow or canary; else FAILED. Unused by store_rules_record */
    unsigned percent;
    const char *by, *note; /* or NULL */
    int64_t now_ms;
    const uint64_t *expected_version; /* what the caller knows as the newest published, 0: none; NULL:
                                         whatever. Unused by store_rules_record */
    unsigned kept; /* how many of the agency's newest versions of this origin keep their source, at least 1;
                      what is live or a candidate keeps it whatever its age */
};

/* Publishes: adds the agency's next version, whose number is filled in. A live one supersedes the live one
 * and the candidate before it, a candidate the candidate before it. CONFLICT where another than the expected
 * version is the newest published one. On MongoDB an addition that answered BUSY may have happened: with an
 * expected version a second try then is a CONFLICT. */
enum store_status store_rules_add(struct store_session *session, const struct store_rules_new *rules,
                                  uint64_t *version);

/* Notes what a file holds, for the history. DUPLICATE, with its number, where the agency's newest version
 * from a file has the same hash. Published versions, and the revision, stay as they are. */
enum store_status store_rules_record(struct store_session *session, const struct store_rules_new *rules,
                                     uint64_t *version);

/* NOT_FOUND where the agency has no such version. */
enum store_status store_rules_get(struct store_session *session, const char *agency, uint64_t version,
                                  struct store_rules_version *found);

/* An agency's versions below `before` (0: all), newest first, at most `limit`, without sources. */
enum store_status store_rules_list(struct store_session *session, const char *agency, uint64_t before,
                                   unsigned limit, struct store_rules_list *list);

/* Published versions that are live or candidates, with sources, by agency, live ones first. */
enum store_status store_rules_current(struct store_session *session, struct store_rules_list *list);

/* Compare and set. CONFLICT where the version's mode is not `expected`, or it came from a file: that is
 * history, and is published to run again. NOT_FOUND where there is no such version, or it is to run and its
 * source is no longer kept. One that becomes live, or a candidate, supersedes as store_rules_add says. */
struct store_rules_change {
    const char *agency;
    uint64_t version;
    enum store_rules_mode expected, mode;
    unsigned percent;
    const char *reason, *by; /* or NULL */
    int64_t now_ms;
};
enum store_status store_rules_set_mode(struct store_session *session,
                                       const struct store_rules_change *change);

/* A number that grows with every change of what store_rules_current answers, at the cost of one row: for
 * replicas to ask again and again. 0: nothing was ever published. */
enum store_status store_rules_revision(struct store_session *session, uint64_t *revision);

#endif
