/* Claims: which locations have work, and who may work on it until when.
 *
 * A claim is one find-and-modify: it moves the due time to the lease's end, takes the owner's place and the
 * next number, so no two get the same. Whether an older message of the conversation stands in the way can
 * only be asked afterwards; where one does, the claim is given back and the message parked. The older one may
 * be settled between that question and the parking, and then nobody would free it: so the question is asked
 * once more after the parking. Either the settlement's write came before that second question, which then
 * finds nothing in the way, or it came after the parking, and its own search for the next one finds it.
 *
 * A process that dies between its settlement and that search, or between its claim and the parking, leaves
 * the message with a due time all the same: parking only puts that off by PARKED_MS. */
#include "store/mongo_message.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PARKED_MS 60000
#define PARKED_AT_MOST 512 /* a claim; the next one goes on from there */

struct track {
    const char *due, *lease, *owner, *claim;
};
static const struct track TRACKS[] = {
    [TRACK_DELIVERY] = {"due_ms", "lease", "owner", "claim"},
    [TRACK_REPORT] = {"report_due_ms", "report_lease", "report_owner", "report_claim"},
};

/* ---- lanes ---- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A search of one entry for each location in the due index, whichever it has: the server skips from one to
 * the next. */
static bson_t *lanes_command(const struct track *track, int64_t now_ms, const char *after)
{
    return BCON_NEW("distinct", BCON_UTF8(mongo_collection_name(MONGO_MESSAGE)), "key", BCON_UTF8("location"),
                    "query", "{", "location", "{", "$gt", BCON_UTF8(after == NULL ? "" : after), "}",
                    track->due, "{", "$gt", BCON_INT64(0), "$lte", BCON_INT64(now_ms), "}", "}");
}

static void read_lanes(const bson_t *reply, struct store_lanes *lanes)
{
    bson_iter_t array, at;
    if (!bson_iter_init_find(&array, reply, "values") || !bson_iter_recurse(&array, &at))
        return;
    while (bson_iter_next(&at)) {
        if (!BSON_ITER_HOLDS_UTF8(&at))
            continue;
        lanes->locations = memory_resize(lanes->locations, (lanes->count + 1) * sizeof *lanes->locations);
        lanes->locations[lanes->count++] = text_duplicate(bson_iter_utf8(&at, NULL));
    }
}

static enum store_status lanes_due(struct store_session *session, enum message_track track, int64_t now_ms,
                                   const char *after, unsigned limit, struct store_lanes *lanes)
{
    bson_t reply;
    *lanes = (struct store_lanes){0};
    enum store_status status = mongo_command(session, lanes_command(&TRACKS[track], now_ms, after), &reply);
    if (status == STORE_OK)
        read_lanes(&reply, lanes);
    bson_destroy(&reply);
    if (lanes->count > 1)
        qsort(lanes->locations, lanes->count, sizeof *lanes->locations, compare_texts);
    while (lanes->count > limit)
        free(lanes->locations[--lanes->count]);
    return status;
}

/* ---- order within a conversation ---- */

