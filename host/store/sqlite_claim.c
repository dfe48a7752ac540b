/* Claims: which locations have work, and who may work on it until when.
 *
 * A claim moves the due time to the lease's end, so the due index is all that finds work, new or abandoned. A
 * message that must wait behind another of its conversation would stand in that index's front and be stepped
 * over by every claim; the first claim that meets it parks it instead (no due time), and the settlement that
 * ends the wait (in sqlite_settle.c) makes it due again. So a claim's cost does not grow with what waits. */
#include "store/sqlite.h"

#include <stdlib.h>

/* ---- lanes ---- */

static const char NEXT_LANE_DELIVERY[] = "SELECT location, due_ms FROM message"
                                         " WHERE due_ms IS NOT NULL AND location > ?1"
                                         " ORDER BY location, due_ms LIMIT 1";
static const char NEXT_LANE_REPORT[] = "SELECT location, report_due_ms FROM message"
                                       " WHERE report_due_ms IS NOT NULL AND location > ?1"
                                       " ORDER BY location, report_due_ms LIMIT 1";

/* Jumps from location to location in the due index: one search each, however many messages it has. */
static enum store_status collect_lanes(struct store_session *session, const char *sql, int64_t now_ms,
                                       const char *after, unsigned limit, struct store_lanes *lanes)
{
    enum store_status status = STORE_OK;
    char *last = text_duplicate(after == NULL ? "" : after);
    while (status == STORE_OK && lanes->count < limit) {
        sqlite3_stmt *s = sqlite_statement(session, sql);
        sqlite_bind_text(s, 1, last);
        status = sqlite_next(session, s);
        if (status != STORE_OK)
            break;
        char *location = sqlite_text(s, 0);
        if (sqlite3_column_int64(s, 1) <= now_ms)
            lanes->locations[lanes->count++] = text_duplicate(location);
        sqlite3_reset(s);
        free(last);
        last = location;
    }
    free(last);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

static enum store_status lanes_due(struct store_session *session, enum message_track track, int64_t now_ms,
                                   const char *after, unsigned limit, struct store_lanes *lanes)
{
    const char *sql = track == TRACK_REPORT ? NEXT_LANE_REPORT : NEXT_LANE_DELIVERY;
    *lanes = (struct store_lanes){.locations = memory_allocate(limit * sizeof *lanes->locations)};
    enum store_status status = sqlite_read_begin(session);
    if (status == STORE_OK)
        status = sqlite_end(session, collect_lanes(session, sql, now_ms, after, limit, lanes));
    if (status != STORE_OK)
        store_lanes_deinit(lanes);
    return status;
}

/* ---- claiming ---- */

#define CANDIDATES_AT_ONCE 64
#define PARKED_AT_MOST 512 /* a claim; the next one goes on from there */

struct candidate {
    int64_t id;
    uint64_t lease;
    bool held;    /* by a lease that ran out */
    bool ordered; /* to be sent, so its place in its conversation counts */
    int64_t conversation_hash;
};

static const char CANDIDATES_DELIVERY[] =
    "SELECT id, lease, lease_owner IS NOT NULL, state <= 2, conversation_hash"
    " FROM message INDEXED BY message_due"
    " WHERE location = ?1 AND due_ms <= ?2 AND (lease_owner IS NULL OR lease_owner <> ?3)"
    " ORDER BY due_ms LIMIT ?4";
static const char CANDIDATES_REPORT[] =
    "SELECT id, report_lease, report_owner IS NOT NULL, 0, 0 FROM message INDEXED BY message_report"
    " WHERE location = ?1 AND report_due_ms <= ?2 AND (report_owner IS NULL OR report_owner <> ?3)"
    " ORDER BY report_due_ms LIMIT ?4";

/* A deferred message counts once it is due; a claim hides its due time, and so does waiting behind another.
 */
static const char BLOCKER[] = "SELECT 1 FROM message INDEXED BY message_waiting"
                              " WHERE conversation_hash = ?1 AND state <= 2 AND id < ?2"
                              " AND (state <> 2 OR due_ms IS NULL OR due_ms <= ?3 OR lease_owner IS NOT NULL)"
                              " LIMIT 1";

/* The owner stays: a lease that ran out must still show when the message's turn comes. */
static const char PARK[] = "UPDATE message SET due_ms = NULL WHERE id = ?1";

static const char LEASE_DELIVERY[] = "UPDATE message SET due_ms = ?2, lease = lease + 1, lease_owner = ?3,"
                                     " outcome_unknown = outcome_unknown OR state = 1 WHERE id = ?1";
static const char LEASE_REPORT[] = "UPDATE message SET report_due_ms = ?2, report_lease = report_lease + 1,"
                                   " report_owner = ?3, report_changed_ms = NULL WHERE id = ?1";

static enum store_status find_candidates(struct store_session *session, const struct store_claim *claim,
                                         struct candidate *candidates, size_t most, size_t *count)
{
    bool delivery = claim->track == TRACK_DELIVERY;
    sqlite3_stmt *s = sqlite_statement(session, delivery ? CANDIDATES_DELIVERY : CANDIDATES_REPORT);
    sqlite_bind_text(s, 1, claim->location);
    sqlite3_bind_int64(s, 2, claim->now_ms);
    sqlite_bind_text(s, 3, claim->owner);
    sqlite3_bind_int64(s, 4, (int64_t)most);
    enum store_status status;
    for (*count = 0; (status = sqlite_next(session, s)) == STORE_OK; (*count)++)
        candidates[*count] = (struct candidate){
            .id = sqlite3_column_int64(s, 0),
            .lease = (uint64_t)sqlite3_column_int64(s, 1),
            .held = sqlite3_column_int(s, 2) != 0,
            .ordered = sqlite3_column_int(s, 3) != 0,
            .conversation_hash = sqlite3_column_int64(s, 4),
        };
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* STORE_OK: it is blocked; STORE_NOT_FOUND: it is not. */
static enum store_status find_blocker(struct store_session *session, const struct candidate *candidate,
                                      int64_t now_ms)
{
    if (!candidate->ordered)
        return STORE_NOT_FOUND;
    sqlite3_stmt *s = sqlite_statement(session, BLOCKER);
    sqlite3_bind_int64(s, 1, candidate->conversation_hash);
    sqlite3_bind_int64(s, 2, candidate->id);
    sqlite3_bind_int64(s, 3, now_ms);
    enum store_status status = sqlite_next(session, s);
    if (status == STORE_OK)
        sqlite3_reset(s);
    return status;
}

static enum store_status park(struct store_session *session, const struct candidate *candidate)
{
    sqlite3_stmt *s = sqlite_statement(session, PARK);
    sqlite3_bind_int64(s, 1, candidate->id);
    return sqlite_run(session, s);
}

static enum store_status take(struct store_session *session, const struct store_claim *claim,
                              const struct candidate *candidate, struct store_message *message)
{
    sqlite3_stmt *s =
        sqlite_statement(session, claim->track == TRACK_DELIVERY ? LEASE_DELIVERY : LEASE_REPORT);
    sqlite3_bind_int64(s, 1, candidate->id);
    sqlite3_bind_int64(s, 2, claim->now_ms + claim->lease_ms);
    sqlite_bind_text(s, 3, claim->owner);
    enum store_status status = sqlite_run(session, s);
    if (status == STORE_OK)
        status = sqlite_message_load(session, candidate->id, message);
    message->lease = candidate->lease + 1;
    message->lease_expired = candidate->held;
    return status;
}

static enum store_status take_or_park(struct store_session *session, const struct store_claim *claim,
                                      const struct candidate *candidate, struct store_message_list *list)
{
    enum store_status blocked = find_blocker(session, candidate, claim->now_ms);
    if (blocked == STORE_OK)
        return park(session, candidate);
    if (blocked != STORE_NOT_FOUND)
        return blocked;
    enum store_status status = take(session, claim, candidate, &list->items[list->count]);
    if (status == STORE_OK)
        list->count++;
    return status;
}

/* Every candidate looked at leaves the front of the index, claimed or parked, so the next search begins
 * behind it. */
static enum store_status claim_messages(struct store_session *session, const struct store_claim *claim,
                                        struct store_message_list *list)
{
    struct candidate candidates[CANDIDATES_AT_ONCE];
    size_t seen = 0, found, wanted;
    enum store_status status = STORE_OK;
    do {
        wanted =
            claim->limit - list->count < CANDIDATES_AT_ONCE ? claim->limit - list->count : CANDIDATES_AT_ONCE;
        status = find_candidates(session, claim, candidates, wanted, &found);
        for (size_t i = 0; status == STORE_OK && i < found; i++)
            status = take_or_park(session, claim, &candidates[i], list);
        seen += found;
    } while (status == STORE_OK && found == wanted && list->count < claim->limit &&
             seen < claim->limit + PARKED_AT_MOST);
    return status;
}

static enum store_status message_claim(struct store_session *session, const struct store_claim *claim,
                                       struct store_message_list *list)
{
    *list = (struct store_message_list){.items = memory_allocate(claim->limit * sizeof *list->items)};
    enum store_status status = sqlite_write_begin(session);
    if (status == STORE_OK)
        status = sqlite_end(session, claim_messages(session, claim, list));
    if (status != STORE_OK)
        store_message_list_deinit(list);
    return status;
}

void sqlite_claim_calls(struct store_backend *backend)
{
    backend->lanes_due = lanes_due;
    backend->message_claim = message_claim;
}
