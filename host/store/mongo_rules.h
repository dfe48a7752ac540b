/* An agency's rules in MongoDB. Private to mongo_rules.c and mongo_agency.c.
 *
 * All that is known of an agency's versions, but for the sources, is one document: so that a publication with
 * all that it ends is one write. Sources are documents of their own, added before the agency's document names
 * them. One that no document names, because its adder died in between or because it is no longer kept, is
 * removed by a later addition.
 *
 *     rules           {_id: agency, revision, newest, published, running: [VERSION], history: [VERSION],
 *                      unannounced}
 *     VERSION         {version, hash, origin, mode, percent, by, note, at_ms, changed_by, reason, changed_ms,
 *                      source: id}
 *     rules_source    {_id, agency, at_ms, source}
 *     rules_revision  {_id: "rules", revision}
 *
 * `running` holds the published versions that are live or candidates: all that replicas ask for. The number
 * that store_rules_revision answers lies in a document of its own. A change marks the agency's document as
 * unannounced, in its one write, then raises the number, then takes the mark away. Who asks for the number
 * first does the same for every marked agency: a process that died in between hides no change. */
#ifndef STORE_MONGO_RULES_H
#define STORE_MONGO_RULES_H

#include "store/mongo.h"
#include "store/rules.h"

/* Versions of an agency that stay in its history: their document must stay well below MongoDB's 16 MB. */
#define MONGO_RULES_HISTORY_MOST 5000

struct mongo_rules_version {
    struct store_rules_version is; /* without its source */
    bool has_source;
    bson_oid_t source;
};

struct mongo_agency {
    int64_t revision;                  /* 0: there is no such document */
    uint64_t newest, published;        /* versions; 0: none */
    struct mongo_rules_version *items; /* oldest first */
    size_t count;
};
void mongo_agency_deinit(struct mongo_agency *agency);

/* Adds the versions of the array `field`. */
void mongo_agency_read_versions(const bson_t *document, const char *field, struct mongo_agency *agency);

/* OK also where nothing is known of it. */
enum store_status mongo_agency_load(struct store_session *session, const char *name,
                                    struct mongo_agency *agency);
struct mongo_rules_version *mongo_agency_find(struct mongo_agency *agency, uint64_t version); /* or NULL */

/* Decides what becomes of the agency: OK has changed it so, anything else is the answer. It is called again
 * where somebody else was faster. */
typedef enum store_status mongo_agency_decide(struct mongo_agency *agency, void *argument);
/* `announced`: what store_rules_current answers has changed. `after` (may be NULL) is what was written; the
 * caller deinits it whatever the answer. */
enum store_status mongo_agency_change(struct store_session *session, const char *name,
                                      mongo_agency_decide *decide, void *argument, bool announced,
                                      struct mongo_agency *after);

#endif