static void append_conversation(bson_t *filter, const bson_t *message)
{
    bson_iter_t at;
    static const char *const fields[] = {"location", "conversation", "direction"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (bson_iter_init_find(&at, message, fields[i]))
            bson_append_iter(filter, fields[i], -1, &at);
    BCON_APPEND(filter, "state", "{", "$lte", BCON_INT32(MESSAGE_DEFERRED), "}");
}

/* A deferred message counts once it is due; a claim hides its due time, and so does waiting behind another.
 * STORE_OK: there is one in the way; STORE_NOT_FOUND: there is not. */
static enum store_status find_blocker(struct store_session *session, const bson_t *message, int64_t now_ms)
{
    bson_t found;
    if (mongo_integer(message, "state") > MESSAGE_DEFERRED)
        return STORE_NOT_FOUND;
    bson_t *filter = bson_new();
    append_conversation(filter, message);
    BCON_APPEND(filter, "_id", "{", "$lt", BCON_INT64(mongo_integer(message, "_id")), "}", "$or", "[", "{",
                "state", "{", "$lt", BCON_INT32(MESSAGE_DEFERRED), "}", "}", "{", "parked", BCON_BOOL(true),
                "}", "{", "due_ms", "{", "$lte", BCON_INT64(now_ms), "}", "}", "{", "owner", "{", "$exists",
                BCON_BOOL(true), "}", "}", "]");
    enum store_status status = mongo_find(session, MONGO_MESSAGE, filter,
                                          BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}"), &found);
    bson_destroy(&found);
    return status;
}

static enum store_status unpark(struct store_session *session, bson_t *filter, int64_t now_ms)
{
    BSON_APPEND_BOOL(filter, "parked", true);
    enum store_status status =
        mongo_update(session, MONGO_MESSAGE, filter,
                     BCON_NEW("$set", "{", "due_ms", BCON_INT64(now_ms), "}", "$unset", "{", "parked",
                              BCON_BOOL(true), "}", "$inc", "{", "revision", BCON_INT64(1), "}"));
    return status == STORE_NOT_FOUND ? STORE_OK : status; /* somebody else did, or claimed it */
}

enum store_status mongo_unpark_next(struct store_session *session, const bson_t *message, int64_t now_ms)
{
    bson_t found;
    bson_t *filter = bson_new();
    append_conversation(filter, message);
    BCON_APPEND(filter, "_id", "{", "$gt", BCON_INT64(mongo_integer(message, "_id")), "}", "parked",
                BCON_BOOL(true));
    enum store_status status = mongo_find(
        session, MONGO_MESSAGE, filter,
        BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "projection", "{", "_id", BCON_INT32(1), "}"),
        &found);
    if (status == STORE_OK)
        status = unpark(session, BCON_NEW("_id", BCON_INT64(mongo_integer(&found, "_id"))), now_ms);
    bson_destroy(&found);
    return status == STORE_NOT_FOUND ? STORE_OK : status;
}

/* The claim is given back: owner and number are again those of `before`, so that a lease that ran out still
 * shows when the message's turn comes, and its holder may still settle it. */
static bson_t *park_change(const bson_t *before, int64_t now_ms)
{
    bson_iter_t owner;
    bson_t set;
    bson_t *change = BCON_NEW("$inc", "{", "revision", BCON_INT64(1), "}");
    bson_append_document_begin(change, "$set", -1, &set);
    BSON_APPEND_BOOL(&set, "parked", true);
    BSON_APPEND_INT64(&set, "due_ms", now_ms + PARKED_MS);
    BSON_APPEND_INT64(&set, "lease", mongo_integer(before, "lease"));
    bool held = bson_iter_init_find(&owner, before, "owner");
    if (held)
        bson_append_iter(&set, "owner", -1, &owner);
    bson_append_document_end(change, &set);
    if (!held)
        BCON_APPEND(change, "$unset", "{", "owner", BCON_BOOL(true), "}");
    return change;
}

static enum store_status park(struct store_session *session, const bson_t *before, int64_t now_ms)
{
    int64_t id = mongo_integer(before, "_id"), lease = mongo_integer(before, "lease") + 1;
    enum store_status status =
        mongo_update(session, MONGO_MESSAGE, BCON_NEW("_id", BCON_INT64(id), "lease", BCON_INT64(lease)),
                     park_change(before, now_ms));
    if (status == STORE_NOT_FOUND)
        return STORE_OK; /* this claim's lease ran out already; whoever has it now asks himself */
    if (status == STORE_OK)
        status = find_blocker(session, before, now_ms);
    if (status == STORE_NOT_FOUND)
        status = unpark(session, BCON_NEW("_id", BCON_INT64(id)), now_ms);
    return status;
}

/* ---- claims whose answer was lost ---- */

/* A claim that failed may have happened. Its owner would never get that message back, and while it lives
 * nobody else may be there to take it over: so the claim carries a number of its own, by which the session's
 * next one gives it back first. */
static void note_lost(struct mongo_session *session, const struct store_claim *claim, int64_t token)
{
    session->lost = (struct mongo_lost_claim){
        .token = token,
        .track = claim->track,
        .location = text_duplicate(claim->location),
        .until_ms = claim->now_ms + claim->lease_ms,
    };
}

/* Owned by nobody, and yet not free: that a lease was not settled is to show. */
static enum store_status give_back_lost(struct store_session *session, int64_t now_ms)
{
    struct mongo_lost_claim *lost = &mongo_session(session)->lost;
    if (lost->location == NULL)
        return STORE_OK;
    const struct track *track = &TRACKS[lost->track];
    enum store_status status =
        mongo_update(session, MONGO_MESSAGE,
                     BCON_NEW("location", BCON_UTF8(lost->location), track->due, BCON_INT64(lost->until_ms),
                              track->claim, BCON_INT64(lost->token)),
                     BCON_NEW("$set", "{", track->due, BCON_INT64(now_ms), track->owner, BCON_UTF8(""), "}",
                              "$inc", "{", "revision", BCON_INT64(1), "}"));
    if (store_status_is_error(status))
        return status;
    free(lost->location);
    *lost = (struct mongo_lost_claim){0};
    return STORE_OK;
}

/* ---- claiming ---- */

/* What was parked and has come due is not parked any more, or a settlement would make it due again under the
 * lease. */
static bson_t *lease_change(const struct store_claim *claim, int64_t token)
{
    const struct track *track = &TRACKS[claim->track];
    bson_t *change = BCON_NEW("$set", "{", track->due, BCON_INT64(claim->now_ms + claim->lease_ms),
                              track->owner, BCON_UTF8(claim->owner), track->claim, BCON_INT64(token), "}",
                              "$inc", "{", track->lease, BCON_INT64(1), "revision", BCON_INT64(1), "}");
    BCON_APPEND(change, "$unset", "{", claim->track == TRACK_DELIVERY ? "parked" : "report_changed_ms",
                BCON_BOOL(true), "}");
    return change;
}

static enum store_status take(struct store_session *session, const struct store_claim *claim, int64_t token,
                              bson_t *before)
{
    const struct track *track = &TRACKS[claim->track];
    bson_t *filter =
        BCON_NEW("location", BCON_UTF8(claim->location), track->due, "{", "$gt", BCON_INT64(0), "$lte",
                 BCON_INT64(claim->now_ms), "}", track->owner, "{", "$ne", BCON_UTF8(claim->owner), "}");
    return mongo_take(session, MONGO_MESSAGE, filter,
                      BCON_NEW(track->due, BCON_INT32(1), "_id", BCON_INT32(1)), lease_change(claim, token),
                      BCON_NEW("events", BCON_INT32(0)), before);
}

/* As the claim has left it; a message that is SENDING was cut off. */
static void read_claimed(const struct store_claim *claim, const bson_t *before, struct store_message *message)
{
    const struct track *track = &TRACKS[claim->track];
    int64_t until_ms = claim->now_ms + claim->lease_ms;
    mongo_message_read(before, message);
    message->lease = (uint64_t)mongo_integer(before, track->lease) + 1;
    message->lease_expired = mongo_has(before, track->owner);
    if (claim->track == TRACK_REPORT) {
        message->report_due_ms = until_ms;
        return;
    }
    message->due_ms = until_ms;
    message->outcome_unknown = message->outcome_unknown || message->state == MESSAGE_SENDING;
}

static enum store_status keep_or_park(struct store_session *session, const struct store_claim *claim,
                                      const bson_t *before, struct store_message_list *list)
{
    enum store_status blocked =
        claim->track == TRACK_DELIVERY ? find_blocker(session, before, claim->now_ms) : STORE_NOT_FOUND;
    if (blocked == STORE_OK)
        return park(session, before, claim->now_ms);
    if (blocked != STORE_NOT_FOUND)
        return blocked;
    read_claimed(claim, before, &list->items[list->count++]);
    return STORE_OK;
}

static enum store_status claim_next(struct store_session *session, const struct store_claim *claim,
                                    struct store_message_list *list)
{
    bson_t before;
    int64_t token;
    randombytes_buf(&token, sizeof token);
    enum store_status status = take(session, claim, token, &before);
    if (status == STORE_OK)
        status = keep_or_park(session, claim, &before, list);
    if (store_status_is_error(status))
        note_lost(mongo_session(session), claim, token);
    bson_destroy(&before);
    return status;
}

/* What was claimed before a failure is handed out all the same: it is leased, and nobody else would get it
 * before the lease ends. */
static enum store_status message_claim(struct store_session *session, const struct store_claim *claim,
                                       struct store_message_list *list)
{
    *list = (struct store_message_list){.items = memory_allocate(claim->limit * sizeof *list->items)};
    enum store_status status = give_back_lost(session, claim->now_ms);
    for (unsigned seen = 0;
         status == STORE_OK && list->count < claim->limit && seen < claim->limit + PARKED_AT_MOST; seen++)
        status = claim_next(session, claim, list);
    if (status == STORE_NOT_FOUND || list->count > 0)
        return STORE_OK;
    if (status != STORE_OK)
        store_message_list_deinit(list);
    return status;
}

void mongo_claim_calls(struct store_backend *backend)
{
    backend->lanes_due = lanes_due;
    backend->message_claim = message_claim;
}
